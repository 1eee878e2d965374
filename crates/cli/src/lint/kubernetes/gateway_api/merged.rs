//! Gateways that Envoy Gateway merges: `mergeGateways` of an EnvoyProxy.

use crate::lint::kubernetes::resource::Resource;
use crate::lint::located::At;

/// The EnvoyProxy that merges a gateway with others; not one that the files show to be that of
/// another class.
pub fn merging<'a>(resources: &[Resource<'a>], gateway: Resource<'_>) -> Option<Resource<'a>> {
    let class = gateway.spec()?.text_of("gatewayClassName")?;
    let is_it = |one: &&Resource<'_>| one.kind == "GatewayClass" && one.name == class;
    let class = resources.iter().find(is_it);
    let is_named = |proxy: &Resource<'_>| {
        class.is_none_or(|class| {
            let name = class.spec().and_then(|spec| spec.path(&["parametersRef", "name"]));
            name.and_then(At::text) == Some(proxy.name)
        })
    };
    let mut proxies = resources.iter().filter(|one| one.kind == "EnvoyProxy");
    let merges = |proxy: &&Resource<'_>| {
        proxy.spec().is_some_and(|spec| spec.is_true("mergeGateways")) && is_named(proxy)
    };
    proxies.find(merges).copied()
}

/// What an EnvoyPatchPolicy is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PatchTarget {
    /// One gateway.
    Gateway,
    /// All gateways of a class, which must be merged.
    Class,
}

impl PatchTarget {
    pub fn of(policy: Resource<'_>) -> Self {
        let target = policy.spec().and_then(|spec| spec.member("targetRef"));
        match target.and_then(|target| target.text_of("kind")) {
            Some("GatewayClass") => Self::Class,
            _ => Self::Gateway,
        }
    }
}

/// Whether Envoy Gateway leaves a policy out, as its gateway is merged with others.
pub fn is_left_out(resources: &[Resource<'_>], policy: Resource<'_>) -> bool {
    let target = policy.spec().and_then(|spec| spec.path(&["targetRef", "name"]));
    let is_it = |one: &&Resource<'_>| {
        one.kind == "Gateway"
            && one.namespace == policy.namespace
            && Some(one.name) == target.and_then(At::text)
    };
    PatchTarget::of(policy) == PatchTarget::Gateway
        && resources
            .iter()
            .find(is_it)
            .is_some_and(|gateway| merging(resources, *gateway).is_some())
}
