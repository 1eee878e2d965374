//! The single verdicts of NIST PKITS, the suite of RFC 5280 §6: each certificate of its clients
//! through the filter, with the root of the suite as the anchor, and the CAs above it as
//! intermediates.
//!
//! What differs from the suite is listed with its reason; a row that does not differ any more
//! fails, too.

use std::collections::BTreeMap;
use std::fs;

use serde_json::json;
use tls_client_auth::inspect::{CaCertificate, pem};
use tls_client_auth::{Code, Gate, GateRequest, Peer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::CORPUS;

/// 2027-01-01; the suite is valid until 2030.
const NOW: UnixTime = UnixTime(1_798_761_600);

/// A kind of test of which the filter says another thing than the suite. `tests` are those parts of
/// the names of files between `Valid` or `Invalid` and `EE`.
struct Difference {
    reason: &'static str,
    /// A part of what the filter says.
    detail: &'static str,
    tests: &'static [&'static str],
}

/// Passed by the filter, and invalid by the suite.
const PASSED: &[Difference] = &[Difference {
    reason: "it is a CRL that makes it invalid: `crl` has tests of its own",
    detail: "certificate has CN=",
    tests: &[
        "BadCRLIssuerNameTest5",
        "BadCRLSignatureTest4",
        "BasicSelfIssuedCRLSigningKeyTest7",
        "BasicSelfIssuedNewWithOldTest5",
        "BasicSelfIssuedOldWithNewTest2",
        "IDPwithindirectCRLTest23",
        "IDPwithindirectCRLTest26",
        "LongSerialNumberTest18",
        "MissingCRLTest1",
        "NegativeSerialNumberTest15",
        "OldCRLnextUpdateTest11",
        "RevokedCATest2",
        "RevokedEETest3",
        "SeparateCertificateandCRLKeysTest20",
        "SeparateCertificateandCRLKeysTest21",
        "UnknownCRLEntryExtensionTest8",
        "UnknownCRLExtensionTest10",
        "UnknownCRLExtensionTest9",
        "WrongCRLTest6",
        "cRLIssuerTest27",
        "cRLIssuerTest31",
        "cRLIssuerTest32",
        "cRLIssuerTest34",
        "cRLIssuerTest35",
        "deltaCRLIndicatorNoBaseTest1",
        "deltaCRLTest10",
        "deltaCRLTest3",
        "deltaCRLTest4",
        "deltaCRLTest6",
        "deltaCRLTest9",
        "distributionPointTest2",
        "distributionPointTest3",
        "distributionPointTest6",
        "distributionPointTest8",
        "distributionPointTest9",
        "keyUsageCriticalcRLSignFalseTest4",
        "keyUsageNotCriticalcRLSignFalseTest5",
        "onlyContainsAttributeCertsTest14",
        "onlyContainsCACertsTest12",
        "onlySomeReasonsTest15",
        "onlySomeReasonsTest16",
        "onlySomeReasonsTest17",
        "onlySomeReasonsTest20",
        "onlySomeReasonsTest21",
        "pre2000CRLnextUpdateTest12",
    ],
}];

/// Refused by the filter, and valid by the suite.
const REFUSED: &[Difference] = &[
    Difference {
        reason: "directoryName is a type of constraint that webpki does not understand",
        detail: "a name that the name constraints",
        tests: &[
            "DNnameConstraintsTest11",
            "DNnameConstraintsTest18",
            "DNnameConstraintsTest5",
            "DNnameConstraintsTest6",
        ],
    },
    Difference {
        reason: "the same, where a self-issued certificate of the CA with another key is tried \
                 last",
        detail: "the signature is not by the issuer's key",
        tests: &[
            "DNandRFC822nameConstraintsTest27",
            "DNnameConstraintsTest14",
            "DNnameConstraintsTest19",
            "DNnameConstraintsTest1",
            "DNnameConstraintsTest4",
        ],
    },
    Difference {
        reason: "so are rfc822Name and uniformResourceIdentifier",
        detail: "a name that the name constraints",
        tests: &[
            "RFC822nameConstraintsTest21",
            "RFC822nameConstraintsTest23",
            "RFC822nameConstraintsTest25",
            "URInameConstraintsTest34",
            "URInameConstraintsTest36",
        ],
    },
    Difference {
        reason: "webpki counts self-issued certificates in pathLenConstraint, which RFC 5280 \
                 §4.2.1.9 does not; the detail is that of the other key of the CA, which is \
                 tried last",
        detail: "the signature is not by the issuer's key",
        tests: &["SelfIssuedpathLenConstraintTest15", "SelfIssuedpathLenConstraintTest17"],
    },
    Difference {
        reason: "critical policyConstraints, inhibitAnyPolicy and policyMappings: policies are \
                 not evaluated, and an extension that is not understood must not be passed over",
        detail: "a critical extension",
        tests: &[
            "PolicyMappingTest11",
            "PolicyMappingTest12",
            "PolicyMappingTest13",
            "PolicyMappingTest14",
            "PolicyMappingTest1",
            "PolicyMappingTest3",
            "PolicyMappingTest5",
            "PolicyMappingTest6",
            "PolicyMappingTest9",
            "SelfIssuedinhibitAnyPolicyTest7",
            "SelfIssuedinhibitAnyPolicyTest9",
            "SelfIssuedinhibitPolicyMappingTest7",
            "SelfIssuedrequireExplicitPolicyTest6",
            "inhibitAnyPolicyTest2",
            "inhibitPolicyMappingTest2",
            "inhibitPolicyMappingTest4",
            "requireExplicitPolicyTest1",
            "requireExplicitPolicyTest2",
            "requireExplicitPolicyTest4",
        ],
    },
    Difference {
        reason: "the name of an intermediate in other letter case, blanks or string type: only \
                 the names of anchors are compared so",
        detail: "no path to an anchor",
        tests: &[
            "NameChainingCapitalizationTest5",
            "NameChainingWhitespaceTest3",
            "NameChainingWhitespaceTest4",
            "RolloverfromPrintableStringtoUTF8StringTest10",
            "UTF8StringCaseInsensitiveMatchTest11",
        ],
    },
    Difference {
        reason: "DSA does not count (contract §9)",
        detail: "an algorithm that does not count",
        tests: &["DSAParameterInheritanceTest5", "DSASignaturesTest4"],
    },
    Difference {
        reason: "the certificate of a CA is none of a client",
        detail: "the certificate is that of a CA",
        tests: &["onlyContainsCACertsTest13", "pathLenConstraintTest14", "pathLenConstraintTest8"],
    },
    Difference {
        reason: "webpki does not read subjectUniqueID and issuerUniqueID, which CAs must not \
                 use (RFC 5280 §4.1.2.8)",
        detail: "malformed",
        tests: &["NameUIDsTest6"],
    },
    Difference {
        reason: "webpki does not read a time before 1970",
        detail: "malformed",
        tests: &["pre2000UTCnotBeforeDateTest3"],
    },
];

