//! CRLs as `openssl ca -gencrl` and as hostile servers make them, on a host made of a map.

use std::collections::HashMap;

use super::*;
use crate::limits;
use crate::registry::Version;
use crate::revocation::OnUnavailable;
use crate::revocation::error::CrlError;
use crate::trust::tests::Says;
use crate::trust::{CaCertificate, SignatureError};

#[derive(Default)]
struct Shared(HashMap<String, (Vec<u8>, u32)>);

impl SharedData for Shared {
    fn read(&mut self, key: &str) -> Option<(Vec<u8>, Option<Version>)> {
        self.0.get(key).map(|(value, version)| (value.clone(), Some(Version(*version))))
    }

    fn write(&mut self, key: &str, value: &[u8], expected: Option<Version>) -> bool {
        let known = self.0.get(key).map_or(0, |(_, version)| *version);
        if expected.is_some_and(|Version(expected)| known != 0 && known != expected) {
            return false;
        }
        self.0.insert(key.to_owned(), (value.to_vec(), known + 1));
        true
    }
}

const CA: &[u8] = include_bytes!("tests/ca.pem");
const OPENSSL: &[u8] = include_bytes!("tests/openssl.crl");
const REVOKED: &[u8] = include_bytes!("tests/revoked.pem");
const GOOD: &[u8] = include_bytes!("tests/good.pem");
/// 2027-01-01, in milliseconds.
const NOW: u64 = 1_798_761_600_000;

fn pem(text: &[u8]) -> Vec<u8> {
    crate::certificate::pem::decode(text).unwrap()
}

fn ca() -> Arc<CaCertificate> {
    Arc::new(CaCertificate::from_pem(CA).unwrap())
}

fn source() -> Arc<CrlSource> {
    Arc::new(CrlSource {
        identity: "test".into(),
        cluster: "crls".into(),
        authority: "crl.example".into(),
        path: "/ca.crl".into(),
        refresh: Duration::from_secs(60),
        timeout: Duration::from_secs(5),
        on_unavailable: OnUnavailable::Reject,
        issuers: Vec::new(),
    })
}

/// One VM, and the shared data of its process.
struct World {
    crl: Crl,
    shared: Shared,
    now: u64,
    verifies: bool,
}

impl World {
    fn new() -> Self {
        let issuers = Arc::new(Issuers::new(&[ca()]));
        Self {
            crl: Crl::new(source(), issuers, 7),
            shared: Shared::default(),
            now: NOW,
            verifies: true,
        }
    }

    /// Ticks until the list is requested.
    fn request(&mut self) -> crate::registry::RegistryRequest {
        for _ in 0..100_000 {
            self.now += 250;
            let elapsed = Duration::from_millis(250);
            let says = Says(self.verifies);
            let outcome = self.crl.tick(elapsed, self.now, &mut self.shared, &says, &mut || true);
            if let Some(request) = outcome.request {
                return request;
            }
        }
        panic!("the list is not requested");
    }

    /// Fetches `body`, reading it in the smallest pieces; returns the event.
    fn fetch(&mut self, status: Option<u16>, body: &[u8]) -> CrlEvent {
        self.request();
        self.crl.on_answer(&RegistryAnswer {
            status,
            headers: &[],
            body_size: body.len(),
            read: &|_| Some(body.to_vec()),
        });
        loop {
            let says = Says(self.verifies);
            let outcome =
                self.crl.tick(Duration::ZERO, self.now, &mut self.shared, &says, &mut || false);
            if !outcome.is_busy {
                break;
            }
        }
        let events = self.crl.take_events();
        assert_eq!(events.len(), 1, "{events:?}");
        events.into_iter().next().unwrap()
    }

    fn error(&mut self, body: &[u8]) -> CrlError {
        match self.fetch(Some(200), body) {
            CrlEvent::Failed { error, .. } => error,
            other => panic!("{other:?}"),
        }
    }

    fn status(&mut self, certificate: &[u8]) -> Option<SourceStatus> {
        self.status_with(certificate, None)
    }

