//! Which checks a decision made, noted by the code that makes them: whoever explains a decision
//! need not guess its order.

/// One check of a decision; [`Check::ALL`] has them in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Check {
    /// `:authority` is a tenant's, or the top level's.
    Tenant,
    /// The path is gated, and the request no preflight.
    Endpoint,
    /// The name of the TLS handshake is the tenant's.
    ServerName,
    /// No upgrade, no other protocol, no expectation.
    Protocol,
    /// POST.
    HttpMethod,
    /// A form of an allowed length, not encoded.
    Content,
    /// `Authorization` can be read.
    Authorization,
    /// No credential in the query string.
    Query,
    /// The body is a form that every reader reads alike.
    Form,
    /// The request names one client.
    ClientId,
    /// The registry has the client.
    Registration,
    /// The client's method is supported, or the backend's to check.
    AuthMethod,
    /// No other way of authentication beside the certificate.
    OneMethod,
    /// There is a certificate, and it can be read.
    Certificate,
    /// The validity period.
    Validity,
    /// Whoever handed the certificate over may do so.
    Origin,
    /// The chain is verified.
    Chain,
    /// The certificate is one of the registered ones.
    Registered,
    /// The subject is the registered one.
    Subject,
}

impl Check {
    /// Every check, in the order in which they are made.
    pub const ALL: [Self; 19] = [
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
        Self::Registration,
        Self::AuthMethod,
        Self::OneMethod,
        Self::Certificate,
        Self::Validity,
        Self::Origin,
        Self::Chain,
        Self::Registered,
        Self::Subject,
    ];
}

/// The checks that one decision began. All but the last one were passed; that one too, unless the
/// decision is a refusal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    begun: u32,
    last: Option<Check>,
}

impl Checks {
    /// `check` is made now.
    pub fn begin(&mut self, check: Check) {
        self.begun |= 1 << check as u8;
        self.last = Some(check);
    }

    /// Whether `check` was made.
    #[must_use]
    pub fn has(&self, check: Check) -> bool {
        self.begun & (1 << check as u8) != 0
    }

    /// The check at which the decision fell.
    #[must_use]
    pub fn last(&self) -> Option<Check> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_began_is_known() {
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
}
