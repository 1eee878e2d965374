//! Which checks a decision made, noted by the code that makes them, so that an explanation of the
//! decision does not depend on a second list of them.

/// One check of a decision; [`Check::ALL`] has them in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Check {
    /// `:authority` is a tenant's, or the top level's.
    Tenant,
    /// The path is gated, and the request is no preflight.
    Endpoint,
    /// The server name of the TLS handshake is the tenant's.
    ServerName,
    /// The request has no upgrade, no other protocol, and no expectation.
    Protocol,
    /// The method is POST.
    HttpMethod,
    /// The body is a form of an allowed length, and not encoded.
    Content,
    /// `Authorization` can be read.
    Authorization,
    /// The query string has no credential.
    Query,
    /// The body is a form in which every reader finds the same parameters.
    Form,
    /// The request names one client.
    ClientId,
    /// The request has one access token, behind `Bearer`.
    Token,
    /// The token is verified.
    TokenVerified,
    /// The token is bound to a certificate.
    TokenBinding,
    /// The registry has the client.
    Registration,
    /// The service supports the client's method, or the backend checks it.
    AuthMethod,
    /// The certificate is the only credential.
    OneMethod,
    /// There is a certificate, and it can be read.
    Certificate,
    /// The time is in the validity period of the certificate.
    Validity,
    /// The certificate is that of the connection, or a trusted proxy forwarded it.
    Origin,
    /// The chain is verified.
    Chain,
    /// A path leads to the trust anchors of the tenant, and to those of the client.
    Issuer,
    /// The certificate was not revoked.
    Revocation,
    /// The certificate is a registered one.
    Registered,
    /// The subject is the registered one.
    Subject,
    /// The certificate is the one to which the token is bound.
    TokenCertificate,
}

impl Check {
    /// Every check, in the order in which they are made.
    pub const ALL: [Self; 25] = [
        Self::Tenant,
        Self::Endpoint,
        Self::ServerName,
        Self::Protocol,
        Self::HttpMethod,
        Self::Content,
        Self::Authorization,
        Self::Query,
        Self::Form,
        Self::ClientId,
        Self::Token,
        Self::TokenVerified,
        Self::TokenBinding,
        Self::Registration,
        Self::AuthMethod,
        Self::OneMethod,
        Self::Certificate,
        Self::Validity,
        Self::Origin,
        Self::Chain,
        Self::Issuer,
        Self::Revocation,
        Self::Registered,
        Self::Subject,
        Self::TokenCertificate,
    ];
}

/// The checks that one decision made. All of them were passed, except the last one where the
/// decision is a refusal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    begun: u32,
    last: Option<Check>,
}

impl Checks {
    /// Notes that `check` is made now.
    pub fn begin(&mut self, check: Check) {
        self.begun |= 1 << check as u8;
        self.last = Some(check);
    }

    /// Forgets `check` and those that come after it, because they are made again.
    pub(crate) fn begin_again_at(&mut self, check: Check) {
        self.begun &= (1 << check as u8) - 1;
    }

    /// Whether `check` was made.
    #[must_use]
    pub fn has(&self, check: Check) -> bool {
        self.begun & (1 << check as u8) != 0
    }

    /// The check that was made last; `None` = no check was made.
    #[must_use]
    pub fn last(&self) -> Option<Check> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_that_began_are_noted() {
        assert!(
            Check::ALL.is_sorted() && Check::ALL.array_windows().all(|[one, other]| one != other)
        );
        let mut checks = Checks::default();
        assert_eq!(checks.last(), None);
        checks.begin(Check::Tenant);
        checks.begin(Check::Subject);
        let begun: Vec<_> = Check::ALL.into_iter().filter(|check| checks.has(*check)).collect();
        assert_eq!(
            (begun, checks.last()),
            (vec![Check::Tenant, Check::Subject], Some(Check::Subject))
        );
    }

    #[test]
    fn checks_that_are_made_again_are_forgotten() {
        let mut checks = Checks::default();
        Check::ALL.into_iter().for_each(|check| checks.begin(check));
        checks.begin_again_at(Check::Registration);
        for check in Check::ALL {
            assert_eq!(checks.has(check), check < Check::Registration, "{check:?}");
        }
    }
}
