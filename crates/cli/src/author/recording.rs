//! Recordings: requests of a destination and what the receiver said, as files beside the golden cases.
//!
//! Always: a file holds no secrets ([`Scrub`]); files are numbered in the order of the requests; none is overwritten.

use super::scrub::{REMOVED, Scrub};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

/// Where recordings stand in the folder.
const PLACE: &str = "cases/recordings";

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recording {
    pub(crate) request: Asked,
    pub(crate) response: Said,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    /// JSON as JSON, other text as a string; null without a body.
    pub(crate) body: Json,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// As that of a request.
    pub(crate) body: Json,
}

/// Headers that belong to one connection.
const TRANSPORT: &[&str] =
    &["connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "date"];

/// Whether a header belongs to one connection only.
pub(crate) fn of_transport(name: &str) -> bool {
    TRANSPORT.iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// The value of a header.
pub(crate) fn header<'h>(headers: &'h [(String, String)], name: &str) -> &'h str {
    headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
}

impl Asked {
    /// A request without its secrets.
    pub(crate) fn new(scrub: &Scrub, method: &str, path: &str, headers: &[(String, String)], body: &[u8]) -> Asked {
        Asked {
            method: method.to_owned(),
            path: scrub.address(path),
            headers: scrub.headers(headers),
            body: self::body(scrub, headers, body),
        }
    }

    /// Whether this can have been that request before its secrets were removed.
    pub(crate) fn may_be(&self, asked: &Asked) -> bool {
        self.method == asked.method && fits(&self.path, &asked.path) && fits_json(&self.body, &asked.body)
    }

    /// As people read it, for differences.
    pub(crate) fn page(&self) -> String {
        format!("{} {}\n\n{}\n", self.method, self.path, shown(&self.body))
    }
}

impl Said {
    /// An answer without its secrets.
    pub(crate) fn new(scrub: &Scrub, status: u16, headers: &[(String, String)], body: &[u8]) -> Said {
        Said { status, headers: scrub.headers(headers), body: self::body(scrub, headers, body) }
    }

    /// The body as it is sent.
    pub(crate) fn text(&self) -> String {
        match &self.body {
            Json::Null => String::new(),
            Json::String(text) => text.clone(),
            json => json.to_string(),
        }
    }
}

fn body(scrub: &Scrub, headers: &[(String, String)], body: &[u8]) -> Json {
    if body.is_empty() {
        return Json::Null;
    }
    scrub.body(header(headers, "content-type"), &String::from_utf8_lossy(body))
}

/// Whether a text can be another one, whose secrets were removed.
fn fits(removed: &str, text: &str) -> bool {
    let Some((start, rest)) = removed.split_once(REMOVED) else { return removed == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split(REMOVED).collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(last)
}

fn fits_json(removed: &Json, json: &Json) -> bool {
    match (removed, json) {
        (Json::String(text), _) if text == REMOVED => !json.is_null(),
        (Json::String(removed), Json::String(text)) => fits(removed, text),
        (Json::Array(removed), Json::Array(items)) => {
            removed.len() == items.len() && removed.iter().zip(items).all(|(removed, item)| fits_json(removed, item))
        }
        (Json::Object(removed), Json::Object(fields)) => {
            let field =
                |(name, removed): (&String, &Json)| fields.get(name).is_some_and(|json| fits_json(removed, json));
            removed.len() == fields.len() && removed.iter().all(field)
        }
        _ => removed == json,
    }
}

fn shown(body: &Json) -> String {
    match body {
        Json::Null => "(no body)".to_owned(),
        Json::String(text) => text.clone(),
        json => format!("{json:#}"),
    }
}

/// The recordings of a folder, in order.
pub(crate) fn read(dir: &Path) -> Result<Vec<(String, Recording)>, String> {
    let place = dir.join(PLACE);
    let mut paths: Vec<PathBuf> = match std::fs::read_dir(&place) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => Vec::new(),
    };
    paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
    paths.sort();
    let mut recordings = Vec::new();
    for path in paths {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(&path).map_err(|error| failed(&error))?;
        let recording = serde_json::from_str(&text).map_err(|error| failed(&error))?;
        recordings.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), recording));
    }
    Ok(recordings)
}

/// The number behind the highest.
pub(crate) fn next(recordings: &[(String, Recording)]) -> usize {
    let number = |name: &str| name.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok());
    recordings.iter().filter_map(|(name, _)| number(name)).max().unwrap_or(0usize).saturating_add(1)
}

/// Writes a recording into a file of its own; its name.
pub(crate) fn write(dir: &Path, number: usize, recording: &Recording) -> Result<String, String> {
    use std::io::Write as _;
    let place = dir.join(PLACE);
    let path = recording.request.path.split('?').next().unwrap_or_default();
    let plain: String = path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(60).collect();
    let name = format!("{number:04}-{}-{}.json", recording.request.method.to_lowercase(), plain.trim_matches('-'));
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", place.join(&name).display());
    std::fs::create_dir_all(&place).map_err(|error| failed(&error))?;
    let text = serde_json::to_string_pretty(recording).map_err(|error| failed(&error))?;
    let file = std::fs::File::create_new(place.join(&name));
    file.and_then(|mut file| file.write_all((text + "\n").as_bytes())).map_err(|error| failed(&error))?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_behind_the_highest_and_nothing_is_overwritten() {
        let directory = tempfile::tempdir().expect("a directory");
        let dir = directory.path();
        let scrub = Scrub::default();
        let recording = |status| Recording {
            request: Asked::new(&scrub, "GET", "/a", &[], b""),
            response: Said::new(&scrub, status, &[], b""),
        };
        assert_eq!(next(&read(dir).expect("none")), 1);
        let names = [1, 2, 3].map(|number| write(dir, number, &recording(200)).expect("written"));
        std::fs::remove_file(dir.join(PLACE).join(&names[0])).expect("removed");
        assert_eq!(next(&read(dir).expect("two")), 4);
        assert!(write(dir, 3, &recording(500)).is_err());
        assert!(read(dir).expect("two").iter().all(|(_, recording)| recording.response.status == 200));
    }
}
