/** What decides for a host. The filter's README says what each member means. */
export interface Policy {
  /** Paths whose requests are gated; absent: every request is. */
  endpoints?: string[];
  /** This or `registry`. */
  clients?: Client[];
  /** Read, but nothing is fetched here: such clients are `registry_unavailable`. */
  registry?: Registry;
  unregistered_clients?: "reject" | "pass";
  other_methods?: "pass" | "reject";
  unidentified_clients?: "reject" | "pass";
  methods?: ("tls_client_auth" | "self_signed_tls_client_auth")[];
  mode?: "enforce" | "shadow";
  max_body_bytes?: number;
  peer_certificate?: {
    source?: "connection" | "forwarded";
    chain?: "connection" | "listener" | "anchors";
    dialect?: "xfcc" | "client-cert" | "pem" | "der" | "x-ssl-cert";
    /** Where it is not the usual one of the dialect. */
    header?: string;
    trusted_proxies?: string[];
    /** The hop's own word on the chain. */
    verified?: { header: string; values: string[] };
    server_name?: "match" | "ignore";
  };
  forward?: {
    client_id?: string;
    certificate?: (CertificateWord | CertificateHeader)[];
    thumbprint?: string;
    certificate_for?: "authenticated" | "gated" | "every_request";
    keep?: string[];
    strip?: string[];
  };
  /** Certificates of CAs in PEM, for the chain `anchors`. */
  trust_anchors?: string[];
  intermediates?: string[];
  /** SHA-256 of certificates, or their issuers and serial numbers. */
  revoked?: (string | { issuer: string; serial: string })[];
  /** Of `resources`; the answers of servers are not read here. */
  bound_tokens?: {
    resources: string[];
    jwt?: { metadata: string; payload_header: string };
    /** Read, but nobody is asked here: such tokens are `registry_unavailable`. */
    introspection?: Introspection;
  };
}

export interface Introspection {
  cluster: string;
  authority: string;
  path: string;
  headers?: Record<string, string>;
  timeout?: Duration;
  cache?: Duration;
}

export type CertificateWord = "client-cert" | "x-ssl-cert" | "x-forwarded-client-cert";

/** Any header, in the format that the server reads. */
export interface CertificateHeader {
  header: string;
  format: "pem" | "pem-line" | "der" | "byte-sequence" | "xfcc";
}

/** A plugin configuration of tls-client-auth. */
export interface Configuration extends Policy {
  /** Read, but nothing is fetched here: clients with `jwks_uri` are `registry_unavailable`. */
  jwks_uri?: KeySets;
  /** Read, but no list is fetched here: `on_unavailable` decides, and `reject` is its default. */
  crl?: CrlSource[];
  /** Read, but no responder is asked here: `on_unavailable` decides, and `reject` is its default. */
  ocsp?: OcspSource;
  tenants?: (Policy &
    ({ hosts: string[]; paths?: string[] } | { hosts?: string[]; paths: string[] }))[];
  /** For hosts that log by themselves; nothing is logged here. */
  log?: "rejections" | "all" | "none";
  /** For hosts that have such a state; none is written here. */
  filter_state?: ("code" | "client_id")[];
}

/** How the certificate of a client is registered. */
export interface RegisteredCertificate {
  tls_client_auth_subject_dn?: string | null;
  tls_client_auth_san_dns?: string | null;
  tls_client_auth_san_uri?: string | null;
  tls_client_auth_san_ip?: string | null;
  tls_client_auth_san_email?: string | null;
  jwks?: {
    keys: { x5c?: string[] | null; "x5t#S256"?: string | null; [member: string]: unknown }[];
  } | null;
  certificate_thumbprints?: string[] | null;
}

/** Client metadata (RFC 7591, RFC 8705). Other members may be there. */
export interface Client extends RegisteredCertificate {
  client_id: string;
  token_endpoint_auth_method: string;
  /** Nothing is fetched here: the requests of such a client are `registry_unavailable`. */
  jwks_uri?: string | null;
  /** The certificate that a client of another method must present. */
  certificate_binding?: RegisteredCertificate | null;
  backend_authentication?: { method: "client_secret_basic"; client_secret: string } | null;
  /** In PEM, or those of `trust_anchors` with this subject. */
  trust_anchors?: (string | { subject: string })[] | null;
  /** For `response_check`, which only the filter in Envoy has. */
  tls_client_certificate_bound_access_tokens?: boolean | null;
  [member: string]: unknown;
}

