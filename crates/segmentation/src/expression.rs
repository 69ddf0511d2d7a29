//! The expression of an audience: its form, and the text that is compiled.
//!
//! A definition is stored in the form in which it was given; what is evaluated is always the text.

use crate::error::Error;
use crate::fields::Fields;
use serde_json::{Value as Json, json};

/// The written forms of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

impl Format {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Format::Text => "pql/text",
            Format::Json => "pql/json",
        }
    }
}

/// One expression.
pub(crate) struct Expression {
    pub(crate) format: Format,
    /// As it was given.
    value: Json,
    /// As text.
    pub(crate) text: String,
    /// `meta` and `version`, which mean nothing here and stay as they were given (pql.md §15).
    notes: Vec<(&'static str, String)>,
}

const NOTES: [&str; 2] = ["meta", "version"];

impl Expression {
    /// Reads the member `expression`.
    pub(crate) fn read(fields: &Fields<'_>) -> Result<Expression, Error> {
        let expression =
            fields.required_object("expression", "expression.", &["type", "format", "value", NOTES[0], NOTES[1]])?;
        let mut notes = Vec::new();
        for name in NOTES {
            notes.extend(expression.text(name)?.map(|text| (name, text.to_owned())));
        }
        match expression.required_text("type")? {
            // Published examples write it in lower case, too.
            kind if kind.eq_ignore_ascii_case("PQL") => {}
            other => return Err(Error::field("expression.type", format_args!("must be `PQL`, is `{other}`"))),
        }
        match expression.required_text("format")? {
            "pql/text" => {
                let text = expression.required_text("value")?.to_owned();
                Ok(Expression { format: Format::Text, value: text.as_str().into(), text, notes })
            }
            "pql/json" => {
                let value = expression.get("value").ok_or_else(|| Error::field("expression.value", "is required"))?;
                let text = text_of_json("expression.value", value)?;
                Ok(Expression { format: Format::Json, value: value.clone(), text, notes })
            }
            other => {
                let rule = format!("must be `pql/text` or `pql/json`, is `{other}`");
                Err(Error::field("expression.format", rule))
            }
        }
    }

    /// As it was given.
    pub(crate) fn shown(&self) -> Json {
        self.member(self.format, self.value.clone())
    }

    /// In the other form.
    pub(crate) fn converted(&self) -> Result<Json, Error> {
        let (format, value) = match self.format {
            Format::Text => (Format::Json, json_of_text(&self.text)?),
            Format::Json => (Format::Text, self.text.as_str().into()),
        };
        Ok(self.member(format, value))
    }

    fn member(&self, format: Format, value: Json) -> Json {
        let mut member = json!({ "type": "PQL", "format": format.as_str(), "value": value });
        for (name, text) in &self.notes {
            member[*name] = text.as_str().into();
        }
        member
    }
}

/// The text of a stored definition.
pub(crate) fn stored_text(body: &Json) -> &str {
    body["_internal"]["pql"].as_str().or_else(|| body["expression"]["value"].as_str()).unwrap_or_default()
}

/// The text of a query in the JSON form, which may stand as an object, or as text that holds it.
pub(crate) fn text_of_json(field: &str, value: &Json) -> Result<String, Error> {
    let faulty = |faults: pql::Diagnostics| {
        Error::invalid(faults.iter().map(|fault| format!("{field}: {}", fault.message)).collect())
    };
    let tree = match value {
        Json::String(text) => {
            let tree =
                pql::json::document(text).map_err(|e| Error::field(field, format_args!("is not valid JSON: {e}")))?;
            pql::from_json(&tree)
        }
        value => pql::from_json(value),
    };
    tree.map(|tree| tree.to_string()).map_err(faulty)
}

/// The JSON form of a query, as text: so the published descriptions type it.
fn json_of_text(text: &str) -> Result<Json, Error> {
    let tree = pql::parse(text).map_err(|faults| {
        let rendered = |fault: &pql::Diagnostic| {
            let (line, column) = fault.line_column(text);
            format!("expression.value, line {line}, column {column}: {}\n{}", fault.message, fault.render(text))
        };
        Error::invalid(faults.iter().map(rendered).collect())
    })?;
    Ok(pql::to_json(&tree).to_string().into())
}
