//! YAML and JSON as one kind of tree, with the line of each value.

pub mod config_map;
mod depth;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged as _;
use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, ScanError, YamlData};
use serde_json::Value;

/// A value of a document.
#[derive(Clone, Debug)]
pub struct Node {
    pub line: usize,
    /// JSON Pointer in its document.
    pub pointer: String,
    pub content: Content,
}

#[derive(Clone, Debug)]
pub enum Content {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    Array(Vec<Node>),
    Object(Vec<NodeMember>),
}

/// A member of an object; one name may come twice.
#[derive(Clone, Debug)]
pub struct NodeMember {
    pub name: String,
    /// The line of its name.
    pub line: usize,
    /// The column of its name, in characters from 0.
    column: usize,
    pub value: Node,
}

/// The line of the file for each line of a text in it, all counted from 1.
#[derive(Clone, Copy, Debug)]
pub enum Lines {
    /// Line 1 of the text follows on this one.
    After(usize),
    /// The whole text is in this line: its line ends are written as escapes, or folded.
    Within(usize),
}

impl Lines {
    pub fn line(self, of_text: usize) -> usize {
        match self {
            Self::After(line) => line + of_text,
            Self::Within(line) => line,
        }
    }
}

/// The documents of a file, which is JSON or YAML.
pub fn read(text: &str) -> Result<Vec<Node>, String> {
    if let Some(node) = Node::from_json(text, Lines::After(0)) {
        return Ok(vec![node]);
    }
    depth::check(text)?;
    let documents = MarkedYaml::load_from_str(text).map_err(not_yaml)?;
    Ok(documents.iter().map(|document| Node::from_yaml(document, String::new())).collect())
}

fn not_yaml(error: ScanError) -> String {
    format!("neither JSON nor YAML: {error}")
}

/// The pointer to a member or an element of what `pointer` names.
fn below(pointer: &str, step: &str) -> String {
    format!("{pointer}/{}", step.replace('~', "~0").replace('/', "~1"))
}

impl Node {
    /// Reads one JSON text; none where it is not well-formed.
    pub fn from_json(text: &str, lines: Lines) -> Option<Self> {
        // This reader limits the depth and accepts JSON alone; the other one knows the places.
        serde_json::from_str::<Value>(text).ok()?;
        let ast = jsonc_parser::parse_to_ast(text, &Default::default(), &Default::default())
            .ok()?
            .value?;
        let starts =
            text.bytes().enumerate().filter(|(_, octet)| *octet == b'\n').map(|(at, _)| at + 1);
        let places = JsonPlaces { starts: std::iter::once(0).chain(starts).collect(), lines };
        Some(places.node(&ast, String::new()))
    }

    fn from_yaml(yaml: &MarkedYaml<'_>, pointer: String) -> Self {
        let content = match &yaml.data {
            YamlData::Value(Scalar::Boolean(value)) => Content::Bool(*value),
            YamlData::Value(Scalar::Integer(value)) => Content::Number((*value).into()),
            YamlData::Value(Scalar::FloatingPoint(value)) => {
                serde_json::Number::from_f64(f64::from(*value))
                    .map_or(Content::Null, Content::Number)
            }
            YamlData::Value(Scalar::String(text)) => Content::Text(text.as_ref().to_owned()),
            YamlData::Sequence(elements) => {
                let elements = elements.iter().enumerate();
                Content::Array(
                    elements
                        .map(|(at, one)| Self::from_yaml(one, below(&pointer, &at.to_string())))
                        .collect(),
                )
            }
            YamlData::Mapping(members) => {
                Content::Object(merged(members.iter().map(|(key, value)| {
                    let name = match Self::from_yaml(key, String::new()).content {
                        Content::Text(name) => name,
                        // As Kubernetes does with them.
                        Content::Number(number) => number.to_string(),
                        Content::Bool(value) => value.to_string(),
                        _ => String::new(),
                    };
                    let value = Self::from_yaml(value, below(&pointer, &name));
                    NodeMember {
                        name,
                        line: key.span.start.line(),
                        column: key.span.start.col(),
                        value,
                    }
                })))
            }
            YamlData::Tagged(_, value) => return Self::from_yaml(value, pointer),
            _ => Content::Null,
        };
        Self { line: yaml.span.start.line(), pointer, content }
    }

    /// The member in either of the two spellings that protobuf's JSON has for a name.
    pub fn named(&self, name: &str) -> Option<&NodeMember> {
        let camel = name.contains('_').then(|| lower_camel_case(name));
        let is_named =
            |key: &str| key == name || camel.as_deref().is_some_and(|camel| key == camel);
        self.members().iter().find(|member| is_named(&member.name))
    }

    /// Its value.
    pub fn member(&self, name: &str) -> Option<&Self> {
        self.named(name).map(|member| &member.value)
    }

    pub fn members(&self) -> &[NodeMember] {
        if let Content::Object(members) = &self.content { members } else { &[] }
    }

