#!/usr/bin/env python3
"""Asks OPA what its built-ins answer, and writes the table that ours are tested against.

    builtin_calls.py OPA_BINARY > src/lang/rego/builtins/testdata/calls.jsonl

A line is {"call": name, "args": […], "want": "…"} or {…, "error": "eval_type_error: …"}; in the
arguments, {"$set": […]} is a set. The answer is Rego text as %v prints it, within an array.
Numbers are written as OPA gets them.
"""
import itertools
import json
import os
import subprocess
import sys
import tempfile


class Raw(str):
    """A number, spelled like this."""


class Set(list):
    pass


def rego(v):
    if isinstance(v, Raw):
        return str(v)
    if isinstance(v, Set):
        return "{" + ", ".join(rego(x) for x in v) + "}" if v else "set()"
    if isinstance(v, list):
        return "[" + ", ".join(rego(x) for x in v) + "]"
    if isinstance(v, dict):
        return "{" + ", ".join(rego(k) + ": " + rego(x) for k, x in v.items()) + "}"
    return json.dumps(v, ensure_ascii=False)


def as_json(v):
    if isinstance(v, Raw):
        return str(v)
    if isinstance(v, Set):
        return '{"$set": ' + as_json(list(v)) + "}"
    if isinstance(v, list):
        return "[" + ", ".join(as_json(x) for x in v) + "]"
    if isinstance(v, dict):
        return "{" + ", ".join(json.dumps(k) + ": " + as_json(x) for k, x in v.items()) + "}"
    return json.dumps(v)


CALLS = []


def call(name, *args):
    CALLS.append((name, args))


def each(name, *columns, every=1):
    """All combinations, or every nth of them."""
    for args in itertools.islice(itertools.product(*columns), 0, None, every):
        call(name, *args)


