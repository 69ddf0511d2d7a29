//! `numberformat` and `abs`: Java's `DecimalFormat` for English.
//!
//! In: numbers and a pattern. Out: text. Always: the digits are the shortest that read back; rounded half to even,
//! where the exact value decides what looks like a tie.

use super::{Given, first};
use crate::error::{Raised, fault};
use crate::render::Renderer;
use crate::scope::Held;
use crate::value::Value;
use std::cmp::Ordering;
use std::sync::Arc;

pub(super) fn abs<'a>(_: &mut Renderer<'a>, input: Held<'a>, _: Given<'a>) -> Raised<Held<'a>> {
    Ok(Held::Own(match &*input {
        Value::Long(v) => Value::Long(v.wrapping_abs()),
        Value::Int(v) => Value::Int(v.wrapping_abs()),
        Value::Lazy(v) => Value::Long(v.wrapping_abs().into()),
        Value::Double(v) => Value::Double(v.abs()),
        Value::Big(big) => Value::Big(Arc::new(big.abs())),
        other => return Err(fault(format!("`abs` needs a number, not {}", other.kind()))),
    }))
}

pub(super) fn numberformat<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, args: Given<'a>) -> Raised<Held<'a>> {
    if matches!(*input, Value::Null) {
        return Ok(input);
    }
    if !input.is_number() {
        return Err(fault(format!("`numberformat` needs a number, not {}", input.kind())));
    }
    let pattern = match first(args).as_deref() {
        None | Some(Value::Null) => Pattern::parse("#,##0.###")?,
        Some(Value::Str(pattern)) => {
            renderer.read(pattern.len())?;
            Pattern::parse(pattern).map_err(|f| f.given(pattern))?
        }
        Some(other) => return Err(fault(format!("the pattern of `numberformat` is a string, not {}", other.kind()))),
    };
    let text = pattern.format(&input);
    renderer.charge(text.len())?;
    Ok(Held::Own(Value::Str(text.into())))
}

/// A pattern of `DecimalFormat`.
#[derive(Debug, Default)]
struct Pattern {
    prefix: String,
    suffix: String,
    negative: Option<(String, String)>,
    multiplier: u32,
    integer_min: usize,
    /// Only scientific notation bounds the integer digits.
    integer_max: usize,
    fraction_min: usize,
    fraction_max: usize,
    grouping: usize,
    exponent_min: Option<usize>,
    point_always: bool,
}

/// Counts of one half of a pattern while it is read.
#[derive(Default)]
struct Half {
    prefix: String,
    suffix: String,
    left: usize,
    zeros: usize,
    right: usize,
    point: Option<usize>,
    grouping: Option<usize>,
    exponent: Option<usize>,
    multiplier: u32,
}

fn malformed(what: &str) -> Box<crate::error::Fault> {
    fault(format!("the pattern of `numberformat` is malformed: {what}"))
}

impl Half {
    /// Reads one half; gives what is left after a `;`.
    fn read<'p>(&mut self, pattern: &'p str, positive: bool) -> Raised<Option<&'p str>> {
        let mut chars = pattern.char_indices().peekable();
        let (mut in_suffix, mut quoted) = (false, false);
        while let Some((at, c)) = chars.next() {
            if quoted {
                if c != '\'' {
                    self.affix(in_suffix).push(c);
                } else if chars.next_if(|(_, c)| *c == '\'').is_some() {
                    self.affix(in_suffix).push('\'');
                } else {
                    quoted = false;
                }
                continue;
            }
            match c {
                '#' | '0' | ',' | '.' => {
                    in_suffix = true;
                    if positive {
                        self.digit(c)?;
                    }
                }
                'E' if in_suffix
                    && self.suffix.is_empty()
                    && (!positive || self.digits() > 0 || self.point.is_some()) =>
                {
                    if !positive {
                        continue;
                    }
                    let mut zeros = 0;
                    while chars.next_if(|(_, c)| *c == '0').is_some() {
                        zeros += 1;
                    }
                    if self.exponent.is_some() || self.left + self.zeros < 1 || zeros < 1 {
                        return Err(malformed("the exponent"));
                    }
                    self.exponent = Some(zeros);
                }
                '\'' => {
                    if chars.next_if(|(_, c)| *c == '\'').is_some() {
                        self.affix(in_suffix).push('\'');
                    } else {
                        quoted = true;
                    }
                }
                ';' => {
                    if !in_suffix || !positive {
                        return Err(malformed("an unquoted `;`"));
                    }
                    self.check()?;
                    return Ok(Some(&pattern[at + 1..]));
                }
                '%' | '\u{2030}' => {
                    if self.multiplier > 1 {
                        return Err(malformed("more than one percent sign"));
                    }
                    self.multiplier = if c == '%' { 100 } else { 1000 };
                    self.affix(in_suffix).push(c);
                }
                '\u{a4}' => {
                    let name = chars.next_if(|(_, c)| *c == '\u{a4}').map_or("$", |_| "USD");
                    self.affix(in_suffix).push_str(name);
                }
                c => self.affix(in_suffix).push(c),
            }
        }
        if quoted { Err(malformed("an open quote")) } else { self.check().map(|()| None) }
    }

    fn affix(&mut self, suffix: bool) -> &mut String {
        if suffix { &mut self.suffix } else { &mut self.prefix }
    }

    fn digits(&self) -> usize {
        self.left + self.zeros + self.right
    }

    fn digit(&mut self, c: char) -> Raised<()> {
        match c {
            '#' if self.zeros > 0 => self.right += 1,
            '#' => self.left += 1,
            '0' if self.right > 0 => return Err(malformed("a `0` after a `#`")),
            '0' => self.zeros += 1,
            ',' => self.grouping = Some(0),
            _ if self.point.is_some() => return Err(malformed("two decimal points")),
            _ => self.point = Some(self.digits()),
        }
        if matches!(c, '#' | '0') && self.point.is_none() {
            self.grouping = self.grouping.map(|g| g + 1);
        }
        Ok(())
    }

    fn check(&mut self) -> Raised<()> {
        if let (0, 1.., Some(point)) = (self.zeros, self.left, self.point) {
            let n = point.max(1);
            self.right = self.left - n;
            self.left = n - 1;
            self.zeros = 1;
        }
        let misplaced = match self.point {
            Some(point) => point < self.left || point > self.left + self.zeros,
            None => self.right > 0,
        };
        if misplaced || self.grouping == Some(0) { Err(malformed("the digits")) } else { Ok(()) }
    }
}

