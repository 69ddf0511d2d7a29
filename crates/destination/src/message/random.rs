//! Invented texts: words, ids, texts that match a pattern.
//!
//! In: a source of numbers, given by the caller. Out: text. Always: equal numbers give equal text; work is bounded.

use crate::config::Pattern;
use std::iter::Peekable;
use std::str::Chars;

/// A source of numbers.
pub(crate) struct Random<'a>(pub(crate) &'a mut dyn FnMut() -> u32);

const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const DIGITS: &str = "0123456789";
/// What one unbounded repetition makes at most beyond its least.
const REPEAT_MORE: u32 = 6;
/// The longest repetition that is made.
const REPEAT_MAX: u32 = 200;
/// How deep groups are followed.
const DEPTH_MAX: u32 = 32;
/// How long a made text may become before it is given up.
const LENGTH_MAX: usize = 4_000;
/// How many parts of a pattern are walked over in one attempt.
const WORK_MAX: u32 = 20_000;
const ATTEMPTS: u32 = 64;

impl Random<'_> {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        ((u64::from((self.0)()) * u64::from(bound)) >> 32) as u32
    }

    pub(crate) fn letters(&mut self, count: usize) -> String {
        self.of(LETTERS, count)
    }

    pub(crate) fn alphanumeric(&mut self, count: usize) -> String {
        self.of(&[LETTERS, DIGITS].concat(), count)
    }

    fn of(&mut self, alphabet: &str, count: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..count).map(|_| letters[self.below(letters.len() as u32) as usize]).collect()
    }

    /// An identifier in the form of a UUID of version 4.
    pub(crate) fn uuid(&mut self) -> String {
        let [a, b, c, d] = [(self.0)(), (self.0)(), (self.0)(), (self.0)()];
        let (version, variant) = (b & 0x0fff | 0x4000, c >> 16 & 0x3fff | 0x8000);
        format!("{a:08x}-{:04x}-{version:04x}-{variant:04x}-{:04x}{d:08x}", b >> 16, c & 0xffff)
    }

    /// A text that the pattern matches; none if the pattern is beyond what is understood here.
    pub(crate) fn matching(&mut self, pattern: &Pattern) -> Option<String> {
        let fits = |text: &String| pattern.matches(text).unwrap_or(false);
        for _ in 0..ATTEMPTS {
            let mut maker = Maker { rest: pattern.source.chars().peekable(), random: self, depth: 0, work: WORK_MAX };
            if let Some(text) = maker.alternatives().filter(|_| maker.rest.peek().is_none()).filter(fits) {
                return Some(text);
            }
        }
        // Patterns that only look around leave the text itself open.
        (1..=63).map(|length| self.of("abcdefghijklmnopqrstuvwxyz", length)).find(fits)
    }
}

/// Walks along a pattern and makes a text of what it reads. Look-around is passed over: the result is checked.
struct Maker<'p, 'r, 'n> {
    rest: Peekable<Chars<'p>>,
    random: &'r mut Random<'n>,
    depth: u32,
    work: u32,
}

