//! How the cost of a request grows with the size of what it meets: its body, its certificate, the
//! registered clients, endpoints and tenants.

use serde_json::{Value, json};

use super::hostile::with_host_names;
use super::{CERTIFICATE, CLOCK, Cost, Row, as_envoy_forwards, body, cost, hot, presenting, to};
use crate::host::stream::REQUESTED_SERVER_NAME;
use crate::host::{HttpAnswer, Process, Vm};
use crate::request::{CLIENT, SUBJECT, token_request};
use crate::run::{self, Delivery};
use crate::support::case::Request;
use crate::support::moment::Moment;

/// Costs by the size of one thing.
pub struct Series {
    pub name: &'static str,
    /// In the names of files.
    pub file: &'static str,
    /// What is counted.
    pub unit: &'static str,
    pub growth: Growth,
    pub points: Vec<(u64, Cost)>,
}

/// How much a request may cost more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Nothing, but for a longer probe of a table.
    None,
    /// Each further one as much as those before.
    Linear,
}

/// What a probe of a table may take more or less, in instructions.
const PROBE: u64 = 300;

/// The series, with lists of at most so many clients.
pub fn measure(most_clients: usize) -> Vec<Series> {
    vec![
        of_bodies(),
        of_names(),
        of_endpoints(("endpoints, a request to one of them", "endpoints"), "/token"),
        of_endpoints(
            ("endpoints, a request to another path", "endpoints-ungated"),
            "/.well-known/x",
        ),
        of_tenants(),
        of_clients(most_clients),
    ]
}

impl Series {
    /// Where it grows more than it should, in words.
    pub fn excesses(&self) -> Vec<String> {
        let steps = self.points.windows(2).map(|pair| (pair[0], pair[1]));
        let calls =
            steps.clone().filter(|((_, less), (_, more))| more.host_calls > less.host_calls);
        let mut excesses: Vec<_> = calls
            .map(|(_, (size, cost))| {
                format!("{} {size}: {} host calls", self.name, cost.host_calls)
            })
            .collect();
        let slope = |((from, less), (to, more)): ((u64, Cost), (u64, Cost))| {
            more.instructions.saturating_sub(less.instructions) as f64 / (to - from) as f64
        };
        match self.growth {
            Growth::None => {
                let (_, first) = self.points[0];
                for (size, cost) in &self.points {
                    if cost.instructions > first.instructions + PROBE {
                        excesses.push(format!(
                            "{} {size}: {} instructions instead of {}",
                            self.name, cost.instructions, first.instructions
                        ));
                    }
                }
            }
            Growth::Linear => {
                // Of the whole range: the first steps are short, and their slopes uncertain.
                let whole = slope((self.points[0], self.points[self.points.len() - 1]));
                for step in steps {
                    if slope(step) > whole * 1.25 {
                        excesses.push(format!(
                            "{} {}: {:.0} instructions for each further one, {whole:.0} on average",
                            self.name,
                            step.1.0,
                            slope(step)
                        ));
                    }
                }
            }
        }
        excesses
    }
}

/// The same row for each of these sizes, after it has been sent before.
fn series(
    (name, file): (&'static str, &'static str),
    unit: &'static str,
    growth: Growth,
    sizes: &[usize],
    row: impl Fn(usize) -> Row,
) -> Series {
    let point = |size: &usize| (*size as u64, row(*size).measure());
    Series { name, file, unit, growth, points: sizes.iter().map(point).collect() }
}

fn of_bodies() -> Series {
    let padded = |octets: usize| {
        let start = format!("{}&state=", String::from_utf8_lossy(&token_request().body));
        let request = body(&format!("{start}{}", "x".repeat(octets - start.len())));
        Row { before: request.clone(), ..hot().sending(request) }
    };
    let sizes = [100, 1_000, 4_000, 16_000, 32_000, 64_000];
    series(("body", "body"), "octets", Growth::Linear, &sizes, padded)
}

/// The first request of a certificate with so many host names. The last one is that of the client.
fn of_names() -> Series {
    let named = |number: usize| {
        let names: Vec<_> =
            (1..=number).map(|name| format!("name-{name:03}.example.org")).collect();
        let own = names.last().cloned().unwrap_or_default();
        let names: Vec<_> = names.iter().map(String::as_bytes).collect();
        let row = hot().on(with_host_names(&names)).registered(json!({
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_san_dns": own,
        }));
        Row { before: body("client_id=nobody"), ..row }
    };
    let sizes = [1, 25, 50, 100, 200, 400];
    series(
        ("alternative names of a new certificate", "names"),
        "names",
        Growth::Linear,
        &sizes,
        named,
    )
}

