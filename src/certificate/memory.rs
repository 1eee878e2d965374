//! Certificates that were parsed before: each is parsed once, however many requests it makes.

use std::num::NonZeroUsize;
use std::rc::Rc;

use lru::LruCache;

use super::peer::{CertificateError, PeerCertificate};

/// What is remembered of one certificate: its parsed form, or that it has none.
type Parsed = Result<Rc<PeerCertificate>, CertificateError>;

/// A bounded least-recently-used map from the host's digest of a certificate, in the host's own spelling, to its parsed
/// form.
///
/// Failures are remembered too, so that a client with a monstrous certificate pays for it once.
#[derive(Debug)]
pub struct CertificateMemory {
    parsed: LruCache<Box<[u8]>, Parsed>,
    octets: usize,
}

impl CertificateMemory {
    /// Most certificates held. One costs about 3 kB, so this is some 3 MB in each worker.
    pub const MOST_CERTIFICATES: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");
    /// Most octets of memory that they take, by estimate; binding when clients send certificates of tens of kilobytes.
    pub const MOST_OCTETS: usize = 4 << 20;

    /// A memory without any certificate.
    #[must_use]
    pub fn new() -> Self {
        Self { parsed: LruCache::new(Self::MOST_CERTIFICATES), octets: 0 }
    }

    /// What is known of the certificate with this digest.
    pub fn recall(&mut self, digest: &[u8]) -> Option<Parsed> {
        self.parsed.get(digest).cloned()
    }

    /// Remembers `parsed`, and forgets what was used least recently.
    pub fn remember(&mut self, digest: &[u8], parsed: Parsed) {
        self.octets += octets(&parsed);
        if let Some((_, forgotten)) = self.parsed.push(digest.into(), parsed) {
            self.octets -= octets(&forgotten);
        }
        while self.octets > Self::MOST_OCTETS {
            let Some((_, forgotten)) = self.parsed.pop_lru() else { break };
            self.octets -= octets(&forgotten);
        }
    }

    /// Number of certificates held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parsed.len()
    }

    /// Whether no certificate is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parsed.is_empty()
    }
}

fn octets(parsed: &Parsed) -> usize {
    parsed.as_ref().map_or(0, |certificate| certificate.octets())
}

impl Default for CertificateMemory {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn digest(n: usize) -> [u8; 8] {
        n.to_be_bytes()
    }

    /// A certificate with so many alternative names.
    fn certificate(names: usize) -> Parsed {
        let names: Vec<String> = (0..names).map(|n| format!("n{n}")).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        Ok(Rc::new(PeerCertificate::from_der(certificate.der()).unwrap()))
    }

    #[test]
    fn the_least_recently_used_is_forgotten_first() {
        let mut memory = CertificateMemory::new();
        let most = CertificateMemory::MOST_CERTIFICATES.get();
        for n in 0..most {
            memory.remember(&digest(n), Err(CertificateError::Der));
        }
        assert!(memory.recall(&digest(0)).is_some());
        memory.remember(&digest(most), Err(CertificateError::Der));
        assert_eq!(memory.len(), most);
        assert!(memory.recall(&digest(0)).is_some(), "used a moment ago");
        assert!(memory.recall(&digest(1)).is_none());
    }

    #[test]
    fn large_certificates_cannot_fill_the_memory() {
        let mut memory = CertificateMemory::new();
        let large = certificate(2_000);
        let each = octets(&large);
        assert!(each > 150_000, "a short name takes far more memory than DER");
        for n in 0..200 {
            memory.remember(&digest(n), large.clone());
            assert!(memory.octets <= CertificateMemory::MOST_OCTETS);
        }
        assert_eq!(memory.len(), CertificateMemory::MOST_OCTETS / each);
    }

    #[test]
    fn remembering_again_replaces() {
        let mut memory = CertificateMemory::new();
        let (small, large) = (certificate(1), certificate(10));
        memory.remember(&digest(1), small);
        memory.remember(&digest(1), large.clone());
        assert_eq!((memory.len(), memory.octets), (1, octets(&large)));
    }
}