impl Maker<'_, '_, '_> {
    fn alternatives(&mut self) -> Option<String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let mut made = vec![self.sequence()?];
        while self.rest.next_if_eq(&'|').is_some() {
            made.push(self.sequence()?);
        }
        self.depth -= 1;
        let chosen = self.random.below(made.len() as u32) as usize;
        Some(made.swap_remove(chosen))
    }

    fn sequence(&mut self) -> Option<String> {
        let mut text = String::new();
        while let Some(next) = self.rest.peek().copied() {
            if matches!(next, '|' | ')') {
                break;
            }
            let from = self.rest.clone();
            let atom = self.atom()?;
            let after = self.rest.clone();
            let (least, most) = self.repetition()?;
            let count = least + self.random.below(most - least + 1);
            let end = std::mem::replace(&mut self.rest, after);
            if count > 0 {
                text.push_str(&atom);
            }
            for _ in 1..count {
                self.rest = from.clone();
                text.push_str(&self.atom()?);
                if text.len() > LENGTH_MAX {
                    return None;
                }
            }
            self.rest = end;
        }
        Some(text)
    }

    /// How often the atom before is repeated.
    fn repetition(&mut self) -> Option<(u32, u32)> {
        let (least, most) = match self.rest.peek() {
            Some('?') => (0, 1),
            Some('*') => (0, REPEAT_MORE),
            Some('+') => (1, 1 + REPEAT_MORE),
            Some('{') => {
                self.rest.next();
                let text: String = self.rest.by_ref().take_while(|c| *c != '}').collect();
                let (least, most) = match text.split_once(',') {
                    None => (text.parse().ok()?, text.parse().ok()?),
                    Some((least, "")) => (least.parse().ok()?, least.parse::<u32>().ok()?.saturating_add(REPEAT_MORE)),
                    Some((least, most)) => (least.parse().ok()?, most.parse().ok()?),
                };
                self.rest.next_if(|c| matches!(c, '?' | '+'));
                return (least <= most && least <= REPEAT_MAX).then_some((least, most.min(REPEAT_MAX)));
            }
            _ => return Some((1, 1)),
        };
        self.rest.next();
        self.rest.next_if(|c| matches!(c, '?' | '+'));
        Some((least, most))
    }

    fn atom(&mut self) -> Option<String> {
        self.work = self.work.checked_sub(1)?;
        match self.rest.next()? {
            '^' | '$' => Some(String::new()),
            '.' => Some(self.random.alphanumeric(1)),
            '(' => self.group(),
            '[' => self.class(),
            '\\' => match self.rest.next()? {
                'b' | 'B' | 'A' | 'z' | 'Z' => Some(String::new()),
                escaped => self.one_of(&set(escaped)?),
            },
            literal => Some(literal.to_string()),
        }
    }

    fn group(&mut self) -> Option<String> {
        let mut look_around = false;
        if self.rest.next_if_eq(&'?').is_some() {
            match self.rest.next()? {
                ':' | '>' => {}
                '=' | '!' => look_around = true,
                '<' if matches!(self.rest.peek(), Some('=' | '!')) => {
                    self.rest.next();
                    look_around = true;
                }
                '<' => drop(self.rest.by_ref().take_while(|c| *c != '>').count()),
                _ => return None,
            }
        }
        let made = self.alternatives()?;
        self.rest.next_if_eq(&')')?;
        Some(if look_around { String::new() } else { made })
    }

    fn class(&mut self) -> Option<String> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        let mut members = Vec::new();
        let mut first = true;
        loop {
            let next = self.rest.next()?;
            if next == ']' && !first {
                break;
            }
            first = false;
            let from = match next {
                '\\' => set(self.rest.next()?)?,
                '[' => return None,
                literal => vec![literal],
            };
            let mut ahead = self.rest.clone();
            let ranged = from.len() == 1 && ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']');
            if !ranged {
                members.extend(from);
                continue;
            }
            self.rest.next();
            let to = match self.rest.next()? {
                '\\' => *set(self.rest.next()?)?.first()?,
                literal => literal,
            };
            members.extend((from[0]..=to).take(256));
        }
        if negated {
            members = (' '..='~').filter(|c| !members.contains(c)).collect();
            let plain: Vec<char> = members.iter().copied().filter(char::is_ascii_alphanumeric).collect();
            members = if plain.is_empty() { members } else { plain };
        }
        self.one_of(&members)
    }

    fn one_of(&mut self, members: &[char]) -> Option<String> {
        let bound = u32::try_from(members.len()).ok()?;
        members.get(self.random.below(bound) as usize).map(char::to_string)
    }
}

/// The characters that an escape stands for.
fn set(escaped: char) -> Option<Vec<char>> {
    Some(match escaped {
        'd' => DIGITS.chars().collect(),
        'w' => LETTERS.chars().chain(DIGITS.chars()).chain(['_']).collect(),
        's' => vec![' '],
        'D' | 'S' | 'W' => LETTERS.chars().collect(),
        'n' => vec!['\n'],
        't' => vec!['\t'],
        'r' => vec!['\r'],
        literal if !literal.is_alphanumeric() => vec![literal],
        _ => return None,
    })
}

#[cfg(test)]
pub(crate) fn test_numbers(seed: u64) -> impl FnMut() -> u32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn makes_what_patterns_ask_for() {
        let patterns = [
            "^[A-Za-z]+$",
            "^\\d{3}-\\d{4}$",
            "^(eu|us|ap)-[a-z]{4,8}-[1-3]$",
            "(?=^.{3,63}$)(?!^(\\d+\\.)+\\d+$)(^(([a-z0-9]|[a-z0-9][a-z0-9\\-]*[a-z0-9])\\.)*([a-z0-9]|[a-z0-9][a-z0-9\\-]*[a-z0-9])$)",
            "^[^/]+(?:\\.csv)?$",
            "^[\\w.+-]+@[\\w-]+\\.[a-z]{2,}$",
            "^(?!xn--).{5}$",
            "",
        ];
        let mut numbers = test_numbers(7);
        for pattern in patterns {
            let compiled = Pattern::compile(pattern).expect("a valid pattern");
            let made = Random(&mut numbers).matching(&compiled).expect(pattern);
            assert!(compiled.matches(&made).expect("in few steps"), "{pattern}: {made}");
        }
        let impossible = Pattern::compile("^(?=a)b$").expect("a valid pattern");
        assert_eq!(Random(&mut numbers).matching(&impossible), None);
    }

    proptest! {
        #[test]
        fn any_pattern_ends(source in "[\\[\\](){}^$.|?*+\\\\a-c0-9,:=!<>-]{0,24}") {
            if let Ok(pattern) = Pattern::compile(&source) {
                let made = Random(&mut test_numbers(3)).matching(&pattern);
                prop_assert!(made.is_none_or(|text| pattern.matches(&text).unwrap_or(false)));
            }
        }
    }
}
