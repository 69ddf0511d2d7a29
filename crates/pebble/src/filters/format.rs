//! `format`: Java's `Formatter`.
//!
//! In: a format string and values by place. Out: text. Always: a value of the wrong type is a fault.

use super::Given;
use crate::error::{Raised, fault};
use crate::java;
use crate::print::reading;
use crate::render::Renderer;
use crate::scope::{Held, NULL};
use crate::value::Value;

/// No width or precision is larger.
const WIDTH_MAX: usize = 10_000;

/// One `%…` of a format string.
#[derive(Debug, Default)]
struct Spec {
    index: Option<usize>,
    again: bool,
    flags: String,
    width: Option<usize>,
    precision: Option<usize>,
    conversion: char,
}

pub(super) fn format<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, args: Given<'a>) -> Raised<Held<'a>> {
    if matches!(*input, Value::Null) {
        return Ok(input);
    }
    let pattern = renderer.shown(&input);
    renderer.read(pattern.len())?;
    let (mut out, mut rest) = (String::new(), pattern.as_str());
    let (mut ordinary, mut last) = (0, None);
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let (spec, len) = Spec::read(&rest[at + 1..])?;
        rest = &rest[at + 1 + len..];
        match spec.conversion {
            'n' if spec.width.is_none() && spec.flags.is_empty() && spec.precision.is_none() => out.push('\n'),
            'n' => return Err(fault("`%n` takes no width")),
            '%' => {
                spec.check("-", true)?;
                spec.pad("%", &mut out);
            }
            _ => {
                let place = match (spec.again, spec.index) {
                    (true, _) => last.ok_or_else(|| fault("`%<` has nothing before it"))?,
                    (false, Some(index)) => index,
                    (false, None) => {
                        ordinary += 1;
                        ordinary - 1
                    }
                };
                last = Some(place);
                let Some(arg) = args.get(place) else {
                    return Err(fault(format!("`format` lacks argument {}", place + 1)));
                };
                spec.print(renderer, arg.as_deref().unwrap_or(&NULL), &mut out)?;
            }
        }
        renderer.step(1)?;
        if out.len() > renderer.changed.text_max {
            break;
        }
    }
    out.push_str(rest);
    renderer.charge(out.len())?;
    Ok(Held::Own(Value::Str(out.into())))
}

