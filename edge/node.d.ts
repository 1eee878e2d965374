import type { IncomingMessage, ServerResponse } from "node:http";
import type { Decision, Gate } from "tls-client-auth";

export interface Options {
  /** Largest body of a gated request; larger ones are answered with 413. 65536 unless said, as `max_body_bytes` of the configuration: say it in both. */
  maxBodyBytes?: number;
  /** Told of every decision, for logs and metrics. */
  onDecision?: (decision: Decision, request: IncomingMessage) => void;
}

/**
 * A listener for `https.createServer({ requestCert: true, rejectUnauthorized: false, ca, ... }, protect(gate, listener))`.
 * The listener sees requests that may pass, with the headers that `forward` of the configuration writes.
 */
export function protect(
  gate: Gate,
  listener: (request: IncomingMessage, response: ServerResponse) => unknown,
  options?: Options,
): (request: IncomingMessage, response: ServerResponse) => Promise<unknown>;
