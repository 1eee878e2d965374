//! The case table against the decision as native code, without any host.

mod support;

use std::rc::Rc;

use support::case::{Case, Configuration as ConfigurationCase, table};
use tls_client_auth::authenticate::Connection;
use tls_client_auth::certificate::{PeerCertificate, UnixTime};
use tls_client_auth::config::Configuration;
use tls_client_auth::decision::{Action, Decision};
use tls_client_auth::error::{HostError, Rejection};
use tls_client_auth::exchange::{Exchange, Headers, Host, Step};
use tls_client_auth::request::Head;

/// The connection that a case describes.
struct Described<'a>(&'a Case);

impl Connection for Described<'_> {
    fn now(&mut self) -> Result<UnixTime, HostError> {
        Ok(UnixTime(self.0.now.0))
    }

    fn peer_certificate(&mut self) -> Result<Rc<PeerCertificate>, Rejection> {
        let certificate = self.0.certificate.as_ref().ok_or(Rejection::CertificateMissing)?;
        PeerCertificate::from_pem(certificate.host_text.as_bytes()).map(Rc::new).map_err(Rejection::CertificateMalformed)
    }

    fn is_peer_certificate_verified(&mut self) -> Option<bool> {
        self.0.chain_valid
    }
}

impl Host for Described<'_> {}

/// Names in lower case, and values.
type Fields = Vec<(String, Vec<u8>)>;

/// Runs a case with its body in one piece; returns the decision and the headers that the backend would see.
fn decide(case: &Case) -> Result<(Decision, Fields), String> {
    let configuration = Configuration::parse(case.config.to_string().as_bytes()).map_err(|error| error.to_string())?;
    let fields = case.request.header_map();
    let mut connection = Described(case);
    let mut exchange = Exchange::new(&configuration, &Head::of(Headers(&fields)));
    let believed = exchange.believed_header(&Head::of(Headers(&fields)), &mut connection);
    let stripped: Vec<String> = exchange.names_to_strip(Headers(&fields), believed).map(str::to_owned).collect();
    let body = &case.request.body;
    let mut step = exchange.on_headers(&Head::of(Headers(&fields)), body.is_empty(), &mut connection);
    if let Step::Wait = step {
        step = exchange.on_body(body.len(), true, |_| Some(body.clone()), &mut connection);
    }
    let Step::Decide(decision) = step else { return Err(format!("no decision: {step:?}")) };
    let mut seen: Vec<_> = fields.into_iter().filter(|(name, _)| !stripped.contains(name)).collect();
    if let Action::Continue { set } = &decision.action {
        seen.retain(|(name, _)| set.iter().all(|(written, _)| written != name));
        seen.extend(set.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())));
    }
    Ok((*decision, seen))
}

fn compare(case: &Case) -> Result<(), String> {
    let expect = &case.expect;
    let (decision, seen) = decide(case)?;
    let differs = |what: &str, found: String| Err(format!("{what}: {found}\n    {decision}"));
    if decision.code.as_str() != expect.code {
        return differs("code", decision.code.to_string());
    }
    match &decision.action {
        Action::Continue { .. } if !expect.passes() => return differs("passes", String::new()),
        Action::Continue { .. } => {}
        Action::Reply(response) => {
            if Some(response.status) != expect.status {
                return differs("status", response.status.to_string());
            }
            let error = format!("{{\"error\":\"{}\",", expect.error.as_deref().unwrap_or_default());
            if !response.body.starts_with(&error) {
                return differs("body", response.body.clone());
            }
            let challenge = response.headers.iter().any(|(name, _)| *name == "www-authenticate");
            let expected = expect.www_authenticate.unwrap_or(response.status == 401 && case.request.has_header("authorization"));
            if challenge != expected {
                return differs("www-authenticate", challenge.to_string());
            }
        }
    }
    if expect.tenant.is_some() && decision.request.tenant.as_deref() != expect.tenant.as_deref() {
        return differs("tenant", format!("{:?}", decision.request.tenant));
    }
    if expect.client_id.is_some() && decision.client_id_state() != expect.client_id {
        return differs("client_id", format!("{:?}", decision.client_id_state()));
    }
    if !decision.to_string().contains(expect.detail.as_deref().unwrap_or_default()) {
        return differs("detail", String::new());
    }
    for (name, expected) in &expect.forwarded {
        let found: Vec<_> =
            seen.iter().filter(|(header, _)| header == name).map(|(_, value)| String::from_utf8_lossy(value)).collect();
        if found != expected.iter().map(String::as_str).collect::<Vec<_>>() {
            return differs(name, format!("{found:?}"));
        }
    }
    Ok(())
}

fn compare_configuration(case: &ConfigurationCase) -> Result<(), String> {
    match (Configuration::parse(case.text.as_bytes()), &case.error) {
        (Ok(_), None) => Ok(()),
        (Ok(_), Some(expected)) => Err(format!("accepted, expected an error at {:?}", expected.pointer)),
        (Err(error), None) => Err(format!("refused: {error}")),
        (Err(error), Some(expected)) if error.pointer != expected.pointer || !error.message.contains(&expected.contains) => {
            Err(format!("another error: {error}"))
        }
        (Err(_), Some(_)) => Ok(()),
    }
}

fn report(failures: Vec<String>, cases: usize) {
    assert!(cases > 0, "a table without cases proves nothing");
    assert!(failures.is_empty(), "{} of {cases} cases fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_case_is_decided_as_the_table_says() {
    let cases = table().cases;
    let failures =
        cases.iter().filter_map(|case| compare(case).err().map(|why| format!("{} ({}): {why}", case.name, case.source)));
    report(failures.collect(), cases.len());
}

#[test]
fn every_configuration_is_read_as_the_table_says() {
    let cases = table().configurations;
    let failures = cases
        .iter()
        .filter_map(|case| compare_configuration(case).err().map(|why| format!("{} ({}): {why}", case.name, case.source)));
    report(failures.collect(), cases.len());
}
