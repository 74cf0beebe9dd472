#!/bin/bash
# Installs Troupe into a folder of its own and builds a program against it: consumer.sh SOURCES BUILD cmake static,
# consumer.sh SOURCES BUILD cmake shared, or consumer.sh SOURCES BUILD pkg-config
set -euo pipefail
sources=$1 build=$2 way=$3 kind=${4-}
here=$sources/tests/package
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$CMAKE" --install "$build" --prefix "$work/prefix" >"$work/install.log" || {
    cat "$work/install.log"
    exit 1
}

# Public headers all, private headers none, and the programs.
diff <(cd "$sources" && find {core,actors,ipaddr,net,actors/testing}/include/troupe -name '*.h' | sed 's|.*/include/||' | sort) \
    <(cd "$work/prefix/include" && find troupe -type f | sort)
"$work/prefix/bin/troupe-trace" --help >"$work/help"
test -s "$work/help"
test -s "$work/prefix/share/man/man1/troupe-trace.1"
test -s "$work/prefix/share/bash-completion/completions/troupe-trace"
test -s "$work/prefix/share/zsh/site-functions/_troupe-trace"

case $way in
cmake)
    [ "$kind" = shared ] && shared=ON || shared=OFF
    "$CMAKE" -S "$here/consumer" -B "$work/build" -G "$GENERATOR" -DCMAKE_PREFIX_PATH="$work/prefix" \
        -DCMAKE_C_COMPILER="$CC" -DBUILD_SHARED_LIBS="$shared"
    "$CMAKE" --build "$work/build"
    "$work/build/consumer"
    "$work/build/tested"
    case $(ldd "$work/build/consumer") in
    *libtroupe*) linked=shared ;;
    *) linked=static ;;
    esac
    [ "$linked" = "$kind" ] || {
        echo "the $kind library was asked for, the $linked one was linked"
        exit 1
    }
    ;;
pkg-config)
    pc=$(find "$work/prefix" -name troupe.pc -printf '%h')
    export PKG_CONFIG_PATH=$pc
    # shellcheck disable=SC2046 # flags are words
    "$CC" -std=c11 -Wall -Wextra -Werror "$here/consumer/consumer.c" -o "$work/consumer" \
        $(pkg-config --cflags --libs 'troupe >= 0.1')
    LD_LIBRARY_PATH=${pc%/pkgconfig} "$work/consumer"
    # shellcheck disable=SC2046 # likewise
    "$CC" -std=c11 -Wall -Wextra -Werror "$here/consumer/tested.c" -o "$work/tested" \
        $(pkg-config --cflags --libs 'troupe-testing >= 0.1')
    "$work/tested"
    ;;
esac
