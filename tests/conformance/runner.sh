#!/bin/bash
# The runner itself: does it see a difference, does it say what is wrong with its input?

conformance=$1
here=$(dirname "${BASH_SOURCE[0]}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# expect CODE PATTERN ARGUMENTS...: the runner ends with that code and prints a line that matches.
expect() {
    local code=$1 pattern=$2 output got
    shift 2
    output=$("$conformance" "$@" 2>&1)
    got=$?
    if [ "$got" -ne "$code" ] || ! grep -Eq -- "$pattern" <<<"$output"; then
        printf 'conformance %s\n  must end with %s and print %s\n  it ended with %s and printed\n%s\n' \
            "$*" "$code" "$pattern" "$got" "$output"
        failed=1
    fi
}

# doctored NAME SED: an expected result that no library may have.
doctored() {
    sed "$2" "$here/expected/$1.json" >"$work/$1.json"
}

scenario() { # JSON
    printf '%s\n' "$1" >"$work/scenario.json"
}

echo_basic=$here/scenarios/echo-basic.json

doctored echo-basic ''
expect 0 '^ok echo-basic$' --check "$work" "$echo_basic"
expect 0 '^1 passed, 0 failed, 0 skipped$' --check "$work" "$echo_basic"
doctored echo-basic 's/hello/hullo/'
expect 1 '^FAIL echo-basic: tcp4, C, entry 2: expected \["data",\{"text":"hullo"\}\], got \["data",\{"text":"hello"\}\]$' \
    --check "$work" "$echo_basic"
expect 1 '^0 passed, 1 failed, 0 skipped$' --check "$work" "$echo_basic"
doctored echo-basic 's/"closed"/"quiet"/'
expect 1 '^FAIL echo-basic: unix, ended: expected "quiet", got "closed"$' --only unix --check "$work" "$echo_basic"
doctored echo-basic 's/"S#1": \[/"S#2": [/'
expect 1 '^FAIL echo-basic: tcp4, S#2: ' --check "$work" "$echo_basic"
doctored echo-basic '/"accepted"/d'
expect 1 '^FAIL echo-basic: tcp4, S#1, event 0: ' --owner remote --check "$work" "$echo_basic"
doctored destroyed-flag 's/"destroyed":true/"destroyed":false/'
expect 1 '^FAIL destroyed-flag: tcp4, C, answer 1: ' --owner remote --check "$work" "$here/scenarios/destroyed-flag.json"

"$conformance" "$echo_basic" >"$work/printed" && diff "$here/expected/echo-basic.json" "$work/printed" || failed=1

# A ruling says where we differ from Node: a scenario in which we do not belongs to the others.
for ours in "$here"/ruled/expected/*.json; do
    if cmp -s "$ours" "$here/ruled/node/$(basename "$ours")"; then
        printf 'ruled/expected/%s is what Node did\n' "$(basename "$ours")"
        failed=1
    fi
done

# What TLS changes by its nature is little, and each has its scenario and its reason.
if [ "$(grep -c '": "' "$here/tls.json")" -gt 12 ]; then
    printf 'tls.json has more than 12 scenarios\n'
    failed=1
fi
for name in $(sed -n 's/^ *"\([^"]*\)": ".*/\1/p' "$here/tls.json"); do
    if [ ! -e "$here/scenarios/$name.json" ]; then
        printf 'tls.json: there is no scenario %s\n' "$name"
        failed=1
    fi
done
printf '{"echo-basic": "it is so"}' >"$work/changed.json"
expect 0 '^skip echo-basic: TLS changes it: it is so$' --changed "$work/changed.json" --check "$here/expected" "$echo_basic"
printf '{"echo-basic": 1}' >"$work/changed.json"
expect 2 'changed.json: echo-basic has no reason' --changed "$work/changed.json" --check "$here/expected" "$echo_basic"
expect 2 'nowhere.json' --changed "$work/nowhere.json" --check "$here/expected" "$echo_basic"
expect 1 'FAIL echo-basic: .*nowhere' --tls "$work/nowhere" --check "$here/expected" "$echo_basic"

expect 2 'nowhere.json' --check "$here/expected" "$work/nowhere.json"
expect 2 'echo-basic.json' --check "$work/nowhere" "$echo_basic"
expect 2 '^usage' --check
expect 2 'is no option' --shake "$echo_basic"
expect 2 'is no option' --workers 0 "$echo_basic"
scenario '{"name": "x", '
expect 2 'scenario.json: line 2, column' "$work/scenario.json"
scenario '{"name": "x", "transports": ["tcp4"], "start": [], "rules": [], "extra": 1}'
expect 2 'scenario.json: unknown field "extra"' "$work/scenario.json"
scenario '{"name": "x", "transports": ["tcp4"], "clients": {"C": {}}, "start": [{"act": "dance", "of": "C"}], "rules": []}'
expect 2 'scenario.json: start\[0\]\.act: "dance" is unknown' "$work/scenario.json"
scenario '{"name": "x", "transports": ["tcp4"], "clients": {"C": {}}, "start": [{"act": "pause", "of": "C", "ms": 1}], "rules": []}'
expect 2 'scenario.json: start\[0\]: unknown field "ms"' "$work/scenario.json"
scenario '{"name": "x", "transports": ["tcp4"], "clients": {"C": {}}, "start": [],
    "rules": [{"on": "close", "of": "C", "do": [{"act": "write", "of": "D", "text": "x"}]}]}'
expect 2 'scenario.json: rules\[0\]\.do\[0\]: there is no endpoint "D"' "$work/scenario.json"
scenario '{"name": "x", "transports": ["tcp4"], "clients": {"C": {}}, "start": [{"act": "sleep", "ms": "long"}], "rules": []}'
expect 2 'scenario.json: start\[0\]\.ms: a whole number' "$work/scenario.json"
scenario '{"name": "x", "requires": ["wings"], "transports": ["tcp4"], "start": [], "rules": []}'
printf '{"name": "x", "results": {}}' >"$work/x.json"
expect 0 '^skip x: it requires wings$' --check "$work" "$work/scenario.json"
expect 0 '^0 passed, 0 failed, 1 skipped$' --check "$work" "$work/scenario.json"

expect 0 '^lookup-function$' --abilities
printf '{"isip": [{"in": "::1", "isIP": 4}]}' >"$work/isip.json"
expect 1 '^FAIL .*isip.json: vector 0, "::1": expected 4, got 6$' --vectors "$work/isip.json"
printf '{"decode": [{"encoding": "hex", "chunks": ["zz"], "strings": [""]}]}' >"$work/decode.json"
expect 2 'decode.json: decode\[0\]' --vectors "$work/decode.json"

exit $failed
