//! Where an operation of an EnvoyPatchPolicy acts: the steps from a resource of Envoy to it.

use crate::lint::located::At;

/// A step from the outside to the inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A member, as it is written.
    Member(String),
    /// An element by its number.
    Index(usize),
    /// Behind the last element.
    End,
    /// All elements: `[*]`.
    All,
    /// The elements with this name, or with a plugin of this name: `[?(@.name=='…')]`.
    Named(String),
    /// Any other expression that chooses elements.
    Unknown,
    /// What follows, at any depth: `..`.
    AnyDepth,
}

impl Step {
    /// Whether it is the member of this name, in either spelling that protobuf's JSON has for it.
    pub fn is(&self, name: &str) -> bool {
        matches!(self, Self::Member(own) if own == name || snake_case(own) == name)
    }
}

/// The steps of `jsonPath`, and behind them those of `path`.
pub fn steps(operation: At<'_>) -> Vec<Step> {
    let mut found = of_json_path(operation.text_of("jsonPath").unwrap_or_default());
    found.extend(of_pointer(operation.text_of("path").unwrap_or_default()));
    found
}

/// Those of a JSON Pointer, whose first slash Envoy Gateway does not ask for.
pub fn of_pointer(pointer: &str) -> Vec<Step> {
    let pointer = pointer.strip_prefix('/').unwrap_or(pointer);
    if pointer.is_empty() {
        return Vec::new();
    }
    let step = |step: &str| match (step, step.parse()) {
        ("-", _) => Step::End,
        (_, Ok(index)) => Step::Index(index),
        _ => Step::Member(step.replace("~1", "/").replace("~0", "~")),
    };
    pointer.split('/').map(step).collect()
}

fn of_json_path(path: &str) -> Vec<Step> {
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    let mut found = Vec::new();
    while let Some(first) = rest.chars().next() {
        if first == '[' {
            let (inside, behind) = bracket(rest);
            found.push(of_bracket(inside));
            rest = behind;
            continue;
        }
        let name = rest.strip_prefix('.').unwrap_or(rest);
        let (name, behind) = name.split_at(name.find(['.', '[']).unwrap_or(name.len()));
        found.push(match name {
            "" => Step::AnyDepth,
            "*" => Step::All,
            _ => Step::Member(name.to_owned()),
        });
        rest = behind;
    }
    found
}

/// What is between a bracket at the beginning and the one that closes it, and what is behind that.
fn bracket(text: &str) -> (&str, &str) {
    let (mut quote, mut depth) = (None, 0_usize);
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '[') => depth += 1,
            (None, ']') => {
                depth -= 1;
                if depth == 0 {
                    let inside = text.get(1..at).unwrap_or_default();
                    return (inside, text.get(at + 1..).unwrap_or_default());
                }
            }
            _ => {}
        }
    }
    (text, "")
}

fn of_bracket(inside: &str) -> Step {
    let inside = inside.trim();
    match (inside, inside.parse()) {
        ("*", _) => Step::All,
        (_, Ok(index)) => Step::Index(index),
        _ => {
            let name = inside.strip_prefix('?').and_then(compared_name).map(Step::Named);
            name.or_else(|| quoted(inside).map(Step::Member)).unwrap_or(Step::Unknown)
        }
    }
}

/// Where an element has its name: that of a filter, or that of its plugin.
const NAMES: [&str; 4] = ["@.name", "@['name']", "@[\"name\"]", "@.typed_config.config.name"];

/// The name with which a filter compares that of each element; none where it may choose elements of
/// any name.
fn compared_name(filter: &str) -> Option<String> {
    let filter = filter.trim();
    let inner = filter.strip_prefix('(').and_then(|inner| inner.strip_suffix(')'));
    let (left, right) = inner.unwrap_or(filter).split_once("==")?;
    NAMES.contains(&left.trim()).then(|| quoted(right.trim()))?
}

/// The text of one literal.
fn quoted(literal: &str) -> Option<String> {
    let mark = literal.chars().next().filter(|mark| ['\'', '"'].contains(mark))?;
    let inner = literal.strip_prefix(mark)?.strip_suffix(mark)?;
    (!inner.contains([mark, '\\'])).then(|| inner.to_owned())
}

fn snake_case(name: &str) -> String {
    let mut found = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            found.push('_');
        }
        found.push(character.to_ascii_lowercase());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_their_steps() {
        let member = |name: &str| Step::Member(name.to_owned());
        let named = |name: &str| Step::Named(name.to_owned());
        for (path, wanted) in [
            ("", vec![]),
            ("$", vec![]),
            ("$.a[*].b", vec![member("a"), Step::All, member("b")]),
            ("$.a[?(@.name=='x.y]')].b", vec![member("a"), named("x.y]"), member("b")]),
            ("$.a[?@.name == \"x\"]", vec![member("a"), named("x")]),
            ("$.a[?(@['name']=='x')]", vec![member("a"), named("x")]),
            ("$.a[?(@.typed_config.config.name=='x')]", vec![member("a"), named("x")]),
            ("$.a[?(@.b=='x')]", vec![member("a"), Step::Unknown]),
            ("$.a[?(@.b['@type']=='x')]", vec![member("a"), Step::Unknown]),
            ("$.a[?(@.b.name=='x')]", vec![member("a"), Step::Unknown]),
            ("$.a[?('x'==@.name)]", vec![member("a"), Step::Unknown]),
            ("$.a[?(@.name=='x' && @.b=='y')]", vec![member("a"), Step::Unknown]),
            ("$.a[?(@.name==@.b)]", vec![member("a"), Step::Unknown]),
            ("$['a'][\"b\"][3]", vec![member("a"), member("b"), Step::Index(3)]),
            ("$..a", vec![Step::AnyDepth, member("a")]),
            ("$.a..b", vec![member("a"), Step::AnyDepth, member("b")]),
            ("$.a.*", vec![member("a"), Step::All]),
            ("$.a[?(@.name!='x')]", vec![member("a"), Step::Unknown]),
            ("$.a[?(@.name=='x' || @.b==2)]", vec![member("a"), Step::Unknown]),
            ("$.a[0,1]", vec![member("a"), Step::Unknown]),
            ("$.a[1:2]", vec![member("a"), Step::Unknown]),
            ("$.a[", vec![member("a"), Step::Unknown]),
        ] {
            assert_eq!(of_json_path(path), wanted, "{path}");
        }
        for (pointer, wanted) in [
            ("", vec![]),
            ("0", vec![Step::Index(0)]),
            ("/a/-", vec![member("a"), Step::End]),
            ("/a~1b/00x", vec![member("a/b"), member("00x")]),
        ] {
            assert_eq!(of_pointer(pointer), wanted, "{pointer}");
        }
        assert!(member("httpFilters").is("http_filters") && member("a").is("a"));
        assert!(!member("a").is("b") && !Step::Index(0).is("0"));
    }
}