    /// That of a certificate with these extensions in place of its own.
    fn status_with(
        &mut self,
        certificate: &[u8],
        extensions: Option<&[Vec<u8>]>,
    ) -> Option<SourceStatus> {
        let der = pem(certificate);
        let issuers = Issuers::new(&[ca()]);
        let mut issued = crate::certificate::IssuedCertificate::of(&der).unwrap();
        let extensions = extensions.map(<[_]>::concat);
        issued.parts.extensions = extensions.as_deref().or(issued.parts.extensions);
        let issuer =
            issuers.of(&issued, &Says(true)).map_err(|_| &RevocationUnknown::UnknownIssuer);
        let now = UnixTime((self.now / 1000) as i64);
        self.crl.status(&issued.parts, issuer, now, &mut self.shared)
    }
}

mod make {
    use test_support::der::{
        self, OCTET_STRING, SEQUENCE, UTC_TIME, bit_string, context_constructed, integer, oid, tlv,
    };

    pub(super) struct List {
        pub(super) version: Option<u64>,
        pub(super) this_update: &'static str,
        pub(super) next_update: Option<&'static str>,
        pub(super) entries: Vec<Vec<u8>>,
        pub(super) extensions: Vec<Vec<u8>>,
        pub(super) issuer: Vec<u8>,
    }

    impl Default for List {
        fn default() -> Self {
            Self {
                version: Some(1),
                this_update: "261201000000Z",
                next_update: Some("280101000000Z"),
                entries: vec![entry(&[0x0a, 0x1b], &[])],
                extensions: vec![number(5)],
                issuer: super::ca().subject_der().to_vec(),
            }
        }
    }

    pub(super) fn extension(id: &str, critical: bool, value: &[u8]) -> Vec<u8> {
        let critical = if critical { vec![1, 1, 0xff] } else { Vec::new() };
        tlv(SEQUENCE, &[oid(id).unwrap(), critical, tlv(OCTET_STRING, &[value])])
    }

    pub(super) fn number(number: u64) -> Vec<u8> {
        extension("2.5.29.20", false, &integer(number))
    }

    /// An `issuingDistributionPoint` with these contents.
    pub(super) fn point(contents: &[u8]) -> Vec<u8> {
        extension("2.5.29.28", true, &tlv(SEQUENCE, &[contents]))
    }

    /// The name of a point: one URI.
    pub(super) fn uri(uri: &str) -> Vec<u8> {
        uris(&[uri])
    }

    /// The name of a point: these URIs.
    pub(super) fn uris(uris: &[&str]) -> Vec<u8> {
        let uris: Vec<_> = uris.iter().map(|uri| tlv(der::context(6), &[uri])).collect();
        tlv(context_constructed(0), &[tlv(context_constructed(0), &uris)])
    }

    pub(super) fn entry(serial: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
        let extensions = if extensions.is_empty() { Vec::new() } else { tlv(SEQUENCE, extensions) };
        tlv(
            SEQUENCE,
            &[tlv(der::INTEGER, &[serial]), tlv(UTC_TIME, &["261130000000Z"]), extensions],
        )
    }

    impl List {
        pub(super) fn der(&self) -> Vec<u8> {
            let algorithm = tlv(SEQUENCE, &[oid("1.2.840.10045.4.3.2").unwrap()]);
            let list = |entries: &[Vec<u8>]| {
                if entries.is_empty() { Vec::new() } else { tlv(SEQUENCE, entries) }
            };
            let time = |time: &str| tlv(UTC_TIME, &[time]);
            let extensions = match list(&self.extensions) {
                extensions if extensions.is_empty() => extensions,
                extensions => tlv(context_constructed(0), &[extensions]),
            };
            let signed = tlv(
                SEQUENCE,
                &[
                    self.version.map(integer).unwrap_or_default(),
                    algorithm.clone(),
                    self.issuer.clone(),
                    time(self.this_update),
                    self.next_update.map(time).unwrap_or_default(),
                    list(&self.entries),
                    extensions,
                ],
            );
            tlv(SEQUENCE, &[signed, algorithm, bit_string(&[7; 70])])
        }
    }
}

use make::{List, entry, extension, number, point, uri, uris};

