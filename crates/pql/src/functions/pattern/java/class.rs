//! Character classes and escapes of `java.util.regex`, written so that our engine reads them alike.
//!
//! In: what stands behind a `[` or a `\`. Out: the same for our engine, and how many bytes it took. Always: an item is
//! read to a code point, a range or a set first and folded then; what the engine would read as an operator of its own
//! is escaped.

use super::Flags;

const WORD: &str = "A-Za-z0-9_";
const DIGIT: &str = "0-9";
const SPACE: &str = r"\x20\t\n\x0B\f\r";
const HORIZONTAL: &str = r"\x20\t\xA0\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}";
pub(super) const VERTICAL: &str = r"\n\x0B\f\r\x85\x{2028}\x{2029}";
/// Brackets in brackets.
const DEPTH_MAX: usize = 50;

/// The classes of ASCII that Java writes as `\p{Name}`.
const POSIX: [(&str, &str); 13] = [
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
    ("Space", SPACE),
];

/// What an escape stands for.
pub(super) enum Escaped {
    Char(char),
    /// Items to be written between brackets.
    Set(String),
}

/// Reads an escape from behind its `\`.
pub(super) fn escape(rest: &str, flags: Flags) -> Result<(Escaped, usize), String> {
    let Some(kind) = rest.chars().next() else { return Err("a `\\` stands at its end".to_owned()) };
    let plain = |c| Ok((Escaped::Char(c), 1));
    let set = |set: &str, negated| Ok((Escaped::Set(complement(set, negated)), 1));
    match kind {
        'w' | 'W' if flags.unicode_classes => set(r"\w", kind == 'W'),
        'd' | 'D' if flags.unicode_classes => set(r"\d", kind == 'D'),
        's' | 'S' if flags.unicode_classes => set(r"\s", kind == 'S'),
        'w' | 'W' => set(WORD, kind == 'W'),
        'd' | 'D' => set(DIGIT, kind == 'D'),
        's' | 'S' => set(SPACE, kind == 'S'),
        'h' | 'H' => set(HORIZONTAL, kind == 'H'),
        'v' | 'V' => set(VERTICAL, kind == 'V'),
        'p' | 'P' => {
            let (set, len) = property(&rest[1..], flags)?;
            Ok((Escaped::Set(complement(&set, kind == 'P')), 1 + len))
        }
        'x' | 'u' => {
            let found = if kind == 'x' { hexadecimal(&rest[1..]) } else { utf16(&rest[1..]) };
            let (c, len) = found.ok_or_else(|| format!("`\\{kind}` is not followed by the digits of a character"))?;
            Ok((Escaped::Char(c), 1 + len))
        }
        't' => plain('\t'),
        'n' => plain('\n'),
        'r' => plain('\r'),
        'f' => plain('\x0C'),
        'a' => plain('\x07'),
        'e' => plain('\x1B'),
        other if other.is_ascii_alphanumeric() => Err(format!("the escape `\\{other}` is not known here")),
        other => Ok((Escaped::Char(other), other.len_utf8())),
    }
}

fn complement(set: &str, negated: bool) -> String {
    if negated { format!("[^{set}]") } else { set.to_owned() }
}

/// `{Name}` or a letter
fn property(rest: &str, flags: Flags) -> Result<(String, usize), String> {
    let (name, len) = match rest.strip_prefix('{').map(|name| name.split_once('}')) {
        Some(Some((name, _))) => (name, name.len() + 2),
        Some(None) => return Err("a `\\p{` is not closed".to_owned()),
        None => match rest.chars().next() {
            Some(letter) => (&rest[..letter.len_utf8()], letter.len_utf8()),
            None => return Err("a `\\p` stands at its end".to_owned()),
        },
    };
    if name.starts_with("In") || name.starts_with("blk=") || name.starts_with("block=") {
        return Err(format!("the block of characters `\\p{{{name}}}` is not known here"));
    }
    let category = ["Is", "gc=", "general_category="].iter().find_map(|prefix| name.strip_prefix(prefix));
    let set = match (POSIX.iter().find(|(posix, _)| *posix == name), category.unwrap_or(name)) {
        (Some(("Lower" | "Upper", _)), _) if flags.fold && !flags.unicode_classes => "A-Za-z".to_owned(),
        (Some((_, set)), _) if !flags.unicode_classes => (*set).to_owned(),
        (_, "Lu" | "Ll" | "Lt") if flags.fold => r"\p{Lu}\p{Ll}\p{Lt}".to_owned(),
        (_, "Lowercase" | "Uppercase" | "Titlecase") if flags.fold && name.starts_with("Is") => {
            r"\p{Uppercase}\p{Lowercase}\p{Lt}".to_owned()
        }
        _ => format!("\\p{{{name}}}"),
    };
    Ok((set, len))
}

/// `41` or `{41}`
fn hexadecimal(rest: &str) -> Option<(char, usize)> {
    let (digits, len) = match rest.strip_prefix('{') {
        Some(digits) => digits.split_once('}').map(|(digits, _)| (digits, digits.len() + 2))?,
        None => (rest.get(..2)?, 2),
    };
    Some((char::from_u32(code(digits)?)?, len))
}

