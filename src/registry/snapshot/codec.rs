//! The encoding of values that the VMs of one process share: integers of fixed width, and octets
//! preceded by their length. Nothing in this encoding outlives the process, or is read by another
//! version of this module (see `shared::FORMAT_VERSION`).

use crate::certificate::Thumbprint;

/// Encodes; integers are little-endian, lengths have 32 bits.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn octets(&mut self, octets: &[u8]) {
        // A VM of 32 bits holds no value of 4 GiB.
        self.u32(u32::try_from(octets.len()).unwrap_or(u32::MAX));
        self.0.extend_from_slice(octets);
    }

    pub(crate) fn thumbprints(&mut self, thumbprints: &[Thumbprint]) {
        let octets: Vec<u8> = thumbprints.iter().flat_map(Thumbprint::octets).copied().collect();
        self.octets(&octets);
    }
}

/// Decodes what a [`Writer`] encoded; `None` = the octets are in another format, or incomplete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    pub(crate) fn octets(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.octets()?).ok()
    }

    pub(crate) fn thumbprints(&mut self) -> Option<Vec<Thumbprint>> {
        let (thumbprints, []) = self.octets()?.as_chunks::<32>() else { return None };
        Some(thumbprints.iter().copied().map(Thumbprint::from_octets).collect())
    }

    pub(crate) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}
