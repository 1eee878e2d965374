//! Several tenants behind one filter: the policy is chosen by `:authority`.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::{Mode, Policy, TenantPolicy};

/// Policies by host, and the policy for every other host.
#[derive(Clone, Debug)]
pub(crate) struct Tenants {
    /// By lower-case host.
    exact: HashMap<Box<str>, Arc<Policy>>,
    /// By lower-case suffix with its leading dot.
    suffixes: Vec<(Box<str>, Arc<Policy>)>,
    /// For hosts that no tenant names.
    other: TenantPolicy,
    /// For an `:authority` that is no host.
    unreadable: TenantPolicy,
    /// [`super::Configuration::mode_of_all`].
    mode_of_all: Mode,
}

/// An entry of `hosts`, in lower case.
pub(crate) enum HostPattern {
    Exact(Box<str>),
    Suffix(Box<str>),
}

impl HostPattern {
    /// Reads a host without port, or `*.` and a name, which stands for all hosts below that name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (is_suffix, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        if !is_host(name) || (is_suffix && name.starts_with('[')) {
            return None;
        }
        let name = canonical(name);
        Some(if is_suffix {
            Self::Suffix(format!(".{name}").into())
        } else {
            Self::Exact(name.into())
        })
    }

    /// The entry as text, in lower case.
    pub(crate) fn name(&self) -> Arc<str> {
        match self {
            Self::Exact(host) => host.as_ref().into(),
            Self::Suffix(suffix) => format!("*{suffix}").into(),
        }
    }
}

impl Tenants {
    /// Without tenants: `other` is the policy for every host.
    pub(crate) fn new(other: TenantPolicy) -> Self {
        let mode_of_all = other.common().mode;
        Self {
            exact: HashMap::new(),
            suffixes: Vec::new(),
            unreadable: other.clone(),
            other,
            mode_of_all,
        }
    }

    /// Adds a host of a tenant. Returns whether it is new.
    pub(crate) fn add(&mut self, host: HostPattern, policy: &Arc<Policy>) -> bool {
        match host {
            HostPattern::Exact(host) => self.exact.insert(host, policy.clone()).is_none(),
            HostPattern::Suffix(suffix) => {
                let is_new = self.suffixes.iter().all(|(other, _)| *other != suffix);
                self.suffixes.push((suffix, policy.clone()));
                is_new
            }
        }
    }

    /// The same tenants with this `mode_of_all`, and the policy for an `:authority` that is no
    /// host.
    pub(crate) fn with_unreadable(self, mode_of_all: Mode, unreadable: TenantPolicy) -> Self {
        Self { mode_of_all, unreadable, ..self }
    }

    /// Every policy, once for each of its hosts.
    pub(crate) fn policies(&self) -> impl Iterator<Item = &Policy> {
        let other = if let TenantPolicy::Known(policy) = &self.other { Some(policy) } else { None };
        let policies =
            self.exact.values().chain(self.suffixes.iter().map(|(_, policy)| policy)).chain(other);
        policies.map(Arc::as_ref)
    }

    pub(crate) fn mode_of_all(&self) -> Mode {
        self.mode_of_all
    }

    pub(crate) fn policy_for(&self, authority: &[u8]) -> TenantPolicy {
        // Nearly every filter has no tenants.
        if !self.has_tenants() {
            return self.other.clone();
        }
        match host_of(&String::from_utf8_lossy(authority)).map(|host| self.tenant_of(&host)) {
            None => self.unreadable.clone(),
            Some(None) => self.other.clone(),
            Some(Some(policy)) => TenantPolicy::Known(policy.clone()),
        }
    }

    pub(crate) fn server_name_agrees(&self, authority: &[u8], server_name: Option<&[u8]>) -> bool {
        let host = |text: &[u8]| host_of(&String::from_utf8_lossy(text));
        if !self.has_tenants() {
            return true;
        }
        let Some(authority) = host(authority) else { return false };
        let by_name = match server_name.map(host) {
            // RFC 6066 §3 allows no literal addresses, and Java sends no name without a dot.
            None if !authority.contains('.')
                || authority.starts_with('[')
                || authority.parse::<Ipv4Addr>().is_ok() =>
            {
                return true;
            }
            None => None,
            Some(Some(name)) => self.tenant_of(&name),
            Some(None) => return false,
        };
        match (self.tenant_of(&authority), by_name) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }

    fn has_tenants(&self) -> bool {
        !self.exact.is_empty() || !self.suffixes.is_empty()
    }

    /// The policy of the tenant that names `host`, which is in lower case.
    fn tenant_of(&self, host: &str) -> Option<&Arc<Policy>> {
        let by_suffix = || {
            let is_below =
                |suffix: &str| host.strip_suffix(suffix).is_some_and(|label| !label.is_empty());
            let below = self.suffixes.iter().filter(|(suffix, _)| is_below(suffix));
            below.max_by_key(|(suffix, _)| suffix.len()).map(|(_, policy)| policy)
        };
        self.exact.get(host).or_else(by_suffix)
    }
}

/// The host of `:authority` in lower case, without port and final dot; `None` = it is no host, or
/// has user information (RFC 9110 §4.2.4).
fn host_of(authority: &str) -> Option<String> {
    let is_port = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let host = match authority.rsplit_once(':') {
        // The last colon of an IPv6 literal without port is inside the brackets.
        Some((host, port)) if is_port(port) && (!host.starts_with('[') || host.ends_with(']')) => {
            host
        }
        _ => authority,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    is_host(host).then(|| canonical(host))
}

/// A host in lower case, and an IPv6 address in the form of RFC 5952.
fn canonical(host: &str) -> String {
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .and_then(|text| text.parse::<Ipv6Addr>().ok());
    address.map_or_else(|| host.to_ascii_lowercase(), |address| format!("[{address}]"))
}

/// A host name or an IPv6 literal in brackets.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => text.split('.').all(is_label),
    }
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
