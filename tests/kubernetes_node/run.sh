#!/usr/bin/env bash
# Starts a node of Kubernetes in a network namespace, runs the tests of this folder and the conformance suite inside it, and removes it.
#   run.sh IMAGES PYTHON [WHAT…]     WHAT: tests instead of these
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
node=$here/../kubernetes/node.sh
images=$1 python=$2
shift 2
[ $# -gt 0 ] || set -- "$here" "$here/../conformance"
dir=$(mktemp -d /tmp/atelier-node-XXXXXX)
chmod 755 "$dir"
trap '"$node" down "$dir"' EXIT
"$node" up "$dir" "$images" >/dev/null
ATELIER_TEST_NODE=$dir ATELIER_TEST_PLATFORM=node ATELIER_IMAGES=$images \
    "$node" enter "$dir" "$python" -m pytest -c "$here/../pytest.ini" --rootdir "$here/.." "$@"
