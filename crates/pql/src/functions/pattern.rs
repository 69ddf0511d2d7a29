//! Patterns: `like`, and regular expressions with a limit on their work (pql.md §9).
//!
//! In: a pattern and a text. Out: whether it fits. Always: the work is bounded, and paid for by the evaluation. A
//! regular expression that goes back too often counts as not matching, and `stopped` counts how often that happened
//! in this process.

mod java;

use crate::eval::Run;
use model::SmolStr;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Backtracking steps that are tried, one number after the other: most texts need few, and what they cost is not known
/// else.
const STEPS: [usize; 5] = [1_000, 16_000, 128_000, 1_000_000, 4_000_000];
/// Steps after which a text counts as not matching, and how many there are for each byte of a longer one.
const STEPS_MAX: usize = 1_000_000;
const STEPS_PER_BYTE: usize = 8;
/// Steps times bytes that each may look at: where characters are repeated, those of the longest run of them; where
/// groups are, the whole text.
const LOOKS_MAX: usize = 1 << 30;
/// Such bytes that a part of an item pays for, when the steps were taken in vain.
const LOOKS_PER_PART: usize = 4;
/// What a step costs, in parts of an item.
const STEP_COST: u32 = 8;
/// What a byte costs for each character of the expression, in parts of an item: one of so many.
const WEIGHT_BYTES: usize = 2;
/// What it costs to compile an expression, in items: as a whole and for each character.
const COMPILE_COST: usize = 3_000;
const COMPILE_CHARACTER_COST: usize = 20;
/// Memory for one compiled expression.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// Longest expression.
const PATTERN_BYTES_MAX: usize = 1 << 16;
/// Expressions made of data that a thread keeps compiled.
const KEPT_MAX: usize = 64;

static STOPPED: AtomicU64 = AtomicU64::new(0);

/// How many matches were given up in this process because a regular expression took too many steps.
pub fn stopped() -> u64 {
    STOPPED.load(Ordering::Relaxed)
}

/// What an expression is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Use {
    /// Whether a text matches.
    Test,
    /// What part of a text matches, too.
    Find,
}

/// Expressions of data with what they were compiled to, if they were.
type Kept = HashMap<(SmolStr, Use), Option<Rc<Regex>>>;

/// An expression of the engine, compiled for each number of steps that it may take; those for more steps are made when
/// they are needed. One that takes no steps has the first only.
#[derive(Clone)]
struct Engine {
    pattern: String,
    hard: bool,
    compiled: [OnceLock<Option<fancy_regex::Regex>>; STEPS.len()],
}

impl Engine {
    fn new(pattern: String, hard: bool) -> Engine {
        Engine { pattern, hard, compiled: <[OnceLock<_>; STEPS.len()]>::default() }
    }

    fn with_steps(&self, at: usize) -> Option<&fancy_regex::Regex> {
        self.compiled[at].get_or_init(|| build(&self.pattern, STEPS[at]).ok()).as_ref()
    }
}

/// A compiled regular expression.
#[derive(Clone)]
pub(crate) struct Regex {
    exact: Engine,
    /// For texts whose lines end in a simple way, and whether lines are looked for.
    plain: Option<(Engine, bool)>,
    trims: bool,
    weight: usize,
    /// What is repeated without end, if that can be told, and how it is found.
    runs: Option<Vec<String>>,
    measures: OnceLock<Option<Vec<fancy_regex::Regex>>>,
    references: usize,
}

