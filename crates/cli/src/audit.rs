//! `audit`: decisions in bulk, on all cores, in bounded memory, in the order of the input.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, IsTerminal as _, Read, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tls_client_auth::host::CertificateMemory;
use tls_client_auth::{CertificateError, ClientList, Gate, Peer, PeerCertificate, ServerName};

use crate::arguments::AuditArguments;
use crate::described_request::{Described, default_host, now, time};
use crate::explain::{answer, is_server_name_unchecked, server_name};
use crate::unusable::{self, Unusable};
use crate::{envoy_config, input};

/// Lines that a worker takes at once.
const BATCH: usize = 512;
/// Octets after which it takes no further line.
const BATCH_OCTETS: usize = 1 << 20;
/// Batches under way for each worker: read, decided, or waiting for an earlier one to be written.
const BATCHES_OF_A_WORKER: usize = 4;
/// A line of a request with the largest body and certificate that the filter would read is far
/// shorter.
const LONGEST_LINE: u64 = 64 << 20;

/// In the detail where the filter would compare a server name that the line does not give.
const NOT_CHECKED: &str = "the server name was not checked: server_name is not given";

/// Lines, and the number of the first of them.
struct Batch {
    number: usize,
    first_line: usize,
    lines: Vec<Vec<u8>>,
}

/// The answers to a batch, and whether each line could be used.
struct BatchAnswers {
    number: usize,
    text: String,
    all_usable: bool,
}

pub fn run(arguments: &AuditArguments) -> Result<ExitCode, Unusable> {
    let AuditArguments { config, registry, input: requests } = arguments;
    let configuration = envoy_config::read_one(config)?.text;
    Gate::new(configuration.as_bytes())
        .map_err(|error| Unusable::new(format!("{}: {error}", config.display())))?;
    let list = registry.as_deref().map(input::bytes).transpose()?;
    // Read for its mistakes alone: each worker has a list of its own, because they share nothing.
    if let (Some(path), Some(list)) = (registry.as_deref(), list.as_deref()) {
        input::client_list(path, list)?;
    }
    let (reader, length): (Box<dyn Read + Send>, Option<u64>) = if requests == Path::new("-") {
        (Box::new(input::standard_input()?), None)
    } else {
        let file = File::open(requests)
            .map_err(|error| Unusable::new(format!("{}: {error}", requests.display())))?;
        let length = file.metadata().ok().map(|metadata| metadata.len());
        (Box::new(file), length)
    };
    let progress = progress(length);
    let mut lines = BufReader::with_capacity(1 << 20, progress.wrap_read(reader));
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let all_usable = thread::scope(|scope| {
        let under_way = workers * BATCHES_OF_A_WORKER;
        let (give, take) = sync_channel::<Batch>(under_way);
        let (answer, answers) = sync_channel::<BatchAnswers>(under_way);
        // A batch may be read only where there is a permit, and gives it back when its answers are
        // written.
        let (permit, permits) = sync_channel::<()>(under_way);
        (0..under_way)
            .try_for_each(|_| permit.send(()))
            .map_err(|_| Unusable::new("no permits"))?;
        let take = Arc::new(Mutex::new(take));
        for _ in 0..workers {
            let (take, answer, configuration, list) =
                (take.clone(), answer.clone(), &configuration, list.as_deref());
            scope.spawn(move || work(configuration, list, &take, &answer));
        }
        drop(answer);
        let bar = progress.clone();
        let writer = scope.spawn(move || write(&answers, &permit, &bar));
        let read = read(&mut lines, &give, &permits);
        drop(give);
        let written = writer.join().map_err(|_| Unusable::new("the writer failed"))?;
        read.and(written)
    })?;
    progress.finish_and_clear();
    Ok(if all_usable { ExitCode::SUCCESS } else { ExitCode::from(unusable::EXIT_CODE) })
}

