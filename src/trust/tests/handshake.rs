//! What BoringSSL lets through the handshake of Envoy and a path refuses: the table of contract §9,
//! row by row, each with the detail that it shows and the way out that it names.

use std::collections::BTreeSet;
use std::sync::Arc;

use test_support::certificate::{
    Algorithm, Authority, AuthoritySpec, Certificate, CertificateSpec, extension,
};
use test_support::der::{BIT_STRING, SEQUENCE, context, context_constructed, oid, tlv};

use super::{NOW, ca, check, leaf};
use crate::certificate::PeerCertificate;
use crate::trust::{CaCertificate, PathError, SoftwareVerifier, verify};

fn spec(common_name: &'static str) -> AuthoritySpec {
    AuthoritySpec { common_name, ..AuthoritySpec::default() }
}

fn path(
    leaf: &Certificate,
    anchors: &[&Authority],
    between: &[&Authority],
) -> Result<(), PathError> {
    let read = |all: &[&Authority]| {
        all.iter()
            .map(|authority| Arc::new(CaCertificate::from_der(authority.der()).unwrap()))
            .collect::<Vec<_>>()
    };
    let leaf = PeerCertificate::from_der(leaf.der.as_deref().unwrap()).unwrap();
    verify(&leaf, &read(anchors), &read(between), NOW, &SoftwareVerifier).result
}

/// A client under `issuer` with this extension, which is critical.
fn with_critical(issuer: &Authority, id: &str, value: &[u8]) -> Certificate {
    let extensions = vec![extension(id, true, value).unwrap()];
    issuer.issue(&CertificateSpec { extensions, ..CertificateSpec::default() })
}

