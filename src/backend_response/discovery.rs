//! The metadata of the backend (RFC 8414 §2, OpenID Connect Discovery §3), and what the filter adds
//! to it. Everything else stays as it is, byte for byte.

mod places;

use std::fmt;
use std::sync::Arc;

use self::places::{Insertion, appended, trimmed, values};
use super::head::ResponseHead;
use crate::json::{Json, first_repeated};
use crate::limits;
use crate::policy::{
    AliasOrigin, Configuration, Methods, Mode, Policy, ResponseCheck, TenantChoice, TenantPolicy,
};
use crate::request::Target;

/// Why a response is not edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    Status,
    Encoded,
    NotJson,
    TooLarge,
    NotMetadata,
    NotGiven,
    Withheld,
}

impl Fault {
    fn as_str(self) -> &'static str {
        match self {
            Self::Status => "its status is not 200",
            Self::Encoded => "it has a content encoding, although the request accepts none",
            Self::NotJson => "it is not application/json in UTF-8 with one JSON object",
            Self::TooLarge => "it has more than 64 kB",
            Self::NotMetadata => {
                "a member occurs twice, or one that would be changed is of another type than RFC \
                 8414 says"
            }
            Self::NotGiven => "the host does not give its headers or its body",
            Self::Withheld => {
                "the host does not give its body while the headers are held: set \
                 allow_on_headers_stop_iteration: true in the plugin configuration of Envoy"
            }
        }
    }
}

/// A response with metadata that was not edited. `Display` writes the line for the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UntouchedMetadata {
    path: String,
    fault: Fault,
}

impl UntouchedMetadata {
    pub(super) fn new(path: &[u8], fault: Fault) -> Self {
        Self { path: crate::decision::printable(path), fault }
    }
}

impl fmt::Display for UntouchedMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "tls_client_auth discovery path=\"{}\": the answer goes on as it is: {}",
            self.path,
            self.fault.as_str()
        )
    }
}

/// Checks that a response with these headers can be edited.
pub(super) fn check_head(head: &ResponseHead<'_>) -> Result<(), Fault> {
    if head.status != Some(200) {
        Err(Fault::Status)
    } else if head.is_encoded() {
        Err(Fault::Encoded)
    } else if !head.is_json() {
        Err(Fault::NotJson)
    } else if head.is_longer_than(limits::METADATA_BYTES) {
        Err(Fault::TooLarge)
    } else {
        Ok(())
    }
}

/// The endpoints of the front channel, where a browser cannot present the certificate of a client.
const OF_BROWSERS: [&str; 2] = ["authorization_endpoint", "end_session_endpoint"];
const ALIASES: &str = "mtls_endpoint_aliases";
const BOUND_TOKENS: &str = "tls_client_certificate_bound_access_tokens";

/// Each endpoint at which a client authenticates by a method that the metadata names: its member,
/// that of the methods, and the method that counts where the latter is absent (RFC 8414 §2).
/// Without a default it is not known what the server supports, and the methods of this filter alone
/// would read as if it supported no other.
const METHODS: [(&str, &str, Option<&str>); 3] = [
    ("token_endpoint", "token_endpoint_auth_methods_supported", Some("client_secret_basic")),
    (
        "revocation_endpoint",
        "revocation_endpoint_auth_methods_supported",
        Some("client_secret_basic"),
    ),
    ("introspection_endpoint", "introspection_endpoint_auth_methods_supported", None),
];

/// The edited document; `None` = nothing is missing in it.
pub(super) fn edit(
    document: &[u8],
    configuration: &Configuration,
) -> Result<Option<Vec<u8>>, Fault> {
    let text = std::str::from_utf8(document).map_err(|_| Fault::NotJson)?;
    let json = Json::parse(document).map_err(|_| Fault::NotJson)?;
    let Json::Object(members) = &json else { return Err(Fault::NotJson) };
    if first_repeated(members.iter().map(|(name, _)| name.as_str())).is_some() {
        return Err(Fault::NotMetadata);
    }
    let aliases = configuration.discovery.as_ref().and_then(|all| all.aliases.as_ref());
    let metadata = Metadata { text, members, places: values(text), configuration, aliases };
    let (mut edits, mut added) = (Vec::new(), Vec::new());
    metadata.add_methods(&mut edits, &mut added)?;
    metadata.add_aliases(&mut edits, &mut added)?;
    metadata.add_bound_tokens(&mut edits, &mut added)?;
    if !added.is_empty() {
        let whole = trimmed(text, 0..text.len());
        edits.push(appended(text, whole, &added.join(",")).ok_or(Fault::NotMetadata)?);
    }
    if edits.is_empty() {
        return Ok(None);
    }
    places::apply(text, edits).map(|edited| Some(edited.into_bytes())).ok_or(Fault::NotMetadata)
}

/// A document that is edited.
struct Metadata<'a> {
    text: &'a str,
    members: &'a [(String, Json)],
    /// The places of their values.
    places: Vec<std::ops::Range<usize>>,
    configuration: &'a Configuration,
    aliases: Option<&'a AliasOrigin>,
}

