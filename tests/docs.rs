//! What the documentation shows is true: its configurations load, its answer is the answer, its
//! codes are the codes, its links lead somewhere, and it stays as short and narrow as was agreed.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

extern crate test_support as support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use support::case::DECISIONS;
use tls_client_auth::inspect::UnknownClient;
use tls_client_auth::{Challenge, Code, Configuration, Rejection, Response};

/// Directories whose Markdown files are documentation, and the documents beside the README.
const DIRECTORIES: [&str; 3] = ["docs", "edge", "envoy/istio"];
const FILES: [&str; 5] =
    ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "RELEASING.md", "SECURITY.md"];

const MOST_LINES_OF_THE_README: usize = 150;
const WIDEST_LINE_OF_THE_README: usize = 100;
const WIDEST_LINE: usize = 120;

struct Document {
    /// Relative to the root of the repository, with `/` between the names.
    path: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> Document {
    let text =
        fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    Document { path: path.to_owned(), text }
}

/// Every document, those of [`DIRECTORIES`] at any depth.
fn documents() -> Vec<Document> {
    let mut paths: Vec<String> = FILES.map(str::to_owned).into();
    let mut open: Vec<String> = DIRECTORIES.map(str::to_owned).into();
    while let Some(directory) = open.pop() {
        let before = paths.len();
        for entry in fs::read_dir(root().join(&directory)).expect("a directory of the repository") {
            let entry = entry.expect("a directory of the repository");
            let path =
                format!("{directory}/{}", entry.file_name().to_str().expect("a name in UTF-8"));
            if entry.path().is_dir() {
                open.push(path);
            } else if path.ends_with(".md") {
                paths.push(path);
            }
        }
        let is_top = DIRECTORIES.contains(&directory.as_str());
        assert!(!is_top || paths.len() > before, "{directory} has no document");
    }
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

impl Document {
    /// The lines that are prose, and the contents of the fenced blocks with their languages.
    fn parts(&self) -> (Vec<&str>, Vec<(&str, String)>) {
        let (mut prose, mut blocks) = (Vec::new(), Vec::<(&str, String)>::new());
        let mut is_fenced = false;
        for line in self.text.lines() {
            match (line.trim_start().strip_prefix("```"), is_fenced) {
                (Some(language), false) => {
                    assert!(!language.is_empty(), "{}: a block without a language", self.path);
                    blocks.push((language, String::new()));
                    is_fenced = true;
                }
                (Some(_), true) => is_fenced = false,
                (None, false) => prose.push(line),
                (None, true) => {
                    let (_, text) = blocks.last_mut().expect("the block began");
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        assert!(!is_fenced, "{}: a block without an end", self.path);
        (prose, blocks)
    }

    fn blocks(&self, language: &str) -> Vec<String> {
        let (_, blocks) = self.parts();
        blocks.into_iter().filter(|(found, _)| *found == language).map(|(_, text)| text).collect()
    }

    /// The prose without its code spans, in which nothing is a link.
    fn without_code(&self) -> String {
        let (prose, _) = self.parts();
        let prose = prose.join("\n");
        assert_eq!(prose.matches('`').count() % 2, 0, "{}: a code span without an end", self.path);
        let mut text = String::new();
        for (index, part) in prose.split('`').enumerate() {
            text.push_str(if index % 2 == 0 { part } else { "code" });
        }
        text
    }

    /// Targets of links and images.
    fn targets(&self) -> Vec<String> {
        let text = self.without_code();
        let targets =
            text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap_or_default());
        targets
            .map(|target| target.split_whitespace().next().unwrap_or_default().to_owned())
            .collect()
    }

    /// The anchors of its headings, as GitHub makes them.
    fn anchors(&self) -> BTreeSet<String> {
        let (prose, _) = self.parts();
        let (mut anchors, mut seen) = (BTreeSet::new(), BTreeMap::<String, usize>::new());
        for line in prose {
            let hashes = line.bytes().take_while(|byte| *byte == b'#').count();
            let Some(heading) =
                line[hashes..].strip_prefix(' ').filter(|_| (1..=6).contains(&hashes))
            else {
                continue;
            };
            let slug = slug(heading);
            let number = seen.entry(slug.clone()).and_modify(|number| *number += 1).or_default();
            anchors.insert(if *number == 0 { slug } else { format!("{slug}-{number}") });
        }
        anchors
    }
}

/// GitHub's anchor: the text of the heading in lower case, without punctuation, blanks as hyphens.
fn slug(heading: &str) -> String {
    let mut text = String::new();
    let mut rest = heading;
    // Of a link the text counts.
    while let Some((before, after)) = rest.split_once("](") {
        text.push_str(before);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
    let folded = text.trim().to_lowercase();
    folded.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// What is wrong with a link of the document at `from`.
fn broken(from: &Document, target: &str) -> Option<String> {
    let is_external =
        ["https://", "http://", "mailto:"].iter().any(|scheme| target.starts_with(scheme));
    if is_external {
        return None;
    }
    let (path, anchor) =
        target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let directory = Path::new(&from.path).parent().unwrap_or(Path::new(""));
    let path = if path.is_empty() { from.path.clone() } else { resolved(directory, path)? };
    if !root().join(&path).exists() {
        return Some(format!("{path} does not exist"));
    }
    let anchor = anchor?;
    if !path.ends_with(".md") {
        return Some(format!("{path} has no anchors"));
    }
    (!read(&path).anchors().contains(anchor))
        .then(|| format!("{path} has no heading for #{anchor}"))
}

/// `path` from `directory`, without `.` and `..`.
fn resolved(directory: &Path, path: &str) -> Option<String> {
    let mut resolved = PathBuf::from(directory);
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => assert!(resolved.pop(), "{path} leads out of the repository"),
            name => resolved.push(name),
        }
    }
    Some(resolved.to_str()?.to_owned())
}

#[test]
fn configurations_load() {
    let mut number = 0;
    for document in documents() {
        for text in document.blocks("json") {
            if let Err(error) = Configuration::parse(text.as_bytes()) {
                panic!("{}: {error}\n{text}", document.path);
            }
            number += 1;
        }
    }
    assert!(number > 0, "no document shows a configuration");
}

#[test]
fn the_answer_is_the_answer() {
    let answer =
        Response::to(&Rejection::UnknownClient(UnknownClient::Unregistered), Challenge::None);
    let headers: String =
        answer.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let expected = format!("HTTP/1.1 {} Unauthorized\n{headers}\n{}\n", answer.status, answer.body);
    let shown: Vec<String> =
        documents().iter().flat_map(|document| document.blocks("http")).collect();
    assert_eq!(shown, [expected]);
}

#[test]
fn every_code_has_its_row_with_its_answer() {
    let operations = read("docs/operations.md");
    let rows =
        operations.text.lines().skip_while(|line| *line != "| code | answer | look at |").skip(2);
    let mut rows: BTreeMap<String, String> = rows
        .take_while(|line| line.starts_with('|'))
        .map(|row| {
            let cell = |index| row.split('|').nth(index).unwrap_or_default().trim().to_owned();
            (cell(1), cell(2))
        })
        .collect();
    for code in Code::ALL {
        let decision = DECISIONS.iter().find(|(word, _)| *word == code.as_str());
        let (_, answer) = decision.unwrap_or_else(|| panic!("tests/support/case.rs lacks {code}"));
        let expected = answer.map_or("passes".to_owned(), |(status, _)| status.to_string());
        assert_eq!(rows.remove(&format!("`{code}`")), Some(expected), "{code}");
    }
    assert!(rows.is_empty(), "these are no codes: {rows:?}");
}

/// The README shows a part of the envoy.yaml of a release: each of its lines is there, in the same
/// order.
#[test]
fn the_readme_shows_envoy_yaml() {
    let whole = read("envoy/envoy.yaml").text;
    let uncommented = whole.lines().filter(|line| !line.trim_start().starts_with('#'));
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    let whole = bare(
        &uncommented
            .map(|line| line.split("   # ").next().unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n"),
    );
    // As .ci/release/release.sh writes it.
    let whole = whole.replace("filename:target/", "filename:");
    let shown = read("README.md").blocks("yaml");
    assert_eq!(shown.len(), 1, "the README shows one part");
    // Its last lines close what the others opened; there the whole file has further clients.
    let mut rest = whole.as_str();
    for line in shown[0].lines() {
        let line = bare(line);
        let (_, after) =
            rest.split_once(&line).unwrap_or_else(|| panic!("envoy/envoy.yaml has no {line} here"));
        rest = after;
    }
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    for document in documents() {
        for target in document.targets() {
            wrong.extend(
                broken(&document, &target).map(|why| format!("{}: {target}: {why}", document.path)),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_documents_are_short_and_narrow() {
    let lines = read("README.md").text.lines().count();
    assert!(lines <= MOST_LINES_OF_THE_README, "README.md has {lines} lines");
    let mut wide = Vec::new();
    for document in documents() {
        let widest =
            if document.path == "README.md" { WIDEST_LINE_OF_THE_README } else { WIDEST_LINE };
        for (index, line) in
            document.text.lines().enumerate().filter(|(_, line)| line.chars().count() > widest)
        {
            wide.push(format!(
                "{}:{}: {} characters",
                document.path,
                index + 1,
                line.chars().count()
            ));
        }
    }
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}

#[test]
fn anchors_are_those_of_github() {
    for (heading, expected) in [
        ("Envoy 1.36 and 1.37", "envoy-136-and-137"),
        ("`clients` and `registry`", "clients-and-registry"),
        ("method_not_allowed", "method_not_allowed"),
        (
            "Why not a Lua script, an external authorizer or a header?",
            "why-not-a-lua-script-an-external-authorizer-or-a-header",
        ),
        ("The [README](README.md): a - b", "the-readme-a---b"),
        ("Grüße", "grüße"),
    ] {
        assert_eq!(slug(heading), expected);
    }
    let text = "# A\n\n```text\n# no heading\n```\n\n## A\n\n#none\n".to_owned();
    let document = Document { path: "x.md".to_owned(), text };
    assert_eq!(document.anchors().into_iter().collect::<Vec<_>>(), ["a", "a-1"]);
}

#[test]
fn the_tests_that_the_manual_names_exist() {
    let mut sources = String::new();
    let mut open = vec![root().join("tests"), root().join("src"), root().join("crates")];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).expect("a directory of the repository") {
            let path = entry.expect("a directory of the repository").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs" || kind == "py") {
                sources.push_str(&fs::read_to_string(&path).expect("sources are UTF-8"));
            }
        }
    }
    for (path, least) in [("docs/trust.md", 15), ("SECURITY.md", 25)] {
        let document = read(path);
        let (prose, _) = document.parts();
        // A code span of lower-case words is the name of a test if it has four of them.
        let prose = prose.join("\n");
        let names: BTreeSet<&str> = spans(&prose)
            .filter(|span| span.matches('_').count() >= 3 && !span.starts_with("tls_"))
            .filter(|span| span.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_'))
            .collect();
        assert!(names.len() >= least, "{path}: {names:?}");
        for name in names {
            assert!(
                sources.contains(&format!("fn {name}(")),
                "{path} names the test {name}, which does not exist"
            );
        }
    }
}

/// The code spans of a text.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Every promise has something that keeps it, and that exists: the fuzz targets, the files and the
/// commands that are named beside the tests.
#[test]
fn what_keeps_the_promises_exists() {
    let document = read("SECURITY.md");
    let (prose, _) = document.parts();
    let kept = "## How each promise is kept";
    let section: Vec<&str> = prose
        .iter()
        .copied()
        .skip_while(|line| *line != kept)
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .collect();
    let in_scope = prose.iter().skip_while(|line| **line != "## In scope").skip(1);
    let promises = in_scope.take_while(|line| !line.starts_with("## "));
    let promises = promises.filter(|line| line.starts_with("- ")).count();
    let section = section.join("\n");
    let answered: Vec<&str> = section.split("\n- **").skip(1).collect();
    assert_eq!(answered.len(), promises, "each promise of \"In scope\" has its item");

    let usage = fs::read_to_string(root().join("build.sh")).expect("it is there");
    let targets: BTreeSet<String> = fs::read_dir(root().join("fuzz/corpus"))
        .expect("it is there")
        .map(|entry| entry.expect("it is there").file_name().into_string().expect("UTF-8"))
        .collect();
    let (mut named, mut files) = (BTreeSet::new(), 0);
    for item in answered {
        assert!(item.contains("- Tests: "), "{item}");
        for line in item.replace("\n      ", " ").lines() {
            let is_of_targets = line.contains("- Fuzz targets: ");
            for span in spans(line) {
                if is_of_targets {
                    assert!(targets.contains(span), "SECURITY.md: no fuzz target {span}");
                    named.insert(span.to_owned());
                } else if let Some(command) = span.strip_prefix("./build.sh ") {
                    let is_known =
                        usage.lines().any(|line| line.starts_with(&format!("  {command} ")));
                    assert!(is_known, "SECURITY.md: build.sh has no {command}");
                } else if span.contains('/') || span.contains('.') {
                    assert!(root().join(span).exists(), "SECURITY.md: no file {span}");
                    files += 1;
                }
            }
        }
    }
    assert!(named.len() > 10 && files > 4, "{named:?} {files}");
}
