// What the manifest checks share. Packages come from target/tools/npm, where build.sh installs them.

import { readFileSync } from "node:fs";

export const root = new URL("../../", import.meta.url);
export const packages = new URL("target/tools/npm/node_modules/", root);

const { parseAllDocuments } = await import(new URL("yaml/dist/index.js", packages));

export const text = (path) => readFileSync(new URL(path, root), "utf8");

// A duplicate key or another fault of the syntax throws.
export const documents = (path) =>
  parseAllDocuments(text(path)).map((document) => {
    if (document.errors.length) throw new Error(`${path}: ${document.errors[0].message}`);
    return document.toJS();
  });
