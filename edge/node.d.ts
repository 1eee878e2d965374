import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2SecureServer, Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Server as HttpsServer } from "node:https";
import type { TLSSocket } from "node:tls";
import type { Gate, ReportedDecision } from "tls-client-auth";

type AnyRequest = IncomingMessage | Http2ServerRequest;
type AnyResponse = ServerResponse | Http2ServerResponse;

export interface Options {
  /**
   * Gets every decision, for logs and metrics, before the request is changed or answered. What it
   * throws changes nothing.
   */
  onDecision?: (decision: ReportedDecision, request: AnyRequest) => unknown;
  /**
   * Gets what `onDecision` and the listener throw, and why the gate itself could not decide
   * (`host_error`). Without it both are printed by console.error, the latter once for each reason.
   */
  onError?: (error: unknown, request: AnyRequest) => unknown;
}

/**
 * A listener for the requests of `https.createServer({ requestCert: true, rejectUnauthorized:
 * false, ca, ... })`, of `http2.createSecureServer`, or a middleware. The given listener sees
 * requests that may pass, with their body still to be read, without trailers, and with the headers
 * that `forward` of the configuration writes. Where it throws, the answer is 500.
 *
 * @throws Error where the runtime cannot give the certificates of clients.
 */
export function protect<
  Request extends AnyRequest = IncomingMessage,
  Response extends AnyResponse = ServerResponse,
  Rest extends unknown[] = [],
>(
  gate: Gate,
  listener: (request: Request, response: Response, ...rest: Rest) => unknown,
  options?: Options,
): (request: Request, response: Response, ...rest: Rest) => Promise<void>;

/**
 * `protect` for all requests of a server: refuses renegotiation from the start, asks for a body by
 * `100 Continue` only where it is wanted, and throws where another listener would get requests that
 * the gate has not seen.
 *
 * @throws Error where the server or the runtime cannot give the certificates of clients.
 */
export function guard<Server extends HttpsServer | Http2SecureServer>(
  server: Server,
  gate: Gate,
  listener: (
    request: Server extends Http2SecureServer ? Http2ServerRequest : IncomingMessage,
    response: Server extends Http2SecureServer ? Http2ServerResponse : ServerResponse,
  ) => unknown,
  options?: Options,
): Server;

/**
 * What a server's socket says of its client, for adapters. Forbids the client to change its
 * certificate from now on. `serverName` is `null` where the client asked for none, no host's name
 * where the session was resumed and names have CAs of their own, and undefined where it is not
 * known and all names have the same CAs.
 */
export function peerOf(socket: TLSSocket): {
  certificate: Uint8Array | null;
  chainValid: boolean;
  serverName?: string | null;
};
