#!/bin/bash
# Each layer, and each room of one or of a tool, links with what is below it and nothing else.
# Arguments: the sources, the build, and for each part its name, '=' and its objects with those below, between colons.
# Parts after --without-libraries link without libuv and ck, too: libzstd is all they may know.

build=$2
shift 2
failed=0
libraries="$(pkg-config --libs libuv ck) $(pkg-config --libs libssl libcrypto 2>/dev/null) -lpthread -ldl"

cd "$build" || exit 1
for part; do
    if [ "$part" = --without-libraries ]; then
        libraries="$(pkg-config --libs libzstd 2>/dev/null)" # of packed traces, if it is there
        continue
    fi
    IFS=: read -ra objects <<<"${part#*=}"
    # shellcheck disable=SC2086 # the libraries are words
    if ! "$CC" -shared -o /dev/null -Wl,--no-undefined "${objects[@]}" $libraries; then
        echo "${part%%=*} calls something that is not below it"
        failed=1
    fi
done

exit "$failed"
