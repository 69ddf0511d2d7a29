//! What Java does differently: white space, letters, UTF-16 text, hashes and the printing of doubles.
//!
//! Text is UTF-8 here and UTF-16 there. Half of a surrogate pair has no place in UTF-8, so while a render runs
//! it is kept as one of the last 2,048 private characters (`HALF` + unit - 0xD800); the end of the render joins
//! neighbouring halves and prints lonely ones as `?`.

use smol_str::SmolStr;
use std::borrow::Cow;

/// First of the stand-ins for halves of surrogate pairs.
const HALF: u32 = 0x10_F000;
const HALF_LAST: u32 = HALF + 0x7FF;

/// `Character.isWhitespace`.
pub(crate) fn is_whitespace(c: char) -> bool {
    match c {
        '\u{9}'..='\u{d}' | '\u{1c}'..='\u{20}' => true,
        c if c.is_ascii() => false,
        '\u{1680}' | '\u{2000}'..='\u{2006}' | '\u{2008}'..='\u{200a}' => true,
        '\u{2028}' | '\u{2029}' | '\u{205f}' | '\u{3000}' => true,
        _ => false,
    }
}

pub(crate) fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || (!c.is_ascii() && is_letter(c))
}

pub(crate) fn is_name_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || (!c.is_ascii() && (is_letter(c) || matches(c, DIGIT)))
}

const LETTER: &str = r"^\p{L}$";
const DIGIT: &str = r"^\p{Nd}$";

/// `Character.isLetter`.
pub(crate) fn is_letter(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphabetic() } else { matches(c, LETTER) }
}

/// Tables of Unicode categories live in the regex engine; these patterns are compiled once.
fn matches(c: char, pattern: &'static str) -> bool {
    use std::sync::LazyLock;
    type Table = LazyLock<Option<fancy_regex::Regex>>;
    static LETTERS: Table = LazyLock::new(|| fancy_regex::Regex::new(LETTER).ok());
    static DIGITS: Table = LazyLock::new(|| fancy_regex::Regex::new(DIGIT).ok());
    let table = if pattern == LETTER { &LETTERS } else { &DIGITS };
    let mut room = [0; 4];
    table.as_ref().is_some_and(|r| r.is_match(c.encode_utf8(&mut room)).unwrap_or(false))
}

/// The UTF-16 units of a text, halves included.
pub(crate) fn units(text: &str) -> impl Iterator<Item = u16> + '_ {
    text.chars().flat_map(|c| {
        let mut room = [0; 2];
        let len = match half(c) {
            Some(unit) => {
                room[0] = unit;
                1
            }
            None => c.encode_utf16(&mut room).len(),
        };
        room.into_iter().take(len)
    })
}

/// The unit that a stand-in stands for.
pub(crate) fn half(c: char) -> Option<u16> {
    let code = c as u32;
    (HALF..=HALF_LAST).contains(&code).then(|| (code - HALF + 0xD800) as u16)
}

/// The last UTF-16 unit of a text.
pub(crate) fn last_unit(text: &str) -> Option<u16> {
    let last = text.chars().next_back()?;
    units(last.encode_utf8(&mut [0; 4])).last()
}

/// How many UTF-16 units a text has.
pub(crate) fn units_len(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.chars().map(|c| if c as u32 >= 0x1_0000 && half(c).is_none() { 2 } else { 1 }).sum()
}

