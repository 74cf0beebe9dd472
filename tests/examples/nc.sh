#!/bin/bash
# The examples against nc: nc.sh FOLDER-OF-PROGRAMS
set -euo pipefail
bin=$1
work=$(mktemp -d)
started=()

finish() {
    for pid in "${started[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT

fail() {
    echo "$*"
    exit 1
}

# Waits until a file has a line with a text; a minute is far more than it takes.
wait_for() { # FILE TEXT
    for ((waited = 0; waited < 1200; waited++)); do
        grep -qs "$2" "$1" && return
        sleep 0.05
    done
    fail "'$2' did not come: $(cat "$1")"
}

# A server listens a moment before main() waits for the signal that ends it, so it is blocked from the beginning: one that
# comes within this moment is not lost and does not kill.
start() { # EXAMPLE, sets server and port
    env --block-signal=TERM "$bin/example-$1" 0 2>"$work/$1.txt" &
    server=$!
    started+=("$server")
    wait_for "$work/$1.txt" 'listening on port'
    port=$(sed -n 's/.*listening on port \([0-9]*\).*/\1/p' "$work/$1.txt")
}

start_at() { # EXAMPLE PATH, sets server
    env --block-signal=TERM "$bin/example-$1" "$2" 2>"$work/$1.txt" &
    server=$!
    started+=("$server")
    wait_for "$work/$1.txt" "listening on $2"
}

stop() {
    kill "$server"
    wait "$server" || fail "the server ended with $?"
}

start echo
head -c 1000000 /dev/urandom >"$work/sent"
nc -N 127.0.0.1 "$port" <"$work/sent" >"$work/received"
cmp "$work/sent" "$work/received"
stop
echo "ok: echo gives nc its bytes back"

start pipe
(printf 'hello\r\n' && cat "$work/sent") >"$work/expected"
nc -N 127.0.0.1 "$port" <"$work/sent" >"$work/received"
cmp "$work/expected" "$work/received"
stop
echo "ok: pipe says hello to nc and gives it its bytes back"

start_at unix "$work/echo.sock"
nc -N -U "$work/echo.sock" <"$work/sent" >"$work/received"
cmp "$work/expected" "$work/received"
stop
[ ! -e "$work/echo.sock" ] || fail "the path is still there"
echo "ok: the same over a unix socket"

start chat
mkfifo "$work/ann.in" "$work/ben.in"
for guest in ann ben; do
    nc 127.0.0.1 "$port" <"$work/$guest.in" >"$work/$guest.out" &
    started+=("$!")
done
exec 3>"$work/ann.in" 4>"$work/ben.in"
wait_for "$work/ann.out" 'came in'
wait_for "$work/ben.out" 'came in'
echo "hello Ben" >&3
wait_for "$work/ben.out" '^guest [0-9]*: hello Ben$'
echo "hello Ann" >&4
wait_for "$work/ann.out" '^guest [0-9]*: hello Ann$'
stop
echo "ok: two guests with nc hear each other"
