// What a TLS connection of a server says of its client, and whether the runtime says it at all.

import { createHash } from "node:crypto";
import https from "node:https";
import { Server, TLSSocket } from "node:tls";
import { isFunction, wrong } from "./expect.js";

// Others call themselves Node, too.
const { bun, deno, node } = process.versions;
const isNode = !bun && !deno;
const runtime = bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${node}`;

const needed = ["disableRenegotiation", "getPeerX509Certificate", "isSessionReused"];

// A runtime that lacks some of this would refuse every client, or end at the first connection.
function checkSockets() {
  const missing = needed.filter((name) => !isFunction(TLSSocket.prototype[name]));
  if (missing.length > 0) throw new Error(`${runtime} lacks ${missing.join(", ")} of TLSSocket`);
}

function checkHttps() {
  if (https.Server.prototype instanceof Server) return;
  throw new Error(
    `${runtime} lacks client certificates in node:https, whose sockets are no TLSSocket: ` +
      "use guard() with http2.createSecureServer({ allowHTTP1: true, ... }), or Node, or Deno",
  );
}

// For a listener, whose server is not known yet.
export function checkRuntime() {
  checkSockets();
  checkHttps();
}

export function checkServer(server) {
  checkSockets();
  if (server instanceof https.Server) checkHttps();
  // One of node:tls has no such method, and no requests.
  if (!(server instanceof Server) || !isFunction(server.setTimeout)) {
    throw wrong("server", "one of https.createServer or http2.createSecureServer", server);
  }
  if (server.requestCert === false) {
    throw new Error("server: without requestCert: true it asks no client for a certificate");
  }
}

// From the first octet of a connection on.
export function secure(socket) {
  socket.disableRenegotiation();
  if (!isNode) peerOf(socket);
}

const certificates = new WeakMap();

// What a TLS socket of a server says of its client.
export function peerOf(socket) {
  if (!needed.every((name) => isFunction(socket?.[name]))) {
    throw wrong("socket", "a TLSSocket (without TLS there is no client certificate)", socket);
  }
  // In TLS 1.2 a client could go on with another certificate, and Node would leave `authorized` as
  // it was; what it then sets is `authorizationError`.
  socket.disableRenegotiation();
  // Not getPeerCertificate(true): it makes objects of the whole chain that the client sent, 20 ms
  // for 150 certificates.
  if (!certificates.has(socket)) {
    certificates.set(socket, socket.getPeerX509Certificate()?.raw ?? null);
  }
  const certificate = certificates.get(socket);
  const isAuthorized = socket.authorized === true && !socket.authorizationError;
  const chainValid = certificate !== null && isVerified(socket, certificate, isAuthorized);
  return { certificate, chainValid, serverName: serverNameOf(socket) };
}

// Whether `authorized` is about the certificate. Node keeps with a session whether the certificate
// was verified in its handshake. Deno 2.9 verifies nothing where a session is resumed, and reports
// every certificate of one as authorized. So other runtimes than Node are trusted for full
// handshakes, and for sessions whose certificate has passed one at the same server.
function isVerified(socket, certificate, isAuthorized) {
  if (isNode) return isAuthorized;
  const known = verifiedAt(socket.server);
  const digest = createHash("sha256").update(certificate).digest("base64");
  const isSo = isAuthorized && (!socket.isSessionReused() || known.has(digest));
  // The latest stand at the end; where there are too many, the first are forgotten.
  known.delete(digest);
  if (isSo) known.add(digest);
  if (known.size > mostVerified) known.delete(known.values().next().value);
  return isSo;
}

const verified = new WeakMap();
const mostVerified = 100_000;

function verifiedAt(server) {
  if (!server) return new Set();
  if (!verified.has(server)) verified.set(server, new Set());
  return verified.get(server);
}

// What the client asked for (RFC 6066), so that the tenant whose CAs verified its certificate is
// the one that the request is for.
function serverNameOf(socket) {
  const name = socket.servername || null;
  if (!socket.isSessionReused()) return name;
  // A resumed session was verified under the name of its first handshake, which Node does not keep.
  // In TLS 1.3 the client may ask for another name than then: where names have CAs of their own, it
  // would be one that the other name's CAs vouch for.
  const isOneContext = socket._SNICallback === null;
  if (!isOneContext) return "(unknown: a resumed session)";
  // All names have the same CAs. Of TLS 1.2 there is no name at all, and nothing depends on it.
  return name ?? undefined;
}
