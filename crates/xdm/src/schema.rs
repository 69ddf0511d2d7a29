//! The compiled form of a schema: a tree of nodes that validation and typing walk.
//!
//! In: one flat document as [`crate::resolve`] makes it. Out: a [`Schema`], immutable.
//!
//! Always: the fields of an object are sorted by name, so a look-up is a binary search.

use crate::format::Format;
use crate::number::integer_range;
use crate::resolve::xdm_type;
use fancy_regex::Regex;
use serde_json::{Map, Value as Json};
use smol_str::SmolStr;

/// What data of a schema describes; fixed by its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behavior {
    /// Attributes of a subject.
    Record,
    /// A fact at an instant.
    TimeSeries,
    /// Made by the system; any field is allowed.
    Adhoc,
}

impl Behavior {
    /// The behaviour of an `$id`, if it names one.
    pub fn parse(id: &str) -> Option<Behavior> {
        match id {
            "https://ns.adobe.com/xdm/data/record" => Some(Behavior::Record),
            "https://ns.adobe.com/xdm/data/time-series" => Some(Behavior::TimeSeries),
            "https://ns.adobe.com/xdm/data/adhoc" => Some(Behavior::Adhoc),
            _ => None,
        }
    }

    /// The behaviour of data of a class; those that are not known are of records.
    fn of_class(id: &str) -> Behavior {
        match id {
            "https://ns.adobe.com/xdm/context/experienceevent" => Behavior::TimeSeries,
            _ => Behavior::Record,
        }
    }
}

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    /// Its `$id`.
    pub id: SmolStr,
    /// The `$id` of its class.
    pub class: SmolStr,
    /// What its data describes.
    pub behavior: Behavior,
    /// The tree of fields; always an object.
    pub root: Node,
}

/// One place in the tree.
#[derive(Debug)]
pub struct Node {
    /// What may stand there.
    pub kind: Kind,
    /// `meta:status` is `deprecated`: data stays valid.
    pub deprecated: bool,
}

/// What may stand at a place.
#[derive(Debug)]
pub enum Kind {
    /// Anything but null: the document states no type.
    Any,
    /// Text.
    Text(Option<Box<TextRules>>),
    /// A whole number within inclusive bounds.
    Integer {
        /// Smallest allowed value.
        min: i64,
        /// Largest allowed value.
        max: i64,
    },
    /// Any finite number within bounds.
    Number {
        /// Smallest allowed value.
        min: Option<f64>,
        /// Largest allowed value.
        max: Option<f64>,
        /// The value must be above this one.
        above: Option<f64>,
        /// The value must be below this one.
        below: Option<f64>,
    },
    /// true or false.
    Boolean,
    /// Items of one kind.
    Array {
        /// What each item is.
        items: Box<Node>,
        /// Fewest items; at least 1, since an empty array is no value.
        items_min: usize,
        /// Most items.
        items_max: usize,
        /// No two items are equal.
        unique: bool,
    },
    /// Named fields, sorted by name.
    Object {
        /// The fields.
        fields: Vec<Field>,
        /// Names that must be present.
        required: Vec<SmolStr>,
        /// Other fields are allowed too (no field is stated, or the schema is ad hoc).
        open: bool,
    },
    /// Keys are data, values are of one kind.
    Map(Box<Node>),
}

/// A named field of an object.
#[derive(Debug)]
pub struct Field {
    /// The name that data carries.
    pub name: SmolStr,
    /// What stands there.
    pub node: Node,
}

/// Rules of a text.
#[derive(Debug)]
pub struct TextRules {
    /// A checked format.
    pub format: Option<Format>,
    /// The allowed values; empty for any.
    pub allowed: Vec<SmolStr>,
    /// A regular expression that must match somewhere.
    pub pattern: Option<Regex>,
    /// Fewest characters.
    pub length_min: usize,
    /// Most characters.
    pub length_max: usize,
}

/// A member of a schema document that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {message}")]
pub struct SchemaError {
    /// JSON pointer into the flat document.
    pub pointer: String,
    /// What is wrong there.
    pub message: String,
}

impl Schema {
    /// Compiles a flat document. The class is `meta:class`, else the document itself (a class can be
    /// compiled alone); the behaviour is the one that `meta:extends` names, else that of the class, else record.
    pub fn from_json(flat: &Json) -> Result<Schema, SchemaError> {
        let text = |key: &str| flat.get(key).and_then(Json::as_str);
        let id = text("$id").unwrap_or_default();
        let extends = flat.get("meta:extends").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        let class = text("meta:class").unwrap_or(id);
        let behavior = extends.filter_map(Behavior::parse).next().unwrap_or_else(|| Behavior::of_class(class));
        let mut root = compile(flat, "")?;
        match &mut root.kind {
            Kind::Object { open, .. } => *open = behavior == Behavior::Adhoc,
            Kind::Any => {
                root.kind = Kind::Object { fields: Vec::new(), required: Vec::new(), open: behavior == Behavior::Adhoc }
            }
            _ => {
                return Err(SchemaError { pointer: "/type".into(), message: "a schema must be of type object".into() });
            }
        }
        Ok(Schema { id: id.into(), class: class.into(), behavior, root })
    }

    /// The node at a path of names; arrays are looked through.
    pub fn at<'a>(&'a self, path: impl IntoIterator<Item = &'a str>) -> Option<&'a Node> {
        path.into_iter().try_fold(&self.root, Node::child)
    }
}

