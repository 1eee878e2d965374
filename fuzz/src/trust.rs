//! CAs, paths to them, and what says that certificates were revoked. Verifiers that accept, or
//! refuse, every signature stand for those who have, or have not, the keys.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::json;
use tls_client_auth::host::{
    CrlEvent, Downstream, Exchange, Fields, Head, RegistryAnswer, RevocationHost, RevocationStatus,
    Revocations, SharedData, SignatureAlgorithm, SignatureError, SignatureVerifier, Step, Version,
};
use tls_client_auth::inspect::CaCertificate;
use tls_client_auth::{
    Code, Configuration, HostError, PeerCertificate, Rejection, ServerName, UnixTime, limits,
};
use x509_parser::prelude::{
    CertificateRevocationList, FromDer as _, ParsedExtension, X509Certificate,
};

use crate::requests::TOKEN_REQUEST;

/// 1 January 2027, in milliseconds.
const NOW: u64 = 1_798_761_600_000;

const CA: &str = include_str!("../../src/revocation/crl/tests/ca.pem");
const REVOKED: &[u8] = include_bytes!("../../src/revocation/crl/tests/revoked.pem");
const LEAF: &[u8] = include_bytes!("../../src/revocation/ocsp/tests/leaf.pem");

/// Says the same of every signature, and counts how often it is asked.
#[derive(Debug)]
struct Says(bool);

static ACCEPTS: Says = Says(true);
static REFUSES: Says = Says(false);

thread_local! {
    static ASKED: Cell<u32> = const { Cell::new(0) };
}

impl SignatureVerifier for Says {
    fn verify(
        &self,
        _: SignatureAlgorithm,
        _: &[u8],
        _: &[u8],
        _: &[u8],
    ) -> Result<(), SignatureError> {
        ASKED.set(ASKED.get() + 1);
        if self.0 { Ok(()) } else { Err(SignatureError::Invalid) }
    }
}

/// The shared data of a process.
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

fn revocations(more: &serde_json::Value) -> Revocations<()> {
    let mut members = json!({
        "endpoints": ["/token"], "clients": [], "trust_anchors": [CA],
        "peer_certificate": {"chain": "anchors"}
    });
    for (name, value) in more.as_object().expect("members") {
        members[name] = value.clone();
    }
    let configuration =
        Configuration::parse(members.to_string().as_bytes()).expect("a configuration");
    Revocations::new(configuration.revocation().expect("a source"), 7)
}

static WITH_CRL: LazyLock<serde_json::Value> =
    LazyLock::new(|| json!({"crl": [{"cluster": "c", "authority": "a", "path": "/ca.crl"}]}));
static WITH_OCSP: LazyLock<serde_json::Value> =
    LazyLock::new(|| json!({"ocsp": {"cluster": "o", "hosts": ["*.example"]}}));

/// Fetches `body` as a CRL, whose signature counts or not; returns what is then said of the
/// certificate [`REVOKED`], and whether the list is in force.
fn fetched_crl(
    body: &[u8],
    verifier: &'static Says,
    certificate: &PeerCertificate,
) -> (RevocationStatus, bool) {
    let mut all = revocations(&WITH_CRL);
    let mut shared = Shared::default();
    let mut now = NOW;
    let crl = all.crls().first_mut().expect("a CRL");
    // The first fetch begins after a random time.
    let is_requested = (0..2_000).any(|_| {
        now += 1_000;
        let elapsed = Duration::from_secs(1);
        crl.tick(elapsed, now, &mut shared, verifier, &mut || true).request.is_some()
    });
    assert!(is_requested, "the list is not requested");
    crl.on_answer(&RegistryAnswer {
        status: Some(200),
        headers: &[],
        body_size: body.len(),
        read: &|_| Some(body.to_vec()),
    });
    // In the smallest pieces, of which there are no more than octets.
    let mut ticks = 0;
    while crl.tick(Duration::ZERO, now, &mut shared, verifier, &mut || false).is_busy {
        ticks += 1;
        assert!(ticks <= 64 + body.len() / 2, "the list has no end");
    }
    let events = crl.take_events();
    let is_in_force = matches!(events.as_slice(), [CrlEvent::Replaced { .. }]);
    assert!(is_in_force || matches!(events.as_slice(), [CrlEvent::Failed { .. }]), "{events:?}");
    assert_eq!(crl.state().is_some(), is_in_force);
    let mut host = RevocationHost { now, shared: &mut shared, verifier: &ACCEPTS };
    match all.find(certificate, &mut host) {
        std::task::Poll::Ready(status) => (status, is_in_force),
        std::task::Poll::Pending => panic!("no responder is asked"),
    }
}

