//! Answers as responders and attackers give them.

use test_support::der::{
    self, BIT_STRING, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, bit_string, context,
    context_constructed, oid, tlv,
};

use super::response::Question;
use super::*;
use crate::certificate::IssuedCertificate;
use crate::certificate::der::tag;
use crate::certificate::pem;
use crate::registration::ListedHost;
use crate::registration::ListedHosts;
use crate::revocation::issuers::Issuers;
use crate::revocation::{OnUnavailable, ResponderStatus};
use crate::trust::{CaCertificate, SignatureAlgorithm, SignatureError};

const CA: &[u8] = include_bytes!("../crl/tests/ca.pem");
const LEAF: &[u8] = include_bytes!("tests/leaf.pem");
/// With id-kp-OCSPSigning, and without.
const DELEGATE: &[u8] = include_bytes!("tests/delegate.pem");
const NO_DELEGATE: &[u8] = include_bytes!("../crl/tests/good.pem");
/// 2027-01-01.
const NOW: UnixTime = UnixTime(1_798_761_600);

/// Every signature counts but those that end like this.
#[derive(Debug)]
struct Lenient;

impl SignatureVerifier for Lenient {
    fn verify(
        &self,
        _: SignatureAlgorithm,
        _: &[u8],
        _: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        if signature.ends_with(b"wrong") { Err(SignatureError::Invalid) } else { Ok(()) }
    }
}

fn der_of(text: &[u8]) -> Vec<u8> {
    pem::decode(text).unwrap()
}

fn issuer() -> Issuer {
    let ca = Arc::new(CaCertificate::from_pem(CA).unwrap());
    let der = der_of(LEAF);
    let issued = IssuedCertificate::of(&der).unwrap();
    Issuers::new(&[ca]).of(&issued, &Lenient).unwrap().clone()
}

/// An answer that is good in every respect, and what may differ.
struct Made {
    status: u8,
    id: Option<Vec<u8>>,
    certificate_status: Vec<u8>,
    /// That of another `SingleResponse` about the same certificate.
    other_status: Option<Vec<u8>>,
    this_update: &'static str,
    next_update: Option<&'static str>,
    responder: Option<Vec<u8>>,
    certificates: Vec<Vec<u8>>,
    signature: &'static [u8],
    extensions: Vec<u8>,
}

impl Default for Made {
    fn default() -> Self {
        Self {
            status: 0,
            id: None,
            certificate_status: tlv(context(0), &[b""]),
            other_status: None,
            this_update: "20261231000000Z",
            next_update: Some("20270102000000Z"),
            responder: None,
            certificates: Vec::new(),
            signature: b"right",
            extensions: Vec::new(),
        }
    }
}

fn id(serial: &[u8]) -> CertId {
    let der = der_of(LEAF);
    let issued = IssuedCertificate::of(&der).unwrap();
    CertId::of(issued.parts.issuer, &issuer(), serial)
}

fn leaf_id() -> CertId {
    let der = der_of(LEAF);
    id(IssuedCertificate::of(&der).unwrap().parts.serial_number)
}

/// The `CertID` in a question.
fn id_of(question: &[u8]) -> Vec<u8> {
    use crate::certificate::der::{Elements, Tlv};
    // OCSPRequest, TBSRequest, requestList, Request.
    let inner = (0..4).fold(question, |outer, _| Tlv::only(outer).unwrap().contents);
    assert!(Elements(inner).all(|element| element.is_ok()));
    inner.to_vec()
}

impl Made {
    fn der(&self) -> Vec<u8> {
        let time = |time: &str| tlv(der::GENERALIZED_TIME, &[time]);
        let single = |status: &Vec<u8>| {
            let parts = [
                self.id.clone().unwrap_or_else(|| id_of(&leaf_id().request())),
                status.clone(),
                time(self.this_update),
                self.next_update
                    .map(|next| tlv(context_constructed(0), &[time(next)]))
                    .unwrap_or_default(),
                self.extensions.clone(),
            ];
            tlv(SEQUENCE, &parts)
        };
        let statuses = [&self.certificate_status].into_iter().chain(&self.other_status);
        let singles: Vec<_> = statuses.map(single).collect();
        let responder = self
            .responder
            .clone()
            .unwrap_or_else(|| tlv(context_constructed(1), &[issuer().subject()]));
        let data = tlv(SEQUENCE, &[responder, time("20261231000000Z"), tlv(SEQUENCE, &singles)]);
        let algorithm = tlv(SEQUENCE, &[oid("1.2.840.10045.4.3.2").unwrap()]);
        let certificates = if self.certificates.is_empty() {
            Vec::new()
        } else {
            tlv(context_constructed(0), &[tlv(SEQUENCE, &self.certificates)])
        };
        let basic = tlv(SEQUENCE, &[data, algorithm, bit_string(self.signature), certificates]);
        let bytes =
            tlv(SEQUENCE, &[oid("1.3.6.1.5.5.7.48.1.1").unwrap(), tlv(OCTET_STRING, &[basic])]);
        tlv(SEQUENCE, &[tlv(0x0a, &[[self.status]]), tlv(context_constructed(0), &[bytes])])
    }

