//! `formatDate`: the instant in UTC by a pattern of Java: `yyyy` or `uuuu` year, `MM` month, `MMM` and `MMMM` its name, `dd` day, `EEE` and `EEEE` its name, `DDD` day of the year, `HH` hour, `hh` and `a` hour of the half day, `mm`, `ss`, `SSS`, `XXX` zone; text between single quotes stays.

use crate::eval::Run;
use crate::functions::date_pattern::Pattern;
use crate::functions::locale;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;
use model::{SmolStr, Timestamp};

pub(super) const FUNCTION: Function = Function {
    params: &[
        Takes::Time.named("time"),
        Takes::DatePattern.named("pattern"),
        Takes::DateLocale.named("locale").optional(),
    ],
    summary: "The instant in UTC by a pattern of Java: `yyyy` or `uuuu` year, `MM` month, `MMM` and `MMMM` its name, `dd` day, `EEE` and `EEEE` its name, `DDD` day of the year, `HH` hour, `hh` and `a` hour of the half day, `mm`, `ss`, `SSS`, `XXX` zone; text between single quotes stays. Names are English, or of the locale: de, en, es, fr, it, nl, pt. A pattern made of data that is none gives ISO 8601.",
    examples: &[
        (r#"formatDate(loyalty.joined, "MM/dd/yy")"#, r#""02/29/24""#),
        (r#"formatDate(date(2026, 3, 18), "EEEE, d MMMM yyyy", "de_DE")"#, r#""Mittwoch, 18 März 2026""#),
        (r#"formatDate(now, "yyyy-MM-dd'T'HH:mm:ss.SSSXXX")"#, r#""2026-03-18T10:30:00.000Z""#),
        ("formatDate(date(2026, 3, 18), homeAddress.city)", r#""2026-03-18T00:00:00Z""#),
        (r#"formatDate(nope, "yyyy")"#, "null"),
        (r#"formatDate(now, "yyyy-bb")"#, "error"),
    ],
    ..Function::plain("formatDate", Gives::Text, format_date)
};

fn format_date<'a>(run: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let (Some(ms), Some(pattern)) = (super::settled(run, &args[0]), args[1].as_str()) else { return V::Null };
    let names = match args.get(2) {
        None => Some(locale::ENGLISH),
        Some(locale) => locale.as_str().and_then(locale::names),
    };
    let Some(names) = names else { return V::Null };
    V::Own(match Pattern::new(pattern) {
        Ok(pattern) => SmolStr::new(pattern.print(ms, names)),
        Err(_) => SmolStr::new(Timestamp(ms).to_string()),
    })
}
