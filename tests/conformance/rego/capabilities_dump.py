#!/usr/bin/env python3
"""Writes OPA's capabilities.json as the compact table that built-ins are checked against.

    capabilities_dump.py OPA/capabilities.json > src/lang/rego/builtins/testdata/capabilities.txt

One built-in a line: its name, its type in the notation of builtin.h without names of arguments, its
infix form or "-", and the flags it has (nondeterministic, deprecated, relation).

    capabilities_dump.py OPA/capabilities.json --metadata OPA/builtin_metadata.json

the same with names of arguments, as lines of a table of Builtin.
"""
import argparse
import json


def spell(t):
    kind = t["type"]
    if kind == "any":
        return " | ".join(spell(x) for x in t["of"]) if t.get("of") else "any"
    if kind == "set":
        return "set[%s]" % spell(t["of"])
    if kind == "array":
        if "static" in t:
            assert "dynamic" not in t
            return "array<%s>" % ", ".join(spell(x) for x in t["static"])
        return "array[%s]" % spell(t["dynamic"])
    if kind == "object":
        dynamic = t.get("dynamic")
        if "static" not in t:
            return "object[%s: %s]" % (spell(dynamic["key"]), spell(dynamic["value"]))
        fields = ["%s: %s" % (json.dumps(f["key"]), spell(f["value"])) for f in t["static"]]
        if dynamic:
            fields.append("%s: %s" % (spell(dynamic["key"]), spell(dynamic["value"])))
        return "object<%s>" % ", ".join(fields)
    assert kind in ("null", "boolean", "number", "string"), kind
    return kind


def function(decl, names=None):
    args = []
    for i, arg in enumerate(decl.get("args", [])):
        name = names[i]["name"] + ": " if names and i < len(names) and names[i].get("name") else ""
        args.append(name + spell(arg))
    if "variadic" in decl:
        args.append(spell(decl["variadic"]) + "...")
    result = spell(decl["result"]) if "result" in decl else "void"
    return "(%s) -> %s" % (", ".join(args), result)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("capabilities")
    parser.add_argument("--metadata")
    options = parser.parse_args()
    builtins = json.load(open(options.capabilities))["builtins"]
    metadata = json.load(open(options.metadata)) if options.metadata else None
    flags = ("nondeterministic", "deprecated", "relation")
    for b in sorted(builtins, key=lambda b: b["name"]):
        if metadata is None:
            print("\t".join([b["name"], function(b["decl"]), b.get("infix", "-")]
                            + [f for f in flags if b.get(f)]))
            continue
        names = metadata.get(b["name"], {}).get("args")
        fields = ["\"%s\"" % b["name"], json.dumps(function(b["decl"], names)), "nullptr"]
        if "infix" in b:
            fields.append(".infix = \"%s\"" % b["infix"])
        fields += [".%s = true" % f for f in flags if b.get(f)]
        print("{%s}," % ", ".join(fields))


if __name__ == "__main__":
    main()
