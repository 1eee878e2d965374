//! Operations of an EnvoyPatchPolicy, and where this filter is in gateways of Envoy Gateway.

use std::collections::BTreeSet;

use super::patch_path::{Step, of_pointer, steps};
use crate::lint::kubernetes::resource::Resource;
use crate::lint::located::{At, ConfigPlaces};

/// What an operation does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing that concerns this filter, or what others say.
    None,
    Doubtful(String),
    Error(String),
}

impl Effect {
    pub fn doubtful(message: impl Into<String>) -> Self {
        Self::Doubtful(message.into())
    }
}

/// An operation of a patch.
pub struct Operation<'a> {
    pub policy: Resource<'a>,
    pub patch: At<'a>,
    pub at: At<'a>,
    /// Its number in its policy.
    number: usize,
    pub steps: Vec<Step>,
}

impl<'a> Operation<'a> {
    /// All of a policy.
    pub fn of(policy: Resource<'a>) -> Vec<Self> {
        let patches = policy.list("jsonPatches").enumerate();
        let each = patches.filter_map(|(number, patch)| {
            let at = patch.member("operation")?;
            Some(Self { policy, patch, at, number, steps: steps(at) })
        });
        each.collect()
    }

    pub fn op(&self) -> &'a str {
        self.at.text_of("op").unwrap_or_default()
    }

    /// What it puts there.
    pub fn value(&self) -> Option<At<'a>> {
        self.at.member("value").filter(|_| ["add", "replace"].contains(&self.op()))
    }

    /// The kind of the resource of Envoy, as `Listener`.
    pub fn kind(&self) -> &'a str {
        self.patch.text_of("type").unwrap_or_default().rsplit('.').next().unwrap_or_default()
    }

    /// Which HTTP filter of a listener it acts on or within; none: the list of them, or no filter.
    pub fn http_filter(&self) -> Option<&Step> {
        let at = self.steps.iter().position(|step| step.is("http_filters"))?;
        self.steps.get(at + 1)
    }

    /// The name of the resource of Envoy.
    pub fn name(&self) -> &'a str {
        self.patch.text_of("name").unwrap_or_default()
    }

    /// Where `move` and `copy` take it from.
    pub fn from(&self) -> Option<Vec<Step>> {
        self.at.text_of("from").map(of_pointer)
    }

    /// The order in which Envoy Gateway applies operations, as far as the files say it.
    fn priority(&self) -> i64 {
        let priority = self.policy.spec().and_then(|spec| spec.member("priority"));
        priority.and_then(|at| at.node.to_json().as_i64()).unwrap_or_default()
    }

    pub fn is_surely_after(&self, other: &Self) -> bool {
        let policy = |one: &Self| (one.policy.namespace, one.policy.name);
        if policy(self) == policy(other) {
            return self.number > other.number;
        }
        self.priority() > other.priority()
    }
}

/// Whether a patch is for proxies of a Gateway.
pub fn is_for(policy: Resource<'_>, namespace: &str, gateway: &str) -> bool {
    let target = policy.spec().and_then(|spec| spec.member("targetRef"));
    target.is_none_or(|target| {
        target.text_of("kind") != Some("Gateway")
            || (target.text_of("name"), policy.namespace) == (Some(gateway), namespace)
    })
}

/// This filter where the files put it into gateways of Envoy Gateway.
#[derive(Default)]
pub struct Gated<'a> {
    /// Its names: of the filter, of the plugin, of the policy.
    pub names: BTreeSet<&'a str>,
    /// Namespace and name of the gateways that have it.
    gateways: BTreeSet<(&'a str, &'a str)>,
    /// The listeners of Envoy that have it, and those that the files show without it.
    listeners: BTreeSet<String>,
    others: BTreeSet<String>,
}

impl<'a> Gated<'a> {
    pub fn of(
        resources: &[Resource<'a>],
        operations: &[Operation<'a>],
        configs: &ConfigPlaces,
    ) -> Self {
        let mut names = BTreeSet::new();
        for policy in resources.iter().filter(|one| one.kind == "EnvoyExtensionPolicy") {
            let ours = policy.list("wasm").filter(|wasm| configs.at(*wasm).is_some());
            let ours: Vec<At<'a>> = ours.collect();
            if !ours.is_empty() {
                names.extend(ours.iter().filter_map(|wasm| wasm.text_of("name")));
                names.insert(policy.name);
            }
        }
        let added = operations.iter().filter_map(|one| one.at.member("value"));
        for value in added.filter(|value| configs.within(*value).is_some()) {
            names.extend(value.text_of("name"));
            let config = value.path(&["typed_config", "config"]);
            names.extend(config.and_then(|config| config.text_of("name")));
        }
        Self { names, ..Self::default() }
    }

    /// A listener of a gateway, by its names in Envoy.
    pub fn add(&mut self, gateway: Resource<'a>, names: &[String], has_filter: bool) {
        if has_filter {
            self.gateways.insert((gateway.namespace, gateway.name));
            self.listeners.extend(names.iter().cloned());
        } else {
            self.others.extend(names.iter().cloned());
        }
    }

    /// Whether an operation may change what requests meet that are to pass the filter.
    pub fn is_near(&self, operation: &Operation<'_>) -> bool {
        let is_target = self.gateways.is_empty()
            || self.gateways.iter().any(|(space, name)| is_for(operation.policy, space, name));
        let is_other =
            self.others.contains(operation.name()) && !self.listeners.contains(operation.name());
        is_target && !is_other
    }

    /// Whether the files have the filter for Envoy Gateway, or some gateway has it.
    pub fn is_anywhere(&self) -> bool {
        !self.names.is_empty() || !self.gateways.is_empty()
    }

    /// Whether a listener of this name has the filter.
    pub fn has(&self, listener: &str) -> bool {
        self.listeners.contains(listener)
    }

    /// Whether an HTTP filter of this name in Envoy is this one.
    pub fn is_ours(&self, name: &str) -> bool {
        self.names.contains(name)
            // As Envoy Gateway names the filters of an EnvoyExtensionPolicy.
            || name.split('/').any(|part| self.names.contains(part))
    }

    /// Whether it is for sure another one that a step chooses.
    pub fn is_another(&self, step: &Step) -> bool {
        matches!(step, Step::Named(name) if !self.is_ours(name))
    }
}
