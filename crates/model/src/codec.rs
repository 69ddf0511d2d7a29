//! Compact bytes of values, and the small reader and writer that every row format is made of.
//!
//! A value is one tag byte and its payload. Names of standard XDM fields are one or two bytes
//! (`names.rs`); other names are inline. Deterministic: equal values give equal bytes.
//! Limits: depth `DEPTH_MAX`; a length beyond the input is an error, never an allocation.

use crate::names;
use crate::value::{Name, Value};
use smol_str::SmolStr;

/// Deepest nesting that is read.
pub const DEPTH_MAX: usize = 160;

/// Bytes that are not what the writer made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("damaged row: {0}")]
pub struct DecodeError(pub &'static str);

/// Result of a decoder.
pub type Result<T> = std::result::Result<T, DecodeError>;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const DOUBLE: u8 = 4;
const STR: u8 = 5;
const ARRAY: u8 = 6;
const OBJECT: u8 = 7;
/// A double that is a whole number of cents: many amounts fit three bytes instead of nine.
const CENTS: u8 = 8;
/// Tags from here on are short strings: `SHORT_STR + length`.
const SHORT_STR: u8 = 64;
/// Tags from here on are small non-negative integers.
const SMALL_INT: u8 = 128;

/// Appends an unsigned LEB128 number.
pub fn put_u64(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Appends a signed number, zigzag coded.
pub fn put_i64(out: &mut Vec<u8>, n: i64) {
    put_u64(out, ((n << 1) ^ (n >> 63)) as u64);
}

/// Appends a length and bytes.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a name: its number in the table of standard names, or 0 and the text.
pub fn put_name(out: &mut Vec<u8>, name: &str) {
    match names::number(name) {
        Some(n) => put_u64(out, u64::from(n)),
        None => {
            out.push(0);
            put_bytes(out, name.as_bytes());
        }
    }
}

/// Appends the head of an object of so many fields; a name and a value of each follow.
pub fn put_object_head(out: &mut Vec<u8>, fields: usize) {
    out.push(OBJECT);
    put_u64(out, fields as u64);
}

/// Appends a value.
pub fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(false) => out.push(FALSE),
        Value::Bool(true) => out.push(TRUE),
        Value::Int(i @ 0..=127) => out.push(SMALL_INT + *i as u8),
        Value::Int(i) => {
            out.push(INT);
            put_i64(out, *i);
        }
        Value::Double(d) => put_double(out, *d),
        Value::Str(s) if s.len() < (SMALL_INT - SHORT_STR) as usize => {
            out.push(SHORT_STR + s.len() as u8);
            out.extend_from_slice(s.as_bytes());
        }
        Value::Str(s) => {
            out.push(STR);
            put_bytes(out, s.as_bytes());
        }
        Value::Array(items) => {
            out.push(ARRAY);
            put_u64(out, items.len() as u64);
            for item in items {
                put_value(out, item);
            }
        }
        Value::Object(fields) => {
            put_object_head(out, fields.len());
            for (name, value) in fields {
                put_name(out, name);
                put_value(out, value);
            }
        }
    }
}

fn put_double(out: &mut Vec<u8>, d: f64) {
    let cents = (d * 100.0).round();
    // Bits are compared, so that -0.0 keeps its sign.
    if cents.abs() < 1e15 && (cents as i64 as f64 / 100.0).to_bits() == d.to_bits() {
        out.push(CENTS);
        put_i64(out, cents as i64);
    } else {
        out.push(DOUBLE);
        out.extend_from_slice(&d.to_bits().to_le_bytes());
    }
}