    pub fn elements(&self) -> &[Self] {
        if let Content::Array(elements) = &self.content { elements } else { &[] }
    }

    /// The values in this one.
    pub fn children(&self) -> impl Iterator<Item = &Self> {
        self.members().iter().map(|member| &member.value).chain(self.elements())
    }

    pub fn text(&self) -> Option<&str> {
        if let Content::Text(text) = &self.content { Some(text) } else { None }
    }

    pub fn is_true(&self) -> bool {
        self.boolean() == Some(true)
    }

    pub fn is_false(&self) -> bool {
        self.boolean() == Some(false)
    }

    /// As Envoy, Istio and Kubernetes read it: they have the words of YAML 1.1, and protobuf's JSON
    /// takes `"true"` for true.
    fn boolean(&self) -> Option<bool> {
        const TRUE: [&str; 4] = ["true", "yes", "on", "y"];
        const FALSE: [&str; 4] = ["false", "no", "off", "n"];
        match &self.content {
            Content::Bool(value) => Some(*value),
            Content::Text(word) => {
                let is_in =
                    |words: [&str; 4]| words.iter().any(|one| one.eq_ignore_ascii_case(word));
                if is_in(TRUE) { Some(true) } else { is_in(FALSE).then_some(false) }
            }
            _ => None,
        }
    }

    /// As a word of an enumeration, which may be written as its number: the position in `words`.
    pub fn word<'a>(&'a self, words: &[&'a str]) -> Option<&'a str> {
        let number = self.whole_number().and_then(|number| usize::try_from(number).ok());
        number.and_then(|number| words.get(number)).copied().or_else(|| self.text())
    }

    /// A whole number, which protobuf's JSON takes in quotation marks too.
    pub fn whole_number(&self) -> Option<u64> {
        match &self.content {
            Content::Number(number) => number.as_u64().or_else(|| {
                // As 3.0 is written for 3.
                let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
                format!("{float:.0}").parse().ok()
            }),
            Content::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::from(*value),
            Content::Number(number) => Value::Number(number.clone()),
            Content::Text(text) => Value::from(text.as_str()),
            Content::Array(elements) => elements.iter().map(Self::to_json).collect(),
            Content::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|member| (member.name.clone(), member.value.to_json()))
                    .collect(),
            ),
        }
    }

    /// The line of what a JSON Pointer names, or of the nearest value around it. Of repeated
    /// members it is that of the last.
    pub fn line_of(&self, pointer: &str) -> usize {
        let (mut node, mut line) = (self, self.line);
        for step in pointer.split('/').skip(1) {
            let found = match &node.content {
                Content::Object(members) => {
                    let name = step.replace("~1", "/").replace("~0", "~");
                    let member = members.iter().rev().find(|member| member.name == name);
                    member.map(|member| (&member.value, member.line))
                }
                Content::Array(elements) => {
                    let element = step.parse::<usize>().ok().and_then(|index| elements.get(index));
                    element.map(|element| (element, element.line))
                }
                _ => None,
            };
            let Some(found) = found else { break };
            (node, line) = found;
        }
        line
    }
}

impl NodeMember {
    /// Where the lines of its text are in `file`, which is YAML or JSON: only a literal block has
    /// them one by one.
    pub fn lines_of_text(&self, file: &str) -> Lines {
        let line = file.lines().nth(self.line.saturating_sub(1)).unwrap_or_default();
        let behind_name =
            line.chars().skip(self.column + self.name.chars().count()).collect::<String>();
        let value = behind_name.split_once(':').map(|(_, value)| value).unwrap_or_default();
        // Anchors and tags may come before it.
        let first = value.split_whitespace().find(|word| !word.starts_with(['&', '!']));
        let is_literal = first.is_some_and(|word| word.starts_with('|'));
        if is_literal { Lines::After(self.line) } else { Lines::Within(self.line) }
    }
}

/// Members with those of `<<` where they are not there already, as Kubernetes reads YAML.
fn merged(members: impl Iterator<Item = NodeMember>) -> Vec<NodeMember> {
    let (merges, mut members): (Vec<_>, Vec<_>) = members.partition(|member| member.name == "<<");
    for merge in merges {
        let sources = match merge.value.content {
            Content::Array(elements) => elements,
            _ => vec![merge.value],
        };
        for member in sources.iter().flat_map(Node::members) {
            if members.iter().all(|known| known.name != member.name) {
                members.push(member.clone());
            }
        }
    }
    members
}

fn lower_camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut name, word| {
        let mut rest = word.chars();
        name.extend(rest.next().map(|first| first.to_ascii_uppercase()));
        name + rest.as_str()
    })
}

/// JsonPlaces in a JSON text.
struct JsonPlaces {
    /// Where its lines begin, in octets.
    starts: Vec<usize>,
    lines: Lines,
}

