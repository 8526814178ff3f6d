#!/usr/bin/env python3
"""table.py OURS THEIRS: the two outputs beside each other; exit code 1 where the values differ or a case is missing."""

import json
import statistics
import sys

ours, theirs = ({r["name"]: r for r in map(json.loads, open(path))} for path in sys.argv[1:])


def same(a, b):
    """Sets are arrays in JSON, in an order of the engine's own."""
    if isinstance(a, list) and isinstance(b, list):
        key = lambda value: json.dumps(value, sort_keys=True)
        return len(a) == len(b) and (all(map(same, a, b)) or all(map(same, sorted(a, key=key), sorted(b, key=key))))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a == b


def unit(number, units):
    for name in units[:-1]:
        if number < 1000:
            return f"{number:.4g} {name}"
        number /= 1000
    return f"{number:.4g} {units[-1]}"


def time(nanoseconds):
    return unit(nanoseconds, ["ns", "us", "ms", "s"])


def size(count):
    return unit(count, ["B", "KB", "MB"])


wrong = []
ratios = {"evaluating": [], "compiling": [], "memory a policy": []}
print(f"{'case':20} {'ours':>9} {'OPA':>9} {'ratio':>8} | {'compile':>9} {'OPA':>9} {'ratio':>8} | {'memory':>9} {'OPA':>9} {'ratio':>8}")
for name, other in theirs.items():
    mine = ours.get(name)
    if mine is None:
        wrong.append(f"{name}: not run by us")
        continue
    if not same(mine["value"], other["value"]):
        wrong.append(f"{name}: ours {json.dumps(mine['value'])[:300]}, OPA {json.dumps(other['value'])[:300]}")
    evaluating = other["ns_per_eval"] / mine["ns_per_eval"]
    compiling = other["compile_ns"] / mine["compile_ns"]
    memory = other["policy_bytes"] / max(1, mine["policy_bytes"])
    ratios["evaluating"].append(evaluating)
    ratios["compiling"].append(compiling)
    ratios["memory a policy"].append(memory)
    print(f"{name:20} {time(mine['ns_per_eval']):>9} {time(other['ns_per_eval']):>9} {evaluating:7.1f}x | {time(mine['compile_ns']):>9} {time(other['compile_ns']):>9} "
          f"{compiling:7.1f}x | {size(mine['policy_bytes']):>9} {size(other['policy_bytes']):>9} {memory:7.1f}x")
for what, all_ratios in ratios.items():
    if all_ratios:
        print(f"{what}: OPA takes {statistics.median(all_ratios):.1f} times as much in the median, {min(all_ratios):.1f} to {max(all_ratios):.1f}")
for line in wrong:
    print("DIFFERENT", line, file=sys.stderr)
sys.exit(1 if wrong else 0)
