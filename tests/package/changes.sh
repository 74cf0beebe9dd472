#!/bin/bash
# Each change that tests/mutate lists fits its file, and names tests that exist.
# Arguments: the sources, the build.

sources=$1 build=$2
failed=0

command -v node >/dev/null || exit 77
"$sources/tests/mutate/run" --list >/dev/null || failed=1

names=$(ctest --test-dir "$build" --show-only | sed -n 's/^ *Test *#[0-9]*: //p')
for name in $(sed -n 's/^tests  *//p' "$sources"/tests/mutate/*.txt | tr ' ' '\n' | sort -u); do
    if ! grep -qx -- "$name" <<<"$names"; then
        echo "tests/mutate names $name, which is no test"
        failed=1
    fi
done

exit "$failed"