impl JsonPlaces {
    fn line(&self, at: usize) -> usize {
        self.lines.line(self.starts.partition_point(|start| *start <= at))
    }

    fn node(&self, value: &ast::Value<'_>, pointer: String) -> Node {
        let content = match value {
            ast::Value::NullKeyword(_) => Content::Null,
            ast::Value::BooleanLit(value) => Content::Bool(value.value),
            ast::Value::NumberLit(number) => {
                number.value.parse().map_or(Content::Null, Content::Number)
            }
            ast::Value::StringLit(text) => Content::Text(text.value.as_ref().to_owned()),
            ast::Value::Array(array) => {
                let elements = array.elements.iter().enumerate();
                Content::Array(
                    elements
                        .map(|(at, one)| self.node(one, below(&pointer, &at.to_string())))
                        .collect(),
                )
            }
            ast::Value::Object(object) => {
                let members = object.properties.iter().map(|member| NodeMember {
                    name: member.name.as_str().to_owned(),
                    line: self.line(member.start()),
                    column: 0,
                    value: self.node(&member.value, below(&pointer, member.name.as_str())),
                });
                Content::Object(members.collect())
            }
        };
        Node { line: self.line(value.start()), pointer, content }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_and_numbers_in_all_words() {
        for (yaml, boolean, number) in [
            ("true", Some(true), None),
            ("TRUE", Some(true), None),
            ("yes", Some(true), None),
            ("On", Some(true), None),
            ("y", Some(true), None),
            ("'true'", Some(true), None),
            ("false", Some(false), None),
            ("no", Some(false), None),
            ("Off", Some(false), None),
            ("'false'", Some(false), None),
            ("1", None, Some(1)),
            ("'1'", None, Some(1)),
            ("1.0", None, Some(1)),
            ("0x10", None, Some(16)),
            ("-1", None, None),
            ("1.5", None, None),
            ("none", None, None),
            ("~", None, None),
        ] {
            let documents = read(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"));
            let [node] = documents.as_slice() else { panic!("{yaml}") };
            assert_eq!(
                (node.is_true(), node.is_false()),
                (boolean == Some(true), boolean == Some(false)),
                "{yaml}"
            );
            assert_eq!(node.whole_number(), number, "{yaml}");
        }
    }

    /// The lines that `value` has by itself, in every way of writing a string.
    #[test]
    fn lines_of_texts() {
        for (yaml, lines) in [
            ("value: |\n  {\n  \"a\": 1}\n", &[2, 3][..]),
            ("value: |-\n\n\n  {\n  \"a\": 1}\n", &[4, 5]),
            ("x: y\nvalue: &anchor |\n  {\n  \"a\": 1}\n", &[3, 4]),
            ("value: !!str |\r\n  {\r\n  \"a\": 1}\r\n", &[2, 3]),
            ("- value: |2\n    {\n    \"a\": 1}\n", &[2, 3]),
            ("value: >\n  {\n  \"a\": 1}\n", &[1, 1]),
            ("value: '{\n  \"a\": 1}'\n", &[1, 1]),
            ("\nvalue: \"{\\n \\\"a\\\": 1}\"\n", &[2, 2]),
            ("{\"x\": 1, \"value\": \"{\\n \\\"a\\\": 1}\"}", &[1, 1]),
            ("text: &text |\n  {\n  \"a\": 1}\nvalue: *text\n", &[4, 4]),
        ] {
            let documents = read(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"));
            let root = documents[0].elements().first().unwrap_or(&documents[0]);
            let member = root.named("value").unwrap_or_else(|| panic!("{yaml}"));
            let text = member.value.text().unwrap_or_else(|| panic!("{yaml}"));
            let inner = Node::from_json(text, member.lines_of_text(yaml))
                .unwrap_or_else(|| panic!("{text}"));
            assert_eq!([inner.line, inner.line_of("/a")], lines, "{yaml}");
        }
    }

    #[test]
    fn places_and_values_of_both() {
        let json = "{\n \"a\": [1,\n {\"b/c\": null}],\n\"a\": \"\\ud83d\\ude00\"\n}";
        let node = &read(json).unwrap()[0];
        assert_eq!([node.line_of(""), node.line_of("/a"), node.line_of("/zzz")], [1, 4, 1]);
        let yaml = "a:\n - 1\n - b/c: null\n   d: {<<: [{e: 1, f: 2}, {e: 3}], f: true}\n";
        let node = &read(yaml).unwrap()[0];
        assert_eq!(
            [node.line_of("/a/0"), node.line_of("/a/1/b~1c"), node.line_of("/a/1/x")],
            [2, 3, 3]
        );
        assert_eq!(node.to_json().to_string(), r#"{"a":[1,{"b/c":null,"d":{"f":true,"e":1}}]}"#);
        assert!(read("a: [").is_err());
        assert!(read(&"[".repeat(100_000)).is_err());
    }
}
