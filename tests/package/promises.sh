#!/bin/bash
# docs/contributing.md names the tests of every public header, names every unit test, and none that does not exist.
# Arguments: the sources, the build, the public headers.

sources=$1 build=$2
shift 2
page=$sources/docs/contributing.md
failed=0

names=$(ctest --test-dir "$build" --show-only | sed -n 's/^ *Test *#[0-9]*: //p')
rows=$(sed -n '/<!-- promises: begin -->/,/<!-- promises: end -->/p' "$page")

for header; do
    name=troupe/${header#*/include/troupe/}
    if ! grep -qF "\`$name\`" <<<"$rows"; then
        echo "docs/contributing.md has no row for $name"
        failed=1
    fi
done

while read -r test; do
    if ! grep -qxF -- "$test" <<<"$names"; then
        echo "docs/contributing.md names a test that does not exist: $test"
        failed=1
    fi
done < <(grep -oE '`(test|conformance|package|examples|bench)-[a-z0-9_-]+`' <<<"$rows" | tr -d '`')

while read -r test; do
    if ! grep -qF -- "\`$test\`" "$page"; then
        echo "docs/contributing.md does not say what this test holds: $test"
        failed=1
    fi
done < <(grep -E '^test-' <<<"$names")
exit $failed
