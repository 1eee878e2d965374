// What the tests of the schema share: the schema, two validators, and the parser of the filter.
// run.sh sets TOOLS, the folder of the packages of package.json, and MODULE, the filter.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { load } from "../module/accepts.mjs";

const required = (name) => {
  if (!process.env[name])
    throw new Error(`${name} is not set: start these tests by tests/schema/run.sh`);
  return resolve(process.env[name]);
};
export const root = new URL("../../", import.meta.url);
export const packages = createRequire(`${required("TOOLS")}/`);
export const read = (path) => readFileSync(new URL(path, root), "utf8");

export const schema = JSON.parse(read("envoy/configuration.schema.json"));

const { default: Ajv } = packages("ajv/dist/2020.js");
// Annotations of the JSON language service: the text of its messages, and what it does not offer.
const annotations = ["errorMessage", "patternErrorMessage", "doNotSuggest"];

// In strict mode a keyword that Ajv does not know is an error. Types of members stand where the
// members are described.
export function compile(schema, options = {}) {
  const ajv = new Ajv({ strict: true, strictTypes: false, strictRequired: false, ...options });
  ajv.addVocabulary(annotations);
  return ajv.compile(schema);
}

// Gives a function that returns the first error in the value of a document, or undefined.
export const validator = (schema, options) => {
  const validate = compile(schema, options);
  return ({ value }) => {
    if (value === undefined) return "not JSON";
    return validate(value)
      ? undefined
      : `${validate.errors[0].instancePath} ${validate.errors[0].message}`;
  };
};

const start = load(required("MODULE"));
const prefix = "tls_client_auth configuration refused: ";

// Why the parser refuses a configuration; undefined where it accepts it.
export function refusal(text) {
  const { accepted, lines } = start(text);
  if (accepted) return undefined;
  const line = lines.find((line) => line.startsWith(prefix));
  if (line === undefined) throw new Error(`the module refuses ${text} and does not say why`);
  return line.slice(prefix.length);
}

// The JSON language service of VS Code. It changes the schema that it gets.
const service = packages("vscode-json-languageservice");
const engine = service.getLanguageService({});
const matched = { uri: "schema:/configuration", fileMatch: ["*"], schema: structuredClone(schema) };
engine.configure({ validate: true, schemas: [matched] });

export function editor(text) {
  const document = service.TextDocument.create("file:///configuration.json", "json", 1, text);
  const parsed = engine.parseJSONDocument(document);
  const at = (marker) => document.positionAt(text.indexOf(marker) + marker.length);
  return {
    problems: () => engine.doValidation(document, parsed),
    completions: (marker) =>
      engine.doComplete(document, at(marker), parsed).then(({ items }) => items),
    hover: (marker) => engine.doHover(document, at(marker), parsed),
  };
}
