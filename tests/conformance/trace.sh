#!/bin/bash
# Plays all scenarios with their traces and lets troupe-trace judge these: trace.sh CONFORMANCE TROUPE-TRACE SCENARIOS
# OPTION... What the scenarios give is for other tests to judge. A play that was played again left one more trace. Then
# each must tell what the runner was told (order.py).

export tool=$2
conformance=$1 scenarios=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$conformance" --traces "$work" "$@" "$scenarios"/*.json >"$work/log" 2>&1 || {
    cat "$work/log"
    exit 1
}

judge() { # METADATA...
    local file output result=0
    for file; do
        if ! output=$("$tool" check --strict "${file%/metadata}" 2>&1); then
            printf '%s\n%s\n' "${file%/metadata}" "$output"
            result=1
        fi
    done
    return $result
}
export -f judge

mapfile -d '' traces < <(find "$work" -name metadata -print0)
printf '%s\0' "${traces[@]}" | xargs -0 -P 2 -n 16 bash -c 'judge "$@"' judge || exit 1
echo "${#traces[@]} traces were judged"
if command -v python3 >/dev/null; then
    python3 "$(dirname "${BASH_SOURCE[0]}")/order.py" "$tool" "$work" || exit 1
else
    echo "what the traces tell is not compared with the logs: there is no python3"
fi
[ "${#traces[@]}" -gt 100 ]