impl Regex {
    /// Compiles; the error says what is wrong with the pattern.
    pub(crate) fn new(pattern: &str, of: Use) -> Result<Regex, String> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(format!("it is longer than {PATTERN_BYTES_MAX} bytes"));
        }
        // A fault is told as it stands in the pattern that was given.
        let read = java::translated(pattern, of == Use::Test)?;
        let exact = Engine::new(read.pattern, read.hard);
        let first =
            build(&exact.pattern, STEPS[0]).map_err(|e| e.to_string().lines().last().unwrap_or_default().to_owned())?;
        let _ = exact.compiled[0].set(Some(first));
        Ok(Regex {
            exact,
            plain: read.plain.map(|plain| (Engine::new(plain.pattern, plain.hard), plain.lines)),
            trims: read.trims,
            weight: read.weight.max(1),
            runs: read.runs,
            measures: OnceLock::new(),
            references: read.references,
        })
    }

    /// A pattern that is data: compiled once in a while; `None` if it does not compile.
    pub(crate) fn of_data(pattern: &str, of: Use, run: &mut Run<'_>) -> Option<Rc<Regex>> {
        thread_local!(static KEPT: RefCell<Kept> = RefCell::default());
        let key = (SmolStr::new(pattern), of);
        // What the thread has compiled must not tell where an evaluation is cut off.
        if run.compiles(&key, KEPT_MAX) && !run.pay(compile_cost(pattern)) {
            return None;
        }
        KEPT.with_borrow_mut(|kept| {
            if let Some(known) = kept.get(&key) {
                return known.clone();
            }
            if kept.len() >= KEPT_MAX {
                kept.clear();
            }
            let compiled = Regex::new(pattern, of).ok().map(Rc::new);
            kept.insert(key, compiled.clone());
            compiled
        })
    }

    /// Pays for a pass over a text.
    fn pays(&self, text: &str, run: &mut Run<'_>) -> bool {
        let looks = text.len().saturating_mul(self.weight) / WEIGHT_BYTES;
        run.spend(u32::try_from(looks).unwrap_or(u32::MAX))
    }

    /// What to search a text with.
    fn engine(&self, text: &str) -> &Engine {
        match &self.plain {
            Some((plain, lines)) if java::Plain::fits(*lines, text) && plain.with_steps(0).is_some() => plain,
            _ => &self.exact,
        }
    }

    /// Carries out a search in a text, with as many steps as it needs; `None` where that was given up.
    fn search<T>(
        &self,
        engine: &Engine,
        text: &str,
        run: &mut Run<'_>,
        find: impl Fn(&fancy_regex::Regex) -> Result<T, fancy_regex::Error>,
    ) -> Option<T> {
        let most = STEPS_MAX.max(STEPS_PER_BYTE.saturating_mul(text.len()));
        let mut looks = None;
        for (at, steps) in STEPS.into_iter().enumerate() {
            // The first steps are often not taken.
            let cost = if at == 0 { STEP_COST * steps as u32 / 2 } else { STEP_COST * steps as u32 };
            if run.is_exhausted() || (engine.hard && !run.spend(cost)) {
                return None;
            }
            match engine.with_steps(at).map(&find) {
                Some(Ok(found)) => return Some(found),
                Some(Err(_)) => {}
                None => break,
            }
            let each = *looks.get_or_insert_with(|| self.looks(text, run));
            run.spend(u32::try_from(steps.saturating_mul(each) / LOOKS_PER_PART).unwrap_or(u32::MAX));
            let next = STEPS.get(at + 1).map_or(usize::MAX, |steps| *steps);
            if next > most || next.saturating_mul(each) > LOOKS_MAX {
                break;
            }
        }
        STOPPED.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// How many bytes a step may look at.
    fn looks(&self, text: &str, run: &mut Run<'_>) -> usize {
        let build_all =
            |runs: &Vec<String>| runs.iter().map(|of| build(&format!("(?:{of})+"), STEPS[0]).ok()).collect();
        let Some(measures) = self.measures.get_or_init(|| self.runs.as_ref().and_then(build_all)) else {
            return text.len();
        };
        let mut longest = 1;
        for measure in measures {
            run.pay_slow(text.len());
            let runs = measure.find_iter(text).map(|found| found.map_or(text.len(), |run| run.as_str().len()));
            longest = longest.max(runs.max().unwrap_or(0));
        }
        longest.saturating_mul(self.weight).saturating_mul(1 + self.references).min(text.len())
    }

    /// Whether some part of the text fits; `None` where that was given up.
    pub(crate) fn is_match(&self, text: &str, run: &mut Run<'_>) -> Option<bool> {
        if !self.pays(text, run) {
            return None;
        }
        if self.search(self.engine(text), text, run, |regex| regex.is_match(text))? {
            return Some(true);
        }
        match java::trimmed(text).filter(|_| self.trims) {
            Some(text) => self.search(self.engine(text), text, run, |regex| regex.is_match(text)),
            None => Some(false),
        }
    }

    /// What a group took in the first match.
    pub(crate) fn group<'t>(&self, text: &'t str, group: usize, run: &mut Run<'_>) -> Option<&'t str> {
        if !self.pays(text, run) {
            return None;
        }
        let found = self.search(self.engine(text), text, run, |regex| regex.captures(text))??;
        found.get(group).map(|part| part.as_str())
    }

    /// The text with every match replaced by `by`, left to right; `None` beyond the limit of bytes.
    pub(crate) fn replace_all(&self, text: &str, by: &str, bytes_max: usize, run: &mut Run<'_>) -> Option<String> {
        if !self.pays(text, run) {
            return None;
        }
        let engine = self.engine(text);
        let mut out = String::new();
        let (mut copied, mut from) = (0, 0);
        // An empty match right behind the one before is none.
        let mut last = None;
        while from <= text.len() {
            run.pay(1);
            if engine.hard {
                run.pay_bytes(text.len() - from);
            }
            let Some(found) = self.search(engine, text, run, |regex| regex.find_from_pos(text, from)) else {
                return Some(text.to_owned());
            };
            let Some(found) = found else { break };
            let next = text[found.end()..].chars().next().map_or(1, char::len_utf8);
            if found.start() == found.end() && last == Some(found.end()) {
                from = found.end() + next;
                continue;
            }
            from = if found.start() == found.end() { found.end() + next } else { found.end() };
            last = Some(found.end());
            out.push_str(&text[copied..found.start()]);
            out.push_str(by);
            copied = found.end();
            if out.len() > bytes_max {
                return None;
            }
        }
        out.push_str(&text[copied..]);
        (out.len() <= bytes_max).then_some(out)
    }
}

