//! What operations of an EnvoyPatchPolicy do to a listener of Envoy.

use super::patch_operations::{Effect, Gated, Operation};
use super::patch_path::Step;
use crate::envoy_config::CLIENT_CERT_DETAILS;
use crate::lint::envoy::http_filters;
use crate::lint::graph::FilterRole;
use crate::lint::located::{At, ConfigPlaces};

/// Members of a listener that choose neither its chains nor their filters.
const OF_LISTENERS: [&str; 17] = [
    "access_log",
    "additional_addresses",
    "address",
    "connection_balance_config",
    "continue_on_listener_filters_timeout",
    "enable_mptcp",
    "enable_reuse_port",
    "freebind",
    "ignore_global_conn_limit",
    "listener_filters_timeout",
    "max_connections_to_accept_per_socket_event",
    "metadata",
    "per_connection_buffer_limit_bytes",
    "socket_options",
    "stat_prefix",
    "tcp_backlog_size",
    "tcp_fast_open_queue_length",
];

/// Members of a filter chain that do not.
const OF_CHAINS: [&str; 4] =
    ["metadata", "name", "transport_socket", "transport_socket_connect_timeout"];

/// Members of a connection manager that change neither its filters and routes nor the path.
const OF_MANAGERS: [&str; 37] = [
    "access_log",
    "access_log_options",
    "add_proxy_protocol_connection_state",
    "add_user_agent",
    "always_set_request_id_in_response",
    "common_http_protocol_options",
    "delayed_close_timeout",
    "drain_timeout",
    "early_header_mutation_extensions",
    "generate_request_id",
    "http1_safe_max_connection_duration",
    "http2_protocol_options",
    "http3_protocol_options",
    "http_protocol_options",
    "internal_address_config",
    "local_reply_config",
    "max_request_headers_kb",
    "original_ip_detection_extensions",
    "preserve_external_request_id",
    "proxy_100_continue",
    "proxy_status_config",
    "request_headers_timeout",
    "request_id_extension",
    "request_timeout",
    "represent_ipv4_remote_address_as_ipv4_mapped_ipv6",
    "scheme_header_transformation",
    "server_header_transformation",
    "server_name",
    "set_current_client_cert_details",
    "skip_xff_append",
    "stat_prefix",
    "stream_flush_timeout",
    "stream_idle_timeout",
    "tracing",
    "use_remote_address",
    "via",
    "xff_num_trusted_hops",
];

/// Settings of this filter that have findings of their own.
const OF_THIS_FILTER: [&str; 3] =
    ["allow_on_headers_stop_iteration", "failure_policy", "fail_open"];

/// They see connections, and answer or count.
const OF_CONNECTIONS: [&str; 9] = [
    "filters.listener.http_inspector.",
    "filters.listener.local_ratelimit.",
    "filters.listener.proxy_protocol.",
    "filters.listener.tls_inspector.",
    "filters.network.connection_limit.",
    "filters.network.ext_authz.",
    "filters.network.local_ratelimit.",
    "filters.network.ratelimit.",
    "filters.network.rbac.",
];

pub fn effect(
    operation: &Operation<'_>,
    gated: &Gated<'_>,
    configs: &ConfigPlaces,
    is_after: bool,
) -> Effect {
    let context = Context { operation, gated, configs, is_after };
    let here = context.at(&operation.steps);
    let from = operation.from().filter(|_| ["move", "copy"].contains(&operation.op()));
    match from {
        Some(from) if here == Effect::None => context.at(&from),
        None if ["move", "copy"].contains(&operation.op()) => context.unknown(),
        _ => here,
    }
}

struct Context<'a, 'b> {
    operation: &'b Operation<'a>,
    gated: &'b Gated<'a>,
    configs: &'b ConfigPlaces,
    /// Whether the filter is there when it is applied.
    is_after: bool,
}

