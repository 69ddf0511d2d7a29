//! Where a field stands in a YAML or JSON text.
//!
//! In: the text, and the path of a field as faults name it (`a.b[2]["odd name"]`). Out: its line, or that of the
//! nearest field around it that is there.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;

/// A place in a text, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A document with places.
#[derive(Debug)]
pub(crate) struct Tree {
    place: Place,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text(String),
    Other,
    List(Vec<Tree>),
    Map(Vec<(String, Place, Tree)>),
}

impl Tree {
    /// Reads a text; an error has its place and a message.
    pub(crate) fn read(text: &str) -> Result<Tree, (Option<Place>, String)> {
        match serde_saphyr::from_str::<Spanned<Node>>(text) {
            Ok(node) => Ok(tree(node)),
            Err(error) => {
                let place = error.location().map(|l| Place { line: l.line() as usize, column: l.column() as usize });
                Err((place, error.without_snippet().to_string()))
            }
        }
    }

    /// The line of the field, and its text if it is one.
    pub(crate) fn find(&self, path: &str) -> (Place, Option<&str>) {
        let (mut at, mut place) = (self, self.place);
        for step in steps(path) {
            let next = match (&at.kind, &step) {
                (Kind::Map(fields), Step::Name(name)) => {
                    fields.iter().find(|(other, ..)| other == name).map(|(_, place, tree)| (*place, tree))
                }
                (Kind::List(items), Step::Index(index)) => items.get(*index).map(|item| (item.place, item)),
                _ => None,
            };
            let Some((found, tree)) = next else { return (place, None) };
            (at, place) = (tree, found);
        }
        match &at.kind {
            Kind::Text(text) => (place, Some(text)),
            _ => (place, None),
        }
    }
}

fn tree(node: Spanned<Node>) -> Tree {
    let place = place(&node.referenced);
    let kind = match node.value {
        Node::Text(text) => Kind::Text(text),
        Node::Other => Kind::Other,
        Node::List(items) => Kind::List(items.into_iter().map(tree).collect()),
        Node::Map(fields) => {
            let field = |(name, value): (Spanned<String>, Spanned<Node>)| {
                let place = self::place(&name.referenced);
                (name.value, place, tree(value))
            };
            Kind::Map(fields.into_iter().map(field).collect())
        }
    };
    Tree { place, kind }
}

fn place(location: &serde_saphyr::Location) -> Place {
    Place { line: location.line() as usize, column: location.column() as usize }
}

enum Node {
    Text(String),
    Other,
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Node, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut read = Vec::new();
        while let Some(item) = items.next_element()? {
            read.push(item);
        }
        Ok(Node::List(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Node, A::Error> {
        let mut read = Vec::new();
        while let Some(field) = fields.next_entry()? {
            read.push(field);
        }
        Ok(Node::Map(read))
    }
}

enum Step {
    Name(String),
    Index(usize),
}

/// The steps of a path. What is no path ends it.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let Some((name, after)) = quoted.split_once("\"]") else { break };
            steps.push(Step::Name(name.replace("\\\"", "\"")));
            rest = after;
        } else if let Some(index) = rest.strip_prefix('[') {
            let Some((number, after)) = index.split_once(']') else { break };
            let Ok(number) = number.parse() else { break };
            steps.push(Step::Index(number));
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            steps.push(Step::Name(rest[..end].to_owned()));
            rest = &rest[end..];
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_lines() {
        let text = "a:\n  b:\n    - x: 1\n    - \"odd name\": {c: hello}\n";
        let tree = Tree::read(text).expect("YAML");
        let line = |path: &str| tree.find(path).0.line;
        assert_eq!([line(""), line("a"), line("a.b[0].x"), line("a.b[1][\"odd name\"].c")], [1, 1, 3, 4]);
        assert_eq!([line("a.b[1].missing"), line("a.z.y"), line("a.b[7]")], [4, 1, 2]);
        assert_eq!(tree.find("a.b[1][\"odd name\"].c").1, Some("hello"));
        let json = Tree::read("{\n  \"a\": [\n    true\n  ]\n}").expect("JSON is YAML");
        assert_eq!(json.find("a[0]").0.line, 3);
        assert!(Tree::read("a: [").is_err_and(|(place, _)| place.is_some()));
    }
}
