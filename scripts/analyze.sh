#!/usr/bin/env bash
# Runs gcc's static analyzer over the files given; any finding fails: analyze.sh "CPPFLAGS" "CFLAGS" FILE…
set -u
cppflags=$1 cflags=$2
shift 2
check_one() {
    # shellcheck disable=SC2086
    gcc $1 ${2//-Werror/} -O1 -fanalyzer -Wno-analyzer-malloc-leak -Wno-analyzer-fd-leak -c "$3" -o /dev/null 2>&1 |
        grep -E 'warning:' | sed 's/^/  /'
}
export -f check_one
findings=$(printf '%s\0' "$@" | xargs -0 -P "$(nproc)" -I{} bash -c 'check_one "$0" "$1" "$2"' "$cppflags" "$cflags" {})
if [ -n "$findings" ]; then
    printf '%s\n' "$findings"
    exit 1
fi
echo "static analysis: $# files, no findings"
