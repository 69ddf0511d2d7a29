//! What holds for every source: no panic, and the same render after formatting.

use pebble::{Limits, Options, Template, Value, format_source};
use proptest::prelude::*;
use std::path::Path;

fn context() -> Value {
    Value::parse_json(r#"{"a":1,"s":"héllo 😀","l":[3,1,2],"m":{"k":"v","n":{"x":[1]}},"d":2.5,"n":null,"b":true}"#)
        .expect("JSON")
}

fn limits() -> Limits<'static> {
    Limits { steps: 200_000, output_bytes: 1 << 16, memory_bytes: 1 << 20, loop_passes: 10_000, ..Limits::default() }
}

fn rendered(source: &str, options: &Options) -> Option<Result<String, &'static str>> {
    let template = Template::compile("t", source, options).ok()?;
    let mut out = String::new();
    let done = template.render(&context(), &mut out, &limits());
    Some(done.map(|()| out).map_err(|e| e.phase.as_str()))
}

/// Pieces that are likely to mean something together.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "-",
    " ",
    "\n",
    "a",
    "s",
    "l",
    "m",
    "d",
    "n",
    "b",
    "nope",
    ".k",
    ".x",
    "[0]",
    "['k']",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ":",
    ",",
    "|",
    "?",
    "'x'",
    "\"y#{",
    "\"",
    "1",
    "2.5",
    "0",
    "..",
    "~",
    "+",
    "*",
    "/",
    "%",
    "==",
    "<",
    " is ",
    " is not ",
    "null",
    "empty",
    " and ",
    " or ",
    "not ",
    " contains ",
    "if ",
    "endif",
    "for x in ",
    "endfor",
    "else",
    "set x = ",
    "filter upper",
    "endfilter",
    "macro f(p)",
    "endmacro",
    "f(1)",
    "sort",
    "rsort",
    "reverse",
    "merge(m)",
    "first",
    "last",
    "length",
    "split('')",
    "join(',')",
    "slice(1)",
    "date('yyyy')",
    "format(1)",
    "numberformat('#,##0.00')",
    "default(1)",
    "raw",
    "escape('js')",
    "upper",
    "replace({'l':'r'})",
    "abs",
    "loop",
    ".index",
    "_context",
    "é",
    "😀",
    "\u{2028}",
    "max(1, 2)",
    "toJson",
    "verbatim",
    "endverbatim",
    "autoescape 'css'",
    "endautoescape",
];

fn pieces() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let source = String::from_utf8_lossy(&bytes);
        rendered(&source, &Options::default());
        rendered(&format!("{{{{ {source} }}}}"), &Options::default());
    }

    #[test]
    fn likely_pieces_never_panic(source in pieces(), destination: bool, strict: bool, path_macros: bool) {
        let base = if destination { Options::destination() } else { Options::default() };
        let options = Options { strict, path_macros, ..base };
        rendered(&source, &options);
        rendered(&format!("{{{{ {source} }}}}"), &options);
    }

    #[test]
    fn formatting_changes_no_render(source in pieces(), wrap: bool) {
        let source = if wrap { format!("{{{{ {source} }}}}") } else { source };
        let options = Options::default();
        if let Ok(done) = format_source("t", &source, &options) {
            prop_assert_eq!(rendered(&source, &options), rendered(&done, &options), "{} became {}", source, done);
            let again = format_source("t", &done, &options).expect("what is formatted compiles");
            prop_assert_eq!(again, done);
        }
    }

    #[test]
    fn filters_take_any_text(text in any::<String>(), pattern in "[a-zA-Z0-9#,.%;'E \\-+$yMdHmsXZ]{0,12}", number: f64, whole: i64) {
        let context = Value::map([
            ("t".into(), Value::string(text)),
            ("p".into(), Value::string(pattern)),
            ("d".into(), Value::double(number)),
            ("i".into(), Value::int(whole)),
        ]);
        for source in [
            "{{ d|numberformat(p) }}", "{{ i|numberformat(p) }}", "{{ i|date(p) }}", "{{ t|date('yyyy', p) }}",
            "{{ p|date('yyyy-MM-dd HH:mm:ss', p) }}", "{{ ('%' ~ p)|format(d, i, t) }}", "{{ t|split(p) }}",
            "{{ t|split('') |length }}", "{{ t|title|capitalize|abbreviate(7) }}", "{{ t|slice(1, 3) }}", "{{ t|first }}{{ t|last }}",
            "{{ t|escape('css') }}{{ t|escape('js') }}{{ t|urlencode }}{{ t|base64encode|base64decode }}", "{{ d }} {{ d * 3 }}",
            "{{ i|date(\"G y Y M w W D d F E u a H k K h m s S z Z X\", timeZone='America/New_York') }}",
        ] {
            let template = Template::compile("t", source, &Options::default()).expect("sound");
            let _ = template.render(&context, &mut String::new(), &limits());
        }
    }
}

#[test]
fn formatting_keeps_the_vectors() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let directories = [directory.clone(), directory.join("extra")].map(|d| std::fs::read_dir(d).expect("vectors"));
    for entry in directories.into_iter().flatten().flatten().filter(|e| e.path().is_file()) {
        for line in std::fs::read_to_string(entry.path()).expect("text").lines() {
            let case: serde_json::Value = serde_json::from_str(line).expect("a case");
            let source = case["template"].as_str().expect("a template");
            let options =
                Options { newline_trim: case["newline_trim"].as_bool().unwrap_or(true), ..Options::default() };
            let Ok(done) = format_source("t", source, &options) else { continue };
            let context = Value::from(&case["context"]);
            let both = [source, done.as_str()].map(|source| {
                let template =
                    Template::compile("t", source, &options).map_err(|e| format!("{e}\n{done}")).expect("sound");
                let mut out = String::new();
                template.render(&context, &mut out, &Limits::default()).map(|()| out).map_err(|e| e.message)
            });
            assert_eq!(both[0], both[1], "{source}\n{done}");
        }
    }
}
