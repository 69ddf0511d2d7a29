//! Expressions of `java.util.regex` for an engine that reads some escapes otherwise (pql.md §9).
//!
//! In: a pattern as Java takes it. Out: one that means the same to our engine. What both read alike passes through,
//! faults too: the engine tells those. Classes are those of Java: `\w`, `\d` and `\s` know ASCII only without the flag
//! `U`, and `i` folds ASCII only without `u`. Lines end as Java has it, so `.`, `^` and `$` are spelled out; the flags
//! `d`, `m`, `s` and those for case are carried out here.

mod class;

use class::{Escaped, VERTICAL};
use std::borrow::Cow;

/// What ends a line beside a line feed.
const TERMINATORS: &str = r"\r\x{85}\x{2028}\x{2029}";
/// Those that our engine does not know.
const RARE_TERMINATORS: &str = r"\x{85}\x{2028}\x{2029}";
/// Repeated characters that are told apart.
const RUNS_MAX: usize = 8;

/// A pattern in the syntax of our engine.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) pattern: String,
    /// It looks around or back, so that matching may take many steps.
    pub(super) hard: bool,
    /// What does the same, for less, on a text whose lines end in a simple way.
    pub(super) plain: Option<Plain>,
    /// A text that ends with a line terminator must also be tried without it.
    pub(super) trims: bool,
    /// How many characters it matches or looks at, with counted repetitions written out.
    pub(super) weight: usize,
    /// The characters that it repeats without end; `None` where it repeats more than one at a time.
    pub(super) runs: Option<Vec<String>>,
    /// How often it refers to a group.
    pub(super) references: usize,
}

/// A pattern for texts that end with no line terminator.
#[derive(Debug)]
pub(super) struct Plain {
    pub(super) pattern: String,
    pub(super) hard: bool,
    /// The text must not be empty, and its lines must end with `\n` or `\r` alone.
    pub(super) lines: bool,
}

impl Plain {
    /// Whether it does for a text.
    pub(super) fn fits(lines: bool, text: &str) -> bool {
        trimmed(text).is_none() && !(lines && (text.is_empty() || text.contains(['\u{85}', '\u{2028}', '\u{2029}'])))
    }
}

/// How ends of lines are written.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ends {
    /// As they are.
    Exact,
    /// The end of the text is looked for in a text without its last line terminator, too.
    Trimmed,
    /// The text is one for [`Plain`].
    Plain,
}

/// Translates a pattern. `test`: only whether it matches will be asked, not what; then an end of line need not be
/// looked for by the engine.
pub(super) fn translated(pattern: &str, test: bool) -> Result<Translated, String> {
    let pattern = unquoted(pattern);
    let run = |ends| {
        let mut translator = Translator::new(&pattern, ends);
        translator.run().map(|()| translator)
    };
    let mut first = run(if test { Ends::Trimmed } else { Ends::Exact })?;
    if first.trims && (first.hard || first.inexact) {
        first = run(Ends::Exact)?;
    }
    let plain = if first.hard { Some(run(Ends::Plain)?) } else { None };
    let plain = plain.filter(|plain| plain.out != first.out);
    let weight = first.costs.iter().fold(0_usize, |sum, cost| sum.saturating_add(*cost));
    Ok(Translated {
        pattern: first.out,
        hard: first.hard,
        plain: plain.map(|plain| Plain { pattern: plain.out, hard: plain.hard, lines: plain.lines }),
        trims: first.trims,
        weight,
        runs: (!first.repeats_groups && first.runs.len() <= RUNS_MAX).then_some(first.runs),
        references: first.references,
    })
}

