//! Which headers the backend gets, and which it must not get from a client (contract §5).

use super::peer_certificate::NamedHeader;
use super::stripped_headers::HeaderPattern;
use crate::certificate::PeerCertificate;
use crate::registration::ClientMetadata;

/// `forward`: the headers that a request gets, and those that are kept or removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forward {
    pub(crate) client_id: Option<Box<str>>,
    pub(crate) thumbprint: Option<Box<str>>,
    pub(crate) certificate: Vec<NamedHeader>,
    pub(crate) certificate_for: CertificateFor,
    pub(crate) keep: Vec<Box<str>>,
    pub(crate) strip: Vec<HeaderPattern>,
}

/// `certificate_for`: whose certificate the backend gets. Each value includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertificateFor {
    /// That of clients that authenticated by it.
    #[default]
    Authenticated,
    /// That of every gated request that passes: tokens are bound to certificates of clients of
    /// other methods and of public clients too (RFC 8705 §3, §4).
    Gated,
    /// That of every request that passes: a resource server compares `cnf` itself.
    EveryRequest,
}

impl Forward {
    /// The names of the headers that the filter writes.
    pub(crate) fn written_names(&self) -> impl Iterator<Item = &str> {
        let named = self.client_id.iter().chain(&self.thumbprint).map(AsRef::as_ref);
        named.chain(self.certificate.iter().map(|header| header.name.as_ref()))
    }

    /// `certificate_for`
    #[must_use]
    pub fn certificate_for(&self) -> CertificateFor {
        self.certificate_for
    }

    /// Whether a header is written that tells of a certificate.
    pub(crate) fn tells_of_certificates(&self) -> bool {
        self.thumbprint.is_some() || !self.certificate.is_empty()
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
        self.add_certificate(certificate, true, &mut headers);
        if let Some(backend) = client.backend_authentication() {
            headers.push(("authorization".to_owned(), backend.authorization(client_id)));
        }
        headers
    }

    /// Adds the headers that tell of `certificate`. `is_whole` = with the certificate itself, and
    /// not its thumbprint alone.
    pub(crate) fn add_certificate(
        &self,
        certificate: &PeerCertificate,
        is_whole: bool,
        headers: &mut Vec<(String, String)>,
    ) {
        if let Some(name) = &self.thumbprint {
            headers.push((name.to_string(), certificate.thumbprint().to_string()));
        }
        for header in self.certificate.iter().filter(|_| is_whole) {
            headers.push((header.name.to_string(), header.form.write(certificate)));
        }
    }
}
