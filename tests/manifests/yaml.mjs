// What the manifest checks share. The packages are in target/tools/npm.

import { readFileSync } from "node:fs";

export const root = new URL("../../", import.meta.url);
export const packages = new URL("target/tools/npm/node_modules/", root);

const { parseAllDocuments } = await import(new URL("yaml/dist/index.js", packages));

export const text = (path) => readFileSync(new URL(path, root), "utf8");

// Throws on a duplicate key and on other syntax errors.
export const documents = (path) =>
  parseAllDocuments(text(path)).map((document) => {
    if (document.errors.length) throw new Error(`${path}: ${document.errors[0].message}`);
    return document.toJS();
  });
