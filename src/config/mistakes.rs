//! Every mistake of a configuration, for the tools of an operator. The filter itself stops at the
//! first.

use std::collections::{BTreeMap, BTreeSet};

use super::Responses;
use crate::json::{Json, JsonError, name_of_token};
use crate::policy::Configuration;
use crate::registry::Registry;

impl Configuration {
    /// The mistakes in a configuration, at most `most`. Without any it can be used.
    ///
    /// A value that is wrong is replaced by a right one, or removed, and the configuration is read
    /// again. So everything that is listed is a mistake, but one that depends on another may be
    /// missing from the list.
    #[must_use]
    pub fn mistakes(text: &[u8], most: usize) -> Vec<JsonError> {
        let mut json = match Json::parse_in_parts(text) {
            Ok(json) => json,
            Err(error) => return vec![error],
        };
        let mut mistakes: Vec<JsonError> = Vec::new();
        let mut repairs = Repairs::default();
        while mistakes.len() < most {
            let Err(error) = Self::from_json(&json, Responses::Read) else { break };
            let pointer = repairs.original(&error.pointer);
            // What a value lacks because of a removal is no further mistake.
            let below = format!("{pointer}/");
            if !mistakes
                .iter()
                .any(|earlier| earlier.pointer == pointer || earlier.pointer.starts_with(&below))
            {
                mistakes.push(JsonError { pointer, message: error.message });
            }
            if !repairs.repair(&mut json, &error.pointer) {
                break;
            }
        }
        mistakes
    }

    /// The parts of embedded clients that are left out although the client can be used: keys of a
    /// `jwks` that cannot be used.
    #[must_use]
    pub fn warnings(text: &[u8]) -> Vec<JsonError> {
        let of_clients = |policy: &Json| -> Vec<JsonError> {
            let warnings = policy.members("clients").flat_map(Registry::warnings);
            warnings.map(|warning| warning.within("clients")).collect()
        };
        let Ok(json) = Json::parse_in_parts(text) else { return Vec::new() };
        let mut warnings = of_clients(&json);
        for tenants in json.members("tenants") {
            let tenants = if let Json::Array(tenants) = tenants { tenants.as_slice() } else { &[] };
            for (index, tenant) in tenants.iter().enumerate() {
                warnings.extend(
                    of_clients(tenant)
                        .into_iter()
                        .map(|warning| warning.within(index).within("tenants")),
                );
            }
        }
        warnings
    }
}

/// What was replaced or removed so far.
#[derive(Default)]
struct Repairs {
    /// The current pointers of values that were replaced.
    replaced: BTreeSet<String>,
    /// By the original pointer of an array, the original indices of the elements that were removed.
    removed: BTreeMap<String, BTreeSet<usize>>,
}

impl Repairs {
    /// Removes the cause of the error at `pointer`. Returns whether that is possible.
    fn repair(&mut self, json: &mut Json, pointer: &str) -> bool {
        let Some((parent, step)) = pointer.rsplit_once('/') else { return false };
        let name = name_of_token(step);
        let original = self.original(parent);
        match find(json, parent) {
            Some(Json::Object(members)) => {
                if members.iter().filter(|(member, _)| *member == name).count() > 1 {
                    let mut seen = false;
                    members.retain(|(member, _)| {
                        *member != name || !std::mem::replace(&mut seen, true)
                    });
                    return true;
                }
                let right = substitute(members, &name, self.replaced.len());
                let Some(index) = members.iter().position(|(member, _)| *member == name) else {
                    return false;
                };
                match (members.get_mut(index), right) {
                    (Some((_, value)), Some(right)) if self.replaced.insert(pointer.to_owned()) => {
                        *value = right
                    }
                    _ => drop(members.remove(index)),
                }
                true
            }
            Some(Json::Array(elements)) => {
                let Some(index) = name.parse().ok().filter(|index| *index < elements.len()) else {
                    return false;
                };
                elements.remove(index);
                let removed = self.removed.entry(original).or_default();
                removed.insert(original_index(removed, index));
                // The indices of the elements behind it have changed.
                self.replaced.retain(|replaced| !replaced.starts_with(&format!("{parent}/")));
                true
            }
            _ => false,
        }
    }

    /// The original pointer of the value that is now at `pointer`.
    fn original(&self, pointer: &str) -> String {
        let mut original = String::new();
        for step in pointer.split('/').skip(1) {
            let step = match (self.removed.get(&original), step.parse()) {
                (Some(removed), Ok(index)) => original_index(removed, index).to_string(),
                _ => step.to_owned(),
            };
            original = format!("{original}/{step}");
        }
        original
    }
}

/// The original index of the element that is now at `index`, of an array without its elements
/// `removed`.
fn original_index(removed: &BTreeSet<usize>, index: usize) -> usize {
    removed.iter().fold(index, |index, removed| index + usize::from(*removed <= index))
}

