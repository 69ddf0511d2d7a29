//! The README as a script: its commands, and what they are shown to print.
//!
//! In: the text, a heading. Out: the blocks of commands under it, in order, each with the bold words before it and the
//! output that follows. Always: no block of a section is left out.

/// One block of commands.
#[derive(Debug)]
pub(crate) struct Step {
    /// The bold words that begin the latest paragraph.
    pub(crate) title: String,
    pub(crate) commands: String,
    /// What the README shows of the output.
    pub(crate) shown: Option<String>,
}

/// The steps of the section with this heading.
pub(crate) fn section(readme: &str, heading: &str) -> Vec<Step> {
    let start = readme.find(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("README.md has no {heading:?}"));
    let body = &readme[start + 4..];
    let body = &body[..body.find("\n## ").unwrap_or(body.len())];
    let (mut steps, mut title) = (Vec::<Step>::new(), String::new());
    let mut lines = body.lines();
    while let Some(line) = lines.next() {
        if let Some(bold) = line.strip_prefix("**").and_then(|rest| rest.split("**").next()) {
            title = bold.trim_end_matches('.').to_owned();
        }
        let Some(language) = line.strip_prefix("```") else { continue };
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match language {
            "sh" => steps.push(Step { title: title.clone(), commands: text.join("\n"), shown: None }),
            "text" => {
                let step = steps.last_mut().unwrap_or_else(|| panic!("{heading}: output before any command"));
                // Only the first is the output; more are shown to explain.
                step.shown.get_or_insert_with(|| text.join("\n"));
            }
            _ => panic!("{heading}: a block of {language:?}: is it to be run?"),
        }
    }
    steps
}

/// Whether output is as shown: `…` stands for any text, also of many lines; ids and times are other ones each time.
pub(crate) fn is_as_shown(shown: &str, output: &str) -> bool {
    let output = output.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let shown = without_chance(shown);
    let mut parts = shown.split('…');
    let Some(mut rest) = output.trim_end().strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// `…` in the place of UUIDs and times.
fn without_chance(text: &str) -> String {
    const FORMS: [&str; 2] = ["xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "0000-00-00T00:00:00.000000Z"];
    let fits = |at: &str, form: &str| {
        let fits = |(found, expected): (u8, u8)| match expected {
            b'x' => found.is_ascii_hexdigit(),
            b'0' => found.is_ascii_digit(),
            _ => found == expected,
        };
        at.len() >= form.len() && at.bytes().zip(form.bytes()).all(fits)
    };
    let (mut out, mut rest) = (String::new(), text);
    while let Some(next) = rest.chars().next() {
        match FORMS.iter().find(|form| fits(rest, form)) {
            Some(form) => {
                out.push('…');
                rest = &rest[form.len()..];
            }
            None => {
                out.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    out
}

#[test]
fn output_is_compared_with_what_is_shown() {
    for (shown, output, expected) in [
        ("a\nb", "a \nb\n", true),
        ("a\nb", "a\nb\nc", false),
        ("a\n…\nd", "a\nb\nc\nd", true),
        ("a\n…\nd", "a\nb\nc\ne", false),
        ("{\"id\":\"71d4…\",\"n\":1}", "{\"id\":\"71d4f55f\",\"n\":1}", true),
        ("{\"id\":\"71d4…\",\"n\":1}", "{\"id\":\"71d4f55f\",\"n\":2}", false),
        ("made 859f56f4-ff40-496f-b7e2-ba173c7dffe6", "made 00000000-ff40-496f-b7e2-ba173c7dffe6", true),
        ("made 859f56f4", "made 00000000", false),
        ("at 2026-11-22T03:06:57.888000Z, ü", "at 2027-01-02T03:04:05.000001Z, ü", true),
    ] {
        assert_eq!(is_as_shown(shown, output), expected, "{shown} / {output}");
    }
}
