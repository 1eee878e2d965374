//! What the README shows is true: its configurations load, its answer is the answer, its codes are
//! the codes.

use tls_client_auth::inspect::UnknownClient;
use tls_client_auth::{Code, Configuration, Rejection, Response};

const README: &str = include_str!("../README.md");

/// The contents of the fenced blocks in `language`.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    let blocks: Vec<_> =
        README.split(&fence).skip(1).filter_map(|rest| rest.split("\n```").next()).collect();
    assert!(!blocks.is_empty(), "the README has no {language} block");
    blocks
}

#[test]
fn configurations_load() {
    for text in blocks("json") {
        if let Err(error) = Configuration::parse(text.as_bytes()) {
            panic!("{error}\n{text}");
        }
    }
}

#[test]
fn the_answer_is_the_answer() {
    let answer = Response::to(&Rejection::UnknownClient(UnknownClient::Unregistered), false);
    let headers: String =
        answer.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let expected = format!("HTTP/1.1 {} Unauthorized\n{headers}\n{}", answer.status, answer.body);
    assert_eq!(blocks("http"), [expected]);
}

#[test]
fn every_code_has_its_row_with_its_status() {
    let rows: Vec<&str> =
        README.lines().skip_while(|line| *line != "| code | answer | look at |").skip(2).collect();
    let rows: Vec<&str> = rows.into_iter().take_while(|line| line.starts_with('|')).collect();
    for code in Code::ALL {
        let word = format!("`{code}`");
        assert!(
            rows.iter().any(|row| row.split('|').nth(1).is_some_and(|codes| codes.contains(&word))),
            "{code} has no row"
        );
    }
    let words = rows
        .iter()
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(|codes| codes.split('`').skip(1).step_by(2));
    for word in words {
        assert!(Code::ALL.iter().any(|code| code.as_str() == word), "{word} is no code");
    }
}
