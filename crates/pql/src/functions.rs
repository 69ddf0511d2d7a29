//! The functions of the language: what each is called, takes, gives and does.
//!
//! A function is a record. Most hold their code; those whose arguments are expressions over items, or
//! constants to prepare, name a `Form` that the compiler builds. Receivers are first arguments.

mod arrays;
mod maps;
mod numbers;
pub(crate) mod pattern;
mod strings;
mod time;

use crate::eval::Run;
use crate::node::Fold;
use crate::value::V;

/// Code over evaluated arguments.
pub(crate) type Plain = for<'a> fn(&mut Run<'a>, &[V<'a>]) -> V<'a>;

/// A function of the language.
#[derive(Debug)]
pub struct Function {
    /// Its name; functions are case-sensitive.
    pub name: &'static str,
    /// Its parameters, the receiver first.
    pub params: &'static [Param],
    /// How many of them must be given.
    pub required: usize,
    /// The last parameter may be repeated.
    pub variadic: bool,
    /// What it gives.
    pub result: Gives,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// A query that needs no profile.
    pub example: &'static str,
    /// The result of the example, as JSON.
    pub outcome: &'static str,
    pub(crate) code: Code,
}

/// A parameter.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its name in the manual.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
}

/// What a parameter takes; null is taken everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Any value.
    Any,
    /// Text.
    Text,
    /// A number.
    Number,
    /// true or false.
    Boolean,
    /// An instant or a date.
    Time,
    /// An array.
    Array,
    /// A map or an object.
    Map,
    /// An expression that is evaluated for each item.
    PerItem,
}

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// true or false.
    Boolean,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Text.
    Text,
    /// A whole day.
    Date,
    /// An array of text.
    Texts,
    /// The type of the first argument.
    First,
    /// The item type of the first argument.
    Item,
    /// An array of anything.
    Array,
    /// What its arguments say.
    Depends,
}

/// How a function is carried out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Code {
    Plain(Plain),
    Form(Form),
}

/// Functions that the compiler builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Filter,
    Map,
    TopN,
    BottomN,
    GroupBy,
    Fold(Fold),
    If,
    Like,
    Matches,
    RegexGroup,
    InSegment,
    MapEntry,
}

/// Names of the Journey Optimizer library (pql.md §21) that are not built.
const UNSUPPORTED: [&str; 33] = [
    "age",
    "camelCase",
    "charCodeAt",
    "currentTimeInMillis",
    "dateDiff",
    "dayOfWeek",
    "dayOfYear",
    "encode64",
    "extractEmailDomain",
    "formatCurrency",
    "formatDate",
    "formatNumber",
    "getUrlHost",
    "getUrlPath",
    "getUrlProtocol",
    "mask",
    "md5",
    "random",
    "setDays",
    "setHours",
    "sha256",
    "stringToDate",
    "stringToNumber",
    "string_to_integer",
    "titleCase",
    "toBool",
    "toDateTime",
    "toDateTimeOnly",
    "toHexString",
    "toPercentage",
    "toPrecision",
    "toUTC",
    "weekOfYear",
];

/// Every function, by group.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    [strings::FUNCTIONS, time::FUNCTIONS, arrays::FUNCTIONS, maps::FUNCTIONS, numbers::FUNCTIONS, pattern::FUNCTIONS]
        .into_iter()
        .flatten()
}

/// The function of a name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    functions().find(|f| f.name == name)
}

/// True for names that are known but not built.
pub(crate) fn is_unsupported(name: &str) -> bool {
    UNSUPPORTED.contains(&name) || ["replaceAll", "urlDecode", "urlEncode"].contains(&name)
}

const fn param(name: &'static str, takes: Takes) -> Param {
    Param { name, takes }
}

/// Shortens the records of this module.
macro_rules! function {
    ($name:literal ($($param:ident : $takes:ident),*) $required:literal => $gives:ident, $code:expr,
     $summary:literal, $example:literal => $outcome:literal) => {
        Function {
            name: $name,
            params: &[$($crate::functions::param(stringify!($param), $crate::functions::Takes::$takes)),*],
            required: $required,
            variadic: false,
            result: $crate::functions::Gives::$gives,
            summary: $summary,
            example: $example,
            outcome: $outcome,
            code: $code,
        }
    };
}
pub(crate) use function;
