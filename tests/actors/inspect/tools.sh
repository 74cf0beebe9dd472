#!/usr/bin/env bash
# curl and nc as visitors of a program's socket. Usage: tools.sh GUEST, where GUEST is the program of guest.c.
set -euo pipefail

for program in curl nc; do
    if ! command -v "$program" >/dev/null; then
        echo "skipped: $program was not found"
        exit 0
    fi
done
if ! [[ $(nc -h 2>&1) =~ \[-[0-9A-Za-z]*N ]]; then
    echo "skipped: an nc with -N was not found"
    exit 0
fi

directory=$(mktemp -d)
coproc GUEST { TR_INSPECT=$directory/%p exec "$1"; }
guest=$GUEST_PID
trap 'kill "$guest" 2>/dev/null || true; rm -r "$directory"' EXIT
declare -A name
while read -r -t 100 word ref <&"${GUEST[0]}" && [ "$word" != ready ]; do
    name[$word]=$ref
done
path=$directory/$guest

expect() { # TEXT PATTERN...
    local text=$1 pattern
    shift
    for pattern in "$@"; do
        if ! grep -qE "$pattern" <<<"$text"; then
            printf 'nothing matches %s in:\n%s\n' "$pattern" "$text" >&2
            exit 1
        fi
    done
}

expect "$(printf 'actors\nworkers\n' | timeout 100 nc -N -U "$path")" "clerk" "^worker 1 is stuck" \
    "STUCK: holder ${name[holder]} tag 7"
expect "$(timeout 100 nc -N -U "$path" <<<help)" "^metrics"
metrics=$(timeout 100 curl -sS --fail -i --unix-socket "$path" http://localhost/metrics)
expect "$metrics" "^HTTP/1.1 200 OK" "^Content-Type: text/plain; version=0.0.4" \
    '^troupe_worker_stuck\{worker="1"\} 1$' \
    '^troupe_class_actors\{class="clerk"\} 1$'
expect "$(timeout 100 curl -sS --fail --unix-socket "$path" http://localhost/json)" '"class":"clerk"'
if timeout 100 curl -s --fail --unix-socket "$path" http://localhost/other >/dev/null; then
    echo "there is no such page" >&2
    exit 1
fi

exec {GUEST[1]}>&-
wait "$guest"
[ ! -e "$path" ]
