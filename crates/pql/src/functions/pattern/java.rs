//! Expressions of `java.util.regex` for an engine that reads some escapes otherwise (pql.md §9).
//!
//! In: a pattern as Java takes it. Out: one that means the same to our engine. What both read alike passes through,
//! faults too: the engine tells those. Classes are those of Java without flags: `\w`, `\d` and `\s` know ASCII only.

use std::borrow::Cow;

const WORD: &str = "A-Za-z0-9_";
const DIGIT: &str = "0-9";
const SPACE: &str = r"\x20\t\n\x0B\f\r";
const HORIZONTAL: &str = r"\x20\t\xA0\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}";
const VERTICAL: &str = r"\n\x0B\f\r\x85\x{2028}\x{2029}";

/// The classes of ASCII that Java writes as `\p{Name}`.
const POSIX: [(&str, &str); 12] = [
    ("Lower", "a-z"),
    ("Upper", "A-Z"),
    ("ASCII", r"\x00-\x7F"),
    ("Alpha", "A-Za-z"),
    ("Digit", DIGIT),
    ("Alnum", "A-Za-z0-9"),
    ("Punct", r"!-/:-@\[-`\{-~"),
    ("Graph", "!-~"),
    ("Print", r"\x20-~"),
    ("Blank", r"\x20\t"),
    ("Cntrl", r"\x00-\x1F\x7F"),
    ("XDigit", "0-9A-Fa-f"),
];

pub(super) fn translated(pattern: &str) -> Cow<'_, str> {
    if !pattern.contains('\\') {
        return Cow::Borrowed(pattern);
    }
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut classes = 0_usize;
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        if c == '\\' {
            rest = escape(rest, classes > 0, &mut out);
            continue;
        }
        match c {
            '[' => classes += 1,
            ']' => classes = classes.saturating_sub(1),
            _ => {}
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    Cow::Owned(out)
}

/// Writes the escape at the start of `rest`; gives what follows it.
fn escape<'p>(rest: &'p str, in_class: bool, out: &mut String) -> &'p str {
    let Some(kind) = rest[1..].chars().next() else {
        out.push('\\');
        return "";
    };
    let after = &rest[1 + kind.len_utf8()..];
    let mut class = |set: &str, negated: bool| match (in_class, negated) {
        (true, false) => out.push_str(set),
        (_, negated) => {
            out.push_str(if negated { "[^" } else { "[" });
            out.push_str(set);
            out.push(']');
        }
    };
    match kind {
        'w' | 'W' => class(WORD, kind == 'W'),
        'd' | 'D' => class(DIGIT, kind == 'D'),
        's' | 'S' => class(SPACE, kind == 'S'),
        'h' | 'H' => class(HORIZONTAL, kind == 'H'),
        'v' | 'V' => class(VERTICAL, kind == 'V'),
        'R' if !in_class => out.push_str(&format!(r"(?:\r\n|[{VERTICAL}])")),
        'Q' => {
            let (quoted, after) = after.split_once("\\E").unwrap_or((after, ""));
            quoted.chars().for_each(|c| push_literal(c, out));
            return after;
        }
        'p' | 'P' => {
            let named = after.strip_prefix('{').and_then(|name| name.split_once('}'));
            if let Some((name, after)) = named
                && let Some((_, set)) = POSIX.iter().find(|(posix, _)| *posix == name)
            {
                class(set, kind == 'P');
                return after;
            }
            out.extend(['\\', kind]);
        }
        _ => out.extend(['\\', kind]),
    }
    after
}

fn push_literal(c: char, out: &mut String) {
    if c.is_ascii_punctuation() || c == ' ' {
        out.push_str(&format!(r"\x{:02X}", c as u32));
    } else {
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Regex;

    #[test]
    fn means_what_java_means() {
        for (pattern, text, fits) in [
            (r"^\w+$", "Lopez_1", true),
            (r"^\w+$", "López", false),
            (r"^\W$", "ó", true),
            (r"^\d$", "٣", false),
            (r"^[\d-]+$", "1-2", true),
            (r"^[\D]+$", "٣a", true),
            (r"^[^\W\d]+$", "ab_", true),
            (r"^[^\W\d]+$", "ab1", false),
            (r"^\s$", "\u{A0}", false),
            (r"^\h$", "\u{A0}", true),
            (r"\h", "a5", false),
            (r"^[\h\v]+$", " \n\u{2028}", true),
            (r"^a\Rb$", "a\r\nb", true),
            (r"^\Qa.b*(\E+$", "a.b*(((", true),
            (r"\Q[x", "y[x", true),
            (r"^\p{Alnum}\P{Punct}$", "a1", true),
            (r"^\p{Alpha}$", "é", false),
            (r"^\p{L}$", "é", true),
            (r"^\\d$", r"\d", true),
            (r"^(\w)\1$", "aa", true),
            (r"^\p{Punct}+$", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", true),
        ] {
            let regex = Regex::new(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}"));
            assert_eq!(regex.is_match(text), Some(fits), "{pattern} {text:?}");
        }
    }

    #[test]
    fn faults_stay_faults() {
        for pattern in ["\\", r"\p{Nope}", "(\\w", r"[\w", r"\Q(\E("] {
            assert!(Regex::new(pattern).is_err(), "{pattern}");
        }
    }
}
