//! Reads the members of a JSON body strictly: every fault names the member and what was given.

use crate::error::Error;
use serde_json::{Map, Value as Json, json};

/// One JSON object and where it is in the body (empty, or `expression.`).
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    members: &'a Map<String, Json>,
    prefix: &'a str,
}

impl<'a> Fields<'a> {
    /// The whole body.
    pub(crate) fn of_body(body: &'a Json) -> Result<Fields<'a>, Error> {
        match body {
            Json::Object(members) => Ok(Fields { members, prefix: "" }),
            other => Err(Error::field("body", format_args!("must be a JSON object, is {}", shown(other)))),
        }
    }

    /// Refuses members that are not known.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Error> {
        match self.members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(Error::field(self.path(name), "is not a supported member")),
            None => Ok(()),
        }
    }

    /// The name of a member within the body.
    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A member; null counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Json> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// A text member.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, Error> {
        self.typed(name, "a string", Json::as_str)
    }

    /// A text member that must be there.
    pub(crate) fn required_text(&self, name: &str) -> Result<&'a str, Error> {
        self.text(name)?.ok_or_else(|| Error::field(self.path(name), "is required"))
    }

    /// A true-or-false member.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        self.typed(name, "true or false", Json::as_bool)
    }

    /// An array member.
    pub(crate) fn array(&self, name: &str) -> Result<Option<&'a Vec<Json>>, Error> {
        self.typed(name, "an array", Json::as_array)
    }

    /// An object member with exactly known members; `prefix` is its path and a dot.
    pub(crate) fn object(&self, name: &str, prefix: &'a str, known: &[&str]) -> Result<Option<Fields<'a>>, Error> {
        let Some(members) = self.typed(name, "an object", Json::as_object)? else { return Ok(None) };
        let fields = Fields { members, prefix };
        fields.only(known)?;
        Ok(Some(fields))
    }

    /// As [`Fields::object`], but the member must be there.
    pub(crate) fn required_object(&self, name: &str, prefix: &'a str, known: &[&str]) -> Result<Fields<'a>, Error> {
        self.object(name, prefix, known)?.ok_or_else(|| Error::field(self.path(name), "is required"))
    }

    /// A member that may only repeat what is stored.
    pub(crate) fn must_be(&self, name: &str, value: &str) -> Result<(), Error> {
        match self.text(name)? {
            Some(given) if given != value => {
                Err(Error::field(self.path(name), format_args!("must be `{value}`, is `{given}`")))
            }
            _ => Ok(()),
        }
    }

    fn typed<T>(&self, name: &str, kind: &str, read: impl Fn(&'a Json) -> Option<T>) -> Result<Option<T>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => read(value)
                .map(Some)
                .ok_or_else(|| Error::field(self.path(name), format_args!("must be {kind}, is {}", shown(value)))),
        }
    }
}

/// A value for a message, cut short.
pub(crate) fn shown(value: &Json) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 {
        return format!("`{text}`");
    }
    format!("`{}…`", text.chars().take(60).collect::<String>())
}

/// A name of 1 to 255 characters on one line, with something to see in it.
pub(crate) fn check_name(field: &str, name: &str) -> Result<(), Error> {
    const CHARS_MAX: usize = 255;
    let chars = name.chars().count();
    if chars > 0 && name.trim().is_empty() {
        return Err(Error::field(field, "must have something to see in it, is blank"));
    }
    if chars == 0 || chars > CHARS_MAX {
        return Err(Error::field(field, format_args!("must have 1 to {CHARS_MAX} characters, has {chars}")));
    }
    // Line and paragraph separators break lines as control characters do.
    if let Some(other) = name.chars().find(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        let rule = format!("must have no line breaks or control characters, has U+{:04X}", u32::from(other));
        return Err(Error::field(field, rule));
    }
    Ok(())
}

/// Answers a bulk request: `{"results":{ID: entity or error}}`.
pub(crate) fn bulk_get(
    body: &Json,
    request_id: &str,
    get: &dyn Fn(&str) -> Result<Json, Error>,
) -> Result<Json, Error> {
    let one = |id: &str| (id.to_owned(), get(id).unwrap_or_else(|error| error.body(request_id)));
    let results: Map<String, Json> = bulk_ids(body)?.into_iter().map(one).collect();
    Ok(json!({ "results": results }))
}

/// The ids of a bulk request: `{"ids":[{"id":"…"}]}`; a bare array is read as well.
fn bulk_ids(body: &Json) -> Result<Vec<&str>, Error> {
    const IDS_MAX: usize = 1000;
    let items = match body {
        Json::Array(items) => items,
        _ => {
            let fields = Fields::of_body(body)?;
            fields.only(&["ids"])?;
            fields.array("ids")?.ok_or_else(|| Error::field("ids", "is required"))?
        }
    };
    if items.is_empty() || items.len() > IDS_MAX {
        let message =
            format!("The number of requested IDs is invalid. Cannot be 0 or exceed {IDS_MAX}, is {}.", items.len());
        return Err(Error::new(crate::error::Kind::Limit, message));
    }
    let id = |(i, item): (usize, &'_ Json)| -> Result<(), Error> {
        match item {
            Json::String(_) => Ok(()),
            Json::Object(members) if members.len() == 1 && members.get("id").is_some_and(Json::is_string) => Ok(()),
            other => Err(Error::field(
                format_args!("ids[{i}]"),
                format_args!("must be {{\"id\": \"…\"}}, is {}", shown(other)),
            )),
        }
    };
    items.iter().enumerate().try_for_each(id)?;
    Ok(items.iter().filter_map(|item| item.as_str().or_else(|| item["id"].as_str())).collect())
}
