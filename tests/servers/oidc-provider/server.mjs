// The authorization servers behind Envoy: oidc-provider, once with mutual TLS and once with client
// secrets only.

import { X509Certificate } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

// It warns about its in-memory adapter, its keys and its pages, which are fine for a test.
for (const level of ["info", "warn"]) {
  const print = console[level];
  console[level] = (...words) => String(words[0]).includes("oidc-provider ") || print(...words);
}

export function newProvider(issuer, configuration) {
  const provider = new Provider(issuer, configuration);
  // Takes the scheme from Envoy's x-forwarded-proto.
  provider.proxy = true;
  return provider;
}

// Listens first and gets its handler later: Envoy needs its port, and the handler needs Envoy's
// port.
export class Server {
  static async listen() {
    const server = new Server();
    server.seen = [];
    server.http = createServer((request, response) => {
      const { method, url, headers } = request;
      server.seen.push({
        method,
        url,
        authorization: headers.authorization,
        certificate: headers["client-cert"],
      });
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

// RFC 9440. The header can be trusted: the server is reachable only through the filter, which
// strips the header of a client and writes it for clients that it authenticated.
export function forwardedCertificate(ctx) {
  const value = ctx.get("client-cert");
  return value ? new X509Certificate(Buffer.from(value.slice(1, -1), "base64")) : undefined;
}

const keys = { cookies: { keys: ["a key for the cookies of a test"] } };
const scopes = { scopes: ["openid", "offline_access"], issueRefreshToken: async () => true };

// A server that supports RFC 8705 and receives the certificate from the filter.
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
        // The filter checks chain and subject. Without its header there is no certificate.
        certificateAuthorized: (ctx) => Boolean(ctx.get("client-cert")),
        certificateSubjectMatches: (ctx) =>
          ctx.get("x-oauth-client-id") === ctx.oidc.client.clientId,
      },
    },
  });
  server.handle = provider.callback();
}

// A server that binds the tokens of clients of other methods and of public ones (RFC 8705 §3, §4)
// to the certificate that the filter hands on, and compares it at userinfo. It answers where the
// host is that of its issuer; elsewhere the server before it does.
export function serveBoundTokens(server, issuer, clients) {
  const provider = newProvider(issuer, {
    ...keys,
    ...scopes,
    clients,
    clientAuthMethods: ["private_key_jwt", "none"],
    features: {
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        getCertificate: forwardedCertificate,
      },
    },
  });
  const [other, callback] = [server.handle, provider.callback()];
  server.handle = (request, response) =>
    (request.headers.host === new URL(issuer).host ? callback : other)(request, response);
}

// A server without support for certificates, below /secret.
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
