#!/usr/bin/env bash
# Builds the programs of a Kubernetes cluster that go.mod names, CoreDNS (dns/) and helm (helm/) from
# source, once, and prints the folder that holds them. The result is kept outside the tree, under
# the hash of what went in; a second run takes milliseconds.
#
# With --check it builds nothing: it says, by exit 77 and a line on stderr, if it could not.
#
#   GO                  the Go to build with (default: `go` on PATH), 1.26 or later
#   BULWARK_CLUSTER_BIN a folder with the programs already in it: nothing is built
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
programs=(coredns etcd helm kube-apiserver kube-controller-manager kube-proxy kube-scheduler kubectl
  kubelet pause)

die() {
  echo "build.sh: $*" >&2
  exit 1
}

cannot() { # 77: a test that needs this is skipped, it has not failed
  echo "build.sh: $*" >&2
  exit 77
}

if [[ -n ${BULWARK_CLUSTER_BIN:-} ]]; then
  for program in "${programs[@]}"; do
    [[ -x $BULWARK_CLUSTER_BIN/$program ]] ||
      die "BULWARK_CLUSTER_BIN=$BULWARK_CLUSTER_BIN has no program $program"
  done
  printf '%s\n' "$BULWARK_CLUSTER_BIN"
  exit
fi

# Raise the number when the flags below change, so that the programs are built anew.
recipe=1
key=$({ echo "$recipe" && cat "$here"/{,dns/,helm/}go.{mod,sum}; } | sha256sum)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bulwark/cluster/${key:0:16}
bin=$cache/bin

complete() {
  local program
  for program in "${programs[@]}"; do
    [[ -x $bin/$program ]] || return 1
  done
}

if ! complete; then
  go=${GO:-go}
  command -v "$go" >/dev/null || cannot "no Go: put one on PATH, or name it in GO"
  # Asked outside the module, whose go.mod an older Go would refuse in words of its own.
  version=$(cd / && GOTOOLCHAIN=local "$go" env GOVERSION)
  [[ $version =~ ^go([0-9]+)\.([0-9]+) ]] || cannot "cannot read the version of $go: $version"
  ((BASH_REMATCH[1] > 1 || BASH_REMATCH[2] >= 26)) || cannot "$go is $version; 1.26 is needed"
  command -v "${CC:-cc}" >/dev/null || cannot "no C compiler: put cc on PATH, or name one in CC"
fi
[[ ${1:-} != --check ]] || exit 0

if ! complete; then
  mkdir -p "$bin"
  # Two test programs that find nothing built must not build it twice.
  exec 9>"$cache/lock"
  flock 9
  work=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$work"' EXIT

  # No toolchain is fetched, nothing of the caller's settings leaks in, and no C library is linked.
  export GOTOOLCHAIN=local GOFLAGS=-mod=readonly GOWORK=off CGO_ENABLED=0

  # Each program is moved into place when it is whole, so an interrupted build goes on where it was.
  build() { # build <program> <module folder> <package> <ldflags>
    [[ -x $bin/$1 ]] && return
    echo "build.sh: building $1" >&2
    (cd "$2" && nice "$go" build -trimpath -buildvcs=false -ldflags "-s -w $4" -o "$work/$1" "$3") >&2
    mv "$work/$1" "$bin/$1"
  }

  kubernetes=$(cd "$here" && "$go" list -m -f '{{.Version}}' k8s.io/kubernetes)
  [[ $kubernetes =~ ^v([0-9]+)\.([0-9]+)\. ]] || die "odd version of k8s.io/kubernetes: $kubernetes"
  # What a release build stamps in: clients read it from /version, nodes report it.
  package=k8s.io/component-base/version
  stamp="-X $package.gitVersion=$kubernetes -X $package.gitMajor=${BASH_REMATCH[1]}"
  stamp+=" -X $package.gitMinor=${BASH_REMATCH[2]} -X $package.gitTreeState=clean"

  build etcd "$here" go.etcd.io/etcd/server/v3 ""
  for program in kube-apiserver kubectl kube-controller-manager kube-scheduler kubelet kube-proxy; do
    build "$program" "$here" "k8s.io/kubernetes/cmd/$program" "$stamp"
  done
  build coredns "$here/dns" . ""
  build helm "$here/helm" helm.sh/helm/v4/cmd/helm ""

  # The sandbox's own process, from the source that Kubernetes builds its pause image of.
  if [[ ! -x $bin/pause ]]; then
    source=$(cd "$here" && "$go" list -m -f '{{.Dir}}' k8s.io/kubernetes)/build/pause/linux/pause.c
    "${CC:-cc}" -Os -static -DVERSION="${kubernetes#v}" -o "$work/pause" "$source" >&2
    strip "$work/pause"
    mv "$work/pause" "$bin/pause"
  fi
fi

printf '%s\n' "$bin"
