//! Functions of text (pql.md §9, §21). A null receiver or argument makes every predicate false.

use super::{Code, Function, function};
use crate::eval::Run;
use crate::value::V;
use model::SmolStr;

pub(super) const FUNCTIONS: &[Function] = &[
    function!("startsWith"(text: Text, start: Text, caseSensitive: Boolean) 2 => Boolean, Code::Plain(|_, a| test(a, |s, t| s.starts_with(t))),
        "True if the text begins with the other.", r#""Dresden".startsWith("dres", false)"# => "true"),
    function!("doesNotStartWith"(text: Text, start: Text, caseSensitive: Boolean) 2 => Boolean,
        Code::Plain(|_, a| test(a, |s, t| !s.starts_with(t))),
        "True if the text does not begin with the other; false if one is absent.", r#""Dresden".doesNotStartWith("B")"# => "true"),
    function!("endsWith"(text: Text, end: Text, caseSensitive: Boolean) 2 => Boolean, Code::Plain(|_, a| test(a, |s, t| s.ends_with(t))),
        "True if the text ends with the other.", r#""Dresden".endsWith("den")"# => "true"),
    function!("doesNotEndWith"(text: Text, end: Text, caseSensitive: Boolean) 2 => Boolean,
        Code::Plain(|_, a| test(a, |s, t| !s.ends_with(t))),
        "True if the text does not end with the other; false if one is absent.", r#""Dresden".doesNotEndWith("DEN")"# => "true"),
    function!("contains"(text: Text, part: Text, caseSensitive: Boolean) 2 => Boolean, Code::Plain(|_, a| test(a, |s, t| s.contains(t))),
        "True if the other text occurs in the text.", r#"contains("Dresden", "DRES", false)"# => "true"),
    function!("doesNotContain"(text: Text, part: Text, caseSensitive: Boolean) 2 => Boolean,
        Code::Plain(|_, a| test(a, |s, t| !s.contains(t))),
        "True if the other text does not occur in the text; false if one is absent.", r#""Dresden".doesNotContain("x")"# => "true"),
    Function {
        variadic: true,
        ..function!("equals"(value: Any, other: Any) 2 => Boolean, Code::Plain(|run, a| equals(run, a, true)),
            "True if the value equals one of the others; a last Boolean tells whether case matters.",
            r#""Gold".equals("silver", "gold", false)"# => "true")
    },
    Function {
        variadic: true,
        ..function!("notEqualTo"(value: Any, other: Any) 2 => Boolean, Code::Plain(|run, a| equals(run, a, false)),
            "True if the value equals none of the others; false if one is absent.", r#""Gold".notEqualTo("Silver")"# => "true")
    },
    function!("equalsIgnoreCase"(text: Text, other: Text) 2 => Boolean,
        Code::Plain(|_, a| both(a, |s, t| s.to_lowercase() == t.to_lowercase())),
        "True if the texts are equal but for case.", r#"equalsIgnoreCase("Gold", "gOLD")"# => "true"),
    function!("notEqualWithIgnoreCase"(text: Text, other: Text) 2 => Boolean,
        Code::Plain(|_, a| both(a, |s, t| s.to_lowercase() != t.to_lowercase())),
        "True if the texts differ in more than case.", r#"notEqualWithIgnoreCase("Gold", "silver")"# => "true"),
    function!("isEmpty"(text: Text) 1 => Boolean, Code::Plain(|_, a| one(a, |s| V::Bool(s.is_empty()))),
        "True if the text has no characters.", r#"isEmpty("")"# => "true"),
    function!("isNotEmpty"(text: Text) 1 => Boolean, Code::Plain(|_, a| one(a, |s| V::Bool(!s.is_empty()))),
        "True if the text has characters.", r#"isNotEmpty("")"# => "false"),
    function!("length"(text: Text) 1 => Integer, Code::Plain(|_, a| one(a, |s| V::Int(s.chars().count() as i64))),
        "How many characters the text has.", r#"length("López")"# => "5"),
    function!("lowerCase"(text: Text) 1 => Text, Code::Plain(|_, a| one(a, |s| text(s.to_lowercase()))),
        "The text in lower case.", r#"lowerCase("López")"# => r#""lópez""#),
    function!("upperCase"(text: Text) 1 => Text, Code::Plain(|_, a| one(a, |s| text(s.to_uppercase()))),
        "The text in upper case.", r#"upperCase("López")"# => r#""LÓPEZ""#),
    function!("trim"(text: Text) 1 => Text, Code::Plain(|_, a| one(a, |s| text(s.trim()))),
        "The text without white space around it.", r#"trim("  a ")"# => r#""a""#),
    function!("leftTrim"(text: Text) 1 => Text, Code::Plain(|_, a| one(a, |s| text(s.trim_start()))),
        "The text without white space before it.", r#"leftTrim("  a ")"# => r#""a ""#),
    function!("rightTrim"(text: Text) 1 => Text, Code::Plain(|_, a| one(a, |s| text(s.trim_end()))),
        "The text without white space after it.", r#"rightTrim("  a ")"# => r#""  a""#),
    Function {
        variadic: true,
        ..function!("concat"(text: Text, more: Text) 2 => Text, Code::Plain(|_, a| concat(a)),
            "The texts one after the other; null if one is absent.", r#"concat("a", "b", "c")"# => r#""abc""#)
    },
    function!("indexOf"(text: Text, part: Text) 2 => Integer, Code::Plain(|_, a| two(a, |s, t| place(s, s.find(t)))),
        "Where the part first occurs, from 0; -1 if it does not.", r#"indexOf("hello world", "o")"# => "4"),
    function!("lastIndexOf"(text: Text, part: Text) 2 => Integer, Code::Plain(|_, a| two(a, |s, t| place(s, s.rfind(t)))),
        "Where the part last occurs, from 0; -1 if it does not.", r#"lastIndexOf("hello world", "o")"# => "7"),
    function!("replace"(text: Text, part: Text, by: Text) 3 => Text,
        Code::Plain(|_, a| match a[2].as_str() {
            Some(by) => two(a, |s, t| text(s.replace(t, by))),
            None => V::Null,
        }),
        "The text with every occurrence of the part replaced.", r#"replace("a.b.c", ".", "-")"# => r#""a-b-c""#),
    function!("split"(text: Text, separator: Text) 2 => Texts, Code::Plain(|_, a| two(a, |s, t| V::list(s.split(t).map(text).collect()))),
        "The parts of the text between separators.", r#"split("a,b", ",")"# => r#"["a","b"]"#),
    function!("substr"(text: Text, start: Number, end: Number) 2 => Text, Code::Plain(|_, a| substr(a)),
        "The characters from `start` (from 0) up to `end`, which is left out.", r#"substr("hello", 1, 3)"# => r#""el""#),
];

fn text<'a>(s: impl AsRef<str>) -> V<'a> {
    V::Own(SmolStr::new(s))
}

fn one<'a>(args: &[V<'a>], f: impl Fn(&str) -> V<'a>) -> V<'a> {
    args[0].as_str().map_or(V::Null, f)
}

fn two<'a>(args: &[V<'a>], f: impl Fn(&str, &str) -> V<'a>) -> V<'a> {
    match (args[0].as_str(), args[1].as_str()) {
        (Some(s), Some(t)) => f(s, t),
        _ => V::Null,
    }
}

fn both<'a>(args: &[V<'a>], f: impl Fn(&str, &str) -> bool) -> V<'a> {
    V::Bool(two(args, |s, t| V::Bool(f(s, t))).truth())
}

/// A predicate of two texts with an optional flag for case.
fn test<'a>(args: &[V<'a>], f: impl Fn(&str, &str) -> bool) -> V<'a> {
    match args.get(2) {
        None | Some(V::Bool(true)) => both(args, f),
        Some(V::Bool(false)) => both(args, |s, t| f(&s.to_lowercase(), &t.to_lowercase())),
        Some(_) => V::Bool(false),
    }
}

/// Alternatives and perhaps a last Boolean, which is the flag for case unless it is the only one.
fn equals<'a>(run: &mut Run<'a>, args: &[V<'a>], wanted: bool) -> V<'a> {
    let (fold_case, others) = match args {
        [_, others @ .., V::Bool(sensitive)] if !others.is_empty() => (!sensitive, others),
        [_, others @ ..] => (false, others),
        [] => (false, args),
    };
    if args[0].is_null() || others.iter().any(V::is_null) {
        return V::Bool(false);
    }
    let found = others.iter().any(|other| match (fold_case, args[0].as_str(), other.as_str()) {
        (true, Some(s), Some(t)) => s.to_lowercase() == t.to_lowercase(),
        _ => run.same(&args[0], other),
    });
    V::Bool(found == wanted)
}

fn concat<'a>(args: &[V<'a>]) -> V<'a> {
    let parts: Option<Vec<&str>> = args.iter().map(V::as_str).collect();
    parts.map_or(V::Null, |parts| text(parts.concat()))
}

fn place<'a>(whole: &str, byte: Option<usize>) -> V<'a> {
    V::Int(byte.map_or(-1, |byte| whole[..byte].chars().count() as i64))
}

fn substr<'a>(args: &[V<'a>]) -> V<'a> {
    let bound = |v: &V<'a>| v.as_f64().map(|n| n.max(0.0) as usize);
    let (Some(s), Some(start)) = (args[0].as_str(), bound(&args[1])) else { return V::Null };
    let end = match args.get(2) {
        None => usize::MAX,
        Some(end) => match bound(end) {
            Some(end) => end,
            None => return V::Null,
        },
    };
    text(s.chars().skip(start).take(end.saturating_sub(start)).collect::<String>())
}
