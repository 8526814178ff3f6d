#!/usr/bin/env bash
# build.sh OUT: makes the file that the program embeds (see pack.mjs). The result depends on the
# sources alone and is kept under their hash, so that a fresh clone with the same sources needs no
# node. Needs node 20.19 or later and npm otherwise.
set -euo pipefail
out=$(readlink -m "$1")
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

hash=$(
  { find src public scripts -type f ! -name '*.test.ts' ! -name '*.test.tsx'
    printf '%s\n' index.html package.json package-lock.json tsconfig.json vite.config.ts .npmrc
  } | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-32
)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bulwark/console
kept=$cache/$hash.pack

if [ ! -s "$kept" ]; then
  command -v npm >/dev/null || { echo "console: needs node (20.19 or later) and npm on PATH" >&2; exit 2; }
  # What is installed counts as long as the lock file is the same.
  lock=$(sha256sum package-lock.json | cut -d' ' -f1)
  if [ "$(cat node_modules/.bulwark-lock 2>/dev/null || true)" != "$lock" ]; then
    npm ci --no-audit --no-fund --loglevel=error
    echo "$lock" > node_modules/.bulwark-lock
  fi
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  npx --no-install tsc --noEmit
  BULWARK_CONSOLE_OUT=$work/dist npx --no-install vite build --logLevel warn
  mkdir -p "$cache"
  node scripts/pack.mjs "$work/dist" "$cache/$hash.$$"
  mv "$cache/$hash.$$" "$kept"
  # The newest few are enough.
  ls -1t "$cache"/*.pack | tail -n +11 | xargs -r rm -f
fi
mkdir -p "$(dirname "$out")"
cmp -s "$kept" "$out" || cp "$kept" "$out"
touch "$out"
