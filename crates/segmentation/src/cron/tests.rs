//! When expressions fire, and which are refused.

use super::Cron;
use model::Timestamp;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

#[test]
fn expressions_fire_when_they_should() {
    // 2026-03-01 is a Sunday.
    let after = at("2026-03-01T12:00:00Z");
    let cases = [
        ("0 0 1 * * ?", "2026-03-02T01:00:00Z"),
        ("30 15 13 * * ?", "2026-03-01T13:15:30Z"),
        ("0 0 12 * * ?", "2026-03-02T12:00:00Z"),
        ("0 0 1 ? * MON-FRI", "2026-03-02T01:00:00Z"),
        ("0 0 1 ? * 7", "2026-03-07T01:00:00Z"),
        ("0 0 1 ? * SAT,SUN", "2026-03-07T01:00:00Z"),
        ("0 0 1 ? * FRI-MON", "2026-03-02T01:00:00Z"),
        ("0 0 1 15 * ?", "2026-03-15T01:00:00Z"),
        ("0 0 1 1/10 * ?", "2026-03-11T01:00:00Z"),
        ("0 0 1 */15 * ?", "2026-03-16T01:00:00Z"),
        ("0 0 1 L * ?", "2026-03-31T01:00:00Z"),
        ("0 0 1 L-2 * ?", "2026-03-29T01:00:00Z"),
        ("0 0 1 LW * ?", "2026-03-31T01:00:00Z"),
        ("0 0 1 15W * ?", "2026-03-16T01:00:00Z"),
        ("0 0 1 1W 8 ?", "2026-08-03T01:00:00Z"),
        ("0 0 1 31W 5 ?", "2026-05-29T01:00:00Z"),
        ("0 0 1 ? * 6L", "2026-03-27T01:00:00Z"),
        ("0 0 1 ? * TUE#2", "2026-03-10T01:00:00Z"),
        ("0 0 1 ? * L", "2026-03-07T01:00:00Z"),
        ("0 0 1 1 JAN,jul ?", "2026-07-01T01:00:00Z"),
        ("0 0 1 29 2 ? *", "2028-02-29T01:00:00Z"),
        ("0 0 1 1 1 ? 2030", "2030-01-01T01:00:00Z"),
        ("0 0 1 1 1 ? 2030-2040/5", "2030-01-01T01:00:00Z"),
    ];
    for (text, next) in cases {
        let cron = Cron::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(cron.next(after), Some(at(next)), "{text}");
    }
    for never in ["0 0 1 1 1 ? 2020", "0 0 1 30 2 ?", "0 0 1 31 4 ?"] {
        assert_eq!(Cron::parse(never).expect("legal").next(after), None, "{never}");
    }
}

#[test]
fn the_last_of_many_missed_runs_counts() {
    let cron = Cron::parse("0 0 1 * * ?").expect("legal");
    let from = at("2026-03-01T01:00:00Z");
    assert_eq!(cron.last_in(from, at("2026-03-02T00:59:59Z")), None);
    assert_eq!(cron.last_in(from, at("2026-03-02T01:00:00Z")), Some(at("2026-03-02T01:00:00Z")));
    assert_eq!(cron.last_in(from, at("2026-04-02T00:30:00Z")), Some(at("2026-04-01T01:00:00Z")));
}

#[test]
fn bad_expressions_are_refused_by_field() {
    let cases = [
        ("", "must have 6 or 7 fields, has 0: ``"),
        ("0 0 1 * *", "must have 6 or 7 fields, has 5: `0 0 1 * *`"),
        ("0 0 1 * * ? * *", "must have 6 or 7 fields, has 8: `0 0 1 * * ? * *`"),
        ("* 0 1 * * ?", "the field seconds must be one value, is `*`: a schedule runs at most once in 24 hours"),
        ("0 0/30 1 * * ?", "the field minutes must be one value, is `0/30`: a schedule runs at most once in 24 hours"),
        ("0 0 1,13 * * ?", "the field hours must be one value, is `1,13`: a schedule runs at most once in 24 hours"),
        ("60 0 1 * * ?", "the field seconds must hold numbers from 0 to 59, is `60`"),
        ("0 0 24 * * ?", "the field hours must hold numbers from 0 to 23, is `24`"),
        ("0 0 one * * ?", "the field hours must hold numbers from 0 to 23, is `one`"),
        ("0 0 +1 * * ?", "the field hours must hold numbers from 0 to 23, is `+1`"),
        ("0 0 1 32 * ?", "the field day of month must hold numbers from 1 to 31, is `32`"),
        ("0 0 1 L-40 * ?", "the field day of month must have 0 to 30 days behind `L-`, is `L-40`"),
        ("0 0 1 0W * ?", "the field day of month must have a day from 1 to 31 before `W`, is `0W`"),
        ("0 0 1 1 13 ?", "the field month must hold numbers from 1 to 12, is `13`"),
        ("0 0 1 ? * 8", "the field day of week must hold numbers from 1 to 7, is `8`"),
        ("0 0 1 ? * MON#6", "the field day of week must have 1 to 5 behind `#`, is `MON#6`"),
        ("0 0 1 1/0 * ?", "the field day of month must have a step from 1 on behind `/`, is `1/0`"),
        ("0 0 1 1 1 ? 1969", "the field year must hold numbers from 1970 to 2099, is `1969`"),
        ("0 0 1 ? * ?", "the fields day of month and day of week cannot both be `?`"),
        ("0 0 1 1 * 2", "one of the fields day of month and day of week must be `?`; `1` and `2` were given"),
    ];
    for (text, message) in cases {
        assert_eq!(Cron::parse(text).expect_err(text), message, "{text}");
    }
}