impl Metadata<'_> {
    fn get(&self, name: &str) -> Option<(&Json, std::ops::Range<usize>)> {
        let index = self.members.iter().position(|(member, _)| member == name)?;
        Some((&self.members.get(index)?.1, self.places.get(index)?.clone()))
    }

    /// The policy that gates the endpoint of this member, which the document names.
    fn gating(&self, endpoint: &str) -> Option<Arc<Policy>> {
        let (Json::String(url), _) = self.get(endpoint)? else { return None };
        self.gating_url(url)
    }

    /// The policy that gates this URL. Where there are aliases, clients of the two methods go to
    /// the alias of the URL, so the policy must gate both: the aliases of one tenant say nothing of
    /// the endpoints of another.
    fn gating_url(&self, url: &str) -> Option<Arc<Policy>> {
        let (own, target) = authority_and_target(url)?;
        let policy = self.gating_at(own, target)?;
        let is_of_alias = self.aliases.is_none_or(|origin| {
            let of_alias = self.gating_at(origin.authority(), target);
            of_alias.is_some_and(|of_alias| Arc::ptr_eq(&of_alias, &policy))
        });
        is_of_alias.then_some(policy)
    }

    /// The policy that gates this path at this host.
    fn gating_at(&self, authority: &str, target: &str) -> Option<Arc<Policy>> {
        let TenantChoice { policy, gating, is_ambiguous } =
            self.configuration.choose(authority.as_bytes(), target.as_bytes());
        let target = Target::new(target.as_bytes());
        let is_endpoint = gating.unwrap_or_else(|| policy.gating(&target)).endpoint;
        let TenantPolicy::Known(policy) = policy else { return None };
        (is_endpoint && !is_ambiguous).then_some(policy)
    }

    fn add_methods(
        &self,
        edits: &mut Vec<Insertion>,
        added: &mut Vec<String>,
    ) -> Result<(), Fault> {
        for (endpoint, name, default) in METHODS {
            let Some(policy) = self.gating(endpoint) else { continue };
            let supported = names_of(policy.methods);
            match (self.get(name), default) {
                (Some((Json::Array(elements), place)), _) => {
                    let mut named = Vec::new();
                    for element in elements {
                        let Json::String(method) = element else { return Err(Fault::NotMetadata) };
                        named.push(method.as_str());
                    }
                    let missing: Vec<String> =
                        supported.filter(|method| !named.contains(method)).map(quoted).collect();
                    if !missing.is_empty() {
                        let insertion = appended(self.text, place, &missing.join(","));
                        edits.push(insertion.ok_or(Fault::NotMetadata)?);
                    }
                }
                (Some(_), _) => return Err(Fault::NotMetadata),
                (None, Some(default)) => {
                    let methods: Vec<String> =
                        std::iter::once(default).chain(supported).map(quoted).collect();
                    added.push(format!("{}:[{}]", quoted(name), methods.join(",")));
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn add_aliases(
        &self,
        edits: &mut Vec<Insertion>,
        added: &mut Vec<String>,
    ) -> Result<(), Fault> {
        let Some(origin) = self.aliases else { return Ok(()) };
        let present = self.get(ALIASES);
        let named: &[(String, Json)] = match &present {
            None => &[],
            Some((Json::Object(members), _)) => members,
            Some(_) => return Err(Fault::NotMetadata),
        };
        if first_repeated(named.iter().map(|(name, _)| name.as_str())).is_some() {
            return Err(Fault::NotMetadata);
        }
        let mut aliases = Vec::new();
        for (name, url) in self.members {
            let Json::String(url) = url else { continue };
            if !name.ends_with("_endpoint")
                || OF_BROWSERS.contains(&name.as_str())
                || named.iter().any(|(alias, _)| alias == name)
                || self.gating_url(url).is_none()
            {
                continue;
            }
            let Some((_, target)) = authority_and_target(url) else { continue };
            aliases.push(format!(
                "{}:{}",
                quoted(name),
                quoted(format!("{}{target}", origin.as_str()))
            ));
        }
        if aliases.is_empty() {
            return Ok(());
        }
        let aliases = aliases.join(",");
        match present {
            Some((_, place)) => {
                edits.push(appended(self.text, place, &aliases).ok_or(Fault::NotMetadata)?);
            }
            None => added.push(format!("{}:{{{aliases}}}", quoted(ALIASES))),
        }
        Ok(())
    }

    /// RFC 8705 §3.3: a server says that it issues bound tokens. With `response_check: "enforce"`
    /// no other one leaves, for the clients that ask for bound ones.
    fn add_bound_tokens(
        &self,
        edits: &mut Vec<Insertion>,
        added: &mut Vec<String>,
    ) -> Result<(), Fault> {
        let is_enforced = self.gating("token_endpoint").is_some_and(|policy| {
            policy.response_check() == ResponseCheck::Enforce && policy.common.mode == Mode::Enforce
        });
        match self.get(BOUND_TOKENS) {
            _ if !is_enforced => {}
            None => added.push(format!("{}:true", quoted(BOUND_TOKENS))),
            Some((Json::Bool(true), _)) => {}
            Some((Json::Bool(false), place)) => {
                edits.push(Insertion { place, text: "true".to_owned() });
            }
            Some(_) => return Err(Fault::NotMetadata),
        }
        Ok(())
    }
}

fn names_of(methods: Methods) -> impl Iterator<Item = &'static str> {
    let Methods { tls_client_auth, self_signed_tls_client_auth } = methods;
    let names = [
        (tls_client_auth, "tls_client_auth"),
        (self_signed_tls_client_auth, "self_signed_tls_client_auth"),
    ];
    names.into_iter().filter(|(is_supported, _)| *is_supported).map(|(_, name)| name)
}

/// The authority of an `http` or `https` URL, and everything behind it but the fragment.
fn authority_and_target(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    let rest = rest.split('#').next().unwrap_or(rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end)?;
    // An endpoint without a path has no alias that every client would read alike.
    (!authority.is_empty() && target.starts_with('/')).then_some((authority, target))
}

/// A text as a JSON string.
fn quoted(text: impl AsRef<str>) -> String {
    serde_json::Value::from(text.as_ref()).to_string()
}
