//! What the manual tells an operator to put into envoy.yaml, in a real Envoy.

use std::fs;
use std::path::{Path, PathBuf};

use super::client::{Client, Delivery, next_id, within_deadline};
use super::fixture::{CERTIFICATES, token};
use super::hosts::shipped;
use super::process::{CURRENT, Envoy, eventually};
use crate::support::certificate::{Authority, AuthoritySpec, authority_pem};
use crate::support::repository;

/// The one YAML block of a page that begins so, without its indentation.
fn block(page: &str, start: &str) -> String {
    let text = fs::read_to_string(repository().join("docs").join(page)).expect("a page");
    let mut blocks = text.split("```yaml\n").skip(1).filter_map(|rest| {
        let block = rest.split_once("```").expect("a block ends").0;
        let indentation = block.len() - block.trim_start().len();
        let lines: Vec<_> =
            block.lines().map(|line| line.get(indentation..).unwrap_or_default()).collect();
        lines.first().is_some_and(|line| line.starts_with(start)).then(|| lines.join("\n"))
    });
    let block = blocks.next().unwrap_or_else(|| panic!("{page} has no block {start}"));
    assert!(blocks.next().is_none(), "{page} has two blocks {start}");
    block
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}\n", "")).collect()
}

/// The text between two others, and what is around it.
fn around<'a>(text: &'a str, from: &str, to: &str) -> (&'a str, &'a str, &'a str) {
    let start = text.find(from).unwrap_or_else(|| panic!("no {from}"));
    let (before, rest) = text.split_at(start);
    let end = rest.find(to).unwrap_or_else(|| panic!("no {to}"));
    let (between, after) = rest.split_at(end);
    (before, between, after)
}

async fn start(make: impl FnOnce(&str, &Path) -> String) -> (Envoy, PathBuf) {
    let mut home = PathBuf::new();
    let envoy = Envoy::start_with(CURRENT, 1, |backend, directory| {
        home = directory.to_owned();
        make(&shipped("envoy.yaml", CURRENT, backend.port(), directory), directory)
    })
    .await;
    (envoy.unwrap_or_else(|refused| panic!("{}", refused.log)), home)
}

/// docs/operations.md: a CA that is replaced by `mv` counts for the next connection.
#[tokio::test]
async fn a_client_ca_is_replaced_without_a_restart() {
    let another = Authority::root(&AuthoritySpec::default()).pem();
    let (envoy, home) = start(|text, home| {
        fs::create_dir(home.join("clients")).expect("a directory");
        fs::write(home.join("clients/ca.crt"), &another).expect("a file");
        let here = |text: String| text.replace("/etc/envoy", &home.display().to_string());
        let secret = here(block("operations.md", "resources:"));
        fs::write(home.join("clients.yaml"), secret).expect("a file");
        let context = here(block("operations.md", "combined_validation_context:"));
        let (before, _, after) = around(text, "            validation_context:", "      filters:");
        format!("node: {{id: edge, cluster: edge}}\n{before}{}{after}", indented(&context, 12))
    })
    .await;
    let seed = Client::new(&CERTIFICATES.seed);
    let status = async || {
        let to = envoy.address("oauth");
        seed.send(to, &token("by-subject-dn"), Delivery::Http1Whole)
            .await
            .expect("an answer")
            .status
    };
    assert_eq!(status().await, 401);
    for (ca, expected) in [(authority_pem(), 200), (another.clone(), 401)] {
        fs::write(home.join("new"), ca).expect("a file");
        fs::rename(home.join("new"), home.join("clients/ca.crt")).expect("one file system");
        eventually("the CA that is there", async || (status().await == expected).then_some(()))
            .await;
    }
    envoy.assert_healthy().await;
}

/// docs/upgrading.md: envoy.yaml with its listener in a file of its own.
#[tokio::test]
async fn the_listener_of_the_shipped_configuration_comes_by_lds() {
    let (envoy, _) = start(|text, home| {
        let (before, listeners, after) = around(text, "  listeners:\n", "\n  clusters:\n");
        let resource = block("upgrading.md", "resources:");
        let (resource, _) = resource.split_once("   #").expect("a comment ends it");
        let (head, name) = resource.rsplit_once('\n').expect("it has lines");
        assert_eq!(name, "  name: oauth");
        let listeners = listeners.trim_start_matches("  listeners:\n");
        let own = listeners.strip_prefix("  - name: oauth\n").expect("one listener");
        let own: Vec<_> = own.lines().map(|line| line.get(2..).unwrap_or_default()).collect();
        assert!(!own.iter().any(|line| line.starts_with('-')), "one listener");
        let file = format!("{head}\n{name}\n{}\n", own.join("\n"));
        fs::write(home.join("listeners.yaml"), file).expect("a file");
        let source = block("upgrading.md", "node:");
        let source = source.replace("/etc/envoy", &home.display().to_string());
        format!("{source}\n{before}{after}")
    })
    .await;
    let seed = Client::new(&CERTIFICATES.seed);
    let to = envoy.address("oauth");
    for (client_id, expected) in [("by-subject-dn", 200), ("by-san-dns", 401)] {
        let answer = seed.send(to, &token(client_id), Delivery::Http2Whole).await;
        assert_eq!(answer.expect("an answer").status, expected, "{client_id}");
    }
    envoy.assert_healthy().await;
}

/// docs/registry.md: a rate limit before the filter, here without new tokens during the test.
#[tokio::test]
async fn a_rate_limit_may_be_before_the_filter() {
    let (envoy, _) = start(|text, _| {
        let limit = block("registry.md", "- name: envoy.filters.http.local_ratelimit");
        assert!(limit.contains("max_tokens: 50") && limit.contains("fill_interval: 1s"));
        let limit = limit.replace("fill_interval: 1s", "fill_interval: 3600s");
        let filter = "          - name: tls_client_auth\n";
        assert_eq!(text.matches(filter).count(), 1);
        text.replace(filter, &format!("{}{filter}", indented(&limit, 10)))
    })
    .await;
    let client = Client::new(&CERTIFICATES.seed);
    let connect = async || client.http1(envoy.address("oauth")).await.expect("a connection");
    let mut connection = connect().await;
    let request = token("by-subject-dn");
    for number in 1..=51 {
        let id = next_id();
        let exchange = connection.exchange(&id, &request, Delivery::Http1Whole);
        let answer = within_deadline(exchange).await.expect("an answer");
        assert_eq!(answer.status, if number <= 50 { 200 } else { 429 }, "request {number}");
    }
    // Each connection has its own limit.
    let id = next_id();
    let mut connection = connect().await;
    let exchange = connection.exchange(&id, &request, Delivery::Http1Whole);
    assert_eq!(within_deadline(exchange).await.expect("an answer").status, 200);
    envoy.assert_healthy().await;
}