def calls():
    numbers = [0, 1, -1, 2, 7, -7, 100, Raw("0.1"), Raw("0.5"), Raw("-2.5"), Raw("1.0"), Raw("3.7"),
               9223372036854775807, -9223372036854775808, 18446744073709551616,
               Raw("123456789012345678901234567890"), Raw("1e30"), Raw("1.5e-7"), Raw("1e300"),
               Raw("0.1234567890123456789"), Raw("99999999.5")]
    for op in ("plus", "minus", "mul", "div", "rem", "lt", "equal"):
        each(op, numbers, numbers, every=2)
    for op in ("abs", "ceil", "floor", "round"):
        each(op, numbers + [Raw("-0.5"), Raw("-0.1"), Raw("0.49999"), Raw("-1e19"), "a", None])
    ints = [0, 1, -1, 5, -6, 13, 255, 64, -300, 18446744073709551617, Raw("1e3"), Raw("1.5"), "x"]
    for op in ("bits.and", "bits.or", "bits.xor", "bits.lsh", "bits.rsh"):
        shift = op in ("bits.lsh", "bits.rsh")
        each(op, ints, [0, 1, 3, 64, -1, "x"] if shift else ints, every=2)
    each("bits.negate", ints)
    each("format_int", numbers, [2, 8, 10, 16, 3, "x"])
    for a, b in [(0, 3), (3, 0), (-2, 2), (1, 1), (Raw("1.5"), 2), ("x", 1), (1, "x"),
                 (18446744073709551616, 18446744073709551618), (Raw("2.0"), 4)]:
        call("numbers.range", a, b)
        for step in (1, 2, 5, 0, -1, Raw("1.5"), "x"):
            call("numbers.range_step", a, b, step)

    values = [None, True, False, 0, Raw("1.0"), Raw("2.5"), "", "a", "é", [], [1, "a", None],
              Set([]), Set([3, 1, 2]), {}, {"b": 1, "a": [1]}, [[1], [2]], [True, False]]
    for name in ("count", "sum", "product", "max", "min", "sort", "type_name", "is_array",
                 "is_set", "is_object", "is_string", "is_number", "is_boolean", "is_null",
                 "array.reverse", "array.flatten", "union", "intersection", "json.marshal",
                 "yaml.marshal", "to_number", "object.keys"):
        each(name, values)
    each("sum", [[1, 2, 3], [Raw("0.1"), Raw("0.2")], [9223372036854775807, 1], Set([1, Raw("2.5")]),
                 [1, "a"], Set(["a"]), [Raw("1.0"), 2]])
    each("product", [[1, 2, 3], [Raw("0.1"), Raw("0.2")], [9223372036854775807, 4], Set([2, Raw("2.5")]),
                     [1, "a"], [Raw("1e10"), Raw("1e10")]])
    each("union", [Set([Set([1, 2]), Set([2, 3])]), Set([1]), Set([Set([])])])
    each("intersection", [Set([Set([1, 2]), Set([2, 3])]), Set([1]), Set([Set([5])])])
    sets = [Set([]), Set([1, 2]), Set([2, 3, "a"]), [1], 5]
    for op in ("and", "or", "minus"):
        each(op, sets, sets)
    each("array.concat", [[], [1], "x"], [[], [2, 3], Set([1])])
    each("array.slice", [[1, 2, 3, 4], [], "x"], [-1, 0, 2, 9, Raw("1.5")], [-1, 0, 3, 9, Raw("2.0"), "x"])
    each("internal.member_2", values, values[6:])
    each("internal.member_3", [0, 1, "a", "b"], [1, "a", [1]], values[6:], every=2)

    objects = [{}, {"a": 1}, {"a": {"b": 1, "c": [1, 2]}, "d": "x"}, {"a": {"b": {"c": 1}}}, "x"]
    each("object.union", objects, objects)
    each("object.union_n", [[], [{"a": 1}], [{"a": 1}, {"a": {"b": 2}}, {"a": {"c": 3}}],
                            [{"a": {"b": 2}}, {"a": 4}, {"a": {"c": 3}}], [{"a": {"x": {"y": 1}}},
                            {"a": {"x": 2}}, {"a": {"x": {"z": 3}}}], [1], "x"])
    keys = [["a"], [], Set(["a", "d"]), {"a": 1}, ["zz"], "x", 1]
    each("object.remove", objects, keys)
    each("object.filter", objects, keys)
    each("object.get", objects, ["a", "zz", ["a", "b"], ["a", "c", 1], ["a", "c", "1"], [], ["d", 0]],
         ["default"])
    call("object.get", {"a": [1, Set([5])]}, ["a", 1, 5], None)
    subsets = [{"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": [1, 2, 3]}, {"d": [2, 3]},
               Set([1, 2]), Set([1]), [1, 2, 3, 1], [1, 2], [2, 3], [], [1, 1, 2], Set([]), {}, 1]
    each("object.subset", subsets, subsets)
    document = {"a": {"b": [1, {"c": 2}, 3], "x/y": 4}, "s": Set([1, "q"]), "n": None}
    paths = [["a/b/1/c"], ["a/b"], ["/a/b/0", "n"], ["a/x~1y"], [["a", "b", 1]], [["a", "b", "1"]],
             ["s/q"], [["s", 1]], [""], ["/"], ["zz"], Set(["a", "n"]), ["a", "a/b/0"], ["a/b/0", "a"],
             [1], "a", [[]], ["n/x"]]
    each("json.filter", [document], paths)
    each("json.remove", [document], paths)
    patches = [
        [], [{"op": "add", "path": "a/z", "value": 1}], [{"op": "add", "path": "a/b/1", "value": "new"}],
        [{"op": "add", "path": "a/b/-", "value": 9}], [{"op": "add", "path": "a/b/9", "value": 9}],
        [{"op": "add", "path": "/a/b/01", "value": 9}], [{"op": "add", "path": "", "value": 7}],
        [{"op": "remove", "path": "a/b/0"}], [{"op": "remove", "path": "a/zz"}], [{"op": "remove", "path": "n"}],
        [{"op": "replace", "path": "a/b/1/c", "value": 5}], [{"op": "replace", "path": "zz", "value": 5}],
        [{"op": "move", "from": "a/b/0", "path": "n"}], [{"op": "copy", "from": "a/b", "path": "n"}],
        [{"op": "copy", "from": "zz", "path": "n"}], [{"op": "test", "path": "a/b/0", "value": 1}],
        [{"op": "test", "path": "a/b/0", "value": 2}], [{"op": "nope", "path": "a"}], [{"op": "add"}],
        [{"path": "a"}], [{"op": "add", "path": "a"}], [{"op": 1, "path": "a"}], [1], "x",
        [{"op": "add", "path": ["s", "new"], "value": "new"}], [{"op": "add", "path": ["s", "x"], "value": "y"}],
        [{"op": "remove", "path": ["s", "q"]}], [{"op": "remove", "path": ["s", "zz"]}],
        [{"op": "add", "path": "n/x", "value": 1}], [{"op": "add", "path": "a/b/x", "value": 1}],
        [{"op": "add", "path": 5, "value": 1}], [{"op": "remove", "path": "a/b/0"}, {"op": "add", "path": "a/b/0", "value": 8}],
    ]
    each("json.patch", [document, [1, 2]], patches)
    graph = {"a": ["b", "c"], "b": ["d"], "c": Set(["d", "a"]), "d": [], "e": ["zz"], "f": "x"}
    starts = [["a"], Set(["e", "b"]), [], ["zz"], "a", ["f"], ["c", "c"]]
    each("graph.reachable", [graph, {}, "x"], starts)
    each("graph.reachable_paths", [graph, {}, "x"], starts)

    texts = ["", "a", "abc", "aXbXc", "héllo wörld", "日本語", "aaa", "  sp ace\t\n", "\u00a0x\u2003", "ǅ ß İ ı ſ",
             "ЖЗ", "e\u0301", "😀a😀"]
    parts = ["", "a", "X", "é", "本", "aa", "zz", "😀"]
    for name in ("contains", "startswith", "endswith", "indexof", "indexof_n", "split", "trim",
                 "trim_left", "trim_right", "trim_prefix", "trim_suffix", "strings.count"):
        each(name, texts, parts)
        call(name, 1, "a")
        call(name, "a", None)
    for name in ("lower", "upper", "trim_space", "strings.reverse"):
        each(name, texts + [5])
    each("substring", ["", "abcdef", "日本語", "x😀y"], [0, 1, 2, 10, -1, Raw("1.5")], [-1, 0, 1, 2, 100, Raw("1.0"), "x"])
    each("strings.split_n", ["", "a,b,c,d", "日本語"], [",", "", "zz"], [-9, -2, -1, 0, 1, 2, 9, Raw("1.5")])
    each("replace", ["", "abc", "aaa", "日本"], ["", "a", "aa", "本", "b"], ["", "X", "[$1]"])
    for patterns in ({}, {"a": "1", "ab": "2"}, {"ab": "2", "b": "3"}, {"": "-"}, {"": "-", "a": "1"}, {"<": "&lt;", ">": "&gt;"},
                     {"a": 1}, "x", {"本": "x"}):
        each("strings.replace_n", [patterns], ["", "abab", "日本語", 5])
    lists = ["ab", ["ab", "xyz"], Set(["ab"]), [], [1], 5, ["a", "b", "xy", "yz", "q", "", "zzz", "ab", "abc"]]
    each("strings.any_prefix_match", lists, lists)
    each("strings.any_suffix_match", lists, lists)
    each("concat", ["", ",", "--", 1], [[], ["a"], ["a", "b", ""], Set(["z", "y"]), ["", "", ""], [1], "x", Set([1]), ["a", 1]])

    verbs = ["%v", "%d", "%s", "%q", "%x", "%X", "%t", "%f", "%e", "%E", "%g", "%G", "%b", "%o", "%O", "%c", "%U",
             "%T", "%5v", "%-5v|", "%05v", "%+v", "%#v", "% v", "%.2v", "%8.3f", "%-8.2f|", "%08.2f", "%+d", "%#x",
             "% x", "%# x", "%#q", "%+q", "%#o", "%#b", "%6.2d", "%.0f", "%.3s", "%10s|", "%-10s|", "%z", "%!", "%w",
             "%.3g", "%#g", "%#.3f", "%+.2e", "%x %X", "%010d", "%-010d|", "%+05d", "%.10d", "%#U", "%.1q", "%6q"]
    args = [0, 42, -7, Raw("3.14159"), Raw("1.0"), Raw("1e21"), Raw("-0.5"), Raw("1e-7"), Raw("123456789.0"),
            18446744073709551616, "", "hi", "日本", "a\"b\n", None, True, [1, "a"], Set([2, 1]), {"k": "v"}, 9731, 128512,
            Raw("1000000.0"), Raw("100000.0"), Raw("2.5e-5"), Raw("5e-324"), Raw("1.7976931348623157e308")]
    each("sprintf", verbs, [[a] for a in args], every=1)
    for text, values in [
        ("%d %s", [1]), ("%d", [1, 2]), ("%d", [1, "x", Raw("1.5")]), ("no verbs", [1]), ("%", [1]), ("%%", []), ("%% %d", [1]),
        ("%[2]d %[1]d", [1, 2]), ("%[3]d", [1]), ("%[x]d", [1]), ("%[1]", [1]), ("%[1", [1]), ("%[0]d", [1]),
        ("%*d", [5, 42]), ("%-*d|", [5, 42]), ("%*d", [-5, 42]), ("%*d", ["x", 42]), ("%.*f", [2, Raw("3.14159")]),
        ("%.*f", [-2, Raw("3.14159")]), ("%.*f", ["x", Raw("3.14159")]), ("%[2]*[1]d", [42, 5]), ("%[1]5d", [42]), ("%[1].2f", [Raw("1.5")]),
        ("%6.[1]d", [3]), ("%.[2]*[1]f", [Raw("3.14159"), 2]), ("%9999999d", [1]), ("%s", []), ("%d%", [1]), ("%5%", []), ("%-+ #0d", [5]),
        ("日本%s語", ["x"]), ("%日", [1]), ("%v %v %v", ["a", 1, [1, {"a": "b"}]]), ("%s and %s", ["a"]), ("%[2]s %s", ["a", "b", "c"]),
        ("%s", ["a", "b"]), ("%[1]s", ["a", "b"]), ("%v", [[Raw("1.0"), Raw("1e3"), Raw("2.50")][:1]]), ("%1000001d", [1]), ("%.1000001d", [1]),
        ("%x", ["hello"]), ("% X", ["hello"]), ("%#x", ["hello"]), ("%.2x", ["hello"]), ("%8x|", ["hi"]), ("%-8x|", ["hi"]), ("%08x", ["hi"]),
        ("%v", [[]]), ("%v", [Set([])]), ("%v", [{}]), ("%d", [[1]]), ("%v", "x"), ("%v", [{"a": {"b": Set(["c", 1, None])}}]),
    ]:
        call("sprintf", text, values)
    call("sprintf", 1, [])

    for text in ["0", "12", "-5", "1.5", "1e3", "1E+3", "1e-3", "0x1F", "0b1", "", " 1", "1 ", "abc", "inf", "-Inf",
                 "+Infinity", "NaN", "--1", "1e", "1e400", "1e-400", "-0", "-0.0", "0.10", "123456789012345678901234567890",
                 "1.7976931348623159e308", "１", "0.1e1", "1..2", "-", "+", ".", "e5", "1e+-5"]:
        call("to_number", text)

    for text in ["", "1", "10", "1.5", "1k", "1K", "1ki", "1Ki", "1KB", "1KiB", "1kb", "1m", "1M", "1Mi", "1MB", "1g", "1Gi", "2t", "2Ti", "3p", "3Pi", "4e",
                 "4E", "4Ei", "4EiB", "1e3", "1e3k", "1E3", "1e", "1.5Gi", "0.5", ".5k", "5.", "100m", "1500m", "1e-3", "-5k", "+5k", "1 k", "k", "1x",
                 "1kk", "\"10k\"", "1.2.3", "1e1234567", "1-2", "1e+3Mi", "999999999999Gi", "123456789012345678901234567890", "0.1m", "3.3333333333333333333m",
                 "12345678901234567890.5", "0.00000000001", "0.00000000005", "1e-11", "1E", "1Eb", "0k", "--5", "1e3e3"]:
        call("units.parse", text)
        call("units.parse_bytes", text)
    call("units.parse", 1)
    call("units.parse_bytes", None)

    versions = ["1.2.3", "v1.2.3", "1.2.4", "1.10.0", "1.2.3-alpha", "1.2.3-alpha.1", "1.2.3-alpha.beta", "1.2.3-1", "1.2.3-11", "1.2.3+build", "1.2.3-rc.1+b.2",
                "01.2.3", "1.2", "1.2.3.4", "", "1.2.x", "1.2.3-", "1.2.3-01", "1.2.3+", "-1.2.3", "99999999999999999999.0.0", "1.2.3-a..b", "1.2.3-é", "vv1.2.3",
                "1.2.3-99999999999999999999", "1.2.3-0", "1.2.3--"]
    each("semver.is_valid", versions + [1])
    each("semver.compare", versions, versions, every=5)
    call("semver.compare", 1, "1.0.0")

    networks = ["10.0.0.0/8", "10.1.0.0/16", "10.0.0.5/24", "192.168.1.1/32", "0.0.0.0/0", "2001:db8::/32", "2001:db8:1::/48", "::/0", "::1/128",
                "::ffff:10.0.0.0/104", "::ffff:1.2.3.4/120", "fe80::1%eth0/64", "10.0.0.0/33", "10.0.0.0", "10.0.0", "10.0.0.0/08", "01.2.3.4/8", "", "x",
                "1.2.3.4/-1", "1.2.3.4/", "2001:db8::/129", "fe80::/10", "255.255.255.255/32", "::/80"]
    addresses = ["10.1.2.3", "10.0.0.255", "192.168.1.1", "2001:db8::1", "::ffff:10.1.2.3", "::1", "1.2.3", "01.2.3.4", "fe80::1%eth0", "256.1.1.1",
                 "1.2.3.4.5", "2001:db8:::1"]
    each("net.cidr_is_valid", networks + [1])
    each("net.cidr_contains", networks, networks + addresses + [5], every=5)
    each("net.cidr_intersects", networks, networks + [5], every=7)
    call("net.cidr_contains", 5, "1.2.3.4")
    each("net.cidr_expand", ["10.0.0.5/30", "10.0.0.1/32", "2001:db8::/126", "::ffff:1.2.3.4/126", "255.255.255.254/31", "0.0.0.0/30", "::/125", "1:0:0:2:0:0:0:8/127", "x", 5,
                             "10.0.0.0"])
    each("net.cidr_merge", [["10.0.0.0/9", "10.128.0.0/9"], ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"], ["10.0.0.5", "10.0.0.6"], ["192.0.2.112", "192.0.2.116"],
                            ["2001:db8::/33", "2001:db8:8000::/33"], ["0.0.0.0/1", "128.0.0.0/1"], ["::/1", "8000::/1"], Set(["10.0.0.0/8", "10.1.0.0/16"]), [], [1], "x",
                            ["x"], ["::1"], ["10.0.0.0/24", "10.0.0.0/24"], ["10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32"], ["223.1.1.1", "8.8.8.8"], ["::/0", "0.0.0.0/0"],
                            ["1.1.1.0/25", "1.1.1.128/26", "1.1.1.192/26", "9.9.9.9/32"]])
    call("net.cidr_contains_matches", "10.0.0.0/8", "10.1.2.3")
    call("net.cidr_contains_matches", ["10.0.0.0/8", ["11.0.0.0/8", "x"]], Set(["10.1.2.3", "11.1.1.1/32"]))
    call("net.cidr_contains_matches", {"k": "10.0.0.0/8", "j": ["10.2.0.0/16"]}, {"x": "10.2.0.1", "y": ["1.1.1.1"]})
    call("net.cidr_contains_matches", [1], ["10.0.0.1"])
    call("net.cidr_contains_matches", ["10.0.0.0/8"], [[]])
    call("net.cidr_contains_matches", ["10.0.0.0/8"], ["zz"])
    call("net.cidr_contains_matches", [["x"]], ["1.1.1.1"])
    call("net.cidr_contains_matches", [[1]], ["1.1.1.1"])

    patterns = ["a", "a*", "(a)(b)?", "[a-z]+", "^a|b$", "(", "[", "a{2,1}", "a**", "\\d+", "\\bfoo\\b", "(?i)ABC", "(?P<x>a+)", "(?<y>b)", "", "x*", "日", ".", "\\", "a{1001}",
                "(?=a)", "*a", "[z-a]", "[[:foo:]]", "\\pX", "\\Qa.b\\E", "(?s).", "$", "a)", "(?P<n", "\\8"]
    subjects = ["", "a", "aab", "foo bar 12", "日本a", "abcABC", "x\ny", "bbb"]
    each("regex.is_valid", patterns + [5])
    each("regex.match", patterns, subjects)
    each("regex.split", patterns, subjects, every=2)
    each("regex.find_n", patterns, subjects, [-1, 0, 1, 2], every=5)
    each("regex.find_all_string_submatch_n", patterns, subjects, [-1, 1], every=3)
    each("regex.replace", subjects, patterns, ["", "X", "<$0>", "$1-$2", "${x}y", "$x", "$$", "$", "${1", "${1}0", "$10", "$1x", "${y}", "$日"], every=11)
    call("regex.match", 1, "a")
    call("regex.find_n", "a", "a", "x")
    for template in ("urn:foo:{.*}", "urn:foo:{[a-z]+}:x", "a.b{\\d+}", "{", "}", "{a{b}}", "{(}", "plain", "{[}"):
        for text in ("urn:foo:bar:baz", "urn:foo:abc:x", "a.b12", "axb12", "plain", "ab"):
            call("regex.template_match", template, text, "{", "}")
    call("regex.template_match", "a", "a", "{{", "}")
    call("regex.template_match", "a", "a", "{", "")
    globs = ["", "a", "ab", ".*", "a.*", "[a-c]+", "[a-c]*x", "b+", "a*b", "[", "]", "a[", "+", "a\\*", "\\", "[b-a]", "[-a]", "[a-]", "..", "x[0-9]+y"]
    each("regex.globs_match", globs, globs, every=2)

    patterns = ["", "*", "**", "a*", "*.com", "*.*.com", "**.com", "?", "a?c", "[abc]", "[!abc]", "[a-c]x", "[!a-c]", "{a,b}", "{a*,b?}c", "{,a}b", "{a,{b,c}}", "a\\*b",
                "{a", "a}", "a,b", "[", "[]", "[a", "[a-", "[a-]", "[c-a]", "\\", "a[\\]]", "{a,b", "日*", "[日本]", "api.*.com", "/a/*/b", "{}", "***", "[-a]", "[!]", "[^a]", "*/*", "\\{a", "{[a-b],\\,}"]
    subjects = ["", "a", "b", "abc", "ab", "ac", "x.com", "x.y.com", "api.v1.com", "/a/x/b", "/a/x/y/b", "a*b", "日本", "-", "]", "}", "a}", ",", "{a", "cx", "^", "."]
    each("glob.match", patterns, [None, [], ["."], ["/"], [".", "/"]], subjects, every=9)
    each("glob.match", ["*"], [["ab"], [1], "x", ["日"]], ["a日b", 5])
    each("glob.quote_meta", ["", "*.github.com", "[a]{b}?\\,-!", 5])

    raw = ["", "a", "ab", "abc", "abcd", "héllo", "\x00\x01", "aGVsbG8=", "aGVsbG8", "aGVs\nbG8=", "!!!!", "a===", "_-8=", "/+8=", "aGVsbG8==", "YWI", "YQ", "Y"]
    for name in ("base64.encode", "base64.decode", "base64.is_valid", "base64url.encode", "base64url.encode_no_pad", "base64url.decode"):
        each(name, raw + [5])
    each("hex.encode", raw + [5])
    each("hex.decode", ["", "00", "6869", "zz", "6", "686", "6g", "AbCd", "é0", "0é", 5])
    each("urlquery.encode", ["", "a b", "a+b&c=d", "é/?#", "~-_.!*'()", 5])
    each("urlquery.decode", ["", "a+b", "%41%zz", "%4", "%", "%E6%97%A5", "a%20b", 5])
    each("urlquery.encode_object", [{}, {"a": "b"}, {"b": ["1", "2"], "a": "x y"}, {"a": Set(["y", "x"])}, {"a": 1}, {"a": [1]}, {"a": []}, "x"])
    each("urlquery.decode_object", ["", "a=b", "a=1&a=2&b", "a;b", "%zz=1", "a=%zz", "&&a", "=x", "a=b=c", 5])
    each("json.unmarshal", ["1", "1.0", "\"a\"", "{\"a\": [1, 2.5, null, true]}", "[1", "", "  ", "{\"a\":1,\"a\":2}", "\"\\ud800\"", "\"\\ud83d\\ude00\"", "1 2", "nul", "{a:1}", "[1,]",
                            "01", "\"\x01\"", "1e400", "1e40000", "-", "{\"b\":1,\"a\":2}", 5])
    each("json.is_valid", ["1", "{}", "[", "", "{\"a\":1,\"a\":2}", "\"\\ud800\"", "01", 5])
    each("json.marshal", ["<&>", {"é": "日"}, [Raw("1.0"), 18446744073709551616], Set([2, 1, "a"]), {"a": Set([])}, "\u2028\x01\x7f\t\n\\\"", "😀"])
    for value in ({"b": [1, {"a": []}], "a": {}}, [], {}, [1, 2], "x", ["a:{b", "\"q\""]):
        for options in ({}, {"pretty": True}, {"pretty": False, "indent": "  "}, {"indent": "  "}, {"prefix": "> "}, {"prefix": ">", "indent": "-", "pretty": True},
                        {"nope": 1}, {"indent": 1}, {"pretty": "x"}, "x"):
            call("json.marshal_with_options", value, options)
    each("yaml.marshal", [{"a": "x\ny\n"}, "x\ny", ["a\nb\n\n", {"b": " lead\nx"}], {"a": {"b": ["q\nr"]}}, [[1, [2, 3]], [], {}], [{"a": 1, "b": [{"c": 1}]}],
                          {"a b": "c: d", "e#": "# x", "n": "null", "y": "yes", "t": "2020-01-01", "tab": "a\tb", "e": "", "-": "- a", "u": "\u0001x", "é": "ünï",
                           "nbsp": "a\u00a0b", "q": "'it'", "dq": "\"x\"", "colon": "a:b", "f": Raw("1.5"), "s": " a", "10": 1, "9": 2, "a10": 1, "a9": 1, "emoji": "😀"},
                          {"": "x"}, {"a\nb": 1}, {"x": "1:30", "y": "0x1F", "z": "1_000", "o": "017", "inf": ".inf", "tilde": "~"}, {"k": "line1\n  indented\nline3"},
                          {"k": "a \nb"}, {"k": "\nabc"}, {"k": "\n"}, {"k": "a\rb"}, {"long": "w " * 80}, {"dq": "tab\t\"q\" \\ \u0007 \u2028"}, Raw("1.5e300"),
                          Raw("10000000.0"), 12345678901234567890, 123456789012345678901234567890, {"k" * 130: 1}, Set(["b", "a"]), ["---", "...", "--- a", "!x", "&a", "*a", "?", "? a", ":", ": a", "a: b", "a #b", "a#b", "%a", "@a", "`a", "[", "{", "-1", "+1", "0o7", "1e3", ".5", "=", "<<", "1 2", "true ", "True", "NULL", "off"]])
    each("yaml.unmarshal", ["", "a: 1", "- 1\n- b", "a: yes\nb: no\nc: on\nd: y", "a: true\nb: True\nc: ~\nd:", "x: 0x1F\ny: 0o17\nz: 017\nw: 1_000\nv: 0b11", "f: 1.0\ng: 1e3\nh: 1.5\ni: .5",
                            "a: .inf", "a: .nan", "1: a\ntrue: b\n1.5: c", "null: a", "a: &x 1\nb: *x", "a: *nope", "base: &b {x: 1, y: 2}\nd: {<<: *b, y: 3}", "d: {y: 3, <<: {x: 1, y: 2}}",
                            "a: 1\na: 2", "a: [", "a: b: c", "\ta: 1", "  a:\nb: 1", "a: |\n  x\n  y\nb: >\n  f\n  g\n", "--- 1\n--- 2", "--- 1\n---\n[", "!!str 1", "!!int \"5\"", "!!int x", "!!binary aGk=",
                            "2020-01-01", "d: 2020-01-01T00:00:00Z", "1:30", "\"a\\u00e9\"", "'it''s'", "# only a comment", "a: 18446744073709551615\nb: 18446744073709551616\nc: -9223372036854775808",
                            "{a: 1, b: [x, y]}", "%YAML 1.1\n---\na: 1", "a: !foo b", "- - 1\n  - 2\n- {}", "<<: x", "a: <<", "!!float 1", "[1, 2", "\"x", "a: 'x", "@x", "`x", "a:\n  - b\n c", "a: &x [*x]", "key: [a, b]: c", 5])
    each("yaml.is_valid", ["", "a: 1", "a: [", "a: b: c", "a: *x", "--- 1\n--- 2", 5])
    uris = ["", "http://example.com", "https://user:pw@example.com:8080/a%2Fb/c?x=1&y=2#frag", "mailto:a@b.c", "/rel/path?q", "//host/path", "http://[::1]:80/", "http://[fe80::1%25en0]/x", "http://a b/",
            "http://%zz", "http://x/%zz", ":foo", "1http://x", "http://example.com:port/", "?q=1", "#f", "http://x/日本", "http://x/a b", "x:y:z", "http://x\x7f", "urn:isbn:123", "http://h:/p", "http://[::1", "a/b:c", "http://x?", "HTTP://EX.com", 5]
    each("uri.parse", uris)
    each("uri.is_valid", uris)


