#!/usr/bin/env bash
# Starts a node of Kubernetes in a network namespace, runs the tests of this folder inside it, and removes it.
#   run.sh IMAGES PYTHON
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
node=$here/../kubernetes/node.sh
dir=$(mktemp -d /tmp/atelier-node-XXXXXX)
chmod 755 "$dir"
trap '"$node" down "$dir"' EXIT
"$node" up "$dir" "$1" >/dev/null
ATELIER_TEST_NODE=$dir "$node" enter "$dir" "$2" -m pytest -c "$here/../pytest.ini" --rootdir "$here/.." "$here"
