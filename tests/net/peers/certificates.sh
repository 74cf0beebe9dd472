#!/usr/bin/env bash
# Makes the certificates of the tests: certificates.sh DIRECTORY. What is there already and is not older than this script
# stays, so that the first who asks makes them, and all others have them. The passphrase of encrypted keys is "open
# sesame".
set -euo pipefail
out=$1
mkdir -p "$(dirname "$out")"
exec 9>"$out.lock"
flock 9
if [ -e "$out/whole" ] && [ "$out/whole" -nt "$0" ]; then
    exit
fi
work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

key() { # NAME [rsa BITS | ec CURVE]
    case ${2:-ec} in
    rsa) openssl genpkey -quiet -algorithm RSA -pkeyopt "rsa_keygen_bits:$3" -out "$1.key" ;;
    ec) openssl genpkey -quiet -algorithm EC -pkeyopt "ec_paramgen_curve:${3:-P-256}" -out "$1.key" ;;
    esac
}

# A certificate for a key that is there: SUBJECT, ISSUER (itself: "self"), how long it is valid, and its extensions.
issue() { # NAME COMMON-NAME ISSUER FROM TO [EXTENSION...]
    local name=$1 subject=$2 issuer=$3 from=$4 to=$5 self=()
    shift 5
    printf '%s\n' '[extensions]' "$@" >"$name.cnf"
    cat >>"$name.cnf" <<'CONFIG'
[ca]
default_ca = tests
[tests]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = policy
unique_subject = no
copy_extensions = none
[policy]
commonName = supplied
CONFIG
    [ "$issuer" != self ] || self=(-selfsign)
    [ "$issuer" != self ] || issuer=$name
    openssl req -new -key "$name.key" -subj "/CN=$subject" -config /dev/null -out "$name.csr"
    if [ ${#self[@]} -eq 0 ]; then
        self=(-cert "$issuer.pem")
    fi
    openssl ca -batch -notext -config "$name.cnf" -extensions extensions -in "$name.csr" -out "$name.pem" \
        "${self[@]}" -keyfile "$issuer.key" -startdate "$from" -enddate "$to" 2>"$name.log" || {
        cat "$name.log" >&2
        return 1
    }
}

: >index
echo 01 >serial
past=20200101000000Z soon=20210101000000Z now=20210101000000Z later=20490101000000Z last=20491201000000Z
authority=('basicConstraints = critical,CA:TRUE' 'keyUsage = critical,keyCertSign,cRLSign' 'subjectKeyIdentifier = hash')
names='subjectAltName = DNS:localhost,DNS:server.example,IP:127.0.0.1,IP:::1'

# Who signs.
for ca in ca other_ca; do
    key $ca
    issue $ca "Troupe test $ca" self $past $last "${authority[@]}"
done
key between
issue between 'Troupe test between' ca $past $last "${authority[@]}"
key nearer
issue nearer 'Troupe test nearer' between $past $last "${authority[@]}"

# Who serves.
key server
issue server server.example ca $past $last "$names"
key server_rsa rsa 2048
issue server_rsa server.example ca $past $last "$names"
cp server.key renewed.key
issue renewed server.example ca $now $last "$names"
for host in a b c; do
    key $host
    issue $host $host.example ca $past $last "subjectAltName = DNS:$host.example"
done
key wildcard
issue wildcard '*.wild.example' ca $past $last 'subjectAltName = DNS:*.wild.example'
key part
issue part part ca $past $last 'subjectAltName = DNS:s*.wild.example'
key common
issue common common.example ca $past $last 'basicConstraints = CA:FALSE'
key address
issue address address ca $past $last 'subjectAltName = IP:127.0.0.1,IP:::1'
key deep
issue deep server.example between $past $last "$names"
cat deep.pem between.pem >deep_chain.pem
key deepest
issue deepest server.example nearer $past $last "$names"
cat deepest.pem nearer.pem between.pem >deepest_chain.pem
key expired
issue expired server.example ca $past $soon "$names"
key not_yet
issue not_yet server.example ca $later $last "$names"
key self
issue self server.example self $past $last "$names"
key unknown
issue unknown server.example other_ca $past $last "$names"
key weak rsa 1024
issue weak server.example ca $past $last "$names"

# Clients.
for client in client stranger revoked; do
    key $client
    issue $client "$client" "$([ $client = stranger ] && echo other_ca || echo ca)" $past $last 'extendedKeyUsage = clientAuth'
done

# Revocation lists: with the revoked one, and with nobody.
openssl ca -config revoked.cnf -gencrl -keyfile ca.key -cert ca.pem -crldays 9000 -out empty_crl.pem 2>/dev/null
openssl ca -config revoked.cnf -revoke revoked.pem -keyfile ca.key -cert ca.pem 2>/dev/null
openssl ca -config revoked.cnf -gencrl -keyfile ca.key -cert ca.pem -crldays 9000 -out crl.pem 2>/dev/null
openssl ca -config revoked.cnf -gencrl -keyfile between.key -cert between.pem -crldays 9000 -out between_crl.pem 2>/dev/null

# Files of other forms.
cat server.pem server.key >both.pem
{
    echo 'Bag Attributes: what other programs write'
    openssl ecparam -name prime256v1
    openssl ec -in server.key 2>/dev/null
} >old_form.key
openssl pkcs8 -topk8 -in server.key -passout 'pass:open sesame' -out sealed.key
openssl rsa -in server_rsa.key -traditional -aes128 -passout 'pass:open sesame' -out sealed_old.key 2>/dev/null
sed '3s/.*/this is no base64!/' server.pem >broken.pem
cat ca.pem broken.pem >broken_second.pem
sed '/END/d' server.pem >endless.pem
sed '3s/./!/' server.key >broken.key
echo 'no PEM at all' >plain.txt
openssl x509 -in server.pem -outform DER -out der.pem
mkdir hashed empty
cp ca.pem hashed/authority.pem
openssl rehash hashed
ln -s gone hashed/gone.pem
cp plain.txt hashed/README

rm -f -- *.csr *.cnf *.log [0-9]*.pem
touch whole
rm -rf "$out"
mv "$work" "$out"
trap - EXIT
