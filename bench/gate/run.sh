#!/usr/bin/env bash
# bulwark gate beside gator v3.23.1, one run: 49 templates over 5,000 Deployments, the same with an
# expansion to Pods, and a suite for each template. Both must find the same. BULWARK names our program;
# gator is built from the Go module proxy. Prints wall and CPU seconds, peak memory and the ratio.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
BULWARK=${BULWARK:-build/release/bin/bulwark}
PEERS=${XDG_CACHE_HOME:-$HOME/.cache}/bulwark/peers
GATOR=${GATOR:-$PEERS/gator}
count=${1:-5000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

[ -x "$GATOR" ] || GOBIN=$PEERS "${GO:-go}" install github.com/open-policy-agent/gatekeeper/v3/cmd/gator@v3.23.1
generate() { python3 bench/gate/generate.py "$@"; }
mkdir "$work/plain" "$work/expanded" "$work/suites"
generate policies "$work/plain/policies.yaml"
generate objects "$count" "$work/plain/objects.yaml"
cp "$work"/plain/*.yaml "$work/expanded/"
generate expansion "$work/expanded/expansion.yaml"
generate suites "$work/suites"
printf '%s Deployments, %s bytes\n' "$count" "$(stat -c '%s' "$work/plain/objects.yaml")"

same() {  # the violations of both, sorted
  "$BULWARK" gate test -f "$1" </dev/null | sort >"$work/ours" || true
  "$GATOR" test -f "$1" </dev/null 2>/dev/null | sort >"$work/theirs" || true
  printf '%s violations; ' "$(wc -l <"$work/ours")"
  cmp -s "$work/ours" "$work/theirs" && echo "the same" || { echo "NOT THE SAME"; diff "$work/ours" "$work/theirs" | head -5; }
}
pair() { python3 bench/pair.py --runs "${RUNS:-2}" --ours "$1" --peer gator "$2"; }

echo "-- gate test"
same "$work/plain"
pair "$BULWARK gate test -f $work/plain -o json" "$GATOR test -f $work/plain -o json"
if [ "${EXPANSION:-1}" = 1 ]; then
  echo "-- gate test, Deployments expanded to Pods"
  [ "${CHECK_EXPANSION:-0}" = 0 ] || same "$work/expanded"
  pair "$BULWARK gate test -f $work/expanded -o json" "$GATOR test -f $work/expanded -o json"
fi
echo "-- gate verify"
pair "$BULWARK gate verify $work/suites/..." "$GATOR verify $work/suites/..."
