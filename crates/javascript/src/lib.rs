//! JavaScript: plain values in, JSON out. `edge/` makes of it what people call.
//!
//! On other targets than wasm32 this crate is empty: there are no host functions to link.

#![cfg(target_arch = "wasm32")]
use std::cell::RefCell;

use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

use tls_client_auth::host::{CertificateHeader, CertificateMemory};
use tls_client_auth::inspect::{
    ClientListFormat, Conversion, Mode, TenantPolicy, UnverifiedCertificate, convert_list,
};
use tls_client_auth::{
    Action, AlternativeName, CertificateError, DistinguishedName, Gate, GateRequest, Outcome, Peer,
    PeerCertificate, Rejection, ServerName, Thumbprint, UnixTime,
};

/// A configuration that decides.
#[wasm_bindgen(js_name = Gate)]
#[derive(Debug)]
pub struct JsGate {
    gate: Gate,
    /// By their own octets: an adapter asks twice about a request, and a client comes again.
    certificates: RefCell<CertificateMemory>,
}

#[wasm_bindgen(js_class = Gate)]
impl JsGate {
    /// Reads a plugin configuration; throws with the JSON Pointer of the first mistake.
    #[wasm_bindgen(constructor)]
    pub fn new(configuration: &str) -> Result<JsGate, JsError> {
        let gate = Gate::without_responses(configuration.as_bytes())
            .map_err(|error| JsError::new(&error.to_string()))?;
        Ok(Self { gate, certificates: RefCell::default() })
    }

    /// Decides about a request; the headers are names in lower case, and values as octets, one for
    /// each.
    #[expect(
        clippy::too_many_arguments,
        reason = "plain values cross the border to JavaScript one by one"
    )]
    pub fn decide(
        &self,
        names: Vec<String>,
        values: &js_sys::Array,
        certificate: Option<Vec<u8>>,
        chain_valid: Option<bool>,
        now: Option<f64>,
        server_name: Option<String>,
        verified_token: Option<String>,
        body: Vec<u8>,
    ) -> String {
        let request = GateRequest { headers: fields(names, values), body };
        let peer = self.peer(certificate, chain_valid, now, server_name);
        let outcome = self.gate.decide(&request, &mut Peer { verified_token, ..peer });
        to_json(&outcome).to_string()
    }

    /// Decides about a request before there is anything of its body; `null` = it takes the body, or
    /// that there is none.
    #[expect(
        clippy::too_many_arguments,
        reason = "plain values cross the border to JavaScript one by one"
    )]
    #[wasm_bindgen(js_name = decideHead)]
    pub fn decide_head(
        &self,
        names: Vec<String>,
        values: &js_sys::Array,
        certificate: Option<Vec<u8>>,
        chain_valid: Option<bool>,
        now: Option<f64>,
        server_name: Option<String>,
        verified_token: Option<String>,
    ) -> String {
        let peer = self.peer(certificate, chain_valid, now, server_name);
        let mut peer = Peer { verified_token, ..peer };
        let outcome = self.gate.decide_head(&fields(names, values), &mut peer);
        outcome.as_ref().map_or(Value::Null, to_json).to_string()
    }

    /// What an adapter must know of the policy for a host and a path.
    pub fn policy(&self, host: &[u8], path: &[u8]) -> String {
        let configuration = self.gate.configuration();
        let policy = configuration.policy_for(host, path);
        let text = |mode| match mode {
            Mode::Enforce => "enforce",
            Mode::Shadow => "shadow",
        };
        let (mode, of_all) = (text(policy.common().mode), text(configuration.mode_of_all()));
        let chain = policy.common().peer_certificate.chain.as_str();
        let max_body_bytes = match &policy {
            TenantPolicy::Known(policy) => policy.max_body_bytes,
            // The decision falls before the body.
            TenantPolicy::Unknown(_) => 0,
        };
        let policy = json!({
            "mode": mode, "modeOfAll": of_all, "chain": chain, "maxBodyBytes": max_body_bytes,
        });
        policy.to_string()
    }
}

impl JsGate {
    /// `server_name` is empty where the client asked for none.
    fn peer(
        &self,
        certificate: Option<Vec<u8>>,
        chain_valid: Option<bool>,
        now: Option<f64>,
        server_name: Option<String>,
    ) -> Peer {
        let certificate =
            certificate.filter(|certificate| !certificate.is_empty()).map(|certificate| {
                let read = || {
                    Peer::default()
                        .presenting(&certificate)
                        .certificate
                        .unwrap_or(Err(CertificateError::Pem))
                };
                self.certificates.borrow_mut().recall_or(&certificate, read)
            });
        let server_name = match server_name {
            None => ServerName::Unspecified,
            Some(name) if name.is_empty() => ServerName::Absent,
            Some(name) => ServerName::Name(name.into_bytes().into()),
        };
        // Seconds since 1970 are whole numbers far below 2^53.
        Peer {
            certificate,
            chain_valid,
            now: now.map(|now| UnixTime(now as i64)),
            server_name,
            ..Peer::default()
        }
    }
}

fn fields(names: Vec<String>, values: &js_sys::Array) -> Vec<(String, Vec<u8>)> {
    let values = values.iter().map(|value| js_sys::Uint8Array::new(&value).to_vec());
    names.into_iter().zip(values).collect()
}

