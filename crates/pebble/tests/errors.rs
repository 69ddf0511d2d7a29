//! How errors are shown, and how code is laid out.

use pebble::{Limits, Options, Template, Value, format_source};

fn shown(source: &str) -> String {
    let context = Value::parse_json(r#"{"profile":{"name":"Ada","tags":["a"]}}"#).expect("JSON");
    let template = match Template::compile("greeting.peb", source, &Options { strict: true, ..Options::default() }) {
        Ok(template) => template,
        Err(error) => return error.to_string(),
    };
    let mut out = String::new();
    template.render(&context, &mut out, &Limits::default()).map_or_else(|e| e.to_string(), |()| out)
}

#[test]
fn errors_are_underlined() {
    let sources = [
        "Hello\n  {{ profile.name | uper }}!",
        "{% fro x in y %}{% endfor %}",
        "{{ maks(1, 2) }}",
        "{{ profile.nam }}",
        "{% if profile.name is emty %}{% endif %}",
        "a\n{{ profile.name + }}",
        "{% for t in profile.name %}{% endfor %}",
        "{{ profile.tags|abs }}",
        "{{ 'ü' ~ (1 / 0) }}",
        "{% if true %}",
        "{{ profile.name|date('yyyy') }}",
    ];
    let all: Vec<String> = sources.iter().map(|s| shown(s)).collect();
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn destinations_do_without_most_tags() {
    for tag in ["verbatim", "macro", "include", "autoescape", "block"] {
        let source = format!("a{{% {tag} %}}{{{{ x }}}}{{% end{tag} %}}");
        let error = Template::compile("t", &source, &Options::destination()).expect_err(tag);
        assert_eq!(error.message, format!("the tag `{tag}` is not part of destination templates"));
        assert_eq!((error.line, error.column), (1, 2));
    }
}

#[test]
fn code_is_spaced_evenly() {
    for (source, expected) in [
        ("{{x}}", "{{ x }}"),
        ("{{-  x|default( 'a' ,1 )-}}", "{{- x | default('a', 1) -}}"),
        ("{%if a==1and b%}{%endif%}", "{% if a == 1 and b %}{% endif %}"),
        ("{{ {'a':1,'b':[1,2]}[ 'a' ] }}", ""),
        ("{{ ({'a':1,'b':[ 1,2 ]})[ 'a' ] }}", "{{ ({'a': 1, 'b': [1, 2]})['a'] }}"),
        ("{{a?b:c?-1:+2}}", "{{ a ? b : c ? -1 : +2 }}"),
        ("{%for x in[1,2]%}{{x . y}}{%endfor%}", "{% for x in [1, 2] %}{{ x.y }}{% endfor %}"),
        ("{{\"a#{ x|upper }b\"~f( n = 5L )}}", "{{ \"a#{ x|upper }b\" ~ f(n=5L) }}"),
        ("{% set x=1 .. 3 %}{# a  b #}", "{% set x = 1..3 %}{# a  b #}"),
        ("{% verbatim %}{{x}}{% endverbatim %}", "{% verbatim %}{{x}}{% endverbatim %}"),
    ] {
        let got = format_source("t", source, &Options::default());
        match expected {
            "" => assert!(got.is_err(), "{source}"),
            expected => assert_eq!(got.as_deref(), Ok(expected), "{source}"),
        }
    }
}
