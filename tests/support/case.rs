//! The case table: `tests/cases/*.json`, read, completed with the defaults, and checked for typing
//! mistakes.
//!
//! One table serves the native decision, the shipped module in wasmtime, and real Envoy, so it says
//! what goes in and what must come out, and nothing about how it is run.
//!
//! Every string of a file may hold `${kind:argument}`:
//!
//! | written | becomes |
//! |---|---|
//! | `${x5c:NAME}` | base64 of the DER of the file's certificate NAME |
//! | `${x5t:NAME}` | its `x5t#S256` |
//! | `${sha256:NAME}` | its SHA-256 in hexadecimal |
//! | `${pem_percent:NAME}` | its PEM, percent-encoded |
//! | `${pem_json:NAME}` | its PEM as part of a JSON string |
//! | `${repeat:COUNT:TEXT}` | TEXT, COUNT times |

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::certificate::{self, Certificate, CertificateSpec};
use super::der::hex;
use super::moment::Moment;

/// The time of every case that does not set `now`.
pub const NOW: Moment = Moment(1_780_272_000); // 2026-06-01T00:00:00Z

const FORM: &str = "application/x-www-form-urlencoded";
const HOST: &str = "as.example.com";

/// contract §7: each code with the status and `error` of its answer; none where the request passes.
pub const DECISIONS: &[(&str, Option<(u16, &str)>)] = &[
    ("authenticated", None),
    ("passed_other_method", None),
    ("passed_unregistered", None),
    ("passed_unidentified", None),
    ("not_gated", None),
    ("upgrade_refused", Some((400, "invalid_request"))),
    ("method_not_allowed", Some((405, "invalid_request"))),
    ("unsupported_media_type", Some((400, "invalid_request"))),
    ("encoded_body", Some((400, "invalid_request"))),
    ("body_too_large", Some((413, "invalid_request"))),
    ("malformed_form", Some((400, "invalid_request"))),
    ("duplicate_parameter", Some((400, "invalid_request"))),
    ("missing_client_id", Some((400, "invalid_request"))),
    ("client_id_mismatch", Some((400, "invalid_request"))),
    ("malformed_authorization", Some((400, "invalid_request"))),
    ("multiple_auth_methods", Some((400, "invalid_request"))),
    ("other_method_refused", Some((401, "invalid_client"))),
    ("method_not_supported", Some((401, "invalid_client"))),
    ("unknown_client", Some((401, "invalid_client"))),
    ("certificate_missing", Some((401, "invalid_client"))),
    ("certificate_malformed", Some((401, "invalid_client"))),
    ("certificate_expired", Some((401, "invalid_client"))),
    ("certificate_not_yet_valid", Some((401, "invalid_client"))),
    ("certificate_unverified", Some((401, "invalid_client"))),
    ("certificate_not_registered", Some((401, "invalid_client"))),
    ("subject_mismatch", Some((401, "invalid_client"))),
    ("unknown_tenant", Some((421, "invalid_request"))),
    ("server_name_mismatch", Some((421, "invalid_request"))),
    ("registry_unavailable", Some((503, "temporarily_unavailable"))),
    ("host_error", Some((500, "server_error"))),
];

/// Everything under `tests/cases`.
#[derive(Debug)]
pub struct Table {
    pub cases: Vec<Case>,
    pub configurations: Vec<Configuration>,
}

/// One request and what must become of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// `file.json: name`, unique in the table.
    pub name: String,
    /// The section of the RFC or of the contract that asks for it.
    pub source: String,
    pub config: Value,
    /// What the client presents; none: no client certificate.
    pub certificate: Option<Arc<Certificate>>,
    /// `connection.peer_certificate_valid`; none: the host does not give it.
    pub chain_valid: Option<bool>,
    /// The name that the client asks for in the TLS handshake; none: it asks for none.
    pub server_name: Option<String>,
    pub now: Moment,
    pub request: Request,
    pub expect: Expect,
    /// Whether TLS, HTTP and a real Envoy can carry this case as it is.
    pub in_envoy: bool,
}

