#!/usr/bin/env bash
# slowhttptest as many slow peers, which send a header, or a body, bit by bit: they are given up, and it finds the server
# available. Usage: slow.sh PEER, where PEER is the program of peer.c.
set -euo pipefail

if ! command -v slowhttptest >/dev/null; then
    echo "skipped: slowhttptest was not found"
    exit 0
fi
words=$(mktemp)
coproc PEER { exec "$1" hurry >"$words"; }
trap 'kill "$PEER_PID" 2>/dev/null || true; rm -f "$words"' EXIT
until grep -q '^port' "$words"; do
    kill -0 "$PEER_PID"
done
port=$(sed -n 's/^port //p' "$words")

for kind in -H -B; do
    report=$(timeout 100 slowhttptest "$kind" -c 200 -r 200 -i 1 -l 30 -p 20 -u "http://127.0.0.1:$port/" 2>&1 || true)
    if ! grep -q 'service available:.*YES' <<<"$report" || grep -q 'service available:.*NO' <<<"$report"; then
        printf 'slowhttptest %s did not find the server available:\n%s\n' "$kind" "$report" >&2
        exit 1
    fi
done
gone=$(grep -c ERR_PEER_TOO_SLOW "$words")
if [ "$gone" -lt 400 ]; then
    echo "only $gone of 400 slow peers were given up" >&2
    exit 1
fi
