//! The settings of one configuration.

use serde_json::Value;

use super::Requirement;
use super::keys::KeyLength;
use crate::arguments::ProfileArgument;
use crate::lint::endpoints;
use crate::lint::finding::{Finding, Severity};

/// Methods of both profiles.
const METHODS: [&str; 3] = ["tls_client_auth", "self_signed_tls_client_auth", "private_key_jwt"];

/// The top level, or a tenant, which inherits what it does not set.
struct View<'a> {
    profile: ProfileArgument,
    own: &'a Value,
    top: &'a Value,
    /// JSON Pointer.
    at: String,
}

pub fn findings(configuration: &Value, profile: ProfileArgument) -> Vec<Finding> {
    let tenants = configuration.get("tenants").and_then(Value::as_array).into_iter().flatten();
    let views = tenants.enumerate().map(|(index, own)| View {
        profile,
        own,
        top: configuration,
        at: format!("/tenants/{index}"),
    });
    let has_clients = ["clients", "registry"].iter().any(|name| configuration.get(name).is_some());
    let top = View { profile, own: configuration, top: configuration, at: String::new() };
    let top = has_clients.then_some(top);
    let mut found: Vec<Finding> = Vec::new();
    for finding in top.into_iter().chain(views).flat_map(|view| view.findings()) {
        // What a tenant inherits is found once, at the top level.
        if !found.contains(&finding) {
            found.push(finding);
        }
    }
    found.extend(pushed_requests(configuration, profile));
    found.extend(not_visible(configuration, profile));
    found
}

impl View<'_> {
    /// The member that is in force, with the pointer to it.
    fn member(&self, name: &str) -> Option<(String, &Value)> {
        let own = self.own.get(name).map(|value| (format!("{}/{name}", self.at), value));
        own.or_else(|| self.top.get(name).map(|value| (format!("/{name}"), value)))
    }

    /// The pointer to a member that has this text.
    fn is(&self, name: &str, wanted: &str) -> Option<String> {
        self.member(name).filter(|(_, value)| value.as_str() == Some(wanted)).map(|(at, _)| at)
    }

    fn finding(
        &self,
        severity: Severity,
        pointer: String,
        requirement: Requirement,
        message: &str,
    ) -> Finding {
        let message = format!("{}: {message}", requirement.clause(self.profile));
        Finding { severity, line: None, pointer: Some(pointer), message }
    }

    fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        for (name, word, severity, requirement, message) in [
            (
                "mode",
                "shadow",
                Severity::Error,
                Requirement::ClientAuthentication,
                "in shadow mode no client is refused: set \"enforce\"",
            ),
            (
                "unregistered_clients",
                "pass",
                Severity::Doubtful,
                Requirement::ClientAuthentication,
                "how a client without an entry authenticates is not visible: set \"reject\"",
            ),
            (
                "unidentified_clients",
                "pass",
                Severity::Doubtful,
                Requirement::ConfidentialClients,
                "a request that names no client passes, also that of a public client: set \
                 \"reject\"",
            ),
        ] {
            if let Some(pointer) = self.is(name, word) {
                found.push(self.finding(severity, pointer, requirement, message));
            }
        }
        let refuses_others = self.is("other_methods", "reject").is_some();
        let clients = self.own.get("clients").and_then(Value::as_array);
        for (index, client) in clients.into_iter().flatten().enumerate() {
            found.extend(self.client(
                client,
                &format!("{}/clients/{index}", self.at),
                refuses_others,
            ));
        }
        found
    }

    fn client(&self, client: &Value, at: &str, refuses_others: bool) -> Vec<Finding> {
        const BOUND: &str = "tls_client_certificate_bound_access_tokens";
        let mut found = Vec::new();
        let method = client.get("token_endpoint_auth_method").and_then(Value::as_str);
        let method = method.unwrap_or_default();
        let pointer = format!("{at}/token_endpoint_auth_method");
        if method == "none" && !refuses_others {
            let message = "a public client: only confidential clients are allowed";
            let requirement = Requirement::ConfidentialClients;
            found.push(self.finding(Severity::Error, pointer, requirement, message));
        } else if !METHODS.contains(&method) && !refuses_others {
            let message = format!(
                "the method must be tls_client_auth, self_signed_tls_client_auth or \
                 private_key_jwt, and is \"{method}\""
            );
            let requirement = Requirement::ClientAuthentication;
            found.push(self.finding(Severity::Error, pointer, requirement, &message));
        }
        // RFC 8705 §3.4: false if it is absent.
        let is_bound = client.get(BOUND) == Some(&Value::Bool(true));
        if self.profile == ProfileArgument::Fapi1Advanced && METHODS.contains(&method) && !is_bound
        {
            let is_stated = client.get(BOUND).is_some();
            let pointer = if is_stated { format!("{at}/{BOUND}") } else { at.to_owned() };
            let severity = if is_stated { Severity::Error } else { Severity::Doubtful };
            let message = "access tokens must be bound to the client's certificate: set \
                tls_client_certificate_bound_access_tokens to true, or make sure that the server \
                binds all of them";
            let requirement = Requirement::SenderConstrainedTokens;
            found.push(self.finding(severity, pointer, requirement, message));
        }
        let keys = client.pointer("/jwks/keys").and_then(Value::as_array);
        for (index, key) in keys.into_iter().flatten().enumerate() {
            let shortfall = KeyLength::of(key).and_then(|length| length.shortfall(self.profile));
            if let Some(message) = shortfall {
                let pointer = format!("{at}/jwks/keys/{index}");
                let requirement = Requirement::KeyLength;
                found.push(self.finding(Severity::Error, pointer, requirement, &message));
            }
        }
        found
    }
}

