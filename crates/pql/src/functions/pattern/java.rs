//! Expressions of `java.util.regex` for an engine that reads some escapes otherwise (pql.md §9).
//!
//! In: a pattern as Java takes it. Out: one that means the same to our engine. What both read alike passes through,
//! faults too: the engine tells those. Classes are those of Java: `\w`, `\d` and `\s` know ASCII only without the flag
//! `U`, and `i` folds ASCII only without `u`. Lines end as Java has it, so `.`, `^` and `$` are spelled out; the flags
//! `d`, `m`, `s` and those for case are carried out here.

const WORD: &str = "A-Za-z0-9_";
const DIGIT: &str = "0-9";
const SPACE: &str = r"\x20\t\n\x0B\f\r";
const HORIZONTAL: &str = r"\x20\t\xA0\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}";
const VERTICAL: &str = r"\n\x0B\f\r\x85\x{2028}\x{2029}";

/// What ends a line beside a line feed.
const TERMINATORS: &str = r"\r\x{85}\x{2028}\x{2029}";

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

/// A pattern in the syntax of our engine.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) pattern: String,
    /// It looks around or back, so that matching may take many steps.
    pub(super) hard: bool,
    /// A text that ends with a line terminator must also be tried without it.
    pub(super) trims: bool,
    /// How many characters it matches or looks at, with repetitions written out.
    pub(super) weight: usize,
}

/// Translates a pattern. `test`: only whether it matches will be asked, not what; then an end of line need not be
/// looked for by the engine.
pub(super) fn translated(pattern: &str, test: bool) -> Result<Translated, String> {
    let mut first = Translator::new(pattern, test);
    first.run()?;
    if first.trims && (first.hard || first.inexact) {
        first = Translator::new(pattern, false);
        first.run()?;
    }
    let weight = first.costs.iter().fold(0_usize, |sum, cost| sum.saturating_add(*cost));
    Ok(Translated { pattern: first.out, hard: first.hard, trims: first.trims, weight })
}

/// The line terminator at the end of a text, as `$` knows it.
pub(super) fn trimmed(text: &str) -> Option<&str> {
    ["\r\n", "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"].iter().find_map(|end| text.strip_suffix(end))
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Flags {
    fold: bool,
    unicode_case: bool,
    unicode_classes: bool,
    dot_all: bool,
    multiline: bool,
    unix: bool,
    comments: bool,
}

impl Flags {
    /// Case is folded for ASCII, which is done here; beyond it the engine does that.
    fn folds_ascii(self) -> bool {
        self.fold && !self.unicode_case
    }

    fn set(&mut self, flag: char, on: bool) -> Result<(), String> {
        match flag {
            'i' => self.fold = on,
            'u' => self.unicode_case = on,
            'U' => (self.unicode_classes, self.unicode_case) = (on, on),
            's' => self.dot_all = on,
            'm' => self.multiline = on,
            'd' => self.unix = on,
            'x' => self.comments = on,
            other => return Err(format!("`{other}` is no flag; there are d, i, m, s, u, x and U")),
        }
        Ok(())
    }

    /// Those that the engine has to know, to be written behind `(?`.
    fn change_from(self, before: Flags) -> String {
        let (mut on, mut off) = (String::new(), String::new());
        let folds = |flags: Flags| flags.fold && flags.unicode_case;
        for (flag, now, then) in [('i', folds(self), folds(before)), ('x', self.comments, before.comments)] {
            if now != then {
                if now { on.push(flag) } else { off.push(flag) }
            }
        }
        if off.is_empty() { on } else { format!("{on}-{off}") }
    }
}

struct Translator<'p> {
    rest: &'p str,
    out: String,
    flags: Flags,
    /// The flags outside of each open group.
    groups: Vec<Flags>,
    /// Open brackets.
    classes: usize,
    /// An end of line may be left to the caller.
    test: bool,
    hard: bool,
    trims: bool,
    /// A trimmed text would not do.
    inexact: bool,
    /// The weight of what stands in each open group, the outermost first.
    costs: Vec<usize>,
    /// The weight of what a quantifier would repeat.
    last: usize,
}

