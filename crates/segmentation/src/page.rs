//! Query parameters of lists: read strictly, and cut a list into pages.

use crate::Parameters;
use crate::error::Error;

/// Query parameters by name.
#[derive(Clone, Copy)]
pub(crate) struct Query<'a>(&'a Parameters);

impl<'a> Query<'a> {
    /// The parameters, if all are known. Names are compared without case (`orderby`, `orderBy`).
    pub(crate) fn of(parameters: &'a Parameters, known: &[&str]) -> Result<Query<'a>, Error> {
        match parameters.iter().find(|(name, _)| !known.iter().any(|k| k.eq_ignore_ascii_case(name))) {
            Some((name, _)) => Err(Error::field(name, "is not a supported query parameter")),
            None => Ok(Query(parameters)),
        }
    }

    /// The one value of a parameter. Clients that follow `next` may repeat one with an equal value.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&'a str>, Error> {
        let mut values = self.0.iter().filter(|(n, v)| n.eq_ignore_ascii_case(name) && !v.is_empty()).map(|(_, v)| v);
        let Some(first) = values.next() else { return Ok(None) };
        match values.find(|other| *other != first) {
            Some(other) => {
                Err(Error::field(name, format_args!("is given more than once, as `{first}` and as `{other}`")))
            }
            None => Ok(Some(first)),
        }
    }

    /// All values of a parameter that may be repeated.
    pub(crate) fn all(&self, name: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.iter().filter(move |(n, v)| n.eq_ignore_ascii_case(name) && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// A whole number from `min` on.
    pub(crate) fn number(&self, name: &str, min: usize, max: usize) -> Result<Option<usize>, Error> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        match text.parse::<usize>() {
            Ok(number) if (min..=max).contains(&number) => Ok(Some(number)),
            _ => Err(Error::field(name, format_args!("must be a whole number from {min} to {max}, is `{text}`"))),
        }
    }

    /// `true` or `false`, in any case: Python clients send `True`.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        match self.one(name)? {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(text) => Err(Error::field(name, format_args!("must be true or false, is `{text}`"))),
        }
    }

    /// The relative address of a later page: all present parameters, with `start` set.
    pub(crate) fn next(&self, path: &str, start: usize, limit: usize) -> String {
        let mut next = format!("{path}?start={start}&limit={limit}");
        let mut seen: Vec<&str> = vec!["start", "limit", "page"];
        for (name, value) in self.0 {
            if !seen.iter().any(|s| s.eq_ignore_ascii_case(name)) {
                seen.push(name);
                next.push_str(&format!("&{}={}", escaped(name), escaped(value)));
            }
        }
        next
    }
}

/// Percent-encodes what may not stand in a query.
fn escaped(text: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b':' | b',');
    text.bytes().map(|b| if keep(b) { (b as char).to_string() } else { format!("%{b:02X}") }).collect()
}
