//! The part of Lucene's query syntax that names of audiences need.
//!
//! `field:term`, `field:"a phrase"`, `term` alone (name or description), `*` and `?` in terms, `AND` `OR` `NOT`
//! `&&` `||` `!` `+` `-`, parentheses. A space between clauses is OR. Words are compared without case. Ranges,
//! boosts, fuzzy and regular expressions are refused by name.
//!
//! Always: bounded in depth and length; a pattern is matched in time proportional to its length times the text's.

/// Clauses that may stand in one another.
const DEPTH_MAX: usize = 32;
const CHARS_MAX: usize = 4096;
/// Fields that a term without one is searched in.
const DEFAULT_FIELDS: [&str; 2] = ["name", "description"];
const FIELDS: [&str; 10] = [
    "name",
    "description",
    "id",
    "entityId",
    "namespace",
    "originName",
    "lifecycleState",
    "mergePolicyId",
    "audienceId",
    "labels",
];

/// A parsed query.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Lucene {
    /// Any of the clauses, all that must and none that must not.
    Clauses(Vec<(Occur, Lucene)>),
    All(Vec<Lucene>),
    Term {
        fields: Vec<String>,
        pattern: Pattern,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Occur {
    Should,
    Must,
    MustNot,
}

/// Words; the pieces of each may hold `*` and `?`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pattern(Vec<Vec<char>>);

/// Gives the values of a field.
type Values<'a> = &'a dyn Fn(&str) -> Vec<String>;

impl Lucene {
    /// Reads a query; the error is a sentence.
    pub(super) fn parse(text: &str) -> Result<Lucene, String> {
        let chars: Vec<char> = text.chars().collect();
        if chars.len() > CHARS_MAX {
            return Err(format!("must have at most {CHARS_MAX} characters, has {}", chars.len()));
        }
        let mut parser = Parser { chars, at: 0, depth: 0 };
        let query = parser.clauses(None)?;
        match parser.peek() {
            None => Ok(query),
            Some(c) => Err(parser.wrong(&format!("has an unexpected `{c}`"))),
        }
    }

    pub(super) fn holds(&self, values: Values<'_>) -> bool {
        match self {
            Lucene::Clauses(clauses) => {
                let of = |occur: Occur| clauses.iter().filter(move |(o, _)| *o == occur).map(|(_, clause)| clause);
                of(Occur::Must).all(|clause| clause.holds(values))
                    && !of(Occur::MustNot).any(|clause| clause.holds(values))
                    && (of(Occur::Must).next().is_some()
                        || of(Occur::Should).next().is_none()
                        || of(Occur::Should).any(|clause| clause.holds(values)))
            }
            Lucene::All(clauses) => clauses.iter().all(|clause| clause.holds(values)),
            Lucene::Term { fields, pattern } => {
                fields.iter().any(|field| values(field).iter().any(|value| pattern.is_in(value)))
            }
        }
    }
}

impl Pattern {
    /// True if the words stand one after another in the text, or the pattern is the whole text.
    fn is_in(&self, text: &str) -> bool {
        let whole: Vec<char> = text.to_lowercase().chars().collect();
        if let [word] = &self.0[..]
            && matches(word, &whole)
        {
            return true;
        }
        let words: Vec<Vec<char>> = words(&text.to_lowercase()).map(|word| word.chars().collect()).collect();
        words.windows(self.0.len()).any(|run| self.0.iter().zip(run).all(|(pattern, word)| matches(pattern, word)))
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// `*` is any run, `?` one character.
fn matches(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, from)) => {
                    (p, t) = (at + 1, from + 1);
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn clauses(&mut self, field: Option<&str>) -> Result<Lucene, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.wrong(&format!("has more than {DEPTH_MAX} parentheses in one another")));
        }
        let mut any = vec![self.conjunction(field)?];
        while let Some(c) = self.peek() {
            if c == ')' {
                break;
            }
            if !self.word("OR") {
                self.word("||");
            }
            any.push(self.conjunction(field)?);
        }
        self.depth -= 1;
        Ok(Lucene::Clauses(any))
    }

    /// Clauses with AND between them.
    fn conjunction(&mut self, field: Option<&str>) -> Result<(Occur, Lucene), String> {
        let first = self.clause(field)?;
        let mut all = vec![first];
        while self.word("AND") || self.word("&&") {
            all.push(self.clause(field)?);
        }
        match (all.len(), all.pop()) {
            (1, Some(only)) => Ok(only),
            (_, last) => {
                let one = |(occur, clause)| match occur {
                    Occur::MustNot => Lucene::Clauses(vec![(Occur::MustNot, clause)]),
                    _ => clause,
                };
                Ok((Occur::Should, Lucene::All(all.into_iter().chain(last).map(one).collect())))
            }
        }
    }

    fn clause(&mut self, field: Option<&str>) -> Result<(Occur, Lucene), String> {
        let occur = if self.word("NOT") || self.take('!') || self.take('-') {
            Occur::MustNot
        } else if self.take('+') {
            Occur::Must
        } else {
            Occur::Should
        };
        self.peek();
        if self.take('(') {
            let inner = self.clauses(field)?;
            return if self.take(')') { Ok((occur, inner)) } else { Err(self.wrong("has a `(` without its `)`")) };
        }
        if self.take('"') {
            let phrase = self.phrase()?;
            return Ok((occur, self.term(field, &phrase)?));
        }
        let word = self.bare()?;
        if field.is_none() && self.chars.get(self.at) == Some(&':') {
            self.at += 1;
            if !FIELDS.contains(&word.as_str()) {
                return Err(format!("has the field `{word}`; fields are {}", FIELDS.join(", ")));
            }
            let (inner, clause) = self.clause(Some(&word))?;
            let clause = if inner == Occur::Should { clause } else { Lucene::Clauses(vec![(inner, clause)]) };
            return Ok((occur, clause));
        }
        Ok((occur, self.term(field, &word)?))
    }

    fn term(&self, field: Option<&str>, text: &str) -> Result<Lucene, String> {
        let fields = match field {
            Some(field) => vec![field.to_owned()],
            None => DEFAULT_FIELDS.map(str::to_owned).to_vec(),
        };
        let lower = text.to_lowercase();
        let pattern: Vec<Vec<char>> = match lower.contains(' ') {
            true => words(&lower).map(|word| word.chars().collect()).collect(),
            false => vec![lower.chars().collect()],
        };
        if pattern.is_empty() {
            return Err(self.wrong("has an empty phrase"));
        }
        Ok(Lucene::Term { fields, pattern: Pattern(pattern) })
    }

    fn phrase(&mut self) -> Result<String, String> {
        let mut text = String::new();
        while let Some(c) = self.chars.get(self.at).copied() {
            self.at += 1;
            match c {
                '"' => return Ok(text),
                '\\' => text.extend(self.escaped()?),
                c => text.push(c),
            }
        }
        Err(self.wrong("has a `\"` without its end"))
    }

    fn bare(&mut self) -> Result<String, String> {
        let mut text = String::new();
        while let Some(c) = self.chars.get(self.at).copied() {
            match c {
                c if c.is_whitespace() => break,
                ':' | '(' | ')' | '"' => break,
                '[' | '{' => return Err(self.wrong("has a range, which is not supported")),
                '~' => return Err(self.wrong("has a fuzzy term, which is not supported")),
                '^' => return Err(self.wrong("has a boost, which is not supported")),
                '/' if text.is_empty() => return Err(self.wrong("has a regular expression, which is not supported")),
                '\\' => {
                    self.at += 1;
                    text.extend(self.escaped()?);
                }
                c => {
                    self.at += 1;
                    text.push(c);
                }
            }
        }
        if text.is_empty() {
            return Err(self.wrong("needs a term here"));
        }
        Ok(text)
    }

    /// The character behind a backslash; wildcards lose their meaning by it only where they stand for themselves.
    fn escaped(&mut self) -> Result<Option<char>, String> {
        let c = self.chars.get(self.at).copied().ok_or_else(|| self.wrong("ends with a backslash"))?;
        self.at += 1;
        match c {
            '*' | '?' => Err(self.wrong("has an escaped wildcard, which is not supported")),
            c => Ok(Some(c)),
        }
    }

    /// The next character that is no blank.
    fn peek(&mut self) -> Option<char> {
        while self.chars.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
        self.chars.get(self.at).copied()
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    /// An operator; one of letters needs a blank or a parenthesis behind it.
    fn word(&mut self, word: &str) -> bool {
        self.peek();
        let end = self.at + word.chars().count();
        let same = self.chars.get(self.at..end).is_some_and(|found| found.iter().copied().eq(word.chars()));
        let ends = |c: &char| c.is_whitespace() || *c == '(';
        let found = same && (!word.starts_with(char::is_alphabetic) || self.chars.get(end).is_none_or(ends));
        if found {
            self.at = end;
        }
        found
    }

    fn wrong(&self, what: &str) -> String {
        format!("{what}, at character {} of `{}`", self.at + 1, self.chars.iter().take(200).collect::<String>())
    }
}