/// On a terminal only; the answers are on standard output.
fn progress(length: Option<u64>) -> ProgressBar {
    let (bar, template) = match length {
        Some(length) => {
            (ProgressBar::new(length), "{wide_bar} {percent}% {bytes}/{total_bytes} {eta}")
        }
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {elapsed}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn read(
    lines: &mut BufReader<impl Read>,
    give: &SyncSender<Batch>,
    permits: &Receiver<()>,
) -> Result<(), Unusable> {
    let (mut number, mut line_number) = (0, 1);
    loop {
        let mut batch = Batch { number, first_line: line_number, lines: Vec::new() };
        let ended = fill(&mut batch, lines);
        line_number += batch.lines.len();
        number += 1;
        // An error means that the writer gave up, and the writer reports why.
        let is_given =
            batch.lines.is_empty() || (permits.recv().is_ok() && give.send(batch).is_ok());
        match ended {
            Ok(false) if is_given => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Whether the input ended. What came before an error is in the batch.
fn fill(batch: &mut Batch, lines: &mut BufReader<impl Read>) -> Result<bool, Unusable> {
    let mut octets = 0;
    while batch.lines.len() < BATCH && octets < BATCH_OCTETS {
        let mut line = Vec::new();
        if lines.take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(true);
        }
        if line.len() as u64 == LONGEST_LINE {
            let number = batch.first_line + batch.lines.len();
            return Err(Unusable::new(format!(
                "line {number} is longer than {LONGEST_LINE} bytes"
            )));
        }
        octets += line.len();
        batch.lines.push(line);
        // A program that writes a line and waits for its answer gets it.
        if lines.buffer().is_empty() {
            break;
        }
    }
    Ok(false)
}

fn work(
    configuration: &str,
    list: Option<&[u8]>,
    take: &Mutex<Receiver<Batch>>,
    answer: &SyncSender<BatchAnswers>,
) {
    // Read before by the main thread.
    let Ok(gate) = Gate::new(configuration.as_bytes()) else { return };
    let Ok(list) = list.map(ClientList::parse).transpose() else { return };
    let (host, list) = (default_host(&gate, configuration), list.map(Arc::new));
    let mut worker = Worker { gate, host, list, certificates: CertificateMemory::new() };
    loop {
        let batch = take.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = batch else { return };
        let mut answers =
            BatchAnswers { number: batch.number, text: String::new(), all_usable: true };
        for (index, line) in
            batch.lines.iter().enumerate().filter(|(_, line)| !line.trim_ascii().is_empty())
        {
            let decision = worker.decide(line).unwrap_or_else(|why| {
                answers.all_usable = false;
                json!({ "line": batch.first_line + index, "unusable": why })
            });
            answers.text.push_str(&decision.to_string());
            answers.text.push('\n');
        }
        if answer.send(answers).is_err() {
            return;
        }
    }
}

/// Writes the answers in the order of the batches; returns whether every line could be used.
fn write(
    answers: &Receiver<BatchAnswers>,
    permit: &SyncSender<()>,
    progress: &ProgressBar,
) -> Result<bool, Unusable> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut early = BTreeMap::new();
    let (mut next, mut all_usable) = (0, true);
    // A terminal that shows the answers shows the bar between them.
    let shows_both = io::stdout().is_terminal();
    let aside = |print: &mut dyn FnMut() -> io::Result<()>| {
        if shows_both { progress.suspend(print) } else { print() }
    };
    while let Some(one) = next_of(answers, || aside(&mut || out.flush()))? {
        early.insert(one.number, one);
        while let Some(one) = early.remove(&next) {
            aside(&mut || out.write_all(one.text.as_bytes()))?;
            all_usable &= one.all_usable;
            next += 1;
            // No reader waits for it after the last batch.
            let _ = permit.try_send(());
        }
    }
    aside(&mut || out.flush())?;
    Ok(all_usable)
}

/// The next answers; before it waits for them, `before_waiting`.
fn next_of(
    answers: &Receiver<BatchAnswers>,
    before_waiting: impl FnOnce() -> io::Result<()>,
) -> io::Result<Option<BatchAnswers>> {
    match answers.try_recv() {
        Ok(one) => Ok(Some(one)),
        Err(TryRecvError::Disconnected) => Ok(None),
        Err(TryRecvError::Empty) => before_waiting().map(|()| answers.recv().ok()),
    }
}

struct Worker {
    gate: Gate,
    /// The host of lines that name none.
    host: String,
    list: Option<Arc<ClientList>>,
    certificates: CertificateMemory,
}

impl Worker {
    fn decide(&mut self, line: &[u8]) -> Result<Value, String> {
        let line: Value =
            serde_json::from_slice(line).map_err(|error| format!("no JSON: {error}"))?;
        let members = line.as_object().ok_or("no JSON object")?;
        const KNOWN: [&str; 13] = [
            "client_id",
            "certificate",
            "chain_valid",
            "body",
            "body_base64",
            "headers",
            "path",
            "method",
            "host",
            "server_name",
            "verified_token",
            "now",
            "id",
        ];
        if let Some(name) = members.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(format!("unknown member {name:?}"));
        }
        // Programs that write JSON often write null for what is not there.
        let member = |name: &str| members.get(name).filter(|value| !value.is_null());
        let text = |name: &str| match member(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(format!("{name} must be a string")),
        };
        let client_id = text("client_id")?;
        let body = match (text("body")?, text("body_base64")?) {
            (Some(body), None) => Some(body.as_bytes().to_vec()),
            (None, Some(body)) => {
                Some(STANDARD.decode(body).map_err(|_| "body_base64 is no base64")?)
            }
            (None, None) if client_id.is_some() => None,
            (None, None) => return Err("neither client_id nor body".to_owned()),
            (Some(_), Some(_)) => return Err("body and body_base64".to_owned()),
        };
        let described = Described {
            method: text("method")?,
            path: text("path")?,
            host: text("host")?,
            headers: member("headers").map_or_else(|| Ok(Vec::new()), headers_of)?,
            headers_are_complete: member("headers").is_some_and(Value::is_array),
            client_id,
            body,
        };
        let request = described.complete(&self.gate, &self.host)?;
        let now = match member("now") {
            None => now(),
            Some(Value::Number(seconds)) => {
                time(&seconds.to_string()).ok_or("now must be whole seconds")?
            }
            Some(Value::String(text)) => time(text).ok_or("now is no time")?,
            Some(_) => return Err("now must be RFC 3339 or seconds since 1970".to_owned()),
        };
        // Here null is a value: the client asked for none.
        let server_name = match members.get("server_name") {
            None => ServerName::Unspecified,
            Some(Value::Null) => ServerName::Absent,
            Some(Value::String(name)) => server_name(name),
            Some(_) => return Err("server_name must be a string or null".to_owned()),
        };
        // Here too: Envoy does not say.
        let chain_valid = match members.get("chain_valid") {
            None => Some(true),
            Some(Value::Bool(valid)) => Some(*valid),
            Some(Value::Null) => None,
            Some(_) => return Err("chain_valid must be true, false or null".to_owned()),
        };
        // As in Envoy, an empty text is no certificate.
        let certificate = text("certificate")?.filter(|certificate| !certificate.is_empty());
        let certificate = certificate.map(|certificate| self.certificate(certificate));
        let verified_token = text("verified_token")?.map(ToOwned::to_owned);
        let (now, list) = (Some(now), self.list.clone());
        let mut peer = Peer { certificate, chain_valid, now, server_name, verified_token, list };
        let outcome = self.gate.decide(&request, &mut peer);
        let (status, error) = answer(&outcome);
        let unchecked = is_server_name_unchecked(&self.gate, &request, &outcome);
        let rejection = outcome.decision.rejection.as_ref().map(ToString::to_string);
        let details: Vec<_> =
            rejection.into_iter().chain(unchecked.then(|| NOT_CHECKED.to_owned())).collect();
        let detail = (!details.is_empty()).then(|| details.join("; "));
        let code = outcome.decision.code.as_str();
        let mut decided =
            json!({ "code": code, "status": status, "error": error, "detail": detail });
        // The name that the input gives the line.
        if let (Some(id), Some(decided)) = (member("id"), decided.as_object_mut()) {
            decided.shift_insert(0, "id".to_owned(), id.clone());
        }
        Ok(decided)
    }

    /// PEM, or base64 of DER.
    fn certificate(&mut self, text: &str) -> ReadCertificate {
        self.certificates.recall_or(text.as_bytes(), || {
            // As `base64` prints it, in lines.
            let der = STANDARD.decode(text.split_ascii_whitespace().collect::<String>()).ok();
            let read =
                Peer::default().presenting(der.as_deref().unwrap_or(text.as_bytes())).certificate;
            read.unwrap_or(Err(CertificateError::Pem))
        })
    }
}

type ReadCertificate = Result<Arc<PeerCertificate>, CertificateError>;

/// `{"name": "value"}`, or `[["name", "value"], ...]`; a value may be `{"base64": ...}`, and in an
/// object an array of those where a header comes more than once.
fn headers_of(headers: &Value) -> Result<Vec<(String, Vec<u8>)>, String> {
    let value = |name: &str, value: &Value| {
        let octets = match value {
            Value::String(text) => Some(text.as_bytes().to_vec()),
            other => other
                .get("base64")
                .and_then(Value::as_str)
                .and_then(|text| STANDARD.decode(text).ok()),
        };
        let octets = octets
            .ok_or_else(|| format!("header {name:?}: expected a string, or {{\"base64\": ...}}"))?;
        Ok((name.to_owned(), octets))
    };
    match headers {
        Value::Object(members) => {
            let each = members.iter().flat_map(|(name, member)| {
                let values = member.as_array().map_or(std::slice::from_ref(member), Vec::as_slice);
                values.iter().map(move |one| value(name, one))
            });
            each.collect()
        }
        Value::Array(pairs) => pairs
            .iter()
            .map(|pair| match pair.as_array().map(Vec::as_slice) {
                Some([Value::String(name), member]) => value(name, member),
                _ => Err("headers must be pairs of a name and a value".to_owned()),
            })
            .collect(),
        _ => Err("headers must be an object or an array of pairs".to_owned()),
    }
}
