//! docs/dependencies.md: every dependency has its reason there, and none is there that is not one;
//! the `unsafe` code of the module's dependencies is what the table there says.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use serde_json::Value;

const CHAPTER: &str = "docs/dependencies.md";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(arguments)
        .output()
        .expect("cargo, which runs this test");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn metadata(arguments: &[&str]) -> Value {
    let text = cargo(&[&["metadata", "--format-version", "1", "--locked"], arguments].concat());
    serde_json::from_str(&text).expect("JSON")
}

/// The lines below the heading `## title` of the chapter.
fn section(title: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(CHAPTER)).expect("a chapter of the manual");
    let lines: Vec<String> = text
        .lines()
        .skip_while(|line| *line != format!("## {title}"))
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .map(str::to_owned)
        .collect();
    assert!(!lines.is_empty(), "{CHAPTER} has no section {title:?}");
    lines
}

/// The items `` - `name`, `name`: reason. Instead: others. `` of a section, by name.
fn reasons(title: &str) -> BTreeMap<String, String> {
    let mut items: Vec<String> = Vec::new();
    for line in section(title) {
        if let Some(item) = line.strip_prefix("- ") {
            items.push(item.to_owned());
        } else if let (Some(item), Some(more)) = (items.last_mut(), line.strip_prefix("  ")) {
            write!(item, " {more}").unwrap();
        }
    }
    let mut reasons = BTreeMap::new();
    for item in items {
        let (names, reason) =
            item.split_once(": ").unwrap_or_else(|| panic!("{title}: no reason: {item}"));
        for name in names.split(", ") {
            let name = name.trim_matches('`').to_owned();
            let is_new = reasons.insert(name, reason.to_owned()).is_none();
            assert!(is_new, "{title}: twice: {item}");
        }
    }
    reasons
}

/// The crates of others that the packages of `members` name, those for tests too if `for_tests`.
fn direct(members: &[&str], for_tests: bool) -> BTreeSet<String> {
    let metadata = metadata(&["--no-deps"]);
    let mut found = BTreeSet::new();
    let mut seen = 0;
    for package in metadata["packages"].as_array().unwrap() {
        if !members.contains(&package["name"].as_str().unwrap()) {
            continue;
        }
        seen += 1;
        for dependency in package["dependencies"].as_array().unwrap() {
            let is_for_tests = dependency["kind"] == "dev";
            if dependency["path"].is_null() && (for_tests || !is_for_tests) {
                found.insert(dependency["name"].as_str().unwrap().to_owned());
            }
        }
    }
    assert_eq!(seen, members.len(), "{members:?}");
    found
}

const MODULE: [&str; 3] =
    ["tls-client-auth", "tls-client-auth-proxy-wasm", "tls-client-auth-signatures"];
const JAVASCRIPT: &str = "tls-client-auth-javascript";
const COMMAND_LINE: &str = "tls-client-auth-cli";

#[test]
fn every_dependency_has_its_reason() {
    let module = direct(&MODULE, false);
    let javascript = direct(&[JAVASCRIPT], false);
    let command_line = direct(&[COMMAND_LINE], false);
    let all = [&MODULE[..], &[JAVASCRIPT, COMMAND_LINE]].concat();
    let tests = direct(
        &[&all[..], &["tls-client-auth-tests", "test-support", "tls-client-auth-fuzz"]].concat(),
        true,
    );
    let shipped: BTreeSet<String> =
        module.iter().chain(&javascript).chain(&command_line).cloned().collect();
    // Each is named once: where it is needed first.
    for (title, expected) in [
        ("The module", module.clone()),
        ("The JavaScript package", &javascript - &module),
        ("The command line", &(&command_line - &module) - &javascript),
        ("Tests", &tests - &shipped),
    ] {
        let reasons = reasons(title);
        let named: BTreeSet<String> = reasons.keys().cloned().collect();
        assert!(!expected.is_empty(), "{title}");
        assert_eq!(named, expected, "{CHAPTER}, {title}: what is named, and what is a dependency");
        for (name, reason) in reasons {
            assert!(reason.contains("Instead: "), "{CHAPTER}: {name}: considered instead?");
        }
    }
}

/// The chapter says so.
#[test]
fn the_npm_package_has_no_dependencies() {
    let text = fs::read_to_string(root().join("edge/package.json")).expect("it is shipped");
    let package: Value = serde_json::from_str(&text).expect("JSON");
    for (member, value) in package.as_object().expect("an object") {
        assert!(!member.to_lowercase().contains("dependencies"), "{member}: {value}");
    }
}

/// How often a crate says `unsafe`: in front of a block, and elsewhere (functions, implementations,
/// traits, foreign items, attributes), where it asks others for something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Unsafe {
    blocks: usize,
    others: usize,
}

