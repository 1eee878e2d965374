//! Hosts for which no tenant decides, on the way to the server of an endpoint.

use std::collections::BTreeSet;

use super::{Arrival, OrderedChain, Rules, cluster_key, printed};
use crate::lint::endpoints::LintedConfig;
use crate::lint::graph::{Cluster, Destination, Route};
use crate::lint::hosts::host_outside;

impl Rules<'_> {
    /// A way on which the filter runs: it must decide for each host that the route takes.
    pub(super) fn of_tenants(
        &self,
        chain: &OrderedChain<'_>,
        route: &Route,
        target: &Destination,
        configs: &[usize],
    ) {
        // Then the backend gets another host, which has its own rule.
        if target.host_rewrite.is_some() {
            return;
        }
        let running: Vec<&LintedConfig> =
            configs.iter().filter_map(|number| self.configs.get(*number)?.as_ref()).collect();
        let is_of_tenant = |host: &String| running.iter().any(|config| config.has_tenant_of(host));
        let outside = route.hosts.iter().map(|host| host_outside(host));
        let outside: BTreeSet<String> = outside.filter(|host| !is_of_tenant(host)).collect();
        let by_host = self.served(&target.cluster).filter(|endpoint| {
            !endpoint.hosts.iter().any(|host| host == "*")
                && configs.contains(&endpoint.config)
                && endpoint.may_come_by(route)
        });
        for endpoint in by_host {
            for host in &outside {
                let passes =
                    |sent: &str, _: &str| !running.iter().any(|config| config.gates(host, sent));
                let Some(Arrival { sent, arrives, is_sure }) =
                    self.arrival(chain, route, endpoint, passes)
                else {
                    continue;
                };
                let (what, member) = endpoint.words();
                let message = format!(
                    "POST {sent} for {host}, which no tenant has, passes undecided and arrives \
                     at {} as {arrives}, which is {what} for {}: have the route take the hosts of \
                     that tenant alone, or list it in {member} for all",
                    printed(&target.cluster),
                    endpoint.hosts.join(", ")
                );
                let is_error = is_sure && matches!(target.cluster, Cluster::Named(_));
                let key = format!("tenants {}", cluster_key(&target.cluster));
                self.add(&route.place, is_error, key, message);
            }
        }
    }
}
