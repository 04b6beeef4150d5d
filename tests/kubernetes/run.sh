#!/usr/bin/env bash
# Runs the C programs of tests/kubernetes/ against a cluster of their own, which is gone afterwards, and counts.
#   run.sh PROGRAM…
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || exit 0
dir=$(mktemp -d)
trap '"$here/cluster.sh" down "$dir/cluster" || true; rm -rf "$dir"' EXIT
ATELIER_TEST_KUBECONFIG=$("$here/cluster.sh" up "$dir/cluster" --controllers)
export ATELIER_TEST_KUBECONFIG ATELIER_TEST_CLUSTER="$dir/cluster"
"$here/../../scripts/run-tests.sh" kubernetes "$@"