export interface Registry {
  cluster: string;
  authority: string;
  path: string;
  mode?: "snapshot" | "lookup";
  refresh?: Duration;
  timeout?: Duration;
  max_stale?: Duration;
  headers?: Record<string, string>;
  max_bytes?: number;
  max_pages?: number;
  allow_empty?: boolean;
  cache_entries?: number;
  generation_header?: string;
  on_miss?: { path: string };
}

export interface KeySets {
  cluster: string;
  hosts: string[];
  refresh?: Duration;
  timeout?: Duration;
  max_stale?: Duration;
  max_bytes?: number;
  cache_entries?: number;
}

/** A certificate revocation list (RFC 5280). */
export interface CrlSource {
  cluster: string;
  authority: string;
  path: string;
  refresh?: Duration;
  timeout?: Duration;
  on_unavailable?: "reject" | "allow";
  /** The issuers of the certificates for which it counts; absent: every issuer. */
  issuers?: string[];
}

/** Responders of OCSP (RFC 6960). */
export interface OcspSource {
  cluster: string;
  hosts: string[];
  timeout?: Duration;
  max_age?: Duration;
  on_unavailable?: "reject" | "allow";
}

export type Duration = `${number}${"ms" | "s" | "m" | "h"}`;

/** Octets, or a view of them. */
export type Octets = ArrayBuffer | SharedArrayBuffer | ArrayBufferView;

export type HeaderValue = string | Octets;

/**
 * PEM as text, DER or PEM as octets, or what has DER as its `raw`, such as Node's X509Certificate.
 */
export type CertificateInput = string | Octets | { raw: ArrayBufferView };

/**
 * A request and its connection before there is anything of the body. A value of another type throws
 * a TypeError.
 */
export interface Head {
  /** `POST` unless said. */
  method?: string;
  /** With its query, as it stands in the request. */
  path: string;
  /**
   * What `:authority` or `Host` says; chooses the tenant. Without it, that of `headers`, if there
   * is exactly one.
   */
  host?: string;
  /** Of pseudo-headers among them, only `:authority` (for the host) and `:protocol` count. */
  headers?:
    | Record<string, HeaderValue | HeaderValue[] | undefined>
    | Iterable<readonly [string, HeaderValue]>;
  /** The certificate of the TLS connection. `null` or absent: the client has none. */
  certificate?: CertificateInput | null;
  /**
   * Whether the TLS server verified the certificate's chain. `null` or absent: it does not say, and
   * `tls_client_auth` clients are refused.
   */
  chainValid?: boolean | null;
  /**
   * The name that the client asked for in the TLS handshake; `null` or empty: it asked for none.
   * Where there are tenants, it must be of the tenant that `host` chooses. Absent: it is not
   * checked, and a client of one tenant's CA may be a client of another tenant.
   */
  serverName?: string | null;
  /**
   * An access token in compact form whose signature and claims the caller has verified, for the
   * `resources` of `bound_tokens`. Absent: no token was verified, and none is accepted there.
   */
  verifiedToken?: string | null;
  /**
   * Seconds since 1970, or a Date; now unless said. `null`, or a number or Date that is none: there
   * is no clock, which is a `host_error`.
   */
  now?: number | Date | null;
}

export interface Request extends Head {
  /** Empty unless said. */
  body?: string | Octets;
}

export type PassCode =
  | "authenticated"
  | "passed_other_method"
  | "passed_unregistered"
  | "passed_unidentified"
  | "token_bound"
  | "not_gated";

export type RefusalCode =
  | "upgrade_refused"
  | "method_not_allowed"
  | "unsupported_media_type"
  | "encoded_body"
  | "body_too_large"
  | "malformed_form"
  | "duplicate_parameter"
  | "missing_client_id"
  | "client_id_mismatch"
  | "malformed_authorization"
  | "multiple_auth_methods"
  | "token_missing"
  | "token_malformed"
  | "token_unverified"
  | "token_unbound"
  | "token_bound_to_another"
  | "other_method_refused"
  | "method_not_supported"
  | "unknown_client"
  | "certificate_missing"
  | "certificate_malformed"
  | "certificate_expired"
  | "certificate_not_yet_valid"
  | "certificate_unverified"
  | "certificate_untrusted_issuer"
  | "certificate_revoked"
  | "revocation_unknown"
  | "certificate_not_registered"
  | "subject_mismatch"
  | "unknown_tenant"
  | "server_name_mismatch"
  | "registry_unavailable"
  /** Of an answer of the server, which only the filter in Envoy reads. */
  | "response_unbound"
  | "host_error";

