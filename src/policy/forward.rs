//! What the backend is told, and which request headers no client may set (contract §5).

use super::stripped_headers::HeaderPattern;
use crate::certificate::{CertificateHeader, PeerCertificate};

/// `forward`: the headers that an accepted request gets, and those that every request loses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forward {
    pub(crate) client_id: Option<Box<str>>,
    pub(crate) thumbprint: Option<Box<str>>,
    pub(crate) certificate: Vec<CertificateHeader>,
    pub(crate) keep: Vec<Box<str>>,
    pub(crate) strip: Vec<HeaderPattern>,
}

impl Forward {
    /// The headers that it writes.
    pub(crate) fn written_names(&self) -> impl Iterator<Item = &str> {
        let named = self.client_id.iter().chain(&self.thumbprint).map(AsRef::as_ref);
        named.chain(self.certificate.iter().map(|header| header.name()))
    }

    /// `keep`
    pub(crate) fn kept_names(&self) -> &[Box<str>] {
        &self.keep
    }

    /// `strip`
    pub(crate) fn strip_patterns(&self) -> &[HeaderPattern] {
        &self.strip
    }

    /// Whether `keep` names this header.
    #[must_use]
    pub fn keeps(&self, name: &str) -> bool {
        self.keep.iter().any(|kept| kept.as_ref() == name)
    }

    /// The headers of an authenticated request.
    #[must_use]
    pub fn headers(&self, client_id: &str, certificate: &PeerCertificate) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        headers
            .extend(self.client_id.as_ref().map(|name| (name.to_string(), client_id.to_owned())));
        headers.extend(
            self.thumbprint
                .as_ref()
                .map(|name| (name.to_string(), certificate.thumbprint().to_string())),
        );
        headers.extend(
            self.certificate
                .iter()
                .map(|header| (header.name().to_owned(), header.write(certificate))),
        );
        headers
    }
}
