// For runtimes such as Cloudflare Workers, which compile no WebAssembly while they run.

import { initSync } from "./bindings.js";
import module from "./tls_client_auth.wasm";

initSync({ module });

export { Gate, convertClients, readCertificate, readName } from "./gate.js";
