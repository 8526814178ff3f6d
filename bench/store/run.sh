#!/bin/sh
# The stores' figures: appends, disk size, searches, histograms, top values; lists, pages, groups.
#   bench/store/run.sh            10,000,000 events, 55,000 assets, 100,000 findings (half an hour, 10 GB)
#   bench/store/run.sh --quick    200,000 events, 5,500 assets, 10,000 findings
#   bench/store/run.sh N [FOLDER] N events; in FOLDER, which is kept (events there are not made again)
set -eu
cd "$(dirname "$0")/../.."
events=${1:-10000000}
[ "$events" = --quick ] && events=200000
build=${BUILD:-build/release}
[ -f "$build/CMakeCache.txt" ] ||
  cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_COMPILER_LAUNCHER=ccache >/dev/null
ninja -C "$build" store_load >/dev/null
folder=${2:-}
if [ -z "$folder" ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi
mkdir -p "$folder"
"$build/bin/store_load" "$folder" "$events"
