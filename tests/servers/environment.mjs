// The environment of the tests: certificates, Envoy with the shipped configuration, and Envoy's
// access log.

import { execFileSync, spawn } from "node:child_process";
import { X509Certificate, createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, fetch as undiciFetch } from "undici";
import { parse, stringify } from "yaml";

// A program that a test waits for has ended.
export class Ended extends Error {}

const deadline = 30_000;

// What was started and has not ended, as process.kill names it. It ends with this process, however
// that ends.
const running = new Set();
process.on("exit", () => running.forEach((pid) => process.kill(pid, "SIGKILL")));
for (const [signal, status] of Object.entries({ SIGINT: 130, SIGTERM: 143 })) {
  process.on(signal, () => process.exit(status));
}

// `isGroup`: the child leads a group of processes, all of which end.
export function endsWithThis(child, isGroup = false) {
  if (child.pid === undefined) return;
  const pid = isGroup ? -child.pid : child.pid;
  running.add(pid);
  child.once("exit", () => running.delete(pid));
}

// Ends what endsWithThis got: by force, if it does not end by itself.
export async function end(child, isGroup = false) {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const pid = isGroup ? -child.pid : child.pid;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  process.kill(pid, "SIGTERM");
  const force = setTimeout(() => process.kill(pid, "SIGKILL"), deadline);
  await ended;
  clearTimeout(force);
}
let directory;
let pki;

// Makes the certificates of a run, in a new directory for all its files.
export function makeCertificates(where) {
  directory = where;
  pki = `${directory}/pki`;
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  execFileSync("bash", ["tests/demo/pki.sh", pki], { stdio: ["ignore", "ignore", "inherit"] });
}

// A certificate of tests/demo/pki.sh, with the values of it that registries and tokens contain.
export function certificate(name) {
  const [pem, key] = ["pem", "key"].map((kind) => readFileSync(`${pki}/${name}.${kind}`, "utf8"));
  const parsed = new X509Certificate(pem);
  return {
    pem,
    key,
    der: parsed.raw,
    jwk: { ...parsed.publicKey.export({ format: "jwk" }), x5c: [parsed.raw.toString("base64")] },
    thumbprint: createHash("sha256").update(parsed.raw).digest("base64url"),
  };
}

// fetch over mutual TLS with this certificate, or over TLS without one. Each has its own
// connections, because a certificate belongs to a connection.
export function fetchWith(credential) {
  const ca = readFileSync(`${pki}/ca.pem`, "utf8");
  const connect = credential ? { ca, cert: credential.pem, key: credential.key } : { ca };
  const dispatcher = new Agent({ connect, keepAliveTimeout: 1_000 });
  return (url, options) => undiciFetch(url, { ...options, dispatcher });
}

// Envoy with envoy/envoy.yaml, in which ports, files and the plugin configuration are replaced.
// `change` adds what a server needs beside.
export class Envoy {
  static async start(version, plugin, change) {
    const envoy = new Envoy();
    // Of an Envoy before this one.
    rmSync(`${directory}/admin`, { force: true });
    writeFileSync(`${directory}/envoy.yaml`, stringify(configuration(plugin, change)));
    const [access, log] = ["access.log", "envoy.log"].map((file) =>
      openSync(`${directory}/${file}`, "w"),
    );
    envoy.process = spawn(
      `target/envoy/${version}/bin/envoy`,
      [
        "-c",
        `${directory}/envoy.yaml`,
        "--admin-address-path",
        `${directory}/admin`,
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "--log-level",
        "warning",
        "--component-log-level",
        "wasm:info",
        "--file-flush-interval-msec",
        "10",
      ],
      { stdio: ["ignore", access, log] },
    );
    [access, log].forEach(closeSync);
    endsWithThis(envoy.process);
    envoy.admin = `http://${await eventually("Envoy's admin address", () => envoy.#read("admin"))}`;
    await eventually("a ready Envoy", async () => (await envoy.#get("/ready")).trim() === "LIVE");
    const listeners = JSON.parse(await envoy.#get("/listeners?format=json"));
    const own = listeners.listener_statuses.find(({ name }) => name === "oauth");
    envoy.port = own.local_address.socket_address.port_value;
    return envoy;
  }

  async #get(path) {
    if (this.process.exitCode !== null) throw new Ended(`Envoy ended: see ${directory}/envoy.log`);
    return (await undiciFetch(this.admin + path)).text();
  }

  #read(file) {
    return existsSync(`${directory}/${file}`) ? readFileSync(`${directory}/${file}`, "utf8") : "";
  }

  #entries() {
    const lines = this.#read("access.log").split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line));
  }

  // The gated requests in the access log.
  #decisions() {
    return this.#entries().filter(({ code }) => code);
  }

  // The result of `run`, and the entry in the access log of the one request that it sends.
  async entryOf(run) {
    const { value, entries } = await this.entriesOf(run, 1);
    return { value, entry: entries[0] };
  }

  // The result of `run`, and the entries in the access log of the `count` requests that it sends.
  async entriesOf(run, count) {
    const before = this.#entries().length;
    const value = await run();
    await eventually("the access log", () => this.#entries().length >= before + count);
    const entries = this.#entries().slice(before);
    if (entries.length !== count) {
      throw new Error(`${entries.length} requests in place of ${count}`);
    }
    return { value, entries };
  }

  // The result of `run`, and the decisions on the requests that it sends, at least one.
  async decisionsOf(run) {
    const before = this.#decisions().length;
    const value = await run();
    await eventually("the access log", () => this.#decisions().length > before);
    return { value, decisions: this.#decisions().slice(before) };
  }

  async stop() {
    await end(this.process);
  }
}

function configuration(plugin, change) {
  const config = parse(readFileSync("envoy/envoy.yaml", "utf8").replaceAll("target/demo/pki", pki));
  config.admin.address.socket_address.port_value = 0;
  const listener = config.static_resources.listeners[0];
  listener.address.socket_address.port_value = 0;
  const manager = listener.filter_chains[0].filters[0].typed_config;
  // The server names its endpoints by the host of the request, so the port must stay in it.
  delete manager.strip_matching_host_port;
  manager.http_filters[0].typed_config.config.configuration.value = JSON.stringify(plugin, null, 2);
  change(config.static_resources, config);
  return config;
}

// A copy of the cluster under another name, of a server on a port of this machine.
export function toPort(cluster, name, port) {
  const copy = structuredClone(cluster);
  copy.name = copy.load_assignment.cluster_name = name;
  copy.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value =
    port;
  return copy;
}

// The result of `probe`, once it has one.
export async function eventually(what, probe, milliseconds = deadline) {
  for (const end = Date.now() + milliseconds; Date.now() < end; await sleep(20)) {
    const found = await Promise.resolve()
      .then(probe)
      .catch((error) => {
        if (error instanceof Ended) throw error;
      });
    if (found) return found;
  }
  throw new Error(`timed out waiting for ${what}: see ${directory}`);
}