impl<'p> Translator<'p> {
    fn new(pattern: &'p str, test: bool) -> Translator<'p> {
        Translator {
            rest: pattern,
            out: String::with_capacity(pattern.len() + 16),
            flags: Flags::default(),
            groups: Vec::new(),
            classes: 0,
            test,
            hard: false,
            trims: false,
            inexact: false,
            costs: vec![0],
            last: 0,
        }
    }

    fn run(&mut self) -> Result<(), String> {
        while let Some(c) = self.rest.chars().next() {
            if c == '\\' {
                self.escape();
            } else if self.classes > 0 {
                self.in_class(c);
            } else {
                self.outside(c)?;
            }
        }
        Ok(())
    }

    /// Goes on behind so many bytes.
    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    /// Takes so many bytes as they are.
    fn copy(&mut self, bytes: usize) {
        self.out.push_str(&self.rest[..bytes]);
        self.skip(bytes);
    }

    /// Something that matches was written.
    fn atom(&mut self, weight: usize) {
        self.last = weight;
        if let Some(cost) = self.costs.last_mut() {
            *cost = cost.saturating_add(weight);
        }
    }

    fn outside(&mut self, c: char) -> Result<(), String> {
        match c {
            '[' => self.open_class(),
            '(' => return self.open_group(),
            ')' => {
                self.copy(1);
                self.flags = self.groups.pop().unwrap_or(self.flags);
                if self.costs.len() > 1 {
                    let cost = self.costs.pop().unwrap_or(0);
                    self.atom(cost);
                }
            }
            '{' => self.repeat(),
            '*' | '+' | '?' => {
                // What is possessive looks back.
                self.hard |= self.rest[1..].starts_with('+');
                self.copy(1);
            }
            '.' => {
                self.skip(1);
                match (self.flags.dot_all, self.flags.unix) {
                    (true, _) => self.out.push_str("(?s:.)"),
                    (false, true) => self.out.push_str(r"[^\n]"),
                    (false, false) => self.out.push_str(&format!(r"[^\n{TERMINATORS}]")),
                }
                self.atom(1);
            }
            '^' => self.line_start(),
            '$' => {
                self.skip(1);
                if self.flags.multiline { self.line_end() } else { self.text_end() }
            }
            '#' if self.flags.comments => self.copy(self.rest.find('\n').unwrap_or(self.rest.len())),
            _ => {
                self.skip(c.len_utf8());
                if self.flags.folds_ascii() && c.is_ascii_alphabetic() {
                    self.out.extend(['[', c.to_ascii_lowercase(), c.to_ascii_uppercase(), ']']);
                } else {
                    self.out.push(c);
                }
                self.atom(1);
            }
        }
        Ok(())
    }

    fn repeat(&mut self) {
        let counts = self.rest[1..].split_once('}').map_or("", |(counts, _)| counts);
        let most = counts.split(',').filter_map(|n| n.trim().parse::<usize>().ok()).max().unwrap_or(1);
        let more = self.last.saturating_mul(most.saturating_sub(1));
        if let Some(cost) = self.costs.last_mut() {
            *cost = cost.saturating_add(more);
        }
        self.last = self.last.saturating_add(more);
        self.copy(1);
    }

    fn open_group(&mut self) -> Result<(), String> {
        let before = self.flags;
        let Some(after) = self.rest.strip_prefix("(?") else {
            self.open(before);
            self.copy(1);
            return Ok(());
        };
        let flags = after.find([')', ':']).map(|end| (&after[..end], &after[end..=end]));
        let Some((flags, end)) = flags.filter(|(flags, _)| flags.chars().all(|c| c.is_ascii_alphabetic() || c == '-'))
        else {
            self.hard |= !(after.starts_with('<') && !after.starts_with("<=") && !after.starts_with("<!"));
            self.open(before);
            // A name is none of what is translated.
            let name = after.strip_prefix('<').filter(|name| !name.starts_with(['=', '!']));
            let named = name.and_then(|name| name.find('>')).map_or(0, |end| end + 2);
            self.copy(2 + named);
            return Ok(());
        };
        let mut on = true;
        for flag in flags.chars() {
            match flag {
                '-' => on = false,
                flag => self.flags.set(flag, on)?,
            }
        }
        let change = self.flags.change_from(before);
        self.skip(2 + flags.len() + 1);
        if end == ":" {
            self.open(before);
            self.out.push_str(&format!("(?{change}:"));
        } else if !change.is_empty() {
            self.out.push_str(&format!("(?{change})"));
        }
        Ok(())
    }

    fn open(&mut self, before: Flags) {
        self.groups.push(before);
        self.costs.push(0);
    }

    fn line_start(&mut self) {
        self.skip(1);
        match (self.flags.multiline, self.flags.unix) {
            (false, _) => self.out.push('^'),
            (true, true) => self.out.push_str(r"(?:(?:\A|(?<=\n))(?!\z))"),
            (true, false) => self.out.push_str(&format!(r"(?:(?:\A|(?<=[\n{TERMINATORS}])(?!(?<=\r)\n))(?!\z))")),
        }
        self.hard |= self.flags.multiline;
    }

    fn line_end(&mut self) {
        self.hard = true;
        match self.flags.unix {
            true => self.out.push_str(r"(?=\n|\z)"),
            false => self.out.push_str(&format!(r"(?:\z|(?=[{TERMINATORS}])|(?<!\r)(?=\n))")),
        }
    }

    /// The end, but for a line terminator that stands there.
    fn text_end(&mut self) {
        // Nothing that could match stands behind it on its way through the pattern.
        let after = self.rest.trim_start_matches([')', '$']);
        let closed = self.rest[..self.rest.len() - after.len()].matches(')').count();
        let last = after.is_empty() || (after.starts_with('|') && closed >= self.groups.len());
        if self.test && last && !self.flags.unix {
            self.trims = true;
            self.out.push_str(r"\z");
            return;
        }
        self.inexact = true;
        self.hard = true;
        match self.flags.unix {
            true => self.out.push_str(r"(?=\n?\z)"),
            false => self.out.push_str(&format!(r"(?=(?:\r\n|[{TERMINATORS}]|(?<!\r)\n)?\z)")),
        }
    }

    fn open_class(&mut self) {
        self.classes += 1;
        self.atom(1);
        self.copy(if self.rest.starts_with("[^") { 2 } else { 1 });
        // A bracket that would close it at once is one of its characters.
        if self.rest.starts_with(']') {
            self.skip(1);
            self.out.push_str(r"\]");
        }
    }

    fn in_class(&mut self, c: char) {
        match c {
            '[' => self.open_class(),
            ']' => {
                self.classes -= 1;
                self.copy(1);
            }
            _ => {
                let mut ahead = self.rest[c.len_utf8()..].chars();
                let until = match (ahead.next(), ahead.next()) {
                    (Some('-'), Some(until)) if !matches!(until, ']' | '[' | '\\' | '-') => Some(until),
                    _ => None,
                };
                self.copy(c.len_utf8() + until.map_or(0, |until| 1 + until.len_utf8()));
                if self.flags.folds_ascii() {
                    self.other_case(c, until.unwrap_or(c));
                }
            }
        }
    }

    /// Writes the other case of the ASCII letters from one to another.
    fn other_case(&mut self, from: char, to: char) {
        for (first, last, other) in [('a', 'z', 'A'), ('A', 'Z', 'a')] {
            let (low, high) = (from.max(first), to.min(last));
            if low <= high {
                let moved = |c: char| char::from(other as u8 + (c as u8 - first as u8));
                self.out.push(moved(low));
                if low < high {
                    self.out.extend(['-', moved(high)]);
                }
            }
        }
    }

    /// A set of characters.
    fn class(&mut self, set: &str, negated: bool) {
        match (self.classes > 0, negated) {
            (true, false) => self.out.push_str(set),
            (_, negated) => {
                self.out.push_str(if negated { "[^" } else { "[" });
                self.out.push_str(set);
                self.out.push(']');
            }
        }
    }

    fn escape(&mut self) {
        let Some(kind) = self.rest[1..].chars().next() else {
            self.copy(1);
            return;
        };
        let whole = 1 + kind.len_utf8();
        let after = &self.rest[whole..];
        if self.classes == 0 {
            self.atom(1);
        }
        match kind {
            'w' | 'W' | 'd' | 'D' | 's' | 'S' if self.flags.unicode_classes => self.copy(whole),
            'w' | 'W' => self.named(WORD, kind == 'W'),
            'd' | 'D' => self.named(DIGIT, kind == 'D'),
            's' | 'S' => self.named(SPACE, kind == 'S'),
            'h' | 'H' => self.named(HORIZONTAL, kind == 'H'),
            'v' | 'V' => self.named(VERTICAL, kind == 'V'),
            'R' if self.classes == 0 => {
                self.skip(whole);
                self.out.push_str(&format!(r"(?:\r\n|[{VERTICAL}])"));
            }
            'Z' if self.classes == 0 => {
                self.skip(whole);
                self.text_end();
            }
            'z' | 'G' if self.classes == 0 => {
                self.inexact = true;
                self.hard |= kind == 'G';
                self.copy(whole);
            }
            'Q' => {
                let (quoted, after) = after.split_once("\\E").unwrap_or((after, ""));
                self.rest = after;
                quoted.chars().for_each(|c| self.literal(c));
            }
            'p' | 'P' => self.property(kind == 'P', after),
            'k' | '1'..='9' if self.classes == 0 => {
                self.hard = true;
                let name = if kind == 'k' { after.find('>').map_or(0, |end| end + 1) } else { 0 };
                let fold = self.flags.folds_ascii();
                self.out.push_str(if fold { "(?i:" } else { "" });
                self.copy(whole + name);
                self.out.push_str(if fold { ")" } else { "" });
            }
            'x' | 'u' => self.code_point(kind, after),
            _ => self.copy(whole),
        }
    }

    fn named(&mut self, set: &str, negated: bool) {
        self.skip(2);
        self.class(set, negated);
    }

    fn property(&mut self, negated: bool, after: &'p str) {
        let Some((name, rest)) = after.strip_prefix('{').and_then(|name| name.split_once('}')) else {
            let letter = after.chars().next().map_or(0, char::len_utf8);
            self.copy(2 + letter);
            return;
        };
        match POSIX.iter().find(|(posix, _)| *posix == name) {
            Some((_, set)) if !self.flags.unicode_classes => {
                self.rest = rest;
                self.class(set, negated);
            }
            _ => self.copy(2 + name.len() + 2),
        }
    }

    /// `\x41`, `\x{41}` or `\u0041`
    fn code_point(&mut self, kind: char, after: &'p str) {
        let digits = match after.strip_prefix('{').and_then(|digits| digits.split_once('}')) {
            Some((digits, _)) => Some((digits, digits.len() + 2)),
            None => after.get(..if kind == 'x' { 2 } else { 4 }).map(|digits| (digits, digits.len())),
        };
        let found = digits.and_then(|(digits, len)| {
            let code = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)?;
            Some((code, len))
        });
        match found {
            Some((c, len)) if self.flags.folds_ascii() && c.is_ascii_alphabetic() => {
                self.skip(2 + len);
                self.literal(c);
            }
            Some((_, len)) => self.copy(2 + len),
            None => self.copy(2),
        }
    }

