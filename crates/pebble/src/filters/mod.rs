//! The filters: one table, one record each.
//!
//! In: a value and arguments laid out by declared name. Out: a value. Always: text filters write from one buffer
//! into the next, so that chains of them make no values in between.

mod calendar;
mod collection;
mod date;
mod decimal;
mod format;
mod text;

use crate::adobe;
use crate::error::{Raised, fault};
use crate::render::Renderer;
use crate::scope::Held;
use crate::template::{Options, Profile};
use crate::tree::{Bound, Expr};
use crate::value::Value;

/// Arguments, evaluated.
pub(crate) type Given<'a> = Vec<Option<Held<'a>>>;

type RunValue = for<'r, 'a> fn(&'r mut Renderer<'a>, Held<'a>, Given<'a>) -> Raised<Held<'a>>;

/// How a filter is run.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// Text to text; with `any` every value is taken by its printed form. Null gives null.
    Text {
        any: bool,
        /// How many times longer than its input the result may be, letters with unusual upper cases aside.
        grows: usize,
        run: fn(&str, &mut String) -> Raised<()>,
    },
    Value(RunValue),
    /// `default`, which catches missing names.
    Default,
}

/// A filter.
pub(crate) struct Filter {
    pub(crate) name: &'static str,
    /// Names of the arguments; without any, all arguments are taken by place and named ones ignored.
    pub(crate) params: Option<&'static [&'static str]>,
    pub(crate) run: Run,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const fn text(name: &'static str, any: bool, grows: usize, run: fn(&str, &mut String) -> Raised<()>) -> Filter {
    Filter { name, params: None, run: Run::Text { any, grows, run } }
}

const fn value(name: &'static str, params: Option<&'static [&'static str]>, run: RunValue) -> Filter {
    Filter { name, params, run: Run::Value(run) }
}

static FILTERS: [Filter; 29] = [
    text("upper", true, 1, text::upper),
    text("lower", true, 1, text::lower),
    text("capitalize", false, 1, text::capitalize),
    text("title", false, 1, text::title),
    text("trim", false, 1, text::trim),
    text("urlencode", false, 3, text::urlencode),
    text("base64encode", true, 2, text::base64encode),
    text("base64decode", false, 1, text::base64decode),
    text("sha256", false, 1, text::sha256),
    text("nl2br", false, 6, text::nl2br),
    value("abbreviate", Some(&["length"]), text::abbreviate),
    value("replace", Some(&["replace_pairs"]), text::replace),
    value("split", Some(&["delimiter", "limit"]), text::split),
    value("escape", Some(&["strategy"]), text::escape),
    value("raw", None, text::raw),
    value("slice", Some(&["fromIndex", "toIndex"]), collection::slice),
    value("length", None, collection::length),
    value("first", None, collection::first),
    value("last", None, collection::last),
    value("join", Some(&["separator"]), collection::join),
    value("sort", None, collection::sort),
    value("rsort", None, collection::rsort),
    value("reverse", None, collection::reverse),
    value("merge", Some(&["items"]), collection::merge),
    value("format", None, format::format),
    value("numberformat", Some(&["format"]), decimal::numberformat),
    value("abs", None, decimal::abs),
    value("date", Some(&["format", "existingFormat", "timeZone"]), date::date),
    Filter { name: "default", params: Some(&["default"]), run: Run::Default },
];

static ADOBE: [Filter; 3] =
    [value("added", None, adobe::added), value("removed", None, adobe::removed), value("toJson", None, adobe::to_json)];

pub(crate) fn find(name: &str, options: &Options) -> Option<&'static Filter> {
    all(options).find(|f| f.name == name)
}

fn all(options: &Options) -> impl Iterator<Item = &'static Filter> {
    let own: &'static [Filter] = if options.profile == Profile::Destination { &ADOBE } else { &[] };
    FILTERS.iter().chain(own)
}

pub(crate) fn names(options: &Options) -> impl Iterator<Item = &'static str> {
    all(options).map(|f| f.name)
}

pub(crate) use text::{is_match, replace_matches, replace_pairs, replaced_size, split_at, trimmed};

/// The pairs of `replace({…})` when all of them are constant, in the order in which they are applied.
pub(crate) fn constant_pairs(name: &str, bound: &Bound) -> Option<Vec<(String, String)>> {
    let Ok([Some(Expr::Map(entries))]) = bound.as_deref() else { return None };
    if name != "replace" {
        return None;
    }
    let constant = |e: &Expr| if let Expr::Const(Value::Str(s)) = e { Some(s.clone()) } else { None };
    let pairs: Option<Vec<_>> =
        entries.iter().map(|(k, v)| Some((Value::Str(constant(k)?), Value::Str(constant(v)?)))).collect();
    let map = crate::operators::literal_map(pairs?, &Default::default()).ok()?;
    let Value::Map(map) = map else { return None };
    let text = |v: &Value| v.text().unwrap_or_default().to_owned();
    Some(map.entries.iter().map(|(k, v)| (text(k), text(v))).collect())
}

pub(crate) fn default<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, args: Given<'a>) -> Raised<Held<'a>> {
    let input = plain(input);
    if crate::predicates::is_empty(&input, &renderer.changed) {
        let fallback = args.into_iter().next().flatten();
        return Ok(fallback.unwrap_or(Held::Ref(&crate::scope::NULL)));
    }
    Ok(input)
}

/// What filters see of a safe string, all but `escape`.
fn plain(input: Held<'_>) -> Held<'_> {
    match &*input {
        Value::Safe(s) => Held::Own(Value::Str((&**s).into())),
        _ => input,
    }
}

/// The first argument, if it was given.
pub(crate) fn first<'a>(args: Given<'a>) -> Option<Held<'a>> {
    args.into_iter().next().flatten()
}

/// A string, or a fault that names the filter.
pub(crate) fn string<'v>(filter: &str, value: &'v Value) -> Raised<&'v str> {
    value.text().ok_or_else(|| fault(format!("`{filter}` needs a string, not {}", value.kind())))
}
