// Whether a module accepts the configuration that is compiled into it: starts it as Envoy does, with an empty plugin
// configuration. usage: node accepts.mjs MODULE
import { readFileSync } from 'node:fs';

const OK = 0, NOT_FOUND = 1;
const lines = [];
let memory;
const text = (data, size) => new TextDecoder().decode(new Uint8Array(memory.buffer, data, size));

// What a start needs; every other host function may be imported, but not called.
const host = {
  proxy_log: (level, data, size) => (lines.push(text(data, size)), OK),
  proxy_get_buffer_bytes: () => NOT_FOUND,
  proxy_define_metric: (type, data, size, id) => (new DataView(memory.buffer).setUint32(id, 1, true), OK),
  proxy_record_metric: () => OK,
  proxy_set_tick_period_milliseconds: () => OK,
};

const module = new WebAssembly.Module(readFileSync(process.argv[2]));
const refuse = (name) => () => {
  throw new Error(`the module called ${name} while it started`);
};
const env = Object.fromEntries(WebAssembly.Module.imports(module).map(({ name }) => [name, host[name] ?? refuse(name)]));
const { exports } = new WebAssembly.Instance(module, { env });
memory = exports.memory;
exports._initialize();
const root = 1;
exports.proxy_on_context_create(root, 0);
const accepted = exports.proxy_on_vm_start(root, 0) && exports.proxy_on_configure(root, 0);
if (!accepted) {
  console.error(lines.join('\n') || 'the module refuses its configuration and does not say why');
  process.exit(1);
}
