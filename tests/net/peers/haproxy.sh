#!/usr/bin/env bash
# haproxy before our server, and behind our client. Usage: haproxy.sh HAPROXY PEER, where PEER is the program of
# proxy_peer.c.
set -euo pipefail
haproxy=$1 peer=$2
work=$(mktemp -d)
coproc SERVER { exec "$peer" serve; }
server_in=${SERVER[1]} server_out=${SERVER[0]} server_pid=$SERVER_PID
haproxy_pid=
finish() {
    [ -z "$haproxy_pid" ] || kill "$haproxy_pid" 2>/dev/null || true
    kill "$server_pid" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

read_port() { # FD: sets port
    local word
    read -r -t 100 word port <&"$1"
    [ "$word" = port ]
}

read_port "$server_out"
cat >"$work/haproxy.cfg" <<CONFIG
global
    maxconn 100
    nbthread 1
defaults
    mode tcp
    timeout connect 100s
    timeout client 100s
    timeout server 100s
listen line
    bind fd@3
    server troupe 127.0.0.1:$port send-proxy
listen binary
    bind fd@4
    server troupe 127.0.0.1:$port send-proxy-v2
listen tlvs
    bind fd@5
    unique-id-format id-of-%[src]
    server troupe 127.0.0.1:$port send-proxy-v2 proxy-v2-options crc32c,unique-id
listen chain
    bind fd@6 accept-proxy
    server troupe 127.0.0.1:$port send-proxy-v2 proxy-v2-options crc32c
listen checked
    bind fd@7
    server troupe 127.0.0.1:$port check inter 100ms send-proxy-v2
CONFIG
coproc HAPROXY { exec "$peer" ports 5 "$haproxy" -db -f "$work/haproxy.cfg" 2>"$work/log"; }
haproxy_pid=$HAPROXY_PID haproxy_out=${HAPROXY[0]}
ports=()
for _ in 1 2 3 4 5; do
    read_port "$haproxy_out"
    ports+=("$port")
done

failed=0
expect() { # PORT VERSION TEXT, in which OWN stands for the visitor's port
    local heard own
    heard=$(timeout 100 "$peer" visit "$1" "$2" 2>&1) || true
    own=$(sed -n 's/^port //p' <<<"$heard")
    heard=$(sed '/^port /d' <<<"$heard")
    if [ -z "$own" ] || [ "$heard" != "${3//OWN/$own}" ]; then
        echo "expected '${3//OWN/$own}', heard '$heard'" >&2
        failed=1
    fi
}

expect "${ports[0]}" 0 "1:1 127.0.0.1,OWN 127.0.0.1,${ports[0]}"
expect "${ports[1]}" 0 "2:1 127.0.0.1,OWN 127.0.0.1,${ports[1]}"
expect "${ports[2]}" 0 "2:1 127.0.0.1,OWN 127.0.0.1,${ports[2]} 3 5=id-of-127.0.0.1"
expect "${ports[3]}" 1 "2:1 2001:db8::1,1000 2001:db8::2,443 3"
expect "${ports[3]}" 2 "2:1 2001:db8::1,1000 2001:db8::2,443 3"

# Its checks are connections of its own.
while read -r -t 100 line <&"$server_out" && [ "$line" != "2:0 ,0 ,0" ]; do
    :
done
if [ "${line-}" != "2:0 ,0 ,0" ]; then
    echo "no check came with a LOCAL header" >&2
    failed=1
fi

kill "$haproxy_pid"
haproxy_pid=
exec {server_in}>&-
wait "$server_pid" || failed=1
[ $failed -eq 0 ] || cat "$work/log" >&2
exit $failed
