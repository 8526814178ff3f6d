// Writes src/lang/rego/builtins/unicode_tables.h: what Go's package unicode says of code points, as
// far as built-ins show it (what %q escapes; upper and lower).
//
//	go run tools/go_unicode/main.go > src/lang/rego/builtins/unicode_tables.h
package main

import (
	"fmt"
	"strconv"
	"unicode"
)

type mapping struct{ first, last, stride, delta rune }

func mappings(to func(rune) rune) []mapping {
	var out []mapping
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		delta := to(r) - r
		if delta == 0 {
			continue
		}
		if n := len(out); n > 0 && out[n-1].delta == delta {
			last := &out[n-1]
			step := r - last.last
			if step <= 2 && (last.first == last.last || last.stride == step) {
				last.last, last.stride = r, step
				continue
			}
		}
		out = append(out, mapping{r, r, 1, delta})
	}
	return out
}

func main() {
	fmt.Printf("#pragma once\n\n// Made by tools/go_unicode from Unicode %s.\n\n#include <cstdint>\n\n",
		unicode.Version)
	fmt.Printf("namespace bulwark::rego {\n\nstruct CodePointRange {\n  uint32_t first, last;\n};\n")
	fmt.Printf("// Every `stride`-th from first to last has its other case `delta` away.\n")
	fmt.Printf("struct CaseRange {\n  uint32_t first, last, stride;\n  int32_t delta;\n};\n\n")
	fmt.Printf("// clang-format off\n// First and last of each run that is printable.\ninline constexpr CodePointRange kPrintable[] = {\n")
	for r, column := rune(0), 0; r <= unicode.MaxRune; r++ {
		if !strconv.IsPrint(r) {
			continue
		}
		first := r
		for r < unicode.MaxRune && strconv.IsPrint(r+1) {
			r++
		}
		fmt.Printf("{%#x, %#x},", first, r)
		if column++; column%5 == 0 {
			fmt.Println()
		} else {
			fmt.Print(" ")
		}
	}
	fmt.Printf("};\n\n")
	for _, table := range []struct {
		name string
		to   func(rune) rune
	}{{"kToUpper", unicode.ToUpper}, {"kToLower", unicode.ToLower}} {
		fmt.Printf("inline constexpr CaseRange %s[] = {\n", table.name)
		for i, m := range mappings(table.to) {
			fmt.Printf("{%#x, %#x, %d, %d},", m.first, m.last, m.stride, m.delta)
			if i%3 == 2 {
				fmt.Println()
			} else {
				fmt.Print(" ")
			}
		}
		fmt.Printf("};\n\n")
	}
	fmt.Printf("// clang-format on\n}  // namespace bulwark::rego\n")
}
