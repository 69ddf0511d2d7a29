//! YAML and JSON texts, to documents and back.

use crate::config::Fault;
use crate::json::read_json;
use serde_json::Value as Json;

/// Reads a file by its ending. The path of a fault begins at the document.
pub(crate) fn parse(file: &str, text: &str) -> Result<Json, Fault> {
    if file.ends_with(".json") {
        return read_json(text.as_bytes()).map_err(|fault| match fault.path.is_empty() {
            true => Fault::new("", format!("is no JSON: {}", fault.message)),
            false => fault,
        });
    }
    // The words and numbers of YAML 1.2: `no` and `007` are texts.
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| Fault::new("", format!("is no YAML: {error}")))
}

/// Writes YAML. Texts of several lines stand as blocks, so that they can be read and compared line by line.
pub fn yaml(json: &Json) -> String {
    let mut text = String::new();
    block(json, 0, &mut text);
    // Where this writer and the reader disagree, the text is JSON, which is YAML too.
    if parse("x.yaml", &text).as_ref() == Ok(json) { text } else { format!("{json:#}\n") }
}

/// A value from the start of a line on.
fn block(json: &Json, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match json {
        Json::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                out.push_str(&indent);
                out.push_str(&scalar(name));
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
        && text
            .lines()
            .all(|line| !line.ends_with([' ', '\t']) && line.chars().all(|c| !c.is_control() && c != '\u{feff}'))
        && !text.contains('\r')
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
    if safe { text.to_owned() } else { Json::from(text).to_string() }
}
