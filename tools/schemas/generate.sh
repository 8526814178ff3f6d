#!/bin/sh
# Writes rules/schemas/kubernetes.txt and rules/schemas/lifecycle.txt anew from the releases that
# versions.txt names. Needs Go and a Go module proxy; takes about two minutes and 1 GB of temporary
# space. With an argument, keeps what it downloads there, so that a second run needs no network.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
keep=${1:-}
work=${keep:-$(mktemp -d)}
mkdir -p "$work"
[ -n "$keep" ] || trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$here"
go vet ./... && go test ./...
go run . -work "$(cd "$work" && pwd)" -out ../../rules/schemas