impl Case {
    /// Whether it passes as a CORS preflight, which it is only where its headers end it.
    pub fn is_preflight(&self) -> bool {
        self.request.method == "OPTIONS" && self.expect.code == "not_gated"
    }
}

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// `:authority`
    pub host: String,
    /// Names as written, without the pseudo-headers.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Request {
    /// All headers as an HTTP/2 request carries them: pseudo-headers first, names in lower case.
    pub fn header_map(&self) -> Vec<(String, Vec<u8>)> {
        let pseudo = [(":method", &self.method), (":path", &self.path), (":authority", &self.host)];
        pseudo
            .into_iter()
            .map(|(name, value)| (name.to_string(), value.clone().into_bytes()))
            .chain([(":scheme".to_string(), b"https".to_vec())])
            .chain(
                self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())),
            )
            .collect()
    }

    pub fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name))
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub code: String,
    /// Absent: the request passes to the backend.
    pub status: Option<u16>,
    pub error: Option<String>,
    /// The client_id that the filter reports.
    pub client_id: Option<String>,
    /// By which name the tenant is counted and logged.
    pub tenant: Option<String>,
    /// A part of the decision line.
    pub detail: Option<String>,
    /// Whether the answer has the header. Absent: it follows from the request (contract §7).
    pub www_authenticate: Option<bool>,
    /// Whether it is counted as a form that was not gated although its path ends like an endpoint
    /// (contract §8).
    #[serde(default)]
    pub lookalike: bool,
    /// Headers at the backend; null: must be absent.
    #[serde(default)]
    pub forwarded: BTreeMap<String, Option<String>>,
}

impl Expect {
    pub fn passes(&self) -> bool {
        self.status.is_none()
    }
}

/// A plugin configuration, and where it is wrong.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// `file.json: name`, unique in the table.
    pub name: String,
    pub source: String,
    pub text: String,
    /// Absent: the configuration is accepted.
    pub error: Option<ExpectedError>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedError {
    /// JSON Pointer (RFC 6901); empty for the whole document.
    pub pointer: String,
    #[serde(default)]
    pub contains: String,
}

/// The committed table; the test fails where it cannot be read whole.
pub fn table() -> Table {
    let directory = crate::repository().join("tests/cases");
    load(&directory).unwrap_or_else(|error| panic!("{error}"))
}

/// Reads every `.json` file of `directory`. Anything unreadable, and a directory without cases, is
/// an error: a test that passes on nothing is none.
pub fn load(directory: &Path) -> Result<Table, String> {
    let mut files = std::fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>())
        .map_err(|error| format!("{}: {error}", directory.display()))?;
    files.sort();
    let mut table = Table { cases: Vec::new(), configurations: Vec::new() };
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with(".json") {
            return Err(format!("{name}: only .json files belong to {}", directory.display()));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
        read_file(&name, &text, &mut table).map_err(|error| format!("{name}: {error}"))?;
    }
    if table.cases.is_empty() {
        return Err(format!("{}: not one case", directory.display()));
    }
    Ok(table)
}

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
    /// A name, a description, or null. Absent: the file's certificate `client`.
    #[serde(default = "default_certificate")]
    certificate: Value,
    /// Absent: what a verification against the test authority comes to.
    #[serde(default, deserialize_with = "present")]
    chain_valid: Option<Option<bool>>,
    /// Absent: the host of the request, if TLS has names of this kind.
    #[serde(default, deserialize_with = "present")]
    server_name: Option<Option<String>>,
    now: Option<Moment>,
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

// Keeps `null` apart from an absent member.
fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// What a TLS library asks for where it is to connect to `host`.
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

