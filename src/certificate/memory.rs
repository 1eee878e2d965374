//! A cache of parsed certificates: each is parsed once, for all requests of its client.

use std::convert::Infallible;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use lru::LruCache;

use super::header::CertificateHeader;
use super::peer::{CertificateError, OF_AN_ALLOCATION, PeerCertificate};
use super::thumbprint::Thumbprint;
use crate::limits;
use crate::octets::equal;

/// A certificate, or why it cannot be parsed.
type Parsed = Result<Arc<PeerCertificate>, CertificateError>;

/// A least-recently-used cache of parsed certificates, bounded by
/// [`limits::REMEMBERED_CERTIFICATES`] and [`limits::REMEMBERED_CERTIFICATE_OCTETS`].
///
/// Its keys are either the digests of the certificates, as the host spells them, or the texts that
/// carried them. One cache must not have both, because a client chooses the text of a header and
/// could choose a digest. Errors are held too, so that a certificate that is costly to refuse is
/// parsed once.
#[derive(Debug)]
pub struct CertificateMemory {
    parsed: LruCache<Key, Parsed>,
    octets: usize,
}

/// The octets that stand for a certificate.
#[derive(Debug, Eq)]
enum Key {
    /// Its digest.
    Digest(Box<[u8]>),
    /// The text that carried it.
    Text(Box<[u8]>),
}

impl Key {
    fn octets(&self) -> &[u8] {
        match self {
            Self::Digest(octets) | Self::Text(octets) => octets,
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        equal(self.octets(), other.octets())
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            // Of SHA-256 in hexadecimal digits, these are 64 bits, in which no client finds
            // certificates that agree, as it does in a part of a text.
            Self::Digest(octets) if let Some(start) = octets.first_chunk() => {
                state.write_u128(u128::from_le_bytes(*start));
            }
            Self::Digest(octets) | Self::Text(octets) => state.write(octets),
        }
    }
}

impl CertificateMemory {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self { parsed: LruCache::new(limits::REMEMBERED_CERTIFICATES), octets: 0 }
    }

    /// The result of [`CertificateHeader::read`], from the cache if it is there.
    ///
    /// # Errors
    /// Those of [`CertificateHeader::read`].
    pub fn recall_or_read(
        &mut self,
        header: CertificateHeader,
        value: &[u8],
        own_hop: Option<&Thumbprint>,
    ) -> Parsed {
        // Everything on which the result depends.
        let kind = [header as u8, u8::from(own_hop.is_some())];
        let own_octets = own_hop.map_or(&[][..], |own_hop| own_hop.octets());
        let key = Key::Text([&kind[..], own_octets, value].concat().into());
        let read = |_: &[u8]| Ok::<_, Infallible>(header.read(value, own_hop).map(Arc::new));
        let Ok(parsed) = self.recall(key, read);
        parsed
    }

    /// The certificate that a text carries, any octets. Where the cache does not have it, that is
    /// the result of `read`, which is added.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn recall_or(&mut self, text: &[u8], read: impl FnOnce() -> Parsed) -> Parsed {
        let key = Key::Text(text.into());
        let Ok(parsed) = self.recall(key, |_| Ok::<_, Infallible>(read()));
        parsed
    }

    /// The certificate with this digest, as the host spells it. Where the cache does not have it,
    /// that is the result of `read`, which is given the digest, may find that there is nothing to
    /// add, and must not let a client choose the digest.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn recall_digest_or<E>(
        &mut self,
        digest: Vec<u8>,
        read: impl FnOnce(&[u8]) -> Result<Parsed, E>,
    ) -> Result<Parsed, E> {
        self.recall(Key::Digest(digest.into()), read)
    }

    fn recall<E>(
        &mut self,
        key: Key,
        read: impl FnOnce(&[u8]) -> Result<Parsed, E>,
    ) -> Result<Parsed, E> {
        if let Some(parsed) = self.parsed.get(&key) {
            return Ok(parsed.clone());
        }
        let parsed = read(key.octets())?;
        self.remember(key, parsed.clone());
        Ok(parsed)
    }

    /// Adds `parsed`, and drops what was used least recently where there is no room for it.
    fn remember(&mut self, key: Key, parsed: Parsed) {
        self.octets += octets(&key, &parsed);
        if let Some((key, forgotten)) = self.parsed.push(key, parsed) {
            self.octets -= octets(&key, &forgotten);
        }
        while self.octets > limits::REMEMBERED_CERTIFICATE_OCTETS {
            let Some((key, forgotten)) = self.parsed.pop_lru() else { break };
            self.octets -= octets(&key, &forgotten);
        }
    }

    /// The memory that the cache takes, in octets. It is an upper bound.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.octets
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

/// The memory that an entry takes, in octets: its key, its node in the list, its slot in the table,
/// which doubles when it grows, and the certificate, even while a request shares it.
fn octets(key: &Key, parsed: &Parsed) -> usize {
    let node = size_of::<(Key, Parsed)>() + 2 * size_of::<usize>() + OF_AN_ALLOCATION;
    let slot = 4 * (2 * size_of::<usize>() + 1);
    // An `Arc` has two counters beside the certificate.
    let held =
        parsed.as_ref().map_or(0, |certificate| certificate.octets() + 2 * size_of::<usize>());
    key.octets().len() + OF_AN_ALLOCATION + node + slot + held
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

    fn key(n: usize) -> Key {
        Key::Text(n.to_be_bytes().into())
    }

    /// A certificate with so many alternative names.
    fn certificate(names: usize) -> Parsed {
        let names: Vec<String> = (0..names).map(|n| format!("n{n}")).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        Ok(Arc::new(PeerCertificate::from_der(certificate.der()).unwrap()))
    }

    #[test]
    fn the_least_recently_used_is_forgotten_first() {
        let mut memory = CertificateMemory::new();
        let most = limits::REMEMBERED_CERTIFICATES.get();
        for n in 0..most {
            memory.remember(key(n), Err(CertificateError::Der));
        }
        assert!(memory.parsed.get(&key(0)).is_some());
        memory.remember(key(most), Err(CertificateError::Der));
        assert_eq!(memory.len(), most);
        assert!(memory.parsed.get(&key(0)).is_some(), "used a moment ago");
        assert!(memory.parsed.get(&key(1)).is_none());
    }

    #[test]
    fn large_certificates_cannot_fill_the_memory() {
        let mut memory = CertificateMemory::new();
        let large = certificate(10_000);
        let each = octets(&key(0), &large);
        for n in 0..200 {
            memory.remember(key(n), large.clone());
            assert!(memory.octets <= limits::REMEMBERED_CERTIFICATE_OCTETS);
        }
        assert_eq!(memory.len(), limits::REMEMBERED_CERTIFICATE_OCTETS / each);
    }

    #[test]
    fn remembering_again_replaces() {
        let mut memory = CertificateMemory::new();
        assert!(memory.is_empty());
        let (small, large) = (certificate(1), certificate(10));
        memory.remember(key(1), small);
        assert!(!memory.is_empty());
        memory.remember(key(1), large.clone());
        assert_eq!((memory.len(), memory.octets), (1, octets(&key(1), &large)));
    }
}
