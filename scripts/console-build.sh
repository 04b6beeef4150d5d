#!/usr/bin/env bash
# Builds the web console into the folder given: npm installs what console/package-lock.json names, esbuild bundles it.
set -euo pipefail
out=$(realpath -m "$1")
cd "$(dirname "$0")/../console"
if [ ! -f package.json ]; then mkdir -p "$out"; exit 0; fi
[ node_modules/.package-lock.json -nt package-lock.json ] 2>/dev/null || npm ci --no-audit --no-fund --loglevel=error
node build.mjs "$out"
