//! The host functions: proxy-wasm ABI 0.2.1 as Envoy implements it, but strict. A call that Envoy
//! ignores, or answers with a status that the filter must not cause, ends the test.

use std::collections::{BTreeMap, BTreeSet};

use wasmtime::{Caller, Error, ExternType, Linker, Module, Result, bail, format_err};

use super::StreamId;
use super::foreign::Foreign;
use super::guest::{Change, Guest};
use super::http_call::Calls;
use super::response::ResponseFault;
use super::shared_data::Process;
use super::stream::{Status, Stream};

/// The identifier of the first root context. Other contexts have the numbers after it.
pub const ROOT: u32 = 1;

/// proxy-wasm functions that Envoy 1.35 to 1.40 register for ABI 0.2.1 (`exports.h` of
/// proxy-wasm-cpp-host).
pub const PROVIDED_BY_ENVOY: &[&str] = &[
    "proxy_add_header_map_value",
    "proxy_call_foreign_function",
    "proxy_close_stream",
    "proxy_continue_stream",
    "proxy_define_metric",
    "proxy_dequeue_shared_queue",
    "proxy_done",
    "proxy_enqueue_shared_queue",
    "proxy_get_buffer_bytes",
    "proxy_get_buffer_status",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_size",
    "proxy_get_header_map_value",
    "proxy_get_log_level",
    "proxy_get_metric",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_get_status",
    "proxy_grpc_call",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_grpc_send",
    "proxy_grpc_stream",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_record_metric",
    "proxy_register_shared_queue",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_resolve_shared_queue",
    "proxy_send_local_response",
    "proxy_set_buffer_bytes",
    "proxy_set_effective_context",
    "proxy_set_header_map_pairs",
    "proxy_set_property",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
];

/// The state of the host.
#[derive(Debug)]
pub struct Host {
    pub process: Process,
    pub streams: BTreeMap<u32, Stream>,
    /// The cost and the log of each context.
    pub accounts: BTreeMap<u32, Account>,
    /// The context whose callback is running.
    pub active: u32,
    /// The context that host calls are about, if `proxy_set_effective_context` set one.
    pub effective: Option<u32>,
    pub clock: u64,
    /// By how many nanoseconds each reading of the clock advances it.
    pub clock_step: u64,
    /// Whether a root context is being created, up to the end of its on_configure.
    pub is_configuring: bool,
    /// Present only during on_vm_start and on_configure.
    pub configuration: Option<Vec<u8>>,
    /// Root contexts, each with the tick period that it set.
    pub roots: BTreeMap<u32, Option<u32>>,
    /// Streams whose filters were destroyed.
    pub destroyed: BTreeSet<u32>,
    /// The root context of each stream.
    pub parents: BTreeMap<u32, u32>,
    pub calls: Calls,
    /// Whether the running callback of a stream answered another stream.
    pub answered_another: bool,
    pub metrics: Vec<Metric>,
    /// A header that the host refuses to remove.
    pub unremovable: Option<String>,
    /// A header that the host refuses to write.
    pub unwritable: Option<String>,
    /// What a call of a foreign function does.
    pub foreign: Foreign,
    /// What the host fails to do for responses.
    pub response_faults: BTreeSet<ResponseFault>,
    /// The places that a profiled module reported, each with the fuel that was left.
    pub places: Vec<(u32, u64)>,
}

#[derive(Clone, Debug)]
pub struct Metric {
    pub name: String,
    pub kind: u32,
    pub value: u64,
}

/// What one context did.
#[derive(Clone, Debug, Default)]
pub struct Account {
    pub host_calls: BTreeMap<&'static str, u32>,
    /// wasm instructions, as wasmtime counts them: the same for the same work.
    pub fuel: u64,
    pub logs: Vec<Log>,
    /// What was added to each counter.
    pub counted: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    pub level: u32,
    pub message: String,
}

impl Host {
    pub fn new(process: Process, clock: u64) -> Host {
        Host {
            process,
            streams: BTreeMap::new(),
            accounts: BTreeMap::new(),
            destroyed: BTreeSet::new(),
            active: ROOT,
            effective: None,
            clock,
            clock_step: 0,
            is_configuring: false,
            configuration: None,
            roots: BTreeMap::new(),
            parents: BTreeMap::new(),
            calls: Calls::default(),
            answered_another: false,
            metrics: Vec::new(),
            unremovable: None,
            unwritable: None,
            foreign: Foreign::AsEnvoy,
            response_faults: BTreeSet::new(),
            places: Vec::new(),
        }
    }

    pub fn account(&mut self) -> &mut Account {
        self.accounts.entry(self.active).or_default()
    }

    /// The context that host calls are about.
    pub fn subject(&self) -> u32 {
        self.effective.unwrap_or(self.active)
    }

    pub fn subject_stream(&self) -> Option<StreamId> {
        Some(self.subject()).filter(|context| self.streams.contains_key(context)).map(StreamId)
    }

