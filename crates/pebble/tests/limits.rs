//! Hostile templates end with an error, in bounded time, memory and stack.

use pebble::{Limits, Options, Phase, Template, Templates, Value};
use std::time::Duration;

/// Without a limit of time, so that a busy machine changes nothing.
const LIMITS: Limits<'static> = Limits {
    steps: 20_000_000,
    time: None,
    out_of_time: None,
    output_bytes: 4 << 20,
    loop_passes: 200_000,
    memory_bytes: 8 << 20,
    depth: 64,
};

fn render(source: &str) -> Result<String, pebble::Error> {
    render_within(source, &LIMITS)
}

fn render_within(source: &str, limits: &Limits<'_>) -> Result<String, pebble::Error> {
    let template = Template::compile("t", source, &Options::default())?;
    let mut out = String::new();
    template.render(&Value::map([]), &mut out, limits).map(|()| out)
}

fn refused(source: &str, phase: Phase, part: &str) {
    let error = render(source).expect_err("a refusal");
    assert_eq!(error.phase, phase, "{error}");
    assert!(error.message.contains(part), "{error}");
}

#[test]
fn endless_work_ends() {
    let five = "{% for a in r %}{% for b in r %}{% for c in r %}{% for d in r %}x\
                {% endfor %}{% endfor %}{% endfor %}{% endfor %}";
    refused(&format!("{{% set r = 1..1000 %}}{five}"), Phase::Render, "passes");
    refused("{% for i in 1..999999999 %}{% endfor %}", Phase::Render, "bytes");
    refused("{{ range(0, 9223372036854775807)|length }}", Phase::Render, "bytes");
    refused("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", Phase::Render, "deep");
    refused("{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}", Phase::Render, "deep");
}

#[test]
fn endless_output_ends() {
    let doubled = "{% set s = 'xxxxxxxxxxxxxxxx' %}{% for i in 1..60 %}{% set s = s ~ s %}{% endfor %}{{ s }}";
    refused(doubled, Phase::Render, "bytes");
    let shared = "{% set l = ['xxxxxxxx'] %}{% for i in 1..60 %}{% set l = [l, l] %}{% endfor %}{{ l }}";
    refused(shared, Phase::Render, "bytes");
    let compared = "{% set l = [1] %}{% set m = [1] %}{% for i in 1..60 %}{% set l = [l, l] %}{% set m = [m, m] %}\
                    {% endfor %}{{ l == m }}";
    refused(compared, Phase::Render, "steps");
    let nested = "{% set l = [] %}{% for i in 1..100000 %}{% set l = [l] %}{% endfor %}";
    refused(nested, Phase::Render, "nest");
    let replaced = "{% set s = 'xxxxxxxxxxxxxxxx' %}{% for i in 1..12 %}{% set s = s|replace({'x': s}) %}{% endfor %}";
    refused(replaced, Phase::Render, "bytes");
}

#[test]
fn deep_sources_are_refused() {
    let times = 100_000;
    for (open, close) in [("(", ")"), ("[", "]"), ("{1:", "}"), ("not ", ""), ("-", ""), ("x|f(", ")"), ("a ? ", ": 1")]
    {
        let source = format!("{{{{ {}1{} }}}}", open.repeat(times), close.repeat(times));
        assert!(render(&source).is_err_and(|e| e.phase == Phase::Parse), "{open}");
    }
    for chain in [".a", "[0]", "[b]", "|raw", " + 1", " and 1", " is null", ".m()"] {
        // A long chain may be refused or rendered, but it must not exhaust the stack.
        let _ = render(&format!("{{{{ a{} }}}}", chain.repeat(times)));
    }
    for (open, close) in [("{% if 1 %}", "{% endif %}"), ("{% for a in [1] %}", "{% endfor %}")] {
        refused(&format!("{}x{}", open.repeat(times), close.repeat(times)), Phase::Parse, "nested");
    }
    let strings = "\"#{".repeat(times);
    refused(&format!("{{{{ {strings} }}}}"), Phase::Parse, "nested");
}

#[test]
fn huge_literals_are_read_or_refused() {
    refused(&format!("{{{{ {} }}}}", "9".repeat(100_000)), Phase::Parse, "2^63");
    assert_eq!(render(&format!("{{{{ '{}'|length }}}}", "x".repeat(1_000_000))).expect("a length"), "1000000");
    assert!(render(&format!("{{{{ 0.{} }}}}", "1".repeat(100_000))).is_ok());
    assert!(render("{{ '%1000000000d'|format(1) }}").is_err());
}

