#!/usr/bin/env bash
# Builds each fuzz target with libFuzzer, ASan and UBSan, and runs it for a bounded time: fuzz.sh DIR SECONDS TARGET…
set -euo pipefail
directory=$1 seconds=$2
shift 2
mkdir -p "$directory"
flags=(-D_GNU_SOURCE -I. -I/usr/include/postgresql -std=gnu17 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all)
libraries=(-lpq -lcurl -lssl -lcrypto -lcjson -lyaml -lz -lseccomp -lnghttp2 -pthread)
count=0
for target in "$@"; do
    name=$(basename "$target" .c)
    # A target names the sources it needs in a line "fuzz: base/json.c base/*.c".
    read -r -a sources <<<"$(sed -n 's/^.*fuzz: *//p' "$target" | head -1 | sed 's, *\*/ *$,,')"
    # shellcheck disable=SC2068
    clang-14 "${flags[@]}" "$target" ${sources[@]} "${libraries[@]}" -o "$directory/$name"
    mkdir -p "$directory/corpus-$name"
    seeds=()
    [ -d "tests/fuzz/corpus/$name" ] && seeds=("tests/fuzz/corpus/$name")
    "$directory/$name" -seed="${FUZZ_SEED:-0}" -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 \
        "$directory/corpus-$name" "${seeds[@]}" >"$directory/$name.log" 2>&1 || {
        tail -40 "$directory/$name.log"
        echo "fuzz: $name FAILED"
        exit 1
    }
    echo "fuzz: $name $(grep -E '^Done|DONE' "$directory/$name.log" | tail -1)"
    count=$((count + 1))
done
echo "fuzz: $count passed, 0 failed"
