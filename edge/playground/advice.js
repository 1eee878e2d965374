// What to do about each code.

const advice = {
  authenticated: `
    The certificate is this client's. The request goes on to the authorization server.`,
  not_gated: `
    The path is none of the endpoints in field 4, or the request is a preflight (an OPTIONS without
    a body and without credentials). The filter does not look at it.`,
  passed_other_method: `
    The client is registered for another method than a certificate, which the authorization server
    checks. If it has a certificate_binding, the certificate is the right one.`,
  passed_unregistered: `
    The client_id is not registered, and the configuration lets such clients pass: the
    authorization server decides.`,
  passed_unidentified: `
    The request names no client and has no credential of one, and the configuration lets such
    requests pass: some grants need no client.`,
  token_bound: `
    The access token is bound to the certificate of the connection. The request goes on to the
    resource server.`,
  certificate_untrusted_issuer: `
    No path leads from the certificate to one of the CAs in trust_anchors of the configuration, or
    of the client: another CA issued it, or an intermediate certificate is missing in
    intermediates.`,
  certificate_revoked: `
    The configuration revokes the certificate, by its thumbprint or by its issuer and serial
    number: the client needs another one.`,
  revocation_unknown: `
    The configuration has crl or ocsp, which only the filter in Envoy asks: whether the certificate
    is revoked is not known here. Take them out of the configuration to see the rest of the
    decision.`,
  certificate_not_registered: `
    The certificate is none of those that the client registered. If it is the client's own,
    register it: the configuration below has it.`,
  certificate_missing: `
    The client sent no certificate, or the TLS server did not ask for one.`,
  certificate_malformed: `
    Field 1 has no certificate, or a part of it that matters cannot be read.`,
  certificate_expired: `
    The client needs a new certificate.`,
  certificate_not_yet_valid: `
    The certificate becomes valid later. Look at the clocks of its issuer and of this machine.`,
  unknown_client: `
    The client_id of the request is not a registered one. Compare them letter by letter; case and
    blanks count.`,
  missing_client_id: `
    RFC 8705 requires client_id in the body of the request. Where a grant needs no client,
    unidentified_clients in the configuration lets it pass.`,
  client_id_mismatch: `
    Two places of the request name different clients, its query string has a credential, or its
    client_assertion cannot be read (encrypted, SAML, or without sub).`,
  token_missing: `
    The request is one to a resource, and has no Authorization header whose scheme is exactly
    Bearer.`,
  token_malformed: `
    The access token is in the query string or in a form, or there are two Authorization headers.`,
  token_unverified: `
    Nobody verified the access token in the Authorization header: neither jwt_authn in Envoy nor an
    authorization server. This page verifies none.`,
  token_unbound: `
    The access token has no cnf with x5t#S256: it was not issued to a certificate.`,
  token_bound_to_another: `
    The access token was issued to another certificate than the one that the client presents, or
    the client presents none.`,
  method_not_supported: `
    The client is registered for one of the two certificate methods, and this service supports only
    the other (methods in the configuration).`,
  other_method_refused: `
    The client is not registered for a certificate, and the configuration refuses all other
    methods.`,
  duplicate_parameter: `
    A parameter is there twice, or the name of one is read as client_id, client_secret or
    client_assertion by some servers (client_id[], client.id, x;client_secret=): filter and server
    could each read another value. The registration is not the cause: correct the request.`,
  multiple_auth_methods: `
    A client with a certificate must send no Authorization header, client_secret or
    client_assertion beside it (RFC 6749, section 2.3).`,
  method_not_allowed: `
    Token requests are POST. An OPTIONS passes only as a preflight: without a body, without
    Authorization and without credentials in its path.`,
  upgrade_refused: `
    A token request must not ask for another protocol (upgrade, :protocol), nor expect anything but
    100-continue: its body might never end.`,
  server_name_mismatch: `
    The client connected to one host by TLS and sent its request to another. Each may trust other
    CAs, so the client must connect to the host that it sends its request to.`,
  registry_unavailable: `
    The filter fetches its clients, and has no list of them yet, or one that is too old. This page
    fetches nothing.`,
  response_unbound: `
    The server issued an access token that is not bound to the client's certificate. Only the filter
    in Envoy reads what the server answers.`,
  host_error: `
    The program that the filter runs in did not give what a decision needs, such as the time.`,
  unknown_tenant: `
    The configuration names no tenant for the host of the request.`,
  unsupported_media_type: `
    The request needs one header content-type: application/x-www-form-urlencoded, in UTF-8, or in
    US-ASCII with nothing else in its body.`,
  encoded_body: `
    The client must not compress its request.`,
  body_too_large: `
    Token requests are smaller. The filter's limit is max_body_bytes.`,
  malformed_form: `
    The body is not a form of names and values: name=value&name=value, with % only before two
    hexadecimal digits, in UTF-8, with at most 256 parameters.`,
  malformed_authorization: `
    The Authorization header cannot be read.`,
  reverse_order: `
    The registered name is the certificate's in reverse order. The configuration below has it in
    the order of RFC 4514.`,
  subject_mismatch: `
    The certificate does not have the registered name; they are compared below. If the certificate
    is the client's own, register a name that it has: the configuration below has one.`,
  certificate_unverified: `
    A name in a certificate counts only if the TLS server verified the certificate's chain. Add the
    CA that issued this certificate to those that the TLS server trusts for clients, and do not let
    it resume sessions.`,
  verification_not_stated: `
    A name in a certificate counts only if the TLS server verified the certificate's chain, and
    this one does not say whether it did. Use one that says so, or one that refuses what it cannot
    verify, with "peer_certificate": {"chain": "listener"} in the filter's configuration.`,
  self_signed: `
    A self-signed certificate needs the method self_signed_tls_client_auth.`,
};

/** In words, what to do about a decision. */
export function adviceOn({ code, detail }, chainValid) {
  const of = (...keys) => keys.map((key) => advice[key].trim().replace(/\s+/g, " ")).join(" ");
  if (code === "subject_mismatch" && detail?.startsWith("reverse order"))
    return of("reverse_order");
  if (code === "certificate_unverified") {
    return of(chainValid === null ? "verification_not_stated" : code, "self_signed");
  }
  return Object.hasOwn(advice, code) ? of(code) : "";
}
