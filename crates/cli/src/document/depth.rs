//! The depth of YAML, counted before a tree is made of it, which goes down by recursion.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser};

/// As many levels as `serde_json` reads of JSON.
const DEEPEST: usize = 128;

/// Why a text is not read: it is not YAML, or it has values in more than [`DEEPEST`] others.
pub fn check(text: &str) -> Result<(), String> {
    // What is open: its anchor, and the levels in it so far.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut anchors: BTreeMap<usize, usize> = BTreeMap::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(super::not_yaml)?;
        let levels = match event {
            Event::SequenceStart(anchor, ..) | Event::MappingStart(anchor, ..) => {
                open.push((anchor, 0));
                0
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let (anchor, inner) = open.pop().unwrap_or_default();
                anchors.insert(anchor, inner + 1);
                inner + 1
            }
            // It stands for all that the anchor has.
            Event::Alias(anchor) => anchors.get(&anchor).copied().unwrap_or_default(),
            _ => 0,
        };
        if open.len() + levels > DEEPEST {
            let line = span.start.line();
            return Err(format!("line {line}: a value within more than {DEEPEST} others"));
        }
        if let Some((_, inner)) = open.last_mut() {
            *inner = levels.max(*inner);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_within_values() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let members = |depth: usize| {
            (0..depth).map(|at| format!("{}a:\n", " ".repeat(at))).collect::<String>()
        };
        let by_anchors = |times: usize| {
            let next = |at: usize| format!("b{}: &b{} [*b{}]\n", at + 1, at + 1, at);
            format!("b0: &b0 []\n{}", (0..times).map(next).collect::<String>())
        };
        for (text, is_read) in [
            (nested(128), true),
            (nested(129), false),
            (members(128), true),
            (members(129), false),
            ("- ".repeat(100_000), false),
            (by_anchors(126), true),
            (by_anchors(127), false),
            ("a: *unknown".to_owned(), false),
            ("---\n[]\n---\n[]\n".repeat(100), true),
        ] {
            let start: String = text.chars().take(20).collect();
            assert_eq!(check(&text).is_ok(), is_read, "{start}");
        }
    }
}
