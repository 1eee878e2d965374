//! The certificates of `tests/` were made by OpenSSL 3.0, valid from 2026-11-29 for a century: each
//! `X.ca.pem` is a root, and `X.pem` a leaf under it, where nothing else is said.

mod handshake;
mod offered;

use std::sync::Arc;

use super::*;
use crate::certificate::PeerCertificate;
use crate::limits;
use crate::time::UnixTime;

/// 2027-01-01
const NOW: UnixTime = UnixTime(1_798_761_600);

fn file(name: &str) -> Vec<u8> {
    let path = format!("{}/src/trust/tests/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn ca(name: &str) -> Arc<CaCertificate> {
    Arc::new(CaCertificate::from_pem(&file(name)).unwrap_or_else(|error| panic!("{name}: {error}")))
}

fn leaf(name: &str) -> PeerCertificate {
    PeerCertificate::from_pem(&file(name)).unwrap()
}

fn check_at(leaf_name: &str, anchors: &[&str], between: &[&str], now: UnixTime) -> path::Verdict {
    let all = |names: &[&str]| names.iter().map(|name| ca(name)).collect::<Vec<_>>();
    verify(&leaf(leaf_name), &all(anchors), &all(between), now, &SoftwareVerifier)
}

fn check(leaf_name: &str, anchors: &[&str], between: &[&str]) -> Result<(), PathError> {
    check_at(leaf_name, anchors, between, NOW).result
}

#[test]
fn every_algorithm_that_counts_is_verified() {
    let names = [
        "rsa256", "rsa384", "rsa512", "pss256", "pss384", "pss512", "pss2049", "p256", "p384",
        "p521", "ed25519",
    ];
    for name in names {
        let anchor = format!("{name}.ca");
        assert_eq!(check(name, &[&anchor], &[]), Ok(()), "{name}");
        // One bit of what is signed, and one of the signature.
        let good = leaf(name);
        for at in [200, good.der().len() - 3] {
            let mut der = good.der().to_vec();
            der[at] ^= 1;
            if let Ok(bad) = PeerCertificate::from_der(&der) {
                let verdict = verify(&bad, &[ca(&anchor)], &[], NOW, &SoftwareVerifier);
                assert!(verdict.result.is_err(), "{name} {at}");
            }
        }
    }
}

#[test]
fn another_key_of_the_same_name_is_no_issuer() {
    let invalid = Err(PathError::Signature(SignatureError::Invalid));
    // All roots have one name. These have keys of one algorithm.
    assert_eq!(check("rsa256", &["pss256.ca"], &[]), invalid);
    assert_eq!(check("pss256", &["rsa256.ca"], &[]), invalid);
    let algorithm = Err(PathError::Signature(SignatureError::Algorithm));
    assert_eq!(check("p256", &["rsa256.ca"], &[]), algorithm);
    assert_eq!(check("p256", &["other.ca", "p256.ca"], &[]), Ok(()));
}

/// OpenSSL says the same of each.
#[test]
fn constraints_on_mailboxes_are_about_subjects_too() {
    let refused = Err(PathError::NameConstraints);
    for (leaf, anchor, between, expected) in [
        ("mailbox", "mailbox.ca", &[][..], refused.clone()),
        ("mailbox-san", "mailbox.ca", &[], refused.clone()),
        ("mailbox-none", "mailbox.ca", &[], Ok(())),
        ("mailbox-unconstrained", "mailbox-free.ca", &[], Ok(())),
        // An address of a CA below the constraint.
        ("mailbox-below-mid", "mailbox.ca", &["mailbox-mid"], refused.clone()),
        // A constraint is about what is below its CA, and not about the CA.
        ("mailbox-below-constrained", "mailbox-free.ca", &["mailbox-constrained-mid"], refused),
        ("mailbox-none-below-constrained", "mailbox-free.ca", &["mailbox-constrained-mid"], Ok(())),
    ] {
        assert_eq!(check(leaf, &[anchor], between), expected, "{leaf}");
    }
}

/// Says the same of every signature.
#[derive(Debug)]
pub(crate) struct Says(pub(crate) bool);

impl SignatureVerifier for Says {
    fn verify(
        &self,
        _: SignatureAlgorithm,
        _: &[u8],
        _: &[u8],
        _: &[u8],
    ) -> Result<(), SignatureError> {
        if self.0 { Ok(()) } else { Err(SignatureError::Invalid) }
    }
}

#[test]
fn what_is_weak_is_refused_whoever_verifies() {
    let check =
        |name: &str, anchor: &str| verify(&leaf(name), &[ca(anchor)], &[], NOW, &Says(true));
    assert_eq!(check("rsa256", "rsa256.ca").result, Ok(()));
    let weak = SignatureError::Key(PublicKeyError::RsaBits(1024));
    assert_eq!(check("weak", "weak.ca").result, Err(PathError::Signature(weak)));
    let sha_1 = Err(PathError::Signature(SignatureError::Algorithm));
    assert_eq!(check("sha1", "rsa256.ca").result, sha_1);
}

#[test]
fn exponents_and_moduli_that_no_key_has_are_refused() {
    let number = |octets: &[u8]| {
        let mut out = Vec::new();
        crate::certificate::der::write_element(&mut out, 2, &[octets]);
        out
    };
    let key = |modulus: &[u8], exponent: &[u8]| {
        let mut out = Vec::new();
        let parts: [&[u8]; 2] = [&number(modulus), &number(exponent)];
        crate::certificate::der::write_element(&mut out, 0x30, &parts);
        out
    };
    let mut modulus = vec![0xc1; 257];
    modulus[0] = 0;
    let even = [&modulus[..256], &[0xc0]].concat();
    let verify = |bits: &[u8]| {
        let algorithm = SignatureAlgorithm::RsaPkcs1(Hash::Sha256);
        signature::verify_strong(&SoftwareVerifier, algorithm, &[], bits, b"", b"")
    };
    let exponent = Err(SignatureError::Key(PublicKeyError::RsaExponent));
    for bad in [&[1][..], &[2], &[4], &[1, 0, 0, 0, 1]] {
        assert_eq!(verify(&key(&modulus, bad)), exponent, "{bad:?}");
    }
    assert_eq!(verify(&key(&even, &[3])), exponent);
    let unsuitable = Err(SignatureError::Key(PublicKeyError::Unsuitable));
    for bad in [&[0][..], &[0, 3], &[0x83], &[]] {
        assert_eq!(verify(&key(&modulus, bad)), unsuitable, "{bad:?}");
    }
    let bits = |bits| Err(SignatureError::Key(PublicKeyError::RsaBits(bits)));
    assert_eq!(verify(&key(&[0x41; 256], &[3])), bits(2047));
    let mut long = vec![0xc1; 1025];
    long[0] = 1;
    assert_eq!(verify(&key(&long, &[3])), bits(limits::LARGEST_RSA_BITS + 1));

    // The longest that count, and one bit more.
    let counts = |algorithm, octets: &[u8]| {
        let bits = key(octets, &[3]);
        signature::verify_strong(&Says(true), algorithm, &[], &bits, b"", b"")
    };
    let longest = |length: usize| [&[0][..], &vec![0xc1; length / 8]].concat();
    let longer = |length: usize| [&[1][..], &vec![0xc1; length / 8]].concat();
    for (algorithm, most) in [
        (SignatureAlgorithm::RsaPkcs1(Hash::Sha256), limits::LARGEST_RSA_BITS),
        (SignatureAlgorithm::RsaPss(Hash::Sha256), limits::LARGEST_PSS_BITS),
    ] {
        assert_eq!(counts(algorithm, &longest(most)), Ok(()));
        assert_eq!(counts(algorithm, &longer(most)), bits(most + 1));
    }
}

#[test]
fn intermediates_join_the_path() {
    let unknown = Err(PathError::UnknownIssuer);
    assert_eq!(check("undersub", &["p256.ca"], &[]), unknown);
    assert_eq!(check("undersub", &["p256.ca"], &["sub"]), Ok(()));
    // An intermediate may be an anchor itself, and is none by being an intermediate.
    assert_eq!(check("undersub", &["sub"], &[]), Ok(()));
    assert!(check("undersub", &["other.ca"], &["sub"]).is_err());
    assert_eq!(check("p256", &[], &["p256.ca"]), unknown);
    // A loop, and more certificates than the path has.
    let many = ["p256.ca", "p384.ca", "rsa256.ca", "other.ca", "sub", "spelled.ca", "nc.ca"];
    assert_eq!(check("undersub", &["p256.ca"], &many), Ok(()));
    assert!(check("undersub", &["ed25519.ca"], &many).is_err());
}

/// A path that webpki finds is longer than the anchor allows. For webpki an anchor is a name and a
/// key.
#[test]
fn the_path_length_of_an_anchor_counts() {
    use test_support::certificate::{Authority, AuthoritySpec, CertificateSpec, extension};
    use test_support::der::{BOOLEAN, SEQUENCE, integer, tlv};

    let limited = |common_name, length: u64| {
        let parts = [tlv(BOOLEAN, &[[0xff]]), integer(length)];
        let constraints = extension("2.5.29.19", true, &tlv(SEQUENCE, &parts)).unwrap();
        let extensions = vec![constraints];
        AuthoritySpec { common_name, is_ca: false, extensions, ..AuthoritySpec::default() }
    };
    let plain = |common_name| AuthoritySpec { common_name, ..AuthoritySpec::default() };
    let read = |all: &[&Authority]| -> Vec<_> {
        all.iter().map(|ca| Arc::new(CaCertificate::from_der(ca.der()).unwrap())).collect()
    };
    let path = |issuer: &Authority, anchors: &[&Authority], between: &[&Authority]| {
        let client = issuer.issue(&CertificateSpec::default()).der.unwrap();
        let leaf = PeerCertificate::from_der(&client).unwrap();
        verify(&leaf, &read(anchors), &read(between), NOW, &SoftwareVerifier).result
    };
    let (none, one) = (Authority::root(&limited("R0", 0)), Authority::root(&limited("R1", 1)));
    assert_eq!(path(&none, &[&none], &[]), Ok(()));
    for (root, within) in [(&none, 0), (&one, 1)] {
        let first = root.below(&plain("A"));
        let second = first.below(&plain("B"));
        let result = |is_within| if is_within { Ok(()) } else { Err(PathError::PathLength) };
        assert_eq!(path(&first, &[root], &[&first]), result(within >= 1));
        assert_eq!(path(&second, &[root], &[&first, &second]), result(within >= 2));
        // Another anchor on the way has no such constraint.
        assert_eq!(path(&second, &[root, &first], &[&first, &second]), Ok(()));
    }
    // A CA whose issuer has its own name does not count (RFC 5280 §4.2.1.9).
    let renewed = none.below(&plain("R0"));
    assert_eq!(path(&renewed, &[&none], &[&renewed]), Ok(()));
}

#[test]
fn only_cas_that_may_sign_are_read() {
    let read = |name| CaCertificate::from_pem(&file(name)).err();
    assert_eq!(read("nosign.ca"), Some(CaError::MayNotSign));
    assert_eq!(read("badsub"), Some(CaError::MayNotSign));
    assert_eq!(read("notca.ca"), Some(CaError::NotACa));
    assert_eq!(read("v1"), Some(CaError::NotACa));
    assert_eq!(CaCertificate::from_pem(b"x").err(), Some(CaError::Pem));
    assert!(ca("p256.ca").may_sign_crls() && !ca("sub").may_sign_crls());
}

/// Found by the fuzz target ca_certificate, beside another parser.
#[test]
fn constraints_and_usages_that_are_no_der_are_refused() {
    let der = ca("sub").der().to_vec();
    let changed = |from: &[u8], to: &[u8]| {
        let at = der.windows(from.len()).position(|part| part == from).expect("it is there");
        let mut changed = der.clone();
        changed[at..at + to.len()].copy_from_slice(to);
        CaCertificate::from_der(&changed).map(|ca| ca.may_sign_crls())
    };
    // keyCertSign alone; then with cRLSign; then with bits that are not used, but set.
    assert_eq!(changed(&[3, 2, 2, 4], &[3, 2, 1, 6]), Ok(true));
    for malformed in [[3, 2, 2, 6], [3, 2, 7, 4], [3, 2, 8, 4]] {
        assert_eq!(changed(&[3, 2, 2, 4], &malformed), Err(CaError::Der), "{malformed:02x?}");
    }
    let constraints = |contents: &[u8]| {
        let whole = [&[0x30, contents.len() as u8], contents].concat();
        ca_certificate::read_basic_constraints(crate::certificate::der::Tlv::only(&whole).unwrap())
    };
    for (length, read) in [
        (&[][..], None),
        (&[2, 1, 0], Some(0)),
        (&[2, 1, 0x7f], Some(127)),
        (&[2, 2, 0, 0x80], Some(128)),
        (&[2, 2, 0, 0xff], Some(255)),
        (&[2, 2, 1, 0], Some(255)),
        (&[2, 3, 0, 0x80, 0], Some(255)),
    ] {
        let of_ca = constraints(&[&[1, 1, 0xff], length].concat());
        assert_eq!(of_ca, Ok((true, read)), "{length:02x?}");
        assert_eq!(constraints(length), Ok((false, read)), "{length:02x?}");
    }
    // A negative length, none, one that is not the shortest, another type, and more behind it.
    for length in
        [&[2, 1, 0x88][..], &[2, 0], &[2, 2, 0, 1], &[2, 2, 0xff, 0], &[4, 1, 0], &[2, 1, 0, 5, 0]]
    {
        assert!(constraints(&[&[1, 1, 0xff], length].concat()).is_err(), "{length:02x?}");
    }
}

/// RFC 5280 leaves the validity of an anchor to whoever trusts it.
#[test]
fn an_anchor_counts_while_it_is_valid() {
    use test_support::certificate::{Authority, AuthoritySpec, CertificateSpec};
    use test_support::moment::Moment;
    let spec = AuthoritySpec {
        not_before: Moment::parse("2026-06-01T00:00:00Z").unwrap(),
        not_after: Moment::parse("2027-06-01T00:00:00Z").unwrap(),
        ..AuthoritySpec::default()
    };
    let root = Authority::root(&spec);
    let leaf = root.issue(&CertificateSpec::default());
    let leaf = PeerCertificate::from_der(leaf.der.as_deref().unwrap()).unwrap();
    let anchor = Arc::new(CaCertificate::from_der(root.der()).unwrap());
    let (first, last) = (anchor.not_before(), anchor.not_after());
    for (now, expected) in [
        (UnixTime(first.0 - 1), Err(PathError::UnknownIssuer)),
        (first, Ok(())),
        (NOW, Ok(())),
        (last, Ok(())),
        (UnixTime(last.0 + 1), Err(PathError::UnknownIssuer)),
    ] {
        let anchors = std::slice::from_ref(&anchor);
        let verdict = verify(&leaf, anchors, &[], now, &SoftwareVerifier);
        assert_eq!(verdict.result, expected, "{now}");
        // A refusal is remembered until the anchor or the leaf changes.
        let until = match now {
            now if now < first => UnixTime(first.0 - 1),
            now if now <= last => last,
            _ => leaf.not_after(),
        };
        assert_eq!((verdict.from, verdict.until), (now, until), "{now}");
    }
}

/// As of CRLs and of answers of responders.
#[test]
fn signatures_of_every_algorithm_are_verified_alone() {
    use crate::certificate::IssuedCertificate;
    for name in ["rsa256", "rsa512", "pss256", "pss384", "p256", "p384", "p521", "ed25519"] {
        let (good, anchor) = (leaf(name), ca(&format!("{name}.ca")));
        let issued = IssuedCertificate::of(good.der()).unwrap();
        let verify = |algorithm: &[u8], key: &[u8], message: &[u8]| {
            verify_signed(&SoftwareVerifier, algorithm, key, message, issued.signature)
        };
        let (algorithm, key) = (issued.algorithm, anchor.public_key());
        assert_eq!(verify(algorithm, key, issued.signed), Ok(()), "{name}");
        assert_eq!(verify(algorithm, key, b"other"), Err(SignatureError::Invalid), "{name}");
        let other = if name == "ed25519" { ca("p256.ca") } else { ca("ed25519.ca") };
        let unsuitable = Err(SignatureError::Key(PublicKeyError::Unsuitable));
        assert_eq!(verify(algorithm, other.public_key(), issued.signed), unsuitable, "{name}");
        let unknown = Err(SignatureError::Algorithm);
        assert_eq!(verify(&[0x30, 0], key, issued.signed), unknown, "{name}");
    }
}

#[test]
fn a_verdict_holds_until_something_changes() {
    let verdict = check_at("undersub", &["p256.ca"], &["sub"], NOW);
    let ends = [ca("p256.ca").not_after(), ca("sub").not_after(), leaf("undersub").not_after()];
    assert_eq!(Some(verdict.until), ends.into_iter().min());
    // An anchor that has expired, or is not valid yet, is none.
    let anchor = ca("p256.ca");
    for (now, until) in [
        (UnixTime(anchor.not_after().0 + 1), None),
        (UnixTime(anchor.not_before().0 - 1), Some(UnixTime(anchor.not_before().0 - 1))),
    ] {
        let verdict = check_at("p256", &["p256.ca"], &[], now);
        assert!(verdict.result.is_err(), "{now}");
        assert!(until.is_none_or(|until| verdict.until == until), "{now}");
    }

    let mut memory = PathMemory::new();
    let trust = Trust::new(vec![anchor.clone()], Vec::new(), None);
    let question = PathQuestion {
        leaf: leaf("p256").thumbprint(),
        trust: trust.id().copied(),
        client: None,
        offered: None,
    };
    let later = |seconds: i64| UnixTime(NOW.0 + seconds);
    memory.remember(question, path::Verdict { result: Ok(()), from: NOW, until: later(9) });
    assert!(memory.recall(&question, NOW).is_some());
    assert!(memory.recall(&question, later(9)).is_some());
    assert!(memory.recall(&question, later(10)).is_none(), "a certificate has expired");
    assert!(memory.recall(&question, later(-1)).is_none(), "the clock was set back");
    let other = Trust::new(vec![ca("other.ca")], Vec::new(), None).id().copied();
    assert!(memory.recall(&PathQuestion { trust: other, ..question }, NOW).is_none());
    let revoked = Some(leaf("p384").thumbprint());
    let revoked = Trust::new(vec![anchor], Vec::new(), revoked).id().copied();
    assert!(memory.recall(&PathQuestion { trust: revoked, ..question }, NOW).is_none());
    assert!(memory.recall(&PathQuestion { client: other, ..question }, NOW).is_none());
}

#[test]
fn the_number_of_signatures_is_bounded() {
    #[derive(Debug, Default)]
    struct Counting(std::sync::atomic::AtomicU32);
    impl SignatureVerifier for Counting {
        fn verify(
            &self,
            _: SignatureAlgorithm,
            _: &[u8],
            _: &[u8],
            _: &[u8],
        ) -> Result<(), SignatureError> {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Err(SignatureError::Invalid)
        }
    }
    let anchors = vec![ca("p256.ca"); 50];
    let counting = Counting::default();
    let verdict = verify(&leaf("p256"), &anchors, &[], NOW, &counting);
    assert_eq!(verdict.result, Err(PathError::TooManySignatures));
    assert_eq!(counting.0.into_inner(), limits::PATH_SIGNATURES);
}

/// A `tls_client_auth` client with these anchors, beside these members of the configuration.
fn decide(
    members: &str,
    anchors: &str,
    leaf_name: &str,
    chain_valid: Option<bool>,
) -> (String, String) {
    use crate::gate::{Gate, GateRequest, Peer};
    let configuration = format!(
        r#"{{"endpoints": ["/token"], {members} "clients": [{{"client_id": "a",
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": "CN=client"{anchors}}}]}}"#
    );
    let gate = match Gate::new(configuration.as_bytes()) {
        Ok(gate) => gate,
        Err(error) => return ("refused".to_owned(), error.to_string()),
    };
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let request = GateRequest {
        headers: vec![
            header(":method", "POST"),
            header(":path", "/token"),
            header(":authority", "as.example.org"),
            header("content-type", "application/x-www-form-urlencoded"),
        ],
        body: b"client_id=a".to_vec(),
    };
    let mut peer =
        Peer { chain_valid, now: Some(NOW), ..Peer::default() }.presenting(&file(leaf_name));
    let [first, second] = [(); 2].map(|()| {
        let decision = gate.decide(&request, &mut peer).decision;
        let detail = decision.rejection.map(|rejection| rejection.to_string());
        (decision.code.to_string(), detail.unwrap_or_default())
    });
    assert_eq!(first, second, "what is remembered is the same");
    first
}

fn json(name: &str) -> String {
    crate::json::Json::String(String::from_utf8(file(name)).unwrap()).to_value().to_string()
}

#[test]
fn anchors_of_the_configuration_decide() {
    let members = |names: &[&str]| {
        let all: Vec<String> = names.iter().map(|name| json(name)).collect();
        format!(
            r#""peer_certificate": {{"chain": "anchors"}}, "trust_anchors": [{}],"#,
            all.join(",")
        )
    };
    // Whatever the host says of the chain: a resumed session has lost it.
    for chain_valid in [None, Some(false), Some(true)] {
        let (code, detail) = decide(&members(&["p256.ca"]), "", "p256", chain_valid);
        assert_eq!(code, "authenticated", "{detail}");
        let (code, detail) = decide(&members(&["p384.ca"]), "", "p256", chain_valid);
        assert_eq!(code, "certificate_untrusted_issuer", "{detail}");
    }
    let (code, detail) = decide(&members(&["p256.ca"]), "", "server", None);
    assert_eq!(code, "certificate_untrusted_issuer");
    assert!(detail.contains("clientAuth"), "{detail}");
    let between = format!(r#"{} "intermediates": [{}],"#, members(&["p256.ca"]), json("sub"));
    assert_eq!(decide(&between, "", "undersub", None).0, "authenticated");
}

#[test]
fn anchors_of_a_client_count_beside_whatever_else_vouches() {
    let of_client = |anchor: &str| format!(r#", "trust_anchors": [{anchor}]"#);
    let untrusted = "certificate_untrusted_issuer";
    // Two CAs of one name issue the same subject.
    assert_eq!(decide("", &of_client(&json("p256.ca")), "p256", Some(true)).0, "authenticated");
    let (code, detail) = decide("", &of_client(&json("other.ca")), "p256", Some(true));
    assert_eq!(code, untrusted);
    assert!(detail.starts_with("trust_anchors of the client: "), "{detail}");
    // The chain counts as well, and first.
    let unverified = decide("", &of_client(&json("p256.ca")), "p256", Some(false));
    assert_eq!(unverified.0, "certificate_unverified");

    let both = format!(r#""trust_anchors": [{}, {}],"#, json("p256.ca"), json("sub"));
    let subject = |name: &str| of_client(&format!(r#"{{"subject": "{name}"}}"#));
    let root = subject("CN=root, C=jp");
    assert_eq!(decide(&both, &root, "p256", Some(true)).0, "authenticated");
    assert_eq!(decide(&both, &subject("CN=Sub"), "p256", Some(true)).0, untrusted);
    let (code, detail) = decide(&both, &subject("CN=None"), "p256", Some(true));
    assert_eq!((code.as_str(), detail.contains("none of the trust_anchors")), ("refused", true));
    let same_name = format!(r#""trust_anchors": [{}, {}],"#, json("p256.ca"), json("other.ca"));
    let (code, detail) = decide(&same_name, &root, "p256", Some(true));
    assert_eq!((code.as_str(), detail.contains("different keys")), ("refused", true), "{detail}");
}

/// What a client sends that is large, and what an operator writes twice, or of whom.
#[test]
fn large_certificates_and_unfit_anchors_are_refused() {
    use test_support::certificate::{Authority, AuthoritySpec, CertificateSpec};
    let root = Authority::root(&AuthoritySpec::default());
    let anchors = vec![Arc::new(CaCertificate::from_der(root.der()).unwrap())];
    for (filler, expected) in [(40, Ok(())), (65, Err(PathError::Malformed))] {
        let large = root.issue(&CertificateSpec { filler, ..CertificateSpec::default() });
        let large = PeerCertificate::from_der(large.der.as_deref().unwrap()).unwrap();
        let verdict = verify(&large, &anchors, &[], NOW, &SoftwareVerifier);
        assert_eq!(verdict.result, expected, "{filler} kB");
    }

    let members = |anchors: &str| {
        format!(r#""peer_certificate": {{"chain": "anchors"}}, "trust_anchors": [{anchors}],"#)
    };
    let one = json("p256.ca");
    for (anchors, detail) in [
        (format!("{one}, {one}"), "/trust_anchors/1: expected a certificate that is not in the"),
        (json("p256"), "/trust_anchors/0: expected the certificate of a CA"),
        (json("nosign.ca"), "/trust_anchors/0: expected a CA that may sign certificates"),
        ("\"x\"".to_owned(), "/trust_anchors/0: expected the PEM of one certificate"),
        (String::new(), "/trust_anchors: expected at least one trust anchor"),
    ] {
        let (code, found) = decide(&members(&anchors), "", "p256", None);
        assert_eq!(code, "refused", "{anchors}");
        assert!(found.contains(detail), "{found}");
    }
    let (code, found) = decide(r#""peer_certificate": {"chain": "anchors"},"#, "", "p256", None);
    assert_eq!(code, "refused");
    assert!(found.contains("the member trust_anchors"), "{found}");
}