impl Unsafe {
    fn count(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(word) if word == "unsafe" => match tokens.peek() {
                    Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                        self.blocks += 1;
                    }
                    _ => self.others += 1,
                },
                TokenTree::Group(group) => {
                    let is_of_tests = group.delimiter() == Delimiter::Bracket
                        && group.stream().to_string().replace(' ', "") == "cfg(test)";
                    if is_of_tests {
                        // The item behind it, to its body or its semicolon.
                        for token in tokens.by_ref() {
                            match token {
                                TokenTree::Punct(mark) if mark.as_char() == ';' => break,
                                TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => {
                                    break;
                                }
                                _ => {}
                            }
                        }
                    } else {
                        self.count(group.stream());
                    }
                }
                _ => {}
            }
        }
    }

    /// Of all Rust files of a folder but those of tests.
    fn of(folder: &Path) -> Self {
        let mut sum = Self::default();
        let mut open = vec![folder.to_owned()];
        let mut files = 0;
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).expect("sources of a crate") {
                let path = entry.expect("sources of a crate").path();
                let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
                if stem == "tests" || stem == "test" {
                    continue;
                }
                if path.is_dir() {
                    open.push(path);
                } else if path.extension().is_some_and(|kind| kind == "rs") {
                    files += 1;
                    let text = fs::read_to_string(&path).expect("UTF-8");
                    // Reading tokens takes long, and few files have the word.
                    if text.contains("unsafe") {
                        sum.count(text.parse().unwrap_or_else(|error| {
                            panic!("{}: not Rust: {error}", path.display())
                        }));
                    }
                }
            }
        }
        assert!(files > 0, "{} has no sources", folder.display());
        sum
    }
}

#[test]
fn what_is_unsafe_is_counted() {
    let text = r#"
        //! unsafe { in a comment }
        unsafe impl A for B {}
        fn c() -> &'static str { unsafe { d("unsafe { in a text }") } }
        macro_rules! e { () => { unsafe { f() } } }
        #[cfg(test)]
        #[allow(unsafe_code)]
        mod tests { fn g() { unsafe { h() } } }
        #[unsafe(no_mangle)]
        unsafe extern "C" fn i() {}
    "#;
    let mut found = Unsafe::default();
    found.count(text.parse().unwrap());
    assert_eq!(found, Unsafe { blocks: 2, others: 3 });
}

/// The crates that are linked into the module: name, and folder.
fn linked() -> BTreeMap<String, std::path::PathBuf> {
    let target = "wasm32-unknown-unknown";
    let tree = cargo(&[
        "tree",
        "--locked",
        "--package=tls-client-auth-proxy-wasm",
        "--target",
        target,
        "--edges=normal,no-proc-macro",
        "--prefix=none",
        "--format={p}",
    ]);
    // `name v1.2.3 (path)`
    let versions: BTreeSet<(String, String)> = tree
        .lines()
        .map(|line| {
            let mut words = line.split(' ');
            let name = words.next().unwrap().to_owned();
            (name, words.next().unwrap_or_default().trim_start_matches('v').to_owned())
        })
        .filter(|(name, _)| !name.is_empty())
        .collect();
    let metadata = metadata(&["--filter-platform", target]);
    let mut found = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let [name, version, manifest] =
            ["name", "version", "manifest_path"].map(|key| package[key].as_str().unwrap());
        if versions.contains(&(name.to_owned(), version.to_owned())) {
            let folder = Path::new(manifest).parent().unwrap().join("src");
            let is_new = found.insert(name.to_owned(), folder).is_none();
            assert!(is_new, "the module has {name} in two versions: name both in the table");
        }
    }
    assert_eq!(found.len(), versions.len());
    assert!(found.len() > 50, "{found:?}");
    found
}

#[test]
fn the_unsafe_code_of_the_module_is_what_the_chapter_says() {
    let lines = section("Unsafe code in the module");
    let mut reasons = BTreeMap::new();
    let mut written = String::new();
    for line in lines.iter().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{line}");
        assert!(cells[3].contains(' '), "no reason: {line}");
        reasons.insert(cells[0].trim_matches('`').to_owned(), cells[3].to_owned());
        writeln!(written, "{line}").unwrap();
    }
    let crates = linked();
    let mut counted = String::new();
    let (mut without, mut sum) = (0, Unsafe::default());
    for (name, folder) in &crates {
        let Unsafe { blocks, others } = Unsafe::of(folder);
        if blocks + others == 0 {
            without += 1;
            continue;
        }
        sum = Unsafe { blocks: sum.blocks + blocks, others: sum.others + others };
        let reason = reasons.get(name).map_or("?", String::as_str);
        writeln!(counted, "| `{name}` | {blocks} | {others} | {reason} |").unwrap();
    }
    assert_eq!(written, counted, "the table of {CHAPTER}, and what it must be:\n{counted}");
    let summary = format!(
        "Of {} crates {without} have none; the others have {} blocks and {} others.",
        crates.len(),
        sum.blocks,
        sum.others
    );
    assert!(lines.contains(&summary), "{CHAPTER} does not say: {summary}");
}