    fn read(&self) -> Result<OcspAnswer, OcspError> {
        read(&self.der())
    }
}

fn read(answer: &[u8]) -> Result<OcspAnswer, OcspError> {
    let (id, issuer) = (leaf_id(), issuer());
    let question = Question { id: &id, issuer: &issuer, now: NOW, max_age: 3600 };
    OcspAnswer::read(answer, &question, &Lenient)
}

fn by(certificate: &[u8]) -> Made {
    let der = der_of(certificate);
    let subject = IssuedCertificate::of(&der).unwrap().parts.subject.to_vec();
    Made {
        responder: Some(tlv(context_constructed(1), &[subject])),
        certificates: vec![der],
        ..Made::default()
    }
}

/// What `openssl ocsp -no_nonce` asks about the same certificate.
#[test]
fn a_question_is_that_of_openssl() {
    let expected = "30433041303f303d303b300906052b0e03021a05000414a6b542f0a93a2827cccfdd7c223abf46c0\
        a867ae041461505affc300cbfaa467885d1b4b9656bb171e6102027a31";
    let found: String = leaf_id().request().iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(found, expected);
}

/// Of an answer that names another issuer or serial number, or by another digest, nothing follows.
#[test]
fn an_answer_is_about_the_certificate_that_it_names() {
    let own = id_of(&leaf_id().request());
    assert!(Made { id: Some(own.clone()), ..Made::default() }.read().is_ok());
    // The last octet of the digest's object identifier, an octet of each digest, and of the number.
    for at in [10, 20, 40, own.len() - 1] {
        let mut other = own.clone();
        other[at] ^= 1;
        let answer = Made { id: Some(other), ..Made::default() }.read();
        assert_eq!(answer, Err(OcspError::OtherCertificate), "{at}");
    }
}

#[test]
fn a_good_and_a_revoked_certificate() {
    let good = Made::default().read().unwrap();
    assert_eq!(good.revoked_at, None);
    assert_eq!(good.left(NOW, 3600), 86_400_000);
    // Half an hour before: what is left of max_age.
    let this_update = "20261231233000Z";
    let old = Made { this_update, next_update: None, ..Made::default() }.read().unwrap();
    assert_eq!(old.left(NOW, 3600), 1_800_000);
    let time = tlv(der::GENERALIZED_TIME, &["20261201000000Z"]);
    let revoked =
        Made { certificate_status: tlv(context_constructed(1), &[time]), ..Made::default() };
    assert_eq!(revoked.read().map(|answer| answer.revoked_at), Ok(Some(UnixTime(1_796_083_200))));
    // By the digest of the key.
    let key = tlv(context_constructed(2), &[tlv(OCTET_STRING, &[issuer().key_hash()])]);
    assert!(Made { responder: Some(key), ..Made::default() }.read().is_ok());
    // By its name in another string type.
    let mut name = issuer().subject().to_vec();
    let (from, to) = if name.contains(&tag::UTF8_STRING) {
        (tag::UTF8_STRING, tag::PRINTABLE_STRING)
    } else {
        (tag::PRINTABLE_STRING, tag::UTF8_STRING)
    };
    name.iter_mut().filter(|octet| **octet == from).for_each(|octet| *octet = to);
    assert_ne!(name, issuer().subject());
    let responder = Some(tlv(context_constructed(1), &[name]));
    assert!(Made { responder, ..Made::default() }.read().is_ok());
    assert!(by(DELEGATE).read().is_ok());
}

/// A responder that has renewed its certificate may enclose both.
#[test]
fn each_certificate_of_the_responder_is_tried() {
    let mut unsigned = der_of(DELEGATE);
    let end = unsigned.len() - 5;
    unsigned[end..].copy_from_slice(b"wrong");
    let with = |certificates| Made { certificates, ..by(DELEGATE) }.read();
    assert!(with(vec![unsigned.clone(), der_of(DELEGATE)]).is_ok());
    let expected = OcspError::Responder("its certificate is not signed by the issuer");
    assert_eq!(with(vec![unsigned]), Err(expected));
}

