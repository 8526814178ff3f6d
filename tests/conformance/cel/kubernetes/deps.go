//go:build deps

// Package main: the packages whose tests are run. Importing them makes `go mod tidy` keep the test dependencies' sums.
package main

import (
	_ "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	_ "k8s.io/apiserver/pkg/cel/library"
)
