// Checks whether a module accepts a configuration; starts it as Envoy does.
// node accepts.mjs MODULE checks the configuration that is compiled into the module.
import { readFileSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

const OK = 0,
  NOT_FOUND = 1;
const root = 1;

// Returns a function that starts the module in `file` with a plugin configuration and returns
// whether the module accepted it, with the lines of its log.
export function load(file) {
  const module = new WebAssembly.Module(readFileSync(file));
  return (configuration = "") => start(module, new TextEncoder().encode(configuration));
}

function start(module, configuration) {
  const lines = [];
  let exports;
  const view = () => new DataView(exports.memory.buffer);
  const octets = (...range) => new Uint8Array(exports.memory.buffer, ...range);
  const text = (data, size) => new TextDecoder().decode(octets(data, size));

  // The host functions that a start needs. Others may be imported, but not called.
  const host = {
    proxy_log: (level, data, size) => (lines.push(text(data, size)), OK),
    proxy_get_buffer_bytes: (type, from, most, data, size) => {
      if (configuration.length === 0) return NOT_FOUND;
      const copy = exports.malloc(configuration.length);
      octets().set(configuration, copy);
      view().setUint32(data, copy, true);
      view().setUint32(size, configuration.length, true);
      return OK;
    },
    proxy_get_current_time_nanoseconds: (time) => (view().setBigUint64(time, 0n, true), OK),
    proxy_define_metric: (type, data, size, id) => (view().setUint32(id, 1, true), OK),
    proxy_record_metric: () => OK,
    // verify_signature, of the probe: the signature is valid. No configuration depends on another.
    proxy_call_foreign_function: (name, nameSize, question, questionSize, data, size) => {
      const copy = exports.malloc(2);
      octets().set([8, 1], copy);
      view().setUint32(data, copy, true);
      view().setUint32(size, 2, true);
      return OK;
    },
    proxy_set_tick_period_milliseconds: () => OK,
    // verify_signature, of which a start asks whether a signature of its own is valid: it is.
    proxy_call_foreign_function: (name, nameSize, question, questionSize, data, size) => {
      const answer = new Uint8Array([8, 1]);
      const copy = exports.malloc(answer.length);
      octets().set(answer, copy);
      view().setUint32(data, copy, true);
      view().setUint32(size, answer.length, true);
      return OK;
    },
  };
  const refuse = (name) => () => {
    throw new Error(`the module called ${name} while it started`);
  };
  const names = WebAssembly.Module.imports(module).map(({ name }) => name);
  const env = Object.fromEntries(names.map((name) => [name, host[name] ?? refuse(name)]));
  ({ exports } = new WebAssembly.Instance(module, { env }));
  exports._initialize();
  exports.proxy_on_context_create(root, 0);
  const started = exports.proxy_on_vm_start(root, 0);
  const accepted = started && exports.proxy_on_configure(root, configuration.length);
  return { accepted: Boolean(accepted), lines };
}

const program = process.argv[1];
if (program !== undefined && realpathSync(program) === fileURLToPath(import.meta.url)) {
  const { accepted, lines } = load(process.argv[2])();
  if (!accepted) {
    console.error(lines.join("\n") || "the module refuses its configuration without a reason");
    process.exit(1);
  }
}
