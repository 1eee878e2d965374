//! What a gateway must do with the connections of clients, so that the configuration has its
//! meaning: above all a ClientTrafficPolicy of Envoy Gateway.

use tls_client_auth::inspect::{Chain, Policy, Source};

use super::Rules;
use crate::lint::graph::{ClientCertificates, FilterChain};
use crate::lint::listener::{ANSWER, reads_answers, short_of_answers};

impl Rules<'_> {
    /// The policies of the configurations in a chain.
    fn policies(&self, chain: &FilterChain) -> Vec<&Policy> {
        let configs = chain.configs().filter_map(|number| self.configs.get(number)?.as_ref());
        configs.flat_map(|config| config.configuration().policies()).collect()
    }

    /// Certificates that a gateway lets in and that nothing verifies then.
    pub(super) fn of_untrusted(&self, chain: &FilterChain) {
        let trusts = |policy: &&Policy| policy.common.peer_certificate.chain == Chain::Listener;
        if !self.policies(chain).iter().any(trusts) {
            return;
        }
        for (place, what) in &chain.lets_untrusted {
            let message = format!(
                "{what} lets every certificate in, and chain \"listener\" trusts the listener: set \
                 chain \"connection\""
            );
            self.add(place, true, message.clone(), message);
        }
    }

    pub(super) fn of_client_traffic(&self, chain: &FilterChain) {
        let Some(traffic) = &chain.client_traffic else { return };
        let policies = self.policies(chain);
        let has = |is: &dyn Fn(&Policy) -> bool| policies.iter().any(|policy| is(policy));
        let trusts = |wanted: Chain| has(&|policy| policy.common.peer_certificate.chain == wanted);
        let add = |place, is_error, message: &str| {
            self.add(place, is_error, message.to_owned(), message.to_owned());
        };
        let reads_connection =
            has(&|policy| policy.common.peer_certificate.source == Source::Connection);
        match &traffic.certificates {
            ClientCertificates::NotAsked if reads_connection => add(
                &traffic.place,
                false,
                "without tls.clientValidation clients are asked for no certificate, and each is \
                 refused",
            ),
            ClientCertificates::NotAsked | ClientCertificates::Unseen => {}
            ClientCertificates::Asked(validation) => match &validation.lenient_mode {
                Some(mode) if trusts(Chain::Listener) => add(
                    &validation.place,
                    true,
                    &format!(
                        "mode {mode} lets every certificate in, and chain \"listener\" trusts the \
                         listener: set chain \"connection\", or leave the mode out"
                    ),
                ),
                _ if !validation.has_authorities && trusts(Chain::Listener) => add(
                    &validation.place,
                    true,
                    "without caCertificateRefs the listener verifies no certificate, and chain \
                     \"listener\" trusts the listener; anyone can make a certificate with a \
                     client's name and be that client",
                ),
                _ if !validation.has_authorities => add(
                    &validation.place,
                    false,
                    "without caCertificateRefs no chain is ever verified, and every \
                     tls_client_auth client is refused",
                ),
                _ => {}
            },
        }
        if let Some(place) = traffic.resumption.as_ref().filter(|_| trusts(Chain::Connection)) {
            let message = "resumed sessions count as unverified, so valid clients are refused at \
                times: leave tls.session.resumption out";
            add(place, false, message);
        }
        let reads_header = has(&|policy| policy.common.peer_certificate.source.reads_xfcc());
        let mode = traffic.forwarded_header.as_ref();
        if reads_header && mode.is_none_or(|(mode, _)| mode == "Sanitize") {
            let place = mode.map_or(&traffic.place, |(_, place)| place);
            let message = "headers.xForwardedClientCert.mode Sanitize, the default, removes \
                x-forwarded-client-cert before the filter reads it, and every client is refused";
            add(place, true, message);
        }
        let longest = policies.iter().map(|policy| policy.max_body_bytes as u64).max();
        let longest = longest.unwrap_or_default();
        let reads_answers = has(&reads_answers);
        let limits = [
            ("connection.bufferLimit", &traffic.buffer_limit, longest + 1),
            (
                "http2.initialStreamWindowSize, the limit for HTTP/2,",
                &traffic.stream_window,
                longest,
            ),
        ];
        for (name, limit, wanted) in limits {
            let Some(limit) = limit else { continue };
            let unset = if limit.is_default {
                format!(" by default ({} octets)", limit.octets)
            } else {
                String::new()
            };
            let mend = |octets: u64| {
                let member = name.split([',', '.']).nth(1).unwrap_or(name);
                format!("set {member}: {}Ki", octets.next_power_of_two() >> 10)
            };
            if limit.octets < wanted {
                let than = if wanted > longest { "not above" } else { "below" };
                let message = format!(
                    "{name} is {than} max_body_bytes{unset}: Envoy's own 413 comes before the \
                     filter's; {}",
                    mend(longest + 1)
                );
                add(&limit.place, false, &message);
            }
            if reads_answers && limit.octets < ANSWER {
                let message =
                    format!("{}; {}", short_of_answers(&format!("{name}{unset}")), mend(ANSWER));
                add(&limit.place, false, &message);
            }
        }
    }
}
