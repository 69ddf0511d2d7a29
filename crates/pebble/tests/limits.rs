//! Hostile templates end with an error, in bounded time, memory and stack.

use pebble::{Limits, Options, Phase, Template, Value};

fn render(source: &str) -> Result<String, pebble::Error> {
    let template = Template::compile("t", source, &Options::default())?;
    let mut out = String::new();
    let limits = Limits { output_bytes: 4 << 20, memory_bytes: 8 << 20, loop_passes: 200_000, ..Limits::default() };
    template.render(&Value::map([]), &mut out, &limits).map(|()| out)
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
    refused(compared, Phase::Render, "compares");
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
