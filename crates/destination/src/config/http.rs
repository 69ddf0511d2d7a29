//! The request of a server, of a token request, of an audience metadata call: method, headers, addresses.

use super::read::{At, Object};
use super::template::{Templated, templated, templated_fields};
use smol_str::SmolStr;
use url::Url;

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HttpMethod {
    /// GET.
    Get,
    /// PUT.
    Put,
    /// POST.
    Post,
    /// DELETE.
    Delete,
    /// PATCH.
    Patch,
    /// OPTIONS.
    Options,
    /// HEAD.
    Head,
}

impl HttpMethod {
    /// As it stands in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            HttpMethod::Get => "GET",
            HttpMethod::Put => "PUT",
            HttpMethod::Post => "POST",
            HttpMethod::Delete => "DELETE",
            HttpMethod::Patch => "PATCH",
            HttpMethod::Options => "OPTIONS",
            HttpMethod::Head => "HEAD",
        }
    }
}

/// Methods of servers and token requests.
const METHODS: &[(&str, HttpMethod)] = &[
    ("GET", HttpMethod::Get),
    ("PUT", HttpMethod::Put),
    ("POST", HttpMethod::Post),
    ("DELETE", HttpMethod::Delete),
    ("PATCH", HttpMethod::Patch),
    ("OPTIONS", HttpMethod::Options),
    ("HEAD", HttpMethod::Head),
];

/// Methods of audience metadata calls: the first five.
pub(crate) const METADATA_METHODS: &[(&str, HttpMethod)] = METHODS.split_at(5).0;

/// Headers that frame a request or are of one connection only: the transport sets them, a configuration cannot.
const TRANSPORT_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header belongs to the transport, in whatever case.
pub fn is_transport_header(name: &str) -> bool {
    TRANSPORT_HEADERS.iter().any(|other| other.eq_ignore_ascii_case(name.trim()))
}

/// Reads an address; the error is the reason why it is none, without the address, which can hold somebody's data.
pub fn parse_address(text: &str) -> Result<Url, String> {
    // Readers of URLs drop line breaks and tabs without a word.
    if text.contains(char::is_control) {
        return Err("it holds a line break or another control character".to_owned());
    }
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        Ok(url) => Err(format!("its scheme is `{}`", url.scheme())),
        Err(error) => Err(error.to_string()),
    }
}

/// `httpTemplate`: the request but for its address.
#[derive(Clone, Debug)]
pub struct HttpTemplate {
    /// Method.
    pub method: HttpMethod,
    /// Body, always a template.
    pub body: Option<Templated>,
    /// Value of `Content-Type`.
    pub content_type: Option<String>,
    /// Further headers in their order.
    pub headers: Vec<(String, Templated)>,
    /// What is appended to the URL as its query.
    pub query: Option<Templated>,
}

/// A named text that is rendered from an answer.
#[derive(Clone, Debug)]
pub struct ResponseField {
    /// What it is used as.
    pub name: SmolStr,
    /// The template.
    pub value: Templated,
}

pub(crate) fn http_template(object: &Object<'_>) -> Option<HttpTemplate> {
    let method = object.need("httpMethod").and_then(|at| at.one_of(METHODS));
    let body_at = object.get("requestBody");
    let body = body_at.as_ref().and_then(templated);
    if let (Some(at), Some(Templated::Constant(_))) = (&body_at, &body) {
        let path = at.path.key("templatingStrategy");
        at.reading.fault(&path, "must be \"PEBBLE_V1\" for a request body; given \"NONE\"");
    }
    let content_type = object.get("contentType").and_then(|at| content_type(&at));
    let headers = object.get("headers").and_then(|at| at.list(|item| item.object(header))).unwrap_or_default();
    let query = object.get("queryParameters").and_then(|at| templated(&at));
    Some(HttpTemplate { method: method?, body, content_type, headers, query })
}

fn header(object: &Object<'_>) -> Option<(String, Templated)> {
    let name = object.need("header").and_then(|at| header_name(&at));
    let at = object.need("value")?;
    let value = templated(&at)?;
    if value.constant().is_some_and(|text| text.contains(['\r', '\n', '\0'])) {
        at.fault("the value of a header must be one line");
        return None;
    }
    Some((name?, value))
}

pub(crate) fn header_name(at: &At<'_>) -> Option<String> {
    let name = at.text()?;
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        at.fault(format!("must be the name of a header; given {name:?}"));
        return None;
    }
    if is_transport_header(name) {
        let rule = "must not be a header that the transport sets";
        at.fault(format!("{rule} ({}); given {name:?}", TRANSPORT_HEADERS.join(", ")));
        return None;
    }
    Some(name.to_owned())
}

fn content_type(at: &At<'_>) -> Option<String> {
    let text = at.filled()?;
    let essence = text.split(';').next().unwrap_or_default().trim();
    let part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_graphic() && !"/()<>@,\"".contains(c));
    let right = essence.split_once('/').is_some_and(|(kind, sub)| part(kind) && part(sub));
    if !right || text.contains(|c: char| c.is_control()) {
        at.fault(format!("must be a media type like \"application/json\"; given {text:?}"));
        return None;
    }
    Some(text.to_owned())
}

/// `{templatingStrategy, value, name}` entries.
pub(crate) fn response_fields(at: &At<'_>) -> Option<Vec<ResponseField>> {
    let mut read: Vec<ResponseField> = Vec::new();
    for item in at.items()? {
        let field = item.object(|object| {
            let name = object.need("name").and_then(|at| at.filled().map(SmolStr::new));
            let value = templated_fields(object);
            Some(ResponseField { name: name?, value: value? })
        });
        let Some(field) = field else { continue };
        if read.iter().any(|other| other.name == field.name) {
            item.reading.fault(&item.path.key("name"), format!("the name {:?} is given twice", field.name));
        }
        read.push(field);
    }
    Some(read)
}

/// A fixed address.
pub(crate) fn address(at: &At<'_>) -> Option<String> {
    let text = at.filled()?;
    check_address(at, text);
    Some(text.to_owned())
}

/// An address that may be a template; only a constant can be checked now.
pub(crate) fn templated_address(at: &At<'_>) -> Option<Templated> {
    let value = templated(at)?;
    if let Templated::Constant(text) = &value {
        let at = At { path: at.path.key("value"), ..at.clone() };
        check_address(&at, text);
    } else if value.source().trim().is_empty() {
        at.reading.fault(&at.path.key("value"), "must not be empty");
    }
    Some(value)
}

fn check_address(at: &At<'_>, text: &str) {
    if text.trim().contains(char::is_control) {
        at.fault(format!("must be one line without control characters; given {text:?}"));
        return;
    }
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {}
        Ok(_) => at.fault(format!("must be an http or https URL; given {text:?}")),
        Err(error) => at.fault(format!("must be an absolute http or https URL ({error}); given {text:?}")),
    }
}
