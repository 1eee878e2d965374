//! What the VMs of one process share, as a trait: the host has it, tests have a map.

use super::codec::{Reader, Writer};
use crate::registry::fetched::Validators;

/// The version of a shared value; two writes never give the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub u32);

/// Values that every VM of the process sees. Keys are never deleted, so there must be a bounded
/// number of them.
pub trait SharedData {
    /// The value of a key and its version; `None` = no such key, or the host fails.
    fn read(&mut self, key: &str) -> Option<(Vec<u8>, Option<Version>)>;

    /// Writes a value. With `expected`, only if the version still is this one. `false` = not
    /// written.
    fn write(&mut self, key: &str, value: &[u8], expected: Option<Version>) -> bool;
}

/// Versions of this module may follow each other in one process, or run beside each other, and
/// share what lies under the same keys. This number is part of every key. It changes with whatever
/// is stored there: heads, leases, shards, records, the hash that spreads them; and where the same
/// entry of a list is converted otherwise than before.
const LAYOUT: u32 = 2;

/// The keys of one registry.
#[derive(Clone, Debug)]
pub(super) struct Keys(Box<str>);

impl Keys {
    /// Filters with different registries share one process. Those that let unregistered clients
    /// pass ask more of a list than others (`is_strict`), and must not take one that did for the
    /// others.
    pub(super) fn of(identity: &str, is_strict: bool) -> Self {
        Self(
            format!("tls_client_auth/{LAYOUT}/{identity}{}", if is_strict { "+" } else { "" })
                .into(),
        )
    }

    pub(super) fn head(&self) -> String {
        format!("{}/head", self.0)
    }

    pub(super) fn lease(&self) -> String {
        format!("{}/lease", self.0)
    }

    pub(super) fn shard(&self, slot: Slot, shard: u32) -> String {
        format!("{}/{}/{shard}", self.0, slot as u8)
    }
}

/// Where a list lies. While one is in force, the next is written to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Slot {
    A = 0,
    B = 1,
}

impl Slot {
    pub(super) fn other(self) -> Self {
        if self == Self::A { Self::B } else { Self::A }
    }
}

/// How a list is spread over shards. The seed differs from process to process, so that nobody can
/// choose identifiers that all fall into one shard: whoever registers clients chooses their names,
/// but sees neither seed nor shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShardLayout {
    pub(super) seed: u64,
    /// A power of two.
    pub(super) shards: u32,
}

impl ShardLayout {
    /// SipHash, keyed with the seed. Every VM of the process must find the same, whatever compiler
    /// its module came from: the hashes of Rust's standard library are free to change. (SHA-256
    /// would do as well, and take some 7,000 instructions more for each client that is looked for.)
    pub(super) fn hash(seed: u64, client_id: &str) -> u32 {
        (siphash(seed, 0, client_id.as_bytes()) >> 32) as u32
    }
}

/// SipHash-2-4 (Aumasson and Bernstein, 2012): whoever does not know the key finds no inputs with a
/// hash of his choice other than by chance.
fn siphash(k0: u64, k1: u64, octets: &[u8]) -> u64 {
    let mut state = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let (words, rest) = octets.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    // The length goes into the highest octet, as far as there is room.
    let last = u64::from_le_bytes(last) | (octets.len() as u64) << 56;
    for word in words.iter().map(|word| u64::from_le_bytes(*word)).chain([last]) {
        let [v0, v1, v2, v3] = state;
        let [v0, v1, v2, v3] = sipround(sipround([v0, v1, v2, v3 ^ word]));
        state = [v0 ^ word, v1, v2, v3];
    }
    let [v0, v1, v2, v3] = state;
    let state = (0..4).fold([v0, v1, v2 ^ 0xff, v3], |state, _| sipround(state));
    state.into_iter().fold(0, |hash, word| hash ^ word)
}

fn sipround([v0, v1, v2, v3]: [u64; 4]) -> [u64; 4] {
    let (v0, v2) = (v0.wrapping_add(v1), v2.wrapping_add(v3));
    let (v1, v3) = (v1.rotate_left(13) ^ v0, v3.rotate_left(16) ^ v2);
    let (v0, v2) = (v0.rotate_left(32).wrapping_add(v3), v2.wrapping_add(v1));
    let (v1, v3) = (v1.rotate_left(17) ^ v2, v3.rotate_left(21) ^ v0);
    [v0, v1, v2.rotate_left(32), v3]
}

/// The list in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Greater than that of any list before it.
    pub(super) generation: u64,
    pub(super) slot: Slot,
    pub(super) spread: ShardLayout,
    /// Usable clients.
    pub(super) clients: u64,
    /// Entries that cannot be used.
    pub(super) refused: u64,
    /// Counts the answers that brought or confirmed this list.
    pub(super) confirmations: u64,
    /// When the last of them came, in milliseconds since 1970 of the host's clock.
    pub(super) confirmed_at: u64,
    pub(super) validators: Validators,
}

