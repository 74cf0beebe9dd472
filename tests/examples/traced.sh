#!/bin/bash
# Runs a test with the trace of every program switched on, and lets troupe-trace judge what they left: traced.sh
# TROUPE-TRACE COMMAND...

tool=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
TR_TRACE=$work/trace "$@" || exit
judged=0
for trace in "$work/trace" "$work/trace"/[0-9]*; do
    [ -e "$trace/metadata" ] || continue
    judged=$((judged + 1))
    "$tool" check --strict "$trace" >"$work/verdict" 2>&1 || {
        cat "$work/verdict"
        exit 1
    }
done
echo "$judged traces were judged"