    pub fn subject_root(&self) -> Result<u32> {
        let context = self.subject();
        let root = if self.roots.contains_key(&context) {
            Some(context)
        } else {
            self.parents.get(&context).copied()
        };
        root.ok_or_else(|| format_err!("this VM has no context {context}"))
    }

    pub fn stream(&mut self) -> Result<&mut Stream> {
        let context = self.subject();
        self.streams
            .get_mut(&context)
            .ok_or_else(|| format_err!("context {context} is not an HTTP stream"))
    }

    pub fn metric(&mut self, id: u32) -> Result<&mut Metric> {
        // Envoy answers NotFound. A filter that uses a metric without defining it has an error.
        self.metrics
            .get_mut(id as usize)
            .ok_or_else(|| format_err!("metric {id} was never defined"))
    }
}

/// Links what `module` imports. The SDK imports more than a filter calls, so functions of Envoy
/// that this host lacks may be imported. A call of one is an error: a stub would give an answer
/// that Envoy never gives.
pub fn link(linker: &mut Linker<Host>, module: &Module) -> Result<()> {
    for import in module.imports() {
        let name = import.name();
        if name == "log_execution" {
            // Only modules for a profile have it.
            linker.func_wrap(
                import.module(),
                name,
                |mut caller: Caller<'_, Host>, place: u32| {
                    let fuel = caller.get_fuel().unwrap_or_default();
                    caller.data_mut().places.push((place, fuel));
                },
            )?;
            continue;
        }
        if import.module() != "env" || !PROVIDED_BY_ENVOY.contains(&name) {
            bail!("unknown import {}.{name}: Envoy does not provide it", import.module());
        }
        if link_function(linker, name)? {
            continue;
        }
        let ExternType::Func(signature) = import.ty() else {
            bail!("import env.{name} is not a function")
        };
        let refusal =
            format!("{name}: implement it in tests/host as Envoy does, or do not call it");
        linker.func_new("env", name, signature, move |_, _, _| Err(Error::msg(refusal.clone())))?;
    }
    Ok(())
}

