//! Configurations of Envoy that a ConfigMap or a Secret of Kubernetes has as a text.

use super::{Content, Lines, Node, NodeMember, read};

/// What only a configuration of Envoy has at its top.
const OF_ENVOY: [&str; 3] = ["static_resources", "dynamic_resources", "resources"];

/// What every one with a filter has in its text.
const TYPE: &str = "type.googleapis.com/envoy.";

/// The configurations in the objects among `documents`, of the file with this text; their lines
/// are those of the file.
///
/// # Errors
/// A text that has types of Envoy cannot be read.
pub fn configurations(documents: &[Node], file: &str) -> Result<Vec<Node>, String> {
    let mut found = Vec::new();
    for member in documents.iter().flat_map(texts) {
        let text = member.value.text().unwrap_or_default();
        if !text.contains(TYPE) {
            continue;
        }
        let at = |error| format!("line {}, {}: {error}", member.line, member.name);
        let mut inner = read(text).map_err(at)?;
        inner.retain(|one| OF_ENVOY.iter().any(|name| one.named(name).is_some()));
        let lines = member.lines_of_text(file);
        let place = Place { lines, indentation: indentation(text, lines, file) };
        inner.iter_mut().for_each(|one| place.give(one));
        found.append(&mut inner);
    }
    Ok(found)
}

/// The members of an object whose values are texts.
fn texts(document: &Node) -> impl Iterator<Item = &NodeMember> {
    let kind = document.member("kind").and_then(Node::text);
    let place = match kind {
        Some("ConfigMap") => Some("data"),
        Some("Secret") => Some("stringData"),
        _ => None,
    };
    place.and_then(|place| document.member(place)).map_or(&[][..], Node::members).iter()
}

/// Where a text is in a file.
struct Place {
    lines: Lines,
    /// Characters before each of its lines.
    indentation: usize,
}

impl Place {
    /// Moves the places of a node of the text to those in the file.
    fn give(&self, node: &mut Node) {
        node.line = self.lines.line(node.line);
        match &mut node.content {
            Content::Array(elements) => elements.iter_mut().for_each(|one| self.give(one)),
            Content::Object(members) => members.iter_mut().for_each(|member| {
                member.line = self.lines.line(member.line);
                member.column += self.indentation;
                self.give(&mut member.value);
            }),
            _ => {}
        }
    }
}

/// Characters before each line of a text in its file. Where it is no block, no line of the file is
/// one of its own: beyond the end of any.
fn indentation(text: &str, lines: Lines, file: &str) -> usize {
    let blanks = |line: &str| line.chars().take_while(|c| *c == ' ').count();
    let first = text.lines().position(|line| !line.trim().is_empty()).unwrap_or_default();
    let of_text = text.lines().nth(first).map_or(0, blanks);
    let of_file = file.lines().nth(lines.line(first + 1).saturating_sub(1)).map_or(0, blanks);
    match lines {
        Lines::After(_) => of_file.saturating_sub(of_text),
        Lines::Within(_) => file.len(),
    }
}