fn to_json(outcome: &Outcome) -> Value {
    let decision = &outcome.decision;
    let (status, headers, body, set) = match &decision.action {
        Action::Continue { set } => {
            (Value::Null, Value::Object(Default::default()), Value::Null, Some(set))
        }
        Action::Reply(reply) => {
            let headers = reply
                .headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
                .collect();
            (reply.status.into(), Value::Object(headers), reply.body.as_str().into(), None)
        }
    };
    let certificate = decision.request.certificate.as_ref();
    json!({
        "code": decision.code.as_str(),
        "pass": outcome.passes(),
        "status": status,
        "headers": headers,
        "body": body,
        "clientId": decision.client_id_state(),
        "thumbprint": certificate.map(|certificate| certificate.thumbprint().to_string()),
        "detail": decision.rejection.as_ref().map(detail),
        "tenant": decision.request.tenant.as_deref(),
        "forward": set.map(|set| json!({ "set": set, "remove": outcome.stripped })),
    })
}

/// The filter's words, but where they give advice for Envoy: who calls this has another host.
fn detail(rejection: &Rejection) -> String {
    let text = match rejection {
        Rejection::CertificateUnverified(UnverifiedCertificate::Chain) => {
            "chainValid is false: the TLS server did not verify the chain of the certificate"
        }
        Rejection::CertificateUnverified(UnverifiedCertificate::NotGiven) => {
            "chainValid is not given: it is unknown whether the chain was verified"
        }
        other => return other.to_string(),
    };
    text.to_owned()
}

/// The certificate that a header of another hop carries, as DER; none where it says that there is
/// none. `form` = a `format` of `forward.certificate`. `hop` = SHA-256 of the peer that the nearest
/// hop must have had, if it must; its own element is then not the client's. Throws where the value
/// cannot be read without doubt, or `form` or `hop` is none.
#[wasm_bindgen(js_name = readForwarded)]
pub fn read_forwarded(
    form: &str,
    value: &[u8],
    hop: Option<String>,
) -> Result<Option<Vec<u8>>, JsError> {
    let form = CertificateHeader::FORMATS.into_iter().find(|(word, _)| *word == form);
    let (_, form) = form.ok_or_else(|| JsError::new("no such form"))?;
    let hop = match hop {
        None => None,
        Some(hop) => Some(Thumbprint::parse(&hop).ok_or_else(|| JsError::new("no SHA-256"))?),
    };
    let certificate = match form.read(value, hop.as_ref()) {
        Ok(certificate) => certificate,
        Err(CertificateError::NotForwarded) => return Ok(None),
        Err(error) => return Err(JsError::new(&error.to_string())),
    };
    // Another peer is none that is trusted (contract §4).
    let is_trusted = hop.is_none_or(|hop| form.is_behind(value, &hop));
    Ok(is_trusted.then(|| certificate.der().to_vec()))
}

/// What a certificate (PEM or DER) says of itself, as JSON; throws where it is none.
#[wasm_bindgen(js_name = readCertificate)]
pub fn read_certificate(certificate: &[u8]) -> Result<String, JsError> {
    let read = Peer::default().presenting(certificate).certificate;
    let certificate = match read {
        Some(Ok(certificate)) => certificate,
        Some(Err(error)) => return Err(JsError::new(&error.to_string())),
        None => return Err(JsError::new("no certificate")),
    };
    Ok(certificate_json(&certificate).to_string())
}

fn certificate_json(certificate: &PeerCertificate) -> Value {
    let names = certificate.alternative_names().unwrap_or_default().into_iter().map(|name| {
        let (kind, value) = match name {
            AlternativeName::Dns(name) => ("dns", name.to_string()),
            AlternativeName::Uri(name) => ("uri", name.to_string()),
            AlternativeName::Ip(address) => ("ip", address.to_string()),
            AlternativeName::Email(name) => ("email", name.to_string()),
        };
        json!({ "type": kind, "value": value })
    });
    json!({
        "subject": certificate.subject().ok().map(|name| name.to_string()),
        "rdns": certificate.subject().ok().map(|name| name.printed_rdns().collect::<Vec<_>>()),
        "subjectError": certificate.subject().err().map(|error| error.to_string()),
        "alternativeNames": names.collect::<Vec<_>>(),
        "notBefore": certificate.not_before().to_string(),
        "notAfter": certificate.not_after().to_string(),
        "thumbprint": certificate.thumbprint().to_string(),
    })
}

/// A distinguished name as it was understood, as JSON; throws where it is none.
#[wasm_bindgen(js_name = readName)]
pub fn read_name(text: &str) -> Result<String, JsError> {
    let name = DistinguishedName::parse(text).map_err(|error| JsError::new(&error.to_string()))?;
    Ok(json!({ "rfc4514": name.to_string(), "rdns": name.printed_rdns().collect::<Vec<_>>() })
        .to_string())
}

/// Client metadata made of the client list of another server, entry by entry, as JSON; throws where
/// there is no such list.
#[wasm_bindgen(js_name = convertClients)]
pub fn convert_clients(document: &str, from: &str) -> Result<String, JsError> {
    let format = match from {
        "authlete" => ClientListFormat::Authlete,
        "duende" => ClientListFormat::Duende,
        "keycloak" => ClientListFormat::Keycloak,
        "spring" => ClientListFormat::Spring,
        _ => return Err(JsError::new("expected authlete, duende, keycloak or spring")),
    };
    let list = convert_list(document.as_bytes(), format)
        .map_err(|error| JsError::new(&error.to_string()))?;
    Ok(Value::Array(list.into_iter().map(conversion_json).collect()).to_string())
}

fn conversion_json(conversion: Conversion) -> Value {
    let Conversion { pointer, client_ids, clients, never_authenticates } = conversion;
    let (clients, error) = match clients {
        Ok(clients) => (Value::Array(clients), Value::Null),
        Err(error) => (
            Value::Null,
            json!({ "pointer": format!("{pointer}{}", error.pointer), "message": error.message }),
        ),
    };
    json!({
        "pointer": pointer,
        "clientIds": client_ids,
        "clients": clients,
        "error": error,
        "neverAuthenticates": never_authenticates,
    })
}