impl Spec {
    /// Reads what follows a `%`, and how long it is.
    fn read(text: &str) -> Raised<(Spec, usize)> {
        let mut spec = Spec::default();
        let mut rest = text;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && rest[digits..].starts_with('$') {
            let index: usize = rest[..digits].parse().unwrap_or(usize::MAX);
            spec.index = Some(index.checked_sub(1).ok_or_else(|| fault("arguments of `format` count from 1"))?);
            rest = &rest[digits + 1..];
        } else if let Some(after) = rest.strip_prefix('<') {
            spec.again = true;
            rest = after;
        }
        let flags = rest.bytes().take_while(|b| b"-#+ 0,(<".contains(b)).count();
        spec.flags = rest[..flags].replace('<', "");
        spec.again |= rest[..flags].contains('<');
        rest = &rest[flags..];
        let number = |rest: &mut &str| -> Raised<Option<usize>> {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return Ok(None);
            }
            let value = rest[..digits].parse().ok().filter(|v| *v <= WIDTH_MAX);
            *rest = &rest[digits..];
            value.map(Some).ok_or_else(|| fault(format!("a width of `format` is past {WIDTH_MAX}")))
        };
        spec.width = number(&mut rest)?;
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            spec.precision = Some(number(&mut rest)?.ok_or_else(|| fault("a `.` without a precision in `format`"))?);
        }
        let c = rest.chars().next().ok_or_else(|| fault("a `%` without a conversion in `format`"))?;
        spec.conversion = c;
        let doubled = spec.flags.chars().enumerate().any(|(i, f)| spec.flags[..i].contains(f));
        if doubled {
            return Err(fault("a flag of `format` is given twice"));
        }
        Ok((spec, text.len() - rest.len() + c.len_utf8()))
    }

    fn flag(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    /// Refuses flags that the conversion does not take.
    fn check(&self, allowed: &str, precision_refused: bool) -> Raised<()> {
        if let Some(flag) = self.flags.chars().find(|f| !allowed.contains(*f)) {
            return Err(fault(format!("`%{}` takes no flag `{flag}`", self.conversion)));
        }
        if precision_refused && self.precision.is_some() {
            return Err(fault(format!("`%{}` takes no precision", self.conversion)));
        }
        let needs_width = self.flag('-') || self.flag('0');
        if needs_width && self.width.is_none() {
            return Err(fault(format!("`%{}` needs a width for its flag", self.conversion)));
        }
        if (self.flag('-') && self.flag('0')) || (self.flag('+') && self.flag(' ')) {
            return Err(fault(format!("flags of `%{}` contradict each other", self.conversion)));
        }
        Ok(())
    }

    fn pad(&self, text: &str, out: &mut String) {
        let missing = self.width.unwrap_or(0).saturating_sub(java::units_len(text));
        let blanks = " ".repeat(missing);
        if self.flag('-') {
            out.extend([text, &blanks]);
        } else {
            out.extend([blanks.as_str(), text]);
        }
    }

    fn print(&self, renderer: &Renderer<'_>, arg: &Value, out: &mut String) -> Raised<()> {
        let null = matches!(arg, Value::Null);
        let body = match self.conversion.to_ascii_lowercase() {
            's' => {
                self.check("-", false)?;
                // It may be cut to less.
                let text = renderer.shown(arg);
                renderer.changed.spend(reading(text.len()));
                text
            }
            'b' => {
                self.check("-", false)?;
                match arg {
                    Value::Bool(b) => b.to_string(),
                    _ => (!null).to_string(),
                }
            }
            'h' => {
                self.check("-", false)?;
                if null { "null".into() } else { format!("{:x}", renderer.changed.hash(arg)) }
            }
            'c' => {
                self.check("-", true)?;
                match arg {
                    Value::Null => "null".into(),
                    Value::Char(c) => java::unit_char(*c).into(),
                    Value::Int(code) => char::from_u32(*code as u32).ok_or_else(|| self.wrong(arg))?.into(),
                    _ => return Err(self.wrong(arg)),
                }
            }
            'd' => return self.whole(arg, out),
            'x' if self.conversion == 'X' || self.conversion == 'x' => return self.radix(arg, 16, out),
            'o' if self.conversion == 'o' => return self.radix(arg, 8, out),
            'e' | 'f' | 'g' if self.conversion != 'F' => return self.floating(arg, out),
            'a' => return self.hexadecimal(arg, out),
            _ => return Err(fault(format!("`format` has no conversion `%{}`", self.conversion))),
        };
        let cut = match self.precision {
            Some(most) if java::units_len(&body) > most => java::slice_units(&body, 0, most).to_string(),
            _ => body,
        };
        let shown = if self.conversion.is_ascii_uppercase() { cut.to_uppercase() } else { cut };
        self.pad(&shown, out);
        Ok(())
    }

    fn wrong(&self, arg: &Value) -> Box<crate::error::Fault> {
        fault(format!("`%{}` cannot print {}", self.conversion, arg.kind()))
    }

    fn whole(&self, arg: &Value, out: &mut String) -> Raised<()> {
        if self.conversion == 'D' {
            return Err(fault("`format` has no conversion `%D`"));
        }
        self.check("-+ 0,(", true)?;
        let text = match arg {
            Value::Null => {
                self.pad("null", out);
                return Ok(());
            }
            Value::Long(v) => v.to_string(),
            Value::Int(v) => v.to_string(),
            Value::Big(big) => big.digits.to_string(),
            _ => return Err(self.wrong(arg)),
        };
        let digits = text.trim_start_matches('-');
        self.signed(text.starts_with('-'), digits, "", out);
        Ok(())
    }

    /// Puts sign, grouping and zeros around digits.
    fn signed(&self, negative: bool, whole: &str, rest: &str, out: &mut String) {
        let mut body = String::new();
        let grouped = self.flag(',');
        for (i, c) in whole.chars().enumerate() {
            if grouped && i > 0 && (whole.len() - i).is_multiple_of(3) {
                body.push(',');
            }
            body.push(c);
        }
        body.push_str(rest);
        let (before, after) = match (negative, self.flag('(')) {
            (true, true) => ("(", ")"),
            (true, false) => ("-", ""),
            (false, _) if self.flag('+') => ("+", ""),
            (false, _) if self.flag(' ') => (" ", ""),
            _ => ("", ""),
        };
        if self.flag('0') {
            let width = self.width.unwrap_or(0);
            let zeros = width.saturating_sub(before.len() + body.len() + after.len());
            body.insert_str(0, &"0".repeat(zeros));
        }
        self.pad(&format!("{before}{body}{after}"), out);
    }

    fn radix(&self, arg: &Value, radix: u32, out: &mut String) -> Raised<()> {
        let big = matches!(arg, Value::Big(_));
        self.check(if big { "-#+ 0(" } else { "-#0" }, true)?;
        let mut digits = match (arg, radix) {
            (Value::Null, _) => {
                self.pad(if self.conversion == 'X' { "NULL" } else { "null" }, out);
                return Ok(());
            }
            (Value::Long(v), 16) => format!("{v:x}"),
            (Value::Long(v), _) => format!("{v:o}"),
            (Value::Int(v), 16) => format!("{v:x}"),
            (Value::Int(v), _) => format!("{v:o}"),
            (Value::Big(big), 16) => format!("{:x}", big.digits.parse::<i128>().map_err(|_| self.wrong(arg))?),
            (Value::Big(big), _) => format!("{:o}", big.digits.parse::<i128>().map_err(|_| self.wrong(arg))?),
            _ => return Err(self.wrong(arg)),
        };
        let lead = match (self.flag('#'), radix) {
            (true, 16) => "0x",
            (true, _) => "0",
            _ => "",
        };
        if self.flag('0') {
            let zeros = self.width.unwrap_or(0).saturating_sub(lead.len() + digits.len());
            digits.insert_str(0, &"0".repeat(zeros));
        }
        let shown = format!("{lead}{digits}");
        self.pad(&if self.conversion == 'X' { shown.to_uppercase() } else { shown }, out);
        Ok(())
    }

    /// `Double.toHexString`
    fn hexadecimal(&self, arg: &Value, out: &mut String) -> Raised<()> {
        self.check("-#+ 0", true)?;
        let upper = self.conversion == 'A';
        let shown = |text: &str| if upper { text.to_uppercase() } else { text.to_owned() };
        let value = match arg {
            Value::Null => {
                self.pad(&shown("null"), out);
                return Ok(());
            }
            Value::Double(v) if v.is_finite() => *v,
            // Their forms are the same.
            Value::Double(_) => return self.infinite(arg, out),
            _ => return Err(self.wrong(arg)),
        };
        let bits = value.to_bits();
        let (fraction, power) = (bits & ((1 << 52) - 1), (bits >> 52 & 0x7FF) as i32);
        let (lead, power) = match (power, fraction) {
            (0, 0) => (0, 0),
            (0, _) => (0, -1022),
            (power, _) => (1, power - 1023),
        };
        let digits = format!("{fraction:013x}");
        let digits = match digits.trim_end_matches('0') {
            "" => "0",
            some => some,
        };
        let sign = match (value.is_sign_negative(), self.flag('+'), self.flag(' ')) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        let body = format!("{lead}.{digits}p{power}");
        let missing = self.width.unwrap_or(0).saturating_sub(sign.len() + 2 + body.len());
        let zeros = "0".repeat(if self.flag('0') { missing } else { 0 });
        self.pad(&shown(&format!("{sign}0x{zeros}{body}")), out);
        Ok(())
    }

    /// What is no finite number.
    fn infinite(&self, arg: &Value, out: &mut String) -> Raised<()> {
        let Value::Double(value) = arg else { return Err(self.wrong(arg)) };
        let name = if value.is_nan() { "NaN" } else { "Infinity" };
        let sign = if *value < 0.0 {
            "-"
        } else if self.flag('+') && !value.is_nan() {
            "+"
        } else if self.flag(' ') && !value.is_nan() {
            " "
        } else {
            ""
        };
        let text = if sign == "-" && self.flag('(') { format!("({name})") } else { format!("{sign}{name}") };
        self.pad(&if self.conversion.is_ascii_uppercase() { text.to_uppercase() } else { text }, out);
        Ok(())
    }

    fn floating(&self, arg: &Value, out: &mut String) -> Raised<()> {
        let scientific = self.conversion.eq_ignore_ascii_case(&'e');
        self.check(if scientific { "-#+ 0(" } else { "-#+ 0,(" }, false)?;
        let upper = self.conversion.is_ascii_uppercase();
        let value = match arg {
            Value::Null => {
                // As any printed form, it is cut to the precision.
                let name = if upper { "NULL" } else { "null" };
                self.pad(&name[..self.precision.unwrap_or(name.len()).min(name.len())], out);
                return Ok(());
            }
            Value::Double(v) => *v,
            _ => return Err(self.wrong(arg)),
        };
        let size = value.abs();
        if !value.is_finite() {
            return self.infinite(arg, out);
        }
        let precision = self.precision.unwrap_or(6);
        let mut text = match self.conversion.to_ascii_lowercase() {
            'e' => exponential(size, precision),
            'f' => fixed(size, precision),
            _ => general(size, precision.max(1)),
        };
        if upper {
            text.make_ascii_uppercase();
        }
        if self.flag('#') && !text.contains('.') {
            let at = text.find(['e', 'E']).unwrap_or(text.len());
            text.insert(at, '.');
        }
        let split = text.find(['.', 'e', 'E']).unwrap_or(text.len());
        self.signed(value.is_sign_negative(), &text[..split], &text[split..], out);
        Ok(())
    }
}

