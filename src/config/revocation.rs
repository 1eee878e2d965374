//! The members `crl` and `ocsp` (contract §9).

use std::sync::Arc;

use super::PolicyMembers;
use super::registry::{check_path, duration, identity, required};
use super::revoked::issuer_name;
use crate::json::{Json, JsonError, Members, one_of};
use crate::limits;
use crate::registration::ListedHosts;
use crate::revocation::{CrlSource, Issuers, OcspSource, OnUnavailable, RevocationSources};
use crate::sort::sort;

const ON_UNAVAILABLE: [(&str, OnUnavailable); 2] =
    [("reject", OnUnavailable::Reject), ("allow", OnUnavailable::Allow)];

impl RevocationSources {
    /// Reads both members of the top level; `None` = both are absent. `policies` = the members of
    /// the top level and of each tenant.
    ///
    /// # Errors
    /// The pointer is relative to the configuration.
    #[inline(never)]
    pub(super) fn read<'a>(
        members: &mut Members<'_>,
        policies: impl Iterator<Item = &'a PolicyMembers>,
    ) -> Result<Option<Arc<Self>>, JsonError> {
        let authorities = policies
            .flat_map(|policy| policy.trust_anchors.iter().chain(&policy.intermediates).flatten());
        let issuers = Issuers::new(authorities);
        let with_issuers = |json| {
            if issuers.is_empty() {
                return Err(JsonError::expected(
                    "trust_anchors or intermediates beside this member: the issuers whose \
                     signatures of lists and answers count",
                ));
            }
            Ok(json)
        };
        let digest = issuers.digest().to_hex();
        let crls = members.read("crl", |json| {
            with_issuers(json)?.some_elements("at least one CRL", |json| crl(json, &digest))
        })?;
        let ocsp = members.read("ocsp", |json| ocsp(with_issuers(json)?))?;
        if crls.is_none() && ocsp.is_none() {
            return Ok(None);
        }
        let crls = crls.unwrap_or_default();
        Ok(Some(Arc::new(Self { crls, ocsp, issuers: Arc::new(issuers) })))
    }
}

/// An entry of `crl`. `issuers` = a digest of the anchors and intermediates.
fn crl(json: &Json, issuers: &str) -> Result<Arc<CrlSource>, JsonError> {
    let mut members = Members::of(json, "an object")?;
    let cluster = required(&mut members, "cluster", "the name of an Envoy cluster")?;
    let authority = required(&mut members, "authority", "a host, with its port if need be")?;
    let path = required(&mut members, "path", "a path")?;
    let refresh = members.read("refresh", duration)?.unwrap_or(limits::DEFAULT_CRL_REFRESH);
    let timeout = members.read("timeout", duration)?.unwrap_or(limits::DEFAULT_CRL_TIMEOUT);
    let on_unavailable = members.read("on_unavailable", one_of(&ON_UNAVAILABLE))?;
    let covered =
        members.read("issuers", |json| json.some_elements("at least one issuer", issuer_name))?;
    members.finish()?;
    if authority.contains(['/', '@', '?', '#']) {
        return Err(JsonError::expected("a host, with its port if need be, and nothing else")
            .within("authority"));
    }
    check_path(path, None).map_err(|error| error.within("path"))?;
    let covered = covered.unwrap_or_default();
    let mut names: Vec<String> = covered.iter().map(ToString::to_string).collect();
    sort(&mut names);
    Ok(Arc::new(CrlSource {
        identity: identity(&[cluster, authority, path, issuers, &names.join("\n")], &[]),
        cluster: cluster.into(),
        authority: authority.into(),
        path: path.into(),
        refresh,
        timeout,
        on_unavailable: on_unavailable.unwrap_or_default(),
        issuers: covered,
    }))
}

/// `ocsp`
fn ocsp(json: &Json) -> Result<Arc<OcspSource>, JsonError> {
    let mut members = Members::of(json, "an object")?;
    let cluster = required(&mut members, "cluster", "the name of an Envoy cluster")?;
    let hosts = members
        .read("hosts", |json| {
            json.some_elements("at least one host", super::key_sets::listed_host)
        })?
        .ok_or_else(|| JsonError::expected("the member hosts"))?;
    let timeout = members.read("timeout", duration)?.unwrap_or(limits::DEFAULT_OCSP_TIMEOUT);
    let max_age = members.read("max_age", duration)?.unwrap_or(limits::DEFAULT_OCSP_MAX_AGE);
    let on_unavailable = members.read("on_unavailable", one_of(&ON_UNAVAILABLE))?;
    members.finish()?;
    Ok(Arc::new(OcspSource {
        cluster: cluster.into(),
        hosts: ListedHosts::new(hosts),
        timeout,
        max_age,
        on_unavailable: on_unavailable.unwrap_or_default(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list that was fetched for other issuers is another one.
    #[test]
    fn what_is_fetched_has_an_identity() {
        let identity = |members: &str| {
            let text = format!(r#"{{"cluster": "c", "authority": "a", "path": "/"{members}}}"#);
            crl(&Json::parse(text.as_bytes()).unwrap(), "digest").unwrap().identity.clone()
        };
        assert_eq!(identity(""), identity(r#", "refresh": "5m", "on_unavailable": "allow""#));
        let both = identity(r#", "issuers": ["CN=a", "CN=b"]"#);
        assert_eq!(both, identity(r#", "issuers": ["CN=b", "CN=a"]"#));
        let one = identity(r#", "issuers": ["CN=a"]"#);
        assert!(one != both && one != identity("") && both != identity(""));
    }
}
