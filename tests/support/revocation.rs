//! CRLs and OCSP answers, as CAs, responders and attackers give them.

use crate::certificate::{self, Authority, Issuer};
use crate::der::{
    self, ENUMERATED, GENERALIZED_TIME, OCTET_STRING, SEQUENCE, UTC_TIME, bit_string, context,
    context_constructed, hex, integer, oid, tlv,
};

const BEGIN: &str = "20260101000000Z";
const END: &str = "20990101000000Z";

/// A CRL that is good in every respect, and what may differ.
#[derive(Clone, Debug)]
pub struct Crl<'a> {
    pub issuer: &'a Authority,
    /// `cRLNumber`; `None` = it has none.
    pub number: Option<u64>,
    /// Serial numbers in hexadecimal.
    pub serials: Vec<String>,
    /// Further entries, each whole and in DER.
    pub entries: Vec<Vec<u8>>,
    pub this_update: &'static str,
    pub next_update: Option<&'static str>,
    /// `false` = of version 1, which has no extensions.
    pub is_version_2: bool,
    /// Further extensions, each whole and in DER.
    pub extensions: Vec<Vec<u8>>,
}

impl Default for Crl<'static> {
    fn default() -> Self {
        Self {
            issuer: certificate::authority(Issuer::Ca),
            number: Some(1),
            serials: Vec::new(),
            entries: Vec::new(),
            this_update: BEGIN,
            next_update: Some(END),
            is_version_2: true,
            extensions: Vec::new(),
        }
    }
}

impl Crl<'_> {
    /// The DER.
    pub fn der(&self) -> Vec<u8> {
        let entry = |serial: &String| {
            let serial = tlv(der::INTEGER, &[hex(serial).expect("a serial number")]);
            tlv(SEQUENCE, &[serial, tlv(UTC_TIME, &["260101000000Z"])])
        };
        let mut entries: Vec<_> = self.serials.iter().map(entry).collect();
        entries.extend(self.entries.clone());
        let number = self.number.map(|number| {
            tlv(SEQUENCE, &[known("2.5.29.20"), tlv(OCTET_STRING, &[integer(number)])])
        });
        let extensions: Vec<_> = number.into_iter().chain(self.extensions.clone()).collect();
        let mut parts = Vec::new();
        parts.extend(self.is_version_2.then(|| integer(1)));
        parts.push(self.issuer.sign(b"").0);
        parts.push(self.issuer.name().to_vec());
        parts.push(tlv(GENERALIZED_TIME, &[self.this_update]));
        parts.extend(self.next_update.map(|time| tlv(GENERALIZED_TIME, &[time])));
        parts.extend((!entries.is_empty()).then(|| tlv(SEQUENCE, &entries)));
        if self.is_version_2 {
            parts.push(tlv(context_constructed(0), &[tlv(SEQUENCE, &extensions)]));
        }
        let signed = tlv(SEQUENCE, &parts);
        let (algorithm, signature) = self.issuer.sign(&signed);
        tlv(SEQUENCE, &[signed, algorithm, bit_string(&signature)])
    }
}

/// A CRL with this number, and these serial numbers in hexadecimal.
pub fn crl(number: u64, serials: &[String]) -> Vec<u8> {
    Crl { number: Some(number), serials: serials.to_vec(), ..Crl::default() }.der()
}

/// What an answer says of the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OcspStatus {
    Good,
    Revoked,
    Unknown,
}

/// An answer that is good in every respect, and what may differ.
#[derive(Clone, Debug)]
pub struct Ocsp<'a> {
    pub status: OcspStatus,
    pub this_update: &'static str,
    pub next_update: Option<&'static str>,
    /// Who signs it.
    pub signer: &'a Authority,
    /// The certificates in it, in DER.
    pub certificates: Vec<Vec<u8>>,
}

impl Default for Ocsp<'static> {
    fn default() -> Self {
        Self {
            status: OcspStatus::Good,
            this_update: BEGIN,
            next_update: Some(END),
            signer: certificate::authority(Issuer::Ca),
            certificates: Vec::new(),
        }
    }
}

impl Ocsp<'_> {
    /// The answer to a question in DER.
    pub fn answer(&self, question: &[u8]) -> Vec<u8> {
        let status = match self.status {
            OcspStatus::Good => tlv(context(0), &[b""]),
            OcspStatus::Revoked => tlv(context_constructed(1), &[tlv(GENERALIZED_TIME, &[BEGIN])]),
            OcspStatus::Unknown => tlv(context(2), &[b""]),
        };
        let mut single = vec![id_of(question).to_vec(), status];
        single.push(tlv(GENERALIZED_TIME, &[self.this_update]));
        single.extend(
            self.next_update
                .map(|time| tlv(context_constructed(0), &[tlv(GENERALIZED_TIME, &[time])])),
        );
        let data = tlv(
            SEQUENCE,
            &[
                tlv(context_constructed(1), &[self.signer.name()]),
                tlv(GENERALIZED_TIME, &[BEGIN]),
                tlv(SEQUENCE, &[tlv(SEQUENCE, &single)]),
            ],
        );
        let (algorithm, signature) = self.signer.sign(&data);
        let mut basic = vec![data, algorithm, bit_string(&signature)];
        if !self.certificates.is_empty() {
            basic.push(tlv(context_constructed(0), &[tlv(SEQUENCE, &self.certificates)]));
        }
        let basic = tlv(OCTET_STRING, &[tlv(SEQUENCE, &basic)]);
        let bytes = tlv(SEQUENCE, &[known("1.3.6.1.5.5.7.48.1.1"), basic]);
        tlv(SEQUENCE, &[tlv(ENUMERATED, &[[0]]), tlv(context_constructed(0), &[bytes])])
    }
}

/// The answer to a question in DER: the certificate is good, or revoked.
pub fn ocsp_answer(question: &[u8], is_revoked: bool) -> Vec<u8> {
    let status = if is_revoked { OcspStatus::Revoked } else { OcspStatus::Good };
    Ocsp { status, ..Ocsp::default() }.answer(question)
}

/// What a responder answers that has nothing to say, by this status.
pub fn ocsp_error(status: u8) -> Vec<u8> {
    tlv(SEQUENCE, &[tlv(ENUMERATED, &[[status]])])
}

/// The `CertID`: OCSPRequest, TBSRequest, requestList and Request have nothing else.
fn id_of(question: &[u8]) -> &[u8] {
    (0..4).fold(question, |outer, _| {
        assert!(outer[0] == SEQUENCE && outer[1] < 0x80, "a short question");
        &outer[2..]
    })
}

fn known(dotted: &str) -> Vec<u8> {
    oid(dotted).expect("the constant is well-formed")
}
