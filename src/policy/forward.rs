//! Which headers the backend gets, and which it must not get from a client (contract §5).

use super::stripped_headers::HeaderPattern;
use crate::certificate::{CertificateHeader, PeerCertificate};
use crate::registration::ClientMetadata;

/// `forward`: the headers that an authenticated request gets, and those that are kept or removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forward {
    pub(crate) client_id: Option<Box<str>>,
    pub(crate) thumbprint: Option<Box<str>>,
    pub(crate) certificate: Vec<CertificateHeader>,
    pub(crate) keep: Vec<Box<str>>,
    pub(crate) strip: Vec<HeaderPattern>,
}

impl Forward {
    /// The names of the headers that the filter writes.
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

    /// The headers by which the backend learns that `client` authenticated with `certificate`:
    /// those of `forward`, and `authorization` for a client with `backend_authentication`.
    ///
    /// Names are in lower case, values in the form of the header.
    #[must_use]
    pub fn headers(
        &self,
        client: &ClientMetadata,
        certificate: &PeerCertificate,
    ) -> Vec<(String, String)> {
        let client_id = client.client_id();
        let mut headers = Vec::new();
        if let Some(name) = &self.client_id {
            headers.push((name.to_string(), client_id.to_owned()));
        }
        if let Some(name) = &self.thumbprint {
            headers.push((name.to_string(), certificate.thumbprint().to_string()));
        }
        for header in &self.certificate {
            headers.push((header.name().to_owned(), header.write(certificate)));
        }
        if let Some(backend) = client.backend_authentication() {
            headers.push(("authorization".to_owned(), backend.authorization(client_id)));
        }
        headers
    }
}
