// node fault.mjs BINARYEN MODULE OUT: the shipped module with a switch that kills its VM. A request
// with at least as many header fields as below traps, as a mistake in the module would.
//
// The switch is put around the finished module: its sources have none, and the shipped one cannot
// have it by a wrong flag. The export `soak_fault` marks the result; build.sh refuses a module that
// exports it.
//
// BINARYEN is the folder of the npm package of that name.

import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, shipped, out] = process.argv.slice(2);
const { default: binaryen } = await import(pathToFileURL(resolve(folder, "index.js")));

const CALLBACK = "proxy_on_request_headers";
const FATAL_FIELDS = 80;

const module = binaryen.readBinary(readFileSync(shipped));
const callback = binaryen.getExportInfo(module.getExport(CALLBACK)).value;
const { i32 } = binaryen;
const parameters = binaryen.createType([i32, i32, i32]);
const argument = (number) => module.local.get(number, i32);
module.removeExport(CALLBACK);
module.addFunction(
  "soak_fault",
  parameters,
  i32,
  [],
  module.block(null, [
    module.if(module.i32.ge_u(argument(1), module.i32.const(FATAL_FIELDS)), module.unreachable()),
    module.return(module.call(callback, [argument(0), argument(1), argument(2)], i32)),
  ]),
);
module.addFunctionExport("soak_fault", CALLBACK);
module.addFunctionExport("soak_fault", "soak_fault");
writeFileSync(out, module.emitBinary());
