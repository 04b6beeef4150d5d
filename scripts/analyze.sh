#!/usr/bin/env bash
# Runs gcc's static analyzer over the files given; any finding fails, and so does a file that does not compile:
#   analyze.sh "CPPFLAGS" "CFLAGS" FILE…
# At -O0: with optimization the analyzer no longer sees what the optimizer removed (a planted double free passes at -O1).
set -u
cppflags=${1//-D_FORTIFY_SOURCE=2/} cflags=${2//-Werror/}
shift 2
check_one() {
    local output status
    # shellcheck disable=SC2086
    output=$(gcc $1 $2 -O0 -fanalyzer -c "$3" -o /dev/null 2>&1)
    status=$?
    if [ $status -ne 0 ] || grep -q 'warning:' <<<"$output"; then
        printf '%s (gcc exit %d):\n%s\n' "$3" $status "$(grep -E 'warning:|error:' <<<"$output")"
    fi
}
export -f check_one

# A gate that finds nothing must be able to: it is tried on a planted fault first.
planted=$(mktemp --suffix=.c)
trap 'rm -f "$planted"' EXIT
printf '#include <stdlib.h>\nint f(int n);\nint f(int n) { char *p = malloc(4); if (n) free(p); free(p); return 0; }\n' >"$planted"
if [ -z "$(check_one "$cppflags" "$cflags" "$planted")" ]; then
    echo "static analysis: a planted double free was not found; the analyzer does not work"
    exit 1
fi
findings=$(printf '%s\0' "$@" | xargs -0 -P "$(nproc)" -I{} bash -c 'check_one "$0" "$1" "$2"' "$cppflags" "$cflags" {})
if [ -n "$findings" ]; then
    printf '%s\n' "$findings"
    exit 1
fi
echo "static analysis: $# files, no findings"
