#!/bin/bash
# The key-value server against redis-cli and redis-benchmark: kv.sh FOLDER-OF-PROGRAMS
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
        grep -qs -- "$2" "$1" && return
        sleep 0.05
    done
    fail "'$2' did not come: $(cat "$1")"
}

# A server listens a moment before main() waits for the signal that ends it, so it is blocked from the beginning.
start() { # ARGUMENTS..., sets server and port
    : >"$work/server.txt" # at once: what the server before said is not this one's
    env --block-signal=TERM "$bin/example-kv" 0 "$@" 2>"$work/server.txt" &
    server=$!
    started+=("$server")
    wait_for "$work/server.txt" 'listening on port'
    port=$(sed -n 's/.*listening on port \([0-9]*\).*/\1/p' "$work/server.txt")
}

stop() {
    kill "$server"
    wait "$server" || fail "the server ended with $?"
}

cli() {
    redis-cli -p "$port" "$@"
}

# Each line of standard input is a command, then " =>" and what redis-cli shows for it, with a blank before each of its
# lines; an empty one, which it shows for nil and behind an error, is a dash.
play() {
    local line got
    while IFS= read -r line; do
        got=$(cli <<<"${line%% =>*}" | sed 's/^$/-/; s/^/ /' | tr -d '\n')
        [ "$got" = "${line#* =>}" ] || fail "$line, but got: $got"
    done
}

start 2 8
play <<'END'
PING => PONG
ECHO "two words" => two words
SET name "Zoë \x21" => OK
GET name => Zoë !
STRLEN name => 6
SET name x NX => -
SET other x XX => -
SET counter 10 => OK
INCR counter => 11
INCRBY counter -21 => -10
DECR counter => -11
APPEND counter 5 => 4
GET counter => -115
MSET a 1 b 2 c 3 d 4 => OK
MGET a b nobody c d => 1 2 - 3 4
EXISTS a b nobody => 2
DEL a b nobody => 2
EXPIRE c 100 => 1
TTL c => 100
TTL d => -1
TTL nobody => -2
RPUSH list one two three => 3
LPUSH list zero => 4
LRANGE list 0 -1 => zero one two three
LRANGE list -2 100 => two three
LPOP list => zero
RPOP list => three
SADD set member => 1
SADD set member => 0
SPOP set => member
SPOP set => -
HSET hash field value other 2 => 2
HGET hash field => value
ZADD ranks 2 two 1 one 1 another => 3
ZPOPMIN ranks => another 1
ZPOPMIN ranks 5 => one 1 two 2
TYPE list => list
LPUSH counter x => WRONGTYPE Operation against a key holding the wrong kind of value -
GET list => WRONGTYPE Operation against a key holding the wrong kind of value -
INCR name => ERR value is not an integer or out of range -
GET => ERR wrong number of arguments for 'get' command -
nosuch => ERR unknown command 'nosuch', with args beginning with:  -
DBSIZE => 6
SELECT 0 => OK
FLUSHALL => OK
DBSIZE => 0
END
stop
echo "ok: redis-cli gets the replies that it expects"

start 2
for guest in ann ben; do
    cli subscribe news "$guest" >"$work/$guest.txt" &
    started+=("$!")
    wait_for "$work/$guest.txt" "^$guest\$"
    wait_for "$work/$guest.txt" '^2$'
done
[ "$(cli publish news 'to both')" = 2 ] || fail "not both have subscribed"
[ "$(cli publish ann 'to Ann')" = 1 ] || fail "Ann has not subscribed"
wait_for "$work/ann.txt" '^to Ann$'
wait_for "$work/ann.txt" '^to both$'
wait_for "$work/ben.txt" '^to both$'
! grep -q 'to Ann' "$work/ben.txt" || fail "Ben has heard what was for Ann"
stop
echo "ok: two subscribers with redis-cli hear what is for them"

for workers in 1 2; do
    start "$workers" 3
    redis-benchmark -p "$port" -n 2000 -c 20 -P 16 -r 100 --csv >"$work/benchmark.csv" 2>"$work/errors.txt" ||
        fail "redis-benchmark: $(cat "$work/errors.txt")"
    [ ! -s "$work/errors.txt" ] || fail "redis-benchmark: $(cat "$work/errors.txt")"
    ! grep -qi 'err' "$work/benchmark.csv" || fail "$(cat "$work/benchmark.csv")"
    tests=$(wc -l <"$work/benchmark.csv")
    [ "$tests" -gt 20 ] || fail "redis-benchmark ran $((tests - 1)) tests: $(cat "$work/benchmark.csv")"
    stop
done
echo "ok: redis-benchmark runs all of its tests"