fn find<'a>(json: &'a mut Json, pointer: &str) -> Option<&'a mut Json> {
    pointer.split('/').skip(1).try_fold(json, |json, step| match json {
        Json::Object(members) => {
            let name = name_of_token(step);
            members.iter_mut().find(|(member, _)| *member == name).map(|(_, value)| value)
        }
        Json::Array(elements) => elements.get_mut(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// A right value for the member `name` of an object, where other members need it. `n` makes
/// identifiers different.
fn substitute(members: &[(String, Json)], name: &str, n: usize) -> Option<Json> {
    let has = |wanted: &str| members.iter().any(|(member, _)| member.starts_with(wanted));
    let is_lookup = members.iter().any(|(member, value)| match value {
        Json::String(text) => {
            (member == "mode" && text == "lookup")
                || (member == "path" && text.contains("{client_id}"))
        }
        _ => false,
    });
    let object = |members: &[(&str, Json)]| {
        Json::Object(
            members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        )
    };
    let text = |text: &str| Json::String(text.to_owned());
    Some(match name {
        "client_id" => Json::String(format!("stand-in-{n}")),
        "hosts" => Json::Array(vec![Json::String(format!("stand-in-{n}.example"))]),
        "paths" => Json::Array(vec![Json::String(format!("/stand-in-{n}"))]),
        "clients" if !has("registry") => Json::Array(Vec::new()),
        "registry" if !has("clients") => object(&[
            ("cluster", text("stand-in")),
            ("authority", text("stand-in.example")),
            ("path", text("/")),
        ]),
        "cluster" => text("stand-in"),
        "authority" => text("stand-in.example"),
        "path" if is_lookup => text("/{client_id}"),
        "path" => text("/"),
        "mode" if is_lookup => text("lookup"),
        "source" if ["dialect", "header", "trusted_proxies", "verified"].into_iter().any(has) => {
            text("forwarded")
        }
        "header" => Json::String(format!("x-stand-in-{n}")),
        "format" if has("header") => text("der"),
        "values" if has("header") => Json::Array(vec![text("stand-in")]),
        "token_endpoint_auth_method" if has("certificate_binding") => text("none"),
        "token_endpoint_auth_method"
            if has("tls_client_auth_")
                || has("backend_authentication")
                || has("certificate_thumbprints") =>
        {
            text("tls_client_auth")
        }
        "token_endpoint_auth_method" if has("jwks") => text("self_signed_tls_client_auth"),
        "token_endpoint_auth_method" => text("none"),
        "tls_client_auth_subject_dn" => text("CN=stand-in"),
        "tls_client_auth_san_dns" => text("stand-in.example"),
        "tls_client_auth_san_uri" => text("urn:stand-in"),
        "tls_client_auth_san_ip" => text("192.0.2.1"),
        "tls_client_auth_san_email" => text("stand-in@stand-in.example"),
        "jwks" => {
            let key = object(&[
                ("kty", text("EC")),
                ("x5t#S256", text("47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU")),
            ]);
            object(&[("keys", Json::Array(vec![key]))])
        }
        "method" if has("client_secret") => text("client_secret_basic"),
        "client_secret" => text("stand-in"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(text: &str) -> Vec<String> {
        Configuration::mistakes(text.as_bytes(), 100)
            .into_iter()
            .map(|mistake| mistake.pointer)
            .collect()
    }

    #[test]
    fn a_key_that_is_left_out_is_a_warning_where_its_client_can_be_used() {
        const CLIENTS: &str = r#"[
            {
                "client_id": "a", "token_endpoint_auth_method": "self_signed_tls_client_auth",
                "jwks": {"keys": [
                    {"kty": "EC", "x5c": ["AAAA"]},
                    {"kty": "EC", "x5t#S256": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"},
                    {"kty": "EC"},
                    {"use": "enc"}
                ]}
            },
            {
                "client_id": "b", "token_endpoint_auth_method": "self_signed_tls_client_auth",
                "jwks": {"keys": [{"use": "enc"}, {"use": "enc"}]}
            },
            {
                "client_id": "c", "token_endpoint_auth_method": "private_key_jwt",
                "jwks": {"keys": [{"use": "enc"}]}
            }
        ]"#;
        let text = format!(
            r#"{{"clients": {CLIENTS}, "tenants": [
                {{"hosts": ["a.test"]}}, {{"hosts": ["b.test"], "clients": {CLIENTS}}}
            ]}}"#
        );
        let warnings = Configuration::warnings(text.as_bytes()).into_iter();
        let warnings: Vec<_> = warnings.map(|warning| (warning.pointer, warning.message)).collect();
        let (unreadable, untyped) =
            ("not the DER of an X.509 certificate", "expected the member kty");
        for (warning, (pointer, message)) in warnings.iter().zip([
            ("/clients/0/jwks/keys/0/x5c/0", unreadable),
            ("/clients/0/jwks/keys/3", untyped),
            ("/tenants/1/clients/0/jwks/keys/0/x5c/0", unreadable),
            ("/tenants/1/clients/0/jwks/keys/3", untyped),
        ]) {
            assert_eq!(warning.0, pointer);
            assert!(warning.1.contains(message), "{warning:?}");
        }
        assert_eq!(warnings.len(), 4);
        assert_eq!(Configuration::warnings(b"{"), []);
        // A client that cannot be used is an error, and no warning.
        assert_eq!(pointers(&format!(r#"{{"clients": {CLIENTS}}}"#)), ["/clients/1/jwks"]);
    }

    #[test]
    fn each_mistake_is_found_once_and_hides_no_other() {
        const CLIENT: &str = r#"{
            "client_id": "x", "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_san_dns": "x.test"
        }"#;
        for (text, wanted) in [
            (r#"{"clients": []}"#, &[][..]),
            ("{", &[""]),
            ("[]", &[""]),
            (
                r#"{"endpoints": ["/a", "b", "/c", "d", 7], "clients": []}"#,
                &["/endpoints/1", "/endpoints/3", "/endpoints/4"],
            ),
            // The empty array that is left is no further mistake.
            (r#"{"endpoints": ["b"], "clients": []}"#, &["/endpoints/0"]),
            (r#"{"endpoints": {}, "clients": []}"#, &["/endpoints"]),
            (r#"{"zzz": 1, "yyy": 2, "clients": []}"#, &["/zzz", "/yyy"]),
            (
                r#"{"clients": {}, "tenants": [
                    {"hosts": ["a.test"]}, {"hosts": ["b.test"], "mode": 1}
                ]}"#,
                &["/clients", "/tenants/1/mode"],
            ),
            (
                r#"{"tenants": [{"hosts": 7, "clients": []}, {"hosts": ["a.test"]}]}"#,
                &["/tenants/0/hosts", "/tenants/1"],
            ),
            // Members on which the meaning of others depends.
            (
                r#"{"clients": [], "peer_certificate": {
                    "source": "forward", "dialect": "xfcc", "trusted_proxies": ["a.test"]
                }}"#,
                &["/peer_certificate/source"],
            ),
            (
                r#"{"registry": {
                    "cluster": 7, "authority": "a.test", "path": "x", "refresh": "1"
                }}"#,
                &["/registry/cluster", "/registry/refresh", "/registry/path"],
            ),
            (
                r#"{"registry": {
                    "cluster": "c", "authority": "a.test", "path": "/{client_id}",
                    "mode": "lookups"
                }}"#,
                &["/registry/mode"],
            ),
            (r#"{"registry": {}}"#, &["/registry"]),
            (
                r#"{"clients": [{
                    "client_id": "a", "token_endpoint_auth_method": "tls_client_aut",
                    "tls_client_auth_san_dns": "a.test",
                    "backend_authentication": {
                        "method": "client_secret_basic", "client_secret": "s"
                    }
                }]}"#,
                &["/clients/0/token_endpoint_auth_method"],
            ),
            (
                r#"{"clients": [
                    {
                        "client_id": "", "token_endpoint_auth_method": "tls_client_auth",
                        "tls_client_auth_san_ip": "x"
                    },
                    7,
                    {"client_id": "a", "token_endpoint_auth_method": "none"},
                    {"client_id": "a", "token_endpoint_auth_method": "none"}
                ]}"#,
                &[
                    "/clients/0/client_id",
                    "/clients/0/tls_client_auth_san_ip",
                    "/clients/1",
                    "/clients/3/client_id",
                ],
            ),
            // Repeated members are found however much was repaired before.
            (
                r#"{"mode": 1, "clients": [
                    {"client_id": "a", "client_id": "b"},
                    {
                        "client_id": "c", "token_endpoint_auth_method": "none",
                        "x": 1, "x": 2, "x": 3
                    }
                ], "mode": 2}"#,
                &["/mode", "/clients/0/client_id", "/clients/1/x"],
            ),
            (
                r#"{"clients": [], "registry": {
                    "cluster": "c", "authority": "a.test", "path": "/"
                }}"#,
                &["/registry"],
            ),
        ] {
            assert_eq!(pointers(text), wanted, "{text}");
        }
        let client = |n: usize| {
            CLIENT
                .replace("\"x\"", &format!("\"{n}\""))
                .replace("x.test", if n.is_multiple_of(2) { "a b" } else { "x.test" })
        };
        let clients: Vec<String> = (0..20).map(client).collect();
        let text = format!(r#"{{"clients": [{}]}}"#, clients.join(","));
        let wanted: Vec<String> =
            (0..20).step_by(2).map(|n| format!("/clients/{n}/tls_client_auth_san_dns")).collect();
        assert_eq!(pointers(&text), wanted);
        assert_eq!(Configuration::mistakes(text.as_bytes(), 3).len(), 3);
    }
}
