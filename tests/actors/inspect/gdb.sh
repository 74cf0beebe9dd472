#!/usr/bin/env bash
# gdb with our script, on a program at a breakpoint. (gcore would write all tables, a gigabyte of zeros.)
# Usage: gdb.sh SCRIPT GUEST, where GUEST is the program of guest.c.
set -euo pipefail

if ! command -v gdb >/dev/null || ! gdb -batch -ex 'python print(1)' >/dev/null 2>&1; then
    echo "skipped: a gdb with Python was not found"
    exit 0
fi

look() { # PROGRAM
    timeout 250 gdb -nx -batch -ex 'set confirm off' -ex 'set debuginfod enabled off' -ex "source $script" \
        -ex 'break guest_is_ready' -ex run \
        -ex 'troupe workers' -ex 'troupe actors' -ex 'troupe actors clerk' -ex 'print guest_holder' \
        -ex 'print guest_message' -ex 'python holder = ref_text(gdb.parse_and_eval("guest_holder"))' \
        -ex 'python gdb.execute("troupe mailbox " + holder)' \
        -ex 'python print(gdb.parse_and_eval("$troupe_actor(\"%s\")->waiting" % holder))' \
        -ex 'troupe mailbox nonsense' "$1" </dev/null 2>&1 || true
}

check() { # TEXT
    local pattern
    for pattern in "^0 +[0-9]+ +1 " "^1 +[0-9]+ +2 .* holder 1:[0-9]+\.0 tag 7$" "^0:[0-9]+\.0 +none +0 +0  clerk  -$" \
        "^1:[0-9]+\.0 +none +3 +0  holder  " "= 1:[0-9]+\.0$" "= tag 7 from none, 4 bytes 07 00 00 00$" \
        "^1:[0-9]+\.0 \(holder\), 3 messages$" "^  tag 8 from 1:[0-9]+\.0, 4 bytes 08 00 00 00$" \
        "^  tag 10 from 1:[0-9]+\.0, 4 bytes 0a" "^3$" "^not the name of an actor"; do
        if ! grep -qE -- "$pattern" <<<"$1"; then
            printf 'nothing matches %s in:\n%s\n' "$pattern" "$1" >&2
            exit 1
        fi
    done
    [ "$(grep -cE 'clerk  -$' <<<"$1")" = 4 ]
}

script=$1
text=$(look "$2")
if grep -q "ptrace: Operation not permitted" <<<"$text"; then
    echo "skipped: a gdb that may trace was not found"
    exit 0
fi
check "$text"
