//! Files with a client's certificate, and files that are given in its place by mistake.

mod mistaken;

use std::path::Path;

use x509_parser::pem::Pem;

use self::mistaken::MistakenFor;
use crate::input;
use crate::unusable::Unusable;

/// The content of a file with a certificate, PEM or DER.
pub struct CertificateFile {
    content: Vec<u8>,
}

impl CertificateFile {
    /// Reads a file; `-` is standard input.
    ///
    /// # Errors
    /// It cannot be read, or it has a key, a request or a container in place of a certificate.
    pub fn read(path: &Path) -> Result<Self, Unusable> {
        let content = input::bytes(path)?;
        match MistakenFor::of(&content) {
            Some(other) => Err(Unusable::new(format!("{}: {other}", path.display()))),
            None => Ok(Self { content }),
        }
    }

    /// The first PEM certificate of a file that may also have a chain, a key or text; anything else
    /// as it is.
    pub fn certificate(&self) -> &[u8] {
        const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
        const END: &[u8] = b"-----END CERTIFICATE-----";
        let Some(begin) = find(&self.content, BEGIN) else { return &self.content };
        let rest = self.content.get(begin..).unwrap_or_default();
        find(rest, END).and_then(|end| rest.get(..end + END.len())).unwrap_or(rest)
    }

    /// The DER of its PEM certificates, as far as they can be read.
    pub fn chain(&self) -> Vec<Vec<u8>> {
        let blocks = Pem::iter_from_buffer(&self.content).map_while(Result::ok);
        blocks.filter(|pem| pem.label == "CERTIFICATE").map(|pem| pem.contents).collect()
    }

    /// Whether the file is meant as a certificate, well-formed or not.
    pub fn claims_a_certificate(&self) -> bool {
        find(&self.content, b"CERTIFICATE").is_some()
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