impl Node {
    /// The node of a direct field; arrays are looked through, any key of a map has the same node.
    pub fn child<'a>(&'a self, name: &str) -> Option<&'a Node> {
        match &self.kind {
            Kind::Object { fields, .. } => field(fields, name).map(|f| &f.node),
            Kind::Map(value) => Some(value),
            Kind::Array { items, .. } => items.child(name),
            _ => None,
        }
    }
}

/// The field of this name.
pub(crate) fn field<'a>(fields: &'a [Field], name: &str) -> Option<&'a Field> {
    fields.binary_search_by(|f| f.name.as_str().cmp(name)).ok().map(|i| &fields[i])
}

fn compile(json: &Json, pointer: &str) -> Result<Node, SchemaError> {
    let Json::Object(node) = json else {
        return Err(SchemaError { pointer: pointer.into(), message: "a schema must be an object".into() });
    };
    let deprecated = node.get("meta:status").and_then(Json::as_str) == Some("deprecated");
    let kind = match node.get("type") {
        Some(Json::String(name)) => compile_type(name, node, pointer)?,
        Some(_) => return Err(fail(pointer, "type", "must be one of string, number, integer, boolean, object, array")),
        None if node.contains_key("properties") => compile_object(node, pointer)?,
        None if node.contains_key("enum") => compile_text(node, pointer)?,
        None => Kind::Any,
    };
    Ok(Node { kind, deprecated })
}

fn compile_type(name: &str, node: &Map<String, Json>, pointer: &str) -> Result<Kind, SchemaError> {
    let number = |key: &str| node.get(key).and_then(Json::as_f64);
    match name {
        "string" => compile_text(node, pointer),
        "boolean" => Ok(Kind::Boolean),
        "integer" => {
            let (min, max) = integer_range(xdm_type(node).unwrap_or("long"), node.get("minimum"), node.get("maximum"));
            Ok(Kind::Integer { min, max })
        }
        "number" => Ok(Kind::Number {
            min: number("minimum"),
            max: number("maximum"),
            above: number("exclusiveMinimum"),
            below: number("exclusiveMaximum"),
        }),
        "array" => compile_array(node, pointer),
        "object" => match node.get("additionalProperties") {
            Some(values @ Json::Object(_)) if !node.contains_key("properties") => {
                Ok(Kind::Map(Box::new(compile(values, &format!("{pointer}/additionalProperties"))?)))
            }
            Some(Json::Object(_)) => Err(fail(
                pointer,
                "additionalProperties",
                "a map states additionalProperties only, not properties as well",
            )),
            _ => compile_object(node, pointer),
        },
        _ => Err(fail(
            pointer,
            "type",
            &format!("{name} is no type; use string, number, integer, boolean, object or array"),
        )),
    }
}

fn compile_text(node: &Map<String, Json>, pointer: &str) -> Result<Kind, SchemaError> {
    let format = node.get("format").and_then(Json::as_str).and_then(Format::parse);
    let allowed: Vec<SmolStr> = node
        .get("enum")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .map(SmolStr::new)
        .collect();
    let pattern = match node.get("pattern").and_then(Json::as_str) {
        Some(text) => Some(
            Regex::new(text).map_err(|e| fail(pointer, "pattern", &format!("{text} is no regular expression: {e}")))?,
        ),
        None => None,
    };
    let size = |key: &str| node.get(key).and_then(Json::as_u64).and_then(|n| usize::try_from(n).ok());
    let (length_min, length_max) = (size("minLength").unwrap_or(0), size("maxLength").unwrap_or(usize::MAX));
    let free =
        format.is_none() && allowed.is_empty() && pattern.is_none() && length_min == 0 && length_max == usize::MAX;
    Ok(Kind::Text((!free).then(|| Box::new(TextRules { format, allowed, pattern, length_min, length_max }))))
}

fn compile_array(node: &Map<String, Json>, pointer: &str) -> Result<Kind, SchemaError> {
    let size = |key: &str| node.get(key).and_then(Json::as_u64).and_then(|n| usize::try_from(n).ok());
    let items = match node.get("items") {
        Some(items) => compile(items, &format!("{pointer}/items"))?,
        None => Node { kind: Kind::Any, deprecated: false },
    };
    Ok(Kind::Array {
        items: Box::new(items),
        items_min: size("minItems").unwrap_or(1).max(1),
        items_max: size("maxItems").unwrap_or(usize::MAX),
        unique: node.get("uniqueItems").and_then(Json::as_bool).unwrap_or(false),
    })
}

fn compile_object(node: &Map<String, Json>, pointer: &str) -> Result<Kind, SchemaError> {
    let Some(properties) = node.get("properties") else {
        return Ok(Kind::Object { fields: Vec::new(), required: Vec::new(), open: true });
    };
    let Json::Object(properties) = properties else { return Err(fail(pointer, "properties", "must be an object")) };
    let mut fields = Vec::with_capacity(properties.len());
    for (name, field) in properties {
        let node = compile(field, &format!("{pointer}/properties/{name}"))?;
        fields.push(Field { name: SmolStr::new(name), node });
    }
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    let required = node
        .get("required")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .map(SmolStr::new)
        .collect();
    Ok(Kind::Object { fields, required, open: false })
}

fn fail(pointer: &str, member: &str, message: &str) -> SchemaError {
    SchemaError { pointer: format!("{pointer}/{member}"), message: message.to_owned() }
}