impl Context<'_, '_> {
    fn unknown(&self) -> Effect {
        Effect::doubtful(
            "whether this patch takes the filter away, or what goes past it, cannot be followed",
        )
    }

    fn is_ours(&self, value: At<'_>) -> bool {
        self.configs.within(value).is_some()
    }

    fn at(&self, steps: &[Step]) -> Effect {
        let value = self.operation.value();
        if steps.last().is_some_and(|last| OF_THIS_FILTER.iter().any(|name| last.is(name))) {
            return Effect::None;
        }
        if let Some(at) = steps.iter().position(|step| step.is("upgrade_configs")) {
            return self.of_upgrades(steps.get(at..).unwrap_or_default());
        }
        if let Some(at) = steps.iter().position(|step| step.is("http_filters")) {
            return self.of_http_filters(steps.get(at + 1..).unwrap_or_default());
        }
        let is_known = |names: &[&str], step: &Step| names.iter().any(|name| step.is(name));
        match steps {
            // A listener of its own is judged by where it leads, and one that is removed is closed.
            [] if value.is_some_and(|value| !self.is_ours(value)) => {
                if self.gated.has(self.operation.name()) { self.unknown() } else { Effect::None }
            }
            [] if self.operation.op() == "remove" => Effect::None,
            [first, ..] if is_known(&OF_LISTENERS, first) => Effect::None,
            [first, ..] if first.is("listener_filters") => self.of_connections(value),
            [first, rest @ ..] if first.is("default_filter_chain") => self.of_chain(rest),
            [first, _, rest @ ..] if first.is("filter_chains") => self.of_chain(rest),
            _ => self.unknown(),
        }
    }

    fn of_chain(&self, steps: &[Step]) -> Effect {
        let value = self.operation.value();
        match steps {
            [first, ..] if OF_CHAINS.iter().any(|name| first.is(name)) => Effect::None,
            [filters, _] if filters.is("filters") => self.of_connections(value),
            [filters, _, config, member, ..]
                if filters.is("filters") && config.is("typed_config") =>
            {
                let is_sanitized = || {
                    let mode = value.and_then(|value| value.node.word(&CLIENT_CERT_DETAILS));
                    mode.is_some_and(|mode| ["SANITIZE", "SANITIZE_SET"].contains(&mode))
                };
                if OF_MANAGERS.iter().any(|name| member.is(name)) {
                    Effect::None
                } else if !member.is("forward_client_cert_details") {
                    self.unknown()
                } else if is_sanitized() {
                    Effect::None
                } else {
                    Effect::doubtful(
                        "this may let a client's own x-forwarded-client-cert through to the \
                         backend, which must not trust it: set SANITIZE or SANITIZE_SET",
                    )
                }
            }
            _ => self.unknown(),
        }
    }

    /// A filter of connections that is added.
    fn of_connections(&self, value: Option<At<'_>>) -> Effect {
        let added = value.filter(|_| self.operation.op() == "add");
        let url = added.and_then(|value| value.path(&["typed_config", "@type"]));
        let is_known = |url: &str| OF_CONNECTIONS.iter().any(|known| url.contains(known));
        if url.and_then(At::text).is_some_and(is_known) { Effect::None } else { self.unknown() }
    }

    /// Upgrades may have a chain of filters of their own.
    fn of_upgrades(&self, steps: &[Step]) -> Effect {
        let within = self.operation.value().into_iter().flat_map(At::within);
        let has_filters = steps.iter().any(|step| step.is("filters"))
            || within.into_iter().any(|at| at.member("filters").is_some());
        if has_filters || self.operation.op() != "add" {
            Effect::doubtful(
                "upgrade_configs with a chain of filters of its own may go past the filter: put \
                 it into that chain too, or leave the chain out",
            )
        } else {
            Effect::None
        }
    }

