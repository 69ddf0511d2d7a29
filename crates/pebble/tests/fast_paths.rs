//! What is done a quick way comes out as the slow way does: places of variables, contexts without what is not read,
//! digests, escapes, numbers.

use pebble::{Limits, Options, Template, Value};
use proptest::prelude::*;
use sha2::Digest as _;

const CONTEXT: &str = r#"{
    "a": 7, "s": "te<x>t", "l": [1, "two", {"k": 3, "first": "f"}, null],
    "m": {"k": "v", "n": {"k": {"last": 1}}, "x": [4, 5]}, "n": null, "e": [], "loop": {"last": "of the context", "k": 1}
}"#;

fn rendered(source: &str, context: &Value, options: &Options) -> Result<String, String> {
    let template = Template::compile("t", source, options).map_err(|e| e.message)?;
    let limits = Limits { loop_passes: 5_000, output_bytes: 1 << 18, ..Limits::default() };
    let mut out = String::new();
    template.render(context, &mut out, &limits).map(|()| out).map_err(|e| e.message)
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["a", "s", "l", "m", "n", "x", "y", "loop"][..])
}

fn path() -> impl Strategy<Value = String> {
    let segments: &[_] =
        &["k", "n", "x", "key", "value", "first", "last", "index", "length", "size", "empty", "toString", "getValue"];
    let any = (name(), prop::collection::vec(prop::sample::select(segments), 0..4))
        .prop_map(|(name, rest)| rest.iter().fold(name.to_owned(), |path, segment| format!("{path}.{segment}")));
    let found = prop::sample::select(&["m.n.k.last", "m.n.k", "m.n", "m.x", "m.k", "x.k", "y.k", "y.n", "e"][..]);
    prop_oneof![1 => any, 1 => found.prop_map(str::to_owned)]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => path(),
        1 => path().prop_map(|p| format!("{p} ~ 'q'")),
        1 => path().prop_map(|p| format!("{p} | default('d')")),
        1 => (path(), path()).prop_map(|(a, b)| format!("{a} == {b} ? {a} : {b}")),
        1 => path().prop_map(|p| format!("f({p})")),
        1 => (path(), name()).prop_map(|(p, n)| format!("({p} is null ? {n} : {p}).k")),
        1 => (path(), prop::sample::select(OPERATIONS)).prop_map(|(p, after)| format!("{p}{after}")),
        1 => (0..9_u8).prop_map(|n| n.to_string()),
    ]
}

/// What may stand after a path.
const OPERATIONS: &[&str] = &[
    "[0]",
    "[2].k",
    "['2'].k",
    "[s]",
    "|length",
    "|first",
    "|sort|length",
    "|default(m).k",
    ".size()",
    ".isEmpty()",
    ".containsKey('k')",
    ".getKey()",
    ".getValue().k",
    ".toString()",
    ".get('k')",
    " is defined",
    " is map",
    " is iterable",
    " is even",
    " is empty",
];

fn condition() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("loop.last".to_owned()),
        Just("not loop.first".to_owned()),
        (path(), path()).prop_map(|(a, b)| format!("{a} == {b}")),
        path().prop_map(|p| format!("{p} == 'v' or {p} is empty")),
        path().prop_map(|p| format!("{p} is not null")),
        path().prop_map(|p| format!("{p} is empty")),
    ]
}

fn nodes() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => value().prop_map(|v| format!("[{{{{ {v} }}}}]")),
        1 => (name(), value()).prop_map(|(n, v)| format!("{{% set {n} = {v} %}}")),
        2 => (prop::sample::select(&["x", "y"][..]), path()).prop_map(|(n, p)| format!("{{% set {n} = {p} %}}")),
        1 => Just("-".to_owned()),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let body = prop::collection::vec(inner, 1..5).prop_map(|all| all.concat());
        let over = prop_oneof![path(), Just("l".to_owned()), Just("m".to_owned()), Just("[1, 2, m]".to_owned())];
        prop_oneof![
            3 => (name(), over, body.clone(), body.clone())
                .prop_map(|(n, o, b, e)| format!("{{% for {n} in {o} %}}{b}{{% else %}}{e}{{% endfor %}}")),
            1 => (condition(), body.clone(), body.clone())
                .prop_map(|(c, b, e)| format!("{{% if {c} %}}{b}{{% else %}}{e}{{% endif %}}")),
            1 => body.clone().prop_map(|b| format!("{{% filter upper %}}{b}{{% endfilter %}}")),
            2 => body,
        ]
    })
}

fn escaped(text: &str) -> String {
    let entity = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(entity).collect()
}

