#!/usr/bin/env bash
# The console's tests before a real server with a real cluster behind it; see README.md. Arguments
# go to node's test runner.
#
#   BULWARK=build/dev/bin/bulwark tests/console/real.sh
set -euo pipefail
bulwark=$(readlink -f "${BULWARK:?the program to test}")
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
cluster=../cluster/cluster
console=../../console
[ -d $console/node_modules/playwright-core ] || npm --prefix $console ci --no-audit --no-fund --loglevel=error

work=$(mktemp -d)
server=
finish() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  $cluster down --dir "$work/cluster" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap finish EXIT

cat >"$work/audit-policy.yaml" <<'POLICY'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: ["system:apiserver"]
- level: Metadata
  resources: [{group: "", resources: [secrets, configmaps]}]
- level: Request
POLICY
echo "starting a cluster"
kubeconfig=$($cluster up --dir "$work/cluster" --apiserver-arg="--audit-policy-file=$work/audit-policy.yaml" \
  --apiserver-arg="--audit-log-path=$work/audit.log")
$cluster seed --dir "$work/cluster" >/dev/null
kubectl() { $cluster kubectl --dir "$work/cluster" -- "$@"; }
id=$(kubectl get namespace kube-system --output=jsonpath='{.metadata.uid}')

# An agent of this machine too, where we may.
agent=()
[ "$(id -u)" = 0 ] && agent=(--agent)
"$bulwark" up --data "$work/data" --listen 127.0.0.1:0 --webhook-listen 127.0.0.1:0 --agent-listen 127.0.0.1:0 \
  --kubeconfig "$kubeconfig" --audit-log "$id=$work/audit.log" --requests-per-second 100000 "${agent[@]}" >"$work/log" 2>&1 &
server=$!

# People, and things that happen.
node prepare.mjs "$work/data" "$work/environment" || { tail -40 "$work/log"; exit 1; }
kubectl create clusterrolebinding eve --clusterrole=cluster-admin --user=eve >/dev/null
kubectl --namespace shop exec web -- sh >/dev/null 2>&1 || true
kubectl --as=eve get secrets --all-namespaces >/dev/null
kubectl --namespace shop label deployment --all tested=yes >/dev/null
set -a
# shellcheck disable=SC1091
. "$work/environment"
set +a
result=0
node --test --test-concurrency=1 "$@" real_test.mjs console_test.mjs || result=1
if ! kill -0 "$server" 2>/dev/null; then
  echo "the server died:"
  tail -40 "$work/log"
  result=1
fi
if grep -E ' ERROR (api\.internal|http\.)' "$work/log"; then
  echo "the server logged errors of its own"
  result=1
fi
exit $result