impl Head {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        for number in
            [self.generation, self.slot as u64, self.spread.seed, u64::from(self.spread.shards)]
        {
            writer.u64(number);
        }
        for number in [self.clients, self.refused, self.confirmations, self.confirmed_at] {
            writer.u64(number);
        }
        writer.u8(self.validators.unmodified);
        for validator in [&self.validators.etag, &self.validators.last_modified] {
            writer.octets(validator.as_deref().unwrap_or_default().as_bytes());
        }
        writer.0
    }

    /// `None` = these octets are no head.
    pub(super) fn decode(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        let generation = reader.u64()?;
        let slot = match reader.u64()? {
            0 => Slot::A,
            1 => Slot::B,
            _ => return None,
        };
        let spread = ShardLayout {
            seed: reader.u64()?,
            shards: u32::try_from(reader.u64()?).ok().filter(|n| n.is_power_of_two())?,
        };
        let [clients, refused, confirmations, confirmed_at] =
            [reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?];
        let unmodified = reader.u8()?;
        let mut validator = || reader.text().map(|text| (!text.is_empty()).then(|| text.into()));
        let validators = Validators { etag: validator()?, last_modified: validator()?, unmodified };
        reader.end()?;
        Some(Self {
            generation,
            slot,
            spread,
            clients,
            refused,
            confirmations,
            confirmed_at,
            validators,
        })
    }
}

/// The clients of one shard: which list they belong to, then each one's hash, identifier and
/// record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shard<'a> {
    pub(super) generation: u64,
    entries: &'a [u8],
}

/// One client of a shard, still encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShardEntry<'a> {
    pub(super) hash: u32,
    pub(super) client_id: &'a str,
    pub(super) record: &'a [u8],
}

impl<'a> Shard<'a> {
    /// `None` = emptied, or not written by this module.
    pub(super) fn read(octets: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        Some(Self { generation: reader.u64()?, entries: reader.0 })
    }

    /// The value of a shard with these entries.
    pub(super) fn encode<'e>(
        generation: u64,
        entries: impl Iterator<Item = ShardEntry<'e>>,
    ) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u64(generation);
        for entry in entries {
            entry.write(&mut writer);
        }
        writer.0
    }

    pub(super) fn entries(self) -> impl Iterator<Item = ShardEntry<'a>> {
        let mut reader = Reader(self.entries);
        std::iter::from_fn(move || ShardEntry::read(&mut reader))
    }

    /// The record of a client.
    pub(super) fn find(&self, hash: u32, client_id: &str) -> Option<&'a [u8]> {
        let mut same =
            self.entries().filter(|entry| entry.hash == hash && entry.client_id == client_id);
        same.next().map(|entry| entry.record)
    }
}

