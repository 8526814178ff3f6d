#!/bin/sh
# Writes the CEL conformance data as JSON: OUT_DIR/spec from the CEL specification, OUT_DIR/kubernetes from Kubernetes.
#   dump.sh [OUT_DIR]        default: ${XDG_CACHE_HOME:-~/.cache}/bulwark/conformance/cel
# $GO names the go binary (1.24 or later). Does nothing when OUT_DIR was made by these very programs and module versions.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/bulwark/conformance/cel}
GO=${GO:-$(command -v go || echo /usr/local/go/bin/go)}
export GO GOWORK=off GOFLAGS=-buildvcs=false

stamp=$(cd "$here" && find dump.sh spec kubernetes -type f ! -name '*.md' | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1)
mkdir -p "$out"
out=$(cd "$out" && pwd)
exec 9>"$out/.lock"
flock 9
if [ "$(cat "$out/.stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

fresh=$(mktemp -d "$out/.new.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
for part in spec kubernetes; do
    (cd "$here/$part" && "$GO" run . "$fresh/$part")
done
rm -rf "$out/spec" "$out/kubernetes" "$out/.stamp"
mv "$fresh/spec" "$fresh/kubernetes" "$out/"
echo "$stamp" >"$out/.stamp"