/// The character of a single unit, a stand-in if it is half of a pair.
pub(crate) fn unit_char(unit: u16) -> char {
    char::from_u32(unit.into())
        .or_else(|| char::from_u32(HALF + u32::from(unit) - 0xD800))
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Text of units; pairs are joined, lonely halves become stand-ins.
pub(crate) fn from_units(units: impl IntoIterator<Item = u16>) -> String {
    char::decode_utf16(units).map(|c| c.unwrap_or_else(|e| unit_char(e.unpaired_surrogate()))).collect()
}

/// A stretch of UTF-16 units; both ends must lie inside the text.
pub(crate) fn slice_units(text: &str, from: usize, to: usize) -> SmolStr {
    if text.is_ascii() {
        return SmolStr::new(&text[from..to]);
    }
    SmolStr::from(from_units(units(text).skip(from).take(to.saturating_sub(from))))
}

/// Does this text hold a stand-in?
pub(crate) fn has_halves(text: &str) -> bool {
    // Chunks that are looked at as a whole.
    let (chunks, rest) = text.as_bytes().as_chunks::<64>();
    let any = |bytes: &[u8]| bytes.iter().fold(0, |any, byte| any | u8::from(*byte == 0xF4)) != 0;
    (any(rest) || chunks.iter().any(|chunk| any(chunk))) && text.chars().any(|c| half(c).is_some())
}

/// What Java's UTF-8 encoder makes of a text: pairs joined, lonely halves as `?`.
pub(crate) fn encode(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || !has_halves(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(char::decode_utf16(units(text)).map(|c| c.unwrap_or('?')).collect())
}

/// The digits of `String.hashCode`.
pub(crate) fn hash_text(text: &str) -> i32 {
    if text.is_ascii() {
        return text.bytes().fold(0, |h: i32, b| h.wrapping_mul(31).wrapping_add(b.into()));
    }
    units(text).fold(0, |h: i32, u| h.wrapping_mul(31).wrapping_add(u.into()))
}

/// Indices of entries in the order of a `HashMap` that was made for `capacity` and got `hashes` in turn.
pub(crate) fn hash_order(hashes: &[i32], capacity: usize) -> Vec<usize> {
    let mut size = capacity.max(1).next_power_of_two();
    while hashes.len() as f64 > size as f64 * 0.75 {
        size *= 2;
    }
    let bucket = |h: i32| ((h ^ ((h as u32) >> 16) as i32) as usize) & (size - 1);
    let mut order: Vec<usize> = (0..hashes.len()).collect();
    order.sort_by_key(|i| bucket(hashes[*i]));
    order
}

/// All pairs of digits, so that digits are copied as text.
const PAIRS: &str = concat!(
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748",
    "4950515253545556575859606162636465666768697071727374757677787980818283848586878889909192939495969798",
    "99"
);

fn push_pair(out: &mut String, pair: u8) {
    let at = 2 * usize::from(pair);
    out.push_str(&PAIRS[at..at + 2]);
}

/// Appends the digits of a whole number.
pub(crate) fn push_long(out: &mut String, value: i64) {
    let mut pairs = [0_u8; 10];
    let (mut length, mut left) = (0, value.unsigned_abs());
    while left >= 100 {
        pairs[length] = (left % 100) as u8;
        left /= 100;
        length += 1;
    }
    if value < 0 {
        out.push('-');
    }
    match left as u8 {
        digit @ 0..10 => out.push((b'0' + digit) as char),
        pair => push_pair(out, pair),
    }
    for pair in pairs[..length].iter().rev() {
        push_pair(out, *pair);
    }
}

/// Appends `Double.toString`.
pub(crate) fn push_double(out: &mut String, value: f64) {
    if value.is_nan() {
        return out.push_str("NaN");
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    let size = value.abs();
    if size.is_infinite() {
        return out.push_str("Infinity");
    }
    if size == 0.0 {
        return out.push_str("0.0");
    }
    if (1e-3..1e7).contains(&size) {
        return push_plain(out, size);
    }
    let text = format!("{size:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    out.push_str(digits);
    out.push_str(if digits.contains('.') { "E" } else { ".0E" });
    out.push_str(exponent);
}

/// Numbers with few decimals, which are nearly all, need no search for the shortest digits.
fn push_plain(out: &mut String, size: f64) {
    const POWERS: [u64; 5] = [1, 10, 100, 1_000, 10_000];
    for (decimals, power) in POWERS.into_iter().enumerate() {
        // The nearest whole number, or one beside it, which the next line refuses.
        let scaled = (size * power as f64 + 0.5) as u64;
        if scaled as f64 / power as f64 != size {
            continue;
        }
        push_long(out, (scaled / power) as i64);
        out.push('.');
        let fraction = scaled % power;
        for place in (0..decimals.max(1)).rev() {
            out.push((b'0' + (fraction / POWERS[place] % 10) as u8) as char);
        }
        return;
    }
    let text = size.to_string();
    out.push_str(&text);
    if !text.contains('.') {
        out.push_str(".0");
    }
}

/// `Double.parseDouble`: outer blanks and a final `d` or `f` are allowed.
pub(crate) fn parse_double(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        _ => {}
    }
    if let Some(hex) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        return parse_hex(hex).map(|v| if text.starts_with('-') { -v } else { v });
    }
    let body = unsigned.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(unsigned);
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], Some(&body[at + 1..])),
        None => (body, None),
    };
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let sound = digits(whole) && digits(fraction) && whole.len() + fraction.len() > 0;
    let exponent = exponent.map(|e| e.strip_prefix(['+', '-']).unwrap_or(e));
    if !sound || exponent.is_some_and(|e| e.is_empty() || !digits(e)) {
        return None;
    }
    let value: f64 = body.parse().ok()?;
    Some(if text.starts_with('-') { -value } else { value })
}