#[test]
fn what_openssl_makes_is_read_in_pem_and_in_der() {
    let begin = "-----BEGIN X509 CRL-----";
    assert!(OPENSSL.starts_with(begin.as_bytes()));
    let armoured = String::from_utf8(OPENSSL.to_vec()).unwrap().replace("X509 CRL", "CERTIFICATE");
    for body in [OPENSSL.to_vec(), pem(armoured.as_bytes())] {
        let mut world = World::new();
        assert_eq!(
            world.status(GOOD),
            Some(SourceStatus::Silent(RevocationUnknown::NoCrl("/ca.crl".into())))
        );
        let event = world.fetch(Some(200), &body);
        let number = SerialNumber::parse("1000");
        assert!(
            matches!(&event, CrlEvent::Replaced { entries: 1, number: n, .. } if *n == number),
            "{event:?}"
        );
        assert_eq!(world.status(GOOD), Some(SourceStatus::Good));
        let (path, serial) = ("/ca.crl".into(), SerialNumber::parse("0A1B").unwrap());
        let revoked = SourceStatus::Revoked(RevokedBy::Crl { path, serial });
        assert_eq!(world.status(REVOKED), Some(revoked));
        assert_eq!(world.fetch(Some(200), &body), CrlEvent::Confirmed);
        assert_eq!(world.status(GOOD), Some(SourceStatus::Good));
    }
}

#[test]
fn a_list_that_is_not_understood_is_refused_by_name() {
    let unknown = |critical| extension("1.2.3", critical, &[5, 0]);
    let with = |extensions: Vec<Vec<u8>>| List { extensions, ..List::default() };
    let of = |entry: Vec<u8>| List { entries: vec![entry], ..List::default() };
    let reason = |reason: u8| extension("2.5.29.21", false, &[0x0a, 1, reason]);
    let many = |number: usize| -> Vec<_> {
        (0..number).map(|n| extension(&format!("1.2.3.{n}"), false, &[5, 0])).collect()
    };
    // An object identifier that is longer by so many octets than may be.
    let long_id = |more| {
        extension(&format!("1.2{}", ".3".repeat(limits::CRL_OID_OCTETS - 1 + more)), false, &[])
    };
    for (list, expected) in [
        (List { version: None, extensions: vec![], ..List::default() }, CrlError::VersionOne),
        (List { version: Some(2), ..List::default() }, CrlError::Malformed("version")),
        (List { next_update: None, ..List::default() }, CrlError::NoNextUpdate),
        (with(vec![extension("2.5.29.27", true, &[2, 1, 1])]), CrlError::Delta),
        (with(vec![number(5), number(5)]), CrlError::Malformed("an extension twice")),
        (with(many(limits::CRL_EXTENSIONS + 1)), CrlError::Malformed("too many extensions")),
        (with(vec![point(&[0x84, 1, 0xff])]), CrlError::Indirect),
        (with(vec![point(&[0x82, 1, 0xff])]), CrlError::OtherCertificates),
        (with(vec![point(&[0x85, 1, 0xff])]), CrlError::OtherCertificates),
        (with(vec![point(&[0x83, 2, 4, 0x40])]), CrlError::SomeReasons),
        (with(vec![point(&[0x86, 1, 0])]), CrlError::Malformed("issuingDistributionPoint")),
        (
            with(vec![point(&[0x82, 1, 0, 0x82, 1, 0])]),
            CrlError::Malformed("issuingDistributionPoint"),
        ),
        (
            with(vec![point(&[0x82, 1, 0, 0x81, 1, 0])]),
            CrlError::Malformed("issuingDistributionPoint"),
        ),
        (
            with(vec![point(&uris(&["a"; limits::CRL_POINT_NAMES + 1]))]),
            CrlError::Malformed("too many names of a distribution point"),
        ),
        (with(vec![long_id(1)]), CrlError::Malformed("an object identifier")),
        (with(vec![unknown(true)]), CrlError::CriticalExtension("1.2.3".into())),
        (of(entry(&[1], &[reason(8)])), CrlError::Delta),
        (of(entry(&[1], &[extension("2.5.29.29", true, &[0x30, 0])])), CrlError::Indirect),
        (of(entry(&[1], &[unknown(true)])), CrlError::CriticalEntryExtension("1.2.3".into())),
        (of(entry(&[], &[])), CrlError::Malformed("an entry")),
        (of(vec![0x30, 3, 2, 1, 1]), CrlError::Malformed("an entry")),
        (of(entry(&[1; 300], &[])), CrlError::Malformed("a serial number")),
        (
            List { this_update: "270102000000Z", ..List::default() },
            CrlError::NotYetValid { this_update: UnixTime(1_798_848_000) },
        ),
        (
            List { next_update: Some("261231000000Z"), ..List::default() },
            CrlError::Expired { next_update: UnixTime(1_798_675_200) },
        ),
        (List { issuer: vec![0x30, 0], ..List::default() }, CrlError::UnknownIssuer),
    ] {
        let mut world = World::new();
        assert_eq!(world.error(&list.der()), expected);
        assert_eq!(world.crl.state(), None);
    }
    for list in [
        with(vec![number(5), unknown(false)]),
        with(many(limits::CRL_EXTENSIONS)),
        with(vec![long_id(0)]),
        with(vec![point(&uris(&["a"; limits::CRL_POINT_NAMES]))]),
        with(vec![point(&[0x81, 1, 0, 0x82, 1, 0, 0x84, 1, 0, 0x85, 1, 0])]),
        with(vec![point(&[0x81, 1, 0xff])]),
        with(vec![]),
        of(entry(&[1], &[reason(6), unknown(false)])),
        List { entries: vec![], ..List::default() },
    ] {
        let event = World::new().fetch(Some(200), &list.der());
        assert!(matches!(event, CrlEvent::Replaced { .. }), "{event:?}");
    }
}

