#!/bin/bash
# Every function of the public headers that belongs to the thread of an actor, a socket or a server is in the table of a
# test_mistakes.c: owners.sh SOURCES BUILD HEADERS...
set -uo pipefail
sources=$1
shift 2

# Its functions whose first argument is an actor, a socket or a server; those that are defined there call others.
functions_of() { # HEADER
    "$CC" -fpreprocessed -dD -E -P "$1" 2>/dev/null | tr -s '\n ' '  ' |
        grep -oE '\btr_[a-z_0-9]+\((const )?(struct )?tr_(actor|socket|server) \*[^;{]*\);' | sed 's/(.*//'
}

failed=0 count=0
for header; do
    for function in $(functions_of "$header"); do
        count=$((count + 1))
        grep -qE "\b(X|ROW)\($function\b" "$sources"/tests/*/test_mistakes.c || {
            echo "${header#"$sources"/}: $function() is in no table of a test_mistakes.c"
            failed=1
        }
    done
done
echo "$count functions"
[ $count -gt 100 ] && exit $failed
exit 1
