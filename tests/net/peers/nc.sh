#!/usr/bin/env bash
# nc as the peer of our server. Usage: nc.sh PEER, where PEER is the program of peer.c.
set -euo pipefail

# There are several programs of this name; only one kind ends its side when its input has ended.
if ! [[ $(nc -h 2>&1) =~ \[-[0-9A-Za-z]*N ]]; then
    echo "skipped: an nc with -N was not found"
    exit 0
fi

coproc PEER { exec "$1" serve; }
trap 'kill "$PEER_PID" 2>/dev/null || true' EXIT
read -r word port <&"${PEER[0]}"
[ "$word" = port ]

answer=$(printf 'hello' | timeout 100 nc -N 127.0.0.1 "$port")
if [ "$answer" != hellogoodbye ]; then
    echo "nc got '$answer'" >&2
    exit 1
fi
for expected in accepted end close; do
    read -r -t 100 number event <&"${PEER[0]}"
    if [ "$number $event" != "1 $expected" ]; then
        echo "expected '1 $expected', got '$number $event'" >&2
        exit 1
    fi
done