impl Pattern {
    fn parse(text: &str) -> Raised<Pattern> {
        const DIGITS_MAX: usize = 340;
        if text.is_empty() {
            return Ok(Pattern { multiplier: 1, grouping: 3, fraction_max: DIGITS_MAX, ..Pattern::default() });
        }
        let mut half = Half::default();
        let rest = half.read(text, true)?;
        let mut negative = None;
        if let Some(rest) = rest {
            let mut other = Half::default();
            other.read(rest, false)?;
            negative = Some((other.prefix, other.suffix));
        }
        let total = half.digits();
        let point = half.point.unwrap_or(total);
        let integer_min = point - half.left;
        let has_point = half.point.is_some();
        Ok(Pattern {
            negative: negative.filter(|n| *n != (half.prefix.clone(), half.suffix.clone())),
            prefix: half.prefix,
            suffix: half.suffix,
            multiplier: half.multiplier.max(1),
            integer_min,
            integer_max: half.left + integer_min,
            fraction_min: if has_point { half.left + half.zeros - point } else { 0 },
            fraction_max: if has_point { total - point } else { 0 },
            grouping: half.grouping.unwrap_or(0),
            exponent_min: half.exponent,
            point_always: has_point && (point == 0 || point == total),
        })
    }

    fn format(&self, value: &Value) -> String {
        let (negative, body) = match value {
            Value::Double(d) if d.is_nan() => return "NaN".into(),
            Value::Double(d) => {
                let scaled = d * f64::from(self.multiplier);
                let body = if scaled.is_infinite() { "\u{221e}".into() } else { self.double(scaled.abs()) };
                (d.is_sign_negative(), body)
            }
            whole => {
                let (negative, digits) = self.whole_digits(whole);
                let body = match self.exponent_min {
                    Some(_) => self.scientific(&digits, digits.len() as i32, f64::NAN),
                    None => self.plain(&digits, ""),
                };
                (negative, body)
            }
        };
        match (&self.negative, negative) {
            (Some((prefix, suffix)), true) => format!("{prefix}{body}{suffix}"),
            (None, true) => format!("-{}{body}{}", self.prefix, self.suffix),
            (_, false) => format!("{}{body}{}", self.prefix, self.suffix),
        }
    }

    /// Sign and digits of a whole number, multiplied; zero has no digits.
    fn whole_digits(&self, value: &Value) -> (bool, String) {
        let small = match value {
            Value::Int(v) | Value::Lazy(v) => i128::from(*v),
            Value::Long(v) => i128::from(*v),
            Value::Big(big) => {
                let zeros = self.multiplier.ilog10() as usize;
                let digits = big.digits.trim_start_matches('-').trim_start_matches('0');
                return (big.digits.starts_with('-'), format!("{digits}{}", "0".repeat(zeros)));
            }
            _ => 0,
        };
        let scaled = small * i128::from(self.multiplier);
        let digits = if scaled == 0 { String::new() } else { scaled.unsigned_abs().to_string() };
        (scaled < 0, digits)
    }

