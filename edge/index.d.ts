/** A plugin configuration of tls-client-auth; its README has all members. */
export type Configuration = Record<string, unknown>;

export type HeaderValue = string | Uint8Array;

export interface Request {
  /** `POST` unless said. */
  method?: string;
  /** With its query, as it stands in the request. */
  path: string;
  /** What `:authority` or `Host` says; chooses the tenant. Without it, `headers.host`. */
  host?: string;
  headers?: Record<string, HeaderValue | HeaderValue[] | undefined> | Iterable<readonly [string, HeaderValue]>;
  body?: string | ArrayBuffer | Uint8Array;
  /** The certificate of the TLS connection: PEM as text, or DER. `null` or absent: the client has none. */
  certificate?: string | ArrayBuffer | Uint8Array | null;
  /** Whether the TLS server verified the certificate's chain. `null` or absent: it does not say, and `tls_client_auth` clients are refused. */
  chainValid?: boolean | null;
  /** Seconds since 1970; now unless said. */
  now?: number;
}

export interface Decision {
  /** The stable word, such as `authenticated` or `subject_mismatch`. */
  code: string;
  /** Whether the request may go on. */
  pass: boolean;
  /** Of the answer to a refused request; `null` where it passes. */
  status: number | null;
  /** Of that answer. */
  headers: Record<string, string>;
  /** Of that answer; `null` where the request passes. */
  body: string | null;
  /** Proven where `code` is `authenticated`, else what the request claims, in printable ASCII; `null` where it claims nobody. */
  clientId: string | null;
  /** `x5t#S256` of the certificate, if it was looked at. */
  thumbprint: string | null;
  /** Why, for the operator and nobody else; `null` where nothing is wrong. */
  detail: string | null;
  /** Whose policy decided: the first host of the tenant. */
  tenant: string | null;
  /** What becomes of the headers of a request that passes: these must be removed, and then those set. */
  forward: { set: [string, string][]; remove: string[] } | null;
}

/** A configuration that decides as the Envoy filter does. Registries are not fetched: their clients are `registry_unavailable`. */
export class Gate {
  /** @throws Error with the JSON Pointer of the first mistake. */
  constructor(configuration: string | Configuration);
  decide(request: Request): Decision;
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
export function readCertificate(certificate: string | ArrayBuffer | Uint8Array): Certificate;

/** A distinguished name as the filter understands it. @throws Error where it is none. */
export function readName(name: string): { rfc4514: string; rdns: string[] };