#[test]
fn a_regular_expression_cannot_run_away() {
    let source = format!("{{{{ '{}'|split('(a*)*(?=b)\\1c') }}}}", "a".repeat(60));
    let _ = render(&source);
}

#[test]
fn the_caller_may_end_a_render() {
    let template =
        Template::compile("t", "a{% for i in 1..100000 %}x{% endfor %}", &Options::default()).expect("sound");
    let limits = Limits { out_of_time: Some(&|| true), ..Limits::default() };
    let mut out = String::from("kept");
    let error = template.render(&Value::map([]), &mut out, &limits).expect_err("out of time");
    assert!(error.message.contains("too long"), "{error}");
    assert_eq!(out, "kept");
}

#[test]
fn time_ends_a_render() {
    let limits = Limits { time: Some(Duration::ZERO), ..LIMITS };
    let error = render_within("{% for i in 1..100000 %}x{% endfor %}", &limits).expect_err("out of time");
    assert!(error.message.contains("too long"), "{error}");
    // What is short is never asked for its time.
    assert!(render_within("{% for i in 1..1000 %}x{% endfor %}", &limits).is_ok());
}

/// A text, a list and a map of some size, and what reads all of one of them.
const LARGE: &str = "{% set s = 'abcdefghijklmnop' %}{% for i in 1..12 %}{% set s = s ~ s %}{% endfor %}\
                     {% set t = s ~ '' %}{% set l = 1..5000 %}{% set e = [] %}{% set b = ' ' %}\
                     {% for i in 1..16 %}{% set b = b ~ b %}{% endfor %}";
const READERS: &[&str] = &[
    "l contains 0",
    "l contains l",
    "l == (l + e)",
    "l - l",
    "l|sort",
    "l|rsort",
    "l|reverse",
    "l|merge(e)",
    "l|join",
    "l|slice(1, 5000)",
    "[s] contains t",
    "s contains 'zz'",
    "'a' contains s",
    "s == t",
    "s != t",
    "{'a': s} == {'a': t}",
    "{s: 1} contains t",
    "({s: 1, t: 2}) is map",
    "({'a': 1})|merge({s: 2})",
    "({'a': 1})[s]",
    "s.size",
    "s.hashCode()",
    "s.indexOf('zz')",
    "'a'.indexOf(s)",
    "s ~ 1",
    "s + 1",
    "[s, t]|sort",
    "[s]|join",
    "s|sha256",
    "s|length",
    "s|slice(1, 2)",
    "s|abbreviate(3)",
    "s|upper|lower|title|capitalize|trim",
    "s|urlencode",
    "s|base64encode",
    "s|nl2br",
    "s|raw",
    "s|escape",
    "s|replace({'zz': ''})",
    "s|replace({t: ''})",
    "'a'|replace({s: ''})",
    "s|split('zz')",
    "s|split('z+')",
    "'a'|split(s)",
    "s|format",
    "'%.1s'|format(s)",
    "'%h'|format(s)",
    "0|date(\"'#{s}'\")",
    "0|date('yyyy', timeZone=s)",
    "0|numberformat(s)",
    "b is empty",
    "b|default('')",
];

#[test]
fn work_is_counted_by_the_size_of_what_it_reads() {
    let limits = Limits { steps: 150_000, output_bytes: 64 << 20, memory_bytes: 64 << 20, ..LIMITS };
    for reader in READERS {
        let source = format!("{LARGE}{{% for i in 1..50000 %}}{{% set x = {reader} %}}{{% endfor %}}");
        let error = render_within(&source, &limits).err().unwrap_or_else(|| panic!("{reader}: no refusal"));
        assert!(error.message.contains("steps"), "{reader}: {error}");
        assert!(error.column > LARGE.len(), "{reader}: {error}");
    }
}

