//! Every form of text by an example; no secret survives in any of them, and what is none does.

use super::*;
use destination::case::Case;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::json;

fn scrub() -> Scrub {
    let account = "account: {accessToken: tok-1234, user: {name: 'ann b', full: 'Ann Ü/b', pin: 77}}\nprofiles: []";
    let case = Case::parse("a", account);
    Scrub::of([case.expect("a case")].iter())
}

#[test]
fn secrets_are_removed_from_texts() {
    let cases = [
        ("x tok-1234 y Bearer abc.d-e/f= z 77", "x <removed> y Bearer <removed> z 77"),
        ("Bearer ", "Bearer "),
        ("Bearer ü Bearer a", "Bearer ü Bearer <removed>"),
        ("a basic plan, a token of love", "a basic plan, a token of love"),
        ("name=Ann+%C3%9C%2Fb&n=1", "name=<removed>&n=1"),
        ("name=Ann%20%c3%9c/b", "name=<removed>"),
        (r#"say "Ann \u00dc/b""#, r#"say "<removed>""#),
        ("access_token=abc&expires=1", "access_token=<removed>&expires=1"),
        (
            "code=abc&code_verifier=def&assertion=g.h&state=1",
            "code=<removed>&code_verifier=<removed>&assertion=<removed>&state=1",
        ),
        ("token_type=bearer&expires_in=3600", "token_type=bearer&expires_in=3600"),
        ("client%5Fsecret=a&user%5Bpassword%5D=b", "client%5Fsecret=<removed>&user%5Bpassword%5D=<removed>"),
        ("https://u:PW@h/cb?code=abc&x=1", "https://u:<removed>@h/cb?code=<removed>&x=1"),
        (
            "see https://PW@h, or https://h/#access_token=a",
            "see https://<removed>@h, or https://h/#access_token=<removed>",
        ),
        ("next=https%3A%2F%2Fh%2F%3Fsig%3Dabc%26x%3D1", "next=https%3A%2F%2Fh%2F%3Fsig%3D<removed>%26x%3D1"),
        ("<a><w:password>p&amp;q</w:password><b>1</b></a>", "<a><w:password><removed></w:password><b>1</b></a>"),
        (
            "<i name=\"password\" value=\"p\"/><i name=\"n\" value=\"1\"/>",
            "<i name=\"password\" value=\"<removed>\"/><i name=\"n\" value=\"1\"/>",
        ),
        ("{\"token\":\"abc\",\"n\":1}\n{\"n\":2}\n", "{\"token\":\"<removed>\",\"n\":1}\n{\"n\":2}\n"),
        ("callback({\"pwd\":\"a\\\"b\",\"n\":1})", "callback({\"pwd\":\"<removed>\",\"n\":1})"),
        ("Invalid token: abc\nerror code=17", "Invalid token: <removed>\nerror code=17"),
        (
            "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nabc\r\n--b\r\ncontent-disposition: form-data; name=\"n\"\r\n\r\n1\r\n--b--\r\n",
            "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n<removed>\r\n--b\r\ncontent-disposition: form-data; name=\"n\"\r\n\r\n1\r\n--b--\r\n",
        ),
    ];
    for (given, expected) in cases {
        assert_eq!(scrub().text(given), expected);
        assert_eq!(scrub().text(expected), expected, "once more");
    }
    assert_eq!(
        scrub().address("/a/tok-1234?access_token=x&b=ann%20b&c=1&key=k&signature=s"),
        "/a/<removed>?access_token=<removed>&b=<removed>&c=1&key=<removed>&signature=<removed>"
    );
}

#[test]
fn secrets_are_removed_from_headers() {
    let cases = [
        ("Authorization", "Basic x", REMOVED),
        ("Set-Cookie", "a=b", REMOVED),
        ("X-Trace", "1", "1"),
        ("X-Auth", "a", REMOVED),
        ("x-acme-key", "a", REMOVED),
        ("X-Hub-Signature-256", "sha256=a", REMOVED),
        ("X-Forwarded-For-Auth2", "bearer a", "bearer <removed>"),
        (
            "Location",
            "https://u:PW@h/cb?code=a&access_token=b",
            "https://u:<removed>@h/cb?code=<removed>&access_token=<removed>",
        ),
        (
            "Link",
            "<https://h/x?page=2&access_token=T>; rel=\"next\"",
            "<https://h/x?page=2&access_token=<removed>>; rel=\"next\"",
        ),
        ("Content-Type", "text/plain; charset=utf-8", "text/plain; charset=utf-8"),
    ];
    for (name, given, expected) in cases {
        let found = scrub().headers(&[(name.to_owned(), given.to_owned())]);
        assert_eq!(found, [(name.to_owned(), expected.to_owned())]);
    }
}

#[test]
fn secrets_are_removed_from_bodies() {
    let cases = [
        (
            json!({"client_secret": {"a": 1}, "data": [{"apiKey": 1, "email": "a@example.com", "note": "ann b"}]}),
            json!({"client_secret": REMOVED, "data": [{"apiKey": REMOVED, "email": "a@example.com", "note": REMOVED}]}),
        ),
        (
            json!({"pass": "a", "pwd": "b", "passphrase": "c", "jwt": "d", "passenger": "e", "tokenValid": true}),
            json!({"pass": REMOVED, "pwd": REMOVED, "passphrase": REMOVED, "jwt": REMOVED, "passenger": "e", "tokenValid": true}),
        ),
        (
            json!([{"name": "token", "value": "a"}, {"name": "n", "value": "b"}]),
            json!([{"name": "token", "value": REMOVED}, {"name": "n", "value": "b"}]),
        ),
        (
            json!({"next": "https://h/?access_token=a&n=1", "inner": "{\"token\":\"a\",\"n\":1}", "code": "late"}),
            json!({"next": "https://h/?access_token=<removed>&n=1", "inner": "{\"token\":\"<removed>\",\"n\":1}", "code": "late"}),
        ),
    ];
    for (given, expected) in cases {
        assert_eq!(scrub().body("application/json", &given.to_string()), expected);
    }
    for kind in ["application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded", "text/plain", ""] {
        assert_eq!(scrub().body(kind, "password=a&b=c"), json!("password=<removed>&b=c"), "{kind}");
    }
}

#[test]
fn what_was_found_under_a_name_is_known_everywhere() {
    let scrub = scrub();
    scrub.body("application/json", r#"{"access_token": "Tq+/x y9", "session": "active"}"#);
    assert_eq!(scrub.address("/lists/Tq%2B%2Fx%20y9?q=Tq%2b/x+y9"), "/lists/<removed>?q=<removed>");
    assert_eq!(scrub.body("", r#"{"given": "Tq+/x y9", "n": "active"}"#), json!({"given": REMOVED, "n": "active"}));
}

/// What stands beside a secret is none: it stays wherever it comes again.
#[test]
fn what_stands_beside_a_secret_stays() {
    let scrub = scrub();
    let headers = [
        ("Set-Cookie", "sid=0123456789ABCDEF; Domain=.api.partner.example; Path=/api/v2/audiences; HttpOnly"),
        (
            "Authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7/x, SignedHeaders=x-amz-content-sha256, Signature=fe5f80f77d5fa",
        ),
        ("WWW-Authenticate", "Bearer realm=\"partner\", error=\"invalid_token\""),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let clean: Vec<String> = scrub.headers(&headers).into_iter().map(|(_, value)| value).collect();
    assert_eq!(clean, [REMOVED, REMOVED, "Bearer realm=\"partner\", error=\"invalid_token\""]);
    let body = json!({"session": {"country": "Germany", "token": "Abcdef-123456"}, "tokens": 3, "signatureDate": "2024-01-01"});
    assert_eq!(
        scrub.body("application/json", &body.to_string()),
        json!({"session": REMOVED, "tokens": 3, "signatureDate": "2024-01-01"})
    );
    let later = "https://x.api.partner.example/api/v2/audiences/17 error=17 realm= Germany x-amz-content-sha256";
    assert_eq!(scrub.text(later), later);
    let known = "0123456789ABCDEF AKIAIOSFODNN7/x fe5f80f77d5fa Abcdef-123456";
    assert_eq!(scrub.text(known), [REMOVED; 4].join(" "));
    assert_eq!(
        scrub.address("/a?subscription-key=k1&app_key=k2&page=2"),
        format!("/a?subscription-key={REMOVED}&app_key={REMOVED}&page=2")
    );
}

#[test]
fn long_lines_of_anything_end() {
    let scrub = scrub();
    for unit in ["a:b;", "<a ", "a:", ";a:b"] {
        let text = unit.repeat(1 << 16);
        assert_eq!(scrub.text(&text), text);
    }
}

#[test]
fn texts_in_texts_end() {
    let mut text = "token=abc".to_owned();
    for _ in 0..40 {
        text = format!("next={}", utf8_percent_encode(&text, NON_ALPHANUMERIC));
        text.truncate(100_000);
    }
    scrub().text(&text);
    scrub().text(&"%25".repeat(100_000));
}

const FORMS: usize = 16;

/// A secret in each form; the header under which it stands, and the body.
fn planted(form: usize, secret: &str) -> (Vec<(String, String)>, String) {
    let coded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let plus = coded.replace("%20", "+");
    let quoted = serde_json::Value::from(secret).to_string();
    let entities = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;")];
    let xml = entities.iter().fold(secret.to_owned(), |text, (c, entity)| text.replace(c, entity));
    let url = format!("https://h/cb?n=visible&access_token={coded}");
    let body = match form {
        0 => format!("n=visible&code={plus}&m=1"),
        1 => format!("n=visible&client_secret={coded}\n"),
        2 => format!("{{\"n\":\"visible\",\"passphrase\":{quoted}}}"),
        3 => format!("{{\"n\":\"visible\"}}\n{{\"token\":{quoted}}}\n"),
        4 => format!("f({{\"n\":\"visible\",\"jwt\":{quoted}}})"),
        5 => format!("<a><n>visible</n><password>{xml}</password></a>"),
        6 => format!("<a n=\"visible\" apiKey=\"{xml}\"/>"),
        7 => format!("<f name=\"secret\" value=\"{xml}\"/><n>visible</n>"),
        8 => format!(
            "--x1\r\nContent-Disposition: form-data; name=\"pwd\"\r\n\r\n{secret}\r\n--x1\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\nvisible\r\n--x1--\r\n"
        ),
        9 => json!({"next": url}).to_string(),
        10 => json!({"next": format!("https://visible:{coded}@h/")}).to_string(),
        11 => json!({"n": "visible", "fields": [{"name": "token", "value": secret}]}).to_string(),
        12 => json!({"n": "visible", "inner": json!({"pass": secret}).to_string()}).to_string(),
        13 => format!("n=visible&next={}", utf8_percent_encode(&url, NON_ALPHANUMERIC)),
        14 => format!("n: visible\npassword: {secret}\n"),
        _ => return (vec![("Location".to_owned(), url)], String::new()),
    };
    (Vec::new(), body)
}

/// Whether a text holds it, as it is or coded.
fn holds(text: &str, secret: &str) -> bool {
    let mut values = Values::default();
    values.add(secret);
    // The mark itself is found too.
    let text = text.replace(REMOVED, "");
    values.remove_from(&text) != text
}

proptest! {
    #[test]
    fn no_secret_survives(
        form in 0..FORMS,
        later in 0..FORMS,
        secret in "[A-Z]{2}[0-9][A-Za-z0-9+/=_.~ üé&<>\"'\\\\%,;:@#?-]{9,20}[0-9a-z]",
        kind in prop::sample::select(vec!["", "text/plain", "application/json", "Application/X-WWW-FORM-urlencoded"]),
    ) {
        let scrub = Scrub::default();
        let record = |(headers, body): &(Vec<(String, String)>, String)| {
            format!("{:?} {}", scrub.headers(headers), scrub.body(kind, body))
        };
        let recorded = record(&planted(form, &secret));
        prop_assert!(recorded.contains("visible") && recorded.contains(REMOVED), "{recorded}");
        prop_assert!(!holds(&recorded, &secret), "{recorded}");
        // Another time, and under names that say nothing.
        let again = record(&planted(later, &secret));
        prop_assert!(!holds(&again, &secret), "{again}");
        let coded = utf8_percent_encode(&secret, NON_ALPHANUMERIC).to_string();
        let elsewhere = [
            scrub.address(&format!("/lists/{coded}?q={coded}")),
            scrub.text(&json!({"n": secret}).to_string()),
            scrub.headers(&[("X-Given".to_owned(), secret.clone())])[0].1.clone(),
        ];
        prop_assert!(elsewhere.iter().all(|text| !holds(text, &secret)), "{elsewhere:?}");
    }

    #[test]
    fn any_text_is_walked(text in "[\\PC\n<>\"'=&:@?/\\\\%{}]{0,60}|(token|<password|value=\"|name=\"|https://|u:p@|\\\\\"|[\":=&<>ü{}\\\\ ]){0,20}") {
        let scrub = Scrub::default();
        scrub.body("", &text);
        scrub.address(&text);
        scrub.headers(&[("a".to_owned(), text)]);
    }
}
