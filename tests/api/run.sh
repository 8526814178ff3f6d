#!/usr/bin/env bash
# Drives every operation of /api/v1/openapi.json with Schemathesis; see README.md.
#
#   BULWARK=build/dev/bin/bulwark tests/api/run.sh [EXAMPLES]     examples per operation; 20
#
# KUBECONFIG (a cluster to watch; without one there are no assets, findings and alerts) and SEED are
# taken from the environment. Exit code 0: nothing failed.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
bulwark=$(readlink -f "${BULWARK:?the program to test}")
examples=${1:-20}
venv=${XDG_CACHE_HOME:-$HOME/.cache}/bulwark/schemathesis
if ! cmp -s "$here/requirements.txt" "$venv/installed"; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/installed"
fi

work=$(mktemp -d)
server=
finish() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap finish EXIT

"$bulwark" up --data "$work/data" --listen 127.0.0.1:0 --webhook-listen 127.0.0.1:0 \
  --agent-listen 127.0.0.1:0 --requests-per-second 100000 \
  ${KUBECONFIG:+--kubeconfig "$KUBECONFIG"} >"$work/log" 2>&1 &
server=$!

# What the operations are about, and the configuration that says so.
"$venv/bin/python" "$here/prepare.py" prepare "$work" "$server"
url=$(cat "$work/url")

# One pass over everything; then what would take the first pass' ground away (prepare.py: LAST).
pass() {
  local name=$1
  shift
  echo "--- $name"
  (cd "$work" && "$venv/bin/schemathesis" --config-file "$work/$name.toml" run \
    "$url/api/v1/openapi.json" --tls-verify "$work/data/ca.crt" --seed "${SEED:-1}" \
    --generation-database none --suppress-health-check filter_too_much,too_slow --no-color "$@" 2>&1) | tee "$work/$name.out" || return 1
  # Where its worker dies, it says that all is well.
  ! grep -q '^Traceback' "$work/$name.out"
}
export SCHEMATHESIS_HOOKS=$here/hooks.py
result=0
pass all --max-examples "$examples" --phases examples,coverage,fuzzing,stateful || result=1
"$venv/bin/python" "$here/prepare.py" check "$work" "$server" || result=1
pass last --max-examples 3 --phases fuzzing || result=1

# A crash or a failed assertion, which a client sees as a connection that ends.
if ! kill -0 "$server" 2>/dev/null; then
  echo "the server died:"
  tail -40 "$work/log"
  result=1
fi
if grep '"event":"api.internal"' "$work/log"; then
  echo "the server logged errors of its own"
  result=1
fi
[ $result = 0 ] && echo "API: nothing failed"
exit $result
