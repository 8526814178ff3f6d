#!/bin/sh
# Writes OPA's own test cases as JSON.
#   dump.sh [OUT_DIR]        default: ${XDG_CACHE_HOME:-~/.cache}/bulwark/conformance/rego
# $GO names the go binary (1.26 or later). Does nothing when OUT_DIR was made by this very program and module version.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/bulwark/conformance/rego}
GO=${GO:-$(command -v go || echo /usr/local/go/bin/go)}
export GO GOWORK=off GOFLAGS=-buildvcs=false

stamp=$(cd "$here" && sha256sum dump.sh opa/go.mod opa/go.sum opa/dump/main.go | sha256sum | cut -d' ' -f1)
mkdir -p "$out"
out=$(cd "$out" && pwd)
exec 9>"$out/.lock"
flock 9
if [ "$(cat "$out/.stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

fresh=$(mktemp -d "$out/.new.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
(cd "$here/opa" && "$GO" run ./dump "$fresh")
rm -rf "$out/v0" "$out/v1" "$out/compile" "$out/.stamp"
mv "$fresh/v0" "$fresh/v1" "$fresh/compile" "$out/"
echo "$stamp" >"$out/.stamp"
