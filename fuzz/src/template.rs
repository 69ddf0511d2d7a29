//! Templates: what holds for every source, every context and every limit.

use crate::grammar::Grammar;
use libfuzzer_sys::arbitrary::Unstructured;
use pebble::{Error, Limits, Options, Phase, Template, Templates, Value, format_source};
use std::sync::OnceLock;

const LIMITS: Limits<'static> = Limits {
    steps: 200_000,
    time: None,
    out_of_time: None,
    output_bytes: 1 << 16,
    loop_passes: 20_000,
    memory_bytes: 4 << 20,
    depth: 24,
};

/// Both profiles; the bytes choose the rest, so that one input costs two runs and not sixteen.
fn profiles(data: &[u8]) -> [Options; 2] {
    let sum = data.iter().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte));
    let is = |bit: u32| sum >> bit & 1 == 1;
    let full = Options { strict: is(5), newline_trim: is(6), ..Options::default() };
    [full, Options { path_macros: is(7), ..Options::destination() }]
}

fn context() -> &'static Value {
    static CONTEXT: OnceLock<Value> = OnceLock::new();
    CONTEXT.get_or_init(|| {
        let text = r#"{"a":1,"s":"héllo 😀,b","l":[3,1,2],"m":{"k":"v","n":{"x":[1]}},"d":2.5,"n":null,"b":true,
            "h":"<a href=\"x\">'&</a>","u":[{"n":"x","v":1},{"n":"y","v":2}],
            "input":{"profiles":[{"identityMap":{"email":[{"id":"a@example.com"}]},"attributes":{"k":{"value":"x"}},
            "segmentMembership":{"ups":{"s1":{"status":"realized","lastQualificationTime":"2026-03-18T10:00:00Z"},
            "s2":{"status":"exited"}}}}],"aggregationKey":{"segmentId":"s1","segmentNamespace":"ups"}},
            "customerData":{"accountId":"123"},"destination":{"segmentAliases":{"ups":{"s1":"A1"}}}}"#;
        Value::parse_json(text).expect("the context is JSON")
    })
}

/// Any text as a template, with each profile: no panic, one answer, and a fault has a place inside the source.
pub fn compile(data: &[u8]) {
    let source = String::from_utf8_lossy(data);
    for options in profiles(data) {
        match Template::compile("t", &source, &options) {
            Ok(template) => {
                assert_eq!(template.source(), source);
                let names = template.names_read();
                assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
            }
            Err(error) => {
                assert_eq!(error.phase, Phase::Parse);
                assert_placed(&error, &source);
                let again = Template::compile("t", &source, &options).map(|_| ()).expect_err("refused before");
                assert_eq!(error, again);
            }
        }
    }
}

fn assert_placed(error: &Error, source: &str) {
    let line = source.split('\n').nth(error.line.wrapping_sub(1)).expect("a line of the source");
    assert!((1..=line.chars().count() + 1).contains(&error.column), "column {} of {line:?}", error.column);
    assert!(line.starts_with(&*error.source_line), "{:?} of {line:?}", error.source_line);
    assert!(!error.message.is_empty());
    assert!(!error.to_string().is_empty());
}

/// Renders twice, and once more with little: the same bytes, within the limits, or an error that leaves nothing.
pub fn render(data: &[u8]) {
    let mut set = Templates::new(Options::default());
    let given = written(data);
    let (source, context) = match &given {
        Some((source, context)) => ((*source).to_owned(), context),
        None => {
            let bytes = &mut Unstructured::new(data);
            for name in ["one", "two"] {
                let part = usize::from(bytes.arbitrary::<u8>().unwrap_or(0)).min(bytes.len() / 2);
                let mut part = Unstructured::new(bytes.bytes(part).unwrap_or_default());
                set.insert(name, Grammar::new(&mut part).template());
            }
            (Grammar::new(bytes).template(), context())
        }
    };
    for options in profiles(data) {
        if let Ok(template) = Template::compile("t", &source, &options) {
            assert_steady(&template, &set, context);
        }
    }
}

/// `{…context…}`, a line break, and the template: the form of the seeds.
fn written(data: &[u8]) -> Option<(&str, Value)> {
    let text = std::str::from_utf8(data).ok().filter(|text| text.starts_with('{'))?;
    let (context, source) = text.split_once('\n')?;
    let context = Value::parse_json(context).ok()?;
    Some((source, context))
}

fn assert_steady(template: &Template, set: &Templates, context: &Value) {
    let run = |limits: &Limits<'_>| {
        let mut out = String::from("kept");
        let done = template.render_in(set, context, &mut out, limits);
        assert!(out.starts_with("kept"), "{out:?}");
        assert!(out.len() - 4 <= limits.output_bytes, "{} bytes of {}", out.len() - 4, limits.output_bytes);
        match done {
            Ok(()) => Ok(out),
            Err(error) => {
                assert_eq!(out, "kept", "an error leaves no output");
                assert!(!error.to_string().is_empty());
                if error.template == template.name() {
                    assert_placed(&error, template.source());
                }
                Err(error)
            }
        }
    };
    let first = run(&LIMITS);
    assert_eq!(first, run(&LIMITS), "the same render");
    let small = Limits { steps: 500, output_bytes: 40, loop_passes: 20, memory_bytes: 2000, depth: 3, ..LIMITS };
    if let Ok(out) = run(&small) {
        assert_eq!(first.as_ref(), Ok(&out), "smaller limits change nothing but where it ends");
    }
}

/// A formatted template compiles, renders as before, and is formatted.
pub fn format(data: &[u8]) {
    let source = String::from_utf8_lossy(data);
    for options in profiles(data) {
        let Ok(done) = format_source("t", &source, &options) else { continue };
        let run = |source: &str| {
            let template = Template::compile("t", source, &options).expect("what is formatted compiles");
            let mut out = String::new();
            template.render(context(), &mut out, &LIMITS).map(|()| out).map_err(|error| error.message)
        };
        assert_eq!(run(&source), run(&done), "{source:?} became {done:?}");
        let again = format_source("t", &done, &options).expect("what is formatted compiles");
        assert_eq!(again, done, "formatted twice, from {source:?}");
    }
}