/// A pattern whose quoted parts are written with escapes, as Java does it before it reads anything else.
fn unquoted(pattern: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find('\\') {
        let Some(quoted) = rest[at..].strip_prefix("\\Q") else {
            let escaped = rest[at + 1..].chars().next().map_or(0, char::len_utf8);
            out.push_str(&rest[..at + 1 + escaped]);
            rest = &rest[at + 1 + escaped..];
            continue;
        };
        out.push_str(&rest[..at]);
        let (quoted, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
        for (n, c) in quoted.char_indices() {
            match c {
                // It must not end up in an escape before it.
                '0'..='9' if n == 0 => out.push_str(&format!("\\x3{c}")),
                c if c.is_ascii_alphanumeric() => out.push(c),
                c => out.extend(['\\', c]),
            }
        }
        rest = after;
    }
    if out.is_empty() {
        return Cow::Borrowed(pattern);
    }
    out.push_str(rest);
    Cow::Owned(out)
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
    ends: Ends,
    hard: bool,
    trims: bool,
    /// A trimmed text would not do.
    inexact: bool,
    /// The weight of what stands in each open group, the outermost first.
    costs: Vec<usize>,
    /// The weight of what a quantifier would repeat.
    last: usize,
    /// Where it stands if it is one character.
    lone: Option<usize>,
    /// Where what is being written began.
    begin: usize,
    /// A line begins or ends somewhere.
    lines: bool,
    runs: Vec<String>,
    repeats_groups: bool,
    references: usize,
}

impl<'p> Translator<'p> {
    fn new(pattern: &'p str, ends: Ends) -> Translator<'p> {
        Translator {
            rest: pattern,
            out: String::with_capacity(pattern.len() + 16),
            flags: Flags::default(),
            groups: Vec::new(),
            ends,
            hard: false,
            trims: false,
            inexact: false,
            costs: vec![0],
            last: 0,
            lone: None,
            begin: 0,
            lines: false,
            runs: Vec::new(),
            repeats_groups: false,
            references: 0,
        }
    }

    fn run(&mut self) -> Result<(), String> {
        while let Some(c) = self.rest.chars().next() {
            if self.flags.comments && (c.is_ascii_whitespace() || c == '\x0B') {
                self.skip(1);
                self.out.push(' ');
                continue;
            }
            if self.flags.comments && c == '#' {
                self.copy(self.rest.find('\n').unwrap_or(self.rest.len()));
                continue;
            }
            self.begin = self.out.len();
            if !matches!(c, '*' | '+' | '?' | '{') {
                self.lone = None;
            }
            if c == '\\' { self.escape()? } else { self.outside(c)? }
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
        self.lone = Some(self.begin);
        if let Some(cost) = self.costs.last_mut() {
            *cost = cost.saturating_add(weight);
        }
    }

    fn outside(&mut self, c: char) -> Result<(), String> {
        match c {
            '[' => {
                let (class, len) = class::class(&self.rest[1..], self.flags)?;
                self.out.push_str(&class);
                self.skip(1 + len);
                self.atom(1);
            }
            '(' => return self.open_group(),
            ')' => {
                self.copy(1);
                self.flags = self.groups.pop().unwrap_or(self.flags);
                if self.costs.len() > 1 {
                    let cost = self.costs.pop().unwrap_or(0);
                    self.atom(cost);
                }
                self.lone = None;
            }
            '{' if !self.rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                return Err("a `{` is not followed by a number of repetitions".to_owned());
            }
            '{' => self.repeat(),
            '*' | '+' | '?' => {
                self.copy(1);
                self.repeated(c != '?');
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
            '|' => self.copy(1),
            _ => {
                self.skip(c.len_utf8());
                self.literal(c);
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
        let len = self.rest.find('}').map_or(1, |end| end + 1);
        self.copy(len);
        self.repeated(counts.ends_with(','));
    }

    /// Behind a quantifier.
    fn repeated(&mut self, endless: bool) {
        let lone = self.lone.take();
        if endless {
            match lone {
                Some(at) => {
                    let repeated = &self.out[at..self.begin];
                    let folds = self.flags.fold && self.flags.unicode_case;
                    let run = if folds { format!("(?i:{repeated})") } else { repeated.to_owned() };
                    if !self.runs.contains(&run) {
                        self.runs.push(run);
                    }
                }
                None => self.repeats_groups = true,
            }
        }
        // What is possessive looks back.
        self.hard |= self.rest.starts_with('+');
        if self.rest.starts_with(['+', '?']) {
            self.copy(1);
        }
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
        if !self.flags.multiline {
            self.out.push('^');
            return;
        }
        (self.lines, self.inexact) = (true, true);
        let begins = if self.flags.unix { "(?m:^)" } else { "(?mR:^)" };
        match (self.ends, self.flags.unix) {
            (Ends::Plain, _) => self.out.push_str(begins),
            (_, true) => self.out.push_str(&format!(r"(?:{begins}(?!\z))")),
            (_, false) => self.out.push_str(&format!(r"(?:(?:{begins}|(?<=[{RARE_TERMINATORS}]))(?!\z))")),
        }
        self.hard |= self.ends != Ends::Plain;
    }

    fn line_end(&mut self) {
        (self.lines, self.inexact) = (true, true);
        match (self.ends, self.flags.unix) {
            (_, true) => self.out.push_str("(?m:$)"),
            (Ends::Plain, false) => self.out.push_str("(?mR:$)"),
            (_, false) => {
                self.hard = true;
                self.out.push_str(&format!(r"(?:(?mR:$)|(?=[{RARE_TERMINATORS}]))"));
            }
        }
    }

    /// The end, but for a line terminator that stands there.
    fn text_end(&mut self) {
        // Nothing that could match stands behind it on its way through the pattern.
        let after = self.rest.trim_start_matches([')', '$']);
        let closed = self.rest[..self.rest.len() - after.len()].matches(')').count();
        let last = after.is_empty() || (after.starts_with('|') && closed >= self.groups.len());
        let trims = self.ends == Ends::Trimmed && last && !self.flags.unix;
        if trims || self.ends == Ends::Plain {
            self.trims |= trims;
            self.out.push_str(r"\z");
            return;
        }
        self.inexact = true;
        self.hard = true;
        match self.flags.unix {
            true => self.out.push_str(r"(?=\n?\z)"),
            false => self.out.push_str(&format!(r"(?=(?mR:$)(?:\r?\n|\r)?\z|[{RARE_TERMINATORS}]\z)")),
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        let kind = self.rest[1..].chars().next().unwrap_or_default();
        match kind {
            'b' if self.rest[2..].starts_with('{') => return Err("the boundary `\\b{` is not known here".to_owned()),
            'b' | 'B' | 'A' => self.copy(2),
            'R' => {
                self.skip(2);
                self.out.push_str(&format!(r"(?:\r\n|[{VERTICAL}])"));
                self.atom(2);
            }
            'Z' => {
                self.skip(2);
                self.text_end();
            }
            'z' | 'G' => {
                self.inexact = true;
                self.hard |= kind == 'G';
                self.copy(2);
            }
            'k' | '1'..='9' => {
                self.hard = true;
                self.references += 1;
                let name = if kind == 'k' { self.rest.find('>').map_or(0, |end| end - 1) } else { 0 };
                let fold = self.flags.folds_ascii();
                self.out.push_str(if fold { "(?i:" } else { "" });
                self.copy(2 + name);
                self.out.push_str(if fold { ")" } else { "" });
                self.atom(1);
                self.lone = None;
            }
            _ => {
                let (escaped, len) = class::escape(&self.rest[1..], self.flags)?;
                self.skip(1 + len);
                match escaped {
                    Escaped::Char(c) => self.escaped(c),
                    // No set but a property has letters of either case only.
                    Escaped::Set(set) if self.flags.fold && !matches!(kind, 'p' | 'P') => {
                        self.out.push_str(&format!("(?-i:[{set}])"));
                        self.atom(1);
                    }
                    Escaped::Set(set) => {
                        self.out.push_str(&format!("[{set}]"));
                        self.atom(1);
                    }
                }
            }
        }
        Ok(())
    }

    /// A character that stands for itself and is no operator.
    fn literal(&mut self, c: char) {
        if self.flags.folds_ascii() && c.is_ascii_alphabetic() {
            self.out.extend(['[', c.to_ascii_lowercase(), c.to_ascii_uppercase(), ']']);
        } else if c.is_whitespace() && !c.is_ascii() {
            self.out.push_str(&format!("\\x{{{:X}}}", c as u32));
        } else {
            self.out.push(c);
        }
        self.atom(1);
    }

    /// A character that might be an operator.
    fn escaped(&mut self, c: char) {
        if c.is_ascii() && !c.is_ascii_alphabetic() {
            class::push_char(&mut self.out, c);
            self.atom(1);
        } else {
            self.literal(c);
        }
    }
}

#[cfg(test)]
mod tests;