/// A CRL: one that its issuer did not sign is never in force, and a certificate that another parser
/// finds in the list is never good.
pub(crate) fn crl(octets: &[u8]) {
    let certificate = PeerCertificate::from_pem(REVOKED).expect("a certificate");
    let (status, is_in_force) = fetched_crl(octets, &REFUSES, &certificate);
    assert!(!is_in_force && matches!(status, RevocationStatus::Unknown(_)), "{status:?}");
    let (status, is_in_force) = fetched_crl(octets, &ACCEPTS, &certificate);
    if !is_in_force {
        assert!(matches!(status, RevocationStatus::Unknown(_)), "{status:?}");
        return;
    }
    if let Ok((_, list)) = CertificateRevocationList::from_der(octets) {
        let significant = |serial: &[u8]| {
            let zeros = serial.iter().take_while(|octet| **octet == 0).count();
            serial.get(zeros..).unwrap_or_default().to_vec()
        };
        let own = significant(certificate.serial_number());
        let is_listed =
            list.iter_revoked_certificates().any(|entry| significant(entry.raw_serial()) == own);
        assert!(!is_listed || status != RevocationStatus::Good, "listed, and good");
        assert!(is_listed || !matches!(status, RevocationStatus::Revoked(_)), "not listed");
    }
}

/// An answer of a responder: one that no key signed is never good, nor is one that does not name
/// the certificate.
pub(crate) fn ocsp(octets: &[u8]) {
    _ = answered(octets);
}

/// What is said after an answer without a signature, and after the same with one.
fn answered(octets: &[u8]) -> Vec<RevocationStatus> {
    let mut statuses = Vec::new();
    let certificate = Arc::new(PeerCertificate::from_pem(LEAF).expect("a certificate"));
    for verifier in [&REFUSES, &ACCEPTS] {
        let mut all = revocations(&WITH_OCSP);
        let mut shared = Shared::default();
        // Its issuer is known before the responder is asked.
        let mut host = RevocationHost { now: NOW, shared: &mut shared, verifier: &ACCEPTS };
        assert!(all.find(&certificate, &mut host).is_pending());
        all.wait(&certificate, (), &ACCEPTS);
        let requests = all.take_requests();
        let [(key, _)] = requests.as_slice() else { panic!("{} requests", requests.len()) };
        let answer = RegistryAnswer {
            status: Some(200),
            headers: &[],
            body_size: octets.len(),
            read: &|_| Some(octets.to_vec()),
        };
        let mut host = RevocationHost { now: NOW, shared: &mut shared, verifier };
        let finished = all.on_answer(key, Some(&answer), &mut host).expect("was asked");
        assert_eq!(finished.waiting.len(), 1);
        let is_unknown = matches!(finished.status, RevocationStatus::Unknown(_));
        assert_eq!(finished.is_ok, !is_unknown, "{:?}", finished.status);
        if !verifier.0 {
            assert!(is_unknown, "not signed: {:?}", finished.status);
        }
        let serial = certificate.serial_number();
        if !octets.windows(serial.len()).any(|part| part == serial) {
            assert!(is_unknown, "of another certificate: {:?}", finished.status);
        }
        statuses.push(finished.status);
    }
    statuses
}

/// The certificate of a CA, which another parser finds to be that of a CA, too.
pub(crate) fn ca_certificate(octets: &[u8]) {
    let is_text = octets.first() != Some(&0x30);
    let read =
        if is_text { CaCertificate::from_pem(octets) } else { CaCertificate::from_der(octets) };
    let Ok(ca) = read else { return };
    assert_eq!(CaCertificate::from_der(ca.der()).as_ref(), Ok(&ca));
    for name in [ca.subject_der(), ca.issuer_der(), ca.public_key()] {
        assert_eq!(name.first(), Some(&0x30));
    }
    if let Ok((rest, parsed)) = X509Certificate::from_der(ca.der()) {
        assert!(rest.is_empty());
        assert_eq!(parsed.subject().as_raw(), ca.subject_der());
        let is_ca = parsed.extensions().iter().any(|extension| {
            matches!(extension.parsed_extension(),
                ParsedExtension::BasicConstraints(constraints) if constraints.ca)
        });
        assert!(is_ca, "no CA");
        for extension in parsed.extensions() {
            if let ParsedExtension::KeyUsage(usage) = extension.parsed_extension() {
                assert!(usage.key_cert_sign(), "must not sign");
                assert_eq!(usage.crl_sign(), ca.may_sign_crls());
            }
        }
    }
}

/// The connection of a client with this certificate.
struct Connection {
    certificate: Arc<PeerCertificate>,
    verifier: &'static Says,
}

impl Downstream for Connection {
    fn now(&mut self) -> Result<UnixTime, HostError> {
        Ok(UnixTime((NOW / 1000) as i64))
    }