/// Reads a row from front to back.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader over a whole row.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// True at the end.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8> {
        let (&first, rest) = self.rest.split_first().ok_or(DecodeError("ends early"))?;
        self.rest = rest;
        Ok(first)
    }

    /// An unsigned LEB128 number.
    pub fn u64(&mut self) -> Result<u64> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            if shift == 63 && byte > 1 {
                break;
            }
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(DecodeError("number too long"))
    }

    /// An unsigned number of 32 bits.
    pub fn u32(&mut self) -> Result<u32> {
        u32::try_from(self.u64()?).map_err(|_| DecodeError("number out of range"))
    }

    /// A signed number.
    pub fn i64(&mut self) -> Result<i64> {
        let n = self.u64()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// A count of things that take at least one byte each.
    pub fn len(&mut self) -> Result<usize> {
        let n = self.u64()?;
        usize::try_from(n).ok().filter(|n| *n <= self.rest.len()).ok_or(DecodeError("length beyond the end"))
    }

    /// Exactly `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        if n > self.rest.len() {
            return Err(DecodeError("ends early"));
        }
        let (head, rest) = self.rest.split_at(n);
        self.rest = rest;
        Ok(head)
    }

    /// A length and bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let n = self.len()?;
        self.take(n)
    }

    /// A length and text.
    pub fn str(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError("text is not UTF-8"))
    }

    /// Sixteen bytes.
    pub fn array16(&mut self) -> Result<[u8; 16]> {
        let mut out = [0; 16];
        out.copy_from_slice(self.take(16)?);
        Ok(out)
    }

    /// A name.
    pub fn name(&mut self) -> Result<Name> {
        match self.u64()? {
            0 => Ok(SmolStr::new(self.str()?)),
            n => names::text(n).map(SmolStr::new_static).ok_or(DecodeError("unknown name number")),
        }
    }

    /// A value.
    pub fn value(&mut self) -> Result<Value> {
        self.value_at(0)
    }

    fn value_at(&mut self, depth: usize) -> Result<Value> {
        if depth > DEPTH_MAX {
            return Err(DecodeError("nested too deep"));
        }
        Ok(match self.u8()? {
            NULL => Value::Null,
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            INT => Value::Int(self.i64()?),
            CENTS => Value::Double(self.i64()? as f64 / 100.0),
            DOUBLE => {
                let mut bits = [0; 8];
                bits.copy_from_slice(self.take(8)?);
                Value::Double(f64::from_bits(u64::from_le_bytes(bits)))
            }
            STR => Value::Str(SmolStr::new(self.str()?)),
            ARRAY => {
                let n = self.len()?;
                (0..n).map(|_| self.value_at(depth + 1)).collect::<Result<Vec<_>>>().map(Value::Array)?
            }
            OBJECT => {
                let n = self.len()?;
                let mut fields = Vec::with_capacity(n);
                for _ in 0..n {
                    fields.push((self.name()?, self.value_at(depth + 1)?));
                }
                Value::Object(fields)
            }
            tag @ SMALL_INT.. => Value::Int(i64::from(tag - SMALL_INT)),
            tag @ SHORT_STR..SMALL_INT => {
                let bytes = self.take(usize::from(tag - SHORT_STR))?;
                Value::Str(SmolStr::new(std::str::from_utf8(bytes).map_err(|_| DecodeError("text is not UTF-8"))?))
            }
            _ => return Err(DecodeError("unknown tag")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            (0i64..300).prop_map(Value::Int),
            any::<f64>().prop_filter("finite", |d| d.is_finite()).prop_map(Value::Double),
            (-100_000i64..100_000).prop_map(|c| Value::Double(c as f64 / 100.0)),
            ".{0,90}".prop_map(|s: String| Value::Str(s.into())),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::vec(("[a-z]{1,8}", inner), 0..6).prop_map(|fields| {
                    let mut object = Value::Object(Vec::new());
                    for (name, value) in fields {
                        object.set(&[&name], value);
                    }
                    object
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_reads_back(value in any_value()) {
            let mut out = Vec::new();
            put_value(&mut out, &value);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.value(), Ok(value));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Reader::new(&bytes).value();
        }

        #[test]
        fn numbers_read_back(n in any::<i64>(), u in any::<u64>()) {
            let mut out = Vec::new();
            put_i64(&mut out, n);
            put_u64(&mut out, u);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.i64(), Ok(n));
            prop_assert_eq!(reader.u64(), Ok(u));
        }
    }

    #[test]
    fn negative_zero_keeps_its_sign() {
        let mut out = Vec::new();
        put_value(&mut out, &Value::Double(-0.0));
        let Ok(Value::Double(d)) = Reader::new(&out).value() else { panic!("a double") };
        assert!(d.is_sign_negative());
    }
}
