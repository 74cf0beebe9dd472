#!/usr/bin/env bash
# gdb with our script, on a program at a breakpoint, and on a core file of it that gdb has made there.
# Usage: gdb.sh SCRIPT GUEST SOURCES, where GUEST is the program of guest.c.
set -euo pipefail

if ! command -v gdb >/dev/null || ! gdb -batch -ex 'python print(1)' >/dev/null 2>&1; then
    echo "skipped: a gdb with Python was not found"
    exit 0
fi
script=$1 guest=$2 sources=$3
directory=$(mktemp -d)
trap 'rm -r "$directory"' EXIT

debug() { # GDB'S ARGUMENTS
    timeout 250 gdb -nx -batch -iex 'set debuginfod enabled off' -ex 'set confirm off' -ex "source $script" "$@" \
        </dev/null 2>&1 || true
}

# What is asked of the process and of the core.
looks=(-ex 'troupe workers' -ex 'troupe actors' -ex 'troupe actors clerk' -ex 'print guest_holder'
    -ex 'print guest_message' -ex 'python holder = ref_text(gdb.parse_and_eval("guest_holder"))'
    -ex 'python gdb.execute("troupe mailbox " + holder)'
    -ex 'python print(gdb.parse_and_eval("$troupe_actor(\"%s\")->waiting" % holder))'
    -ex 'python kept = [a for w in workers() for a in actors_of(w) if string(a["behavior"]["name"]) == "keeper"]'
    -ex 'python gdb.execute("troupe mailbox " + ref_text(kept[0]["ref"]))'
    -ex 'troupe mailbox nonsense')

fail() { # WHAT TEXT
    printf '%s:\n%s\n' "$1" "$2" >&2
    exit 1
}

check() { # TEXT
    local pattern
    for pattern in "^0 +[0-9]+ +3 " "^1 +[0-9]+ +2 .* holder 1:[0-9]+\.0 tag 7$" \
        "^0:[0-9]+\.0 +none +none +0 +0  clerk  -$" "^1:[0-9]+\.0 +none +none +3 +0  holder  -$" \
        "= 1:[0-9]+\.0$" "= tag 7 from none, 4 bytes 07 00 00 00$" \
        "^1:[0-9]+\.0 \(holder\), 3 messages$" "^  tag 8 from 1:[0-9]+\.0, 4 bytes 08 00 00 00$" \
        "^  tag 10 from 1:[0-9]+\.0, 4 bytes 0a" "^3$" "^not the name of an actor" \
        "  supervisor  -$" "^0:[0-9]+\.0 +0:[0-9]+\.0 +none +0 +[01]  keeper  supervised  \"till\"$" \
        "^0:[0-9]+\.0 +0:[0-9]+\.0 +none +0 +1  sleeper  resting,supervised$" \
        "^set aside: 1 messages$" "^  tag 5 from none, 4 bytes 05 00 00 00$"; do
        grep -qE -- "$pattern" <<<"$1" || fail "nothing matches $pattern in" "$1"
    done
    [ "$(grep -cE 'clerk  -$' <<<"$1")" = 4 ] || fail "not each clerk twice" "$1"
}

core=$directory/core
keep=(-ex "generate-core-file $core")
if grep -qE '__[at]san_init' "$guest"; then
    keep=() # a sanitizer's shadow is terabytes
fi
text=$(debug -ex 'break guest_is_ready' -ex run "${looks[@]}" "${keep[@]}" -ex kill "$guest")
if grep -q "ptrace: Operation not permitted" <<<"$text"; then
    echo "skipped: a gdb that may trace was not found"
    exit 0
fi
check "$text"

# The tables of slots, a gigabyte for two workers, are in it as far as they are in use.
if [ ${#keep[@]} -gt 0 ]; then
    [ -s "$core" ] || fail "no core file" "$text"
    [ "$(stat -c %s "$core")" -lt 600000000 ] || fail "the core file is too large" "$(ls -l "$core")"
    check "$(debug "${looks[@]}" "$guest" "$core")"
fi

# Each tag has its name.
names=$(debug -ex 'python for n in range(0x300): print("tag %d=%s" % (n, tag_text(TAG_RESERVED + n)))' \
    -ex 'python for n in (*range(0x1000, 0x1040), *range(0x1ff0, 0x2110)): print("tag %d=%s" % (n, tag_text(TAG_RESERVED + n)))' "$guest")
count=0
while read -r tag number; do
    grep -q "^tag $((number))=$tag$" <<<"$names" || fail "tag $number is not $tag for" "$script"
    count=$((count + 1))
done < <(grep -rhoE '# *define +TRI?_TAG_[A-Z_]+ +\(TR_TAG_RESERVED \+ [0-9a-fx]+u\)' "$sources"/{actors,core,net} |
    sed -E 's/.*TAG_([A-Z_]+) +\(TR_TAG_RESERVED \+ ([0-9a-fx]+)u\)/\1 \2/' | grep -vE '^(NET|TOLD|SOCKET_EVENT) ')
[ "$count" -ge 12 ] || fail "too few tags were found" "$count"
for name in SPAWN INSPECT SUPERVISE PUBLISHED UNDELIVERED; do
    grep -q "=$name$" <<<"$names" || fail "no tag is" "$name"
done
