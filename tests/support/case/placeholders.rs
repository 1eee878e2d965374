//! `${kind:argument}` in the strings of a case file, as docs/cases.md lists them.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::certificate::{Certificate, percent_encode};

/// Replaces the placeholders in all strings of `value`.
pub(super) fn expand(
    value: Value,
    certificates: &BTreeMap<String, Arc<Certificate>>,
) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => Value::String(expand_text(&text, certificates)?),
        Value::Array(items) => Value::Array(
            items.into_iter().map(|item| expand(item, certificates)).collect::<Result<_, _>>()?,
        ),
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| Ok((name, expand(value, certificates)?)))
                .collect::<Result<_, String>>()?,
        ),
        other => other,
    })
}

fn expand_text(
    text: &str,
    certificates: &BTreeMap<String, Arc<Certificate>>,
) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, placeholder)) = rest.split_once("${") {
        let (inside, after) =
            placeholder.split_once('}').ok_or_else(|| format!("{text:?}: `${{` without `}}`"))?;
        out.push_str(before);
        out.push_str(&placeholder_value(inside, certificates)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn placeholder_value(
    inside: &str,
    certificates: &BTreeMap<String, Arc<Certificate>>,
) -> Result<String, String> {
    let (kind, argument) =
        inside.split_once(':').ok_or_else(|| format!("${{{inside}}}: no argument"))?;
    if kind == "repeat" {
        let (count, unit) =
            argument.split_once(':').ok_or_else(|| format!("${{{inside}}}: no count"))?;
        let count: usize =
            count.parse().map_err(|_| format!("${{{inside}}}: {count:?} is not a number"))?;
        return Ok(unit.repeat(count));
    }
    let certificate = certificates
        .get(argument)
        .ok_or_else(|| format!("${{{inside}}}: there is no such certificate"))?;
    match kind {
        "x5c" => Ok(certificate.x5c()),
        "x5t" => Ok(certificate.x5t_s256()),
        "serial" => certificate.serial_hex().ok_or_else(|| "no serial number".to_owned()),
        "sha256" => Ok(certificate.sha256_hex()),
        "ca" => Ok(certificate.issuer_pem()),
        "pem_percent" => Ok(certificate.percent_encoded_pem()),
        "x5c_escaped" => Ok(percent_encode(&certificate.x5c())),
        "pem_base64" => Ok(STANDARD.encode(certificate.pem())),
        "pem_line" => Ok(line(certificate)),
        "pem_tab" => Ok(certificate.pem().trim_end().replace('\n', "\t")),
        "pem_joined" => Ok(certificate.pem().replace('\n', "")),
        "pem_one_line" => {
            let x5c = certificate.x5c();
            Ok(format!("-----BEGIN CERTIFICATE----- {x5c} -----END CERTIFICATE----- "))
        }
        "pem_kept" => Ok(kept(certificate)),
        "pem_lower" => Ok(kept(certificate).replace("%0A", "%0a")),
        "pem_form" => Ok(certificate.percent_encoded_pem().replace("%20", "+")),
        "pem_line_form" => Ok(percent_encode(&line(certificate)).replace("%20", "+")),
        "pem_twice" => Ok(certificate.percent_encoded_pem().replace('%', "%25")),
        "pem_json" => Ok(certificate.pem().replace('\n', "\\n")),
        _ => Err(format!("${{{inside}}}: unknown kind")),
    }
}

/// A blank for every line end.
fn line(certificate: &Certificate) -> String {
    certificate.pem().trim_end().replace('\n', " ")
}

/// Percent-encoded but for the characters of base64.
fn kept(certificate: &Certificate) -> String {
    certificate.percent_encoded_pem().replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")
}