#[test]
fn a_failed_fetch_leaves_the_list_in_force() {
    let mut world = World::new();
    world.fetch(Some(200), &List::default().der());
    let der = List { extensions: vec![number(6)], ..List::default() }.der();
    for (status, body, expected) in [
        (None, &[][..], CrlError::Fetch(crate::registry::FetchError::NoAnswer)),
        (Some(503), &[], CrlError::Fetch(crate::registry::FetchError::Status(503))),
        (Some(200), b"<html><body>Not here</body></html>", CrlError::Malformed("structure")),
        (Some(200), &[], CrlError::Malformed("structure")),
        (Some(200), &der[..der.len() - 1], CrlError::Malformed("structure")),
    ] {
        let event = world.fetch(status, body);
        assert!(
            matches!(&event, CrlEvent::Failed { error, .. } if *error == expected),
            "{event:?}"
        );
        assert_eq!(world.status(GOOD), Some(SourceStatus::Good));
    }
    world.verifies = false;
    assert_eq!(world.error(&der), CrlError::Signature(SignatureError::Invalid));
    world.verifies = true;
    assert!(matches!(world.fetch(Some(200), &der), CrlEvent::Replaced { .. }));
}

#[test]
fn a_list_does_not_go_backwards() {
    let mut world = World::new();
    let list = |number: u64, this_update| {
        List { extensions: vec![make::number(number)], this_update, ..List::default() }.der()
    };
    let is_replaced = |event| matches!(event, CrlEvent::Replaced { .. });
    assert!(is_replaced(world.fetch(Some(200), &list(255, "261201000000Z"))));
    assert_eq!(world.error(&list(254, "261202000000Z")), CrlError::Older);
    assert_eq!(world.error(&list(255, "261130000000Z")), CrlError::Older);
    assert!(is_replaced(world.fetch(Some(200), &list(256, "261201000000Z"))));
    let unnumbered =
        |this_update| List { extensions: vec![], this_update, ..List::default() }.der();
    assert_eq!(world.error(&unnumbered("261130000000Z")), CrlError::Older);
    assert!(is_replaced(world.fetch(Some(200), &unnumbered("261203000000Z"))));
}

/// `refresh` may be longer than the list in force counts.
#[test]
fn retries_do_not_wait_for_refresh() {
    for (refresh, longest) in [(86_400, 300), (60, 60), (10, 10)] {
        let refresh = Duration::from_secs(refresh);
        let source = Arc::new(CrlSource { refresh, ..(*source()).clone() });
        let crl = Crl::new(source, Arc::new(Issuers::new(&[ca()])), 7);
        let mut world = World { crl, ..World::new() };
        let mut last = Duration::ZERO;
        for _ in 0..20 {
            let CrlEvent::Failed { retry, .. } = world.fetch(Some(503), &[]) else { panic!() };
            last = retry;
        }
        let longest = Duration::from_secs(longest);
        assert!((longest * 9 / 10..=longest).contains(&last), "{refresh:?}: {last:?}");
    }
}