fn of_endpoints(name: (&'static str, &'static str), path: &'static str) -> Series {
    let code = if path == "/token" { super::HOT } else { "not_gated" };
    let gated = |number: usize| {
        let endpoint = |number: usize| format!("/oauth/{number:03}/token");
        let others = (1..number).map(endpoint);
        let all: Vec<_> = others.chain(["/token".to_owned()]).collect();
        let row = hot().named(code).configured(json!({ "endpoints": all })).sending(to(path));
        Row { before: to(path), ..row }
    };
    series(name, "endpoints", Growth::Linear, &[1, 3, 10, 30, 100], gated)
}

fn of_tenants() -> Series {
    let client = |subject: &str| {
        json!({
            "client_id": CLIENT,
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": subject,
        })
    };
    let tenants = |number: usize| {
        let other = |number: usize| {
            let host = format!("as-{number:04}.example.com");
            json!({ "hosts": [host], "endpoints": ["/token"], "clients": [client("CN=other")] })
        };
        let own = json!({
            "hosts": ["as.example.com"], "endpoints": ["/token"], "clients": [client(SUBJECT)],
        });
        let all: Vec<Value> = (1..number).map(other).chain([own]).collect();
        hot()
            .configured(json!({ "endpoints": null, "clients": null, "tenants": all }))
            .on(presenting(CERTIFICATE).with(REQUESTED_SERVER_NAME, "as.example.com"))
    };
    series(("tenants", "tenants"), "tenants", Growth::None, &[1, 10, 100, 1_000], tenants)
}

/// A client of a fetched list that the VM has met before.
fn of_clients(most: usize) -> Series {
    let sizes = [10, 100, 1_000, 10_000, 100_000, 1_000_000];
    let point = |clients: &usize| {
        let mut vm = loaded(*clients);
        let mut send = || {
            let sent = run::send(
                &mut vm,
                presenting(CERTIFICATE),
                &as_envoy_forwards(&of_client(clients / 2)),
                Delivery::WholeBody,
            );
            sent.unwrap_or_else(|fault| panic!("{clients} clients: {fault}"))
        };
        for _ in 0..2 {
            send();
        }
        let outcome = send();
        assert_eq!(run::code(&outcome), super::HOT, "{clients} clients");
        (*clients as u64, cost(&outcome))
    };
    let points = sizes.iter().filter(|size| **size <= most).map(point).collect();
    Series {
        name: "clients of a fetched list",
        file: "clients",
        unit: "clients",
        growth: Growth::None,
        points,
    }
}

fn of_client(number: usize) -> Request {
    let client_id = identifier(number);
    let text = String::from_utf8_lossy(&token_request().body).replace(CLIENT, &client_id);
    body(&text)
}

fn identifier(number: usize) -> String {
    format!("client-{number:07}")
}

/// A VM with a list of this many clients in force, each of which has the certificate's subject.
fn loaded(clients: usize) -> Vm {
    const PAGE: usize = 100_000;
    let configuration = json!({
        "endpoints": ["/token"],
        "registry": { "cluster": run::REGISTRY, "authority": "registry.test", "path": "/clients" },
    });
    let clock = Moment::parse(CLOCK).expect("a constant of the bench").0 as u64 * 1_000_000_000;
    let mut vm = run::start_in(&Process::new(), configuration.to_string().as_bytes(), clock);
    // Each reading of the clock takes a microsecond, so that a slice fits into a callback.
    vm.set_clock_step(1_000);
    let pages = clients.div_ceil(PAGE);
    let mut next = 0;
    while vm.metric("tls_client_auth.registry_refresh_ok") != Some(1) {
        let period = vm.tick_period().expect("a tick period is set");
        vm.set_clock(vm.clock() + u64::from(period) * 1_000_000);
        vm.tick().unwrap_or_else(|fault| panic!("{fault}"));
        for call in vm.calls() {
            assert!(next < pages, "no page is asked for after the last");
            let numbers = next * PAGE..clients.min((next + 1) * PAGE);
            next += 1;
            let mut headers = vec![(":status".to_string(), b"200".to_vec())];
            if next < pages {
                let link = format!("</clients?page={next}>; rel=next");
                headers.push(("link".into(), link.into_bytes()));
            }
            let entry = |number| {
                let entry = json!({
                    "client_id": identifier(number),
                    "token_endpoint_auth_method": "tls_client_auth",
                    "tls_client_auth_subject_dn": SUBJECT,
                });
                entry.to_string()
            };
            let entries: Vec<_> = numbers.map(entry).collect();
            let body = format!("[{}]", entries.join(",")).into_bytes();
            vm.answer(call.token, HttpAnswer { headers, body, trailers: Vec::new() })
                .expect("no fault");
        }
    }
    vm.set_clock_step(0);
    vm
}
