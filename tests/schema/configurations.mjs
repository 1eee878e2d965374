// Every configuration of the repository: of the tables, the README, the manual and the files of
// envoy/. Each has a name, its text, the value of the text (none: it is not JSON), and whether the
// parser accepts it, where a table says so.

import { createHash, X509Certificate } from "node:crypto";
import { readdirSync } from "node:fs";
import { packages, read, root } from "./support.mjs";

const { parseAllDocuments } = packages("yaml");
const cases = "tests/cases/";

const named = (name, text, accepted) => {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    // There is no value that a validator could be given.
  }
  return { name, text, value, accepted };
};

// One certificate in place of all that tests/support/case.rs makes: to a schema they are alike. The
// parser reads those of CAs, and refuses one that stands twice, or a subject that none has.
const { raw: der, serialNumber } = new X509Certificate(read("tests/bench/client.pem"));
const digest = (encoding) => createHash("sha256").update(der).digest(encoding);
const pem = `-----BEGIN CERTIFICATE-----\n${der.toString("base64")}\n-----END CERTIFICATE-----\n`;
const certificates = {
  x5c: der.toString("base64"),
  x5t: digest("base64url"),
  sha256: digest("hex"),
  serial: serialNumber,
  pem_percent: encodeURIComponent(pem),
  pem_json: pem.replaceAll("\n", "\\n"),
};

function placeholder(written, kind, argument) {
  if (kind === "repeat") {
    const colon = argument.indexOf(":");
    return argument.slice(colon + 1).repeat(Number(argument.slice(0, colon)));
  }
  if (kind === "ca") return read(`tests/schema/${argument}.ca.pem`);
  if (certificates[kind] === undefined) throw new Error(`${written}: no such kind`);
  return certificates[kind];
}

function expand(value) {
  if (typeof value === "string") return value.replace(/\$\{(\w+):([^}]*)\}/g, placeholder);
  if (Array.isArray(value)) return value.map(expand);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, expand(member)]));
}

// RFC 7396 section 2
function mergePatch(target, patch) {
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) return patch;
  const isObject = target !== null && typeof target === "object" && !Array.isArray(target);
  const merged = isObject ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = mergePatch(merged[name], value);
  }
  return merged;
}

// A file of requests: its configuration, and those of the rows that change it. The parser accepts
// all of them.
function ofRequests(file, { config, cases: rows }) {
  const changed = rows.filter((row) => row.config || row.client);
  const configurations = changed.map((row) => {
    const own = structuredClone(mergePatch(config, row.config ?? {}));
    if (row.client) own.clients[0] = mergePatch(own.clients[0], row.client);
    return [row.name, own];
  });
  // Without its rows it may be half a client.
  if (changed.length < rows.length) configurations.unshift(["the file's own", config]);
  return configurations.map(([name, own]) =>
    named(`${file}: ${name}`, JSON.stringify(expand(own)), true),
  );
}

const ofTable = (file, { configurations }) =>
  configurations.map(({ name, config, text, error }) =>
    named(`${file}: ${name}`, expand(text) ?? JSON.stringify(expand(config)), error === undefined),
  );

function tables() {
  const files = readdirSync(new URL(cases, root)).sort();
  return files.flatMap((file) => {
    const table = JSON.parse(read(cases + file));
    return table.configurations ? ofTable(file, table) : ofRequests(file, table);
  });
}

// Blocks of JSON that have clients: others are requests, answers and the like.
function pages() {
  const manual = readdirSync(new URL("docs", root)).filter((file) => file.endsWith(".md"));
  return ["README.md", ...manual.sort().map((file) => `docs/${file}`)].flatMap((file) => {
    const blocks = read(file)
      .split("```json\n")
      .slice(1)
      .map((rest) => rest.split("\n```")[0]);
    const configurations = blocks.filter((block) => /"(clients|registry)"/.test(block));
    return configurations.map((block, index) => named(`${file}: block ${index + 1}`, block));
  });
}

// The configuration is a string in a StringValue, or the pluginConfig of a WasmPlugin.
function* valuesIn(node) {
  if (node === null || typeof node !== "object") return;
  const isText = String(node["@type"]).endsWith("/google.protobuf.StringValue");
  if (isText && typeof node.value === "string") yield node.value;
  if (node.pluginConfig) yield JSON.stringify(node.pluginConfig);
  for (const member of Object.values(node)) yield* valuesIn(member);
}

function shipped() {
  const filesOf = (folder) => readdirSync(new URL(folder, root)).map((file) => folder + file);
  const files = [...filesOf("envoy/"), ...filesOf("envoy/istio/")].sort();
  const json = files.filter((file) => file.endsWith(".json") && !file.endsWith(".schema.json"));
  const yaml = files.filter((file) => file.endsWith(".yaml"));
  return [
    ...json.map((file) => named(file, read(file))),
    ...yaml.flatMap((file) => {
      const values = parseAllDocuments(read(file)).flatMap((document) => [
        ...valuesIn(document.toJS()),
      ]);
      return values.map((text, index) => named(`${file}: ${index + 1}`, text));
    }),
  ];
}

export const configurations = { tables: tables(), pages: pages(), shipped: shipped() };
export const all = Object.values(configurations).flat();
