#!/bin/sh
# Asks OPA and Bulwark the same questions about policies that are made up: run.sh [COUNT] [SEED] [-calls|-syntax]
# -calls: each is one call of a built-in; -syntax: only what the parsers say about broken texts.
# REGO_DIFFERENTIAL names our binary (the target rego_differential of a release build).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../../..
if [ -z "${REGO_DIFFERENTIAL:-}" ]; then
    cmake --preset release -S "$root" >/dev/null
    cmake --build "$root/build/release" --target rego_differential >&2
    REGO_DIFFERENTIAL=$root/build/release/bin/rego_differential
fi
GO=${GO:-$(command -v go || echo /usr/local/go/bin/go)}
export GOWORK=off GOFLAGS=-buildvcs=false
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$here/../opa" && "$GO" build -o "$work/differential" ./differential)
"$work/differential" run -ours "$REGO_DIFFERENTIAL" -count "${1:-100000}" -seed "${2:-1}" ${3:-}