/// The CAs that may be on the path of a certificate, by the names of their subjects. With all CAs
/// of the suite the verdicts are the same, and the details those of other paths.
fn above<'a>(leaf: &[u8], all: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let names = |der: &[u8]| {
        let (_, certificate) = X509Certificate::from_der(der).unwrap();
        // Letter case and blanks do not count in a comparison (RFC 5280 §7.1).
        [certificate.subject(), certificate.issuer()]
            .map(|name| name.to_string().to_ascii_lowercase().replace(' ', ""))
    };
    let [_, issuer] = names(leaf);
    let mut wanted = vec![issuer];
    let mut found: Vec<&[u8]> = Vec::new();
    while let Some(name) = wanted.pop() {
        for ca in all {
            let [subject, issuer] = names(ca);
            if subject == name && !found.contains(ca) {
                found.push(ca);
                wanted.push(issuer);
            }
        }
    }
    found
}

fn gate(root: &str, intermediates: &[&[u8]]) -> Gate {
    let mut configuration = json!({
        "endpoints": ["/token"],
        "peer_certificate": {"chain": "anchors"},
        "trust_anchors": [root],
        "clients": [{
            "client_id": "client",
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": "CN=none of the suite",
        }],
    });
    if !intermediates.is_empty() {
        let intermediates: Vec<String> = intermediates.iter().map(|der| pem::encode(der)).collect();
        configuration["intermediates"] = json!(intermediates);
    }
    Gate::new(configuration.to_string().as_bytes()).unwrap()
}

#[test]
fn the_verdicts_of_pkits() {
    let folder = test_support::repository().join(CORPUS);
    let folder = folder.join("cryptography_vectors/x509/PKITS_data/certs");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| {
        panic!("{}: {error}; ./build.sh test module fetches it", folder.display())
    });
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        files.insert(name, fs::read(&path).unwrap());
    }
    let root = pem::encode(&files["TrustAnchorRootCertificate"]);
    let cas: Vec<&[u8]> = files
        .iter()
        .filter(|(name, der)| {
            !name.ends_with("EE")
                && *name != "TrustAnchorRootCertificate"
                && CaCertificate::from_der(der).is_ok()
        })
        .map(|(_, der)| der.as_slice())
        .collect();
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let request = GateRequest {
        headers: vec![
            header(":method", "POST"),
            header(":path", "/token"),
            header(":authority", "as.example.org"),
            header("content-type", "application/x-www-form-urlencoded"),
        ],
        body: b"client_id=client".to_vec(),
    };

    let (mut agreed, mut differing, mut wrong) = (0, 0, Vec::new());
    for (name, der) in files.iter().filter(|(name, _)| name.ends_with("EE")) {
        let (is_valid, test) = match (name.strip_prefix("Valid"), name.strip_prefix("Invalid")) {
            (Some(test), _) => (true, test),
            (_, Some(test)) => (false, test),
            // Tests of policies, whose result is a set of policies, not a verdict.
            (None, None) => continue,
        };
        let test = test.strip_suffix("EE").unwrap();
        let gate = gate(&root, &above(der, &cas));
        let text = pem::encode(der);
        let mut peer = Peer { now: Some(NOW), ..Peer::default() }.presenting(text.as_bytes());
        let decision = gate.decide(&request, &mut peer).decision;
        // The path is a good one, and the certificate that of another client.
        let passes = decision.code == Code::SubjectMismatch;
        if passes == is_valid {
            agreed += 1;
        } else {
            differing += 1;
        }
        let expected = if is_valid { REFUSED } else { PASSED };
        let expected = expected.iter().find(|kind| kind.tests.contains(&test));
        let detail = decision.rejection.map(|rejection| rejection.to_string()).unwrap_or_default();
        let is_as_listed = match expected {
            None => passes == is_valid,
            Some(kind) => passes != is_valid && detail.contains(kind.detail),
        };
        if !is_as_listed {
            let reason = expected.map_or("not listed", |kind| kind.reason);
            wrong.push(format!("{name}: {} {detail} ({reason})", decision.code));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let listed: usize = PASSED.iter().chain(REFUSED).map(|kind| kind.tests.len()).sum();
    assert_eq!(listed, differing, "a test is listed that is none, or twice");
    // The suite has more. Fewer would mean that this test read something else.
    assert!(agreed > 100, "{agreed}");
}
