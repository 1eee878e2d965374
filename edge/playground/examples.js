// What the buttons put into the fields. The keys of these certificates were thrown away.

const issued = `-----BEGIN CERTIFICATE-----
MIICEjCCAbigAwIBAgIUXXPwD9VouBxDAKt++in3b3GukeUwCgYIKoZIzj0EAwIw
KDENMAsGA1UECgwERGVtbzEXMBUGA1UEAwwORGVtbyBjbGllbnQgQ0EwHhcNMjYw
MTAxMDAwMDAwWhcNNDYwMTAxMDAwMDAwWjBgMQswCQYDVQQGEwJKUDEOMAwGA1UE
CAwFVG9reW8xEzARBgNVBAcMCkNoaXlvZGEta3UxDzANBgNVBAoMBkNsaWVudDEb
MBkGA1UEAwwSY2xpZW50LmV4YW1wbGUub3JnMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAEOE18c5LVoGmACdZHcw1D/bAYRpFye7qmzEhHirePP8tjS3YKga7kUNYO
0Bk1uMNoeyfnTwn2th6Viqbv7rL8GaOBhzCBhDAOBgNVHQ8BAf8EBAMCB4AwEwYD
VR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RBBYwFIISY2xpZW50LmV4YW1wbGUub3Jn
MB0GA1UdDgQWBBSp/bWUPgA9E/NR8ZDUlJuaPrTOvjAfBgNVHSMEGDAWgBT9ovtY
QeozFub2OvAp1iGDSTiysDAKBggqhkjOPQQDAgNIADBFAiB2s6roT/yVdjHfxuQI
XzAO0MNk5/1U98zgEyXDZYG/LQIhAIuHESDWeHJI80cwKWMnnLNawTYM1mw9gZqB
Dz+HwanK
-----END CERTIFICATE-----
`;
const renewed = `-----BEGIN CERTIFICATE-----
MIIBgjCCASigAwIBAgIUWfg78oewpzjGWk1wKSJFHgcHNBcwCgYIKoZIzj0EAwIw
HTEbMBkGA1UEAwwSc2VsZi1zaWduZWQgY2xpZW50MB4XDTI2MDEwMTAwMDAwMFoX
DTQ2MDEwMTAwMDAwMFowHTEbMBkGA1UEAwwSc2VsZi1zaWduZWQgY2xpZW50MFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEQ7sTDOQxAaSsMdP+n7oGoqMNNCYXJ5JL
LFmszC3sEVt0JFMbd1VYRWAVzu7LGUP98Xrfv1XlZAJ4NzE8cxK1aKNGMEQwDgYD
VR0PAQH/BAQDAgeAMBMGA1UdJQQMMAoGCCsGAQUFBwMCMB0GA1UdDgQWBBQ6Jav2
OzGV2kYa9YfskBhDGTZ6oTAKBggqhkjOPQQDAgNIADBFAiA2GMWBlEZyyeWQaRBa
HZPxJHW+AnJnau77FxL6wUs3bgIhAIeS+6ukRpxCJ9xxAp8OUoCx8mO99gGdWYpX
bW+TcHoM
-----END CERTIFICATE-----
`;
const name = "CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP";
const client = (members) => JSON.stringify({ client_id: "s6BhdRkqt3", ...members }, null, 2);
const bySubject = (subject) =>
  client({ token_endpoint_auth_method: "tls_client_auth", tls_client_auth_subject_dn: subject });
// Of the certificate before the renewal.
const before = { kty: "EC", "x5t#S256": "0tTPf7ZC3XU9N9898ZvmxYrDtwb4Da8VEJyOnnXMIGo" };

// As its admin console exports a client.
const keycloak = JSON.stringify(
  {
    clientId: "s6BhdRkqt3",
    protocol: "openid-connect",
    clientAuthenticatorType: "client-x509",
    attributes: {
      "x509.subjectdn": name,
      "x509.allow.regex.pattern.comparison": "false",
    },
  },
  null,
  2,
);

const accepted = {
  certificate: issued,
  client: bySubject(name),
  method: "POST",
  path: "/token",
  headers: "content-type: application/x-www-form-urlencoded",
  body: "grant_type=client_credentials&client_id=s6BhdRkqt3",
  endpoints: "/token /revoke /introspect /par",
};

export const examples = {
  accepted,
  subject: { ...accepted, client: bySubject(name.replace("O=Client", "O=Other")) },
  reverse: { ...accepted, client: bySubject(name.split(", ").reverse().join(", ")) },
  host: {
    ...accepted,
    client: client({
      token_endpoint_auth_method: "tls_client_auth",
      tls_client_auth_san_dns: "client.example.com",
    }),
  },
  renewed: {
    ...accepted,
    certificate: renewed,
    client: client({
      token_endpoint_auth_method: "self_signed_tls_client_auth",
      jwks: { keys: [before] },
    }),
  },
  bound: {
    ...accepted,
    client: client({
      token_endpoint_auth_method: "private_key_jwt",
      certificate_binding: { tls_client_auth_subject_dn: name.replace("O=Client", "O=Other") },
    }),
  },
  twice: { ...accepted, body: `${accepted.body}&client_id=somebody-else` },
  keycloak: { ...accepted, client: keycloak },
  unregistered: { ...accepted, client: "" },
  empty: {
    ...accepted,
    certificate: "",
    client: "",
    body: "grant_type=client_credentials&client_id=",
  },
};
