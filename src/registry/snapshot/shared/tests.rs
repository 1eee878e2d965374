use super::super::stored_client::StoredClient;
use super::super::tests::Process;
use super::*;
use crate::certificate::Thumbprint;
use crate::json::Json;
use crate::registration::ClientMetadata;
use crate::registry::fetched::Validators;

/// Computed with another implementation.
#[test]
fn every_module_computes_the_same_hashes() {
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

fn head() -> ListHead {
    ListHead {
        generation: 7,
        slot: Slot::B,
        layout: ShardLayout { seed: 3, shards: 64 },
        clients: 1,
        refused: 2,
        entries: 6,
        confirmations: 3,
        confirmed_at: 4,
        attempt: 5,
        validators: Validators { etag: Some("\"x\"".into()), unmodified: 9 },
    }
}

/// A client of each kind, as members of client metadata.
const CLIENTS: [&str; 12] = [
    r#""token_endpoint_auth_method": "private_key_jwt""#,
    r#""token_endpoint_auth_method": "private_key_jwt",
       "certificate_binding": {"tls_client_auth_san_dns": "c.example"}"#,
    r#""token_endpoint_auth_method": "private_key_jwt",
       "certificate_binding": {
           "certificate_thumbprints": ["ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"]
       }"#,
    r#""token_endpoint_auth_method": "tls_client_auth",
       "tls_client_auth_subject_dn": "CN=a\\,b+OU=\\C3\\A4,2.5.4.97=#0C0141,C=JP""#,
    r#""token_endpoint_auth_method": "tls_client_auth",
       "tls_client_auth_san_dns": "A.example""#,
    r#""token_endpoint_auth_method": "tls_client_auth",
       "tls_client_auth_san_uri": "urn:x:Y""#,
    r#""token_endpoint_auth_method": "tls_client_auth",
       "tls_client_auth_san_ip": "2001:DB8:0::1""#,
    r#""token_endpoint_auth_method": "tls_client_auth",
       "tls_client_auth_san_email": "A@B.example",
       "certificate_thumbprints": ["ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"]"#,
    r#""token_endpoint_auth_method": "tls_client_auth",
       "tls_client_auth_san_dns": "b.example",
       "backend_authentication": {"method": "client_secret_basic", "client_secret": "s"}"#,
    r#""token_endpoint_auth_method": "self_signed_tls_client_auth",
       "jwks": {"keys": [
           {"kty": "RSA", "x5t#S256": "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"}
       ]}"#,
    r#""token_endpoint_auth_method": "self_signed_tls_client_auth",
       "jwks_uri": "https://keys.example/jwks""#,
    r#""token_endpoint_auth_method": "private_key_jwt",
       "tls_client_certificate_bound_access_tokens": true"#,
];

/// One value of everything in shared data, except the lease, which has a test of its own
/// (`lease::tests::the_format_of_a_stored_lease`).
fn sample() -> Vec<u8> {
    let clients = CLIENTS.map(|members| {
        let client = format!("{{\"client_id\": \"c\", {members}}}");
        let client = ClientMetadata::from_json(&Json::parse(client.as_bytes()).unwrap());
        StoredClient::Client(client.unwrap_or_else(|error| panic!("{members}: {error}"))).encode()
    });
    let others = [
        StoredClient::Unusable("why".into()).encode(),
        StoredClient::LeftOut("why".into()).encode(),
        StoredClient::Doubtful.encode(),
    ];
    let encoded: Vec<_> = clients.into_iter().chain(others).collect();
    let entries = encoded.iter().map(|encoded| ShardEntry {
        hash: ShardLayout::hash(5, "c"),
        client_id: "c",
        encoded,
    });
    let keys = Keys::of("r", false);
    let names = [keys.head(), keys.lease(), keys.shard(Slot::A, 1)]
        .join(" ")
        .replace(&format!("/{FORMAT_VERSION}/"), "/");
    [names.into_bytes(), head().encode(), Shard::encode(6, entries)].concat()
}

/// What another version of this module would read differently must not be stored under the same
/// key: a change of the sample raises [`FORMAT_VERSION`] and adds a line. (The line of a version
/// that was never released may be replaced.)
#[test]
fn a_change_of_the_format_changes_the_keys() {
    const DIGESTS: [(u32, &str); 1] =
        [(5, "c8763962c157305f6beb7ba613534a669501acf466d904c7c2127ae3bc1df02e")];
    let digest = Thumbprint::of(&sample()).to_hex();
    assert_eq!(DIGESTS.last(), Some(&(FORMAT_VERSION, digest.as_str())));
    assert!(DIGESTS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    let keys = Keys::of("r", false);
    for key in [keys.head(), keys.lease(), keys.shard(Slot::A, 0), keys.shard(Slot::B, 7)] {
        assert!(key.starts_with(&format!("tls_client_auth/{FORMAT_VERSION}/r/")), "{key}");
    }
}

#[test]
fn chosen_identifiers_do_not_fill_one_shard() {
    // 6,400 identifiers that one seed puts into one of 64 shards. Another seed gives each shard
    // about a hundred of them.
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
fn a_head_is_decoded_to_what_was_encoded() {
    let mut head = head();
    assert_eq!(ListHead::decode(&head.encode()).as_ref(), Some(&head));
    let encoded = head.encode();
    assert!((0..encoded.len()).all(|end| ListHead::decode(&encoded[..end]).is_none()));
    assert_eq!(ListHead::decode(&[encoded, vec![0]].concat()), None, "it has more");
    head.layout.shards = 3;
    assert_eq!(ListHead::decode(&head.encode()), None, "not a power of two");
}

#[test]
fn a_shard_finds_its_own_clients_only() {
    let entry = |client_id, encoded| ShardEntry {
        hash: ShardLayout::hash(1, client_id),
        client_id,
        encoded,
    };
    let octets =
        Shard::encode(5, [entry("a", b"1"), entry("ab", b""), entry("", b"3")].into_iter());
    let shard = Shard::read(&octets).unwrap();
    assert_eq!(shard.generation, 5);
    for (client_id, encoded) in
        [("a", Some(&b"1"[..])), ("ab", Some(b"")), ("", Some(b"3")), ("b", None), ("A", None)]
    {
        assert_eq!(shard.find(ShardLayout::hash(1, client_id), client_id), encoded);
    }
    assert!(Shard::read(b"").is_none() && Shard::read(&[0; 7]).is_none());
    // A truncated shard ends early; it never has a part of an entry.
    for end in 8..octets.len() {
        assert!(Shard::read(&octets[..end]).unwrap().entries().count() < 3);
    }
}

/// The hash distributes clients; it does not identify them.
#[test]
fn a_shard_compares_identifiers_and_not_only_their_hashes() {
    let entry = |client_id, encoded| ShardEntry { hash: 5, client_id, encoded };
    let octets = Shard::encode(1, [entry("a", b"1"), entry("b", b"2")].into_iter());
    let shard = Shard::read(&octets).unwrap();
    for (client_id, encoded) in [("a", Some(&b"1"[..])), ("b", Some(b"2")), ("c", None)] {
        assert_eq!(shard.find(5, client_id), encoded, "{client_id}");
    }
}

#[test]
fn a_head_replaces_the_one_of_its_attempt_unless_a_later_attempt_confirmed_that() {
    let of = |generation, attempt| ListHead { generation, attempt, ..head() };
    for (stored, old, new, is_replaced) in [
        (None, None, of(7, 7), true),
        (Some(of(7, 7)), None, of(8, 8), false),
        (None, Some(of(7, 7)), of(8, 8), false),
        (Some(of(7, 7)), Some(of(7, 7)), of(8, 8), true),
        // Confirmed by an earlier attempt, by this one, by a later one.
        (Some(of(7, 8)), Some(of(7, 7)), of(9, 9), true),
        (Some(of(7, 9)), Some(of(7, 7)), of(9, 9), false),
        (Some(of(7, 10)), Some(of(7, 7)), of(9, 9), false),
        // Another list is in force, of an earlier or of a later attempt.
        (Some(of(8, 8)), Some(of(7, 7)), of(9, 9), false),
        (Some(of(10, 10)), Some(of(7, 7)), of(9, 9), false),
    ] {
        let (keys, mut process) = (Keys::of("r", false), Process::default());
        if let Some(stored) = &stored {
            process.write(&keys.head(), &stored.encode(), None);
        }
        assert_eq!(new.replace(old.as_ref(), &keys, &mut process), is_replaced);
        let expected = if is_replaced { Some(new) } else { stored };
        assert_eq!(ListHead::read(&keys, &mut process), expected);
    }
}
