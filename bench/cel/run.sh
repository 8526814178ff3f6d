#!/usr/bin/env bash
# Our CEL beside cel-go 0.26 in Kubernetes' environment: the same expressions over the same Pods, in
# one run; prints both and the ratios, and fails where the engines disagree. CEL_BENCH names our binary
# (the target cel_peer_bench of a release build).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if [ -z "${CEL_BENCH:-}" ]; then
  cmake --preset release -S ../.. >/dev/null
  cmake --build ../../build/release --target cel_peer_bench >&2
  CEL_BENCH=$PWD/../../build/release/bin/cel_peer_bench
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd peer && "${GO:-go}" build -o "$work/peer" .)
"$CEL_BENCH" cases.json pods.json >"$work/ours"
"$work/peer" cases.json pods.json >"$work/theirs"
python3 - "$work/ours" "$work/theirs" <<'PY'
import json, statistics, sys
ours, theirs = ({(r["name"], r["mode"]): r for r in map(json.loads, open(f))} for f in sys.argv[1:])
ratios, disagree = {}, []
print(f"{'case':18} {'mode':16} {'ours ns':>9} {'cel-go ns':>10} {'ratio':>7} {'compile':>8}")
for key, mine in ours.items():
    other = theirs[key]
    if mine["true"] != other["true"]:
        disagree.append(key)
    ratio = other["ns_per_eval"] / mine["ns_per_eval"]
    compiled = other["compile_ns"] / mine["compile_ns"]
    ratios.setdefault(key[1], []).append(ratio)
    ratios.setdefault("compiling", []).append(compiled)
    print(f"{key[0]:18} {key[1]:16} {mine['ns_per_eval']:9.0f} {other['ns_per_eval']:10.0f} {ratio:6.1f}x {compiled:7.0f}x")
for mode, all_ratios in ratios.items():
    print(f"{mode}: cel-go takes {statistics.median(all_ratios):.1f} times as long in the median, {min(all_ratios):.1f} to {max(all_ratios):.1f}")
if disagree:
    sys.exit(f"the engines disagree on {disagree}")
PY
