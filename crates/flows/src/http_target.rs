//! Parameters of an HTTP API target connection.
//!
//! Endpoint: http or https, no credentials, no fragment. Headers: `name:value,name:value`; the
//! first colon ends the name, a value holds no comma. Query parameters: `name=value&name=value`,
//! appended to the endpoint as they are written.

use crate::{HTTP_API, schema, specs};
use model::SmolStr;
use serde_json::{Map, Value as Json};
use url::Url;

/// Set by the transport, by the authentication or meant for one hop only.
const REFUSED_HEADERS: &[&str] = &[
    "authorization",
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Checks all parameters and gives them their present names (`Custom Headers` is `headers`).
pub(crate) fn canonical(params: &Json) -> Result<Json, String> {
    let given = params.as_object().ok_or("params must be an object")?;
    let mut out = Map::new();
    for (name, value) in given {
        let name = if name == "Custom Headers" { "headers" } else { name };
        if out.insert(name.to_owned(), value.clone()).is_some() {
            return Err(format!("params.{name} is given twice, under its older name too"));
        }
    }
    let params = Json::Object(out);
    let schema = specs::shipped_connection_specs().iter().find(|spec| spec["id"] == HTTP_API);
    let schema = schema.map_or(&Json::Null, |spec| &spec["targetSpec"]["spec"]);
    schema::check(schema, &params, "params")?;
    endpoint(&params)?;
    headers(params["headers"].as_str().unwrap_or_default())?;
    Ok(params)
}

/// The endpoint with the query parameters appended.
pub(crate) fn endpoint(params: &Json) -> Result<Url, String> {
    let text = params["httpEndpoint"].as_str().unwrap_or_default();
    let at = "params.httpEndpoint";
    let mut url = Url::parse(text).map_err(|error| format!("{at} must be an http or https URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("{at} must be an http or https URL; its scheme is {}", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("{at} must not hold credentials; give them in the base connection"));
    }
    if url.fragment().is_some() {
        return Err(format!("{at} must not have a fragment"));
    }
    let extra = query_parameters(params["queryParameters"].as_str().unwrap_or_default())?;
    if !extra.is_empty() {
        let query = match url.query() {
            Some(query) if !query.is_empty() => format!("{query}&{extra}"),
            _ => extra.to_owned(),
        };
        url.set_query(Some(&query));
    }
    Ok(url)
}

fn query_parameters(text: &str) -> Result<&str, String> {
    let at = "params.queryParameters";
    if let Some(c) = text.chars().find(|c| c.is_control() || *c == '#') {
        return Err(format!("{at} must not hold {c:?}"));
    }
    for part in text.split('&').filter(|_| !text.is_empty()) {
        match part.split_once('=') {
            Some((name, _)) if !name.trim().is_empty() => {}
            Some(_) => return Err(format!("{at}: {part:?} has no name before =")),
            None => return Err(format!("{at}: {part:?} has no =; write name=value&name=value")),
        }
    }
    Ok(text)
}

/// Reads the header grammar. Messages never hold a value: it may be a key.
pub(crate) fn headers(text: &str) -> Result<Vec<(SmolStr, SmolStr)>, String> {
    let at = "params.headers";
    let mut out: Vec<(SmolStr, SmolStr)> = Vec::new();
    for (i, part) in text.split(',').enumerate().filter(|_| !text.trim().is_empty()) {
        let nth = i + 1;
        let (name, value) = part.split_once(':').ok_or_else(|| {
            format!("{at}: header {nth} has no colon; write name:value,name:value, no comma in a value")
        })?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(format!("{at}: header {nth} has the invalid name {name:?}"));
        }
        if REFUSED_HEADERS.iter().any(|refused| refused.eq_ignore_ascii_case(name)) {
            return Err(format!("{at}: header {name} is set by the transport or the authentication; leave it out"));
        }
        if value.is_empty() || !value.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b)) {
            return Err(format!("{at}: the value of header {name} must be visible ASCII text"));
        }
        if out.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Err(format!("{at}: header {name} is given twice"));
        }
        out.push((name.into(), value.into()));
    }
    Ok(out)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