#[test]
fn values_in_use_count_until_they_are_gone() {
    let large = "{% set s = 'abcdefghijklmnop' %}{% for i in 1..17 %}{% set s = s ~ s %}{% endfor %}";
    let many = |part: &str, between: &str| vec![part; 100].join(between);
    let row = "x".repeat(1000);
    for source in [
        format!("{large}{{{{ [{}]|length }}}}", many("s ~ '1'", ", ")),
        format!("{large}{{{{ max({}) }}}}", many("s ~ '1'", ", ")),
        format!("{large}{{{{ ({})|length }}}}", many("s", " ~ ")),
        format!("{large}{{{{ ({} {})|length }}}}", many("s ~ ('' + (", ""), many("))", "").trim_end()),
        format!("{large}{{{{ s{}|length }}}}", "|base64encode".repeat(60)),
        format!("{}x{}", "{% for a in 1..200000 %}".repeat(20), "{% endfor %}".repeat(20)),
        format!(
            "{{% macro m() %}}{{% for i in 1..2000 %}}{row}{{% endfor %}}{{{{ m() }}}}{{% endmacro %}}{{{{ m() }}}}"
        ),
        "{% set l = 1..20000 %}{% for x in 1..100000 %}{{ (l + [x])|sort|first }}{% endfor %}".to_owned(),
        format!("{large}{{% for i in 1..9 %}}{{% set s = s|replace({{'a': '{row}', 'x': '{row}'}}) %}}{{% endfor %}}"),
    ] {
        let refusal = render(&source).map(|out| out.len());
        let error = refusal.expect_err(&source[source.len() - 80..]);
        assert!(error.message.contains("bytes") || error.phase == Phase::Parse, "{source}\n{error}");
    }
    // What is gone counts no more.
    let again =
        format!("{large}{{% set t = 0 %}}{{% for i in 1..20 %}}{{% set t = s ~ i %}}{{% endfor %}}{{{{ t|length }}}}");
    assert_eq!(render(&again).as_deref(), Ok("2097154"));
}

/// `s` and `by` are texts of 1 MB and 16,384 groups, `g` of 128 KB that triples in upper case, `l` a list, `m` a map, `d`
/// a tree of lists that share, `n` a number of many digits.
fn large_context() -> Value {
    let mut shared = Value::list(vec![Value::string("x".repeat(64)); 64]);
    for _ in 0..2 {
        shared = Value::list(vec![shared; 64]);
    }
    let key = |i: i64| (pebble::Key::from(format!("k{i}")), Value::int(i));
    Value::map([
        ("s".into(), Value::string("a".repeat(1 << 20))),
        ("by".into(), Value::string("$0".repeat(1 << 14))),
        ("blank".into(), Value::string("$1".repeat(1 << 14))),
        ("dollars".into(), Value::string("$".repeat(1 << 13))),
        ("short".into(), Value::string("a".repeat(1 << 13))),
        ("g".into(), Value::string("\u{390}".repeat(1 << 16))),
        ("l".into(), Value::list((0..20_000).map(Value::int).collect())),
        ("m".into(), Value::map((0..20_000).map(key))),
        ("d".into(), shared),
        ("n".into(), Value::parse_json(&"7".repeat(300_000)).expect("a number")),
    ])
}

#[test]
fn what_methods_make_is_paid_for_before() {
    let limits = Limits { steps: 1_000_000, ..LIMITS };
    let many = |part: &str, times: usize| format!("[{}]|length", vec![part; times].join(", "));
    for (expression, part) in [
        ("s.replaceFirst('(?s)a+', by)".to_owned(), "longer"),
        ("s.replaceAll('a{1000}', by)".to_owned(), "longer"),
        ("s.replaceAll('a()', blank)".to_owned(), "steps"),
        (many("s.replaceFirst('a', 'b')", 5), "take more than 8388608 bytes"),
        ("s.replace('', by)".to_owned(), "take more than 8388608 bytes"),
        ("short.replace('a', short)".to_owned(), "take more than 8388608 bytes"),
        (many("s.concat(s)", 5), "take more than 8388608 bytes"),
        (many("g.toUpperCase()", 22), "take more than 8388608 bytes"),
        (many("g.toUpperCase", 22), "take more than 8388608 bytes"),
        (many("m.values()", 20), "take more than 8388608 bytes"),
        (many("m.entrySet()", 5), "take more than 8388608 bytes"),
        ("d.toString()".to_owned(), "take more than 8388608 bytes"),
        ("d.toString".to_owned(), "take more than 8388608 bytes"),
        ("'a'.matches(short)".to_owned(), "0"),
        ("'a'.matches(s)".to_owned(), "steps"),
        ("'a'.replaceAll(dollars, '')".to_owned(), "take more than 8388608 bytes"),
        ("'a'|split(dollars)".to_owned(), "take more than 8388608 bytes"),
        ("n.hashCode()".to_owned(), "steps"),
        ("n.hashCode".to_owned(), "steps"),
        ("{n: 1, 'a': 2}".to_owned(), "steps"),
        ("'%h'|format(n)".to_owned(), "steps"),
        (many("l.hashCode()", 60), "steps"),
        (many("m.hashCode()", 30), "steps"),
        ("([m, m]).hashCode()".to_owned(), "0"),
    ] {
        let template = Template::compile("t", &format!("\n {{{{ {expression} }}}}"), &Options::default());
        let mut out = String::new();
        let done = template.expect("sound").render(&large_context(), &mut out, &limits);
        let shown = &expression[..expression.len().min(60)];
        match done {
            Err(error) => {
                assert!(error.message.contains(part), "{shown}: {error}");
                assert_eq!(error.line, 2, "{shown}: {error}");
            }
            Ok(()) => assert_eq!(part, "0", "{shown}: no refusal"),
        }
    }
}