/// A CA whose count of lists was lost begins again at a lower number.
#[test]
fn a_lower_number_is_taken_when_the_list_in_force_is_too_old() {
    let list = |number: u64, this_update| {
        List { extensions: vec![make::number(number)], this_update, ..List::default() }.der()
    };
    let short = List { next_update: Some("270102000000Z"), ..List::default() };
    let next_update = 1_798_848_000_000;
    let mut world = World::new();
    world.fetch(Some(200), &short.der());
    assert_eq!(world.error(&list(4, "261202000000Z")), CrlError::Older);
    world.now = next_update - 5_000;
    assert_eq!(world.error(&list(4, "261202000000Z")), CrlError::Older);
    world.now = next_update + 1_000;
    // Not later than the one in force, which somebody may repeat.
    assert_eq!(world.error(&list(4, "261201000000Z")), CrlError::Older);
    assert_eq!(world.error(&list(4, "261130000000Z")), CrlError::Older);
    assert_eq!(world.error(&list(5, "261130000000Z")), CrlError::Older);
    let event = world.fetch(Some(200), &list(4, "261202000000Z"));
    assert!(matches!(event, CrlEvent::Replaced { .. }), "{event:?}");
    assert_eq!(world.status(GOOD), Some(SourceStatus::Good));
    assert_eq!(world.error(&list(3, "261203000000Z")), CrlError::Older);
}

/// Otherwise a list of another issuer, and then an older one of the first, could take its place.
#[test]
fn a_list_of_an_issuer_that_the_entry_does_not_cover_is_refused() {
    for (covered, expected) in
        [("CN=Another CA", Some(CrlError::OtherIssuer)), ("CN=Clients CA,O=Bank", None)]
    {
        let issuers = vec![crate::certificate::DistinguishedName::parse(covered).unwrap()];
        let source = Arc::new(CrlSource { issuers, ..(*source()).clone() });
        let crl = Crl::new(source, Arc::new(Issuers::new(&[ca()])), 7);
        let mut world = World { crl, ..World::new() };
        match expected {
            Some(error) => assert_eq!(world.error(&List::default().der()), error),
            None => {
                let event = world.fetch(Some(200), &List::default().der());
                assert!(matches!(event, CrlEvent::Replaced { .. }), "{event:?}");
            }
        }
    }
}

#[test]
fn a_list_counts_until_its_next_update_and_revokes_after_it() {
    let mut world = World::new();
    let next_update = UnixTime(1_830_297_600);
    world.fetch(Some(200), &List::default().der());
    world.now = next_update.0 as u64 * 1000;
    assert_eq!(world.status(GOOD), Some(SourceStatus::Good));
    world.now += 1000;
    let path: Box<str> = "/ca.crl".into();
    assert_eq!(
        world.status(GOOD),
        Some(SourceStatus::Unavailable(RevocationUnknown::CrlExpired { path, next_update }))
    );
    assert!(matches!(world.status(REVOKED), Some(SourceStatus::Revoked(_))));
}

/// A VM that takes over, after a restart or a change of the configuration, fetches the next list
/// when the one before would have: `refresh` may be longer than the list counts.
#[test]
fn a_vm_that_takes_over_fetches_before_the_next_update() {
    let day = Duration::from_secs(86_400);
    let source = Arc::new(CrlSource { refresh: day, ..(*source()).clone() });
    let next_vm = || Crl::new(source.clone(), Arc::new(Issuers::new(&[ca()])), 7);
    // Two hours after the list is confirmed it is too old.
    let list = List { next_update: Some("270101020000Z"), ..List::default() };
    let minute = 60_000;
    for (age, due) in [(1, 60), (50, 60), (60, 60), (90, 90), (110, 110), (120, 120), (600, 600)] {
        let mut world = World { crl: next_vm(), ..World::new() };
        world.fetch(Some(200), &list.der());
        let confirmed_at = world.now;
        world.crl.release(&mut world.shared);
        world.crl = next_vm();
        world.now += age * minute;
        world.request();
        let waited = world.now - confirmed_at;
        assert!(waited.abs_diff(due * minute) < 5_000, "{age} minutes: {waited} ms");
    }
    // A list that counts for long is fetched after `refresh`.
    let mut world = World { crl: next_vm(), ..World::new() };
    world.fetch(Some(200), &List::default().der());
    let confirmed_at = world.now;
    world.crl.release(&mut world.shared);
    world.crl = next_vm();
    world.now += 23 * 60 * minute;
    world.request();
    assert!((world.now - confirmed_at).abs_diff(24 * 60 * minute) < 5_000);
}

