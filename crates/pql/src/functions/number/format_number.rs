//! `formatNumber`: the number as people of a locale write it, with at most three decimals.

use crate::eval::Run;
use crate::functions::locale;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;
use model::SmolStr;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Number.named("number"), Takes::Locale.named("locale")],
    summary: "The number as people of a locale write it, with at most three decimals.",
    examples: &[
        (r#"formatNumber(123456.789, "en_US")"#, r#""123,456.789""#),
        (r#"formatNumber(123456.789, "de_DE")"#, r#""123.456,789""#),
        (r#"formatNumber(123456.789, "ar_EG")"#, r#""١٢٣٬٤٥٦٫٧٨٩""#),
        (r#"formatNumber(1234567, "en_IN")"#, r#""12,34,567""#),
        (r#"formatNumber(-0.0004, "en_US")"#, r#""0""#),
        (r#"formatNumber(nope, "en_US")"#, "null"),
        (r#"formatNumber(1, "xx_XX")"#, "error"),
    ],
    ..Function::plain("formatNumber", Gives::Text, format_number)
};

fn format_number<'a>(_: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let (Some(number), Some(locale)) = (args[0].as_f64(), args[1].as_str().and_then(locale::find)) else {
        return V::Null;
    };
    V::Own(SmolStr::new(locale.number(number)))
}
