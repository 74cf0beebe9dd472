#!/bin/bash
# The documents against the sources: docs.sh SOURCES BUILD
#   - each block of C in README is an example of docs/examples, or the beginning of one; one of them is echo.c, the
#     smallest server, in all of its 40 lines or fewer;
#   - each block of C in the page of the key-value server is a part of it;
#   - of a block of C in the page of TLS, what is a function of an example of TLS is as it stands there;
#   - every block of C in README and docs/ compiles, without a warning;
#   - every relative link leads to a file.
set -euo pipefail
sources=$1
cd "$sources"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

complain() {
    echo "$*"
    failed=1
}

# Writes each block of C of a document to a file of its own, named after the line where it begins.
blocks() { # DOCUMENT
    awk -v stem="$work/$(tr '/' '-' <<<"$1")" '
        /^```/ { if (inside) { inside = 0; close(file) } else if ($0 == "```c") { inside = 1; file = stem ":" NR ".c" }; next }
        inside { print > file }' "$1"
}

while IFS= read -r document; do
    blocks "$document"
    while IFS= read -r link; do
        [ -e "$(dirname "$document")/${link%%#*}" ] || complain "$document: the link $link leads to no file"
    done < <(grep -oE '\]\([^)#]+[^)]*\)' "$document" | sed 's/^](//; s/)$//' | grep -v '^[a-z]*:')
done < <(find README.md docs -name '*.md')

compiled=0
uv_flags=$(pkg-config --cflags libuv)
for block in "$work"/*.c; do
    # shellcheck disable=SC2086 # the flags are words
    "$CC" -std=c11 -Wall -Wextra -Werror -Wno-unused -fsyntax-only -Icore/include -Iactors/include \
        -Iipaddr/include -Inet/include -Iactors/testing/include -Idocs/examples $uv_flags "$block" ||
        complain "does not compile: ${block##*/}"
    compiled=$((compiled + 1))
done

# Gives the example that begins as a block does.
example_of() { # BLOCK
    local example
    for example in docs/examples/*.c; do
        if head -c "$(wc -c <"$1")" "$example" | cmp -s - "$1"; then
            echo "$example"
            return
        fi
    done
}

# The page of TLS quotes its examples: a function that has the name of one of theirs is theirs.
example=$(cat docs/examples/{https,set_secure,starttls,tls_echo}.c)
for block in "$work"/docs-guide-tls.md:*.c; do
    quoted=$(sed '1,/^$/d' "$block")
    name=$(grep -m 1 -oE '^[a-z_]+\(' <<<"$quoted" || true)
    if [ -z "$name" ] || [[ $example != *$'\n'"$name"* ]]; then
        continue # an example of the page alone
    fi
    [[ $example == *"$quoted"* ]] || complain "is not in the examples of TLS: ${block##*/}"
done

# The page of the key-value server quotes it, behind the headers that a block needs to compile.
example=$(cat docs/examples/kv*.c)
for block in "$work"/docs-guide-key-value.md:*.c; do
    quoted=$(sed '1,/^$/d' "$block")
    [[ $example == *"$quoted"* ]] || complain "is not in docs/examples/kv*.c: ${block##*/}"
done

whole=''
for block in "$work"/README.md:*.c; do
    example=$(example_of "$block")
    [ -n "$example" ] || complain "quotes no example: ${block##*/}"
    if cmp -s docs/examples/echo.c "$block"; then
        whole=$block
    fi
done
[ -n "$whole" ] || complain "README.md does not quote docs/examples/echo.c"
[ "$(wc -l <docs/examples/echo.c)" -le 40 ] || complain "docs/examples/echo.c has more than 40 lines"
echo "$compiled blocks of C"
[ $compiled -gt 1 ] || complain "the documents have no examples"
exit $failed
