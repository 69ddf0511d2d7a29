//! Templates made of the fuzzer's bytes by a small grammar: most of them compile, so that renders are tried.
//!
//! In: bytes. Out: template text. Always: every byte string gives a template; the nesting is bounded.

use libfuzzer_sys::arbitrary::Unstructured;

const NAMES: &[&str] = &["a", "s", "l", "m", "d", "n", "b", "h", "x", "y", "u", "nope", "loop", "input"];
const ATTRIBUTES: &[&str] = &["k", "n", "x", "index", "length", "last", "first", "key", "value", "profiles", "nope"];
const FILTERS: &[&str] = &[
    "abbreviate(5)",
    "abs",
    "base64decode",
    "base64encode",
    "capitalize",
    "date('yyyy-MM-dd')",
    "default('x')",
    "escape",
    "escape('js')",
    "first",
    "format(1)",
    "join(',')",
    "last",
    "length",
    "lower",
    "merge(l)",
    "merge(m)",
    "numberformat('#,##0.00')",
    "raw",
    "replace({'l': s})",
    "reverse",
    "rsort",
    "sha256",
    "slice(1)",
    "slice(0, 2)",
    "sort",
    "split(',')",
    "split('')",
    "title",
    "toJson",
    "trim",
    "upper",
    "urlencode",
    "nope",
    "addedSegments(l)",
    "removedSegments(l)",
    "intersection(l)",
    "subtract(l)",
    "hash('SHA-256')",
    "formatDate('yyyy', 'UTC')",
    "format('%s')",
];
const TESTS: &[&str] =
    &["empty", "null", "defined", "even", "odd", "iterable", "map", "equalTo(1)", "nope", "contains(1)"];
const BINARY: &[&str] =
    &["+", "-", "*", "/", "%", "~", "..", "==", "!=", "<", ">", "<=", ">=", "and", "or", "contains", "equals"];
const FUNCTIONS: &[&str] = &["max", "min", "range", "f", "block", "parent", "i18n", "nope"];
const TEXTS: &[&str] = &["t", " ", "\n", "<&'\">", "é😀", "{", "}}", "\r\n", "\"", "\\", "#}", "\u{2028}"];
const LITERALS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2.5",
    "3",
    "9223372036854775807",
    "0.0",
    "'x'",
    "''",
    "\"y\"",
    "\"z#{a}\"",
    "'é😀'",
    "null",
    "true",
    "false",
    "'1'",
    "'<b>'",
    "10000",
];
const DEPTH_MAX: u32 = 6;

/// Makes templates.
pub(crate) struct Grammar<'u, 'd> {
    bytes: &'u mut Unstructured<'d>,
    depth: u32,
}

impl<'u, 'd> Grammar<'u, 'd> {
    pub(crate) fn new(bytes: &'u mut Unstructured<'d>) -> Self {
        Self { bytes, depth: 0 }
    }

    /// The rest of the bytes as one template.
    pub(crate) fn template(&mut self) -> String {
        let mut out = String::new();
        while !self.bytes.is_empty() && out.len() < 4096 {
            self.node(&mut out);
        }
        out
    }

    fn pick(&mut self, end: usize) -> usize {
        self.bytes.int_in_range(0..=end - 1).unwrap_or(0)
    }

    fn word(&mut self, words: &[&'static str]) -> &'static str {
        words[self.pick(words.len())]
    }

    fn body(&mut self) -> String {
        let mut out = String::new();
        if self.depth < DEPTH_MAX {
            self.depth += 1;
            for _ in 0..self.pick(4) {
                self.node(&mut out);
            }
            self.depth -= 1;
        }
        out
    }

    fn node(&mut self, out: &mut String) {
        let text = match self.pick(16) {
            0 | 1 => self.word(TEXTS).to_owned(),
            2..=5 => {
                format!("{}{}{}", self.word(&["{{ ", "{{", "{{- "]), self.expression(), self.word(&[" }}", " -}}"]))
            }
            6 => format!("{{% if {} %}}{}{{% else %}}{}{{% endif %}}", self.expression(), self.body(), self.body()),
            7 => {
                let (e, f) = (self.expression(), self.expression());
                format!("{{% if {e} %}}{}{{% elseif {f} %}}{}{{% endif %}}", self.body(), self.body())
            }
            8 | 9 => {
                let (name, list) = (self.word(NAMES), self.expression());
                format!("{{% for {name} in {list} %}}{}{{% else %}}{}{{% endfor %}}", self.body(), self.body())
            }
            10 | 11 => format!("{{% set {} = {} %}}", self.word(NAMES), self.expression()),
            12 => {
                let filter = self.word(FILTERS);
                format!("{{% filter {filter} %}}{}{{% endfilter %}}", self.body())
            }
            13 => format!("{{% macro f(x, y = {}) %}}{}{{% endmacro %}}", self.expression(), self.body()),
            14 => {
                let name = self.word(&["'one'", "'two'", "s", "'nope'"]);
                let (tag, with) = (self.word(&["include", "import", "extends"]), self.word(&["", " with m"]));
                format!("{{% {tag} {name}{with} %}}")
            }
            _ => {
                let name =
                    self.word(&["autoescape false", "autoescape 'js'", "block c", "verbatim", "parallel", "cache 'k'"]);
                let tag = name.split(' ').next().unwrap_or(name);
                format!("{{% {name} %}}{}{{% end{tag} %}}", self.body())
            }
        };
        out.push_str(&text);
    }

    fn expression(&mut self) -> String {
        if self.depth >= DEPTH_MAX {
            return self.word(LITERALS).to_owned();
        }
        self.depth += 1;
        let text = match self.pick(16) {
            0..=2 => self.word(NAMES).to_owned(),
            3 | 4 => self.word(LITERALS).to_owned(),
            5 => format!("{}.{}", self.word(NAMES), self.word(ATTRIBUTES)),
            6 => format!("{}[{}]", self.word(NAMES), self.expression()),
            7 | 8 => format!("({})|{}", self.expression(), self.word(FILTERS)),
            9 | 10 => format!("({} {} {})", self.expression(), self.word(BINARY), self.expression()),
            11 => format!("({} {} {})", self.expression(), self.word(&["is", "is not"]), self.word(TESTS)),
            12 => format!("({} ? {} : {})", self.expression(), self.expression(), self.expression()),
            13 => format!("{}({})", self.word(FUNCTIONS), self.list(|g| g.expression())),
            14 => format!("[{}]", self.list(|g| g.expression())),
            _ => format!("{{{}}}", self.list(|g| format!("{}: {}", g.expression(), g.expression()))),
        };
        self.depth -= 1;
        text
    }

    fn list(&mut self, item: impl Fn(&mut Self) -> String) -> String {
        let items: Vec<String> = (0..self.pick(4)).map(|_| item(self)).collect();
        items.join(", ")
    }
}
