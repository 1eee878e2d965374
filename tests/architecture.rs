//! The dependencies between the modules of a crate: no two depend on each other, except a parent
//! and its children.
//!
//! They are read from the text of the sources: the `use` declarations, and the paths that begin
//! with `crate::` or `super::`, without those of tests. A name that a module only re-exports is a
//! dependency on the module that defines it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module by its path from the crate's root, which is empty.
type Name = Vec<String>;

/// The modules of a crate.
#[derive(Default)]
struct Modules {
    /// The paths that each module names.
    paths: BTreeMap<Name, Vec<Name>>,
    /// The re-exports: a module and a name, and the path of the item.
    reexports: BTreeMap<(Name, String), Name>,
}

impl Modules {
    fn read(source: &Path) -> Self {
        let mut modules = Self::default();
        for file in files(source) {
            let within = file.strip_prefix(source).unwrap().with_extension("");
            let mut name: Name =
                within.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            if name.iter().any(|part| part == "tests") {
                continue;
            }
            if name == ["lib"] || name == ["main"] {
                name.clear();
            }
            modules.add(&name, &code(&fs::read_to_string(&file).unwrap()));
        }
        modules
    }

    fn add(&mut self, name: &Name, code: &str) {
        let mut paths = Vec::new();
        for (start, _) in code.match_indices("use ") {
            let before = code[..start].chars().next_back().unwrap_or(' ');
            let Some(end) = code[start..].find(';').map(|length| start + length) else { continue };
            if before.is_alphanumeric() || before == '_' {
                continue;
            }
            let declared = expand(&code[start + 4..end]);
            let is_public = code[..start].trim_end().ends_with("pub")
                || code[..start].trim_end().ends_with(')');
            for path in declared.into_iter().map(|path| absolute(name, path)) {
                if let (true, Some(last)) = (is_public, path.last()) {
                    self.reexports.insert((name.clone(), last.clone()), path.clone());
                }
                paths.push(path);
            }
        }
        for root in ["crate::", "super::"] {
            for (start, _) in code.match_indices(root) {
                let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
                let path: String = code[start..].chars().take_while(|c| is_path(*c)).collect();
                let path =
                    path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
                paths.push(absolute(name, path));
            }
        }
        self.paths.insert(name.clone(), paths);
    }

    /// The module that defines the item at `path`; `None` = it is of another crate.
    fn owner(&self, path: &Name) -> Option<Name> {
        let mut path = path.clone();
        // A re-export may be re-exported.
        for _ in 0..8 {
            let depth =
                (0..=path.len()).rev().find(|depth| self.paths.contains_key(&path[..*depth]))?;
            let module = path[..depth].to_vec();
            let item = path.get(depth).cloned().unwrap_or_default();
            match self.reexports.get(&(module.clone(), item)) {
                Some(further) if *further != path => path = further.clone(),
                _ => return if depth == 0 && path.len() > 1 { None } else { Some(module) },
            }
        }
        None
    }

    fn arrows(&self) -> BTreeSet<(Name, Name)> {
        let mut arrows = BTreeSet::new();
        for (from, paths) in &self.paths {
            for to in paths.iter().filter_map(|path| self.owner(path)) {
                // A parent and its children may depend on each other, and the root re-exports
                // everything.
                if !from.is_empty()
                    && !to.is_empty()
                    && !from.starts_with(&to)
                    && !to.starts_with(from)
                {
                    arrows.insert((from.clone(), to));
                }
            }
        }
        arrows
    }
}