    fn double(&self, size: f64) -> String {
        if self.exponent_min.is_none() {
            let (digits, point) = shortest(size);
            let kept = i64::from(point).saturating_add(self.fraction_max.try_into().unwrap_or(i64::MAX));
            let (digits, point) = match usize::try_from(kept) {
                Ok(kept) => rounded(&digits, kept, point, tie(size, &digits, kept)),
                Err(_) => (String::new(), 0),
            };
            let missing = point.unsigned_abs() as usize;
            if point <= 0 {
                let zeros = if digits.is_empty() { 0 } else { missing };
                return self.plain("", &format!("{}{digits}", "0".repeat(zeros)));
            }
            let (whole, fraction) = digits.split_at(missing.min(digits.len()));
            return self.plain(&format!("{whole:0<missing$}"), fraction);
        }
        if size == 0.0 {
            return self.scientific("", 0, 0.0);
        }
        let (digits, point) = shortest(size);
        self.scientific(&digits, point, size)
    }

    fn plain(&self, whole: &str, fraction: &str) -> String {
        let mut kept = fraction.trim_end_matches('0').to_owned();
        while kept.len() < self.fraction_min {
            kept.push('0');
        }
        let padded = format!("{}{whole}", "0".repeat(self.integer_min.saturating_sub(whole.len())));
        let mut out = String::new();
        for (i, c) in padded.chars().enumerate() {
            out.push(c);
            let left = padded.len() - 1 - i;
            if self.grouping > 0 && left > 0 && left.is_multiple_of(self.grouping) {
                out.push(',');
            }
        }
        if out.is_empty() && kept.is_empty() {
            out.push('0');
        }
        if !kept.is_empty() || self.point_always {
            out.push('.');
        }
        out + &kept
    }

    /// `digits` with the decimal point before digit `point`; those of a double may stand for a longer number.
    fn scientific(&self, digits: &str, point: i32, exact: f64) -> String {
        let mut digits = digits.trim_end_matches('0').to_owned();
        let digits_max = self.integer_max + self.fraction_max;
        let mut point = point;
        if digits_max > 0 && digits.len() > digits_max {
            (digits, point) = rounded(&digits, digits_max, point, tie(exact, &digits, digits_max));
        }
        let zero = digits.is_empty();
        let repeat = self.integer_max as i32;
        let mut integer_min = self.integer_min as i32;
        let mut exponent = point;
        if repeat > 1 && repeat > integer_min {
            exponent = if exponent >= 1 { (exponent - 1) / repeat } else { (exponent - repeat) / repeat } * repeat;
            integer_min = 1;
        } else {
            exponent -= integer_min;
        }
        let integer = if zero { integer_min } else { point - exponent };
        let least = (self.integer_min + self.fraction_min).max(integer.max(0) as usize);
        let total = digits.len().max(least);
        let mut out = String::new();
        for i in 0..total {
            if i as i32 == integer {
                out.push('.');
            }
            out.push(digits.as_bytes().get(i).map_or('0', |b| *b as char));
        }
        if self.point_always && total as i32 == integer {
            out.push('.');
        }
        let exponent = if zero { 0 } else { exponent };
        // Java counts them in a byte.
        let width = self.exponent_min.unwrap_or(1).min(127);
        let sign = if exponent < 0 { "-" } else { "" };
        out + &format!("E{sign}{:0width$}", exponent.abs())
    }
}

/// The shortest digits that read back, and where the point stands.
fn shortest(size: f64) -> (String, i32) {
    if size == 0.0 {
        return (String::new(), 0);
    }
    let text = format!("{size:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (mantissa.replace('.', ""), exponent.parse::<i32>().unwrap_or(0) + 1)
}

/// How the exact value lies to its shortest digits where these end in a tie after `count` of them.
fn tie(size: f64, digits: &str, count: usize) -> Ordering {
    /// No double has more digits.
    const DIGITS_MAX: usize = 767;
    if digits.get(count..) != Some("5") || !size.is_finite() {
        return Ordering::Equal;
    }
    let text = format!("{size:.*e}", DIGITS_MAX);
    let exact = text.split_once('e').map_or("", |(mantissa, _)| mantissa).replace('.', "");
    exact.trim_end_matches('0').cmp(digits)
}

/// The first `count` digits, rounded half to even, and where the point then stands; `beside` is where the exact value
/// lies if the digits are at a tie.
fn rounded(digits: &str, count: usize, point: i32, beside: Ordering) -> (String, i32) {
    let Some((kept, cut)) = digits.split_at_checked(count).filter(|(_, cut)| !cut.is_empty()) else {
        return (digits.to_owned(), point);
    };
    let odd = kept.bytes().next_back().is_some_and(|last| last % 2 == 1);
    let half = cut.starts_with('5') && cut[1..].bytes().all(|b| b == b'0');
    let up = match beside {
        _ if !half => cut.as_bytes()[0] >= b'5',
        Ordering::Less => false,
        Ordering::Equal => odd,
        Ordering::Greater => true,
    };
    let mut kept: Vec<u8> = kept.bytes().collect();
    let mut point = point;
    if up {
        let mut at = count;
        while at > 0 && kept[at - 1] == b'9' {
            at -= 1;
            kept[at] = b'0';
        }
        if at == 0 {
            kept.insert(0, b'1');
            point += 1;
        } else {
            kept[at - 1] += 1;
        }
    }
    (String::from_utf8_lossy(&kept).trim_end_matches('0').to_owned(), point)
}