/// RFC 5280 §4.2.1.12: digitalSignature, nonRepudiation, or both.
#[test]
fn what_a_responder_may_do_is_in_its_certificate() {
    const USAGE: &[u8] = b"\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x07\x80";
    let with = |usage: &[u8]| {
        let mut delegate = der_of(DELEGATE);
        let at = delegate.windows(USAGE.len()).position(|part| part == USAGE).unwrap();
        delegate[at..at + USAGE.len()].copy_from_slice(usage);
        Made { certificates: vec![delegate], ..by(DELEGATE) }.read().map(|answer| answer.revoked_at)
    };
    let changed = |places: &[(usize, u8)]| {
        let mut usage = USAGE.to_vec();
        places.iter().for_each(|(at, octet)| usage[*at] = *octet);
        with(&usage)
    };
    let refused = |why| Err(OcspError::Responder(why));
    let unfit = refused("its key usage lacks digitalSignature");
    assert_eq!(with(USAGE), Ok(None));
    assert_eq!(changed(&[(10, 6), (11, 0x40)]), Ok(None));
    assert_eq!(changed(&[(10, 6), (11, 0xc0)]), Ok(None));
    assert_eq!(changed(&[(10, 5), (11, 0x20)]), unfit);
    assert_eq!(changed(&[(10, 2), (11, 0x04)]), unfit);
    assert_eq!(changed(&[(10, 0), (11, 0)]), unfit);
    // Another extension, which is critical, and the same if it is not.
    assert_eq!(changed(&[(2, 0x63)]), refused("its certificate has a critical extension"));
    assert_eq!(changed(&[(2, 0x63), (5, 0)]), Ok(None));
}

/// RFC 6960 §4.2.2.2.1 says that it should not be critical.
#[test]
fn a_responder_about_which_nobody_need_ask_may_say_so_in_a_critical_extension() {
    const KEY_ID: &[u8] = b"\x30\x1d\x06\x03\x55\x1d\x0e\x04\x16";
    const NO_CHECK: &[u8] =
        b"\x30\x1d\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x05\x01\x01\xff\x04\x0d";
    let mut delegate = der_of(DELEGATE);
    let at = delegate.windows(KEY_ID.len()).position(|part| part == KEY_ID).unwrap();
    delegate[at..at + NO_CHECK.len()].copy_from_slice(NO_CHECK);
    let read = |delegate: &[u8]| {
        Made { certificates: vec![delegate.to_vec()], ..by(DELEGATE) }.read().map(drop)
    };
    assert_eq!(read(&delegate), Ok(()));
    delegate[at + 12] = 6;
    assert!(matches!(read(&delegate), Err(OcspError::Responder(_))));
}

#[test]
fn two_answers_about_one_certificate_are_none() {
    let time = tlv(der::GENERALIZED_TIME, &["20261201000000Z"]);
    let revoked = tlv(context_constructed(1), &[time]);
    for other in [revoked, tlv(context(0), &[b""])] {
        let answer = Made { other_status: Some(other), ..Made::default() };
        let expected = OcspError::Malformed("two answers about one certificate");
        assert_eq!(answer.read(), Err(expected));
    }
}

