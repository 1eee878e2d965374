//! The serial numbers of a CRL, distributed to buckets so that a look at one certificate reads few
//! of them.

use super::super::error::CrlError;
use crate::limits;

/// The buckets of a CRL while it is read.
#[derive(Debug)]
pub(crate) struct Buckets {
    buckets: Vec<Vec<u8>>,
    pub(crate) entries: u64,
}

impl Buckets {
    /// Buckets for a CRL whose entries take so many octets.
    pub(crate) fn for_octets(octets: usize) -> Self {
        let buckets = (octets / limits::CRL_BUCKET_OCTETS + 1).next_power_of_two();
        Self { buckets: vec![Vec::new(); buckets.min(limits::CRL_BUCKETS)], entries: 0 }
    }

    pub(crate) fn number(&self) -> u32 {
        u32::try_from(self.buckets.len()).unwrap_or(u32::MAX)
    }

    /// Adds a serial number, without zeros in front.
    pub(crate) fn add(&mut self, serial: &[u8]) -> Result<(), CrlError> {
        let length =
            u8::try_from(serial.len()).map_err(|_| CrlError::Malformed("a serial number"))?;
        let index = bucket_of(serial, self.number());
        if let Some(bucket) = self.buckets.get_mut(index as usize) {
            bucket.push(length);
            bucket.extend_from_slice(serial);
        }
        self.entries += 1;
        Ok(())
    }

    /// The octets of a bucket.
    pub(crate) fn get(&self, index: u32) -> &[u8] {
        self.buckets.get(index as usize).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The bucket of a serial number: FNV-1a. Only a CA chooses serial numbers, and one that makes
/// a bucket long slows down its own certificates.
pub(crate) fn bucket_of(serial: &[u8], buckets: u32) -> u32 {
    let hash = serial
        .iter()
        .fold(0x811c_9dc5_u32, |hash, &octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193));
    // The low bits of FNV-1a are the poor ones.
    (hash ^ hash >> 15) % buckets.max(1)
}

/// Whether a bucket has this serial number.
pub(crate) fn has(mut bucket: &[u8], serial: &[u8]) -> bool {
    while let Some((&length, rest)) = bucket.split_first() {
        let Some((entry, rest)) = rest.split_at_checked(length.into()) else { return false };
        if entry == serial {
            return true;
        }
        bucket = rest;
    }
    false
}
