// node artifact.mjs BINARYEN COMPILED RESPONSES OUT: the module as compiled, with the constant set
// by which the filter knows whether Envoy calls it for responses (0 or 1).
//
// BINARYEN is the folder of the npm package of that name. See crates/proxy-wasm/src/abi/artifact.rs.

import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, compiled, responses, out] = process.argv.slice(2);
if (responses !== "0" && responses !== "1") throw new Error(`neither 0 nor 1: ${responses}`);
const { default: binaryen } = await import(pathToFileURL(resolve(folder, "index.js")));

const CONSTANT = "tls_client_auth_reads_responses";
const module = binaryen.readBinary(readFileSync(compiled));
const place = module.getExport(CONSTANT);
if (!place) throw new Error(`${compiled} does not export ${CONSTANT}`);
const name = binaryen.getExportInfo(place).value;
const { results } = binaryen.getFunctionInfo(module.getFunction(name));
if (results !== binaryen.i32) throw new Error(`${CONSTANT} does not return an i32`);
module.removeFunction(name);
module.addFunction(name, binaryen.none, binaryen.i32, [], module.i32.const(Number(responses)));
writeFileSync(out, module.emitBinary());
