//! The CRL in force, as all VMs of the process share it and requests read it.
//!
//! The protocol is that of client lists (`registry::snapshot`): buckets in two slots, each of which
//! begins with the generation of its list, and a head that says which slot counts.

use super::super::error::CrlError;
use super::buckets::{self, Buckets, bucket_of};
use super::list::CrlProfile;
use crate::certificate::Thumbprint;
use crate::registry::{Reader, SharedData, Version, Writer};
use crate::time::UnixTime;

/// A part of every key. Raise it with every change of what is stored, and of how it is read.
const FORMAT_VERSION: u32 = 3;

/// The keys of one CRL.
#[derive(Clone, Debug)]
pub(super) struct CrlKeys(Box<str>);

impl CrlKeys {
    pub(super) fn of(identity: &str) -> Self {
        Self(format!("tls_client_auth/crl/{FORMAT_VERSION}/{identity}").into())
    }

    fn head(&self) -> String {
        format!("{}/head", self.0)
    }

    pub(super) fn lease(&self) -> String {
        format!("{}/lease", self.0)
    }

    fn bucket(&self, slot: u8, bucket: u32) -> String {
        format!("{}/{slot}/{bucket}", self.0)
    }

    /// Writes a bucket; `None` = it is emptied.
    pub(super) fn write_bucket(
        &self,
        head: &CrlHead,
        bucket: u32,
        buckets: Option<&Buckets>,
        shared: &mut dyn SharedData,
    ) -> Result<(), CrlError> {
        let mut writer = Writer::default();
        if let Some(buckets) = buckets {
            writer.u64(head.generation);
            writer.0.extend_from_slice(buckets.get(bucket));
        }
        let is_written = shared.write(&self.bucket(head.slot, bucket), &writer.0, None);
        if is_written { Ok(()) } else { Err(CrlError::SharedData) }
    }
}

/// What is known of the CRL in force without its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CrlHead {
    /// The number of the attempt that brought it.
    pub(super) generation: u64,
    pub(super) slot: u8,
    pub(super) buckets: u32,
    pub(super) entries: u64,
    /// The digest of its issuer's key.
    pub(super) issuer: Thumbprint,
    pub(super) profile: CrlProfile,
    /// By the digest of its key, the last list of each other issuer that was in force: one entry of
    /// `crl` may bring lists of several, and none of them goes back.
    pub(super) others: Vec<(Thumbprint, CrlProfile)>,
    /// When it was last fetched, in milliseconds since 1970.
    pub(super) confirmed_at: u64,
}

impl CrlHead {
    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u64(self.generation);
        writer.u8(self.slot);
        writer.u32(self.buckets);
        writer.u64(self.entries);
        write_profile(&mut writer, &self.issuer, &self.profile);
        writer.u32(u32::try_from(self.others.len()).unwrap_or(u32::MAX));
        for (issuer, profile) in &self.others {
            write_profile(&mut writer, issuer, profile);
        }
        writer.u64(self.confirmed_at);
        writer.0
    }

    fn decode(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        let (generation, slot) = (reader.u64()?, reader.u8()?);
        let (buckets, entries) = (reader.u32()?, reader.u64()?);
        let (issuer, profile) = read_profile(&mut reader)?;
        let others =
            (0..reader.u32()?).map(|_| read_profile(&mut reader)).collect::<Option<_>>()?;
        let confirmed_at = reader.u64()?;
        reader.end()?;
        Some(Self { generation, slot, buckets, entries, issuer, profile, others, confirmed_at })
    }

    /// The last list of this issuer, as far as it is known.
    pub(super) fn last_of(&self, issuer: &Thumbprint) -> Option<&CrlProfile> {
        if self.issuer == *issuer {
            return Some(&self.profile);
        }
        self.others.iter().find(|(other, _)| other == issuer).map(|(_, profile)| profile)
    }

    /// What the head that follows this one, of a list of `issuer`, has as `others`.
    pub(super) fn others_than(&self, issuer: &Thumbprint) -> Vec<(Thumbprint, CrlProfile)> {
        // What a list covers does not say how old it is.
        let profile = CrlProfile { points: Vec::new(), ..self.profile.clone() };
        let mut others = self.others.clone();
        others.push((self.issuer, profile));
        others.retain(|(other, _)| other != issuer);
        others
    }
}

