//! The functions of the language: what each is called, takes, gives and does.
//!
//! A function is a record in a file of its own; the record also yields its page of the manual and its tests.
//! Most hold their code; those whose arguments are expressions over items, or constants to prepare, name a
//! `Form` that the compiler builds. Receivers are first arguments. Null goes in and null comes out, except that
//! predicates are false on null, unless a record says otherwise.

pub mod manual;

mod array;
mod convert;
mod date_pattern;
mod locale;
mod logic;
mod map;
mod number;
pub mod pattern;
mod text;
mod time;

use crate::diagnostic::Kind;
use crate::eval::Run;
use crate::node::Fold;
use crate::value::V;
use model::SmolStr;

/// Code over evaluated arguments.
pub(crate) type Plain = for<'a> fn(&mut Run<'a>, &[V<'a>]) -> V<'a>;

/// A function of the language.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Its name; functions are case-sensitive.
    pub name: &'static str,
    /// Its parameters, the receiver first; those that may be left out come last.
    pub params: &'static [Param],
    /// The last parameter may be repeated.
    pub variadic: bool,
    /// What it gives.
    pub result: Gives,
    /// What it does, in a sentence or a few.
    pub summary: &'static str,
    /// Queries over the profile of the manual, and their values as JSON; `error` where the query is refused.
    pub examples: &'static [(&'static str, &'static str)],
    /// Its value changes with time alone.
    pub(crate) clock: bool,
    /// It takes a month or day without the year.
    pub(crate) ignores_year: bool,
    /// Which of its arguments it compares with each other.
    pub(crate) compares: Compares,
    pub(crate) code: Code,
}

/// A parameter.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its name in the manual.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// It may be left out.
    pub optional: bool,
}

/// What a parameter takes; null is taken everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Any value.
    Any,
    /// Text.
    Text,
    /// Text that is a regular expression.
    Regex,
    /// Text that is a Java pattern of dates.
    DatePattern,
    /// Text that names a locale whose numbers are known.
    Locale,
    /// Text that names a locale whose months and days are known.
    DateLocale,
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
    /// An instant.
    Time,
    /// An array of text.
    Texts,
    /// The type of the first argument.
    First,
    /// The item type of the first argument.
    Item,
    /// An array of anything.
    Array,
    /// An array of the values of the first argument.
    Values,
    /// What its arguments say.
    Depends,
}

/// Which arguments a function compares; those of types that are never equal are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compares {
    Nothing,
    /// The first with each of the others, but for a flag.
    Values,
    /// The items of the one with those of the other.
    Items,
    /// The items of the first with the second.
    ItemsWithValue,
    /// The first with the items of the second.
    ValueWithItems,
}

/// How a function is carried out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Code {
    Plain(Plain),
    Form(Form),
    /// Known, and refused for a reason.
    Refused(&'static str),
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

/// Functions of one kind.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// What they are about; the name of their page.
    pub name: &'static str,
    /// What holds for all of them.
    pub summary: &'static str,
    /// In the order of the manual.
    pub functions: &'static [Function],
}

/// Every group, in the order of the manual.
pub const GROUPS: &[Group] =
    &[text::GROUP, array::GROUP, map::GROUP, logic::GROUP, time::GROUP, number::GROUP, convert::GROUP];

/// Every function, by group.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    GROUPS.iter().flat_map(|group| group.functions)
}

/// The function of a name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    functions().find(|f| f.name == name)
}

/// What other languages call some functions, and what they are called here.
const OTHER_NAMES: [(&str, &str); 20] = [
    ("substring", "substr"),
    ("upper", "upperCase"),
    ("toUpperCase", "upperCase"),
    ("lower", "lowerCase"),
    ("toLowerCase", "lowerCase"),
    ("len", "length"),
    ("size", "count"),
    ("avg", "average"),
    ("mean", "average"),
    ("unique", "distinct"),
    ("abs", "absolute"),
    ("floor", "roundDown"),
    ("ceil", "roundUp"),
    ("first", "head"),
    ("limit", "topN"),
    ("regexMatch", "matches"),
    ("exists", "isNotNull"),
    ("ltrim", "leftTrim"),
    ("rtrim", "rightTrim"),
    ("memberOf", "inSegment"),
];

