//! Certificates that were parsed before: each is parsed once, however many requests it makes.

use std::num::NonZeroUsize;
use std::rc::Rc;

use lru::LruCache;

use super::peer::{CertificateError, PeerCertificate};
use super::thumbprint::Thumbprint;

/// What is remembered of one certificate: its parsed form, or that it has none.
type Parsed = Result<Rc<PeerCertificate>, CertificateError>;

/// A bounded least-recently-used map from the host's digest of a certificate to its parsed form.
///
/// Failures are remembered too, so that a client with a monstrous certificate pays for it once.
#[derive(Debug)]
pub struct CertificateMemory {
    parsed: LruCache<Thumbprint, (usize, Parsed)>,
    octets: usize,
}

impl CertificateMemory {
    /// Most certificates held. One costs about 3 kB, so this is some 3 MB in each worker.
    pub const MOST_CERTIFICATES: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");
    /// Most octets of certificates held; binding when clients send certificates of tens of kilobytes.
    pub const MOST_OCTETS: usize = 4 << 20;

    /// A memory without any certificate.
    #[must_use]
    pub fn new() -> Self {
        Self { parsed: LruCache::new(Self::MOST_CERTIFICATES), octets: 0 }
    }

    /// What is known of the certificate with this digest.
    pub fn recall(&mut self, digest: &Thumbprint) -> Option<Parsed> {
        self.parsed.get(digest).map(|(_, parsed)| parsed.clone())
    }

    /// Remembers `parsed`, which came from `octets` octets of text, and forgets what was used least recently.
    pub fn remember(&mut self, digest: Thumbprint, octets: usize, parsed: Parsed) {
        self.octets += octets;
        if let Some((_, (forgotten, _))) = self.parsed.push(digest, (octets, parsed)) {
            self.octets -= forgotten;
        }
        while self.octets > Self::MOST_OCTETS {
            let Some((_, (forgotten, _))) = self.parsed.pop_lru() else { break };
            self.octets -= forgotten;
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

impl Default for CertificateMemory {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: usize) -> Thumbprint {
        Thumbprint::of(&n.to_be_bytes())
    }

    fn refused() -> Parsed {
        Err(CertificateError::Der)
    }

    #[test]
    fn the_least_recently_used_is_forgotten_first() {
        let mut memory = CertificateMemory::new();
        let most = CertificateMemory::MOST_CERTIFICATES.get();
        for n in 0..most {
            memory.remember(digest(n), 10, refused());
        }
        assert!(memory.recall(&digest(0)).is_some());
        memory.remember(digest(most), 10, refused());
        assert_eq!(memory.len(), most);
        assert!(memory.recall(&digest(0)).is_some(), "used a moment ago");
        assert!(memory.recall(&digest(1)).is_none());
        assert_eq!(memory.octets, most * 10);
    }

    #[test]
    fn large_certificates_cannot_fill_the_memory() {
        let mut memory = CertificateMemory::new();
        for n in 0..200 {
            memory.remember(digest(n), 100_000, refused());
            assert!(memory.octets <= CertificateMemory::MOST_OCTETS);
        }
        assert_eq!(memory.len(), CertificateMemory::MOST_OCTETS / 100_000);
        memory.remember(digest(1000), CertificateMemory::MOST_OCTETS + 1, refused());
        assert!(memory.is_empty());
        assert_eq!(memory.octets, 0);
    }

    #[test]
    fn remembering_again_replaces() {
        let mut memory = CertificateMemory::new();
        memory.remember(digest(1), 10, refused());
        memory.remember(digest(1), 30, refused());
        assert_eq!((memory.len(), memory.octets), (1, 30));
    }
}
