//! What a profile of OAuth asks of the listener and of the settings, as far as the files show it.
//!
//! - Financial-grade API Security Profile 1.0, Part 1: Baseline and Part 2: Advanced (2021).
//! - FAPI 2.0 Security Profile (2025).

mod connections;
mod keys;
mod settings;

use tls_client_auth::Configuration;

pub use self::connections::{findings as of_graph, listener_not_visible};
pub use self::settings::findings as of_configuration;
use crate::arguments::ProfileArgument;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Requirement {
    Encryption,
    TlsVersion,
    CipherSuites,
    ClientAuthentication,
    ConfidentialClients,
    SenderConstrainedTokens,
    PushedRequests,
    KeyLength,
}

impl Requirement {
    /// Where the profile asks it.
    fn clause(self, profile: ProfileArgument) -> &'static str {
        match (profile, self) {
            (ProfileArgument::Fapi1Advanced, requirement) => match requirement {
                Self::Encryption => "FAPI 1.0 Advanced §8.5",
                Self::TlsVersion => "FAPI 1.0 Baseline §7.1-1",
                Self::CipherSuites => "FAPI 1.0 Advanced §8.5-1",
                Self::ClientAuthentication => "FAPI 1.0 Advanced §5.2.2-14",
                Self::ConfidentialClients => "FAPI 1.0 Advanced §5.2.2-16",
                Self::SenderConstrainedTokens => "FAPI 1.0 Advanced §5.2.2-5 and -6",
                Self::PushedRequests => "FAPI 1.0 Advanced §5.2.2-11",
                Self::KeyLength => "FAPI 1.0 Baseline §5.2.2-5 and -6",
            },
            (ProfileArgument::Fapi2, requirement) => match requirement {
                Self::Encryption => "FAPI 2.0 §5.2.1-1",
                Self::TlsVersion => "FAPI 2.0 §5.2.1-2",
                Self::CipherSuites => "FAPI 2.0 §5.2.2-1",
                Self::ClientAuthentication => "FAPI 2.0 §5.3.2.1-6",
                Self::ConfidentialClients => "FAPI 2.0 §5.3.2.1-3",
                Self::SenderConstrainedTokens => "FAPI 2.0 §5.3.2.1-4 and -5",
                Self::PushedRequests => "FAPI 2.0 §5.3.2.2-2 to -4",
                Self::KeyLength => "FAPI 2.0 §5.4.1-2 and -3",
            },
        }
    }
}

/// Whether the certificates of clients come in a header, so that a proxy in front has the TLS
/// connections of clients.
fn is_behind_a_proxy(configuration: &Configuration) -> bool {
    configuration.policies().all(|policy| policy.common.peer_certificate.source.header().is_some())
}
