#!/bin/sh
# The inventory of a big cluster: time until it is known, and memory.
#
#   bench/inventory/run.sh [PODS] [WORKLOADS]      50000 and 5000 unless told
#
# Starts an API server (tests/cluster) and fills it, which takes some minutes.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-$root/build/release}
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
ninja -C "$build" inventory_bench >/dev/null
exec "$build/bin/inventory_bench" "$@"