fn files(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// A file without its comments and without the tests at its end.
fn code(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.take_while(|line| *line != "#[cfg(test)]").map(|line| format!("{line}\n")).collect()
}

/// The paths of one `use` declaration, without its braces and renamings.
fn expand(declaration: &str) -> Vec<Name> {
    let declaration = declaration.trim();
    let Some((prefix, rest)) = declaration.split_once('{') else {
        let path = declaration.split(" as ").next().unwrap_or_default();
        return vec![
            path.split("::")
                .map(|part| part.trim().to_owned())
                .filter(|part| !part.is_empty())
                .collect(),
        ];
    };
    let prefix: Name = prefix
        .split("::")
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect();
    let inner = &rest[..rest.rfind('}').unwrap_or(rest.len())];
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (index, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(expand).map(|path| [prefix.clone(), path].concat()).collect()
}

/// The path from the crate's root for `path` in the module `name`.
fn absolute(name: &Name, path: Name) -> Name {
    let mut at = match path.first().map(String::as_str) {
        Some("crate") => Vec::new(),
        Some("self" | "super") => name.clone(),
        // Of another crate.
        _ => return [vec!["::".to_owned()], path].concat(),
    };
    for part in path {
        match part.as_str() {
            "crate" | "self" => {}
            "super" => drop(at.pop()),
            _ => at.push(part),
        }
    }
    at
}

/// A path along the arrows from a module back to itself.
fn cycle(arrows: &BTreeSet<(Name, Name)>) -> Option<Vec<Name>> {
    fn walk(
        at: &Name,
        arrows: &BTreeSet<(Name, Name)>,
        way: &mut Vec<Name>,
        done: &mut BTreeSet<Name>,
    ) -> bool {
        if let Some(start) = way.iter().position(|name| name == at) {
            way.drain(..start);
            way.push(at.clone());
            return true;
        }
        if !done.insert(at.clone()) {
            return false;
        }
        way.push(at.clone());
        let next = arrows.iter().filter(|(from, _)| from == at);
        let found = next.into_iter().any(|(_, to)| walk(to, arrows, way, done));
        if !found {
            way.pop();
        }
        found
    }
    let mut done = BTreeSet::new();
    arrows.iter().find_map(|(from, _)| {
        let mut way = Vec::new();
        walk(from, arrows, &mut way, &mut done).then_some(way)
    })
}

fn check(arrows: &BTreeSet<(Name, Name)>) -> Result<(), String> {
    let Some(way) = cycle(arrows) else { return Ok(()) };
    let way: Vec<String> = way.iter().map(|name| name.join("::")).collect();
    Err(format!(
        "these modules depend on each other: {}\nTo resolve this, move what both need into a \
         module below both, or pass it as a parameter or by a trait of the lower one. \
         docs/architecture.md shows the direction of the dependencies.",
        way.join(" -> ")
    ))
}

/// The arrows between the folders and files of one folder, for each folder: each child as one
/// module with all that is in it.
fn between_folders(arrows: &BTreeSet<(Name, Name)>) -> BTreeSet<(Name, Name)> {
    let of_folders = arrows.iter().map(|(from, to)| {
        let shared = from.iter().zip(to).take_while(|(one, other)| one == other).count();
        (from[..=shared].to_vec(), to[..=shared].to_vec())
    });
    of_folders.collect()
}

/// Each crate whose arrows count, with fewer modules and arrows than it has: a reader that finds
/// none would be noticed.
const CRATES: [(&str, usize, usize); 3] =
    [("src", 50, 100), ("crates/cli/src", 50, 100), ("crates/proxy-wasm/src", 8, 8)];

#[test]
fn no_two_modules_depend_on_each_other() {
    for (source, least_modules, least_arrows) in CRATES {
        let modules = Modules::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(source));
        let arrows = modules.arrows();
        assert!(
            modules.paths.len() >= least_modules && arrows.len() >= least_arrows,
            "{source}: {} modules, {} arrows",
            modules.paths.len(),
            arrows.len()
        );
        for arrows in [&arrows, &between_folders(&arrows)] {
            if let Err(error) = check(arrows) {
                panic!("{source}: {error}");
            }
        }
    }
}

fn modules(of: &[(&str, &str)]) -> Modules {
    let mut modules = Modules::default();
    for (name, text) in of {
        let name = name.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        modules.add(&name, &code(text));
    }
    modules
}

#[test]
fn a_cycle_is_found_and_the_error_has_a_remedy() {
    for (ring, of) in [
        ("a -> b -> a", &[("a", "use crate::b::B;"), ("b", "fn f() { crate::a::g() }")][..]),
        (
            "a -> b -> c -> a",
            &[
                ("a", "use crate::b;"),
                ("b", "use crate::{c::C, std::x};"),
                ("c", "use super::a::A as Z;"),
            ],
        ),
        // By a name that the parent only re-exports.
        (
            "p::a -> p::b -> p::a",
            &[
                ("p", "pub use self::a::A;\npub(crate) use self::b::{B, C};"),
                ("p::a", "use super::C;"),
                ("p::b", "use super::A;"),
            ],
        ),
    ] {
        let error = check(&modules(of).arrows()).unwrap_err();
        assert!(error.contains(ring) && error.contains("To resolve this"), "{error}");
    }
    // No two files depend on each other, but the two folders do.
    let folders = modules(&[
        ("p", ""),
        ("q", ""),
        ("p::a", "use crate::q::b;"),
        ("q::b", ""),
        ("q::c", "use crate::p::d;"),
        ("p::d", ""),
    ]);
    assert_eq!(check(&folders.arrows()), Ok(()));
    assert!(check(&between_folders(&folders.arrows())).is_err());
    // The same within a folder.
    let within = modules(&[
        ("r", ""),
        ("r::p::a", "use crate::r::q::b;"),
        ("r::q::b", ""),
        ("r::q::c", "use super::super::p::d;"),
        ("r::p::d", ""),
    ]);
    assert_eq!(check(&within.arrows()), Ok(()));
    let error = check(&between_folders(&within.arrows())).unwrap_err();
    assert!(error.contains("r::p -> r::q -> r::p"), "{error}");
}

#[test]
fn the_root_of_a_program_is_no_module() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/cli/src");
    let modules = Modules::read(&source);
    assert!(modules.paths.contains_key(&Name::new()), "{:?}", modules.paths.keys());
    assert!(!modules.paths.contains_key(&vec!["main".to_owned()]));
}

#[test]
fn what_is_no_arrow() {
    let of = [
        (
            "a",
            "//! use crate::b;\nuse std::fmt;\nuse crate::c;\n#[cfg(test)]\nmod tests { use \
             crate::b; }",
        ),
        ("b", "use crate::a::A;"),
        ("c", "pub use self::d::D;\nuse self::d::E;"),
        ("c::d", "use super::F;"),
    ];
    let arrows = modules(&of).arrows();
    let name = |text: &str| vec![text.to_owned()];
    assert_eq!(arrows, [(name("a"), name("c")), (name("b"), name("a"))].into());
}
