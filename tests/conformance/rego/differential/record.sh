#!/bin/sh
# Writes recorded.jsonl: 2,000 made-up policies with OPA's answers.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
GO=${GO:-$(command -v go || echo /usr/local/go/bin/go)}
export GOWORK=off GOFLAGS=-buildvcs=false
(cd "$here/../opa" && "$GO" run ./differential record -count 2000 -seed 1000000 -size 1200) >"$here/recorded.jsonl.new"
mv "$here/recorded.jsonl.new" "$here/recorded.jsonl"
