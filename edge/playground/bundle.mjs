// node bundle.mjs PAGE PACKAGE: the page as one file, which works from a disk, too. A page of a
// file may load no modules, so the modules that app.js imports become functions of one script.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const [page, packageDirectory] = process.argv.slice(2);

const read = (name) => readFileSync(join(page, name), "utf8");

// The page's own files come first; what it does not have is the package's.
function readModule(name) {
  try {
    return read(name);
  } catch {
    return readFileSync(join(packageDirectory, name), "utf8");
  }
}

const modules = new Map();
const nameOf = (file) => `module_${file.replace(/\W/g, "_")}`;
const names = (list) => list.split(",").flatMap((name) => name.trim() || []);

// Imports and exports as these files have them; of others it says that it does not know them.
function addModule(file) {
  if (modules.has(file)) return;
  modules.set(file, undefined);
  const exported = [];
  const from = (path) => {
    if (!path.startsWith("./")) throw new Error(`${file}: ${path} is not a file of the page`);
    addModule(path.slice(2));
    return nameOf(path.slice(2));
  };
  const script = readModule(file)
    .replace(/^import (?:\* as (\w+)|\{([^}]*)\}) from "([^"]+)";$/gm, (_, all, list, path) => {
      const taken =
        all ??
        `{ ${names(list)
          .map((name) => name.replace(" as ", ": "))
          .join(", ")} }`;
      return `const ${taken} = ${from(path)};`;
    })
    .replace(/^export \{([^}]*)\} from "([^"]+)";$/gm, (_, list, path) => {
      exported.push(...names(list).map((name) => `${name}: ${from(path)}.${name}`));
      return "";
    })
    .replace(/^export \{([^}]*)\};$/gm, (_, list) => {
      const pairs = names(list).map((name) => name.split(" as "));
      exported.push(...pairs.map(([own, other = own]) => `${other}: ${own}`));
      return "";
    })
    .replace(/^export ((?:const|let|(?:async )?function|class) (\w+))/gm, (_, declared, name) => {
      exported.push(name);
      return declared;
    });
  const unknown = script.match(/^(import|export)\b.*|\bimport\s*\(.*|\bimport\.meta.*/m);
  if (unknown) throw new Error(`${file}: cannot be put into the page: ${unknown[0]}`);
  // After those that it needs.
  modules.delete(file);
  const body = `${script}\nreturn { ${exported.join(", ")} };`;
  modules.set(file, `const ${nameOf(file)} = (() => {\n${body}\n})();`);
}

addModule("app.js");

const script = `"use strict";\n(() => {\n${[...modules.values()].join("\n")}\n})();\n`;
const parts = { style: read("style.css"), start: read("start.js"), script };
for (const [name, part] of Object.entries(parts)) {
  if (/<\/(script|style)|<!--/i.test(part)) throw new Error(`${name} would end its element`);
}
const hash = (part) => `'sha256-${createHash("sha256").update(part).digest("base64")}'`;

const { version, homepage } = JSON.parse(readFileSync(join(packageDirectory, "package.json")));
const escaped = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
const project = "tls-client-auth";
const values = {
  ...parts,
  "style-hash": hash(parts.style),
  "script-hashes": `${hash(parts.start)} ${hash(parts.script)}`,
  version: escaped(version),
  // The address of the project stands in package.json alone.
  project: homepage ? `<a href="${escaped(homepage)}">${project}</a>` : project,
};
const html = read("index.html").replace(/\{\{([\w-]+)\}\}/g, (_, name) => {
  if (!Object.hasOwn(values, name)) throw new Error(`index.html: there is no ${name}`);
  return values[name];
});
process.stdout.write(html);
