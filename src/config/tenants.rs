//! Several issuers behind one filter: the policy is chosen by `:authority`.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use super::stripped::IdentityHeaders;
use super::{Handling, HostPolicy, Mode, Policy, PolicyMembers, UnknownTenant};
use crate::error::ConfigError;
use crate::json::{Json, Members};
use crate::request::Endpoints;

/// Policies by host, and what applies to every other host.
#[derive(Clone, Debug)]
pub(super) struct Tenants {
    /// By lower-case host.
    exact: HashMap<Box<str>, Rc<Policy>>,
    /// By lower-case suffix with its leading dot.
    suffixes: Vec<(Box<str>, Rc<Policy>)>,
    /// The policy of hosts that no tenant names.
    other: HostPolicy,
    /// That of an `:authority` which is no host.
    unreadable: HostPolicy,
    /// Shadow only where the top level and every tenant are in shadow.
    mode_of_all: Mode,
}

/// One tenant as it stands in the configuration.
pub(super) struct TenantMembers {
    hosts: Vec<HostPattern>,
    own: PolicyMembers,
}

impl TenantMembers {
    /// # Errors
    /// The pointer is relative to the tenant.
    pub(super) fn from_json(json: &Json) -> Result<Self, ConfigError> {
        let mut members = Members::of(json, "a tenant")?;
        let hosts = members.read("hosts", |json| json.some_elements("at least one host", host_pattern))?;
        let hosts = hosts.ok_or_else(|| ConfigError::expected("the member hosts"))?;
        let own = PolicyMembers::read(&mut members)?;
        members.finish()?;
        Ok(Self { hosts, own })
    }
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
    /// # Errors
    /// The pointer is relative to the whole configuration.
    pub(super) fn new(defaults: &PolicyMembers, tenants: Vec<TenantMembers>) -> Result<Self, ConfigError> {
        let has_tenants = !tenants.is_empty();
        // What one forward writes or one policy reads, a client must not be able to set for any other.
        let identity = IdentityHeaders::of(std::iter::once(defaults).chain(tenants.iter().map(|tenant| &tenant.own)));
        let handling = defaults.handling(identity.stripped_under(defaults, None)?);
        let mut mode_of_all = handling.mode;
        let other = match defaults.clone().into_policy(handling.clone(), has_tenants) {
            Ok(policy) => HostPolicy::Policy(Rc::new(policy)),
            Err(_) if has_tenants => unknown(handling.clone(), defaults.endpoints.clone()),
            Err(error) => return Err(error),
        };
        let unreadable = other.clone();
        let mut all = Self { exact: HashMap::new(), suffixes: Vec::new(), other, unreadable, mode_of_all };
        for (index, TenantMembers { hosts, own }) in tenants.into_iter().enumerate() {
            let policy = all.add(hosts, own, defaults, &identity);
            let mode = policy.map_err(|error| error.within(index).within("tenants"))?;
            mode_of_all = if mode == Mode::Enforce { mode } else { mode_of_all };
        }
        // What is no host is no tenant's and not the top level's either, on no path: some backend may take it for any of them.
        Ok(Self { mode_of_all, unreadable: unknown(Handling { mode: mode_of_all, ..handling }, None), ..all })
    }

    /// Adds a tenant; returns its mode.
    fn add(
        &mut self,
        hosts: Vec<HostPattern>,
        own: PolicyMembers,
        defaults: &PolicyMembers,
        identity: &IdentityHeaders,
    ) -> Result<Mode, ConfigError> {
        let stripped = identity.stripped_under(&own, Some(defaults))?;
        let members = own.or(defaults);
        let mut handling = members.handling(stripped);
        handling.tenant = hosts.first().map(HostPattern::name);
        let mode = handling.mode;
        let policy = Rc::new(members.into_policy(handling, true)?);
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
        Ok(mode)
    }

    /// Every policy, once for each of its hosts.
    pub(super) fn policies(&self) -> impl Iterator<Item = &Policy> {
        let other = if let HostPolicy::Policy(policy) = &self.other { Some(policy) } else { None };
        let policies = self.exact.values().chain(self.suffixes.iter().map(|(_, policy)| policy)).chain(other);
        policies.map(Rc::as_ref)
    }

    pub(super) fn mode_of_all(&self) -> Mode {
        self.mode_of_all
    }

    pub(super) fn policy_for(&self, authority: &[u8]) -> HostPolicy {
        // Nearly every filter serves one issuer.
        if !self.has_tenants() {
            return self.other.clone();
        }
        match host_of(&String::from_utf8_lossy(authority)).map(|host| self.tenant_of(&host)) {
            None => self.unreadable.clone(),
            Some(None) => self.other.clone(),
            Some(Some(policy)) => HostPolicy::Policy(policy.clone()),
        }
    }

    pub(super) fn server_name_agrees(&self, authority: &[u8], server_name: Option<&[u8]>) -> bool {
        let host = |text: &[u8]| host_of(&String::from_utf8_lossy(text));
        if !self.has_tenants() {
            return true;
        }
        let Some(authority) = host(authority) else { return false };
        let by_name = match server_name.map(host) {
            // RFC 6066 §3 has no literal addresses, and Java sends no name without a dot.
            None if !authority.contains('.') || authority.starts_with('[') || authority.parse::<Ipv4Addr>().is_ok() => {
                return true;
            }
            None => None,
            Some(Some(name)) => self.tenant_of(&name),
            Some(None) => return false,
        };
        match (self.tenant_of(&authority), by_name) {
            (Some(one), Some(other)) => Rc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }

    fn has_tenants(&self) -> bool {
        !self.exact.is_empty() || !self.suffixes.is_empty()
    }

    /// The policy of the tenant that names `host`, in lower case.
    fn tenant_of(&self, host: &str) -> Option<&Rc<Policy>> {
        let by_suffix = || {
            let is_below = |suffix: &str| host.strip_suffix(suffix).is_some_and(|label| !label.is_empty());
            let below = self.suffixes.iter().filter(|(suffix, _)| is_below(suffix));
            below.max_by_key(|(suffix, _)| suffix.len()).map(|(_, policy)| policy)
        };
        self.exact.get(host).or_else(by_suffix)
    }
}

fn unknown(handling: Handling, endpoints: Option<Endpoints>) -> HostPolicy {
    HostPolicy::UnknownTenant(Rc::new(UnknownTenant { handling, endpoints }))
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
    is_host(host).then(|| canonical(host))
}

/// A host in lower case, and an IPv6 address in its one form (RFC 5952).
fn canonical(host: &str) -> String {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).and_then(|text| text.parse::<Ipv6Addr>().ok());
    address.map_or_else(|| host.to_ascii_lowercase(), |address| format!("[{address}]"))
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
    let name = canonical(name);
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
            ("[2001:DB8:0::0001]:443", Some("[2001:db8::1]")),
            ("[::ffff:c000:201]", Some("[::ffff:192.0.2.1]")),
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
