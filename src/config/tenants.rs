//! Several issuers behind one filter: the policy is chosen by `:authority`.

use std::collections::HashMap;
use std::net::Ipv6Addr;
use std::rc::Rc;

use super::{HostPolicy, Policy, PolicyMembers};
use crate::error::ConfigError;
use crate::json::{Json, Members};

/// Policies by host, and what applies to every other host.
#[derive(Clone, Debug)]
pub(super) struct Tenants {
    /// By lower-case host.
    exact: HashMap<Box<str>, Rc<Policy>>,
    /// By lower-case suffix with its leading dot.
    suffixes: Vec<(Box<str>, Rc<Policy>)>,
    other: HostPolicy,
}

/// The hosts of one tenant.
enum HostPattern {
    Exact(Box<str>),
    Suffix(Box<str>),
}

impl HostPattern {
    /// As it is written in the configuration, but in lower case.
    fn name(&self) -> Rc<str> {
        match self {
            Self::Exact(host) => host.as_ref().into(),
            Self::Suffix(suffix) => format!("*{suffix}").into(),
        }
    }
}

impl Tenants {
    /// One policy for every host.
    pub(super) fn only(policy: Policy) -> Self {
        Self { exact: HashMap::new(), suffixes: Vec::new(), other: HostPolicy::Policy(Rc::new(policy)) }
    }

    /// # Errors
    /// The pointer is relative to `tenants`.
    pub(super) fn from_json(json: &Json, defaults: &PolicyMembers) -> Result<Self, ConfigError> {
        let other = match defaults.clone().into_policy() {
            Ok(policy) => HostPolicy::Policy(Rc::new(policy)),
            Err(_) => HostPolicy::UnknownTenant(defaults.handling()),
        };
        let mut tenants = Self { exact: HashMap::new(), suffixes: Vec::new(), other };
        json.some_elements("at least one tenant", |tenant| tenants.add(tenant, defaults))?;
        Ok(tenants)
    }

    fn add(&mut self, json: &Json, defaults: &PolicyMembers) -> Result<(), ConfigError> {
        let mut members = Members::of(json, "a tenant")?;
        let hosts = members.read("hosts", |json| json.some_elements("at least one host", host_pattern))?;
        let hosts = hosts.ok_or_else(|| ConfigError::expected("the member hosts"))?;
        let own = PolicyMembers::read(&mut members)?;
        members.finish()?;
        let mut policy = own.or(defaults).into_policy()?;
        policy.handling.tenant = hosts.first().map(HostPattern::name);
        let policy = Rc::new(policy);
        for (index, host) in hosts.into_iter().enumerate() {
            let is_new = match host {
                HostPattern::Exact(host) => self.exact.insert(host, policy.clone()).is_none(),
                HostPattern::Suffix(suffix) => {
                    let is_new = self.suffixes.iter().all(|(other, _)| *other != suffix);
                    self.suffixes.push((suffix, policy.clone()));
                    is_new
                }
            };
            if !is_new {
                return Err(ConfigError::expected("a host that is not named before").within(index).within("hosts"));
            }
        }
        Ok(())
    }

    /// Every policy, once for each of its hosts.
    pub(super) fn policies(&self) -> impl Iterator<Item = &Policy> {
        let other = if let HostPolicy::Policy(policy) = &self.other { Some(policy) } else { None };
        let policies = self.exact.values().chain(self.suffixes.iter().map(|(_, policy)| policy)).chain(other);
        policies.map(Rc::as_ref)
    }

    pub(super) fn policy_for(&self, authority: &[u8]) -> HostPolicy {
        // Nearly every filter serves one issuer.
        if self.exact.is_empty() && self.suffixes.is_empty() {
            return self.other.clone();
        }
        let Some(host) = host_of(&String::from_utf8_lossy(authority)) else {
            // What is no host names nobody, not even those for whom the top level cares.
            return HostPolicy::UnknownTenant(self.other.handling().clone());
        };
        let by_suffix = || {
            let is_below = |suffix: &str| host.strip_suffix(suffix).is_some_and(|label| !label.is_empty());
            let below = self.suffixes.iter().filter(|(suffix, _)| is_below(suffix));
            below.max_by_key(|(suffix, _)| suffix.len()).map(|(_, policy)| policy)
        };
        let policy = self.exact.get(host.as_str()).or_else(by_suffix);
        policy.map_or_else(|| self.other.clone(), |policy| HostPolicy::Policy(policy.clone()))
    }
}

/// The host of `:authority` in lower case, without port and final dot; `None` where it is none (RFC 9110 §4.2.3: no user
/// information).
fn host_of(authority: &str) -> Option<String> {
    let is_port = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let host = match authority.rsplit_once(':') {
        // The last colon of an IPv6 literal without port stands inside the brackets.
        Some((host, port)) if is_port(port) && (!host.starts_with('[') || host.ends_with(']')) => host,
        _ => authority,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    is_host(host).then(|| host.to_ascii_lowercase())
}

/// A host name or an IPv6 literal in brackets.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => text.split('.').all(is_label),
    }
}

fn host_pattern(json: &Json) -> Result<HostPattern, ConfigError> {
    let text = json.string("a host")?;
    let (is_suffix, name) = match text.strip_prefix("*.") {
        Some(name) => (true, name),
        None => (false, text),
    };
    if !is_host(name) || (is_suffix && name.starts_with('[')) {
        return Err(ConfigError::expected("a host name without port, such as \"as.example.com\" or \"*.example.net\""));
    }
    let name = name.to_ascii_lowercase();
    Ok(if is_suffix { HostPattern::Suffix(format!(".{name}").into()) } else { HostPattern::Exact(name.into()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_authorities() {
        for (authority, host) in [
            ("as.example.com", Some("as.example.com")),
            ("AS.Example.COM:443", Some("as.example.com")),
            ("as.example.com.:8443", Some("as.example.com")),
            ("[2001:DB8::1]:443", Some("[2001:db8::1]")),
            ("[2001:db8::1]", Some("[2001:db8::1]")),
            ("as.example.com:", Some("as.example.com")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("user@as.example.com", None),
            ("as.example.com:1:443", None),
            ("as.example.com..", None),
            ("[x]", None),
            ("", None),
        ] {
            assert_eq!(host_of(authority).as_deref(), host);
        }
    }
}
