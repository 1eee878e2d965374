//! `explain`: one decision, step by step.

mod hint;
mod steps;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};
use tls_client_auth::host::Registration;
use tls_client_auth::inspect::{
    Check, ClientMetadata, ExpectedSubject, Policy, RegistrySource, SubjectMismatch, TenantChoice,
    TenantPolicy,
};
use tls_client_auth::{
    Action, CertificateError, DistinguishedName, Gate, GateRequest, Outcome, Peer, PeerCertificate,
    Rejection, Response, ServerName,
};
use unicode_width::UnicodeWidthStr as _;

use self::hint::hint;
use self::steps::{ExplainedStep, Facts, StepState};
use crate::arguments::{ChainArgument, ExplainArguments};
use crate::certificate_file::CertificateFile;
use crate::described_request::{Described, default_host, now, time};
use crate::output::{BOLD, Format, GREEN, PLAIN, RED, YELLOW, print_json, visible};
use crate::unusable::Unusable;
use crate::{envoy_config, input};

pub fn run(arguments: &ExplainArguments) -> Result<ExitCode, Unusable> {
    let found = envoy_config::read_one(&arguments.config)?;
    let gate = Gate::new(found.text.as_bytes()).map_err(|error| {
        Unusable::new(format!(
            "{}: {error}; `tls-client-auth lint` lists every error",
            arguments.config.display()
        ))
    })?;
    let request = request(arguments, &gate, &found.text)?;
    let mut peer = peer(arguments)?;
    let outcome = gate.decide(&request, &mut peer);
    let claimed = outcome.decision.request.client_id.as_deref();
    if let (Some(given), Some(claimed)) = (arguments.client_id.as_deref(), claimed)
        && given != claimed
    {
        let (given, claimed) = (given.escape_debug(), claimed.escape_debug());
        writeln!(
            anstream::stderr(),
            "note: --client-id is \"{given}\", but the request is about \"{claimed}\""
        )?;
    }
    let explained = Explained::new(&gate, &request, &outcome, &peer);
    match arguments.output.format {
        Format::Json => print_json(&explained.to_json())?,
        Format::Text => explained.print()?,
    }
    Ok(if outcome.passes() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn request(
    arguments: &ExplainArguments,
    gate: &Gate,
    configuration: &str,
) -> Result<GateRequest, Unusable> {
    let header = |header: &String| {
        // The first colon may be that of a pseudo-header.
        let name_ends = header.char_indices().skip(1).find(|(_, c)| *c == ':').map(|(at, _)| at);
        let (name, value) =
            name_ends.and_then(|at| Some((header.get(..at)?, header.get(at + 1..)?)))?;
        Some((name.trim().to_owned(), value.trim().as_bytes().to_vec()))
    };
    let mut headers = Vec::new();
    for given in &arguments.headers {
        headers.push(
            header(given)
                .ok_or_else(|| Unusable::new(format!("{given:?} is no \"name: value\"")))?,
        );
    }
    let body = arguments.body.as_deref().map(input::bytes).transpose()?;
    let described = Described {
        method: arguments.method.as_deref(),
        path: arguments.path.as_deref(),
        host: arguments.host.as_deref(),
        headers,
        headers_are_complete: false,
        client_id: arguments.client_id.as_deref(),
        body,
    };
    described.complete(gate, &default_host(gate, configuration)).map_err(Unusable::new)
}

fn peer(arguments: &ExplainArguments) -> Result<Peer, Unusable> {
    let chain_valid = match arguments.chain {
        ChainArgument::Valid => Some(true),
        ChainArgument::Invalid => Some(false),
        ChainArgument::Unknown => None,
    };
    let now = match &arguments.now {
        Some(text) => time(text).ok_or_else(|| {
            Unusable::new(format!("{text:?} is no time: RFC 3339, or seconds since 1970"))
        })?,
        None => now(),
    };
    let list = arguments
        .registry
        .as_deref()
        .map(|path| input::client_list(path, &input::bytes(path)?))
        .transpose()?
        .map(Arc::new);
    let server_name = arguments.server_name.as_deref().map(server_name).unwrap_or_default();
    let verified_token = arguments.verified_token.clone();
    let peer =
        Peer { certificate: None, chain_valid, now: Some(now), server_name, verified_token, list };
    let Some(file) = &arguments.certificate else { return Ok(peer) };
    let file_content = CertificateFile::read(file)?;
    let peer = peer.presenting(file_content.certificate());
    match &peer.certificate {
        None => Err(Unusable::new(format!("{}: the file is empty", file.display()))),
        // Another file. A certificate that is broken is for the filter to refuse.
        Some(Err(error @ CertificateError::Pem)) if !file_content.claims_a_certificate() => {
            Err(Unusable::new(format!("{}: {error}", file.display())))
        }
        _ => Ok(peer),
    }
}

/// The name that a client asked for in the TLS handshake; empty = none.
pub fn server_name(given: &str) -> ServerName {
    if given.is_empty() { ServerName::Absent } else { ServerName::Name(given.as_bytes().into()) }
}

/// Status and `error` of the answer; none where the request passes.
pub fn answer(outcome: &Outcome) -> (Option<u16>, Option<String>) {
    let Action::Reply(Response { status, body, .. }) = &outcome.decision.action else {
        return (None, None);
    };
    let error = serde_json::from_str::<Value>(body)
        .ok()
        .and_then(|body| Some(body.get("error")?.as_str()?.to_owned()));
    (Some(*status), error)
}

struct Explained<'a> {
    outcome: &'a Outcome,
    steps: Vec<ExplainedStep>,
    /// The registered and the certificate's name, where they differ.
    names: Option<(DistinguishedName, DistinguishedName)>,
    /// The one that the decision looked at.
    certificate: Option<Arc<PeerCertificate>>,
}

impl<'a> Explained<'a> {
    fn new(gate: &Gate, request: &GateRequest, outcome: &'a Outcome, peer: &Peer) -> Self {
        let decision = &outcome.decision;
        let TenantChoice { policy, gating, .. } = choice(gate, request);
        let policy = if let TenantPolicy::Known(policy) = policy { Some(policy) } else { None };
        let certificate = decision.request.certificate.clone();
        let client_id = decision.request.client_id.as_deref();
        let client = policy
            .as_deref()
            .zip(client_id)
            .and_then(|(policy, client_id)| registered(policy, peer, client_id));
        let facts = Facts {
            request,
            outcome,
            server_name: &peer.server_name,
            policy: policy.as_deref(),
            gating,
            client: client.as_deref(),
            certificate: certificate.as_deref(),
        };
        let steps = facts.steps();
        let names = match (
            &decision.rejection,
            client.as_deref().and_then(|client| client.method().expected_subject()),
            &certificate,
        ) {
            (
                Some(Rejection::SubjectMismatch(SubjectMismatch::DistinguishedName(_))),
                Some(ExpectedSubject::SubjectDn(registered)),
                Some(certificate),
            ) => certificate.subject().ok().map(|subject| (registered.clone(), subject)),
            _ => None,
        };
        Self { outcome, steps, names, certificate }
    }

    fn print(&self) -> Result<(), Unusable> {
        let mut out = anstream::stdout().lock();
        let decision = &self.outcome.decision;
        let steps = self.steps.iter().filter(|step| step.is_of_request);
        for ExplainedStep { name, state, text, .. } in steps {
            let (mark, colour) = match state {
                StepState::Done => ("ok", GREEN),
                StepState::Refused => ("NO", RED),
                StepState::NotAsked | StepState::NotReached => ("--", ""),
            };
            let line = format!("{name:<13} {}", visible(text));
            writeln!(out, "{colour}{mark}{PLAIN} {}", line.trim_end())?;
        }
        if let Some((registered, certificate)) = &self.names {
            print_names(&mut out, registered, certificate)?;
        }
        let colour = if self.outcome.passes() { GREEN } else { RED };
        let (status, error) = answer(self.outcome);
        let ending = match (status, error) {
            (Some(status), Some(error)) => format!("refused with {status} {error}"),
            _ if decision.rejection.is_some() => "passes, because the mode is shadow".to_owned(),
            _ => "passes".to_owned(),
        };
        writeln!(out, "\n{BOLD}{colour}{}{PLAIN}: {ending}", decision.code)?;
        let forwarded = self.forwarded();
        if !forwarded.is_empty() {
            writeln!(out, "the backend gets {}", forwarded.join(", "))?;
        }
        if let Some(hint) = self.hint() {
            writeln!(out, "{YELLOW}hint{PLAIN}: {}", visible(&hint))?;
        }
        Ok(())
    }

    /// The names of the headers that the filter writes for the backend. Their values may be secret.
    fn forwarded(&self) -> Vec<&str> {
        match &self.outcome.decision.action {
            Action::Continue { set } => set.iter().map(|(name, _)| name.as_str()).collect(),
            Action::Reply(_) => Vec::new(),
        }
    }

    fn hint(&self) -> Option<String> {
        hint(self.outcome.decision.rejection.as_ref()?, self.certificate.as_deref())
    }

    fn to_json(&self) -> Value {
        let decision = &self.outcome.decision;
        let (status, error) = answer(self.outcome);
        let state = |state| match state {
            StepState::Done => "done",
            StepState::Refused => "refused",
            StepState::NotAsked => "not_asked",
            StepState::NotReached => "not_reached",
        };
        let steps = self.steps.iter().map(
            |step| json!({ "step": step.name, "state": state(step.state), "text": step.text }),
        );
        let rdns = |name: &DistinguishedName| name.printed_rdns().collect::<Vec<_>>();
        let names = self.names.as_ref().map(|(registered, certificate)| {
            json!({ "registered": rdns(registered), "certificate": rdns(certificate) })
        });
        let certificate = self.certificate.as_ref();
        let thumbprint = certificate.map(|certificate| certificate.thumbprint().to_string());
        json!({
            "code": decision.code.as_str(),
            "pass": self.outcome.passes(),
            "status": status,
            "error": error,
            "client_id": decision.request.client_id,
            "tenant": decision.request.tenant.as_deref(),
            "thumbprint": thumbprint,
            "detail": decision.rejection.as_ref().map(ToString::to_string),
            "hint": self.hint(),
            "names": names,
            "forwarded": self.forwarded(),
            "steps": steps.collect::<Vec<_>>(),
        })
    }
}

/// Two names side by side; the first RDN that differs is marked.
fn print_names(
    out: &mut impl std::io::Write,
    registered: &DistinguishedName,
    certificate: &DistinguishedName,
) -> Result<(), Unusable> {
    let [left, right] =
        [registered, certificate].map(|name| name.printed_rdns().collect::<Vec<_>>());
    // Compared as the filter does: letter case and the like are no difference.
    let [left_rdns, right_rdns] = [&left, &right]
        .map(|rdns| rdns.iter().map(|rdn| DistinguishedName::parse(rdn)).collect::<Vec<_>>());
    let [left, right] =
        [left, right].map(|rdns| rdns.iter().map(|rdn| visible(rdn)).collect::<Vec<_>>());
    let width =
        left.iter().map(|rdn| rdn.width()).max().unwrap_or_default().max("registered".len());
    writeln!(out, "\n     {BOLD}{:<width$}  certificate{PLAIN}", "registered")?;
    let mut marked = false;
    for index in 0..left.len().max(right.len()) {
        let [one, other] = [&left, &right].map(|rdns| rdns.get(index).map_or("", String::as_str));
        let differs = !marked && left_rdns.get(index) != right_rdns.get(index);
        marked |= differs;
        let (mark, colour) = if differs { (">", RED) } else { (" ", "") };
        // Columns are as wide as what is seen, not as many characters.
        let blanks = " ".repeat(width.saturating_sub(one.width()));
        writeln!(out, "{colour}{mark}{:>3} {one}{blanks}  {other}{PLAIN}", index + 1)?;
    }
    Ok(())
}

fn policy(gate: &Gate, request: &GateRequest) -> Option<Arc<Policy>> {
    match choice(gate, request).policy {
        TenantPolicy::Known(policy) => Some(policy),
        TenantPolicy::Unknown(_) => None,
    }
}

/// The tenant of the request.
fn choice(gate: &Gate, request: &GateRequest) -> TenantChoice {
    let header = |wanted: &str| {
        let found = request.headers.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_slice()).unwrap_or_default()
    };
    gate.configuration().choose(header(":authority"), header(":path"))
}

/// Whether the filter would have compared the name of the TLS handshake, but it was not given.
pub fn is_server_name_unchecked(gate: &Gate, request: &GateRequest, outcome: &Outcome) -> bool {
    let checks = &outcome.decision.checks;
    // The next check is one of these for every gated request.
    [Check::Protocol, Check::Authorization].into_iter().any(|check| checks.has(check))
        && !checks.has(Check::ServerName)
        && policy(gate, request).is_some_and(|policy| policy.common.matches_server_name)
}

fn registered(policy: &Policy, peer: &Peer, client_id: &str) -> Option<Arc<ClientMetadata>> {
    let registration = match &policy.registry {
        RegistrySource::Embedded(registry) => registry.find(client_id),
        RegistrySource::Fetched(_) => peer.list.as_ref()?.find(client_id),
    };
    if let Registration::Registered(client) = registration { Some(client) } else { None }
}

#[cfg(test)]
mod tests;
