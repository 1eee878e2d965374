//! Certificates in bulk: whatever others collected to break parsers gets an answer, and every name that can be compared
//! is read back from its printed form as itself.

use std::fs;
use std::path::{Path, PathBuf};

use tls_client_auth::certificate::{DistinguishedName, PeerCertificate, pem};

/// Where `./build.sh test` puts the package `cryptography_vectors`, which holds NIST's PKITS among much else.
const CORPUS: &str = "target/corpus/cryptography_vectors";

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}; ./build.sh test gets it", directory.display()));
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Every certificate in `file`: its PEM blocks, and the whole file as DER.
fn candidates(file: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(file);
    let blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1).filter_map(|rest| {
        let base64 = rest.split("-----END CERTIFICATE-----").next()?;
        pem::decode(format!("-----BEGIN CERTIFICATE-----{base64}-----END CERTIFICATE-----").as_bytes())
    });
    blocks.chain([file.to_vec()]).collect()
}

#[test]
fn odd_certificates_get_an_answer_and_names_survive_printing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join(CORPUS);
    let mut paths = Vec::new();
    files(&corpus, &mut paths);
    let (mut parsed, mut compared) = (0, 0);
    for path in paths {
        for der in candidates(&fs::read(&path).unwrap()) {
            let Ok(certificate) = PeerCertificate::from_der(&der) else { continue };
            parsed += 1;
            let _ = certificate.alternative_names();
            let Ok(subject) = certificate.subject() else { continue };
            if subject.to_string().is_empty() {
                continue;
            }
            compared += 1;
            let printed = DistinguishedName::parse(&subject.to_string());
            assert_eq!(printed.as_ref(), Ok(&subject), "{}: {subject}", path.display());
            // What is left of a certificate that was cut or damaged must not panic either.
            for length in [der.len() / 3, der.len() / 2, der.len() - 1] {
                let _ = PeerCertificate::from_der(&der[..length]);
            }
            for position in (0..der.len()).step_by(7) {
                let mut damaged = der.clone();
                damaged[position] ^= 0x81;
                if let Ok(certificate) = PeerCertificate::from_der(&damaged) {
                    let _ = (certificate.subject(), certificate.alternative_names());
                }
            }
        }
    }
    // The package has more; far fewer would mean that this test looked at something else.
    assert!(parsed > 300 && compared > 200, "only {parsed} certificates parsed, {compared} names compared");
}
