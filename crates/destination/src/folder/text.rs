//! YAML and JSON texts, to documents and back.

use crate::config::Fault;
use crate::json::read_json;
use serde_json::Value as Json;

/// Reads a file by its ending. The path of a fault begins at the document.
///
/// # Errors
/// Why it cannot be read.
pub fn parse(file: &str, text: &str) -> Result<Json, Fault> {
    if file.ends_with(".json") {
        return read_json(text.as_bytes()).map_err(|fault| match fault.path.is_empty() {
            true => Fault::new("", format!("is no JSON: {}", fault.message)),
            false => fault,
        });
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let said = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
        Fault::new("", format!("is no YAML: {said}"))
    })
}

/// How all files of a folder are read: with the words and numbers of YAML 1.2, where `no` and `007` are texts.
pub(crate) fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    }
}

/// Names that are longer are written as explicit ones: YAML 1.2 ends an implicit one at 1024 characters, quotes
/// included.
const IMPLICIT_NAME_MAX: usize = 1000;

/// Writes YAML. Texts of several lines stand as blocks, so that they can be read and compared line by line.
pub fn yaml(json: &Json) -> String {
    let mut text = String::new();
    block(json, 0, &mut text);
    // Where this writer and the reader disagree, the text is JSON, which is YAML too.
    if parse("x.yaml", &text).as_ref() == Ok(json) { text } else { json_text(json) }
}

/// Writes JSON that YAML reads as the same.
pub(crate) fn json_text(json: &Json) -> String {
    printable(format!("{json:#}\n"))
}

/// Writes one field of a document that is a mapping in YAML's block style.
pub(crate) fn field(name: &str, value: &Json) -> String {
    let fields = Json::Object([(name.to_owned(), value.clone())].into_iter().collect());
    let mut text = String::new();
    block(&fields, 0, &mut text);
    // In one line, JSON can stand in any block.
    if parse("x.yaml", &text).as_ref() == Ok(&fields) {
        text
    } else {
        format!("{}: {}\n", scalar(name), printable(value.to_string()))
    }
}

/// A value from the start of a line on.
fn block(json: &Json, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match json {
        Json::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                out.push_str(&indent);
                let name = scalar(name);
                if name.chars().count() > IMPLICIT_NAME_MAX {
                    out.push_str("? ");
                    out.push_str(&name);
                    out.push('\n');
                    out.push_str(&indent);
                } else {
                    out.push_str(&name);
                }
                out.push(':');
                after(value, depth, out);
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for item in items {
                out.push_str(&indent);
                out.push('-');
                match item {
                    Json::Object(map) if !map.is_empty() => {
                        // The first field stands behind the hyphen.
                        let mut fields = String::new();
                        block(item, depth + 1, &mut fields);
                        out.push(' ');
                        out.push_str(fields.trim_start_matches(' '));
                    }
                    item => after(item, depth, out),
                }
            }
        }
        _ => after(json, depth, out),
    }
}

/// A value behind a name or a hyphen.
fn after(json: &Json, depth: usize, out: &mut String) {
    match json {
        Json::Object(map) if !map.is_empty() => {
            out.push('\n');
            block(json, depth + 1, out);
        }
        Json::Array(items) if !items.is_empty() => {
            out.push('\n');
            block(json, depth + 1, out);
        }
        Json::String(text) if is_block(text) => {
            let (body, chomp) = match text.strip_suffix('\n') {
                Some(body) => (body, ""),
                None => (text.as_str(), "-"),
            };
            out.push_str(" |");
            out.push_str(chomp);
            out.push('\n');
            let indent = "  ".repeat(depth + 1);
            for line in body.split('\n') {
                if !line.is_empty() {
                    out.push_str(&indent);
                    out.push_str(line);
                }
                out.push('\n');
            }
        }
        Json::String(text) => {
            out.push(' ');
            out.push_str(&scalar(text));
            out.push('\n');
        }
        other => {
            out.push(' ');
            out.push_str(&other.to_string());
            out.push('\n');
        }
    }
}

/// Whether a text can stand as a block: several lines, nothing but visible characters and inner blanks.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && !text.ends_with("\n\n")
        && text != "\n"
        && text.lines().all(|line| !line.ends_with([' ', '\t']) && line.chars().all(is_printable))
        && !text.contains('\r')
}

/// Whether YAML takes a character as it is, and as nothing but itself: `c-printable` of YAML 1.2 without line breaks
/// (those of YAML 1.1 included) and marks of byte order.
fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// A text of JSON with escapes for what YAML does not take as it is. Outside its strings there is no such character but
/// line breaks.
fn printable(json: String) -> String {
    if json.chars().all(|c| is_printable(c) || c == '\n') {
        return json;
    }
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match is_printable(c) || c == '\n' {
            true => text.push(c),
            false => text.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    text
}

/// A text of one line: as it is where nothing can be mistaken, else in double quotes with the escapes of JSON.
fn scalar(text: &str) -> String {
    let starts = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '/');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '/' | '$' | '(' | ')' | '@');
    let word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let safe = starts
        && text.chars().all(plain)
        && !text.ends_with(' ')
        && !word.contains(&text.to_ascii_lowercase().as_str());
    if safe { text.to_owned() } else { printable(Json::from(text).to_string()) }
}
