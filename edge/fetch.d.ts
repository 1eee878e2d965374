import type { CertificateInput, Gate, ReportedDecision } from "tls-client-auth";

/** What is known of the client's TLS connection. */
export interface Peer {
  /** `null`: the client has no certificate. */
  certificate: CertificateInput | null;
  /** Whether the chain was verified; `null`: that is not known. */
  chainValid: boolean | null;
  /**
   * The name that the client asked for in the TLS handshake; `null`: none. Absent: the runtime does
   * not say, and it is not checked.
   */
  serverName?: string | null;
}

export interface Options<Rest extends unknown[]> {
  /**
   * Where the certificate comes from: the runtime's properties of the request, or a header that can
   * be trusted.
   */
  peer: (request: Request, ...rest: Rest) => Peer | Promise<Peer>;
  /** Gets every decision, for logs and metrics. What it throws changes nothing. */
  onDecision?: (decision: ReportedDecision, request: Request) => unknown;
  /**
   * Gets what `onDecision` throws, and why the gate itself could not decide (`host_error`). Without
   * it both are printed by console.error, the latter once for each reason.
   */
  onError?: (error: unknown, request: Request) => unknown;
}

/**
 * A handler that sees only requests that may pass, with the headers that `forward` of the
 * configuration writes. The tenant is that of the host in `request.url`. What the given handler
 * throws is left to the runtime.
 */
export function protect<Rest extends unknown[]>(
  gate: Gate,
  handler: (request: Request, ...rest: Rest) => Response | Promise<Response>,
  options: Options<Rest>,
): (request: Request, ...rest: Rest) => Promise<Response>;

/**
 * A `peer` for a runtime behind a proxy that terminates TLS, refuses certificates that it cannot
 * verify, and overwrites this header whatever the client sent. A caller that reaches the runtime
 * past that proxy can be every client. The name of the TLS handshake is known to that proxy alone,
 * and not checked here. The value is read by the filter's own code; a header that is there twice is
 * `certificate_malformed`.
 */
export function fromTrustedHeader(
  name: "client-cert" | "x-ssl-cert" | "cloudfront-viewer-cert-pem",
  options?: TrustedHeader,
): (request: Request) => Peer;
/** Envoy's header: the certificate of its last element, or of the last but that of a `hop`. */
export function fromTrustedHeader(
  name: "x-forwarded-client-cert",
  options?: TrustedElements,
): (request: Request) => Peer;
/** The same with any header, which has the certificate in one of these formats. */
export function fromTrustedHeader(
  name: string,
  options:
    | (TrustedHeader & { format: Exclude<CertificateFormat, "xfcc"> })
    | (TrustedElements & { format: "xfcc" }),
): (request: Request) => Peer;

/**
 * RFC 9440; PEM in one line, percent-encoded or not; base64 of DER or of PEM text; Envoy's elements.
 * `"base64"` is an older word for `"der"`. Of a chain the first certificate counts. The header goes
 * on to the handler unless the filter always strips it or `forward.strip` of the configuration names
 * it.
 */
export type CertificateFormat = "byte-sequence" | "pem" | "der" | "base64" | "xfcc";

export interface TrustedHeader {
  format?: CertificateFormat;
  /**
   * Whether the proxy refuses certificates that it cannot verify. Default: true. With `false` the
   * chain of no certificate counts as verified: only clients that registered the certificate itself
   * pass.
   */
  verified?: boolean;
}

export interface TrustedElements extends TrustedHeader {
  /**
   * The SHA-256 (hexadecimal or base64url) of the certificate of that proxy, where another Envoy
   * behind it appends an element (`APPEND_FORWARD`). The last element must then describe that
   * proxy, otherwise the client has no certificate; the one before it is the client's.
   */
  hop?: string;
}

/**
 * A `peer` for Cloudflare Workers, from `request.cf.tlsClientAuth`. No header of a client changes
 * it. The chain counts where Cloudflare verified the certificate and it is not revoked. A
 * certificate that Cloudflare does not give, because it is too large, is `certificate_malformed`.
 * The name of the TLS handshake is not known there, and not checked.
 */
export function fromCloudflare(request: Request): Peer;
