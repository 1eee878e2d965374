//! Certificates in bulk, collected by others to break parsers or to be trusted: each gets an
//! answer, each comparable name is read back from its printed form as itself, and names and times
//! agree with another reader.

mod paths;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use test_support::der::hex;
use tls_client_auth::inspect::pem;
use tls_client_auth::{AlternativeName, CertificateError, DistinguishedName, PeerCertificate};

/// Python packages: `cryptography_vectors`, which contains NIST PKITS; the roots of browsers and of
/// the Brazilian state; and asn1crypto, the other reader. README.md says how they are fetched.
const CORPUS: &str = "target/corpus";
/// Packages of npm with certificates.
const NPM: &str = "target/tools/certificates/node_modules";

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| {
        panic!("{}: {error}; ./build.sh test module fetches it", directory.display())
    });
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Every file in these directories of the repository that may contain a certificate.
fn corpus(below: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for directory in below {
        files(&test_support::repository().join(directory), &mut found);
    }
    found.retain(|path| {
        let content = fs::read(path).unwrap();
        content.starts_with(&[0x30])
            || content.windows(27).any(|window| window == b"-----BEGIN CERTIFICATE-----")
    });
    found.sort();
    found
}

/// The possible certificates in `file`: its PEM blocks, and the whole file as DER.
fn candidates(file: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(file);
    let blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1).filter_map(|rest| {
        let base64 = rest.split("-----END CERTIFICATE-----").next()?;
        pem::decode(
            format!("-----BEGIN CERTIFICATE-----{base64}-----END CERTIFICATE-----").as_bytes(),
        )
    });
    blocks.chain([file.to_vec()]).collect()
}

#[test]
fn every_certificate_gets_an_answer() {
    let (mut parsed, mut compared) = (0, 0);
    for path in corpus(&[&format!("{CORPUS}/cryptography_vectors")]) {
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
            assert_eq!(
                certificate.subject_difference(&subject),
                Ok(None),
                "{}: {subject}",
                path.display()
            );
            // Truncated and damaged certificates must not cause a panic either.
            for length in [der.len() / 3, der.len() / 2, der.len() - 1] {
                let _ = PeerCertificate::from_der(&der[..length]);
            }
            let registered = AlternativeName::dns("client.example.org").unwrap();
            for position in (0..der.len()).step_by(7) {
                let mut damaged = der.clone();
                damaged[position] ^= 0x81;
                if let Ok(certificate) = PeerCertificate::from_der(&damaged) {
                    // A comparison during the reading agrees with one after it, also if the reading
                    // fails.
                    let read = certificate.subject().map(|read| read == subject);
                    let compared = certificate
                        .subject_difference(&subject)
                        .map(|difference| difference.is_none());
                    assert_eq!(compared, read, "{} damaged at {position}", path.display());
                    let read =
                        certificate.alternative_names().map(|names| names.contains(&registered));
                    assert_eq!(
                        certificate.has_alternative_name(&registered),
                        read,
                        "{} damaged at {position}",
                        path.display()
                    );
                }
            }
        }
    }
    // The package has more. Fewer would mean that this test read something else.
    assert!(
        parsed > 300 && compared > 200,
        "only {parsed} certificates parsed, {compared} names compared"
    );
}

/// A line of the output of read.py.
#[derive(Deserialize)]
struct Read {
    file: String,
    der: String,
    validity: Option<[i64; 2]>,
    hex: Option<String>,
    text: Option<String>,
    alternative_names: Option<Vec<(String, String)>>,
}

/// The name as the filter represents it; `None` if it cannot be registered.
fn name((kind, content): &(String, String)) -> Option<AlternativeName> {
    let printable = content.bytes().all(|b| matches!(b, b' '..=b'~'));
    let host = |host: &str| host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    Some(match kind.as_str() {
        "dns_name" if printable => AlternativeName::Dns(host(content).into()),
        "uniform_resource_identifier" if printable => AlternativeName::Uri(content.as_str().into()),
        "rfc822_name" if printable => {
            let (local, domain) = content.rsplit_once('@')?;
            AlternativeName::Email(format!("{local}@{}", host(domain)).into())
        }
        "ip_address" => match *hex(content).unwrap().as_slice() {
            [a, b, c, d] => AlternativeName::Ip([a, b, c, d].into()),
            ref octets => AlternativeName::Ip(<[u8; 16]>::try_from(octets).unwrap().into()),
        },
        _ => return None,
    })
}

#[test]
fn names_and_times_agree_with_another_reader() {
    let root = test_support::repository();
    let corpora = ["cryptography_vectors", "certifi", "certifi_icpbr"]
        .map(|package| format!("{CORPUS}/{package}"));
    let below: Vec<&str> = corpora.iter().map(String::as_str).chain([NPM]).collect();
    let mut python = Command::new("python3");
    python
        .env("PYTHONPATH", root.join(CORPUS))
        .arg(root.join("tests/certificates/read.py"))
        .args(corpus(&below));
    let output = python.output().expect("python3 can be executed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (mut names, mut alternative_names, mut wrong) = (0, 0, Vec::new());
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let read: Read = serde_json::from_str(line).unwrap();
        let mut check = |is_right: bool, what: &str| {
            if !is_right {
                wrong.push(format!("{}: {what}", read.file));
            }
        };
        let certificate = match PeerCertificate::from_der(&hex(&read.der).unwrap()) {
            Ok(certificate) => certificate,
            Err(error) => {
                // Another reader may be more patient, but not with what browsers trust.
                check(
                    !read.file.contains("certifi") && !read.file.contains(NPM),
                    &error.to_string(),
                );
                continue;
            }
        };
        if let Some(validity) = read.validity {
            check(
                validity == [certificate.not_before().0, certificate.not_after().0],
                "the validity",
            );
        }
        for registered in
            [&read.hex, &read.text].into_iter().flatten().filter(|text| !text.is_empty())
        {
            match DistinguishedName::parse(registered) {
                Ok(name) => {
                    names += 1;
                    check(certificate.subject_difference(&name) == Ok(None), registered);
                    check(certificate.subject() == Ok(name), registered);
                    let other = DistinguishedName::parse(&format!("{registered}x"))
                        .or_else(|_| DistinguishedName::parse(&format!("{registered},2.5.4.3=x")));
                    check(
                        matches!(certificate.subject_difference(&other.unwrap()), Ok(Some(_))),
                        "another name matches",
                    );
                }
                // A name that cannot be registered gives the same error in a certificate.
                Err(error) => check(
                    certificate.subject().map(|_| ()) == Err(CertificateError::Subject(error)),
                    registered,
                ),
            }
        }
        if let Some(expected) = &read.alternative_names {
            let expected: Vec<AlternativeName> = expected.iter().filter_map(name).collect();
            alternative_names += expected.len();
            check(
                expected.iter().all(|name| certificate.has_alternative_name(name) == Ok(true)),
                "an alternative name is not found",
            );
            check(certificate.alternative_names() == Ok(expected), "the alternative names");
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {names} names: {:#?}",
        wrong.len(),
        wrong.iter().take(30).collect::<Vec<_>>()
    );
    assert!(
        names > 1_400 && alternative_names > 60,
        "only {names} names compared, and {alternative_names} alternative names"
    );
}
