#!/usr/bin/env bash
# pki.sh DIRECTORY: makes the certificates of the demo, NAME.pem and NAME.key, with openssl. They
# are made for each run, because the repository must not contain private keys.
set -euo pipefail

dir=$1
rm -rf "$dir"
mkdir -p "$dir/work"
cd "$dir"

# issue NAME ISSUER SUBJECT [EXTENSION...]; with ISSUER "-" self-signed. The variables from and to
# override the dates. `openssl x509 -req` cannot make an expired certificate, `openssl ca` can.
issue() {
  local name=$1 issuer=$2 subject=$3 config=work/$1.cnf
  shift 3
  local signer=(-cert "$issuer.pem" -keyfile "$issuer.key")
  [[ $issuer == - ]] && signer=(-selfsign -keyfile "$name.key")
  cat > "$config" <<END
[ca]
default_ca = this
[this]
database = work/$name.index
new_certs_dir = work
default_md = sha256
rand_serial = yes
policy = any
x509_extensions = extensions
[any]
countryName = optional
stateOrProvinceName = optional
localityName = optional
organizationName = optional
commonName = optional
[extensions]
$(printf '%s\n' "$@")
END
  : > "work/$name.index"
  openssl ecparam -name prime256v1 -genkey -noout -out "$name.key"
  openssl req -new -key "$name.key" -subj "$subject" -out "work/$name.csr"
  openssl ca -batch -notext -preserveDN -config "$config" "${signer[@]}" \
    -in "work/$name.csr" -out "$name.pem" -startdate "${from:-20260101000000Z}" \
    -enddate "${to:-20460101000000Z}" 2> "work/$name.log" || {
    cat "work/$name.log" >&2
    return 1
  }
}

ca() {
  issue "$1" - "/O=Demo/CN=Demo client CA" \
    "basicConstraints = critical,CA:true" "keyUsage = critical,keyCertSign"
}

client() {
  issue "$@" "keyUsage = critical,digitalSignature" "extendedKeyUsage = clientAuth"
}

ca ca
ca other-ca # only its key differs from that of the trusted CA
issue server ca "/CN=localhost" \
  "subjectAltName = DNS:localhost,DNS:as.example.com,IP:127.0.0.1" "extendedKeyUsage = serverAuth"

# -subj writes the RDNs in this order, C first. RFC 4514 prints a name from its end, so this is the
# certificate of CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP.
name="/C=JP/ST=Tokyo/L=Chiyoda-ku/O=Client/CN=client.example.org"
client subject-dn ca "$name"
client san-dns ca "/CN=a client" "subjectAltName = DNS:billing.client.example.org"
client san-uri ca "/CN=a client" \
  "subjectAltName = URI:spiffe://client.example.org/ns/payments/sa/ledger"
client san-ip ca "/CN=a client" "subjectAltName = IP:2001:db8::a:1"
client san-email ca "/CN=a client" "subjectAltName = email:ops@client.example.org"
client self-signed - "/CN=a self-signed client"
client self-signed-other - "/CN=a self-signed client"
client wrong ca "/C=JP/ST=Tokyo/L=Chiyoda-ku/O=Other/CN=client.example.org"
client untrusted other-ca "$name"
mesh="subjectAltName = critical,URI:spiffe://cluster.local/ns"
client mesh-gateway ca "/O=mesh" "$mesh/istio-ingress/sa/istio-ingressgateway"
client mesh-other ca "/O=mesh" "$mesh/shop/sa/cart"
from=20250101000000Z to=20250201000000Z client expired ca "$name"

rm -r work
