//! What resources (contract §10) need of `jwt_authn` in the same filter chain.

use super::Rules;
use crate::lint::graph::{Filter, FilterChain, FilterRole, TokenProvider};

impl Rules<'_> {
    /// The tokens of resources that `jwt` verifies.
    pub(super) fn of_resources(&self, chain: &FilterChain) {
        // Only a whole chain shows what is not in it.
        if chain.filters.iter().all(|filter| filter.role != FilterRole::Router) {
            return;
        }
        for (index, filter) in chain.filters.iter().enumerate() {
            let Some(number) = filter.role.config() else { continue };
            let Some(Some(config)) = self.configs.get(number) else { continue };
            let before = chain.filters.get(..index).unwrap_or_default();
            for (metadata, header) in config.verified_payloads() {
                self.of_payload(filter, before, &metadata, &header);
            }
        }
    }

    /// What is wrong with the filters before this one, of which one must leave these.
    fn of_payload(&self, own: &Filter, before: &[Filter], metadata: &str, header: &str) {
        let error = |key: &str, message: String| {
            self.add(&own.place, true, format!("{key} {metadata} {header}"), message);
        };
        let verifying = before.iter().filter(|filter| !filter.is_disabled);
        let mut has_filter = false;
        let mut providers: Vec<&TokenProvider> = Vec::new();
        for filter in verifying {
            if let FilterRole::VerifiesTokens(of_filter) = &filter.role {
                has_filter = true;
                providers.extend(of_filter);
            }
        }
        if !has_filter {
            let message = "bound_tokens has resources with jwt, and no jwt_authn is before the \
                           filter in this chain: every token there is token_unverified; put \
                           jwt_authn before it";
            return error("jwt_authn", message.to_owned());
        }
        let leaves = |provider: &&&TokenProvider| {
            provider.metadata.as_deref() == Some(metadata)
                && provider
                    .payload_header
                    .as_ref()
                    .is_some_and(|name| name.eq_ignore_ascii_case(header))
        };
        let mut found = false;
        for provider in providers.iter().filter(leaves) {
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
    }
}
