//! The fields that a customer fills in (`customerDataFields`), and fields of a static target schema, which look alike.

use super::lookup::{DynamicEnum, dynamic_enum};
use super::read::{At, Object, not_among, shown};
use fancy_regex::Regex;
use serde_json::Value as Json;
use smol_str::SmolStr;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One field; `object` fields hold further ones.
#[derive(Clone, Debug)]
pub struct CustomerDataField {
    /// Key in `customerData`.
    pub name: SmolStr,
    /// Type of the value.
    pub kind: FieldKind,
    /// Label.
    pub title: Option<String>,
    /// Explanation.
    pub description: Option<String>,
    /// Whether a value must be given (when the field is shown).
    pub is_required: bool,
    /// What the text of a value must match somewhere; anchors make it match as a whole.
    pub pattern: Option<Pattern>,
    /// The values to choose from, if they are limited.
    pub choices: Choices,
    /// The value of a field that is not filled in.
    pub default: Option<Json>,
    /// Not shown to the customer.
    pub hidden: bool,
    /// The customer cannot change the default.
    pub read_only: bool,
    /// No two dataflows of an organisation to this destination have the same value.
    pub unique: bool,
    /// The value is stored sealed and never shown (`format` is `password`).
    pub secret: bool,
    /// The field exists only while a sibling has a value.
    pub conditional: Option<Conditional>,
}

/// Type of a field.
#[derive(Clone, Debug)]
pub enum FieldKind {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A group of fields.
    Object(Vec<CustomerDataField>),
}

impl FieldKind {
    /// Its spelling.
    pub fn spelling(&self) -> &'static str {
        match self {
            FieldKind::String => "string",
            FieldKind::Integer => "integer",
            FieldKind::Object(_) => "object",
        }
    }
}

/// A regular expression with its source; Java's look-around is understood.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As it was configured.
    pub source: String,
    regex: Arc<Regex>,
}

impl Pattern {
    /// Compiles `source`; the error says what is wrong with it.
    pub fn compile(source: &str) -> Result<Pattern, String> {
        match Regex::new(source) {
            Ok(regex) => Ok(Pattern { source: source.to_owned(), regex: Arc::new(regex) }),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether it matches somewhere in `text`; an error if that takes too many steps.
    pub fn matches(&self, text: &str) -> Result<bool, String> {
        self.regex.is_match(text).map_err(|error| error.to_string())
    }
}

/// The values to choose from.
#[derive(Clone, Debug, Default)]
pub enum Choices {
    /// Any value.
    #[default]
    Any,
    /// `enum`.
    Plain(Vec<Json>),
    /// `namedEnum`: label and value.
    Named(Vec<(String, Json)>),
    /// `dynamicEnum`: asked from the receiving system.
    Dynamic(DynamicEnum),
}

/// `conditional`: the field exists only while `field` equals `value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditional {
    /// A field of the same group.
    pub field: SmolStr,
    /// The value it must have.
    pub value: Json,
}

impl CustomerDataField {
    /// The fields of an `object`; none for other types.
    pub fn properties(&self) -> &[CustomerDataField] {
        match &self.kind {
            FieldKind::Object(fields) => fields,
            _ => &[],
        }
    }

    /// The values to choose from, if they are fixed.
    pub fn fixed_choices(&self) -> Option<Vec<&Json>> {
        match &self.choices {
            Choices::Plain(values) => Some(values.iter().collect()),
            Choices::Named(values) => Some(values.iter().map(|(_, value)| value).collect()),
            Choices::Any | Choices::Dynamic(_) => None,
        }
    }
}

/// The field at a path of names.
pub fn find_field<'f>(fields: &'f [CustomerDataField], path: &str) -> Option<&'f CustomerDataField> {
    let direct = fields.iter().find(|field| field.name == path);
    direct.or_else(|| {
        let (group, rest) = path.split_once('.')?;
        find_field(fields.iter().find(|field| field.name == group)?.properties(), rest)
    })
}

#[derive(Clone, Copy)]
enum Plain {
    String,
    Integer,
    Object,
}

const TYPES: &[(&str, Plain)] = &[("string", Plain::String), ("integer", Plain::Integer), ("object", Plain::Object)];
const DEPTH_MAX: usize = 16;

/// Reads a list of fields; names are unique in it, and conditions name fields of it.
pub(crate) fn fields(at: &At<'_>) -> Option<Vec<CustomerDataField>> {
    nested(at, 0)
}

