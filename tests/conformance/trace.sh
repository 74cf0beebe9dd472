#!/bin/bash
# Plays each scenario with its trace switched on and lets troupe-trace judge it: trace.sh CONFORMANCE TROUPE-TRACE
# SCENARIOS OPTION... What the scenarios give is for other tests to judge. Every runtime of a scenario leaves a trace of its own, in a numbered sub-directory.

export conformance=$1 tool=$2
scenarios=$3
shift 3
export options=$*
work=$(mktemp -d)
export work
trap 'rm -rf "$work"' EXIT

judge() { # SCENARIO
    local name trace output result=0
    name=$(basename "$1" .json)
    # shellcheck disable=SC2086 # options are words
    if ! output=$(TR_TRACE=$work/$name "$conformance" $options "$1" 2>&1); then
        printf '%s\n' "$output"
        result=1
    fi
    for trace in "$work/$name" "$work/$name"/[0-9]*; do
        [ -e "$trace/metadata" ] || continue
        echo x >>"$work/judged"
        if ! output=$("$tool" check --strict "$trace" 2>&1); then
            printf '%s: %s\n%s\n' "$name" "${trace#"$work/"}" "$output"
            result=1
        fi
    done
    rm -rf "${work:?}/$name"
    return $result
}
export -f judge

printf '%s\0' "$scenarios"/*.json | xargs -0 -P 4 -I{} bash -c 'judge "$1"' judge {} || exit 1
judged=$(wc -l <"$work/judged")
echo "$judged traces were judged"
[ "$judged" -gt 100 ]
