//! The files of the table: how they are written, and how rows are completed and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::placeholders::expand;
use super::{
    Case, Configuration, DECISIONS, Expect, ExpectedError, FORM, HOST, NOW, Request, Table,
};
use crate::certificate::{self, Certificate, CertificateSpec};
use crate::der::hex;
use crate::moment::Moment;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    about: String,
    config: Value,
    #[serde(default)]
    certificates: BTreeMap<String, Value>,
    cases: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigurationFile {
    about: String,
    configurations: Vec<WrittenConfiguration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenConfiguration {
    name: String,
    source: String,
    config: Option<Value>,
    text: Option<String>,
    error: Option<ExpectedError>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCase {
    name: String,
    source: String,
    /// RFC 7396 merge patch on the file's configuration.
    #[serde(default)]
    config: Value,
    /// RFC 7396 merge patch on the first client of the configuration.
    #[serde(default)]
    client: Value,
    /// A name, a description, or null; if absent, the certificate `client` of the file.
    #[serde(default = "default_certificate")]
    certificate: Value,
    /// If absent, the result of a verification against the test CA.
    #[serde(default, deserialize_with = "present")]
    chain_valid: Option<Option<bool>>,
    /// If absent, the host of the request, if it is a name that TLS can carry.
    #[serde(default, deserialize_with = "present")]
    server_name: Option<Option<String>>,
    now: Option<Moment>,
    /// The claims of the token that `jwt_authn` verified, which is `{token}` in the request.
    verified: Option<Value>,
    /// The claims of a token that nobody verified, which is `{forged}` in the request.
    forged: Option<Value>,
    #[serde(default)]
    request: WrittenRequest,
    expect: Expect,
    #[serde(default = "yes")]
    in_envoy: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenRequest {
    method: Option<String>,
    path: Option<String>,
    host: Option<String>,
    headers: Option<Vec<(String, HeaderValue)>>,
    extra_headers: Vec<(String, HeaderValue)>,
    body: Option<String>,
    body_hex: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum HeaderValue {
    Text(String),
    Bytes(HexBytes),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HexBytes {
    hex: String,
}

fn yes() -> bool {
    true
}

fn default_certificate() -> Value {
    Value::from("client")
}

/// Distinguishes `null` from an absent member.
fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// The server name that a TLS library sends when it connects to `host`.
fn server_name(host: &str) -> Option<String> {
    let name =
        host.split(':').next().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let is_name = name.contains('.')
        && name.split('.').all(is_label)
        && name.parse::<std::net::Ipv4Addr>().is_err();
    is_name.then_some(name)
}

pub(super) fn read_file(file: &str, text: &str, table: &mut Table) -> Result<(), String> {
    let document: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if document.get("configurations").is_some() {
        read_configurations(file, document, table)
    } else {
        read_cases(file, document, table)
    }
}

fn read_configurations(file: &str, document: Value, table: &mut Table) -> Result<(), String> {
    let ConfigurationFile { about, configurations } = typed(expand(document, &BTreeMap::new())?)?;
    not_empty(&about, configurations.len())?;
    let mut names = BTreeSet::new();
    for written in configurations {
        let text = match (written.config, written.text) {
            (Some(config), None) => config.to_string(),
            (None, Some(text)) => text,
            _ => return Err(format!("{:?}: exactly one of `config` and `text`", written.name)),
        };
        unique(&mut names, &written.name)?;
        let name = format!("{file}: {}", written.name);
        table.configurations.push(Configuration {
            name,
            source: written.source,
            text,
            error: written.error,
        });
    }
    Ok(())
}

fn read_cases(file: &str, document: Value, table: &mut Table) -> Result<(), String> {
    let CaseFile { about, config, certificates, cases } = typed(document)?;
    not_empty(&about, cases.len())?;
    let mut certificates_by_name = BTreeMap::new();
    for (name, spec) in certificates {
        let certificate = expand(spec, &certificates_by_name)
            .and_then(mint)
            .map_err(|error| format!("certificate {name:?}: {error}"))?;
        certificates_by_name.insert(name, Arc::new(certificate));
    }
    let config = expand(config, &certificates_by_name)?;
    let mut names = BTreeSet::new();
    for written in cases {
        let label = written["name"].to_string();
        let written = expand(written, &certificates_by_name)
            .and_then(typed)
            .map_err(|error| format!("case {label}: {error}"))?;
        let case = complete(file, &config, &certificates_by_name, written)
            .map_err(|error| format!("case {label}: {error}"))?;
        unique(&mut names, &case.name)?;
        table.cases.push(case);
    }
    Ok(())
}

fn complete(
    file: &str,
    config: &Value,
    certificates: &BTreeMap<String, Arc<Certificate>>,
    written: WrittenCase,
) -> Result<Case, String> {
    let mut config = config.clone();
    merge_patch(&mut config, written.config);
    if !written.client.is_null() {
        let first = config
            .pointer_mut("/clients/0")
            .ok_or("`client` patches a client, and the configuration has none")?;
        merge_patch(first, written.client);
    }
    let certificate = match written.certificate {
        Value::Null => None,
        Value::String(name) => Some(Arc::clone(
            certificates.get(&name).ok_or_else(|| format!("there is no certificate {name:?}"))?,
        )),
        // Its placeholders were expanded with the row.
        spec => Some(Arc::new(mint(spec)?)),
    };
    let now = written.now.unwrap_or(NOW);
    let verified = certificate.as_ref().is_some_and(|certificate| certificate.is_trusted_at(now));
    let mut request = request(written.request)?;
    let verified_token = written.verified.map(|claims| (token(&claims), claims));
    let forged = written.forged.as_ref().map(token);
    for (placeholder, token) in [
        ("{token}", verified_token.as_ref().map(|(token, _)| token)),
        ("{forged}", forged.as_ref()),
    ] {
        put_token(&mut request, placeholder, token.map(String::as_str))?;
    }
    let header = config.pointer("/bound_tokens/jwt/payload_header").and_then(Value::as_str);
    if let (Some(header), Some((token, _))) = (header, &verified_token) {
        // As jwt_authn does, which overwrites what a client sends.
        let payload = token.split('.').nth(1).unwrap_or_default();
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case(header));
        request.headers.push((header.to_string(), payload.as_bytes().to_vec()));
    }
    // A real jwt_authn is in tests/envoy/resources.rs.
    let has_tokens = config.get("bound_tokens").is_some();
    let case = Case {
        name: format!("{file}: {}", written.name),
        source: written.source,
        config,
        certificate,
        chain_valid: written.chain_valid.unwrap_or(Some(verified)),
        server_name: written.server_name.unwrap_or_else(|| server_name(&request.host)),
        now,
        verified: verified_token,
        request,
        expect: written.expect,
        in_envoy: written.in_envoy && !has_tokens,
    };
    check(&case, verified)?;
    Ok(case)
}

/// Refuses rows that contradict themselves: a typing mistake must not become another test.
fn check(case: &Case, verified: bool) -> Result<(), String> {
    let expect = &case.expect;
    let (_, answer) = DECISIONS
        .iter()
        .find(|(code, _)| *code == expect.code)
        .ok_or_else(|| format!("{:?} is not a code of contract §7", expect.code))?;
    let stated = expect.status.zip(expect.error.as_deref());
    // At a resource every refusal with this status is one of the token.
    let of_certificate = stated == Some((401, "invalid_token"))
        && *answer == Some((401, "invalid_client"))
        && expect.code.starts_with("certificate_");
    let shadow = stated.is_none() && case.config.to_string().contains(r#""mode":"shadow""#);
    if (stated != *answer && !shadow && !of_certificate)
        || expect.status.is_some() != expect.error.is_some()
    {
        return Err(format!("{:?} is answered with {answer:?}", expect.code));
    }
    if case.source.is_empty() {
        return Err("`source` is empty".into());
    }
    let odd = case.certificate.as_ref().is_some_and(|certificate| {
        certificate.der.is_none() || certificate.host_text != certificate.pem()
    });
    if case.in_envoy && (odd || case.now != NOW || case.chain_valid != Some(verified)) {
        return Err("no real connection has these properties: `in_envoy` must be false".into());
    }
    Ok(())
}

fn request(written: WrittenRequest) -> Result<Request, String> {
    let default_headers = || vec![("content-type".to_string(), HeaderValue::Text(FORM.into()))];
    let headers = written
        .headers
        .unwrap_or_else(default_headers)
        .into_iter()
        .chain(written.extra_headers)
        .map(|(name, value)| match value {
            HeaderValue::Text(text) => Ok((name, text.into_bytes())),
            HeaderValue::Bytes(HexBytes { hex: digits }) => Ok((name, hex(&digits)?)),
        })
        .collect::<Result<Vec<_>, String>>()?;
    let body = match (written.body, written.body_hex) {
        (Some(_), Some(_)) => return Err("`body` and `body_hex` exclude each other".into()),
        (Some(text), None) => text.into_bytes(),
        (None, Some(digits)) => hex(&digits)?,
        (None, None) => b"grant_type=client_credentials&client_id=client".to_vec(),
    };
    Ok(Request {
        method: written.method.unwrap_or_else(|| "POST".into()),
        path: written.path.unwrap_or_else(|| "/token".into()),
        host: written.host.unwrap_or_else(|| HOST.into()),
        headers,
        body,
    })
}

/// A JWT with these claims, whose signature nobody looks at.
fn token(claims: &Value) -> String {
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("eyJhbGciOiJFUzI1NiJ9.{claims}.c2lnbmF0dXJl")
}

fn put_token(request: &mut Request, placeholder: &str, token: Option<&str>) -> Result<(), String> {
    let put = |text: &str| match token {
        None if text.contains(placeholder) => Err(format!("{placeholder}, and no such token")),
        token => Ok(text.replace(placeholder, token.unwrap_or_default())),
    };
    request.path = put(&request.path)?;
    for (_, value) in &mut request.headers {
        if let Ok(text) = std::str::from_utf8(value) {
            *value = put(text)?.into_bytes();
        }
    }
    if let Ok(text) = std::str::from_utf8(&request.body) {
        request.body = put(text)?.into_bytes();
    }
    Ok(())
}

fn mint(spec: Value) -> Result<Certificate, String> {
    let spec: CertificateSpec = typed(spec)?;
    certificate::mint(&spec)
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn not_empty(about: &str, rows: usize) -> Result<(), String> {
    if about.is_empty() || rows == 0 {
        Err("`about` is empty, or there are no rows".into())
    } else {
        Ok(())
    }
}

fn unique(names: &mut BTreeSet<String>, name: &str) -> Result<(), String> {
    if names.insert(name.to_string()) {
        Ok(())
    } else {
        Err(format!("two rows have the name {name:?}"))
    }
}

/// JSON Merge Patch (RFC 7396 §2).
fn merge_patch(target: &mut Value, patch: Value) {
    match patch {
        Value::Null => {}
        Value::Object(members) => {
            if !target.is_object() {
                *target = Value::Object(Map::new());
            }
            let object = target.as_object_mut().expect("target is an object");
            for (name, value) in members {
                if value.is_null() {
                    object.shift_remove(&name);
                } else {
                    merge_patch(object.entry(name).or_insert(Value::Null), value);
                }
            }
        }
        other => *target = other,
    }
}