fn read_file(file: &str, text: &str, table: &mut Table) -> Result<(), String> {
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
    let mut minted = BTreeMap::new();
    for (name, spec) in certificates {
        let certificate = expand(spec, &minted)
            .and_then(mint)
            .map_err(|error| format!("certificate {name:?}: {error}"))?;
        minted.insert(name, Arc::new(certificate));
    }
    let config = expand(config, &minted)?;
    let mut names = BTreeSet::new();
    for written in cases {
        let label = written["name"].to_string();
        let written = expand(written, &minted)
            .and_then(typed)
            .map_err(|error| format!("case {label}: {error}"))?;
        let case = complete(file, &config, &minted, written)
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
            .ok_or("`client` patches a client that is not there")?;
        merge_patch(first, written.client);
    }
    let certificate = match written.certificate {
        Value::Null => None,
        Value::String(name) => Some(Arc::clone(
            certificates.get(&name).ok_or_else(|| format!("no certificate is called {name:?}"))?,
        )),
        // Expanded with the rest of the row.
        spec => Some(Arc::new(mint(spec)?)),
    };
    let now = written.now.unwrap_or(NOW);
    let verified = certificate.as_ref().is_some_and(|certificate| certificate.is_trusted_at(now));
    let request = request(written.request)?;
    let case = Case {
        name: format!("{file}: {}", written.name),
        source: written.source,
        config,
        certificate,
        chain_valid: written.chain_valid.unwrap_or(Some(verified)),
        server_name: written.server_name.unwrap_or_else(|| server_name(&request.host)),
        now,
        request,
        expect: written.expect,
        in_envoy: written.in_envoy,
    };
    check(&case, verified)?;
    Ok(case)
}

// A slip in a row must not become a test that tests something else.
fn check(case: &Case, verified: bool) -> Result<(), String> {
    let expect = &case.expect;
    let (_, answer) = DECISIONS
        .iter()
        .find(|(code, _)| *code == expect.code)
        .ok_or_else(|| format!("{:?} is no code of contract §7", expect.code))?;
    let stated = expect.status.zip(expect.error.as_deref());
    let shadow = stated.is_none() && case.config.to_string().contains(r#""mode":"shadow""#);
    if (stated != *answer && !shadow) || expect.status.is_some() != expect.error.is_some() {
        return Err(format!("{:?} is answered with {answer:?}", expect.code));
    }
    if case.source.is_empty() {
        return Err("`source` is empty".into());
    }
    let odd = case.certificate.as_ref().is_some_and(|certificate| {
        certificate.der.is_none() || certificate.host_text != certificate.pem()
    });
    if case.in_envoy && (odd || case.now != NOW || case.chain_valid != Some(verified)) {
        return Err("no real connection looks like this: `in_envoy` must be false".into());
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

fn mint(spec: Value) -> Result<Certificate, String> {
    let spec: CertificateSpec = typed(spec)?;
    certificate::mint(&spec)
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn not_empty(about: &str, rows: usize) -> Result<(), String> {
    if about.is_empty() || rows == 0 { Err("no `about`, or not one row".into()) } else { Ok(()) }
}

fn unique(names: &mut BTreeSet<String>, name: &str) -> Result<(), String> {
    if names.insert(name.to_string()) {
        Ok(())
    } else {
        Err(format!("two rows are called {name:?}"))
    }
}

// RFC 7396 §2
fn merge_patch(target: &mut Value, patch: Value) {
    match patch {
        Value::Null => {}
        Value::Object(members) => {
            if !target.is_object() {
                *target = Value::Object(Map::new());
            }
            let object = target.as_object_mut().expect("it was just made one");
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

fn expand(
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
            count.parse().map_err(|_| format!("${{{inside}}}: {count:?} is no count"))?;
        return Ok(unit.repeat(count));
    }
    let certificate =
        certificates.get(argument).ok_or_else(|| format!("${{{inside}}}: no such certificate"))?;
    match kind {
        "x5c" => Ok(certificate.x5c()),
        "x5t" => Ok(certificate.x5t_s256()),
        "sha256" => Ok(certificate.sha256_hex()),
        "pem_percent" => Ok(certificate.percent_encoded_pem()),
        "pem_json" => Ok(certificate.pem().replace('\n', "\\n")),
        _ => Err(format!("${{{inside}}}: no such kind")),
    }
}
