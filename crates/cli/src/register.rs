//! `register`: every registration that a certificate allows, as client metadata of RFC 7591 or as
//! another server writes it.

mod jwk;
mod offers;
mod printed_names;
mod servers;
mod trial;
mod x509;

use std::io::Write as _;
use std::process::ExitCode;

use serde_json::Value;
use tls_client_auth::PeerCertificate;

use self::offers::{CertificatePart, LeftOut, Offer, offers};
use self::x509::Details;
use crate::arguments::{RegisterArguments, RegistrationArgument, ServerArgument};
use crate::certificate_file::CertificateFile;
use crate::described_request::now;
use crate::output::{print_json, visible};
use crate::unusable::Unusable;

/// In place of the identifier, where none is given.
const CLIENT_ID: &str = "CLIENT_ID";

pub fn run(arguments: &RegisterArguments) -> Result<ExitCode, Unusable> {
    let path = arguments.certificate.display();
    let file = CertificateFile::read(&arguments.certificate)?;
    let content = file.certificate();
    let read = if content.first() == Some(&0x30) {
        PeerCertificate::from_der(content)
    } else {
        PeerCertificate::from_pem(content)
    };
    let certificate = read.map_err(|error| Unusable::new(format!("{path}: {error}")))?;
    let details = Details::of(certificate.der(), &file.chain());
    let client_id = arguments.client_id.as_deref().unwrap_or(CLIENT_ID);
    let mut notes = validity(&certificate);
    let (offers, left_out) = offers(&certificate, &details);
    let is_wanted =
        |kinds: &[_]| arguments.by.is_empty() || arguments.by.iter().any(|by| kinds.contains(by));
    let left_out = left_out.into_iter().filter(|left_out| is_wanted(kinds(left_out.part)));
    notes.extend(left_out.map(|LeftOut { why, .. }| format!("not registered: {why}")));
    let mut printed = Vec::new();
    for offer in offers.iter().filter(|offer| is_wanted(&[offer.kind()])) {
        match written(offer, &certificate, &details, arguments.server, client_id) {
            Ok(registration) => {
                printed.push(registration);
                notes.extend(doubt(offer));
            }
            Err(why) => notes.push(format!("not registered: {offer}: {why}")),
        }
    }
    if let Some(server) = arguments.server {
        notes.extend(servers::notes(server, &details, client_id));
    }
    let is_empty = printed.is_empty();
    print_json(&Value::Array(printed))?;
    for note in notes {
        writeln!(anstream::stderr(), "{}", visible(&note))?;
    }
    Ok(if is_empty { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The registration as it is printed, once the filter has let the certificate pass with it.
fn written(
    offer: &Offer,
    certificate: &PeerCertificate,
    details: &Details,
    server: Option<ServerArgument>,
    client_id: &str,
) -> Result<Value, String> {
    let metadata = offer.metadata(client_id);
    trial::passes(certificate, &metadata)?;
    let Some(server) = server else { return Ok(metadata) };
    let entry = servers::entry(offer, details, server, client_id)?;
    trial::converts(certificate, &entry, server, client_id)?;
    Ok(entry)
}

/// Why the certificate authenticates no client now.
fn validity(certificate: &PeerCertificate) -> Vec<String> {
    let now = now();
    let (first, last) = (certificate.not_before(), certificate.not_after());
    let mut notes = Vec::new();
    if now > last {
        notes.push(format!("the certificate expired at {last}: the filter refuses it"));
    }
    if now < first {
        notes.push(format!(
            "the certificate is valid from {first}: the filter refuses it until then"
        ));
    }
    notes
}

/// What the operator should know of a registration.
fn doubt(offer: &Offer) -> Option<String> {
    match offer {
        Offer::AlternativeName { name, .. } if name.contains('*') => Some(format!(
            "{offer}: RFC 8705 has no wildcards, so only a certificate with exactly this text \
             matches"
        )),
        _ => None,
    }
}

/// The registrations that a part of the certificate would give.
fn kinds(part: CertificatePart) -> &'static [RegistrationArgument] {
    use RegistrationArgument::{SanDns, SanEmail, SanIp, SanUri, SubjectDn, X5c, X5t};
    match part {
        CertificatePart::Subject => &[SubjectDn],
        CertificatePart::AlternativeNames => &[SanDns, SanUri, SanIp, SanEmail],
        CertificatePart::Key => &[X5t, X5c],
    }
}

impl Offer {
    /// How the arguments name it.
    fn kind(&self) -> RegistrationArgument {
        match self {
            Self::SubjectDn(_) => RegistrationArgument::SubjectDn,
            Self::AlternativeName { member, .. } => match *member {
                offers::SAN_DNS => RegistrationArgument::SanDns,
                offers::SAN_URI => RegistrationArgument::SanUri,
                offers::SAN_IP => RegistrationArgument::SanIp,
                _ => RegistrationArgument::SanEmail,
            },
            Self::Thumbprint { .. } => RegistrationArgument::X5t,
            Self::Certificate { .. } => RegistrationArgument::X5c,
        }
    }
}
