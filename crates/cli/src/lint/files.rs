//! The files that the arguments name: files, directories and patterns.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use glob::MatchOptions;

use crate::envoy_config::{self, ConfigFile, Expected};
use crate::input;
use crate::unusable::Unusable;

const EXTENSIONS: [&str; 3] = ["json", "yaml", "yml"];

/// A file, and how the arguments came to it.
struct FoundPath {
    path: PathBuf,
    expected: Expected,
}

/// What the files of the arguments have.
#[derive(Default)]
pub struct Files {
    /// Files with configurations, or with what surrounds one.
    pub used: Vec<(PathBuf, ConfigFile)>,
    /// Files without either, and why they are left out.
    pub left_out: Vec<(PathBuf, String)>,
    /// Arguments of no use.
    pub unusable: Vec<Unusable>,
}

impl Files {
    /// Reads files. Files that have nothing to do with the filter are left out, if others have.
    pub fn read(given: &[PathBuf]) -> Self {
        let mut files = Self::default();
        let mut read: Vec<(FoundPath, Result<ConfigFile, String>)> = Vec::new();
        let mut seen = BTreeSet::new();
        // Directories and patterns, with the number of their files.
        let mut several: Vec<(&PathBuf, usize)> = Vec::new();
        for argument in given {
            let found = expand(argument).unwrap_or_else(|why| {
                files.unusable.push(Unusable::new(format!("{}: {why}", argument.display())));
                Vec::new()
            });
            if found.iter().any(|found| found.expected == Expected::Anything) {
                several.push((argument, found.len()));
            }
            for found in found {
                if !seen.insert(found.path.clone()) {
                    continue;
                }
                match load(&found.path, found.expected) {
                    Ok(file) => read.push((found, file)),
                    Err(unusable) => files.unusable.push(unusable),
                }
            }
        }
        let has_config = |file: &Result<ConfigFile, String>| {
            file.as_ref().is_ok_and(|file| !file.found.is_empty())
        };
        if !read.iter().any(|(_, file)| has_config(file)) {
            files.unusable.extend(several.into_iter().map(|(argument, number)| {
                let why = format!("no configuration of this filter in {number} files");
                Unusable::new(format!("{}: {why}", argument.display()))
            }));
            let named = read.iter().filter(|(found, _)| found.expected == Expected::Configuration);
            let unusable = named.map(|(found, _)| envoy_config::without_configuration(&found.path));
            files.unusable.extend(unusable);
            return files;
        }
        for (FoundPath { path, .. }, file) in read {
            match file {
                // What surrounds the filter may be in a file of its own.
                Ok(file)
                    if !file.found.is_empty()
                        || file.documents.iter().any(envoy_config::is_surrounding) =>
                {
                    files.used.push((path, file));
                }
                Ok(_) => {
                    let why = "no configuration of this filter, and nothing that surrounds one: \
                        left out";
                    files.left_out.push((path, why.to_owned()));
                }
                Err(why) => files.left_out.push((path, format!("{why}: left out"))),
            }
        }
        files
    }
}

/// The configurations of a file; or why a file of a directory has none.
fn load(path: &Path, expected: Expected) -> Result<Result<ConfigFile, String>, Unusable> {
    match expected {
        Expected::Configuration => envoy_config::load(path).map(Ok),
        Expected::Anything => Ok(envoy_config::parse(&input::bytes(path)?, expected)),
    }
}

/// The files of one argument.
fn expand(argument: &Path) -> Result<Vec<FoundPath>, String> {
    let named = |path: PathBuf| FoundPath { path, expected: Expected::Configuration };
    if argument.is_dir() {
        return files_of(argument);
    }
    let pattern = argument.to_str().filter(|text| text.contains(['*', '?', '[']));
    let Some(pattern) = pattern.filter(|_| !argument.exists()) else {
        return Ok(vec![named(argument.to_owned())]);
    };
    // As in shells, and as in directories: hidden files are left out.
    let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
    let paths = glob::glob_with(pattern, options).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for path in paths {
        let path = path.map_err(|error| error.to_string())?;
        if path.is_dir() {
            found.extend(files_of(&path)?);
        } else {
            found.push(FoundPath { path, expected: Expected::Anything });
        }
    }
    if found.is_empty() { Err("no file matches".to_owned()) } else { Ok(found) }
}

/// The JSON and YAML files of a directory and of those in it, by name.
fn files_of(directory: &Path) -> Result<Vec<FoundPath>, String> {
    let mut paths = Vec::new();
    walk(directory, &mut paths).map_err(|error| error.to_string())?;
    if paths.is_empty() {
        return Err("no JSON or YAML file in this directory".to_owned());
    }
    paths.sort();
    let anything = |path| FoundPath { path, expected: Expected::Anything };
    Ok(paths.into_iter().map(anything).collect())
}

fn walk(directory: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let extension = path.extension().and_then(|extension| extension.to_str());
        let is_wanted = extension
            .is_some_and(|own| EXTENSIONS.iter().any(|wanted| own.eq_ignore_ascii_case(wanted)));
        // A link to a directory may lead back to where it is.
        if kind.is_dir() {
            walk(&path, paths)?;
        } else if is_wanted && path.is_file() {
            paths.push(path);
        }
    }
    Ok(())
}