#[test]
fn what_methods_make_is_the_same_as_ever() {
    for (expression, result) in [
        ("'xaay'.replaceAll('(a)(b)?', '<$1$2\\$>')", "x&lt;a$&gt;&lt;a$&gt;y"),
        ("'abc'.replace('', '-')", "-a-b-c-"),
        ("short.replace('a', 'bc').length()", "16384"),
        ("[short.concat(short)]|length", "1"),
        ("l.hashCode()", &list_hash(20_000).to_string()),
    ] {
        let template = Template::compile("t", &format!("{{{{ {expression} }}}}"), &Options::default()).expect("sound");
        let mut out = String::new();
        template.render(&large_context(), &mut out, &LIMITS).unwrap_or_else(|e| panic!("{expression}: {e}"));
        assert_eq!(out, result, "{expression}");
    }
}

fn list_hash(items: i32) -> i32 {
    (0..items).fold(1_i32, |hash, item| hash.wrapping_mul(31).wrapping_add(item))
}

#[test]
fn calls_of_imported_macros_are_paid_for() {
    let limits = Limits { steps: 50_000, ..LIMITS };
    let nested = |times: usize| format!("{}1{}", "k.m(".repeat(times), ")".repeat(times));
    let given: Vec<String> = (0..300).map(|i| format!("p{i}=1")).collect();
    let params: Vec<String> = (0..300).map(|i| format!("p{i}")).collect();
    let called = format!("{{% for i in 1..20 %}}{{{{ w({}) }}}}{{% endfor %}}", given.join(", "));
    for (source, fits) in [
        (format!("{{% import 'k' as k %}}{{{{ {} }}}}", nested(4)), true),
        (format!("{{% import 'k' as k %}}{{{{ {} }}}}", nested(24)), false),
        (format!("{{% macro w({}) %}}{{% endmacro %}}{called}", params.join(", ")), false),
    ] {
        let mut set = Templates::default();
        set.insert("k", "{% macro m(a) %}{{ a }}{% endmacro %}");
        let template = Template::compile("t", &source, &Options::default()).expect("sound");
        let mut out = String::new();
        let done = template.render_in(&set, &Value::map([]), &mut out, &limits);
        assert_eq!(done.is_ok(), fits, "{done:?}");
        assert!(done.err().is_none_or(|error| error.message.contains("steps")));
    }
}

#[test]
fn limits_name_the_place() {
    let doubled = "{% for i in 1..60 %}\n  {% set s = s ~ s %}{% endfor %}";
    for (source, line, column) in [
        ("a\n{% macro m() %}b\n  {{ m() }}{% endmacro %}\n{{ m() }}".to_owned(), 3, 6),
        (format!("{{% set s = 'xxxxxxxxxxxxxxxx' %}}{doubled}"), 2, 14),
        ("{% set s = 'x' %}{% for i in 1..22 %}{% set s = s ~ s %}{% endfor %}\n {{ s }}{{ s }}".to_owned(), 2, 5),
        ("{% for i in 1..99999 %}\n {{ (1..50000)|length }}{% endfor %}".to_owned(), 2, 6),
        ("{% set l = 1..50000 %}{% for i in l %}\n {% if l contains 0 %}{% endif %}{% endfor %}".to_owned(), 2, 8),
        ("{% set l = 1..50000 %}{% for i in l %}\n {{ l|sort|first }}{% endfor %}".to_owned(), 2, 7),
        ("{% for i in 1..999 %}\n{% for j in 1..998 %}{% endfor %}{% endfor %}".to_owned(), 2, 1),
    ] {
        let error = render(&source).expect_err("a refusal");
        assert_eq!((error.line, error.column), (line, column), "{error}");
    }
}
