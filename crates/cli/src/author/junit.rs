//! The report of `author test` in the form that build servers read (JUnit XML).

use super::test::Verdict;
use std::fmt::Write as _;

/// Why something could not be tried at all.
#[derive(Debug)]
pub(crate) struct Broken {
    /// The file, where one is at fault.
    pub(crate) file: Option<String>,
    pub(crate) what: String,
}

/// The report of one destination.
pub(crate) fn report(destination: &str, verdicts: &[Verdict], broken: &[Broken]) -> String {
    let failures = verdicts.iter().filter(|v| !v.mismatches.is_empty()).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (name, tests, errors) = (escape(destination), verdicts.len() + broken.len(), broken.len());
    // Writing to a String cannot fail.
    _ = writeln!(xml, "<testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">");
    for Broken { file, what } in broken {
        let case = file.as_ref().and_then(|file| file.strip_prefix("cases/")?.split('.').next());
        let (class, name) = match (case, file) {
            (Some(case), _) => ("cases", case),
            (None, Some(file)) => ("files", file.as_str()),
            (None, None) => ("files", "all"),
        };
        let file = file.as_ref().map(|file| format!(" file=\"{}\"", escape(file))).unwrap_or_default();
        let first = escape(what.lines().next().unwrap_or_default());
        _ = writeln!(
            xml,
            "  <testcase classname=\"{class}\" name=\"{}\"{file}>\n    <error message=\"{first}\">{}</error>\n  </testcase>",
            escape(name),
            escape(what)
        );
    }
    for verdict in verdicts {
        let class = if verdict.file.is_some() { "cases" } else { "generated" };
        let file = verdict.file.as_ref().map(|file| format!(" file=\"{}\"", escape(file))).unwrap_or_default();
        _ = write!(xml, "  <testcase classname=\"{class}\" name=\"{}\"{file}", escape(&verdict.name));
        if verdict.mismatches.is_empty() {
            xml.push_str("/>\n");
            continue;
        }
        xml.push_str(">\n");
        for mismatch in &verdict.mismatches {
            let first = mismatch.what.lines().next().unwrap_or_default();
            let text = format!("{}\n{}", mismatch.what, mismatch.diff.as_deref().unwrap_or_default());
            _ = writeln!(xml, "    <failure message=\"{}\">{}</failure>", escape(first), escape(&text));
        }
        xml.push_str("  </testcase>\n");
    }
    xml.push_str("</testsuite>\n");
    xml
}

/// Text for XML; characters that XML cannot hold are replaced.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