def evaluate(opa, module, query, strict=False):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m.rego")
        with open(path, "w") as f:
            f.write(module)
        command = [opa, "eval", "-d", path, "-f", "json", query]
        if strict:
            command.append("--strict-builtin-errors")
        out = subprocess.run(command, capture_output=True, text=True, errors="surrogateescape")
        return json.loads(out.stdout)


NAMES = {"plus": "+", "minus": "-", "mul": "*", "div": "/", "rem": "%", "lt": "<", "equal": "==", "and": "&", "or": "|"}


def expression(name, names):
    if name in NAMES:
        return "%s %s %s" % (names[0], NAMES[name], names[1])
    if name == "internal.member_2":
        return "(%s in %s)" % tuple(names)
    if name == "internal.member_3":
        return "(%s, %s in %s)" % tuple(names)
    return "%s(%s)" % (name, ", ".join(names))


# By way of a function, so that the compiler does not know the types; called with something else each
# time, so that OPA does not take 1.0 for the 1 of before.
HEAD = "package calls\n\nhidden(x, _) := x\n\n"


def binding(name, text):
    return "%s := hidden(%s, \"%s\")\n" % (name, text, name)


def main():
    opa = sys.argv[1]
    calls()
    values = {}
    for _, args in CALLS:
        for a in args:
            values.setdefault(rego(a), "v%d" % len(values))
    bodies = [expression(name, [values[rego(a)] for a in args]) for name, args in CALLS]
    module = HEAD + "".join(binding(v, text) for text, v in values.items())
    for i, body in enumerate(bodies):
        module += "r[%d] := sprintf(\"%%v\", [[x]]) if { x := %s }\n" % (i, body)
    result = evaluate(opa, module, "data.calls.r")
    if "errors" in result:
        sys.exit(json.dumps(result["errors"][:5], indent=1))
    answers = result["result"][0]["expressions"][0]["value"]
    print("%d calls, %d without answer" % (len(bodies), len(bodies) - len(answers)), file=sys.stderr)

    def error_of(i):
        name, args = CALLS[i]
        module = HEAD + "".join(binding(values[text], text) for text in {rego(a) for a in args})
        result = evaluate(opa, module + "r := x if { x := %s }\n" % bodies[i], "data.calls.r", strict=True)
        if "errors" not in result:
            return None
        error = result["errors"][0]
        message = error["message"]
        for prefix in (name, NAMES.get(name, name)):
            if message.startswith(prefix + ": "):
                message = message[len(prefix) + 2:]
                break
        return error["code"] + ": " + message

    for i, (name, args) in enumerate(CALLS):
        if len(answers.get(str(i), "")) > 1000:
            continue  # 255.255.0.0/16, expanded
        line = "{\"call\": %s, \"args\": %s" % (json.dumps(name), as_json(list(args)))
        if str(i) in answers:
            print("%s, \"want\": %s}" % (line, json.dumps(answers[str(i)])))
            continue
        error = error_of(i)
        if error is None:
            print(line + ", \"want\": \"undefined\"}")
        else:
            print("%s, \"error\": %s}" % (line, json.dumps(error)))


if __name__ == "__main__":
    main()