/// `0041`, or two of these for a character that takes two
fn utf16(rest: &str) -> Option<(char, usize)> {
    let high = code(rest.get(..4)?)?;
    if let Some(c) = char::from_u32(high) {
        return Some((c, 4));
    }
    let low = code(rest[4..].strip_prefix("\\u")?.get(..4)?)?;
    let both = [u16::try_from(high).ok()?, u16::try_from(low).ok()?];
    Some((char::decode_utf16(both).next()?.ok()?, 10))
}

fn code(digits: &str) -> Option<u32> {
    let fits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| fits)
}

/// Writes a character that means itself.
pub(super) fn push_char(out: &mut String, c: char) {
    match c.is_ascii_alphanumeric() || !c.is_ascii() {
        true => out.push(c),
        false => out.push_str(&format!("\\x{:02X}", c as u32)),
    }
}

/// Writes the characters from one to another, as items of a class.
pub(super) fn push_range(out: &mut String, from: char, to: char, flags: Flags) {
    let mut push = |from, to| {
        push_char(out, from);
        // `[:` alone might begin a class of POSIX.
        if from < to || from == ':' {
            out.push('-');
            push_char(out, to);
        }
    };
    push(from, to);
    if flags.folds_ascii() {
        for (first, last, other) in [('a', 'z', b'A'), ('A', 'Z', b'a')] {
            let (low, high) = (from.max(first), to.min(last));
            if low <= high {
                let moved = |c: char| char::from(other + (c as u8 - first as u8));
                push(moved(low), moved(high));
            }
        }
    }
}

/// Reads a class from behind its `[`.
pub(super) fn class(rest: &str, flags: Flags) -> Result<(String, usize), String> {
    let mut reader = Reader { rest, flags, depth: 0 };
    let negated = reader.is_negated();
    let items = reader.items(negated)?;
    reader.next();
    Ok((format!("[{items}]"), rest.len() - reader.rest.len()))
}

struct Reader<'p> {
    rest: &'p str,
    flags: Flags,
    depth: usize,
}

impl Reader<'_> {
    /// What comes next; blanks and comments are none of the class where there may be comments.
    fn peek(&mut self) -> Option<char> {
        while self.flags.comments {
            let blanks = [' ', '\t', '\n', '\x0B', '\x0C', '\r'];
            self.rest = self.rest.trim_start_matches(blanks);
            if !self.rest.starts_with('#') {
                break;
            }
            let line = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
            self.rest = &self.rest[self.rest.find(line).unwrap_or(self.rest.len())..];
        }
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }

    fn is_negated(&mut self) -> bool {
        let negated = self.rest.starts_with('^');
        self.rest = &self.rest[usize::from(negated)..];
        negated
    }

    /// The items up to the `]` that closes them, which is not taken.
    fn items(&mut self, negated: bool) -> Result<String, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} classes stand in one another"));
        }
        let mut items = String::new();
        loop {
            match self.peek() {
                None => return Err("a class is not closed".to_owned()),
                Some('[') => items.push_str(&self.nested()?),
                Some('&') if self.rest.starts_with("&&") => {
                    self.rest = &self.rest[2..];
                    items = match (items.is_empty(), self.right()?) {
                        (true, None) => return Err("nothing stands beside `&&`".to_owned()),
                        (true, Some(right)) => right,
                        (false, None) => items,
                        (false, Some(right)) => format!("[[{items}]&&[{right}]]"),
                    };
                }
                Some(']') if !items.is_empty() => break,
                Some(_) => self.item(&mut items)?,
            }
        }
        self.depth -= 1;
        Ok(complement(&items, negated))
    }

    fn nested(&mut self) -> Result<String, String> {
        self.next();
        let negated = self.is_negated();
        let items = self.items(negated)?;
        self.next();
        Ok(format!("[{items}]"))
    }

    /// What stands behind `&&`, as far as Java takes it together: the classes up to the next `&`, or all that follows
    /// from the first item that is no class.
    fn right(&mut self) -> Result<Option<String>, String> {
        let mut right: Option<String> = None;
        loop {
            match self.peek() {
                None => return Err("a class is not closed".to_owned()),
                Some(']' | '&') => return Ok(right),
                Some('[') => {
                    let class = self.nested()?;
                    right.get_or_insert_default().push_str(&class);
                }
                Some(_) => {
                    let items = self.items(false)?;
                    right.get_or_insert_default().push_str(&items);
                }
            }
        }
    }

    /// A character, a range or a set.
    fn item(&mut self, items: &mut String) -> Result<(), String> {
        let Some(from) = self.one(items)? else { return Ok(()) };
        let mut to = from;
        if self.peek() == Some('-') && !self.rest[1..].starts_with(['[', ']']) {
            self.next();
            // A blank may have stood before it.
            self.peek();
            let mut set = String::new();
            to = self.one(&mut set)?.ok_or("a range of characters ends with a set of them")?;
        }
        if to < from {
            return Err(format!("the range of characters `{from}-{to}` ends before it begins"));
        }
        push_range(items, from, to, self.flags);
        Ok(())
    }

    /// A character; a set is written instead.
    fn one(&mut self, items: &mut String) -> Result<Option<char>, String> {
        match self.next() {
            None => Err("a class is not closed".to_owned()),
            Some('\\') => {
                let (escaped, len) = escape(self.rest, self.flags)?;
                self.rest = &self.rest[len..];
                Ok(match escaped {
                    Escaped::Char(c) => Some(c),
                    Escaped::Set(set) => {
                        items.push_str(&set);
                        None
                    }
                })
            }
            Some(c) => Ok(Some(c)),
        }
    }
}
