//! CRLs and OCSP answers of the CA of [`certificate::authority_pem`].

use crate::certificate;
use crate::der::{
    self, ENUMERATED, GENERALIZED_TIME, OCTET_STRING, SEQUENCE, UTC_TIME, bit_string, context,
    context_constructed, hex, integer, oid, tlv,
};

const BEGIN: &str = "20260101000000Z";
const END: &str = "20990101000000Z";

/// A CRL with this number, and these serial numbers in hexadecimal.
pub fn crl(number: u64, serials: &[String]) -> Vec<u8> {
    let entry = |serial: &String| {
        let serial = tlv(der::INTEGER, &[hex(serial).expect("a serial number")]);
        tlv(SEQUENCE, &[serial, tlv(UTC_TIME, &["260101000000Z"])])
    };
    let entries: Vec<_> = serials.iter().map(entry).collect();
    let entries = if entries.is_empty() { Vec::new() } else { tlv(SEQUENCE, &entries) };
    let number = tlv(SEQUENCE, &[known("2.5.29.20"), tlv(OCTET_STRING, &[integer(number)])]);
    let algorithm = certificate::signed_by_authority(b"").0;
    let signed = tlv(
        SEQUENCE,
        &[
            integer(1),
            algorithm,
            certificate::authority_name().to_vec(),
            tlv(GENERALIZED_TIME, &[BEGIN]),
            tlv(GENERALIZED_TIME, &[END]),
            entries,
            tlv(context_constructed(0), &[tlv(SEQUENCE, &[number])]),
        ],
    );
    let (algorithm, signature) = certificate::signed_by_authority(&signed);
    tlv(SEQUENCE, &[signed, algorithm, bit_string(&signature)])
}

/// The answer to a question in DER: the certificate is good, or revoked.
pub fn ocsp_answer(question: &[u8], is_revoked: bool) -> Vec<u8> {
    let status = if is_revoked {
        tlv(context_constructed(1), &[tlv(GENERALIZED_TIME, &[BEGIN])])
    } else {
        tlv(context(0), &[b""])
    };
    let next_update = tlv(context_constructed(0), &[tlv(GENERALIZED_TIME, &[END])]);
    let single = tlv(
        SEQUENCE,
        &[id_of(question).to_vec(), status, tlv(GENERALIZED_TIME, &[BEGIN]), next_update],
    );
    let data = tlv(
        SEQUENCE,
        &[
            tlv(context_constructed(1), &[certificate::authority_name()]),
            tlv(GENERALIZED_TIME, &[BEGIN]),
            tlv(SEQUENCE, &[single]),
        ],
    );
    let (algorithm, signature) = certificate::signed_by_authority(&data);
    let basic = tlv(SEQUENCE, &[data, algorithm, bit_string(&signature)]);
    let bytes = tlv(SEQUENCE, &[known("1.3.6.1.5.5.7.48.1.1"), tlv(OCTET_STRING, &[basic])]);
    tlv(SEQUENCE, &[tlv(ENUMERATED, &[[0]]), tlv(context_constructed(0), &[bytes])])
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