impl<'a> ShardEntry<'a> {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u32(self.hash);
        writer.octets(self.client_id.as_bytes());
        writer.octets(self.record);
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        Some(Self { hash: reader.u32()?, client_id: reader.text()?, record: reader.octets()? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::stored_client::StoredClient;
    use super::*;
    use crate::certificate::Thumbprint;
    use crate::json::Json;
    use crate::registration::ClientMetadata;

    /// The vectors that the authors published with their implementation: key and input are 0, 1, 2
    /// and so on.
    #[test]
    fn siphash_is_the_published_one() {
        let input: Vec<u8> = (0..64).collect();
        let (k0, k1) = (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
        for (length, hash) in [
            (0, 0x726f_db47_dd0e_0e31),
            (1, 0x74f8_39c5_93dc_67fd),
            (7, 0xab02_00f5_8b01_d137),
            (8, 0x93f5_f579_9a93_2462),
            (15, 0xa129_ca61_49be_45e5_u64),
            (63, 0x958a_324c_eb06_4572),
        ] {
            assert_eq!(siphash(k0, k1, &input[..length]), hash, "{length}");
        }
    }

    /// Computed with another implementation.
    #[test]
    fn every_module_spreads_alike() {
        for (seed, client_id, hash) in [
            (0, "", 0x1e92_4b9d_u32),
            (0, "a", 0x96c2_0860),
            (1, "a", 0xb756_d69b),
            (0x0123_4567_89ab_cdef, "client-1", 0xb421_63a2),
            (u64::MAX, "ääääääääääääääääääääääääääääääääääääääää", 0xcc2b_92c2),
        ] {
            assert_eq!(ShardLayout::hash(seed, client_id), hash, "{seed} {client_id}");
        }
    }

    fn head() -> Head {
        Head {
            generation: 7,
            slot: Slot::B,
            spread: ShardLayout { seed: 3, shards: 64 },
            clients: 1,
            refused: 2,
            confirmations: 3,
            confirmed_at: 4,
            validators: Validators {
                etag: Some("\"x\"".into()),
                last_modified: Some("y".into()),
                unmodified: 9,
            },
        }
    }

    /// One of everything that lies in shared data (the lease has a test of its own).
    fn sample() -> Vec<u8> {
        const DIGEST: &str = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
        let tls = r#""token_endpoint_auth_method":"tls_client_auth""#;
        let clients = [
            r#""token_endpoint_auth_method":"private_key_jwt""#.to_owned(),
            format!(
                r#"{tls},"tls_client_auth_subject_dn":"CN=a\\,b+OU=\\C3\\A4,2.5.4.97=#0C0141,C=JP""#
            ),
            format!(r#"{tls},"tls_client_auth_san_dns":"A.example""#),
            format!(r#"{tls},"tls_client_auth_san_uri":"urn:x:Y""#),
            format!(r#"{tls},"tls_client_auth_san_ip":"2001:DB8:0::1""#),
            format!(
                r#"{tls},"tls_client_auth_san_email":"A@B.example","certificate_thumbprints":["{DIGEST}"]"#
            ),
            format!(
                r#"{tls},"tls_client_auth_san_dns":"b.example","backend_authentication":{{"method":"client_secret_basic","client_secret":"s"}}"#
            ),
            format!(
                r#""token_endpoint_auth_method":"self_signed_tls_client_auth","jwks":{{"keys":[{{"kty":"RSA","x5t#S256":"{DIGEST}"}}]}}"#
            ),
        ];
        let clients = clients.map(|members| {
            let json =
                Json::parse(format!("{{\"client_id\":\"c\",{members}}}").as_bytes()).unwrap();
            StoredClient::Client(
                ClientMetadata::from_json(&json)
                    .unwrap_or_else(|error| panic!("{members}: {error}")),
            )
            .encode()
        });
        let others = [
            StoredClient::Unusable("why".into()).encode(),
            StoredClient::LeftOut("why".into()).encode(),
        ];
        let records: Vec<_> = clients.into_iter().chain(others).collect();
        let entries = records.iter().map(|record| ShardEntry {
            hash: ShardLayout::hash(5, "c"),
            client_id: "c",
            record,
        });
        let keys = Keys::of("r", false);
        let names = [keys.head(), keys.lease(), keys.shard(Slot::A, 1)]
            .join(" ")
            .replace(&format!("/{LAYOUT}/"), "/");
        [names.into_bytes(), head().encode(), Shard::encode(6, entries)].concat()
    }

    /// What another version of this module reads as something else must not lie under the same key:
    /// whoever changes the sample raises `LAYOUT`, and adds a line. (One that no release had may be
    /// replaced.)
    #[test]
    fn a_change_of_the_format_changes_the_keys() {
        const LAYOUTS: [(u32, &str); 1] =
            [(2, "216f26d9fd035759dab41a725eeacdccfb5315ea6d0a89f3fac660fec8a5fbf3")];
        let digest = Thumbprint::of(&sample()).to_hex();
        assert_eq!(LAYOUTS.last(), Some(&(LAYOUT, digest.as_str())));
        assert!(LAYOUTS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let keys = Keys::of("r", false);
        for key in [keys.head(), keys.lease(), keys.shard(Slot::A, 0), keys.shard(Slot::B, 7)] {
            assert!(key.starts_with(&format!("tls_client_auth/{LAYOUT}/r/")), "{key}");
        }
    }

    #[test]
    fn identifiers_are_spread_evenly_whoever_chose_them() {
        // A hundred for each of 64 shards: chosen so for one seed, they are spread as any others by
        // the next.
        let chosen: Vec<String> = (0..)
            .map(|n| format!("client-{n}"))
            .filter(|id| ShardLayout::hash(1, id) & 63 == 0)
            .take(6400)
            .collect();
        let mut shards = [0_u32; 64];
        chosen.iter().for_each(|id| shards[(ShardLayout::hash(2, id) & 63) as usize] += 1);
        assert!(shards.iter().all(|clients| (50..160).contains(clients)), "{shards:?}");
    }

    #[test]
    fn a_head_is_read_back() {
        let mut head = head();
        head.validators.last_modified = None;
        assert_eq!(Head::decode(&head.encode()).as_ref(), Some(&head));
        let whole = head.encode();
        assert!((0..whole.len()).all(|end| Head::decode(&whole[..end]).is_none()));
        head.spread.shards = 3;
        assert_eq!(Head::decode(&head.encode()), None, "no power of two");
    }

    #[test]
    fn a_shard_finds_its_own_clients_only() {
        let entry = |client_id, record| ShardEntry {
            hash: ShardLayout::hash(1, client_id),
            client_id,
            record,
        };
        let octets =
            Shard::encode(5, [entry("a", b"1"), entry("ab", b""), entry("", b"3")].into_iter());
        let shard = Shard::read(&octets).unwrap();
        assert_eq!(shard.generation, 5);
        for (client_id, record) in
            [("a", Some(&b"1"[..])), ("ab", Some(b"")), ("", Some(b"3")), ("b", None), ("A", None)]
        {
            assert_eq!(shard.find(ShardLayout::hash(1, client_id), client_id), record);
        }
        assert!(Shard::read(b"").is_none() && Shard::read(&[0; 7]).is_none());
        // A cut shard ends early; it never shows a part of an entry.
        for end in 8..octets.len() {
            assert!(Shard::read(&octets[..end]).unwrap().entries().count() < 3);
        }
    }
}