/// The same for equal expressions, whatever of them was compiled so far: trees are compared by it.
impl fmt::Debug for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Regex").field(&self.exact.pattern).field(&self.trims).finish()
    }
}

fn build(pattern: &str, steps: usize) -> Result<fancy_regex::Regex, fancy_regex::Error> {
    fancy_regex::RegexBuilder::new(pattern)
        .backtrack_limit(steps)
        .delegate_size_limit(COMPILED_BYTES_MAX)
        .delegate_dfa_size_limit(COMPILED_BYTES_MAX)
        .build()
}

fn compile_cost(pattern: &str) -> u32 {
    u32::try_from(COMPILE_COST.saturating_add(pattern.len().saturating_mul(COMPILE_CHARACTER_COST))).unwrap_or(u32::MAX)
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    Run,
    One,
    Char(char),
}

/// A pattern of `like`.
#[derive(Debug, Clone)]
pub(crate) struct Like(Vec<Part>);

impl Like {
    /// Reads a pattern; the error names an escape that is none.
    pub(crate) fn new(pattern: &str) -> Result<Like, String> {
        let mut parts = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '%' => Part::Run,
                '_' => Part::One,
                '\\' => match chars.next() {
                    Some(escaped @ ('%' | '_' | '\\')) => Part::Char(escaped),
                    Some(other) => return Err(format!("`\\{other}` is not an escape of `like`")),
                    None => return Err("a pattern can not end with `\\`".into()),
                },
                c => Part::Char(c),
            });
        }
        parts.dedup_by(|a, b| *a == Part::Run && *b == Part::Run);
        Ok(Like(parts))
    }

    /// True if the whole text fits. A failed run only ever grows, so the work is text times pattern; `pay` is told of
    /// it and says whether to go on.
    pub(crate) fn matches(&self, text: &str, pay: &mut dyn FnMut(u32) -> bool) -> bool {
        /// Steps that are paid for at once; fewer are a part of what calls cost.
        const STEPS_PAID: u32 = 64;
        let mut steps = 0;
        let mut rest = text.chars();
        let mut at = 0;
        let mut retry = None;
        loop {
            steps += 1;
            if steps == STEPS_PAID {
                steps = 0;
                if !pay(2 * STEPS_PAID) {
                    return false;
                }
            }
            let before = rest.clone();
            match (self.0.get(at), rest.next()) {
                (Some(Part::Run), _) => {
                    rest = before.clone();
                    retry = Some((at + 1, before));
                    at += 1;
                }
                (Some(Part::One), Some(_)) => at += 1,
                (Some(Part::Char(c)), Some(d)) if *c == d => at += 1,
                (None, None) => return true,
                _ => {
                    let Some((part, from)) = &mut retry else { return false };
                    if from.next().is_none() {
                        return false;
                    }
                    (at, rest) = (*part, from.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::World;

    #[test]
    fn like_fits_whole_texts() {
        let fits = |pattern, text| Like::new(pattern).expect("a pattern").matches(text, &mut |_| true);
        for (pattern, text) in
            [("%", ""), ("a%c", "abbc"), ("%a%b", "xaybab"), ("_%", "é"), ("100\\%", "100%"), ("a%%b", "ab")]
        {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("_", ""), ("a%c", "abcd"), ("a_c", "abbc"), ("A%", "abc")] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
        assert!(Like::new("a\\").is_err());
    }

    #[test]
    fn hostile_expressions_do_not_stall() {
        let world = World::nothing();
        let mut run = Run::new(&world, 0);
        let before = stopped();
        let hostile = Regex::new("(a+)+(?=b)\\1$", Use::Find).expect("compiles");
        let text = "a".repeat(5000);
        assert_eq!(hostile.is_match(&text, &mut run), None);
        assert_eq!(hostile.group(&text, 0, &mut run), None);
        assert_eq!(hostile.replace_all(&text, "", 1 << 20, &mut run).as_deref(), Some(text.as_str()));
        assert!(stopped() >= before + 3);
    }

    #[test]
    fn what_is_linear_is_right_in_long_texts() {
        let world = World::nothing();
        let line = "some words, 12 of them; targetx a@b.c\n";
        for kilobytes in [1, 40, 100] {
            let lines = line.repeat(kilobytes * 1_000 / line.len());
            for (pattern, end, fits) in [
                ("(target)$", "target", true),
                ("(target)$", "target\r\n", true),
                ("(target)$|nothing$", "target\n", true),
                ("(target)$", "target\n\n", false),
                ("(?<=\n)target", "target", true),
                ("target(?!x)", "target", true),
                ("target(?!x)", "targetx", false),
                ("target(?=$|,)", "target", true),
                ("target(?=$|,)", "target\n", true),
                ("target(?=$|,)", "targetx\n", false),
                ("(?m)^target$", "target", true),
                ("(?m)^target$", "target\nx", true),
                ("(?m)^target$", "x\u{2028}target\n", true),
                ("(?m)^target$", "target.\n", false),
                (r"(?m)^(\w+)$", "target\r\n", true),
                (r"(\w)\1\w+(?=!)", "ttarget!\n", true),
                (r"(?<=id: )\w+", "id: target", true),
            ] {
                let text = format!("{lines}{end}");
                let mut run = Run::new(&world, 0);
                for of in [Use::Test, Use::Find] {
                    let regex = Regex::new(pattern, of).expect("compiles");
                    assert_eq!(regex.is_match(&text, &mut run), Some(fits), "{pattern} {end:?} {kilobytes} {of:?}");
                    let found = regex.group(&text, 0, &mut run).filter(|_| of == Use::Find);
                    assert!(found.is_none_or(|found| found.contains("target")), "{pattern} {kilobytes}");
                    assert_eq!(found.is_some(), fits && of == Use::Find, "{pattern} {end:?} {kilobytes}");
                    assert!(!run.is_exhausted(), "{pattern} {kilobytes}");
                }
            }
        }
    }

    #[test]
    fn what_was_compiled_does_not_tell_expressions_apart() {
        let (world, regex) = (World::nothing(), Regex::new("(?=b)c|^a", Use::Test).expect("compiles"));
        let before = format!("{regex:?}");
        assert_eq!(regex.is_match(&"b".repeat(5_000), &mut Run::new(&world, 0)), Some(false));
        assert!(regex.exact.compiled[1].get().is_some());
        assert_eq!(format!("{regex:?}"), before);
        assert_ne!(format!("{:?}", Regex::new("(?=b)c|^b", Use::Test)), before);
    }

    #[test]
    fn patterns_of_data_are_kept_within_bounds() {
        let world = World::nothing();
        let mut run = Run::new(&world, 0);
        for n in 0..200 {
            let regex = Regex::of_data(&format!("^a{n}$"), Use::Test, &mut run);
            assert!(regex.is_some_and(|re| re.is_match(&format!("a{n}"), &mut run) == Some(true)));
        }
        assert!(Regex::of_data("(", Use::Test, &mut run).is_none());
    }

    #[test]
    fn every_match_is_replaced_as_the_engine_finds_them() {
        let world = World::nothing();
        let mut run = Run::new(&world, 0);
        for (pattern, text, wanted) in [
            ("a", "banana", "b-n-n-"),
            ("a*", "baac", "-b-c-"),
            ("", "äb", "-ä-b-"),
            ("(?=n)", "banana", "ba-na-na"),
            ("a$", "aa\n", "a-\n"),
        ] {
            let regex = Regex::new(pattern, Use::Find).expect("compiles");
            assert_eq!(regex.replace_all(text, "-", 1 << 20, &mut run).as_deref(), Some(wanted), "{pattern}");
        }
    }
}
