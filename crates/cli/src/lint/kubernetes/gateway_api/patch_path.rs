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
    /// The elements that `[*]` or a filter chooses, with the texts with which the latter compares.
    Chosen(Vec<String>),
    /// Any other expression.
    Unknown,
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
            // `..` looks at any depth.
            "" => Step::Unknown,
            "*" => Step::Chosen(Vec::new()),
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
    let quoted = || inside.split(['\'', '"']).skip(1).step_by(2).map(str::to_owned);
    let is_name = |mark: char| {
        inside.len() > 1 && inside.starts_with(mark) && inside.matches(mark).count() == 2
    };
    match (inside, inside.parse()) {
        ("*", _) => Step::Chosen(Vec::new()),
        (_, Ok(index)) => Step::Index(index),
        _ if inside.starts_with('?') => {
            // What is not a comparison with a text may choose anything.
            let is_equal = inside.contains("==")
                && !["!=", "!", "||", "=~", "<", ">"].iter().any(|other| inside.contains(other));
            if is_equal { Step::Chosen(quoted().collect()) } else { Step::Unknown }
        }
        _ if (is_name('\'') && inside.ends_with('\''))
            || (is_name('"') && inside.ends_with('"')) =>
        {
            quoted().next().map_or(Step::Unknown, Step::Member)
        }
        _ => Step::Unknown,
    }
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
        let chosen = |names: &[&str]| {
            Step::Chosen(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        };
        for (path, wanted) in [
            ("", vec![]),
            ("$", vec![]),
            ("$.a[*].b", vec![member("a"), chosen(&[]), member("b")]),
            ("$.a[?(@.name=='x.y]')].b", vec![member("a"), chosen(&["x.y]"]), member("b")]),
            ("$['a'][\"b\"][3]", vec![member("a"), member("b"), Step::Index(3)]),
            ("$..a", vec![Step::Unknown, member("a")]),
            ("$.a.*", vec![member("a"), chosen(&[])]),
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
