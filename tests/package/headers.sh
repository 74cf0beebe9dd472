#!/bin/bash
# Compiles each public header alone, and all together, without a warning: headers.sh SOURCES BUILD STANDARD HEADERS...
set -uo pipefail
sources=$1 standard=$3
shift 3

case $standard in
c11) compile=("$CC" -x c) ;;
*) compile=("$CXX" -x c++) ;;
esac
if [[ $standard == c++* && (-z $CXX || $CXX == *NOTFOUND) ]]; then
    echo "skipped: there is no C++ compiler"
    exit 77
fi

accept() { # WHAT, with the includes on stdin
    { cat && echo "extern int not_empty;"; } |
        "${compile[@]}" -std="$standard" -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
            -I"$sources/core/include" -I"$sources/actors/include" \
            -I"$sources/ipaddr/include" -I"$sources/net/include" -I"$sources/actors/testing/include" - || {
        echo "not $1"
        failed=1
    }
}

failed=0
for header; do
    echo "#include <${header#*/include/}>" | accept "alone: $header"
done
printf '#include <%s>\n' "${@#*/include/}" | accept together
echo "$# headers"
[ $# -gt 0 ] && exit $failed
exit 1
