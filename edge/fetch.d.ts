import type { Decision, Gate } from "tls-client-auth";

/** What is known of the client's TLS connection. */
export interface Peer {
  /** PEM or DER; `null`: the client has no certificate. */
  certificate: string | Uint8Array | null;
  /** Whether the chain was verified; `null`: nobody says. */
  chainValid: boolean | null;
}

export interface Options<Rest extends unknown[]> {
  /** Where the certificate comes from: the runtime's properties of the request, or a header that can be trusted. */
  peer: (request: Request, ...rest: Rest) => Peer | Promise<Peer>;
  /** Largest body of a gated request; larger ones are answered with 413. 65536 unless said, as `max_body_bytes` of the configuration: say it in both. */
  maxBodyBytes?: number;
  /** Told of every decision, for logs and metrics. */
  onDecision?: (decision: Decision, request: Request) => void;
}

/** A handler that sees only requests that may pass, with the headers that `forward` of the configuration writes. */
export function protect<Rest extends unknown[]>(
  gate: Gate,
  handler: (request: Request, ...rest: Rest) => Response | Promise<Response>,
  options: Options<Rest>,
): (request: Request, ...rest: Rest) => Promise<Response>;

/**
 * A `peer` for a runtime behind a proxy that terminates TLS, refuses certificates that it cannot verify, and overwrites this
 * header whatever the client sent. Whoever reaches the runtime past that proxy can be every client.
 */
export function fromTrustedHeader(name: "client-cert" | "x-ssl-cert"): (request: Request) => Peer;
