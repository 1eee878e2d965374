// For Node, browsers and bundlers. The module comes along as text, so nothing has to be fetched or
// read.

import { initSync } from "./bindings.js";
import { bytes } from "./wasm.js";

initSync({ module: bytes() });

export { Gate, convertClients, readCertificate, readName } from "./gate.js";