/// Another VM puts lists of another issuer in force while this one still knows the first: that a
/// certificate is not on one of them says nothing.
#[test]
fn a_list_that_is_replaced_meanwhile_does_not_speak_for_another_issuer() {
    const OTHER: &[u8] = include_bytes!("../../trust/tests/p256.ca.pem");
    let other = Arc::new(CaCertificate::from_pem(OTHER).unwrap());
    let next_vm = || Crl::new(source(), Arc::new(Issuers::new(&[ca(), other.clone()])), 7);
    let mut world = World { crl: next_vm(), ..World::new() };
    world.fetch(Some(200), &List::default().der());
    assert_eq!(world.status(GOOD), Some(SourceStatus::Good));
    let mut first = std::mem::replace(&mut world.crl, next_vm());
    // Both slots have another list then.
    for number_of_list in [6, 7] {
        let issuer = other.subject_der().to_vec();
        let extensions = vec![number(number_of_list)];
        let event = world.fetch(Some(200), &List { issuer, extensions, ..List::default() }.der());
        assert!(!matches!(event, CrlEvent::Failed { .. }), "{event:?}");
    }
    std::mem::swap(&mut first, &mut world.crl);
    let of_others = SourceStatus::Silent(RevocationUnknown::CrlOfOthers("/ca.crl".into()));
    assert_eq!(world.status(GOOD), Some(of_others));
}

/// Whoever is on the way can send the list of another CA, and then an earlier one of the first.
#[test]
fn no_list_goes_back_by_way_of_another_issuer() {
    const OTHER: &[u8] = include_bytes!("../../trust/tests/p256.ca.pem");
    let other = Arc::new(CaCertificate::from_pem(OTHER).unwrap());
    let crl = Crl::new(source(), Arc::new(Issuers::new(&[ca(), other.clone()])), 7);
    let mut world = World { crl, ..World::new() };
    let list = |number_of_list, issuer: Option<&CaCertificate>| {
        let list = List { extensions: vec![number(number_of_list)], ..List::default() };
        match issuer {
            Some(ca) => List { issuer: ca.subject_der().to_vec(), ..list }.der(),
            None => list.der(),
        }
    };
    for (number_of_list, issuer, is_taken) in [
        (5, None, true),
        (9, Some(&*other), true),
        (4, None, false),
        (8, Some(&*other), false),
        (6, None, true),
        (8, Some(&*other), false),
        (5, None, false),
        (10, Some(&*other), true),
        (5, None, false),
        (7, None, true),
    ] {
        let event = world.fetch(Some(200), &list(number_of_list, issuer));
        let is_older = matches!(event, CrlEvent::Failed { error: CrlError::Older, .. });
        assert_eq!(!is_older, is_taken, "{number_of_list}: {event:?}");
        assert!(is_older || matches!(event, CrlEvent::Replaced { .. }), "{event:?}");
    }
}

/// A look at one certificate reads one bucket of many, and a shorter list empties those of a longer.
#[test]
fn a_long_list_is_distributed_to_buckets() {
    let serial = |number: u32| number.to_be_bytes();
    let mut entries: Vec<_> =
        (0x0100_0000..0x0100_0bb8).map(|at| entry(&serial(at), &[])).collect();
    entries.push(entry(&[0x0a, 0x1b], &[]));
    let mut world = World::new();
    let event = world.fetch(Some(200), &List { entries, ..List::default() }.der());
    assert!(matches!(event, CrlEvent::Replaced { entries: 3001, .. }), "{event:?}");
    assert_eq!(world.status(GOOD), Some(SourceStatus::Good));
    assert!(matches!(world.status(REVOKED), Some(SourceStatus::Revoked(_))));
    let octets =
        |world: &World| world.shared.0.values().map(|(value, _)| value.len()).sum::<usize>();
    assert!(octets(&world) > 3000 * 5);
    for (number_of_list, is_revoked) in [(6, false), (7, true)] {
        let entries = if is_revoked { List::default().entries } else { Vec::new() };
        let extensions = vec![number(number_of_list)];
        let event = world.fetch(Some(200), &List { entries, extensions, ..List::default() }.der());
        assert!(matches!(event, CrlEvent::Replaced { .. }), "{event:?}");
        let status = world.status(REVOKED).unwrap();
        assert_eq!(matches!(status, SourceStatus::Revoked(_)), is_revoked, "{status:?}");
    }
    assert!(octets(&world) < 2000, "{}", octets(&world));

    let mut made = buckets::Buckets::for_octets(100_000);
    assert_eq!((made.number(), buckets::Buckets::for_octets(0).number()), (32, 1));
    let all: Vec<_> = (0..3200).map(serial).collect();
    all.iter().for_each(|serial| made.add(serial).unwrap());
    for serial in &all {
        assert!(buckets::has(made.get(buckets::bucket_of(serial, 32)), serial), "{serial:?}");
    }
    let longest = (0..32).map(|index| made.get(index).len()).max();
    assert!(longest < Some(2 * 3200 * 5 / 32), "{longest:?}");
}