fn write_profile(writer: &mut Writer, issuer: &Thumbprint, profile: &CrlProfile) {
    writer.octets(issuer.octets());
    writer.u64(profile.this_update.0 as u64);
    writer.u64(profile.next_update.0 as u64);
    writer.u8(profile.number.is_some().into());
    writer.octets(profile.number.as_deref().unwrap_or_default());
    writer.u32(u32::try_from(profile.points.len()).unwrap_or(u32::MAX));
    profile.points.iter().for_each(|point| writer.octets(point));
    writer.u8(profile.only_contains_user_certs.into());
}

fn read_profile(reader: &mut Reader<'_>) -> Option<(Thumbprint, CrlProfile)> {
    let issuer = Thumbprint::from_octets(reader.octets()?.try_into().ok()?);
    let [this_update, next_update] =
        [reader.u64()?, reader.u64()?].map(|time| UnixTime(time as i64));
    let has_number = reader.u8()? != 0;
    let number = Some(reader.octets()?.into()).filter(|_| has_number);
    let points =
        (0..reader.u32()?).map(|_| Some(reader.octets()?.into())).collect::<Option<_>>()?;
    let only_contains_user_certs = reader.u8()? != 0;
    let profile = CrlProfile { this_update, next_update, number, points, only_contains_user_certs };
    Some((issuer, profile))
}

/// What the list in force says of a serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    Absent,
    Present,
    /// A bucket is missing, or of another list.
    Damaged,
}

/// One VM's view of the list in force.
#[derive(Debug)]
pub(super) struct CrlInForce {
    pub(super) keys: CrlKeys,
    head: Option<(CrlHead, Option<Version>)>,
}

impl CrlInForce {
    pub(super) fn new(keys: CrlKeys) -> Self {
        Self { keys, head: None }
    }

    pub(super) fn head(&self) -> Option<&CrlHead> {
        self.head.as_ref().map(|(head, _)| head)
    }

    /// Reads the head again.
    pub(super) fn update(&mut self, shared: &mut dyn SharedData) {
        self.head = shared
            .read(&self.keys.head())
            .and_then(|(octets, version)| Some((CrlHead::decode(&octets)?, version)));
    }

    /// Puts another list in force, if the one that this VM knows still is.
    pub(super) fn replace(
        &mut self,
        head: &CrlHead,
        shared: &mut dyn SharedData,
    ) -> Result<(), CrlError> {
        let version = self.head.as_ref().and_then(|(_, version)| *version);
        if self.head.is_none() && shared.read(&self.keys.head()).is_some() {
            return Err(CrlError::SharedData);
        }
        if !shared.write(&self.keys.head(), &head.encode(), version) {
            return Err(CrlError::SharedData);
        }
        self.update(shared);
        Ok(())
    }

    /// Whether the list in force has a serial number, without zeros in front. It may have been
    /// replaced since the head was read.
    pub(super) fn find(&mut self, serial: &[u8], shared: &mut dyn SharedData) -> Listing {
        for _ in 0..2 {
            let Some((head, _)) = &self.head else { return Listing::Damaged };
            let key = self.keys.bucket(head.slot, bucket_of(serial, head.buckets));
            if let Some((octets, _)) = shared.read(&key) {
                let mut reader = Reader(&octets);
                if reader.u64() == Some(head.generation) {
                    let is_listed = buckets::has(reader.0, serial);
                    return if is_listed { Listing::Present } else { Listing::Absent };
                }
            }
            self.update(shared);
        }
        Listing::Damaged
    }
}
