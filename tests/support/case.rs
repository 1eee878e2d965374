//! The case table: `tests/cases/*.json`, completed with defaults and checked for typing mistakes.
//!
//! One table serves native code, the shipped module in wasmtime, and real Envoys. A row therefore
//! states only the input and the expected result, not how it is run. docs/cases.md describes the
//! files.

mod placeholders;
mod rows;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::certificate::Certificate;
use crate::moment::Moment;

/// The time of every case that does not set `now`: 2026-06-01T00:00:00Z.
pub const NOW: Moment = Moment(1_780_272_000);

const HOST: &str = "as.example.com";
const FORM: &str = "application/x-www-form-urlencoded";

/// contract §7: each code with the status and `error` of its answer; `None` if the request passes.
pub const DECISIONS: &[(&str, Option<(u16, &str)>)] = &[
    ("authenticated", None),
    ("passed_other_method", None),
    ("passed_unregistered", None),
    ("passed_unidentified", None),
    ("not_gated", None),
    ("token_bound", None),
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
    ("certificate_untrusted_issuer", Some((401, "invalid_client"))),
    ("certificate_revoked", Some((401, "invalid_client"))),
    ("revocation_unknown", Some((401, "invalid_client"))),
    ("certificate_not_registered", Some((401, "invalid_client"))),
    ("subject_mismatch", Some((401, "invalid_client"))),
    ("token_missing", Some((401, "invalid_token"))),
    ("token_malformed", Some((400, "invalid_request"))),
    ("token_unverified", Some((401, "invalid_token"))),
    ("token_unbound", Some((401, "invalid_token"))),
    ("token_bound_to_another", Some((401, "invalid_token"))),
    ("unknown_tenant", Some((421, "invalid_request"))),
    ("server_name_mismatch", Some((421, "invalid_request"))),
    ("registry_unavailable", Some((503, "temporarily_unavailable"))),
    ("response_unbound", Some((502, "server_error"))),
    ("host_error", Some((500, "server_error"))),
];

/// Everything under `tests/cases`.
#[derive(Debug)]
pub struct Table {
    pub cases: Vec<Case>,
    pub configurations: Vec<Configuration>,
}

/// One request and its expected result.
#[derive(Clone, Debug)]
pub struct Case {
    /// `file.json: name`, unique in the table.
    pub name: String,
    /// The section of an RFC or of the contract that requires the result.
    pub source: String,
    pub config: Value,
    /// The certificate that the client presents.
    pub certificate: Option<Arc<Certificate>>,
    /// `connection.peer_certificate_valid`; `None` if the host does not give it.
    pub chain_valid: Option<bool>,
    /// The server name of the TLS handshake, if the client sends one.
    pub server_name: Option<String>,
    pub now: Moment,
    /// The token that `jwt_authn` verified, and its claims.
    pub verified: Option<(String, Value)>,
    pub request: Request,
    pub expect: Expect,
    /// Whether the case can be run through TLS, HTTP and a real Envoy.
    pub in_envoy: bool,
}

impl Case {
    /// Whether it passes as a CORS preflight. It is one only if the request ends in its headers.
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
    /// A POST of a form to a path of the default host.
    pub fn form(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            method: "POST".into(),
            path: path.into(),
            host: HOST.into(),
            headers: vec![("content-type".into(), FORM.into())],
            body: body.into(),
        }
    }

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
    /// `None` if the request passes to the backend.
    pub status: Option<u16>,
    pub error: Option<String>,
    /// The client_id that the filter reports.
    pub client_id: Option<String>,
    /// The name by which the tenant is counted and logged.
    pub tenant: Option<String>,
    /// A part of the decision line.
    pub detail: Option<String>,
    /// Whether the answer has the header; if absent, it follows from the request (contract §7).
    pub www_authenticate: Option<bool>,
    /// Whether it is counted as an ungated form whose path ends like an endpoint (contract §8).
    #[serde(default)]
    pub lookalike: bool,
    /// Headers at the backend; `None` if a header must be absent.
    #[serde(default)]
    pub forwarded: BTreeMap<String, Option<String>>,
}

impl Expect {
    pub fn passes(&self) -> bool {
        self.status.is_none()
    }
}

/// A plugin configuration and the error in it.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// `file.json: name`, unique in the table.
    pub name: String,
    pub source: String,
    pub text: String,
    /// `None` if the configuration is accepted.
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

/// The committed table. The test fails if any file cannot be read.
pub fn table() -> Table {
    let directory = crate::repository().join("tests/cases");
    load(&directory).unwrap_or_else(|error| panic!("{error}"))
}

/// Reads every `.json` file of `directory`. An unreadable file and a directory without cases are
/// errors: a test without cases would always pass.
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
        rows::read_file(&name, &text, &mut table).map_err(|error| format!("{name}: {error}"))?;
    }
    if table.cases.is_empty() {
        return Err(format!("{}: no cases", directory.display()));
    }
    Ok(table)
}