#[test]
fn lists_of_other_paths_are_others() {
    let mut world = World::new();
    world.fetch(Some(200), &List::default().der());
    let other =
        CrlSource { identity: "other".into(), path: "/b.crl".into(), ..(*source()).clone() };
    world.crl = Crl::new(Arc::new(other), Arc::new(Issuers::new(&[ca()])), 7);
    let none = SourceStatus::Silent(RevocationUnknown::NoCrl("/b.crl".into()));
    assert_eq!(world.status(REVOKED), Some(none));
    let event = world.fetch(Some(200), &List { entries: Vec::new(), ..List::default() }.der());
    assert!(matches!(event, CrlEvent::Replaced { entries: 0, .. }), "{event:?}");
    assert_eq!(world.status(REVOKED), Some(SourceStatus::Good));
    world.crl = Crl::new(source(), Arc::new(Issuers::new(&[ca()])), 7);
    world.request();
    assert!(matches!(world.status(REVOKED), Some(SourceStatus::Revoked(_))));
}

/// RFC 5280 §6.3.3 (f). That another CA may sign lists says nothing of this one.
#[test]
fn a_ca_that_may_not_sign_lists_signs_none() {
    const NOT_FOR_LISTS: &[u8] = include_bytes!("../../trust/tests/sub.pem");
    let other = Arc::new(CaCertificate::from_pem(NOT_FOR_LISTS).unwrap());
    let issuers = Arc::new(Issuers::new(&[ca(), other.clone()]));
    let mut world = World { crl: Crl::new(source(), issuers, 7), ..World::new() };
    let list = List { issuer: other.subject_der().to_vec(), ..List::default() };
    assert_eq!(world.error(&list.der()), CrlError::KeyUsage);
}

#[test]
fn an_issuer_that_no_certificate_has_is_refused_before_it_is_compared() {
    let mut world = World::new();
    let long = vec![0x31; limits::CRL_ISSUER_OCTETS];
    let issuer = test_support::der::tlv(test_support::der::SEQUENCE, &[long]);
    let error = world.error(&List { issuer, ..List::default() }.der());
    assert_eq!(error, CrlError::Malformed("an issuer of such a length"));
}

#[test]
fn a_list_of_a_distribution_point_counts_for_its_certificates() {
    for (name, expected) in [
        ("http://crl.example/ca.crl", SourceStatus::Good),
        (
            "http://crl.example/other.crl",
            SourceStatus::Silent(RevocationUnknown::CrlOfOthers("/ca.crl".into())),
        ),
    ] {
        let mut world = World::new();
        let list = List { extensions: vec![number(1), point(&uri(name))], ..List::default() };
        world.fetch(Some(200), &list.der());
        assert_eq!(world.status(GOOD), Some(expected), "{name}");
    }
}