    /// A character that means itself.
    fn literal(&mut self, c: char) {
        if self.flags.folds_ascii() && c.is_ascii_alphabetic() {
            let both: String = [c.to_ascii_lowercase(), c.to_ascii_uppercase()].into_iter().collect();
            self.class(&both, false);
        } else if c.is_ascii_punctuation() || c == ' ' || c == '#' {
            self.out.push_str(&format!(r"\x{:02X}", c as u32));
        } else {
            self.out.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Regex, Use};
    use crate::eval::Run;
    use crate::query::World;

    fn check(cases: &[(&str, &str, bool)]) {
        let world = World::nothing();
        let mut run = Run::new(&world, 0);
        for (pattern, text, fits) in cases {
            for of in [Use::Test, Use::Find] {
                let regex = Regex::new(pattern, of).unwrap_or_else(|e| panic!("{pattern}: {e}"));
                assert_eq!(regex.is_match(text, &mut run), Some(*fits), "{of:?} {pattern} {text:?}");
            }
        }
    }

    #[test]
    fn classes_mean_what_java_means() {
        check(&[
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
        ]);
    }

    #[test]
    fn lines_and_flags_mean_what_java_means() {
        check(&[
            (r"a$", "a\n", true),
            (r"a$", "a\r\n", true),
            (r"a\s$", "a\r\n", false),
            (r"a$", "a\u{2028}", true),
            (r"a$", "a\u{85}", true),
            (r"a$", "a\r", true),
            (r"a$", "a\n\n", false),
            (r"^(a|b$)$", "b\n", true),
            (r"(a$)\n", "a\n", true),
            (r"^(?!a$)", "a\n", false),
            (r"x|a$", "a\n", true),
            (r"(a$|b)c", "a\nc", false),
            (r"a\Z", "a\n", true),
            (r"a\z", "a\n", false),
            (r"a(\z|$)", "a\n", true),
            (r"[$]", "a", false),
            (r"^$", "\n", true),
            (r"^.$", "\r", false),
            (r"^.$", "\u{85}", false),
            (r"^.$", "\u{2029}", false),
            (r"^a.b$", "a\nb", false),
            (r"(?s)^a.b$", "a\u{2028}b", true),
            (r"(?s:a.b).", "a\nb\n", false),
            (r"(?d)^a.b$", "a\rb", true),
            (r"(?d)a$", "a\r", false),
            (r"[.]", "x", false),
            (r"(?m)^b$", "a\rb\u{85}c", true),
            (r"(?m)^b$", "a\r\nb\r\n", true),
            (r"(?m)a\r$", "a\r\n", false),
            (r"(?m)^$", "a\r\nb", false),
            (r"(?m)a$", "a\u{2029}b", true),
            (r"(?m-m)^b", "a\nb", false),
            (r"(?i)straße", "STRAßE", true),
            (r"(?i)ä", "Ä", false),
            (r"(?iu)ä", "Ä", true),
            (r"(?i)k", "\u{212A}", false),
            (r"(?i)[^a-c]", "B", false),
            (r"(?i)^[x-z_]+$", "xY_Z", true),
            (r"(?i)[à-ý]", "É", false),
            (r"(?iu)[à-ý]", "É", true),
            (r"^(?i:a)b$", "Ab", true),
            (r"^(?i:a)b$", "AB", false),
            (r"(?i)^\Qa.\E\x62$", "A.B", true),
            (r"(?i)^(?<name>a)\k<name>$", "aA", true),
            (r"(?x) a b # (comment", "ab", true),
            (r"(?U)^\w$", "ó", true),
            (r"^[]a]$", "]", true),
        ]);
    }

    #[test]
    fn faults_stay_faults() {
        for pattern in ["\\", r"\p{Nope}", "(\\w", r"[\w", r"\Q(\E(", "(?R)a"] {
            assert!(Regex::new(pattern, Use::Test).is_err(), "{pattern}");
        }
    }
}
