#!/usr/bin/env python3
"""Writes src/base/unicode_width.h: the code points that are two columns wide on a terminal, or none.

    tools/unicode_width.py > src/base/unicode_width.h
"""
import unicodedata


def ranges(wanted):
    start = None
    for c in range(0x110001):
        inside = c < 0x110000 and wanted(c)
        if inside and start is None:
            start = c
        elif not inside and start is not None:
            yield start, c - 1
            start = None


def wide(c):
    # Unassigned places in the CJK planes are wide too (Unicode Standard Annex 11, section 5).
    if 0x20000 <= c <= 0x2FFFD or 0x30000 <= c <= 0x3FFFD:
        return True
    return unicodedata.east_asian_width(chr(c)) in "WF"


def none(c):
    # Marks, formats, and the vowels and finals of conjoining Hangul; the soft hyphen is shown.
    if c == 0xAD:
        return False
    return unicodedata.category(chr(c)) in ("Mn", "Me", "Cf", "Cc") or 0x1160 <= c <= 0x11FF


def table(name, wanted):
    cells = [f"{{0x{a:x}, 0x{b:x}}}," for a, b in ranges(wanted)]
    print(f"inline constexpr CodePointRange {name}[] = {{")
    line = "   "
    for cell in cells:
        if len(line) + len(cell) + 1 > 100:
            print(line)
            line = "   "
        line += " " + cell
    print(line)
    print("};\n")


print("#pragma once\n")
print(f"// Made by tools/unicode_width.py from Unicode {unicodedata.unidata_version}. First and last "
      "of each range.\n// clang-format off\n")
print("namespace bulwark {\n\nstruct CodePointRange {\n  char32_t first, last;\n};\n")
table("kWide", wide)
table("kNoWidth", none)
print("}  // namespace bulwark")
