// What the tests of servers share: the pages that they test, a recorder between Envoy and the
// server, programs, and the rows that are printed and checked.

import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import { createServer as createSocket } from "node:net";
import { parse } from "yaml";
import { Ended, certificate, end, endsWithThis, eventually, fetchWith } from "./environment.mjs";

// The fenced blocks of a page of the manual, by language. Of sh, each line by its words, after the
// continuation of lines.
export function readPage(path) {
  const blocks = { json: [], yaml: [], sh: [] };
  const fenced = /^```(\w+)\n([^]*?)^```$/gm;
  for (const [, language, text] of readFileSync(path, "utf8").matchAll(fenced)) {
    if (language === "json") blocks.json.push(JSON.parse(text));
    if (language === "yaml") blocks.yaml.push(text);
    if (language === "sh") {
      const lines = text
        .replaceAll(/\\\n\s*/g, "")
        .trim()
        .split("\n");
      blocks.sh.push(...lines.map((line) => line.split(" ")));
    }
  }
  if (!blocks.json.length) throw new Error(`${path} shows no configuration`);
  return blocks;
}

// Adds the part of Envoy's configuration that a page shows; each word of `replaced` is there, and
// stands for another in the test.
export function addPart(config, text, replaced = {}) {
  for (const [from, to] of Object.entries(replaced)) {
    if (!text.includes(from)) throw new Error(`the page has no ${from}`);
    text = text.replaceAll(from, to);
  }
  const { static_resources: resources = {}, ...rest } = parse(text);
  Object.assign(config, rest);
  for (const [kind, items] of Object.entries(resources)) {
    const names = new Set(items.map(({ name }) => name));
    const kept = (config.static_resources[kind] ?? []).filter(({ name }) => !names.has(name));
    config.static_resources[kind] = [...kept, ...items];
  }
}

// Sends every request on to a server, whose port it gets later, and keeps what it saw.
export class Recorder {
  static async listen() {
    const recorder = new Recorder();
    recorder.seen = [];
    recorder.http = createServer((incoming, outgoing) => {
      const { method, url, headers } = incoming;
      const entry = { method, url, headers };
      recorder.seen.push(entry);
      const target = { host: "127.0.0.1", port: recorder.target, method, path: url, headers };
      const sent = httpRequest({ ...target, agent: false }, (answer) => {
        entry.status = answer.statusCode;
        outgoing.writeHead(answer.statusCode, answer.rawHeaders);
        answer.pipe(outgoing);
      });
      sent.on("error", () => outgoing.destroy());
      incoming.pipe(sent);
    });
    await new Promise((resolve) => recorder.http.listen(0, "127.0.0.1", resolve));
    recorder.port = recorder.http.address().port;
    return recorder;
  }

  close() {
    this.http.closeAllConnections();
    this.http.close();
  }
}