/// Links one function; returns whether this host has it.
fn link_function(linker: &mut Linker<Host>, name: &str) -> Result<bool> {
    match name {
        "proxy_log" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>, level: u32, text: u32, size: u32| {
                enter(caller, "proxy_log", |guest| guest.log(level, text, size))
            },
        ),
        "proxy_get_log_level" => {
            linker.func_wrap("env", name, |caller: Caller<'_, Host>, out: u32| {
                enter(caller, "proxy_get_log_level", |guest| guest.write(out, &0u32.to_le_bytes()))
            })
        }
        "proxy_get_current_time_nanoseconds" => {
            linker.func_wrap("env", name, |caller: Caller<'_, Host>, out: u32| {
                enter(caller, "proxy_get_current_time_nanoseconds", |guest| guest.current_time(out))
            })
        }
        "proxy_set_tick_period_milliseconds" => {
            linker.func_wrap("env", name, |caller: Caller<'_, Host>, period: u32| {
                enter(caller, "proxy_set_tick_period_milliseconds", |guest| {
                    guest.set_tick_period(period)
                })
            })
        }
        "proxy_get_buffer_bytes" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>,
             buffer: u32,
             start: u32,
             size: u32,
             data_out: u32,
             size_out: u32| {
                enter(caller, "proxy_get_buffer_bytes", |guest| {
                    guest.buffer_bytes(buffer, start, size, (data_out, size_out))
                })
            },
        ),
        "proxy_get_header_map_pairs" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>, map: u32, data_out: u32, size_out: u32| {
                enter(caller, "proxy_get_header_map_pairs", |guest| {
                    guest.header_pairs(map, (data_out, size_out))
                })
            },
        ),
        "proxy_get_header_map_value" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>,
             map: u32,
             key: u32,
             key_size: u32,
             data_out: u32,
             size_out: u32| {
                enter(caller, "proxy_get_header_map_value", |guest| {
                    guest.header_value(map, (key, key_size), (data_out, size_out))
                })
            },
        ),
        "proxy_remove_header_map_value" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>, map: u32, key: u32, key_size: u32| {
                enter(caller, "proxy_remove_header_map_value", |guest| {
                    guest.change_header(map, (key, key_size), Change::Remove)
                })
            },
        ),
        "proxy_replace_header_map_value" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>,
             map: u32,
             key: u32,
             key_size: u32,
             value: u32,
             value_size: u32| {
                enter(caller, "proxy_replace_header_map_value", |guest| {
                    guest.change_header(map, (key, key_size), Change::Replace(value, value_size))
                })
            },
        ),
        "proxy_add_header_map_value" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>,
             map: u32,
             key: u32,
             key_size: u32,
             value: u32,
             value_size: u32| {
                enter(caller, "proxy_add_header_map_value", |guest| {
                    guest.change_header(map, (key, key_size), Change::Add(value, value_size))
                })
            },
        ),
        "proxy_get_property" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>, path: u32, path_size: u32, data_out: u32, size_out: u32| {
                enter(caller, "proxy_get_property", |guest| {
                    guest.property((path, path_size), (data_out, size_out))
                })
            },
        ),
        "proxy_set_property" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>, path: u32, path_size: u32, value: u32, value_size: u32| {
                enter(caller, "proxy_set_property", |guest| {
                    guest.set_property((path, path_size), (value, value_size))
                })
            },
        ),
        "proxy_send_local_response" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>,
             status: u32,
             details: u32,
             details_size: u32,
             body: u32,
             body_size: u32,
             headers: u32,
             headers_size: u32,
             grpc_status: i32| {
                enter(caller, "proxy_send_local_response", |guest| {
                    guest.read_text(details, details_size)?;
                    guest.local_response(
                        status,
                        (body, body_size),
                        (headers, headers_size),
                        grpc_status,
                    )
                })
            },
        ),
        "proxy_http_call" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>,
             cluster: u32,
             cluster_size: u32,
             headers: u32,
             headers_size: u32,
             body: u32,
             body_size: u32,
             trailers: u32,
             trailers_size: u32,
             timeout_ms: u32,
             token_out: u32| {
                let (cluster, headers) = ((cluster, cluster_size), (headers, headers_size));
                let (body, trailers) = ((body, body_size), (trailers, trailers_size));
                enter(caller, "proxy_http_call", |guest| {
                    guest.http_call(cluster, headers, body, trailers, timeout_ms, token_out)
                })
            },
        ),
        "proxy_set_buffer_bytes" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>, buffer: u32, start: u32, size: u32, data: u32, len: u32| {
                enter(caller, "proxy_set_buffer_bytes", |guest| {
                    guest.set_buffer_bytes(buffer, start, size, (data, len))
                })
            },
        ),
        "proxy_get_shared_data" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>,
             key: u32,
             key_size: u32,
             data_out: u32,
             size_out: u32,
             cas_out: u32| {
                enter(caller, "proxy_get_shared_data", |guest| {
                    guest.get_shared_data((key, key_size), (data_out, size_out), cas_out)
                })
            },
        ),
        "proxy_set_shared_data" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>,
             key: u32,
             key_size: u32,
             value: u32,
             value_size: u32,
             cas: u32| {
                enter(caller, "proxy_set_shared_data", |guest| {
                    guest.set_shared_data((key, key_size), (value, value_size), cas)
                })
            },
        ),
        "proxy_define_metric" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>, kind: u32, metric: u32, metric_size: u32, id_out: u32| {
                enter(caller, "proxy_define_metric", |guest| {
                    guest.define_metric(kind, (metric, metric_size), id_out)
                })
            },
        ),
        "proxy_increment_metric" => {
            linker.func_wrap("env", name, |caller: Caller<'_, Host>, id: u32, offset: i64| {
                enter(caller, "proxy_increment_metric", |guest| guest.increment_metric(id, offset))
            })
        }
        "proxy_record_metric" => {
            linker.func_wrap("env", name, |caller: Caller<'_, Host>, id: u32, value: u64| {
                enter(caller, "proxy_record_metric", |guest| guest.record_metric(id, value))
            })
        }
        "proxy_call_foreign_function" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>,
             function: u32,
             function_size: u32,
             arguments: u32,
             arguments_size: u32,
             data_out: u32,
             size_out: u32| {
                let (function, arguments) =
                    ((function, function_size), (arguments, arguments_size));
                enter(caller, "proxy_call_foreign_function", |guest| {
                    guest.call_foreign_function(function, arguments, (data_out, size_out))
                })
            },
        ),
        "proxy_continue_stream" => {
            linker.func_wrap("env", name, |caller: Caller<'_, Host>, kind: u32| {
                enter(caller, "proxy_continue_stream", |guest| guest.continue_stream(kind))
            })
        }
        "proxy_set_effective_context" => {
            linker.func_wrap("env", name, |caller: Caller<'_, Host>, context: u32| {
                enter(caller, "proxy_set_effective_context", |guest| {
                    guest.set_effective_context(context)
                })
            })
        }
        _ => return Ok(false),
    }?;
    Ok(true)
}

/// Counts a host call and makes it.
fn enter(
    mut caller: Caller<'_, Host>,
    name: &'static str,
    call: impl FnOnce(&mut Guest<'_>) -> Result<Status>,
) -> Result<u32> {
    *caller.data_mut().account().host_calls.entry(name).or_default() += 1;
    let memory = caller.get_export("memory").and_then(|export| export.into_memory());
    let memory = memory.ok_or_else(|| format_err!("the module exports no memory"))?;
    let status = call(&mut Guest::new(caller, memory)).map_err(|error| error.context(name))?;
    Ok(status as u32)
}