/// The shortest digits of a number and where its point stands.
fn digits(size: f64) -> (Vec<u8>, i32) {
    let text = format!("{size:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (mantissa.bytes().filter(u8::is_ascii_digit).collect(), exponent.parse::<i32>().unwrap_or(0) + 1)
}

/// Keeps `count` digits, rounded half up; the point may move.
fn half_up(mut digits: Vec<u8>, count: i32, point: i32) -> (Vec<u8>, i32) {
    if count < 0 {
        return (vec![b'0'], 1);
    }
    let count = count as usize;
    if digits.len() <= count {
        return (digits, point);
    }
    let up = digits[count] >= b'5';
    digits.truncate(count);
    if !up {
        return if digits.is_empty() { (vec![b'0'], 1) } else { (digits, point) };
    }
    for at in (0..count).rev() {
        if digits[at] == b'9' {
            digits[at] = b'0';
        } else {
            digits[at] += 1;
            return (digits, point);
        }
    }
    digits.insert(0, b'1');
    (digits, point + 1)
}

fn fixed(size: f64, precision: usize) -> String {
    let (all, point) = digits(size);
    let (kept, point) = half_up(all, point + precision as i32, point);
    let digit = |place: i32| usize::try_from(place).ok().and_then(|i| kept.get(i)).map_or('0', |b| *b as char);
    let mut out: String = (0..point.max(1)).map(|i| if point <= 0 { '0' } else { digit(i) }).collect();
    if precision > 0 {
        out.push('.');
        out.extend((0..precision as i32).map(|i| digit(point + i)));
    }
    out
}

fn exponential(size: f64, precision: usize) -> String {
    let (all, point) = if size == 0.0 { (vec![b'0'], 1) } else { digits(size) };
    let (mut kept, point) = half_up(all, precision as i32 + 1, point);
    kept.resize(precision + 1, b'0');
    let mut out = String::from_utf8_lossy(&kept[..1]).into_owned();
    if precision > 0 {
        out.push('.');
        out.push_str(&String::from_utf8_lossy(&kept[1..]));
    }
    let exponent = point - 1;
    out + &format!("e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn general(size: f64, precision: usize) -> String {
    if size == 0.0 {
        return fixed(0.0, precision - 1);
    }
    let (all, point) = digits(size);
    let (_, point) = half_up(all, precision as i32, point);
    if (-3..=precision as i32).contains(&point) {
        fixed(size, (precision as i32 - point).max(0) as usize)
    } else {
        exponential(size, precision - 1)
    }
}
