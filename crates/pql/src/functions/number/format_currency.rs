//! `formatCurrency`: the number as an amount in the currency of a locale.

use crate::eval::Run;
use crate::functions::locale;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;
use model::SmolStr;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Number.named("number"), Takes::Locale.named("locale")],
    summary: "The number as an amount in the currency of a locale.",
    examples: &[
        (r#"formatCurrency(56L, "en_GB")"#, r#""£56.00""#),
        (r#"formatCurrency(1234.5, "de_DE")"#, r#""1.234,50 €""#),
        (r#"formatCurrency(-3.456, "en_US")"#, r#""-$3.46""#),
        (r#"formatCurrency(1234.5, "ja_JP")"#, r#""￥1,234""#),
        (r#"formatCurrency(nope, "en_GB")"#, "null"),
        (r#"formatCurrency(1, "de")"#, "error"),
    ],
    ..Function::plain("formatCurrency", Gives::Text, format_currency)
};

fn format_currency<'a>(_: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let (Some(number), Some(locale)) = (args[0].as_f64(), args[1].as_str().and_then(locale::find)) else {
        return V::Null;
    };
    V::Own(SmolStr::new(locale.amount(number)))
}