export type Code = PassCode | RefusalCode;

interface Circumstances {
  /**
   * Proven where `code` is `authenticated`, else what the request claims, in printable ASCII;
   * `null` where it claims none.
   */
  clientId: string | null;
  /** `x5t#S256` of the certificate, if it was looked at. */
  thumbprint: string | null;
  /** Why, for the operator alone; `null` where nothing is wrong. */
  detail: string | null;
  /** Whose policy decided: the first host of the tenant, then its first path. */
  tenant: string | null;
}

/** The request may go on. */
export interface Pass extends Circumstances {
  pass: true;
  /** The stable word; that of a refusal where the mode is `shadow`. */
  code: Code;
  status: null;
  headers: Record<string, never>;
  body: null;
  /**
   * What becomes of its headers: these must be removed, and then those set. A backend's secret may
   * be among them.
   */
  forward: { set: [string, string][]; remove: string[] };
}

/** The request is answered with this and goes nowhere. */
export interface Refusal extends Circumstances {
  pass: false;
  /** The stable word. */
  code: RefusalCode;
  status: number;
  headers: Record<string, string>;
  body: string;
  forward: null;
}

export type Decision = Pass | Refusal;

/** A decision as logs and metrics may have it. */
export type ReportedDecision = Omit<Pass, "forward"> | Omit<Refusal, "forward">;

/**
 * A configuration that decides as the Envoy filter does. Registries are not fetched: their clients
 * are `registry_unavailable`. Here and below, an argument of another kind than is stated throws a
 * TypeError that names it.
 */
export class Gate {
  /** @throws Error with the JSON Pointer of the first mistake. */
  constructor(configuration: string | Configuration);
  decide(request: Request): Decision;
  /**
   * For adapters: the decision where the headers are enough for one, so that no body is read in
   * vain. `null`: `decide` needs the body, or to know that there is none (a preflight has none).
   */
  decideHead(head: Head): Decision | null;
  /**
   * For adapters: what holds for requests to this host and path (default: `/`). A body above
   * `maxBodyBytes` need not be read to its end.
   */
  policy(host?: string, path?: string): {
    mode: "enforce" | "shadow";
    /** "shadow" where the top level and every tenant are in shadow mode. */
    modeOfAll: "enforce" | "shadow";
    chain: "connection" | "listener" | "anchors";
    maxBodyBytes: number;
  };
}

export interface Certificate {
  subject: string | null;
  /** Each RDN as RFC 4514 writes it, most specific first. */
  rdns: string[] | null;
  subjectError: string | null;
  alternativeNames: { type: "dns" | "uri" | "ip" | "email"; value: string }[];
  /** RFC 3339. */
  notBefore: string;
  notAfter: string;
  /** `x5t#S256` */
  thumbprint: string;
}

/** @throws Error where it is no certificate. */
export function readCertificate(certificate: CertificateInput): Certificate;

/** A distinguished name as the filter understands it. @throws Error where it is none. */
export function readName(name: string): { rfc4514: string; rdns: string[] };

/** What became of one entry of the client list of another server. */
export interface Conversion {
  /** JSON Pointer of the entry; empty where the whole document is one client. */
  pointer: string;
  /** The clients that the entry is about, as far as that can be read. */
  clientIds: string[];
  /** Client metadata, one for each of them; `null` where `error` says why there is none. */
  clients: Client[] | null;
  error: { pointer: string; message: string } | null;
  /** Whether such a client never authenticates, so that it is no loss. */
  neverAuthenticates: boolean;
}

/**
 * Client metadata made of the client list of another server, or of one client of it: Authlete's,
 * Keycloak's (also a realm export), clients of Duende IdentityServer, or rows of Spring
 * Authorization Server. A client is converted exactly or not at all.
 *
 * @throws Error where the JSON has no such list.
 */
export function convertClients(
  document: string,
  from: "authlete" | "duende" | "keycloak" | "spring",
): Conversion[];
