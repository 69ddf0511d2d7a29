//! Which audiences a search finds.

use super::lucene::Lucene;

const NAMES: [&str; 5] = ["Gold customers", "Silver customers", "Visited, not bought", "test", "Test 2"];

fn found(query: &str) -> Vec<usize> {
    let parsed = Lucene::parse(query).unwrap_or_else(|e| panic!("{query}: {e}"));
    let holds = |name: &str| parsed.holds(&|field| if field == "name" { vec![name.to_owned()] } else { Vec::new() });
    (0..NAMES.len()).filter(|i| holds(NAMES[*i])).collect()
}

#[test]
fn queries_find_names() {
    let cases: &[(&str, &[usize])] = &[
        ("name:test", &[3, 4]),
        ("test", &[3, 4]),
        ("name:cust*", &[0, 1]),
        ("name:*omer?", &[0, 1]),
        ("name:\"gold customers\"", &[0]),
        ("name:\"customers gold\"", &[]),
        ("gold silver", &[0, 1]),
        ("gold OR test", &[0, 3, 4]),
        ("customers AND silver", &[1]),
        ("customers && !silver", &[0]),
        ("+customers -gold", &[1]),
        ("NOT customers", &[2, 3, 4]),
        ("(gold OR silver) AND name:customers", &[0, 1]),
        ("name:(gold OR bought)", &[0, 2]),
        ("*", &[0, 1, 2, 3, 4]),
        ("description:gold", &[]),
    ];
    for (query, expected) in cases {
        assert_eq!(found(query), *expected, "{query}");
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    let deep = "(".repeat(100);
    let cases = [
        ("", "needs a term here"),
        ("name:", "needs a term here"),
        ("colour:red", "has the field `colour`; fields are name, "),
        ("(a", "has a `(` without its `)`"),
        ("a)", "has an unexpected `)`"),
        ("\"a", "has a `\"` without its end"),
        ("name:[a TO b]", "has a range, which is not supported"),
        ("roam~", "has a fuzzy term, which is not supported"),
        ("gold^2", "has a boost, which is not supported"),
        ("/gold/", "has a regular expression, which is not supported"),
        (r"a\*", "has an escaped wildcard, which is not supported"),
        (&deep, "has more than 32 parentheses in one another"),
        (&"a ".repeat(3000), "must have at most 4096 characters, has 6000"),
    ];
    for (query, message) in cases {
        let error = Lucene::parse(query).expect_err(query);
        assert!(error.starts_with(message), "{query}: {error}");
    }
}
