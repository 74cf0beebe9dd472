#!/bin/bash
# No two helpers that a test may link have one name: it would get the first that its libraries offer, without a word.
# Arguments: the sources, the build, and for each kind of test its libraries, between colons.

shift 2
failed=0
for libraries; do
    IFS=: read -ra archives <<<"$libraries"
    "$CC" -nostdlib -r -o /dev/null -Wl,--whole-archive "${archives[@]}" || failed=1
done
exit "$failed"
