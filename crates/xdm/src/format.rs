//! String formats that are checked.
//!
//! Formats outside this list (the corpus says `url` in places) name no rule and are not checked;
//! the registry refuses them in tenant resources.

use model::Timestamp;

/// A checked format of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 3339 full-date.
    Date,
    /// RFC 3339 date-time with an offset.
    DateTime,
    /// An absolute URI.
    Uri,
    /// A URI or a relative reference.
    UriReference,
    /// `local@domain`.
    Email,
    /// Four decimal octets.
    Ipv4,
    /// RFC 4291 text.
    Ipv6,
}

impl Format {
    /// All formats with their names on the wire.
    pub const ALL: &'static [(&'static str, Format)] = &[
        ("date", Format::Date),
        ("date-time", Format::DateTime),
        ("uri", Format::Uri),
        ("uri-reference", Format::UriReference),
        ("email", Format::Email),
        ("ipv4", Format::Ipv4),
        ("ipv6", Format::Ipv6),
    ];

    /// The format of this name.
    pub fn parse(name: &str) -> Option<Format> {
        Format::ALL.iter().find(|(n, _)| *n == name).map(|(_, f)| *f)
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        Format::ALL.iter().find(|(_, f)| *f == self).map_or("", |(n, _)| n)
    }

    /// True if `text` has this format.
    pub fn accepts(self, text: &str) -> bool {
        match self {
            Format::Date => text.len() == 10 && Timestamp::parse_date_or_time(text).is_some(),
            Format::DateTime => Timestamp::parse(text).is_some(),
            Format::Uri => is_uri(text),
            Format::UriReference => !text.chars().any(is_foreign),
            Format::Email => is_email(text),
            Format::Ipv4 => text.parse::<std::net::Ipv4Addr>().is_ok(),
            Format::Ipv6 => text.parse::<std::net::Ipv6Addr>().is_ok(),
        }
    }
}

/// Characters that no URI may hold unescaped. Letters beyond ASCII pass: producers send IRIs.
fn is_foreign(c: char) -> bool {
    c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\\' | '^' | '`')
}

fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let mut chars = scheme.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        && !rest.chars().any(is_foreign)
}

fn is_email(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.is_empty()
            && !domain.starts_with('.')
            && !domain.ends_with('.')
            && !text.chars().any(|c| c.is_control() || c.is_whitespace())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_accept_and_refuse() {
        let cases = [
            (Format::Date, "2026-02-28", true),
            (Format::Date, "2026-02-29", false),
            (Format::Date, "2026-02-28T00:00:00Z", false),
            (Format::DateTime, "2026-02-28T00:00:00Z", true),
            (Format::DateTime, "2026-02-28T00:00:00", false),
            (Format::Uri, "https://a.example/x?y=1", true),
            (Format::Uri, "urn:x", true),
            (Format::Uri, "a.example", false),
            (Format::UriReference, "/a/b", true),
            (Format::UriReference, "a b", false),
            (Format::Email, "a@b.example", true),
            (Format::Email, "a@", false),
            (Format::Email, "a b@c", false),
            (Format::Ipv4, "10.0.0.1", true),
            (Format::Ipv4, "10.0.0", false),
            (Format::Ipv6, "::1", true),
        ];
        for (format, text, expected) in cases {
            assert_eq!(format.accepts(text), expected, "{} {text}", format.name());
        }
    }
}