/// The function that other languages know by this name.
pub(crate) fn by_another_name(name: &str) -> Option<&'static str> {
    OTHER_NAMES.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, ours)| *ours)
}

/// What is wrong with a text literal where such a parameter stands.
pub(crate) fn constant_fault(takes: Takes, text: &str) -> Option<(Kind, String)> {
    match takes {
        Takes::Regex => pattern::Regex::new(text, pattern::Use::Find)
            .err()
            .map(|message| (Kind::Regex, format!("this regular expression does not compile: {message}"))),
        Takes::DatePattern => {
            let fault = date_pattern::Pattern::new(text).err()?;
            Some((Kind::Constant, format!("this is no pattern of a date: {fault}")))
        }
        Takes::Locale if locale::find(text).is_none() => {
            Some((Kind::Constant, format!("there is no locale `{text}` here; there are {}", locale::tags())))
        }
        Takes::DateLocale if locale::names(text).is_none() => Some((
            Kind::Constant,
            format!("there are no names of months for `{text}`; there are {}", locale::languages()),
        )),
        Takes::Time if crate::calendar::read_instant(text).is_none() => {
            Some((Kind::Type, "this string is not a date or time".into()))
        }
        _ => None,
    }
}

/// `like` whose pattern is data: one that is no pattern fits nothing.
pub(crate) fn like_of_data<'a>(run: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let mut fits = |text: &str, pattern: &str| {
        run.pay_slow(pattern.len());
        pattern::Like::new(pattern).is_ok_and(|like| run.is_like(&like, text))
    };
    V::Bool(args[0].as_str().zip(args[1].as_str()).is_some_and(|(text, pattern)| fits(text, pattern)))
}

/// `matches` whose expression is data: one that does not compile matches nothing.
pub(crate) fn matches_of_data<'a>(run: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let mut fits = |text: &str, regex: &str| {
        let regex = pattern::Regex::of_data(regex, pattern::Use::Test, run);
        regex.is_some_and(|regex| run.matches(&regex, text))
    };
    V::Bool(args[0].as_str().zip(args[1].as_str()).is_some_and(|(text, regex)| fits(text, regex)))
}

/// `regexGroup` whose expression is data.
pub(crate) fn group_of_data<'a>(run: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let (Some(text), Some(regex), V::Int(group)) = (args[0].as_str(), args[1].as_str(), &args[2]) else {
        return V::Null;
    };
    let regex = pattern::Regex::of_data(regex, pattern::Use::Find, run);
    let (Some(regex), Ok(group)) = (regex, usize::try_from(*group)) else { return V::Null };
    regex.group(text, group, run).map_or(V::Null, |part| V::Own(SmolStr::new(part)))
}

impl Function {
    /// How many arguments must be given.
    pub fn required(&self) -> usize {
        self.params.iter().filter(|p| !p.optional).count()
    }

    const fn new(name: &'static str, result: Gives, code: Code) -> Function {
        Function {
            name,
            params: &[],
            variadic: false,
            result,
            summary: "",
            examples: &[],
            clock: false,
            ignores_year: false,
            compares: Compares::Nothing,
            code,
        }
    }

    const fn plain(name: &'static str, result: Gives, code: Plain) -> Function {
        Function::new(name, result, Code::Plain(code))
    }

    const fn form(name: &'static str, result: Gives, form: Form) -> Function {
        Function::new(name, result, Code::Form(form))
    }
}

impl Takes {
    const fn named(self, name: &'static str) -> Param {
        Param { name, takes: self, optional: false }
    }
}

impl Param {
    const fn optional(self) -> Param {
        Param { optional: true, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_are_none_of_ours() {
        for (other, ours) in OTHER_NAMES {
            assert!(find(other).is_none() && find(ours).is_some(), "{other} {ours}");
        }
    }
}