fn nested(at: &At<'_>, depth: usize) -> Option<Vec<CustomerDataField>> {
    if depth > DEPTH_MAX {
        at.fault(format!("fields may be nested {DEPTH_MAX} deep"));
        return None;
    }
    let mut names = BTreeSet::new();
    let mut read: Vec<(At<'_>, CustomerDataField)> = Vec::new();
    for item in at.items()? {
        if let Some(field) = item.object(|object| field(object, depth)) {
            if !names.insert(field.name.clone()) {
                let message = format!("the name {:?} is given twice at this level", field.name);
                item.reading.fault(&item.path.key("name"), message);
            }
            read.push((item, field));
        }
    }
    check_conditions(&read);
    Some(read.into_iter().map(|(_, field)| field).collect())
}

fn field(object: &Object<'_>, depth: usize) -> Option<CustomerDataField> {
    let name = object.need("name").and_then(|at| at.filled().map(SmolStr::new));
    let plain = object.need("type").and_then(|at| at.one_of(TYPES));
    let properties = properties(object, plain, depth);
    let secret = object.get("format").and_then(|at| at.one_of(&[("password", true)])).unwrap_or(false);
    let mut field = CustomerDataField {
        name: name.unwrap_or_default(),
        kind: match plain {
            Some(Plain::Object) => FieldKind::Object(properties.unwrap_or_default()),
            Some(Plain::Integer) => FieldKind::Integer,
            Some(Plain::String) | None => FieldKind::String,
        },
        title: object.string("title"),
        description: object.string("description"),
        is_required: object.flag("isRequired").unwrap_or(false),
        pattern: object.get("pattern").and_then(|at| pattern(&at)),
        choices: choices(object),
        default: None,
        hidden: object.flag("hidden").unwrap_or(false),
        read_only: object.flag("readOnly").unwrap_or(false),
        unique: object.flag("unique").unwrap_or(false),
        secret,
        conditional: object.get("conditional").and_then(|at| at.object(conditional)),
    };
    if matches!(field.kind, FieldKind::Object(_)) {
        for name in ["pattern", "enum", "namedEnum", "dynamicEnum", "default", "unique", "format"] {
            object.refuse(name, "cannot be given for a field of type object; give it for a field of its properties");
        }
        return Some(field);
    }
    if plain.is_none() {
        object.echo("default");
        return Some(field);
    }
    check_choices(object, &field);
    field.default = object.get("default").and_then(|at| default(&at, &field));
    if field.read_only && field.is_required && object.get("default").is_none() && field.fixed_choices().is_none() {
        object.at.fault("a field that is readOnly and isRequired needs a default: nobody could fill it in");
    }
    Some(field)
}

fn properties(object: &Object<'_>, plain: Option<Plain>, depth: usize) -> Option<Vec<CustomerDataField>> {
    match plain {
        None => {
            object.echo("properties");
            None
        }
        Some(Plain::Object) => {
            let at = object.need("properties")?;
            let fields = nested(&at, depth + 1)?;
            if fields.is_empty() {
                at.fault("must hold at least one field");
            }
            Some(fields)
        }
        Some(_) => {
            object.refuse("properties", "is for fields of type object");
            None
        }
    }
}

/// Reads a regular expression.
pub(crate) fn pattern(at: &At<'_>) -> Option<Pattern> {
    let source = at.text()?;
    match Pattern::compile(source) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            at.fault(format!("is no regular expression: {error}"));
            None
        }
    }
}

fn choices(object: &Object<'_>) -> Choices {
    let plain = object.get("enum");
    let named = object.get("namedEnum");
    let dynamic = object.get("dynamicEnum");
    let given: Vec<&At<'_>> = [&plain, &named, &dynamic].into_iter().flatten().collect();
    if given.len() > 1 {
        given[1].fault("give one of enum, namedEnum and dynamicEnum");
    }
    if let Some(at) = plain {
        return Choices::Plain(at.list(|item| Some(item.json.clone())).unwrap_or_default());
    }
    if let Some(at) = named {
        let values = at.list(|item| item.object(named_value)).unwrap_or_default();
        // What could not be read has its fault; the rest of such a list is not looked at, its places would be off.
        let whole = at.json.as_array().is_some_and(|items| items.len() == values.len());
        return if whole { Choices::Named(values) } else { Choices::Any };
    }
    match dynamic.and_then(|at| at.object(dynamic_enum)) {
        Some(dynamic) => Choices::Dynamic(dynamic),
        None => Choices::Any,
    }
}

