// node interface.mjs [--responses] MODULE: fails unless the module has exactly the imports and
// exports that Envoy supports and needs; with --responses those of tls_client_auth_responses.wasm.

import { readFileSync } from "node:fs";

// The host functions of every Envoy from 1.35 to 1.40 for ABI 0.2.1. With another import the
// configuration would not load. WASI is left out: the filter needs no files, clock or environment.
const hostFunctions = `
  add_header_map_value call_foreign_function close_stream continue_stream define_metric
  dequeue_shared_queue done enqueue_shared_queue get_buffer_bytes get_buffer_status
  get_current_time_nanoseconds get_header_map_pairs get_header_map_size get_header_map_value
  get_log_level get_metric get_property get_shared_data get_status grpc_call grpc_cancel grpc_close
  grpc_send grpc_stream http_call increment_metric log record_metric register_shared_queue
  remove_header_map_value replace_header_map_value resolve_shared_queue send_local_response
  set_buffer_bytes set_effective_context set_header_map_pairs set_property set_shared_data
  set_tick_period_milliseconds`;
const provided = new Set(
  hostFunctions
    .trim()
    .split(/\s+/)
    .map((name) => `env.proxy_${name}`),
);

// The exports. Envoy skips a callback that is not exported, so without one of these a request could
// pass undecided. The other exports of the SDK would only cost calls and bytes.
const exported = `
  memory malloc _initialize proxy_abi_version_0_2_1 proxy_on_vm_start proxy_on_configure
  proxy_on_context_create proxy_on_request_headers proxy_on_request_body proxy_on_request_trailers
  proxy_on_delete proxy_on_tick proxy_on_http_call_response`;
// Each of these costs every request some microseconds.
const ofResponses = `
  proxy_on_response_headers proxy_on_response_body proxy_on_response_trailers`;
const options = process.argv.slice(2);
const readsResponses = options.includes("--responses");
const required = (exported + (readsResponses ? ofResponses : "")).trim().split(/\s+/);

// Input for wasm-metadce, which removes what these exports do not reach.
if (options.includes("--graph")) {
  console.log(JSON.stringify(required.map((name) => ({ name, root: true, export: name }))));
  process.exit();
}
const file = options.find((option) => !option.startsWith("--"));
const module = new WebAssembly.Module(readFileSync(file));
const imports = WebAssembly.Module.imports(module).map((entry) => `${entry.module}.${entry.name}`);
const exports = new Set(WebAssembly.Module.exports(module).map((entry) => entry.name));
const faults = [
  ...imports
    .filter((name) => !provided.has(name))
    .map((name) => `imports ${name}, which Envoy does not provide`),
  ...required
    .filter((name) => !exports.has(name))
    .map((name) => `does not export ${name}, which Envoy must call`),
  ...[...exports]
    .filter((name) => !required.includes(name))
    .map((name) => `exports ${name}, which is not needed`),
];
for (const fault of faults) console.error(`${file}: ${fault}`);
process.exit(faults.length ? 1 : 0);