export async function freePort() {
  const socket = createSocket();
  await new Promise((resolve) => socket.listen(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  await new Promise((resolve) => socket.close(resolve));
  return port;
}

// A program of the run, whose output goes to a file.
export class Program {
  constructor(log, command, words, options = {}) {
    this.log = log;
    const file = openSync(log, "w");
    // A group of its own, so that what a script starts ends with it.
    this.process = spawn(command, words, {
      ...options,
      detached: true,
      stdio: ["ignore", file, file],
    });
    this.process.on("error", (error) => (this.failed = error));
    closeSync(file);
    endsWithThis(this.process, true);
  }

  // Waits until `probe` gives something.
  async ready(what, probe, seconds) {
    await eventually(
      what,
      () => {
        if (this.failed || this.process.exitCode !== null) {
          throw new Ended(`${what} ended: see ${this.log}`);
        }
        return probe();
      },
      seconds * 1_000,
    );
  }

  async stop() {
    await end(this.process, true);
  }
}

export async function answers(url) {
  return (await fetch(url)).ok;
}

// RFC 9440, as a forger writes it: a certificate is public.
export function clientCert(name) {
  const { der } = certificate(name);
  return `:${der.toString("base64")}:`;
}

// The claims of a JWT.
export function claims(token) {
  return JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
}

// Sends requests through Envoy, prints and checks a row for each.
export class Checks {
  #widths = [38, 22, 6, 26];
  #unexpected = 0;
  #rows = 0;
  #clients = new Map();

  constructor(envoy, recorder) {
    this.envoy = envoy;
    this.recorder = recorder;
    this.#print("REQUEST", "CERTIFICATE", "STATUS", "FILTER", "SERVER RECEIVED");
  }

  #print(...cells) {
    const padded = cells.map((cell, i) => String(cell).padEnd(this.#widths[i] ?? 0));
    console.log(padded.join(" ").trimEnd());
  }

  heading(text) {
    console.log(`\n${text}\n`);
  }

  expect(what, found, expected) {
    if (JSON.stringify(found) === JSON.stringify(expected)) return;
    this.#unexpected += 1;
    console.log(
      `   UNEXPECTED: ${what}: ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`,
    );
  }

  // Sends one request, with a certificate of tests/demo/pki.sh or none. Gives its answer, and its
  // entry in the access log of Envoy, for which it waits: so it is not taken for that of the next.
  // `count` = the entries that there will be.
  async send(certificateName, path, { form, headers = {} }, count = 1) {
    if (!this.#clients.has(certificateName)) {
      const credential = certificateName && certificate(certificateName);
      this.#clients.set(certificateName, fetchWith(credential));
    }
    const fetchAs = this.#clients.get(certificateName);
    const options = form ? { method: "POST", body: new URLSearchParams(form) } : {};
    const { value, entries } = await this.envoy.entriesOf(async () => {
      const url = `https://localhost:${this.envoy.port}${path}`;
      const response = await fetchAs(url, { ...options, headers, redirect: "manual" });
      const text = await response.text();
      const body = text.startsWith("{") ? JSON.parse(text) : text;
      return { status: response.status, headers: response.headers, body };
    }, count);
    return { ...value, entry: entries.at(-1) };
  }

  // Sends one request. `expected` has the status, the filter's code (null where it is not gated),
  // the error of a refusal, and whether it is the filter that refuses: then the server must not
  // see it. Gives the answer and what the server received.
  async row(what, certificateName, path, request, expected) {
    const isEdge = ({ headers }) => headers["x-forwarded-proto"] === "https";
    const before = this.recorder.seen.filter(isEdge).length;
    // After 421 fetch asks once more, on another connection (Fetch, "HTTP-network-or-cache fetch").
    const count = expected.status === 421 ? 2 : 1;
    const answer = await this.send(certificateName, path, request, count);
    const seen = this.recorder.seen.filter(isEdge).slice(before);
    const code = answer.entry.code || null;
    this.#rows += 1;
    this.#print(
      what,
      certificateName ?? "none",
      answer.status,
      code ?? "-",
      seen.map(({ method, url }) => `${method} ${url}`).join(", ") || "nothing",
    );
    const reached = expected.reached ?? (code === null || code === "authenticated");
    this.expect("status", answer.status, expected.status);
    this.expect("code", code, expected.code);
    if ("error" in expected) this.expect("error", answer.body.error, expected.error);
    this.expect("requests at the server", seen.length, reached ? 1 : 0);
    if (answer.status !== expected.status) console.log("   ", answer.body);
    return { ...answer, seen: seen[0] };
  }

  // A refusal by the filter.
  refused(what, certificateName, path, request, code, status = 401, error = "invalid_client") {
    const expected = { status, code, error, reached: false };
    return this.row(what, certificateName, path, request, expected);
  }

  // Says how the run went, and with which status it exits.
  done(name, where) {
    process.exitCode = this.#unexpected || !this.#rows ? 1 : 0;
    if (process.exitCode) {
      console.error(`FAILED: ${this.#unexpected} unexpected results; logs are in ${where}`);
    } else {
      console.log(`\n${name}: ${this.#rows} requests as expected`);
    }
  }
}
