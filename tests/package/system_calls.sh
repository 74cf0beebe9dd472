#!/bin/bash
# The library asks the system for time, randomness and everything else in few places, all below those that use them:
# a simulation of the system has to take the place of these and no others.
# Arguments: the sources, the build.

sources=$1
build=$2
failed=0

# May call what they like: they are those places.
seam='core/(base|system|trace)/|net/descriptor/|net/address/resolver\.c'
# One call each, by which they are what they are.
alone='core/loop/runtime\.c setenv|net/address/idna\.c dl(open|sym)'
alone+='|ipaddr/ip\.c if_(indextoname|nametoindex)'
alone+='|net/stream/(linger|reader|records|transmit|writer)\.c (read|writev?)' # inline, of net/descriptor/plain.h
alone+='|net/tls/wire\.c (read|write)' # likewise
# OpenSSL, which the room of TLS alone may call. It asks the system for time and randomness of its own.
openssl='(SSL|TLS|X509|PEM|EVP|BIO|BN|ERR|OBJ|ASN1|PKCS8|GENERAL_NAMES?|OPENSSL|RAND|CRYPTO|OSSL)_.*|EVP_PKCS82PKEY'
openssl+='|(d2i|i2d)_.*'
# Calls of the C library that ask the system nothing, or for no more than memory; and what the compiler adds.
pure='mem[a-z]+|str[a-z]+|malloc|calloc|realloc|free|posix_memalign|aligned_alloc|v?snprintf|abort|qsort|bsearch'
pure+='|__assert_fail|__errno_location|__stack_chk_fail|__tls_get_addr|_GLOBAL_OFFSET_TABLE_|__ctype_[a-z_]+|sched_yield'
pure+='|__(mem|str|sn?printf|vsnprintf)[a-z]*_chk'

cd "$build" || exit 1
objects=$(find core actors net ipaddr -name '*.c.o' -not -path 'actors/testing/*') # that is for tests, and starts children
[ -n "$objects" ] || exit 1
for object in $objects; do
    name=${object%%/*}/${object#*.dir/}
    name=${name%.o}
    [[ $name =~ ^($seam) ]] && continue
    while read -r call; do
        [[ "$name $call" =~ ^net/tls/.*\ ($openssl)$ ]] && continue
        [[ "$name $call" =~ ^($alone)$ ]] && continue
        echo "$name calls $call(), which only $seam may"
        failed=1
    done < <(nm -u "$object" | awk '{ print $2 }' | grep -vE "^(tri?_.*|uv_.*|ck_.*|clock_gettime|$pure)$")
done

# Those that headers have inline are looked for by name: WHERE-THEY-MAY-BE CALLS FOLDER...
named_only_in() {
    local may=$1 calls=$2
    shift 2
    while IFS=: read -r file line text; do
        [[ $file =~ ^($seam|$may) ]] && continue
        echo "$file:$line asks the system by itself:$text"
        failed=1
    done < <(grep -rnE "\b($calls)\(" --include='*.[ch]' "$@" | grep -vE '^[^:]*:[0-9]*:( \*|.*/\*)')
}

cd "$sources" || exit 1
named_only_in 'core/layer/troupe/core/clock\.h|core/loop/(timers|worker)\.c' \
    'clock_gettime|time|nanosleep|getrandom|uv_(hrtime|now|update_time|sleep|random|gettimeofday|clock_gettime)' \
    core actors net ipaddr # timers and worker keep the loop's own time
named_only_in net/text/ 'read|writev?' net

# Who knows OpenSSL by its headers.
if grep -rn '#include <openssl/' --include='*.[ch]' core actors ipaddr net | grep -v '^net/tls/'; then
    echo 'OpenSSL is of net/tls alone'
    failed=1
fi

exit $failed
