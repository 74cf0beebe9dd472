#!/usr/bin/env bash
# A flood of half-open connections, from addresses that never answer, in a network of its own; meanwhile nc is served.
# Usage: flood.sh PEER, where PEER is the program of peer.c.
set -euo pipefail

if [ "${2-}" != inside ]; then
    for program in hping3 unshare ip ss nc; do
        if ! command -v "$program" >/dev/null; then
            echo "skipped: $program was not found"
            exit 0
        fi
    done
    if ! unshare -n ip link set lo up 2>/dev/null; then
        echo "skipped: the right to have a network of one's own was not found"
        exit 0
    fi
    exec unshare -n "$0" "$1" inside
fi

ip link set lo up
coproc PEER { exec "$1" serve; }
trap 'kill "$PEER_PID" "${flood-}" 2>/dev/null || true' EXIT
read -r word port <&"${PEER[0]}"
[ "$word" = port ]

talk() {
    local answer
    answer=$(printf 'hello' | timeout 100 nc -N 127.0.0.1 "$port")
    if [ "$answer" != hellogoodbye ]; then
        echo "nc got '$answer' $1" >&2
        exit 1
    fi
}

talk 'before the flood'
hping3 --syn --flood --rand-source -p "$port" 127.0.0.1 >/dev/null 2>&1 &
flood=$!
until [ "$(ss -Hn state syn-recv "( sport = :$port )" 2>/dev/null | wc -l)" -ge 100 ]; do
    kill -0 "$flood"
done
for i in $(seq 50); do
    talk "in the flood, the ${i}th time"
done
kill "$flood"
wait "$flood" || true
talk 'after the flood'
