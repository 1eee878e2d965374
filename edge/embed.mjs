// node embed.mjs MODULE: the module as JavaScript, for runtimes that cannot or need not read files.

import { readFileSync } from "node:fs";

const base64 = readFileSync(process.argv[2]).toString("base64");
const octets = `Uint8Array.from(atob("${base64}"), (character) => character.charCodeAt(0))`;
console.log(`export const bytes = () => ${octets};`);
