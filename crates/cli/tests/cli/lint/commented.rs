//! Files with their findings as comments: `#!`, severity, JSON Pointer (`-`: the whole; `*` for the
//! beginning of a long one) and some words of the message. A comment is in the line of its finding,
//! or alone in a line before it. What no comment says is not found.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{code, run, value};

#[derive(Debug)]
struct Finding {
    line: u64,
    severity: String,
    pointer: String,
    text: String,
}

impl Finding {
    fn of_comment(line: usize, comment: &str) -> Self {
        let mut words = comment.trim().splitn(3, ' ').map(str::to_owned);
        let mut word = || words.next().unwrap_or_else(|| panic!("{comment}: three parts"));
        let (severity, pointer, text) = (word(), word(), word());
        let pointer = if pointer == "-" { String::new() } else { pointer };
        Self { line: line as u64 + 1, severity, pointer, text }
    }

    fn of_json(finding: &Value) -> Self {
        let text = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        Self {
            line: finding["line"].as_u64().unwrap_or_default(),
            severity: text("severity"),
            pointer: text("pointer"),
            text: text("message"),
        }
    }

    fn is(&self, wanted: &Self) -> bool {
        let is_there = match wanted.pointer.strip_prefix('*') {
            Some(end) => self.pointer.ends_with(end),
            None => self.pointer == wanted.pointer,
        };
        let is_so = self.severity == wanted.severity && self.text.contains(&wanted.text);
        self.line == wanted.line && is_there && is_so
    }
}

/// Compares the findings of each file of a directory with its comments; `more` = further arguments
/// for a file of this content. Returns how many files have no findings, and how many have some.
pub fn check(directory: &str, more: impl Fn(&str) -> Vec<String>) -> (usize, usize) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let (mut right, mut wrong, mut failed) = (0, 0, Vec::new());
    for entry in fs::read_dir(directory).expect("it is there") {
        let path = entry.expect("readable").path();
        let content = fs::read_to_string(&path).expect("readable");
        let lines: Vec<&str> = content.lines().collect();
        let is_comment = |line: &str| line.trim_start().starts_with('#');
        let comments = lines.iter().enumerate().flat_map(|(line, text)| {
            let rest = lines.iter().skip(line);
            let line = line + rest.take_while(|line| is_comment(line)).count();
            text.split("#! ").skip(1).map(move |comment| Finding::of_comment(line, comment))
        });
        let wanted: Vec<Finding> = comments.collect();
        let name = path.to_str().expect("UTF-8").to_owned();
        let more = more(&content);
        let mut arguments = vec!["lint", &name, "--format", "json"];
        arguments.extend(more.iter().map(String::as_str));
        let output = run(&arguments);
        let found = value(&output);
        let found = found.as_array().expect("an array").iter().map(Finding::of_json);
        // What an endpoint gates is no finding.
        let is_explanation =
            |finding: &Finding| finding.severity == "note" && finding.text.starts_with("gates ");
        let found: Vec<Finding> = found.filter(|finding| !is_explanation(finding)).collect();
        let has_errors = wanted.iter().any(|finding| finding.severity == "error");
        let is_as_wanted = found.len() == wanted.len()
            && wanted.iter().all(|wanted| found.iter().any(|found| found.is(wanted)));
        if !is_as_wanted || code(&output) != i32::from(has_errors) {
            failed.push(format!("{name}: wanted {wanted:#?}, found {found:#?}"));
        }
        if wanted.iter().all(|finding| finding.severity == "note") {
            right += 1
        } else {
            wrong += 1
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    (right, wrong)
}