    /// The steps behind `http_filters`.
    fn of_http_filters(&self, steps: &[Step]) -> Effect {
        let operation = self.operation;
        let Some((element, inside)) = steps.split_first() else {
            // The list as a whole.
            return match operation.value() {
                Some(value) if self.is_ours(value) => self.of_list(value),
                _ if self.is_after => Effect::Error(
                    "this patch removes the filter with all others, and every request passes: \
                     leave it out"
                        .to_owned(),
                ),
                _ => self.removes(),
            };
        };
        let is_named = matches!(element, Step::Named(name) if self.gated.is_ours(name));
        let is_another = self.gated.is_another(element);
        if !inside.is_empty() {
            return self.of_member(inside, is_named, is_another);
        }
        match (operation.op(), operation.value()) {
            ("add", Some(value)) if matches!(element, Step::Index(_) | Step::End) => {
                self.of_insert(element, value)
            }
            ("replace", Some(value)) if is_another => self.of_filter(value),
            ("remove", None) if is_another => Effect::None,
            ("remove" | "replace", _) if is_named && self.is_after => Effect::Error(
                "this patch takes the filter away, and every request passes: leave it out"
                    .to_owned(),
            ),
            _ => self.removes(),
        }
    }

    fn removes(&self) -> Effect {
        Effect::doubtful(
            "a patch removes HTTP filters, replaces or moves them: whether this filter is among \
             them cannot be followed",
        )
    }

    /// What is put among the filters.
    fn of_insert(&self, element: &Step, value: At<'_>) -> Effect {
        if self.is_ours(value) {
            // Where it stands is read with its listener.
            return Effect::None;
        }
        // What comes first when the filter is there already runs before it.
        if *element == Step::Index(0) && self.is_after && !self.gated.names.is_empty() {
            return Effect::None;
        }
        self.of_filter(value)
    }

    /// A list that this filter is in: what is behind it.
    fn of_list(&self, list: At<'_>) -> Effect {
        let behind = list.elements().skip_while(|at| !self.is_ours(*at)).skip(1);
        let effects = behind.map(|at| self.of_filter(at));
        effects.into_iter().find(|effect| *effect != Effect::None).unwrap_or(Effect::None)
    }

    /// A filter that may run behind this one.
    fn of_filter(&self, value: At<'_>) -> Effect {
        let filter = http_filters::of(value, self.configs, &Default::default());
        let what = match filter.role {
            _ if filter.is_disabled => return Effect::None,
            FilterRole::Harmless | FilterRole::VerifiesTokens(_) | FilterRole::Router => {
                return Effect::None;
            }
            FilterRole::ThisFilter { .. } => return Effect::None,
            FilterRole::Changes(what) => what.to_owned(),
            FilterRole::Unknown(kind) => format!("the filter \"{kind}\""),
        };
        Effect::Doubtful(format!(
            "{what}, which this patch adds, may run behind the filter and change what was decided \
             on: it cannot be followed"
        ))
    }

    /// A member of a filter, which is this one, another one, or not known.
    fn of_member(&self, inside: &[Step], is_named: bool, is_another: bool) -> Effect {
        let last = |name: &str| inside.last().is_some_and(|step| step.is(name));
        let value = self.operation.value();
        let is_true = value.is_some_and(|value| value.node.is_true());
        if is_another {
            let has_type = value.is_some_and(|value| value.member("@type").is_some());
            let upstream = inside.iter().any(|step| step.is("upstream_http_filters"));
            return if upstream || has_type { self.unknown() } else { Effect::None };
        }
        let is_off = self.operation.op() != "remove" && last("disabled");
        if is_off && is_named && is_true && self.is_after {
            return Effect::Error(
                "this patch disables the filter, and every request passes: leave it out".to_owned(),
            );
        }
        if is_off && value.is_some_and(|value| value.node.is_false()) {
            return Effect::None;
        }
        Effect::doubtful(
            "this patch changes an HTTP filter, which may be this one: what it does then cannot \
             be followed; put the setting into the filter itself",
        )
    }
}
