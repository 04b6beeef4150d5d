#!/usr/bin/env bash
# Installs the Debian packages that scripts/packages.txt names and this machine lacks; as root, makes the system user `atelier`.
#   scripts/setup.sh [--test] [--kubelet] [--image] [--bench] [--check]
# --test: also what tests need; --kubelet: also what a node of Kubernetes needs (make test-kubernetes-node); --image: also what
# builds an image (make test-image); --bench: also what bench/ measures with. --check: only say what is missing. As root, or
# through sudo; otherwise it prints the one command to run. The daemons that packages bring are not started, and no PostgreSQL cluster is made.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
with_tests= with_kubelet= with_image= with_bench= check_only=
for argument in "$@"; do
    case $argument in
    --test) with_tests=--test ;;
    --kubelet) with_kubelet=--kubelet ;;
    --image) with_image=--image ;;
    --bench) with_bench=--bench ;;
    --check) check_only=yes ;;
    *) printf 'setup: %s: expected --test, --kubelet, --image, --bench or --check\n' "$argument" >&2; exit 2 ;;
    esac
done
tell() { printf 'setup: %s\n' "$*" >&2; }

has_node() { # 18 or newer, with npm
    local version
    version=$(node --version 2>/dev/null) || return 1
    version=${version#v}
    [ "${version%%.*}" -ge 18 ] 2>/dev/null && command -v npm >/dev/null
}

wanted() {
    local purpose package
    while read -r purpose package _; do
        case $purpose in
        build | run) echo "$package" ;;
        node) has_node || echo "$package" ;;
        test) [ -z "$with_tests" ] || echo "$package" ;;
        bench) [ -z "$with_bench" ] || echo "$package" ;;
        kubelet) [ -z "$with_kubelet" ] || echo "$package" ;;
        image) [ -z "$with_image" ] || echo "$package" ;;
        esac
    done <"$here/packages.txt"
}

missing() { # those of stdin that are not installed
    local all installed
    all=$(sort -u)
    # shellcheck disable=SC2086  # package names hold no blanks
    installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $all 2>/dev/null | sed -n 's/^installed //p' | sort -u) || true
    comm -23 <(echo "$all") <(echo "$installed")
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    tell "this is not Debian: install the equivalents of scripts/packages.txt yourself"
    exit 0
fi
packages=$(wanted | missing)
need_user=
[ "$(id -u)" -ne 0 ] || getent passwd atelier >/dev/null || need_user=yes # an ordinary user's atelierd runs as an id of his own
[ -n "$packages$need_user" ] || exit 0
if [ -n "$check_only" ]; then
    [ -z "$packages" ] || tell "missing packages:" $packages
    [ -z "$need_user" ] || tell "missing system user: atelier"
    exit 1
fi

if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        tell "needs root for: ${packages//$'\n'/ }"
        exec sudo "$here/setup.sh" $with_tests $with_kubelet $with_image $with_bench
    fi
    tell "missing packages: ${packages//$'\n'/ }"
    tell "run this once as root, then try again:"
    printf '    %s/setup.sh%s\n' "$here" "${with_tests:+ $with_tests}${with_kubelet:+ $with_kubelet}${with_image:+ $with_image}${with_bench:+ $with_bench}" >&2
    exit 1
fi

policy=/usr/sbin/policy-rc.d
policy_mark='# made by Atelier setup; removed when it ends'
cluster_rule=/etc/postgresql-common/createcluster.d/atelier-setup.conf
log=$(mktemp /tmp/atelier-setup.XXXXXX)
restore() {
    rm -f "$cluster_rule"
    rmdir "$(dirname "$cluster_rule")" 2>/dev/null || true # made by us, or empty anyway
    if grep -qsxF "$policy_mark" "$policy"; then rm -f "$policy"; fi
}
trap restore EXIT
trap 'exit 130' INT TERM HUP
restore # what an earlier run, killed in the middle, left

keep_daemons_off() {
    if [ ! -e "$policy" ]; then # someone else's policy is theirs to keep
        printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy"
        chmod 755 "$policy"
    fi
    mkdir -p "$(dirname "$cluster_rule")"
    echo 'create_main_cluster = false' >"$cluster_rule"
}

apt() { # quiet; its output is shown only when it fails
    if ! DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -y -q -o Dpkg::Use-Pty=0 "$@" >>"$log" 2>&1 </dev/null; then
        tail -n 25 "$log" >&2
        tell "apt-get $1 failed; the whole output is in $log"
        exit 1
    fi
}

have_candidates() { # whether apt's lists know every package
    local package
    for package in $packages; do
        [ -n "$(apt-cache policy "$package" 2>/dev/null | sed -n '/Candidate: [^(]/p')" ] || return 1
    done
}

if [ -n "$packages" ]; then
    if ! have_candidates; then
        tell "reading the package lists"
        apt update
    fi
    tell "installing ${packages//$'\n'/ }"
    keep_daemons_off
    # shellcheck disable=SC2086
    apt install --no-install-recommends $packages
fi
if [ -n "$need_user" ]; then
    tell "making the system user atelier"
    adduser --system --group --no-create-home --home /nonexistent --shell /usr/sbin/nologin --gecos 'Atelier' atelier >>"$log" 2>&1
fi
rm -f "$log"
tell "done"