fn named_value(object: &Object<'_>) -> Option<(String, Json)> {
    let name = object.need("name").and_then(|at| at.string());
    let value = object.need("value")?;
    Some((name?, value.json.clone()))
}

fn check_choices(object: &Object<'_>, field: &CustomerDataField) {
    let Some(values) = field.fixed_choices() else { return };
    let list = if matches!(field.choices, Choices::Plain(_)) { "enum" } else { "namedEnum" };
    let at = |index| {
        let path = object.at.path.key(list).index(index);
        if list == "enum" { path } else { path.key("value") }
    };
    if values.is_empty() {
        object.at.reading.fault(&object.at.path.key(list), "must hold at least one value");
    }
    for (index, value) in values.iter().enumerate() {
        if let Some(message) = wrong_type(field, value) {
            object.at.reading.fault(&at(index), message);
        }
        if values[..index].contains(value) {
            object.at.reading.fault(&at(index), format!("is given twice: {}", shown(value)));
        }
    }
}

/// What is wrong with the type of a value of this field.
pub(crate) fn wrong_type(field: &CustomerDataField, value: &Json) -> Option<String> {
    let right = match field.kind {
        FieldKind::String => value.is_string(),
        FieldKind::Integer => value.is_i64() || value.is_u64(),
        FieldKind::Object(_) => value.is_object(),
    };
    let kind = field.kind.spelling();
    let article = if kind == "string" { "a" } else { "an" };
    let given = if field.secret { "another type".to_owned() } else { shown(value) };
    (!right).then(|| format!("must be {article} {kind}; given {given}"))
}

/// The text of a value, as patterns and templates see it.
pub(crate) fn text_of(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn default(at: &At<'_>, field: &CustomerDataField) -> Option<Json> {
    if let Some(message) = wrong_type(field, at.json) {
        at.fault(message);
        return None;
    }
    if let Some(values) = field.fixed_choices()
        && !values.contains(&at.json)
    {
        let names: Vec<String> = values.iter().map(|value| text_of(value)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        at.fault(format!("is no value of the list: {}", not_among(&text_of(at.json), &names)));
    }
    if let Some(pattern) = &field.pattern
        && pattern.matches(&text_of(at.json)) != Ok(true)
    {
        at.fault(format!("does not match the pattern {:?} of its field", pattern.source));
    }
    Some(at.json.clone())
}

fn conditional(object: &Object<'_>) -> Option<Conditional> {
    let field = object.need("field").and_then(|at| at.filled().map(SmolStr::new));
    let operator = object.need("operator").and_then(|at| at.one_of(&[("EQUALS", ())]));
    let value = object.need("value")?;
    operator?;
    Some(Conditional { field: field?, value: value.json.clone() })
}

fn check_conditions(read: &[(At<'_>, CustomerDataField)]) {
    let names: Vec<&str> = read.iter().map(|(_, field)| field.name.as_str()).collect();
    for (at, field) in read {
        let Some(conditional) = &field.conditional else { continue };
        let path = at.path.key("conditional");
        let Some((_, sibling)) = read.iter().find(|(_, other)| other.name == conditional.field) else {
            let message = format!("must name a field of the same level: {}", not_among(&conditional.field, &names));
            at.reading.fault(&path.key("field"), message);
            continue;
        };
        if goes_round(read, field) {
            at.reading.fault(&path.key("field"), format!("the condition of {:?} depends on itself", field.name));
        }
        if let Some(message) = wrong_type(sibling, &conditional.value) {
            at.reading.fault(&path.key("value"), format!("can never equal {:?}: {message}", sibling.name));
        } else if let Some(values) = sibling.fixed_choices()
            && !values.contains(&&conditional.value)
        {
            let names: Vec<String> = values.iter().map(|value| text_of(value)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let reason = not_among(&text_of(&conditional.value), &names);
            at.reading.fault(&path.key("value"), format!("is no value of {:?}: {reason}", sibling.name));
        }
    }
}

fn goes_round(read: &[(At<'_>, CustomerDataField)], from: &CustomerDataField) -> bool {
    let mut at = from;
    for _ in 0..=read.len() {
        let Some(next) = &at.conditional else { return false };
        if next.field == from.name {
            return true;
        }
        match read.iter().find(|(_, field)| field.name == next.field) {
            Some((_, field)) => at = field,
            None => return false,
        }
    }
    false
}
