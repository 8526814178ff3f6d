#!/usr/bin/env bash
# Our Rego beside OPA 1.22.2: the same prepared queries over the same inputs and data, in one run; prints
# both and the ratios, and fails where the engines disagree. run.sh [CASE] runs one case.
# REGO_BENCH names our binary (the target rego_peer_bench of a release build).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if [ -z "${REGO_BENCH:-}" ]; then
  cmake --preset release -S ../.. >/dev/null
  cmake --build ../../build/release --target rego_peer_bench >&2
  REGO_BENCH=$PWD/../../build/release/bin/rego_peer_bench
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 generate.py "$work/cases"
(cd peer && "${GO:-go}" build -o "$work/peer" .)
only=${1:-}
"$REGO_BENCH" "$work/cases/cases.json" ${only:+--only "$only"} >"$work/ours"
"$work/peer" ${only:+-only "$only"} "$work/cases/cases.json" >"$work/theirs"
python3 table.py "$work/ours" "$work/theirs"
