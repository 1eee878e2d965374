//! What an operator can do about a refusal.

use tls_client_auth::host::RegistryFault;
use tls_client_auth::inspect::{
    MissingCertificate, NameDifference, NoTenant, SubjectMismatch, UnverifiedCertificate,
};
use tls_client_auth::{PeerCertificate, Rejection};

/// What would fix it. `certificate` = the one that the decision looked at.
pub(super) fn hint(rejection: &Rejection, certificate: Option<&PeerCertificate>) -> Option<String> {
    Some(match rejection {
        Rejection::SubjectMismatch(SubjectMismatch::DistinguishedName(difference)) => {
            let subject = certificate?.subject().ok()?;
            match difference {
                NameDifference::ReverseOrder => {
                    format!("the string is in reverse order: write {subject}")
                }
                _ => format!("if this is the client's certificate, register \"{subject}\""),
            }
        }
        Rejection::SubjectMismatch(_) => {
            "the certificate must have the registered name among its alternative names".into()
        }
        Rejection::CertificateNotRegistered { presented } => {
            format!("if this is the client's certificate, register {presented}")
        }
        Rejection::RevocationUnknown(_) => {
            "this program fetches no CRL and asks no responder: without crl and ocsp in the \
             configuration it explains the rest of the decision"
                .into()
        }
        Rejection::CertificateRevoked(_) => {
            "the client needs another certificate; if the entry is a mistake, take it out of \
             revoked of the tenant and of the top level"
                .into()
        }
        Rejection::CertificateMissing(MissingCertificate::NotForwarded { header }) => {
            format!(
                "the client's certificate comes in a header here: give {header} with \
                --header; --certificate is the proxy's"
            )
        }
        Rejection::CertificateMissing(MissingCertificate::ProxyNotTrusted { .. }) => {
            "the client's certificate comes in a header here: --certificate is that of the \
             proxy, which must be one of trusted_proxies"
                .into()
        }
        Rejection::CertificateMissing(_) => "give the client's certificate with \
            --certificate"
            .into(),
        Rejection::UnknownTenant { cause: NoTenant::OfHost | NoTenant::OfHostAndPath, .. } => {
            "choose one of the configuration's hosts with --host, and a path of the tenant \
             with --path"
                .into()
        }
        Rejection::UnknownTenant { cause: NoTenant::Ambiguous, .. } => {
            "send the path as the tenant's paths in the configuration spell it, without \
             escapes, dot segments and double slashes, and in the same letter case"
                .into()
        }
        Rejection::ServerNameMismatch { .. } => {
            "--server-name is what the client asks for in the TLS handshake: it must choose \
             the same tenant as --host, each together with the path"
                .into()
        }
        Rejection::MethodNotSupported(_) => "name the method in methods, if this service is to \
            support it"
            .into(),
        Rejection::MissingClientId => "some grants need no client: unidentified_clients \
            \"pass\" lets them by"
            .into(),
        Rejection::CertificateUnverified(UnverifiedCertificate::Chain) => {
            "the listener's trusted_ca must have the issuer; a resumed session counts as \
             unverified"
                .into()
        }
        Rejection::CertificateUnverified(UnverifiedCertificate::NotGiven) => "Envoy before \
            1.39 does not say: peer_certificate.chain \"listener\""
            .into(),
        Rejection::RegistryUnavailable(RegistryFault::KeySetsNotFetched) => {
            "this program fetches nothing: explain the client with the jwks that it publishes"
                .into()
        }
        Rejection::CertificateUnverified(UnverifiedCertificate::NotVouchedFor {
            header, ..
        }) => format!(
            "the hop in front says in {header} whether it verified the chain: it must trust \
             the client's CA, and overwrite the header; give it with --header"
        ),
        Rejection::RegistryUnavailable(_) => "this program fetches nothing: give what the \
            registry answers with --registry"
            .into(),
        Rejection::MultipleAuthMethods => {
            "the client must send neither Authorization nor client_secret nor \
             client_assertion"
                .into()
        }
        _ => return None,
    })
}