#[test]
fn what_says_nothing_about_this_certificate_now_is_refused() {
    let critical = |id: &str| {
        let extension =
            tlv(SEQUENCE, &[oid(id).unwrap(), vec![1, 1, 0xff], tlv(OCTET_STRING, &[[5, 0]])]);
        tlv(context_constructed(1), &[tlv(SEQUENCE, &[extension])])
    };
    let stranger = tlv(context_constructed(1), &[tlv(SEQUENCE, &[b""])]);
    for (answer, expected) in [
        (
            Made { certificate_status: tlv(context(2), &[b""]), ..Made::default() },
            OcspError::Unknown,
        ),
        (
            Made { id: Some(id_of(&id(&[1, 2, 3]).request())), ..Made::default() },
            OcspError::OtherCertificate,
        ),
        (
            Made { next_update: Some("20261231235959Z"), ..Made::default() },
            OcspError::Stale { until: UnixTime(1_798_761_599) },
        ),
        // Without nextUpdate, max_age counts.
        (
            Made { next_update: None, ..Made::default() },
            OcspError::Stale { until: UnixTime(1_798_678_800) },
        ),
        (
            Made { this_update: "20270101001000Z", ..Made::default() },
            OcspError::NotYetValid { this_update: UnixTime(1_798_762_200) },
        ),
        (
            Made { signature: b"wrong", ..Made::default() },
            OcspError::Signature(SignatureError::Invalid),
        ),
        (
            Made { signature: b"wrong", ..by(DELEGATE) },
            OcspError::Signature(SignatureError::Invalid),
        ),
        (by(NO_DELEGATE), OcspError::Responder("its certificate lacks id-kp-OCSPSigning")),
        (
            Made { responder: Some(stranger), ..Made::default() },
            OcspError::Responder(
                "neither the issuer nor a certificate in the answer is the signer",
            ),
        ),
        (
            Made { certificates: Vec::new(), ..by(DELEGATE) },
            OcspError::Responder(
                "neither the issuer nor a certificate in the answer is the signer",
            ),
        ),
        (
            Made { extensions: critical("1.2.3"), ..Made::default() },
            OcspError::CriticalExtension("1.2.3".into()),
        ),
        (
            Made { certificate_status: tlv(context(3), &[b""]), ..Made::default() },
            OcspError::Malformed("certStatus"),
        ),
    ] {
        assert_eq!(answer.read(), Err(expected));
    }
    for status in [1, 2, 3, 5, 6, 9] {
        // RFC 6960 §4.2.1: an error has no responseBytes.
        let answer = tlv(SEQUENCE, &[tlv(0x0a, &[[status]])]);
        assert_eq!(read(&answer), Err(OcspError::Status(ResponderStatus(status))));
    }
    for octets in [&b""[..], b"<html>", &[0x30, 0], &[0x30, 3, 0x0a, 1, 0]] {
        assert!(matches!(read(octets), Err(OcspError::Malformed(_))), "{octets:?}");
    }
    let _ = (BIT_STRING, INTEGER, OBJECT_IDENTIFIER);
}

#[test]
fn one_question_at_a_time_is_asked_for_a_certificate() {
    let source = Arc::new(OcspSource {
        cluster: "ocsp".into(),
        hosts: ListedHosts::new(vec![ListedHost::parse("*.example").unwrap()]),
        timeout: std::time::Duration::from_secs(2),
        max_age: std::time::Duration::from_millis(3_599_500),
        on_unavailable: OnUnavailable::Reject,
    });
    let certificate = Arc::new(PeerCertificate::from_pem(LEAF).unwrap());
    let der = der_of(LEAF);
    let issued = IssuedCertificate::of(&der).unwrap();
    let mut answers: OcspAnswers<u8> = OcspAnswers::new(source);
    let now = NOW.0 as u64 * 1000;
    let find = |answers: &mut OcspAnswers<u8>, now| answers.find(&certificate, &issued.parts, now);
    assert!(find(&mut answers, now).is_pending());
    answers.wait(&certificate, &issued.parts, &issuer(), 1);
    answers.wait(&certificate, &issued.parts, &issuer(), 2);
    let requests = answers.take_requests();
    let [(key, request)] = requests.as_slice() else { panic!("{requests:?}") };
    let header = |name: &str| {
        request.headers.iter().find(|(known, _)| &**known == name).map(|(_, value)| &**value)
    };
    assert_eq!(header(":authority"), Some("ocsp.example:8080"));
    let path = header(":path").unwrap();
    assert!(path.starts_with("/a/M") && !path.contains(['+', '=']), "{path}");
    assert!(answers.take_requests().is_empty());

    let body = Made::default().der();
    let answer = |status, body: &[u8]| {
        let body = body.to_vec();
        move |answers: &mut OcspAnswers<u8>, key: &str, now| {
            let read = |_| Some(body.clone());
            let answer =
                RegistryAnswer { status, headers: &[], body_size: body.len(), read: &read };
            answers.on_answer(key, Some(&answer), now, &Lenient).unwrap()
        }
    };
    let answered = answer(Some(200), &body)(&mut answers, key, now);
    assert_eq!((answered.status, answered.waiting), (SourceStatus::Good, vec![1, 2]));
    assert_eq!(find(&mut answers, now + 3_599_499), Poll::Ready(SourceStatus::Good));
    // It is too old, and then the responder does not answer, for a moment.
    let later = now + 3_599_500;
    assert!(find(&mut answers, later).is_pending());
    answers.wait(&certificate, &issued.parts, &issuer(), 3);
    assert_eq!(answers.take_requests().len(), 1);
    let answered = answer(Some(503), b"")(&mut answers, key, later);
    let error = OcspError::Fetch(FetchError::Status(503));
    let why = RevocationUnknown::Ocsp { responder: "http://ocsp.example:8080/a".into(), error };
    assert_eq!(answered.status, SourceStatus::Unavailable(why.clone()));
    assert_eq!(find(&mut answers, later + 4_999), Poll::Ready(SourceStatus::Unavailable(why)));
    assert!(find(&mut answers, later + 5_000).is_pending());
    assert!(answers.on_answer("another", None, later, &Lenient).is_none());
}

