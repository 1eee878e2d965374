//! What resources (contract §10) need of `jwt_authn` in the same filter chain.

use super::Rules;
use crate::lint::endpoints::{LintedConfig, VerifiedResources};
use crate::lint::graph::{
    Filter, FilterChain, FilterRole, TokenProvider, TokenRule, TokenVerification,
};
use crate::lint::paths::{Answer, samples};

impl Rules<'_> {
    /// The tokens of resources that `jwt` verifies.
    pub(super) fn of_resources(&self, chain: &FilterChain) {
        // Only a whole chain shows what is not in it.
        let is_whole = chain.filters.iter().any(|filter| filter.role == FilterRole::Router);
        if !is_whole && !self.graph.hides_filters {
            return;
        }
        for (index, filter) in chain.filters.iter().enumerate() {
            let Some(number) = filter.role.config() else { continue };
            let Some(Some(config)) = self.configs.get(number) else { continue };
            let before = chain.filters.get(..index).unwrap_or_default();
            let verifies = |filter: &Filter| {
                matches!(filter.role, FilterRole::VerifiesTokens(_)) && !filter.is_unordered
            };
            if !is_whole && !before.iter().any(verifies) {
                self.of_hidden(filter, config);
                continue;
            }
            for resources in config.verified_resources() {
                self.of_verified(filter, before, &resources);
            }
        }
    }

    /// Where a control plane puts `jwt_authn` is not in the files.
    fn of_hidden(&self, own: &Filter, config: &LintedConfig) {
        if config.verified_resources().is_empty() {
            return;
        }
        let message = "lint cannot follow where jwt_authn stands here: bound_tokens.jwt needs it \
                       before this filter, and INSERT_FIRST, the path \"0\" and the phase AUTHN \
                       put this filter first, so that every token is token_unverified; put the \
                       filter behind jwt_authn";
        self.add(&own.place, false, "jwt_authn".to_owned(), message.to_owned());
    }

    /// What is wrong with the filters before this one, of which one must verify the tokens of these
    /// resources.
    fn of_verified(&self, own: &Filter, before: &[Filter], resources: &VerifiedResources) {
        let VerifiedResources { metadata, header, .. } = resources;
        let error = |key: &str, message: String| {
            self.add(&own.place, true, format!("{key} {metadata} {header}"), message);
        };
        let verifying = before.iter().filter(|filter| !filter.is_disabled);
        let verifications: Vec<&TokenVerification> = verifying
            .filter_map(|filter| match &filter.role {
                FilterRole::VerifiesTokens(verification) => Some(verification),
                _ => None,
            })
            .collect();
        if verifications.is_empty() {
            let message = "bound_tokens has resources with jwt, and no jwt_authn is before the \
                           filter in this chain: every token there is token_unverified; put \
                           jwt_authn before it";
            return error("jwt_authn", message.to_owned());
        }
        let leaves = |provider: &&TokenProvider| {
            provider.metadata.as_ref() == Some(metadata) && provider.forwards_in(header)
        };
        let mut found = false;
        let providers = verifications.iter().flat_map(|all| &all.providers);
        for provider in providers.filter(leaves) {
            found = true;
            if !provider.keeps_token {
                let message = "jwt_authn takes the token off the request, so that every request \
                               to a resource is token_missing: set forward: true";
                self.add(&provider.place, true, "forward".to_owned(), message.to_owned());
            }
            if !provider.reads_bearer_alone {
                let message = "jwt_authn finds tokens in other places than Authorization, where a \
                               thief can put a poor but valid one beside a stolen one: set \
                               from_headers with name: authorization and value_prefix: \"Bearer \" \
                               as the only source";
                self.add(&provider.place, true, "sources".to_owned(), message.to_owned());
            }
        }
        if !found {
            let message = format!(
                "no provider of jwt_authn before the filter has payload_in_metadata: {metadata} \
                 and forward_payload_header: {header}, as bound_tokens.jwt has them: every token \
                 at a resource is token_unverified"
            );
            error("provider", message);
        }
        for verification in verifications {
            if found {
                self.of_overwriting(verification, resources);
            }
            let names: Vec<&str> = verification
                .providers
                .iter()
                .filter(leaves)
                .map(|provider| provider.name.as_str())
                .collect();
            if !names.is_empty() {
                self.of_rules(own, &verification.rules, &names, resources);
            }
        }
    }

    /// The providers that leave the claims of another token in the place of those of the token in
    /// `Authorization`, of which this filter then reads the wrong `cnf`.
    fn of_overwriting(&self, verification: &TokenVerification, resources: &VerifiedResources) {
        let VerifiedResources { metadata, header, patterns, .. } = resources;
        let overwrites = |provider: &&TokenProvider| {
            provider.metadata.as_ref() == Some(metadata) && !provider.forwards_in(header)
        };
        for provider in verification.providers.iter().filter(overwrites) {
            let verifies = |rule: &&TokenRule| rule.has_verified_by(&[&provider.name]);
            let is_resource = |rule: &TokenRule| {
                let mut paths = patterns.iter().flat_map(|pattern| samples(pattern, ""));
                paths.any(|path| rule.paths.takes(&path) != Answer::No)
            };
            if verification.rules.iter().filter(verifies).any(is_resource) {
                let message = format!(
                    "this provider has payload_in_metadata: {metadata} too, and not \
                     forward_payload_header: {header}: a thief who adds a token of his own that it \
                     verifies has its cnf compared in place of that of the stolen token; give it \
                     another payload_in_metadata"
                );
                self.add(&provider.place, true, format!("overwrites {metadata}"), message);
            }
        }
    }

    /// The rules of `jwt_authn`, of which one must have a token of each resource verified by one of
    /// the providers with these names.
    fn of_rules(
        &self,
        own: &Filter,
        rules: &[TokenRule],
        names: &[&str],
        resources: &VerifiedResources,
    ) {
        for pattern in &resources.patterns {
            // The path itself, and one below it.
            for path in samples(pattern, "") {
                let mut taking = rules.iter().filter(|rule| rule.paths.takes(&path) != Answer::No);
                let Some(rule) = taking.next() else {
                    let message = format!(
                        "no rule of jwt_authn takes {path}, which is a resource: every token there \
                         is token_unverified; add a rule with match and requires"
                    );
                    self.add(&own.place, true, format!("rule {pattern}"), message);
                    break;
                };
                // Whether it is this one depends on more than the path.
                if rule.is_conditional || rule.paths.takes(&path) != Answer::Yes {
                    break;
                }
                if !rule.has_verified_by(names) {
                    let message = format!(
                        "this rule takes {path}, which is a resource, and has no token verified by \
                         {}: every token there is token_unverified; name it in requires",
                        names.join(" or ")
                    );
                    self.add(&rule.place, true, format!("requires {pattern}"), message);
                    break;
                }
                let lets_failed = rule.requires.as_ref().is_some_and(|all| all.lets_failed);
                if resources.are_introspected && !lets_failed {
                    let message = "jwt_authn answers what it cannot verify itself, so that no \
                                   opaque token is asked about at introspection: require any of \
                                   the provider and allow_missing_or_failed";
                    self.add(&rule.place, true, format!("failed {pattern}"), message.to_owned());
                    break;
                }
            }
        }
    }
}
