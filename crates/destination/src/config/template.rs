//! Templated values: a constant, or a template compiled once.
//!
//! Every template of a configuration is compiled here, so that this is the one place that knows the template
//! engine's options. Always: a template that is kept compiles; its source is kept beside it.

use super::read::{At, Object};
use pebble::{Options, Template};
use std::sync::Arc;

/// A setting that is fixed, or rendered anew from what the customer, the profile or the answer says.
#[derive(Clone, Debug)]
pub enum Templated {
    /// Strategy `NONE`: taken literally.
    Constant(String),
    /// Strategy `PEBBLE_V1`.
    Template {
        /// The compiled form.
        template: Arc<Template>,
        /// The text it was compiled from.
        source: String,
    },
}

impl Templated {
    /// The text as it was configured.
    pub fn source(&self) -> &str {
        match self {
            Templated::Constant(text) => text,
            Templated::Template { source, .. } => source,
        }
    }

    /// The literal text, unless it is a template.
    pub fn constant(&self) -> Option<&str> {
        match self {
            Templated::Constant(text) => Some(text),
            Templated::Template { .. } => None,
        }
    }

    /// Renders into a new text. A constant is its own text.
    pub fn render(&self, context: &pebble::Value, limits: &pebble::Limits) -> Result<String, pebble::Error> {
        self.render_long(context, limits, 0)
    }

    /// The same for a text that will be about `len` bytes long.
    pub fn render_long(
        &self,
        context: &pebble::Value,
        limits: &pebble::Limits,
        len: usize,
    ) -> Result<String, pebble::Error> {
        match self {
            Templated::Constant(text) => Ok(text.clone()),
            Templated::Template { template, .. } => {
                let mut text = String::with_capacity(len);
                template.render(context, &mut text, limits)?;
                Ok(text)
            }
        }
    }
}

/// A JSON value whose string leaves may hold templates; other leaves keep their type.
#[derive(Clone, Debug)]
pub enum JsonTemplate {
    /// A number, true, false or null.
    Fixed(serde_json::Value),
    /// A string leaf.
    Text(Templated),
    /// Items in order.
    Array(Vec<JsonTemplate>),
    /// Fields in the order in which they were written; names are literal.
    Object(Vec<(String, JsonTemplate)>),
}

/// How a template treats what it prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Message, URL, token request, lookup: printed values are escaped unless `raw`.
    Message,
    /// Places and options of files: no markup anywhere, so nothing is escaped (a quote stays a quote).
    File,
    /// Audience metadata: plain text with path macros, nothing is escaped.
    Metadata,
}

/// Compiles a template; a fault of `at` with line and column if it does not compile.
pub(crate) fn compile(at: &At<'_>, source: &str, flavour: Flavour) -> Option<Arc<Template>> {
    let options = match flavour {
        Flavour::Message => Options::destination(),
        Flavour::File => Options { autoescape: false, ..Options::destination() },
        Flavour::Metadata => Options { path_macros: true, autoescape: false, ..Options::destination() },
    };
    match Template::compile(&at.path.text(), source, &options) {
        Ok(template) => Some(Arc::new(template)),
        Err(error) => {
            let mut message = format!(
                "the template does not compile: line {}, column {}: {}",
                error.line, error.column, error.message
            );
            if let Some(value) = &error.value {
                message.push_str(&format!("; given {value:?}"));
            }
            if let Some(near) = &error.suggestion {
                message.push_str(&format!("; did you mean {near:?}?"));
            }
            at.fault(message);
            None
        }
    }
}

#[derive(Clone, Copy)]
enum Strategy {
    None,
    Pebble,
}

const STRATEGIES: &[(&str, Strategy)] = &[("NONE", Strategy::None), ("PEBBLE_V1", Strategy::Pebble)];

/// `{templatingStrategy, value}`.
pub(crate) fn templated(at: &At<'_>) -> Option<Templated> {
    at.object(templated_fields)
}

/// `{templatingStrategy, value}` of a place or an option of files.
pub(crate) fn templated_for_files(at: &At<'_>) -> Option<Templated> {
    at.object(|object| fields(object, Flavour::File))
}

/// The two fields of a templated value inside an object that has more of them.
pub(crate) fn templated_fields(object: &Object<'_>) -> Option<Templated> {
    fields(object, Flavour::Message)
}

fn fields(object: &Object<'_>, flavour: Flavour) -> Option<Templated> {
    let strategy = object.need("templatingStrategy").and_then(|at| at.one_of(STRATEGIES));
    let value = object.need("value");
    let at = value?;
    let text = at.text()?;
    match strategy? {
        Strategy::None => Some(Templated::Constant(text.to_owned())),
        Strategy::Pebble => {
            let template = compile(&at, text, flavour)?;
            Some(Templated::Template { template, source: text.to_owned() })
        }
    }
}

/// A plain string with macros.
pub(crate) fn macros(at: &At<'_>) -> Option<Templated> {
    let text = at.text()?;
    if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
        return Some(Templated::Constant(text.to_owned()));
    }
    let template = compile(at, text, Flavour::Metadata)?;
    Some(Templated::Template { template, source: text.to_owned() })
}

/// A JSON value with macros in its string leaves.
pub(crate) fn json_template(at: &At<'_>) -> Option<JsonTemplate> {
    use serde_json::Value as Json;
    match at.json {
        Json::String(_) => Some(JsonTemplate::Text(macros(at)?)),
        Json::Array(_) => Some(JsonTemplate::Array(at.list(|item| json_template(&item))?)),
        Json::Object(_) => {
            let fields = at.entries()?.into_iter();
            let fields = fields.filter_map(|(name, at)| Some((name.to_owned(), json_template(&at)?)));
            Some(JsonTemplate::Object(fields.collect()))
        }
        fixed => Some(JsonTemplate::Fixed(fixed.clone())),
    }
}
