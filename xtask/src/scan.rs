//! What of a Rust source is code, what is comment, and how long its functions are.
//!
//! In: text. Out: the same text with everything but code (or everything but comments) blanked, line by
//! line in place; spans of functions. Always: line numbers stay true. Never fails; odd text is code.

/// A text, split by kind. Each part has the lines and columns (in characters) of the original.
pub(crate) struct Split {
    /// Code only; texts and comments are blanks.
    pub(crate) code: String,
    /// Comments only.
    pub(crate) comments: String,
    /// The insides of texts only.
    pub(crate) texts: String,
}

/// A function and the lines from its `fn` to its closing brace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Text,
}

/// Splits `source` by kind.
pub(crate) fn split(source: &str) -> Split {
    let chars: Vec<char> = source.chars().collect();
    let mut kinds = vec![Kind::Code; chars.len()];
    let mut at = 0;
    while at < chars.len() {
        let (kind, end) = token(&chars, at);
        kinds[at..end].fill(kind);
        at = end;
    }
    let only = |kind: Kind| -> String {
        chars.iter().zip(&kinds).map(|(c, k)| if *c == '\n' || *k == kind { *c } else { ' ' }).collect()
    };
    Split { code: only(Kind::Code), comments: only(Kind::Comment), texts: only(Kind::Text) }
}

/// The kind of what begins at `at`, and where it ends.
fn token(chars: &[char], at: usize) -> (Kind, usize) {
    let is = |i: usize, c: char| chars.get(i) == Some(&c);
    let in_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match chars[at] {
        '/' if is(at + 1, '/') => (Kind::Comment, until_line_end(chars, at)),
        '/' if is(at + 1, '*') => (Kind::Comment, block_comment_end(chars, at)),
        '"' => (Kind::Text, text_end(chars, at + 1)),
        'r' if !in_word || chars[at - 1] == 'b' => match raw_text_end(chars, at + 1) {
            Some(end) => (Kind::Text, end),
            None => (Kind::Code, at + 1),
        },
        // 'x' and '\x' are characters; 'a without a closing quote is a lifetime.
        '\'' if is(at + 1, '\\') => (Kind::Text, quote_end(chars, at + 3)),
        '\'' if is(at + 2, '\'') => (Kind::Text, at + 3),
        _ => (Kind::Code, at + 1),
    }
}

fn until_line_end(chars: &[char], at: usize) -> usize {
    chars[at..].iter().position(|c| *c == '\n').map_or(chars.len(), |n| at + n)
}

fn block_comment_end(chars: &[char], at: usize) -> usize {
    let (mut depth, mut i) = (0, at);
    while i + 1 < chars.len() {
        match (chars[i], chars[i + 1]) {
            ('/', '*') => (depth, i) = (depth + 1, i + 2),
            ('*', '/') if depth == 1 => return i + 2,
            ('*', '/') => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
    }
    chars.len()
}

fn text_end(chars: &[char], mut i: usize) -> usize {
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

fn quote_end(chars: &[char], at: usize) -> usize {
    let at = at.min(chars.len());
    chars[at..].iter().position(|c| *c == '\'').map_or(chars.len(), |n| at + n + 1)
}

/// The end of `#…#"…"#…#` at `at`, if that is what stands there.
fn raw_text_end(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
    if chars.get(at + hashes) != Some(&'"') {
        return None;
    }
    let mut i = at + hashes + 1;
    while i < chars.len() {
        if chars[i] == '"' && chars[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes {
            return Some(i + 1 + hashes);
        }
        i += 1;
    }
    Some(chars.len())
}

/// All functions with a body in `code` (the `code` of a [`Split`]), in order.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let chars: Vec<char> = code.chars().collect();
    let mut found = Vec::new();
    let mut line = 1;
    for at in 0..chars.len() {
        if chars[at] == '\n' {
            line += 1;
        }
        if let Some(name) = function_name(&chars, at)
            && let Some(end) = body_end(&chars, at)
        {
            let lines = 1 + chars[at..end].iter().filter(|c| **c == '\n').count();
            found.push(Function { name, line, lines });
        }
    }
    found
}

/// The name, if the word `fn` and a name stand at `at`.
fn function_name(chars: &[char], at: usize) -> Option<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let starts = at == 0 || !is_word(chars[at - 1]);
    if !starts || !chars[at..].starts_with(&['f', 'n', ' ']) {
        return None;
    }
    let name: String = chars[at + 3..].iter().take_while(|c| is_word(**c)).collect();
    (!name.is_empty()).then_some(name)
}

/// Where the body of the function at `at` ends; none for a declaration without a body.
fn body_end(chars: &[char], at: usize) -> Option<usize> {
    let mut nested = 0;
    let mut open = None;
    for (i, c) in chars.iter().enumerate().skip(at) {
        match c {
            '(' | '[' => nested += 1,
            ')' | ']' => nested -= 1,
            ';' if nested == 0 => return None,
            '{' if nested == 0 => {
                open = Some(i);
                break;
            }
            _ => {}
        }
    }
    let mut depth = 0;
    for (i, c) in chars.iter().enumerate().skip(open?) {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(i),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_comments_are_no_code() {
        let split =
            split("let a = \"// { no\"; // yes {\nlet c = '{'; let r = r#\"fn x() {\"#; /* fn y() {} */ f::<'a>()");
        assert!(!split.code.contains('{') && split.code.contains("f::<'a>()"));
        assert!(split.comments.contains("// yes {") && split.comments.contains("fn y()"));
        assert!(split.texts.contains("// { no") && split.texts.contains("fn x() {"));
    }

    #[test]
    fn functions_have_their_lines() {
        let source =
            "trait T {\n    fn none(&self, a: [u8; 2]);\n    fn one(&self) {}\n}\nfn three<F: fn_like>(\n) {\n}\n";
        let found = functions(&split(source).code);
        let found: Vec<(&str, usize, usize)> = found.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
        assert_eq!(found, [("one", 3, 1), ("three", 5, 3)]);
    }
}
