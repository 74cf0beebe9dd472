#!/bin/bash
# Compares what the shared library shows with what the public headers declare: symbols.sh SOURCES BUILD LIBRARY HEADERS...
set -euo pipefail
sources=$1 library=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One line for each statement of the headers, without comments.
for header; do
    printf '#include <%s>\n' "${header#*/include/}"
done | "$CC" -std=c11 -E -P -x c -I"$sources/core/include" -I"$sources/actors/include" \
    -I"$sources/ipaddr/include" -I"$sources/net/include" - |
    tr '\n' ' ' | sed 's/[;{}]/&\n/g' >"$work/statements"

grep -oE 'static inline [^(]*\btr_[a-z0-9_]+ *\(' "$work/statements" | grep -oE 'tr_[a-z0-9_]+ *\($' | tr -d '( ' |
    sort -u >"$work/inline"
grep -vE 'static inline|typedef' "$work/statements" | grep -oE '\btr_[a-z0-9_]+ *\([^)*]' | grep -oE 'tr_[a-z0-9_]+' |
    sort -u | comm -23 - "$work/inline" >"$work/declared"
nm -D --defined-only "$library" | awk '{ print $NF }' | sed 's/@.*//' | sort -u >"$work/shown"

# Functions of libc that the library stands before, so that children do not inherit what its threads have:
# core/system/children.c.
printf '%s\n' popen posix_spawn posix_spawnp system >"$work/interposed"
comm -23 "$work/interposed" "$work/shown" | grep . && echo "not shown, but the library must stand before them" && exit 1

# Sanitizers add marks of their own to what they instrument.
comm -23 "$work/shown" "$work/interposed" | grep -vE '^(__asan_|__odr_asan|__tsan_|__ubsan_)' | comm -3 - "$work/declared" >"$work/difference" || true
if [ -s "$work/difference" ]; then
    echo "shown by the library but not declared (left), declared but not shown (right):"
    cat "$work/difference"
    exit 1
fi
echo "$(wc -l <"$work/declared") functions, declared and shown"
[ -s "$work/declared" ]