/// A variable that a `set` fills: whom it replaces, and when it is gone.
#[test]
fn sets_keep_their_scopes() {
    let context = Value::parse_json(CONTEXT).expect("JSON");
    for (source, expected) in [
        (
            "{% for i in l %}{{ y }}{% set y = i is map %}{{ y }}{% endfor %}[{{ y }}]",
            "falsefalsefalsefalsetruetruefalse[]",
        ),
        ("{% for i in e %}{% set a = 1 %}{% endfor %}{{ a }}", "7"),
        ("{% for i in m.x %}{% set a = a + i %}{% endfor %}{{ a }}", "16"),
        ("{% set y = 0 %}{% for i in m.x %}{% set y = y + i %}{% endfor %}{{ y }}", "9"),
        ("{% for i in m.x %}{% for k in m.x %}{% set y = k %}{% endfor %}{{ y }}{% endfor %}", ""),
        (
            "{% macro f(x) %}{% set y = x %}{{ y }}{{ a }}{% endmacro %}{% set y = 2 %}{% set a = 3 %}{{ f(1) }}{{ y }}",
            "12",
        ),
        ("{{ m.k }}{% set m = {'k': 'w'} %}{{ m.k }}{% set m = null %}{{ m.k }}", "vw"),
    ] {
        assert_eq!(rendered(source, &context, &Options::default()).as_deref(), Ok(expected), "{source}");
        let named = format!("{source}{{% if false %}}{{{{ _context }}}}{{% endif %}}");
        assert_eq!(rendered(&named, &context, &Options::default()).as_deref(), Ok(expected), "{source} by name");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A template that mentions `_context` keeps all its variables by name.
    #[test]
    fn places_agree_with_names(body in nodes(), called in nodes(), strict: bool, autoescape: bool) {
        let context = Value::parse_json(CONTEXT).expect("JSON");
        let options = Options { strict, autoescape, ..Options::default() };
        let placed = format!("{{% macro f(x) %}}{}{{% endmacro %}}{body}", called.replace("f(", "("));
        let named = format!("{placed}{{% if false %}}{{{{ _context }}}}{{% endif %}}");
        prop_assert_eq!(rendered(&placed, &context, &options), rendered(&named, &context, &options), "{}", placed);
    }

    #[test]
    fn what_is_not_read_may_be_missing(body in nodes(), called in nodes(), strict: bool) {
        let context = Value::parse_json(CONTEXT).expect("JSON");
        let options = Options { strict, ..Options::default() };
        let source = format!("{{% macro f(x) %}}{}{{% endmacro %}}{body}", called.replace("f(", "("));
        let Ok(template) = Template::compile("t", &source, &options) else { return Ok(()) };
        let left = template.reads().prune(&context);
        let shown = format!("{source} of {}", left.to_json());
        prop_assert_eq!(rendered(&source, &left, &options), rendered(&source, &context, &options), "{}", shown);
    }

    #[test]
    fn html_is_escaped_character_by_character(text in "[a-zé😀<>&\"' ]{0,40}", plain in "[a-z]{0,40}") {
        let context = Value::map([("t".into(), Value::string(format!("{plain}{text}"))), ("u".into(), Value::string(plain.clone()))]);
        let got = rendered("{{ t }}{{ u }}{{ t|trim|lower }}", &context, &Options::default());
        let trimmed = format!("{plain}{text}");
        let expected = format!("{}{plain}{}", escaped(&trimmed), escaped(&trimmed.trim_matches(|c| c <= ' ').to_lowercase()));
        prop_assert_eq!(got, Ok(expected));
    }

    #[test]
    fn digests_are_those_of_the_bytes(text in "[ -~é]{0,150}", ascii in "[a-zA-Z@. ]{40,70}") {
        for text in [text, ascii] {
            let context = Value::map([("t".into(), Value::string(text.as_str()))]);
            let hex: String = sha2::Sha256::digest(&text).iter().map(|b| format!("{b:02x}")).collect();
            prop_assert_eq!(rendered("{{ t|sha256 }}", &context, &Options::default()), Ok(hex));
            let chained = text.trim_matches(|c| c <= ' ').to_lowercase();
            let hex: String = sha2::Sha256::digest(chained).iter().map(|b| format!("{b:02x}")).collect();
            prop_assert_eq!(rendered("{{ t|trim|lower|sha256 }}", &context, &Options::default()), Ok(hex.clone()));
            // A value made by the template takes the way through owned text.
            let made = "{% set u = t ~ '' %}{{ u|trim|lower|sha256 }}";
            prop_assert_eq!(rendered(made, &context, &Options::default()), Ok(hex));
        }
    }

    #[test]
    fn numbers_print_their_shortest_digits(whole: i64, digits in 0_u64..100_000_000_000, places in 0_i32..8) {
        let double = digits as f64 / 10_f64.powi(places);
        let context = Value::map([("i".into(), Value::int(whole)), ("d".into(), Value::double(double))]);
        prop_assert_eq!(rendered("{{ i }} {{ i * 1 }}", &context, &Options::default()), Ok(format!("{whole} {whole}")));
        if (1e-3..1e7).contains(&double) {
            prop_assert_eq!(rendered("{{ d }}", &context, &Options::default()), Ok(format!("{double:?}")));
        }
    }
}