    fn server_name(&mut self) -> ServerName {
        ServerName::Unspecified
    }

    fn peer_certificate(&mut self) -> Result<Arc<PeerCertificate>, Rejection> {
        Ok(self.certificate.clone())
    }

    fn is_peer_certificate_verified(&mut self) -> Option<bool> {
        Some(false)
    }

    fn signature_verifier(&mut self) -> &'static dyn SignatureVerifier {
        self.verifier
    }
}

/// Certificates in DER, one behind another: a leaf, then what stands between it and an anchor,
/// which is the last one. A bounded number of signatures is asked for; where none is right, no
/// client is authenticated; and nothing else is an anchor.
pub(crate) fn chain(octets: &[u8]) {
    _ = verified(octets);
}

/// The codes without and with right signatures; `None` = nothing is to be verified.
fn verified(octets: &[u8]) -> Option<[Code; 2]> {
    let mut rest = octets;
    let mut certificates = Vec::new();
    while !rest.is_empty() {
        let Ok((after, _)) = x509_parser::der_parser::asn1_rs::Any::from_der(rest) else {
            return None;
        };
        let (one, _) = rest.split_at(rest.len() - after.len());
        certificates.push(one);
        rest = after;
    }
    let (leaf, authorities) = certificates.split_first()?;
    let leaf = PeerCertificate::from_der(leaf).ok()?;
    let subject = leaf.subject().ok()?;
    let mut authorities: Vec<_> =
        authorities.iter().filter_map(|der| CaCertificate::from_der(der).ok()).collect();
    let anchor = authorities.pop()?;
    let pem = |ca: &CaCertificate| {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(ca.der());
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    };
    let mut members = json!({
        "endpoints": ["/token"], "peer_certificate": {"chain": "anchors"},
        "trust_anchors": [pem(&anchor)],
        "clients": [{"client_id": "a", "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": subject.to_string()}]
    });
    if !authorities.is_empty() {
        members["intermediates"] = authorities.iter().map(pem).collect();
    }
    // One certificate twice is refused, and names that no configuration may have.
    let configuration = Configuration::parse(members.to_string().as_bytes()).ok()?;
    let certificate = Arc::new(leaf);
    Some([&REFUSES, &ACCEPTS].map(|verifier| {
        ASKED.set(0);
        let mut connection = Connection { certificate: certificate.clone(), verifier };
        let code = decided(&configuration, &mut connection);
        assert!(ASKED.get() <= limits::PATH_SIGNATURES, "{} signatures", ASKED.get());
        if code == Code::Authenticated {
            assert!(verifier.0, "no signature is right");
            assert!(ASKED.get() > 0, "no signature was verified");
        }
        code
    }))
}

fn decided(configuration: &Configuration, connection: &mut Connection) -> Code {
    let head = Head::of(Fields(&TOKEN_REQUEST));
    let mut exchange = Exchange::new(configuration, &head);
    let body = b"client_id=a";
    let mut step = exchange.on_headers(configuration, &head, false, connection);
    if matches!(step, Step::Wait) {
        step = exchange.on_body(body.len(), true, |_| Some(body.to_vec()), connection);
    }
    let Step::Decide(decision) = step else { panic!("no decision: {step:?}") };
    decision.code
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the targets examine is reached.
    #[test]
    fn the_corpus_has_what_counts() {
        let certificate = PeerCertificate::from_pem(REVOKED).unwrap();
        let list = include_bytes!("../corpus/crl/openssl");
        let (status, is_in_force) = fetched_crl(list, &ACCEPTS, &certificate);
        assert!(is_in_force && matches!(status, RevocationStatus::Revoked(_)), "{status:?}");
        for answer in
            [&include_bytes!("../corpus/ocsp/good")[..], include_bytes!("../corpus/ocsp/delegate")]
        {
            assert_eq!(answered(answer).pop(), Some(RevocationStatus::Good));
        }
        let revoked = answered(include_bytes!("../corpus/ocsp/revoked")).pop();
        assert!(matches!(revoked, Some(RevocationStatus::Revoked(_))), "{revoked:?}");
        let refused = Code::CertificateUntrustedIssuer;
        for (chain, code) in [
            (&include_bytes!("../corpus/chain/leaf")[..], Code::Authenticated),
            (include_bytes!("../corpus/chain/sub"), Code::Authenticated),
            (include_bytes!("../corpus/chain/constrained"), refused),
        ] {
            assert_eq!(verified(chain), Some([refused, code]));
        }
        for ca in [
            &include_bytes!("../corpus/ca_certificate/p256.ca")[..],
            include_bytes!("../corpus/ca_certificate/nc.ca"),
        ] {
            assert!(CaCertificate::from_der(ca).is_ok());
        }
    }
}
