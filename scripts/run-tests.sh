#!/usr/bin/env bash
# Runs CMocka test programs one after the other and prints one closing count: run-tests.sh LABEL PROGRAM…
set -u
label=$1
shift
passed=0 failed=0 broken=()
for program in "$@"; do
    name=$(basename "$program")
    start=$(date +%s%N)
    output=$(timeout "${TEST_TIMEOUT:-300}" "$program" 2>&1 </dev/null)
    status=$?
    good=$(grep -cE '^\[       OK \]' <<<"$output")
    bad=$(grep -cE '^\[  FAILED  \] [A-Za-z_]' <<<"$output")
    ms=$(((($(date +%s%N)) - start) / 1000000))
    passed=$((passed + good))
    if [ $status -ne 0 ] || [ "$good" -eq 0 ]; then
        failed=$((failed + (bad > 0 ? bad : 1)))
        broken+=("$name")
        printf '%s\n' "$output" | tail -n 80
        printf '%-52s FAILED (exit %d, %d ms)\n' "$name" $status $ms
    else
        printf '%-52s %4d ok (%d ms)\n' "$name" "$good" $ms
    fi
done
[ ${#broken[@]} -eq 0 ] || printf 'broken: %s\n' "${broken[*]}"
printf '%s: %d passed, %d failed\n' "$label" $passed $failed
[ $failed -eq 0 ] && [ $passed -gt 0 ]
