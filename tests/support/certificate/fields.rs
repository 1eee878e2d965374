//! The fields of a certificate in DER: names, times, extensions.

use std::collections::BTreeMap;

use super::{CLIENT_AUTH, CertificateSpec};
use crate::der::{self, context, hex, tlv};
use crate::moment::Moment;

/// A Name of these RDNs.
pub(super) fn name(rdns: &[Vec<Vec<String>>]) -> Result<Vec<u8>, String> {
    let rdns = rdns
        .iter()
        .map(|rdn| {
            let mut attributes =
                rdn.iter().map(|written| attribute(written)).collect::<Result<Vec<_>, _>>()?;
            // DER sorts the elements of a SET OF (X.690 §11.6).
            attributes.sort();
            Ok(tlv(der::SET, &attributes))
        })
        .collect::<Result<Vec<_>, String>>()?;
    Ok(tlv(der::SEQUENCE, &rdns))
}

fn attribute(written: &[String]) -> Result<Vec<u8>, String> {
    let (kind, form, text) = match written {
        [kind, text] => (kind, "utf8", text),
        [kind, form, text] => (kind, form.as_str(), text),
        _ => return Err(format!("{written:?} is not [type, text] or [type, form, text]")),
    };
    let value = match form {
        "utf8" => tlv(der::UTF8_STRING, &[text]),
        "printable" => tlv(der::PRINTABLE_STRING, &[text]),
        "ia5" => tlv(der::IA5_STRING, &[text]),
        "numeric" => tlv(der::NUMERIC_STRING, &[text]),
        "visible" => tlv(der::VISIBLE_STRING, &[text]),
        "teletex" => tlv(der::TELETEX_STRING, &[latin_1(text)?]),
        "bmp" => {
            tlv(der::BMP_STRING, &text.encode_utf16().map(u16::to_be_bytes).collect::<Vec<_>>())
        }
        "universal" => tlv(
            der::UNIVERSAL_STRING,
            &text.chars().map(|c| u32::from(c).to_be_bytes()).collect::<Vec<_>>(),
        ),
        "hex" => hex(text)?,
        _ => return Err(format!("{form:?} is not a form of an attribute value")),
    };
    Ok(tlv(der::SEQUENCE, &[der::oid(attribute_type(kind))?, value]))
}

fn latin_1(text: &str) -> Result<Vec<u8>, String> {
    text.chars().map(|c| u8::try_from(c).map_err(|_| format!("{c:?} is not in Latin-1"))).collect()
}

/// The object identifier of an attribute type. A table of its own, because the table of the filter
/// must not make the certificates that test it.
fn attribute_type(name: &str) -> &str {
    match name {
        "CN" => "2.5.4.3",
        "SN" => "2.5.4.4",
        "serialNumber" => "2.5.4.5",
        "C" => "2.5.4.6",
        "L" => "2.5.4.7",
        "ST" => "2.5.4.8",
        "street" => "2.5.4.9",
        "O" => "2.5.4.10",
        "OU" => "2.5.4.11",
        "title" => "2.5.4.12",
        "businessCategory" => "2.5.4.15",
        "givenName" => "2.5.4.42",
        "organizationIdentifier" => "2.5.4.97",
        "UID" => "0.9.2342.19200300.100.1.1",
        "DC" => "0.9.2342.19200300.100.1.25",
        "emailAddress" => "1.2.840.113549.1.9.1",
        "jurisdictionC" => "1.3.6.1.4.1.311.60.2.1.3",
        dotted => dotted,
    }
}

/// A GeneralName (RFC 5280 §4.2.1.6).
fn general_name(entry: &BTreeMap<String, String>) -> Result<Vec<u8>, String> {
    let (Some((kind, text)), 1) = (entry.first_key_value(), entry.len()) else {
        return Err(format!("a SAN entry has exactly one member, not {entry:?}"));
    };
    let tag = match kind.strip_suffix("_hex").unwrap_or(kind) {
        "email" => 1,
        "dns" => 2,
        "uri" => 6,
        "ip" => 7,
        "tag" => return hex(text),
        other => return Err(format!("{other:?} is not a kind of SAN entry")),
    };
    let content = if kind.ends_with("_hex") {
        hex(text)?
    } else if kind == "ip" {
        match text.parse().map_err(|_| format!("{text:?} is not an IP address"))? {
            std::net::IpAddr::V4(address) => address.octets().to_vec(),
            std::net::IpAddr::V6(address) => address.octets().to_vec(),
        }
    } else {
        text.clone().into_bytes()
    };
    Ok(tlv(context(tag), &[content]))
}

/// RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050.
pub(super) fn time(moment: Moment) -> Vec<u8> {
    let (year, rest) = moment.asn1();
    if (1950..2050).contains(&year) {
        tlv(der::UTC_TIME, &[format!("{:02}{rest}", year % 100)])
    } else {
        tlv(der::GENERALIZED_TIME, &[format!("{year:04}{rest}")])
    }
}

/// The extensions that `spec` describes.
pub(super) fn extensions(spec: &CertificateSpec) -> Result<Vec<Vec<u8>>, String> {
    let mut extensions = Vec::new();
    let default_eku = [CLIENT_AUTH.to_string()];
    let eku = spec.eku.as_deref().unwrap_or(&default_eku);
    if !eku.is_empty() {
        let usages = eku.iter().map(|usage| der::oid(usage)).collect::<Result<Vec<_>, _>>()?;
        extensions.push(extension("2.5.29.37", false, &tlv(der::SEQUENCE, &usages))?);
    }
    if let Some(usage) = &spec.key_usage_hex {
        extensions.push(extension("2.5.29.15", true, &hex(usage)?)?);
    }
    let san = match (&spec.san, &spec.san_hex) {
        (Some(_), Some(_)) => return Err("`san` and `san_hex` exclude each other".into()),
        (Some(entries), None) => {
            let filler =
                (0..spec.san_filler).map(|n| tlv(context(2), &[format!("filler{n}.example.org")]));
            let names = entries.iter().map(general_name).collect::<Result<Vec<_>, _>>()?;
            Some(tlv(der::SEQUENCE, &filler.chain(names).collect::<Vec<_>>()))
        }
        (None, Some(text)) => Some(hex(text)?),
        (None, None) => None,
    };
    if let Some(san) = &san {
        let extension = extension("2.5.29.17", false, san)?;
        extensions.extend(std::iter::repeat_n(extension, if spec.san_twice { 2 } else { 1 }));
    }
    if let Some(uri) = &spec.ocsp {
        let method = der::oid("1.3.6.1.5.5.7.48.1")?;
        let description = tlv(der::SEQUENCE, &[method, tlv(context(6), &[uri])]);
        let access = tlv(der::SEQUENCE, &[description]);
        extensions.push(extension("1.3.6.1.5.5.7.1.1", false, &access)?);
    }
    if spec.filler > 0 {
        let content = tlv(der::OCTET_STRING, &[vec![0x5a; spec.filler * 1024]]);
        extensions.push(extension("1.3.6.1.4.1.55555.1", false, &content)?);
    }
    extensions.extend(spec.extensions.iter().cloned());
    Ok(extensions)
}

/// One Extension (RFC 5280 §4.1).
pub fn extension(oid: &str, critical: bool, value: &[u8]) -> Result<Vec<u8>, String> {
    let critical = if critical { tlv(der::BOOLEAN, &[[0xff]]) } else { Vec::new() };
    Ok(tlv(der::SEQUENCE, &[der::oid(oid)?, critical, tlv(der::OCTET_STRING, &[value])]))
}
