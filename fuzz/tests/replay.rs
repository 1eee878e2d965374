//! The committed corpus, and octets that are cheap to make, through every target.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use tls_client_auth_fuzz::TARGETS;

#[test]
fn every_target_accepts_its_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let folder = corpus.join(name);
        let mut files: Vec<_> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{} has no file", folder.display());
        for file in &files {
            println!("{}", file.display());
            let octets = fs::read(file).unwrap();
            target(&octets);
            // What the fuzzer found is near to others that it found.
            let name = file.file_name().unwrap().to_str().unwrap();
            if name.starts_with("found-") {
                continue;
            }
            // Also cut, and with each octet changed.
            for place in 0..octets.len().min(512) {
                target(octets.get(..place).unwrap());
                let mut changed = octets.clone();
                changed.iter_mut().skip(place).take(1).for_each(|octet| *octet ^= 0x21);
                target(&changed);
            }
        }
    }
    // A folder without a target would never be read.
    for entry in fs::read_dir(&corpus).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(TARGETS.iter().any(|(known, _)| **known == *name), "{name:?} is no target");
    }
}

/// What the fuzzer left on this machine, as it is: `fuzz/coverage.sh` counts which lines it
/// reaches.
#[test]
#[ignore = "fuzz/coverage.sh names the folders"]
fn every_target_accepts_what_was_found() {
    let corpora = std::env::var("CORPORA").unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut replayed = 0;
    for (name, target) in TARGETS {
        for corpus in corpora.split(':') {
            // A target may have no seeds.
            let Ok(folder) = fs::read_dir(root.join(corpus).join(name)) else { continue };
            for entry in folder {
                target(&fs::read(entry.unwrap().path()).unwrap());
                replayed += 1;
            }
        }
    }
    println!("{replayed} inputs");
    assert!(replayed > TARGETS.len());
}