/// FAPI 2.0 asks for pushed authorization requests (RFC 9126) with client authentication, so their
/// endpoint must be gated. It is known by the usual names.
fn pushed_requests(configuration: &Value, profile: ProfileArgument) -> Option<Finding> {
    if profile != ProfileArgument::Fapi2 {
        return None;
    }
    let listed = endpoints::entries(configuration);
    let is_pushed = |text: &str| {
        let mut segments = text.split('/');
        text.ends_with("/**")
            || segments.any(|segment| segment == "par" || segment.starts_with("pushed"))
    };
    let is_gated = listed.iter().any(|(_, text, _)| text.as_deref().is_none_or(is_pushed));
    let (pointer, ..) = listed.first().filter(|_| !is_gated)?;
    let (pointer, _) = pointer.rsplit_once('/')?;
    let message = format!(
        "{}: no entry looks like the endpoint of pushed authorization requests (/par), where \
         clients authenticate: list it",
        Requirement::PushedRequests.clause(profile)
    );
    Some(Finding::doubtful(None, message).at(pointer))
}

/// What the files do not show.
fn not_visible(configuration: &Value, profile: ProfileArgument) -> Vec<Finding> {
    let clause = |requirement: Requirement| requirement.clause(profile);
    let mut found = Vec::new();
    let mut add = |pointer: &str, message: String| {
        found.push(Finding::note(None, format!("not visible: {message}")).at(pointer));
    };
    let tenants = configuration.get("tenants").and_then(Value::as_array).into_iter().flatten();
    let at_tenants = tenants.enumerate().map(|(index, own)| (format!("/tenants/{index}"), own));
    for (at, own) in std::iter::once((String::new(), configuration)).chain(at_tenants) {
        if own.get("registry").is_some() {
            let message = format!(
                "the methods, keys and bound tokens of the clients of the registry ({}; {}; {}); \
                 convert the list, and lint it as clients",
                clause(Requirement::ClientAuthentication),
                clause(Requirement::KeyLength),
                clause(Requirement::SenderConstrainedTokens),
            );
            add(&format!("{at}/registry"), message);
        }
    }
    let is_enforced =
        configuration.pointer("/bound_tokens/response_check") == Some(&Value::from("enforce"));
    if !is_enforced {
        let message = format!(
            "whether the server binds every access token ({})",
            clause(Requirement::SenderConstrainedTokens)
        );
        add("", message);
    }
    let rest = match profile {
        ProfileArgument::Fapi1Advanced => {
            "request objects, response types, PKCE, the algorithms of signatures (FAPI 1.0 \
             Advanced §5.2.2, §8.6)"
        }
        ProfileArgument::Fapi2 => {
            "pushed requests, PKCE, the lifetime of codes, the algorithms of signatures (FAPI 2.0 \
             §5.3.2, §5.4)"
        }
    };
    add("", format!("what the authorization server itself does: {rest}"));
    found
}