/// Of a configuration with `on_unavailable: "allow"`.
fn lenient_answers() -> OcspAnswers<u8> {
    OcspAnswers::new(Arc::new(OcspSource {
        cluster: "ocsp".into(),
        hosts: ListedHosts::new(vec![ListedHost::parse("*.example").unwrap()]),
        timeout: std::time::Duration::from_secs(2),
        max_age: std::time::Duration::from_secs(3600),
        on_unavailable: OnUnavailable::Allow,
    }))
}

/// Asks about a certificate, and takes this answer.
fn ask(
    answers: &mut OcspAnswers<u8>,
    certificate: &Arc<PeerCertificate>,
    status: u16,
    body: &[u8],
    now: u64,
) -> Answered<u8> {
    let issued = IssuedCertificate::of(certificate.der()).unwrap();
    answers.wait(certificate, &issued.parts, &issuer(), 1);
    let (key, _) = answers.take_requests().pop().unwrap();
    let read = |_| Some(body.to_vec());
    let (body_size, status) = (body.len(), Some(status));
    let answer = RegistryAnswer { status, headers: &[], body_size, read: &read };
    answers.on_answer(&key, Some(&answer), now, &Lenient).unwrap()
}

/// An answer that the certificate is revoked, a second later than others.
fn revoked_later() -> Made {
    let date = tlv(der::GENERALIZED_TIME, &["20261201000000Z"]);
    let certificate_status = tlv(context_constructed(1), &[date]);
    Made { certificate_status, this_update: "20261231000001Z", ..Made::default() }
}

/// With `on_unavailable: "allow"` a certificate would pass of which it is known that it must not.
#[test]
fn only_a_later_answer_takes_a_revocation_back() {
    let mut answers = lenient_answers();
    let certificate = Arc::new(PeerCertificate::from_pem(LEAF).unwrap());
    let der = der_of(LEAF);
    let issued = IssuedCertificate::of(&der).unwrap();
    let revoked = revoked_later();
    let at_once = Made { this_update: revoked.this_update, ..Made::default() };
    let again = Made { this_update: "20261231000002Z", ..Made::default() };
    let mut now = NOW.0 as u64 * 1000;
    for (status, body, stays_revoked, is_ok) in [
        (200, revoked.der(), true, true),
        (503, Vec::new(), true, false),
        (200, Made::default().der(), true, false),
        (200, Vec::new(), true, false),
        (200, at_once.der(), true, false),
        (200, revoked.der(), true, true),
        (200, again.der(), false, true),
        (503, Vec::new(), false, false),
    ] {
        let answered = ask(&mut answers, &certificate, status, &body, now);
        assert_eq!(answered.is_ok, is_ok);
        let is_revoked = |status: &SourceStatus| matches!(status, SourceStatus::Revoked(_));
        assert_eq!(is_revoked(&answered.status), stays_revoked, "{:?}", answered.status);
        let Poll::Ready(known) = answers.find(&certificate, &issued.parts, now + 4_999) else {
            panic!("it is not held")
        };
        assert_eq!(known, answered.status);
        now += 5_000;
        // What is known of the failure is held for 5 seconds alone.
        let is_held = answers.find(&certificate, &issued.parts, now).is_ready();
        assert_eq!(is_held, is_ok);
    }
}

/// Whoever has a certificate can make its other encoding, and keep the responder from answering.
#[test]
fn a_revocation_is_held_against_the_other_encoding_of_a_certificate() {
    let mut answers = lenient_answers();
    let revoked = revoked_later();
    for (pem, status, body) in [
        (LEAF, 200, revoked.der()),
        (include_bytes!("tests/leaf-twin.pem"), 503, Vec::new()),
        (include_bytes!("tests/leaf-twin.pem"), 200, Made::default().der()),
        (LEAF, 503, Vec::new()),
    ] {
        let certificate = Arc::new(PeerCertificate::from_pem(pem).unwrap());
        let answered = ask(&mut answers, &certificate, status, &body, NOW.0 as u64 * 1000);
        let status = &answered.status;
        assert!(matches!(status, SourceStatus::Revoked(_)), "{status:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_octets_make_an_answer_good_by_accident(at in 0usize..600, octet in 1u8.., cut in 0usize..8) {
        let mut answer = by(DELEGATE).der();
        let length = answer.len();
        answer[at % length] ^= octet;
        answer.truncate(length - cut);
        let _ = read(&answer);
    }
}
