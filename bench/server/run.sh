#!/usr/bin/env bash
# The whole server under load, over a real API server.
#
#   bench/server/run.sh [--nodes 1000] [--pods 50000] [--workloads 5000] [--events 10000000]
#                       [--changes 200] [--event-rate 5000] [--minutes 10]
#
# Starts an API server (without controllers: they would collect the pods of nodes that are not there),
# fills it, starts Bulwark on it, stores events through the audit webhook, then changes objects and
# sends events at the given rates, and prints: time to the first full inspection, the server's memory,
# how long a change takes to be seen in the API, and how long lists and searches take.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
PYTHON=${PYTHON:-${XDG_CACHE_HOME:-$HOME/.cache}/bulwark/python/bin/python}
bulwark=${BULWARK:-build/release/bin/bulwark}
work=$(mktemp -d)
cleanup() {
  [ -z "${server:-}" ] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
  tests/cluster/cluster down --dir "$work/cluster" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT
tests/cluster/build.sh >/dev/null
tests/cluster/cluster up --dir "$work/cluster" >"$work/cluster.log" 2>&1 || { cat "$work/cluster.log" >&2; exit 1; }
"$PYTHON" bench/server/load.py fill --kubeconfig "$work/cluster/kubeconfig" "$@"
start=$(date +%s.%N)
KUBECONFIG=$work/cluster/kubeconfig "$bulwark" up --data "$work/data" --listen 127.0.0.1:0 \
  --webhook-listen 127.0.0.1:0 --agent-listen 127.0.0.1:0 --requests-per-second 100000 --log-level warn \
  >"$work/up.log" 2>"$work/up.err" &
server=$!
"$PYTHON" bench/server/load.py run --kubeconfig "$work/cluster/kubeconfig" --data "$work/data" \
  --pid "$server" --started "$start" "$@" || { tail -20 "$work/up.err" >&2; exit 1; }
