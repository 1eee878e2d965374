//! The connections of clients, in the graph of any format.

use super::{Requirement, is_behind_a_proxy};
use crate::arguments::ProfileArgument;
use crate::lint::endpoints::LintedConfig;
use crate::lint::finding::{Finding, Severity};
use crate::lint::graph::{ChainTls, FilterChain, Graph, Remark, TlsParameters, TlsVersion};
use crate::lint::located::Place;

/// The names of one cipher suite: of OpenSSL, and of IANA.
type CipherSuite = (&'static str, &'static str);

/// FAPI 1.0 Advanced §8.5-1.
const OF_FAPI_1: [CipherSuite; 4] = [
    ("ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    ("DHE-RSA-AES128-GCM-SHA256", "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("DHE-RSA-AES256-GCM-SHA384", "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
];
/// BCP 195: RFC 9325 §4.2.
const OF_BCP_195: [CipherSuite; 4] = [
    ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    ("ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
];

/// The findings of the chains with this filter.
pub fn findings(
    graph: &Graph,
    configs: &[Option<LintedConfig>],
    profile: ProfileArgument,
) -> Vec<Remark> {
    let chains = graph.chains.iter().filter(|chain| chain.configs().next().is_some());
    chains.flat_map(|chain| of_chain(chain, configs, profile)).collect()
}

/// The note for a configuration without any listener in the files.
pub fn listener_not_visible(profile: ProfileArgument) -> Finding {
    Finding::note(None, format!("not visible: {} of the listener", what(profile))).at("")
}

/// What the profile asks of connections, with the clauses.
fn what(profile: ProfileArgument) -> String {
    format!(
        "the TLS versions and cipher suites ({}; {})",
        Requirement::TlsVersion.clause(profile),
        Requirement::CipherSuites.clause(profile)
    )
}

fn of_chain(
    chain: &FilterChain,
    configs: &[Option<LintedConfig>],
    profile: ProfileArgument,
) -> Vec<Remark> {
    let remark = |place: &Place, severity: Severity, message: String| Remark {
        place: place.clone(),
        severity,
        message,
    };
    let title = &chain.title;
    let own = chain.configs().filter_map(|number| configs.get(number)?.as_ref());
    let is_behind = own.into_iter().any(|config| is_behind_a_proxy(config.configuration()));
    match &chain.tls {
        _ if is_behind => {
            let message = format!(
                "not visible: {} of the proxy in front, which has the connections of clients",
                what(profile)
            );
            vec![remark(&chain.place, Severity::Note, message)]
        }
        ChainTls::Unseen(place) => {
            let message = format!("not visible: {} of {title}", what(profile));
            vec![remark(place, Severity::Note, message)]
        }
        ChainTls::Plain(place) => {
            let clause = Requirement::Encryption.clause(profile);
            let message =
                format!("{clause}: {title} has no TLS, and the filter serves clients there");
            vec![remark(place, Severity::Error, message)]
        }
        ChainTls::Tls(parameters) => {
            let found = version(parameters, title, profile)
                .into_iter()
                .chain(cipher_suites(parameters, title, profile));
            found.map(|(severity, message)| remark(&parameters.place, severity, message)).collect()
        }
    }
}

fn version(
    parameters: &TlsParameters,
    title: &str,
    profile: ProfileArgument,
) -> Option<(Severity, String)> {
    let is_old = parameters.minimum.is_some_and(|version| version < TlsVersion::V1_2);
    let clause = Requirement::TlsVersion.clause(profile);
    is_old.then(|| {
        let message =
            format!("{clause}: {title} accepts TLS below 1.2: set the minimum version to 1.2");
        (Severity::Error, message)
    })
}

fn cipher_suites(
    parameters: &TlsParameters,
    title: &str,
    profile: ProfileArgument,
) -> Option<(Severity, String)> {
    // Those of TLS 1.3 are no subject of either profile.
    let negotiates_old = parameters.minimum != Some(TlsVersion::V1_3)
        && parameters.maximum.is_none_or(|version| version >= TlsVersion::V1_2);
    if !negotiates_old {
        return None;
    }
    let permitted = match profile {
        ProfileArgument::Fapi1Advanced => OF_FAPI_1,
        ProfileArgument::Fapi2 => OF_BCP_195,
    };
    let clause = Requirement::CipherSuites.clause(profile);
    // Envoy's TLS library has no suite of finite fields.
    let usable: Vec<&str> =
        permitted.iter().map(|(name, _)| *name).filter(|name| !name.starts_with("DHE")).collect();
    let fix =
        format!("set the cipher suites to {}, or the minimum version to 1.3", usable.join(", "));
    let Some(configured) = &parameters.cipher_suites else {
        // Without FIPS, Envoy's own list has ChaCha20-Poly1305.
        let (severity, unless) = match profile {
            ProfileArgument::Fapi1Advanced => (Severity::Error, ""),
            ProfileArgument::Fapi2 => (Severity::Doubtful, ", unless Envoy is a FIPS build"),
        };
        let message = format!(
            "{clause}: {title} has Envoy's own cipher suites for TLS 1.2, of which some are not \
             permitted{unless}: {fix}"
        );
        return Some((severity, message));
    };
    // A list in brackets is a group of equal preference.
    let names = configured.iter().flat_map(|entry| entry.split(['[', ']', '|', ':', ' ']));
    let refused: Vec<&str> = names
        .filter(|name| !name.is_empty())
        .filter(|name| !permitted.iter().any(|(own, iana)| name == own || name == iana))
        .collect();
    (!refused.is_empty()).then(|| {
        let message = format!(
            "{clause}: {title} has cipher suites that are not permitted for TLS 1.2, {}: {fix}",
            refused.join(", ")
        );
        (Severity::Error, message)
    })
}