/// A hexadecimal floating-point number after its `0x`; the exponent is required.
fn parse_hex(text: &str) -> Option<f64> {
    let text = text.strip_suffix(['d', 'D', 'f', 'F']).filter(|t| t.contains(['p', 'P'])).unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let sound = whole.len() + fraction.len() > 0 && whole.len() + fraction.len() <= 13;
    if !sound || !exponent.strip_prefix(['+', '-']).unwrap_or(exponent).bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = u64::from_str_radix(&format!("{whole}{fraction}"), 16).ok()?;
    let exponent: i32 = exponent.parse().ok()?;
    Some(digits as f64 * 2_f64.powi(exponent.clamp(-2000, 2000) - 4 * fraction.len() as i32))
}

/// `Long.parseLong`: an optional sign and digits, of any script.
pub(crate) fn parse_long(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_ascii() {
        return (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten();
    }
    let known: Option<String> = digits.chars().map(|c| char::from_digit(digit(c)?, 10)).collect();
    format!("{}{}", &text[..text.len() - digits.len()], known?).parse().ok()
}

/// `Character.digit` in base ten, for characters of one unit.
fn digit(c: char) -> Option<u32> {
    if c.is_ascii() {
        return c.to_digit(10);
    }
    if c as u32 > 0xFFFF || !matches(c, DIGIT) {
        return None;
    }
    // Digits come in rows of ten.
    let before = |by: u32| char::from_u32(c as u32 - by).is_some_and(|c| matches(c, DIGIT));
    Some((1..10).take_while(|by| before(*by)).count() as u32)
}

/// `Character.toTitleCase` of one unit of the basic plane.
pub(crate) fn title(c: char) -> char {
    let code = c as u32;
    let moved = |to: u32| char::from_u32(to).unwrap_or(c);
    match code {
        0x1C4..=0x1C6 => moved(0x1C5),
        0x1C7..=0x1C9 => moved(0x1C8),
        0x1CA..=0x1CC => moved(0x1CB),
        0x1F1..=0x1F3 => moved(0x1F2),
        0x10D0..=0x10FA | 0x10FD..=0x10FF => c,
        0x1F80..=0x1F87 | 0x1F90..=0x1F97 | 0x1FA0..=0x1FA7 => moved(code + 8),
        0x1FB3 | 0x1FC3 | 0x1FF3 => moved(code + 9),
        0x1_0000.. => c,
        _ => {
            let mut upper = c.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(one), None) => one,
                _ => c,
            }
        }
    }
}
