// The authorization servers behind Envoy: oidc-provider, once with mutual TLS and once with nothing but secrets.

import { X509Certificate } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

// It warns of its in-memory adapter, its keys and its pages, which are what a test wants.
for (const level of ["info", "warn"]) {
  const print = console[level];
  console[level] = (...words) => String(words[0]).includes("oidc-provider ") || print(...words);
}

function newProvider(issuer, configuration) {
  const provider = new Provider(issuer, configuration);
  // https, says x-forwarded-proto of Envoy.
  provider.proxy = true;
  return provider;
}

// Listens at once and answers later: Envoy must know the port, and the server must know Envoy's.
export class Server {
  static async listen() {
    const server = new Server();
    server.seen = [];
    server.http = createServer((request, response) => {
      const { method, url, headers } = request;
      server.seen.push({ method, url, authorization: headers.authorization, certificate: headers["client-cert"] });
      server.handle(request, response);
    });
    await new Promise((resolve) => server.http.listen(0, "127.0.0.1", resolve));
    server.port = server.http.address().port;
    return server;
  }

  close() {
    this.http.closeAllConnections();
    this.http.close();
  }
}

// RFC 9440. The header can be believed: this server is reached through the filter only, which strips what a client
// sends under this name and writes it for clients that it authenticated.
function forwardedCertificate(ctx) {
  const value = ctx.get("client-cert");
  return value ? new X509Certificate(Buffer.from(value.slice(1, -1), "base64")) : undefined;
}

const keys = { cookies: { keys: ["a key for the cookies of a test"] } };
const scopes = { scopes: ["openid", "offline_access"], issueRefreshToken: async () => true };

// A server that knows RFC 8705 and gets the certificate from the filter.
export function serveMutualTls(server, issuer, clients) {
  const provider = newProvider(issuer, {
    ...keys,
    ...scopes,
    clients,
    clientAuthMethods: ["tls_client_auth", "self_signed_tls_client_auth"],
    features: {
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        tlsClientAuth: true,
        selfSignedTlsClientAuth: true,
        getCertificate: forwardedCertificate,
        // Chain and subject are the filter's to check; without its word there is no header, and no certificate.
        certificateAuthorized: (ctx) => Boolean(ctx.get("client-cert")),
        certificateSubjectMatches: (ctx) => ctx.get("x-oauth-client-id") === ctx.oidc.client.clientId,
      },
    },
  });
  server.handle = provider.callback();
}

// A server that never heard of certificates, below /secret.
export function serveSecrets(server, issuer, clients) {
  const provider = newProvider(`${issuer}/secret`, {
    ...keys,
    clients,
    clientAuthMethods: ["client_secret_basic"],
    features: { clientCredentials: { enabled: true } },
  });
  const callback = provider.callback();
  server.handle = (request, response) => {
    request.originalUrl = request.url;
    request.url = request.url.replace(/^\/secret/, "");
    callback(request, response);
  };
}
