#!/usr/bin/env bash
# bulwark inspect beside kube-score v1.20.0: 5,000 varied Deployments in one file, and one alone (the
# cold start). BULWARK names our program; kube-score is built from the Go module proxy.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
BULWARK=${BULWARK:-build/release/bin/bulwark}
PEERS=${XDG_CACHE_HOME:-$HOME/.cache}/bulwark/peers
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

[ -x "$PEERS/kube-score" ] || GOBIN=$PEERS "${GO:-go}" install github.com/zegl/kube-score/cmd/kube-score@v1.20.0
python3 bench/inspect/generate.py "${1:-5000}" >"$work/many.yaml"
python3 bench/inspect/generate.py 1 >"$work/one.yaml"
printf '%s\n' "$(stat -c '%s' "$work/many.yaml") bytes, $("$BULWARK" checks list | tail -1)"

echo "-- ${1:-5000} Deployments, results as JSON"
python3 bench/pair.py --runs "${RUNS:-5}" --ours "$BULWARK inspect $work/many.yaml --fail-on never --format json" \
  --peer kube-score "$PEERS/kube-score score --output-format json $work/many.yaml"
echo "-- ${1:-5000} Deployments, results as a table"
python3 bench/pair.py --runs "${RUNS:-5}" --ours "$BULWARK inspect $work/many.yaml --fail-on never" \
  --peer kube-score "$PEERS/kube-score score --output-format ci $work/many.yaml"
echo "-- one Deployment"
python3 bench/pair.py --runs 20 --ours "$BULWARK inspect $work/one.yaml --fail-on never" \
  --peer kube-score "$PEERS/kube-score score $work/one.yaml"