/// The details in the table of the contract.
fn details_of_the_contract() -> BTreeSet<String> {
    let contract = format!("{}/docs/contract.md", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(contract).unwrap();
    let (_, table) = text.split_once("What the handshake of Envoy may let through").unwrap();
    let rows = table.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    let detail = |row: &str| row.split('|').nth(2).unwrap().trim().to_owned();
    rows.map(detail).collect()
}

#[test]
fn each_row_of_the_table_has_its_detail() {
    let root = Authority::root(&spec("Root"));
    let sequence = |parts: &[Vec<u8>]| tlv(SEQUENCE, parts);
    let policies = sequence(&[sequence(&[oid("1.2.3.4").unwrap()])]);
    // qcCompliance (ETSI EN 319 412-5).
    let statements = sequence(&[sequence(&[oid("0.4.0.1862.1.1").unwrap()])]);
    let usage = |id: &str| {
        root.issue(&CertificateSpec { eku: Some(vec![id.into()]), ..CertificateSpec::default() })
    };
    // An issuer whose constraints permit what the client's names are.
    let constrained = |kind: u8, base: &[u8]| {
        let permitted = tlv(context_constructed(0), &[sequence(&[tlv(kind, &[base])])]);
        let constraints = extension("2.5.29.30", true, &sequence(&[permitted])).unwrap();
        root.below(&AuthoritySpec { extensions: vec![constraints], ..spec("Constrained") })
    };
    let names = |kind: &str, name: &str| CertificateSpec {
        san: Some(vec![[(kind.to_owned(), name.to_owned())].into()]),
        ..CertificateSpec::default()
    };
    let mut seen = BTreeSet::new();
    let mut row = |result: Result<(), PathError>, error: PathError, detail: &str| {
        assert_eq!(result, Err(error.clone()));
        assert!(error.to_string().contains(detail), "{error}");
        seen.insert(format!("`{detail}`"));
    };

    row(check("v1", &["p256.ca"], &[]), PathError::Version, "X.509 version 1 or 2");
    let clients = (PathError::NotForClients, "does not have clientAuth");
    row(check("server", &["p256.ca"], &[]), clients.0.clone(), clients.1);
    // serverAuth, anyExtendedKeyUsage.
    for id in ["1.3.6.1.5.5.7.3.1", "2.5.29.37.0"] {
        row(path(&usage(id), &[&root], &[]), clients.0.clone(), clients.1);
    }
    // keyEncipherment; keyAgreement; keyCertSign and cRLSign; no bit at all.
    for bits in [[5, 0x20], [3, 0x08], [1, 0x06], [0, 0x00]] {
        let client = with_critical(&root, "2.5.29.15", &tlv(BIT_STRING, &[bits]));
        let detail = "does not have digitalSignature";
        row(path(&client, &[&root], &[]), PathError::NotForSignatures, detail);
    }
    // digitalSignature, alone and beside others; and what is no BIT STRING of DER.
    for (bits, expected) in [
        (&[7, 0x80][..], Ok(())),
        (&[3, 0x88], Ok(())),
        (&[7, 0x80, 0x80], Ok(())),
        (&[7, 0x81], Err(PathError::Malformed)),
        (&[], Err(PathError::Malformed)),
    ] {
        let client = with_critical(&root, "2.5.29.15", &tlv(BIT_STRING, &[bits]));
        assert_eq!(path(&client, &[&root], &[]), expected, "{bits:02x?}");
    }
    let critical = (PathError::CriticalExtension, "a critical extension");
    row(check("policy", &["p256.ca"], &[]), critical.0.clone(), critical.1);
    row(check("unknown", &["p256.ca"], &[]), critical.0.clone(), critical.1);
    for (id, value) in [
        ("2.5.29.32", policies.as_slice()),
        ("1.3.6.1.5.5.7.1.3", &statements),
        // policyConstraints, of a client and of an issuer.
        ("2.5.29.36", &sequence(&[tlv(context(0), &[[0]])])),
    ] {
        let client = with_critical(&root, id, value);
        row(path(&client, &[&root], &[]), critical.0.clone(), critical.1);
        let constraints = vec![extension(id, true, value).unwrap()];
        let issuer = root.below(&AuthoritySpec { extensions: constraints, ..spec("Between") });
        let client = issuer.issue(&CertificateSpec::default());
        row(path(&client, &[&root], &[&issuer]), critical.0.clone(), critical.1);
    }
    let is_a_ca = "the certificate is that of a CA";
    row(check("isca", &["p256.ca"], &[]), PathError::IsACa, is_a_ca);

    let constraints = (PathError::NameConstraints, "name constraints");
    row(check("nc", &["nc.ca"], &[]), constraints.0.clone(), constraints.1);
    row(check("dirnc", &["dirnc.ca"], &[]), constraints.0.clone(), constraints.1);
    for (kind, base, san) in [
        (context(1), &b"example.org"[..], names("email", "a@example.org")),
        (context(6), b"example.org", names("uri", "https://example.org/")),
        (context_constructed(4), root.name(), CertificateSpec::default()),
    ] {
        let issuer = constrained(kind, base);
        let client = issuer.issue(&san);
        row(path(&client, &[&root], &[&issuer]), constraints.0.clone(), constraints.1);
        // The way out: an anchor below the constraints.
        let below = issuer.below(&spec("Below"));
        let client = below.issue(&san);
        row(path(&client, &[&root], &[&issuer, &below]), constraints.0.clone(), constraints.1);
        assert_eq!(path(&client, &[&below], &[]), Ok(()));
    }
    // Those of host names and addresses are understood.
    for (kind, base, good, bad) in [
        (context(2), &b"example.org"[..], names("dns", "a.example.org"), names("dns", "a.test")),
        (
            context(7),
            &[192, 0, 2, 0, 255, 255, 255, 0],
            names("ip", "192.0.2.7"),
            names("ip", "192.0.3.7"),
        ),
    ] {
        let issuer = constrained(kind, base);
        assert_eq!(path(&issuer.issue(&good), &[&root], &[&issuer]), Ok(()));
        let client = issuer.issue(&bad);
        row(path(&client, &[&root], &[&issuer]), constraints.0.clone(), constraints.1);
    }

    // The same key under a name of other letter case, as an intermediate and as the anchor.
    let rsa = |name| AuthoritySpec { algorithm: Algorithm::Rsa256, ..spec(name) };
    let between = root.below(&rsa("Issuing CA"));
    let client = Authority::root(&rsa("ISSUING ca")).issue(&CertificateSpec::default());
    let unknown = "no path to an anchor";
    row(path(&client, &[&root], &[&between]), PathError::UnknownIssuer, unknown);
    assert_eq!(path(&client, &[&between], &[]), Ok(()));
    // Of another type of string, too.
    assert_eq!(check("p256", &["spelled.ca"], &[]), Ok(()));
    assert_ne!(ca("spelled.ca").subject_der(), leaf("p256").issuer_der());
    seen.insert("none: it passes".to_owned());

    assert_eq!(seen, details_of_the_contract());
}
