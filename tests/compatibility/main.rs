//! `./build.sh compatibility`: what the filter can do in each Envoy, over HTTP/1.1 and HTTP/2, TLS
//! 1.2 and 1.3, with EC and RSA keys. The table is in docs/compatibility.md; it is compared, or
//! with `--accept` written.

extern crate test_support as support;

#[allow(dead_code, reason = "shared with the tests in Envoy")]
#[path = "../envoy"]
mod envoy {
    pub mod backend;
    pub mod bootstrap;
    pub mod client;
    pub mod fixture;
    pub mod http1;
    pub mod http2;
    pub mod process;
    pub mod wire;
}

mod rows;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{fs, io};

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use envoy::client::{Client, Delivery};
use envoy::fixture::outcome;
use envoy::process::Envoy;
use rows::{Expected, GROUPS, Row, rows};
use support::certificate::KeyKind;

/// How a client comes.
type Way = (&'static SupportedProtocolVersion, Delivery, KeyKind);

fn ways() -> Vec<(String, Way)> {
    let mut ways = Vec::new();
    for (tls, version) in [("TLS 1.2", &TLS12), ("TLS 1.3", &TLS13)] {
        let deliveries = [("HTTP/1.1", Delivery::Http1Whole), ("HTTP/2", Delivery::Http2Whole)];
        for (http, delivery) in deliveries {
            for (key, kind) in [("EC", KeyKind::Ec), ("RSA", KeyKind::Rsa)] {
                ways.push((format!("{http}, {tls}, {key}"), (version, delivery, kind)));
            }
        }
    }
    ways
}

fn main() -> ExitCode {
    // `cargo test` and `cargo bench` add arguments.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (options, versions): (Vec<_>, Vec<_>) =
        arguments.into_iter().partition(|argument| argument.starts_with('-'));
    assert!(!versions.is_empty(), "no version of Envoy is named");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let columns: Vec<_> = versions.iter().map(|one| runtime.block_on(column(one))).collect();
    let table = table(&versions, &columns);
    print!("{table}");
    let page = support::repository().join("docs/compatibility.md");
    let text = read(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
    let (before, rest) = text.split_once(BEGIN).expect("the page has the beginning of the table");
    let (written, after) = rest.split_once(END).expect("the page has the end of the table");
    let wanted = format!("\n{table}");
    if options.iter().any(|option| option == "--accept") {
        fs::write(&page, format!("{before}{BEGIN}{wanted}{END}{after}")).expect("it is writable");
    } else if written != wanted {
        eprintln!(
            "docs/compatibility.md has another table; if this one is right: \
             ./build.sh compatibility --accept"
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

const BEGIN: &str = "<!-- ./build.sh compatibility --accept writes this table -->\n";
const END: &str = "\n<!-- the end of the table -->";

fn read(page: &PathBuf) -> io::Result<String> {
    fs::read_to_string(page)
}

/// The cells of one version.
async fn column(version: &str) -> Vec<String> {
    let mut cells = BTreeMap::new();
    let rows = rows();
    for group in GROUPS {
        let listeners = rows::listeners(*group);
        // Its own Envoy for what an old Envoy may refuse as a whole.
        let envoy = Envoy::start_with(version, 1, |backend, directory| {
            rows::bootstrap(*group, &listeners, backend, directory).to_string()
        });
        let envoy = match envoy.await {
            Ok(envoy) => Some(envoy),
            // What a setting is for, an older Envoy does not know.
            Err(refused) if group.may_be_refused(&refused.log) => None,
            Err(refused) => panic!("{version}, {group:?}:\n{}", refused.log),
        };
        for (place, row) in rows.iter().enumerate().filter(|(_, row)| row.group == *group) {
            let cell = match &envoy {
                None => "unknown to Envoy".into(),
                Some(envoy) => cell(envoy, row).await,
            };
            eprintln!("{version}: {}: {cell}", row.name);
            cells.insert(place, cell);
        }
        if let Some(envoy) = &envoy {
            envoy.assert_healthy().await;
        }
    }
    assert_eq!(cells.len(), rows.len(), "each row is of a group");
    cells.into_values().collect()
}

/// What every way of the client gives, if it is one; else each.
async fn cell(envoy: &Envoy, row: &Row) -> String {
    let mut found = BTreeMap::<String, Vec<String>>::new();
    for (name, way) in ways() {
        found.entry(result(envoy, row, way).await).or_default().push(name);
    }
    match found.len() {
        1 => found.into_keys().next().unwrap_or_default(),
        _ => {
            let each = found.iter().map(|(result, ways)| format!("{result}: {}", ways.join("; ")));
            each.collect::<Vec<_>>().join(". ")
        }
    }
}

async fn result(envoy: &Envoy, row: &Row, (version, delivery, key): Way) -> String {
    let certificate = (row.certificate)(key);
    let client = Client::build(certificate.as_ref(), &[version]);
    let request = (row.request)(key);
    let answer = match client.send(envoy.address(row.listener), &request, delivery).await {
        Ok(answer) => answer,
        Err(_) => return "no connection".into(),
    };
    let outcome = outcome(envoy, request, answer).await;
    let code = outcome.code().to_owned();
    // Whatever the code is, it must be what the client and the backend saw.
    let passed = outcome.answer.status == 200;
    if matches!(row.expected, Expected::Code(_)) {
        assert_eq!(passed, outcome.seen.is_some(), "{}: {outcome:?}", row.name);
    }
    let is_right = match row.expected {
        Expected::Code(wanted) => {
            if code == wanted && !passed {
                outcome.assert_is(wanted);
            }
            code == wanted
        }
        Expected::Status(wanted) => outcome.answer.status == wanted,
        Expected::FilterState => outcome.logged.code.is_some(),
    };
    if is_right { "yes".into() } else { format!("`{code}`") }
}

fn table(versions: &[String], columns: &[Vec<String>]) -> String {
    let mut text = format!("| Envoy | {} |\n", versions.join(" | "));
    text += &format!("|---|{}\n", "---|".repeat(versions.len()));
    for (place, row) in rows().iter().enumerate() {
        let cells: Vec<_> = columns.iter().map(|column| column[place].as_str()).collect();
        text += &format!("| {} | {} |\n", row.name, cells.join(" | "));
    }
    text
}
