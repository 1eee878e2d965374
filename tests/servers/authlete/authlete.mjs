// A stand-in for Authlete's API: what it is asked, and the answers of a service whose clients
// authenticate by TLS. It keeps every call, with the certificate in it decoded.

import { X509Certificate, createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";

const listed = 2; // clients in a page

// A certificate as callers write it: PEM, or PEM that is percent-encoded.
function decoded(text) {
  if (!text) return undefined;
  const pem = text.includes("%") ? decodeURIComponent(text) : text;
  return new X509Certificate(pem);
}

const thumbprint = ({ raw }) => createHash("sha256").update(raw).digest("base64url");

// The printed subject from its end, as RFC 4514 has it.
const subject = (certificate) => certificate.subject.split("\n").reverse().join(", ");

export class Authlete {
  calls = [];
  #tokens = new Map();

  // `key` and `certificate`, both PEM, are of its TLS.
  static async listen(service, { key, pem }) {
    const authlete = new Authlete();
    authlete.service = service;
    const answer = (request, response) => authlete.#answer(request, response);
    authlete.servers = [createServer(answer), createTlsServer({ key, cert: pem }, answer)];
    for (const server of authlete.servers) {
      await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    }
    [authlete.port, authlete.tlsPort] = authlete.servers.map((server) => server.address().port);
    return authlete;
  }

  async #answer(request, response) {
    let text = "";
    for await (const part of request) text += part;
    const url = new URL(request.url, "http://localhost");
    const body = text ? JSON.parse(text) : {};
    const call = { path: url.pathname, body, certificate: decoded(body.clientCertificate) };
    const { key, secret } = this.service;
    const credentials = `Basic ${Buffer.from(`${key}:${secret}`).toString("base64")}`;
    const handle = request.headers.authorization === credentials && this.#handlers[call.path];
    if (!call.path.includes("/client/")) this.calls.push(call);
    response.writeHead(handle ? 200 : 401, { "content-type": "application/json" });
    response.end(JSON.stringify(handle ? handle(call, url.searchParams) : {}));
  }

  #client({ parameters, clientId }) {
    const id = clientId ?? new URLSearchParams(parameters).get("client_id");
    return this.service.clients.find((client) => String(client.clientId) === id);
  }

  // Whether Authlete would take the caller for this client.
  #authenticates(client, { body, certificate }) {
    if (!client || !this.service.supportedTokenAuthMethods.includes(client.tokenAuthMethod)) {
      return false;
    }
    if (client.tokenAuthMethod === "CLIENT_SECRET_BASIC") {
      return body.clientSecret === client.clientSecret;
    }
    const names = [
      certificate && subject(certificate),
      ...(certificate?.subjectAltName ?? "").split(", "),
    ];
    const dns = client.tlsClientAuthSanDns && `DNS:${client.tlsClientAuthSanDns}`;
    return names.includes(client.tlsClientAuthSubjectDn ?? dns);
  }

  #handlers = {
    "/api/client/get/list": (_, query) => {
      const { clients } = this.service;
      const start = Number(query.get("start"));
      const end = Math.min(Number(query.get("end") ?? start + 5), start + listed, clients.length);
      return { start, end, totalCount: clients.length, clients: clients.slice(start, end) };
    },
    "/api/auth/token": (call) => {
      const client = this.#client(call.body);
      if (!this.#authenticates(client, call)) {
        return { action: "INVALID_CLIENT", responseContent: '{"error":"invalid_client"}' };
      }
      const token = randomBytes(32).toString("base64url");
      const bound = client.tlsClientCertificateBoundAccessTokens;
      this.#tokens.set(token, { client, to: bound && thumbprint(call.certificate) });
      const content = { access_token: token, token_type: "Bearer", expires_in: 3600 };
      return { action: "OK", responseContent: JSON.stringify(content) };
    },
    "/api/auth/introspection": ({ body, certificate }) => {
      const found = this.#tokens.get(body.token);
      const isHolder =
        found && (!found.to || (certificate && found.to === thumbprint(certificate)));
      return isHolder
        ? { action: "OK", subject: `client ${found.client.clientId}` }
        : { action: "UNAUTHORIZED", responseContent: 'Bearer error="invalid_token"' };
    },
    "/api/auth/introspection/standard": ({ body }) => {
      const found = this.#tokens.get(new URLSearchParams(body.parameters).get("token"));
      const content = { active: Boolean(found), cnf: found?.to && { "x5t#S256": found.to } };
      return { action: "OK", responseContent: JSON.stringify(content) };
    },
    "/api/auth/revocation": ({ body }) => {
      this.#tokens.delete(new URLSearchParams(body.parameters).get("token"));
      return { action: "OK", responseContent: "" };
    },
  };

  close() {
    for (const server of this.servers) {
      server.closeAllConnections();
      server.close();
    }
  }
}
