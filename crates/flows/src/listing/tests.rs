//! Grammar of queries, and paging that neither repeats nor loses.

#![allow(clippy::unwrap_used)]

use super::*;

const FIELDS: &[&str] = &["id", "name", "state", "createdAt", "tags", "nested", "ready"];

fn items() -> Vec<Json> {
    vec![
        json!({ "id": "a", "name": "Pear", "state": "enabled", "createdAt": 10, "tags": ["x"], "nested": { "n": "7" }, "ready": true }),
        json!({ "id": "b", "name": "Apple", "state": "disabled", "createdAt": 30, "tags": ["x", "y"], "ready": false }),
        json!({ "id": "c", "name": "Fig, dried", "state": "enabled", "createdAt": 20, "tags": [] }),
    ]
}

fn ids(pairs: &[(&str, &str)]) -> Result<String> {
    let shown = page(items(), &Query::from_pairs(pairs)?, "/things", FIELDS)?;
    Ok(shown["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect())
}

#[test]
fn properties() {
    let cases = [
        ("id==a", Ok("a")),
        ("id==a,c", Ok("ca")),
        ("id!=a", Ok("bc")),
        ("name==\"Fig, dried\"", Ok("c")),
        ("name=\"Pear\"", Ok("a")),
        ("name==pear", Ok("")),
        ("state==Enabled", Ok("ca")),
        ("createdAt>=20", Ok("bc")),
        ("createdAt<20", Ok("a")),
        ("createdAt==20", Ok("c")),
        ("tags[]==y", Ok("b")),
        ("tags==y", Ok("")),
        ("nested.n>6", Ok("a")),
        ("nested.n<=6", Ok("")),
        ("ready==true", Ok("a")),
        ("name", Err("1450-400")),
        ("name=Pear", Err("1450-400")),
        ("name=>Pear", Err("1450-400")),
        ("name~Pe", Err("1440-400")),
        ("name==", Err("1453-400")),
        ("createdAt>1,2", Err("1443-400")),
        ("name>A", Err("1448-400")),
        ("createdAt>x", Err("1448-400")),
        ("colour==x", Err("1451-400")),
    ];
    for (text, expected) in cases {
        let got = ids(&[("property", text)]);
        let got = got.as_ref().map(String::as_str).map_err(Error::code);
        assert_eq!(got, expected.map_err(str::to_owned), "{text}");
    }
    assert_eq!(ids(&[("property", "state==enabled"), ("property", "createdAt>10")]).unwrap(), "c");
}

#[test]
fn orders() {
    let cases = [
        ("name", Ok("bca")),
        ("+name", Ok("bca")),
        (" name", Ok("bca")),
        ("-name", Ok("acb")),
        ("state,-createdAt", Ok("bca")),
        ("*name", Err("1432-400")),
        ("", Err("1432-400")),
        ("colour", Err("1433-400")),
    ];
    for (text, expected) in cases {
        let got = ids(&[("orderby", text)]);
        let got = got.as_ref().map(String::as_str).map_err(Error::code);
        assert_eq!(got, expected.map_err(str::to_owned), "{text:?}");
    }
}

#[test]
fn parameters() {
    let code = |pairs: &[(&str, &str)]| ids(pairs).map_err(|e| e.code());
    assert_eq!(code(&[("limit", "0")]), Err("1452-400".into()));
    assert_eq!(code(&[("limit", "x")]), Err("1452-400".into()));
    assert_eq!(code(&[("count", "maybe")]), Err("1452-400".into()));
    assert_eq!(code(&[("colour", "x")]), Err("1451-400".into()));
    assert_eq!(code(&[("continuationToken", "zz")]), Err("1452-400".into()));
    assert_eq!(code(&[("continuationToken", "é1")]), Err("1452-400".into()));
}

#[test]
fn a_token_goes_on_where_the_page_ended() {
    let query = Query::from_pairs(&[("property", "state==enabled"), ("orderby", "-name"), ("limit", "1")]).unwrap();
    let first = page(items(), &query, "/things", FIELDS).unwrap();
    assert_eq!(first["items"][0]["id"], "a");
    let href = first["_links"]["next"]["href"].as_str().unwrap();
    // Some clients cut the token out at the first `=`, some send the whole href back.
    for token in [href.split('=').nth(1).unwrap(), href] {
        let query = Query::from_pairs(&[("continuationToken", token)]).unwrap();
        let mut later = items();
        later.retain(|item| item["id"] != "a");
        let second = page(later, &query, "/things", FIELDS).unwrap();
        assert_eq!((&second["items"][0]["id"], &second["_links"]), (&json!("c"), &json!({})));
    }
    let token = href.split('=').nth(1).unwrap();
    let other = Query::from_pairs(&[("continuationToken", token), ("orderby", "name")]).unwrap();
    assert_eq!(page(items(), &other, "/things", FIELDS).unwrap_err().code(), "1452-400");
    let elsewhere = Query::from_pairs(&[("continuationToken", token)]).unwrap();
    assert_eq!(page(items(), &elsewhere, "/others", FIELDS).unwrap_err().code(), "1452-400");
}

#[test]
fn searches() {
    let search = |body: Json| page(items(), &Query::from_search(&body)?, "/things", FIELDS);
    let found = search(json!({
        "queryString": "property=state==enabled&createdAt>=20", "orderby": "name", "projectionFields": "id,nested.n,name",
    }));
    assert_eq!(found.unwrap()["items"], json!([{ "id": "c", "name": "Fig, dried" }]));
    assert_eq!(search(json!({ "count": true })).unwrap(), json!({ "count": 3 }));
    let code = |body: Json| search(body).unwrap_err().code();
    assert_eq!(code(json!([])), "1425-400");
    assert_eq!(code(json!({ "groupByProperty": "state" })), "1438-400");
    assert_eq!(code(json!({ "count": true, "limit": 5 })), "1401-400");
    assert_eq!(code(json!({ "colour": 5 })), "1425-400");
    assert_eq!(code(json!({ "projectionFields": "colour" })), "1451-400");
}