/// As `openssl verify -crl_check` says, with its `-extended_crl` too.
#[test]
fn a_list_counts_for_certificates_of_which_it_has_every_reason() {
    use test_support::der::{SEQUENCE, SET, UTF8_STRING, context, context_constructed, oid, tlv};
    let name = uri("http://crl.example/a.crl");
    let other = uri("http://crl.example/b.crl");
    let reasons = tlv(context(1), &[[6u8, 0x40]]);
    let of = |issuer: &[u8]| tlv(context_constructed(2), &[tlv(context_constructed(4), &[issuer])]);
    let common_name = [oid("2.5.4.3").unwrap(), tlv(UTF8_STRING, &["CRLs"])];
    let another = of(&tlv(SEQUENCE, &[tlv(SET, &[tlv(SEQUENCE, &common_name)])]));
    let itself = of(ca().subject_der());
    let points = |points: &[&[&[u8]]]| {
        let points: Vec<_> = points.iter().map(|point| tlv(SEQUENCE, point)).collect();
        vec![extension("2.5.29.31", false, &tlv(SEQUENCE, &points))]
    };
    let is_ca = |is_ca: u8| vec![extension("2.5.29.19", true, &[0x30, 3, 1, 1, is_ca])];
    let silent = SourceStatus::Silent(RevocationUnknown::CrlOfOthers("/ca.crl".into()));
    let complete = vec![number(1)];
    let of_point = vec![number(1), point(&name)];
    let of_users = vec![number(1), point(&[0x81, 1, 0xff])];
    for (case, extensions, [by_complete, by_point, by_users]) in [
        ("no extensions", vec![], [true, false, true]),
        ("its point", points(&[&[&name]]), [true, true, true]),
        ("another point", points(&[&[&other]]), [true, false, true]),
        ("some reasons", points(&[&[&name, &reasons]]), [false, false, false]),
        ("another issuer", points(&[&[&name, &another]]), [true, false, true]),
        ("its issuer", points(&[&[&name, &itself]]), [true, true, true]),
        ("both", points(&[&[&name, &reasons, &another]]), [true, false, true]),
        ("neither, too", points(&[&[&name, &reasons], &[&name]]), [true, true, true]),
        ("its issuer, too", points(&[&[&name, &another], &[&name]]), [true, true, true]),
        ("elsewhere", points(&[&[&name, &another], &[&other]]), [true, false, true]),
        ("reasons of it", points(&[&[&name, &another], &[&name, &reasons]]), [false; 3]),
        ("no distribution point", points(&[&[&[0x30, 0]]]), [false; 3]),
        ("not a CA", is_ca(0), [true, false, true]),
        ("a CA", is_ca(0xff), [true, false, false]),
        ("a CA in BER", is_ca(1), [true, false, false]),
    ] {
        for (list, is_covered) in
            [(&complete, by_complete), (&of_point, by_point), (&of_users, by_users)]
        {
            let mut world = World::new();
            world.fetch(Some(200), &List { extensions: list.clone(), ..List::default() }.der());
            let expected = if is_covered { SourceStatus::Good } else { silent.clone() };
            let status = world.status_with(GOOD, Some(&extensions));
            assert_eq!(status, Some(expected), "{case}: {list:?}");
            // What is listed is revoked in any case.
            let status = world.status_with(REVOKED, Some(&extensions));
            assert!(matches!(status, Some(SourceStatus::Revoked(_))), "{case}: {status:?}");
        }
    }
}

#[test]
fn a_long_list_is_read_in_pieces_and_each_of_its_certificates_is_revoked() {
    let mut world = World::new();
    let serial = |n: u32| [&[0x7f][..], &n.to_be_bytes(), &[9; 10]].concat();
    let entries = (0..20_000).map(|n| entry(&serial(n), &[])).collect();
    let event = world.fetch(Some(200), &List { entries, ..List::default() }.der());
    assert!(matches!(event, CrlEvent::Replaced { entries: 20_000, .. }), "{event:?}");
    let mut find = |serial: &[u8]| world.crl.in_force.find(serial, &mut world.shared);
    for n in 0..20_000 {
        assert_eq!(find(&serial(n)), Listing::Present, "{n}");
        assert_eq!(find(&serial(n + 20_000)), Listing::Absent, "{n}");
    }
}

#[test]
fn buckets_of_another_list_are_never_read_as_this_one() {
    let mut world = World::new();
    world.fetch(Some(200), &List::default().der());
    let buckets: Vec<String> =
        world.shared.0.keys().filter(|key| key.contains("/0/")).cloned().collect();
    assert!(!buckets.is_empty());
    for key in buckets {
        let (value, _) = world.shared.0.get_mut(&key).unwrap();
        value[0] ^= 1;
    }
    assert_eq!(
        world.status(GOOD),
        Some(SourceStatus::Unavailable(RevocationUnknown::CrlInconsistent("/ca.crl".into())))
    );
    // The next fetch repairs it.
    assert_eq!(world.fetch(Some(200), &List::default().der()), CrlEvent::Confirmed);
    assert_eq!(world.status(GOOD), Some(SourceStatus::Good));
}

proptest::proptest! {
    /// Damage never makes a list panic, and what is read has a profile.
    #[test]
    fn no_octets_make_a_list_panic(at in 0usize..400, octet: u8, cut in 0usize..400) {
        let mut der = List::default().der();
        let length = der.len();
        der[at % length] ^= octet;
        der.truncate(length - cut % 8);
        if let Ok(mut list) = list::CertificateList::read(der) {
            let mut buckets = buckets::Buckets::for_octets(list.entries_octets());
            while list.walk(&mut buckets) == Ok(true) {}
        }
    }
}
