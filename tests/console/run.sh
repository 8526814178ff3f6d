#!/usr/bin/env bash
# Runs the console's tests in a browser; see README.md. Arguments go to node's test runner.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
console=../../console
[ -d $console/node_modules/playwright-core ] || npm --prefix $console ci --no-audit --no-fund --loglevel=error
if [ -z "${BULWARK_CONSOLE_URL:-}" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  (cd $console && BULWARK_CONSOLE_OUT=$work/dist npx --no-install vite build --logLevel warn)
  export BULWARK_CONSOLE_DIST=$work/dist
fi
node --test --test-concurrency=1 "$@" console_test.mjs
