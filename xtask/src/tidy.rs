//! `xtask tidy`: the rules that no other tool checks.
//!
//! In: every text file of the repository, and `xtask/ratchet.txt`. Out: faults, one line each.
//! Always: what is longer than the limits stands in the ratchet with its length, and may only shrink.

use crate::scan::{self, Split};
use crate::{Outcome, floors};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A function fits a screen.
const FUNCTION_LINES_MAX: usize = 70;
/// A file is read in one sitting.
const FILE_LINES_MAX: usize = 800;
const RATCHET: &str = "xtask/ratchet.txt";

/// Words that name nothing, with what to do instead.
const BANNED_NAMES: &[(&str, &str)] = &[
    ("util", "name what the code is about"),
    ("utils", "name what the code is about"),
    ("common", "name what is shared"),
    ("helper", "name what it does"),
    ("helpers", "name what they do"),
    ("misc", "put each thing where it belongs"),
    ("manager", "a manager is a noun not yet found"),
];

/// Ignored tests, with their reason.
const IGNORED_TESTS: &[(&str, &str)] =
    &[("crates/pql/tests/speed.rs", "measures speed; run by hand and by the benchmarks")];

/// Places of one machine; no code of ours may know them.
const MACHINE_PATHS: &[&str] = &["/work/", "/root/", "/home/", "/tmp/", "/Users/"];

const SKIPPED_DIRECTORIES: &[&str] = &["target", ".git", ".venv", "__pycache__", "node_modules"];
const TEXT_ENDINGS: &[&str] = &["rs", "toml", "md", "py", "sh", "yaml", "yml"];

/// Checks the repository at `root`; with `update`, lowers the numbers of the ratchet where it may.
pub(crate) fn check(root: &Path, update: bool) -> Outcome {
    let mut faults = floors::check(root);
    let mut files = Vec::new();
    list(root, Path::new(""), &mut files, &mut faults);
    files.sort();
    let mut lengths = BTreeMap::new();
    for path in &files {
        let shown = path.to_string_lossy().replace('\\', "/");
        faults.extend(name_fault(&shown));
        match std::fs::read_to_string(root.join(path)) {
            Ok(text) => {
                let mut file = File { path: &shown, faults: Vec::new() };
                file.lines(&text);
                if shown.ends_with(".rs") {
                    file.rust(&text, &mut lengths);
                }
                faults.extend(file.faults);
            }
            Err(error) => faults.push(format!("{shown}: {error}")),
        }
    }
    faults.extend(ratchet(root, &lengths, update));
    if faults.is_empty() { Ok(format!("tidy: {} files, no faults", files.len())) } else { Err(faults) }
}

fn list(root: &Path, under: &Path, files: &mut Vec<PathBuf>, faults: &mut Vec<String>) {
    let entries = match std::fs::read_dir(root.join(under)) {
        Ok(entries) => entries.flatten(),
        Err(error) => return faults.push(format!("{}: {error}", under.display())),
    };
    for entry in entries {
        let name = entry.file_name();
        let path = under.join(&name);
        let kind = entry.file_type();
        if kind.as_ref().is_ok_and(|k| k.is_dir()) {
            if !SKIPPED_DIRECTORIES.iter().any(|s| name == *s) {
                list(root, &path, files, faults);
            }
        } else if kind.is_ok_and(|k| k.is_file()) && is_text(&path) {
            files.push(path);
        }
    }
}

fn is_text(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str());
    ending.is_some_and(|e| TEXT_ENDINGS.contains(&e)) || path.ends_with("Makefile") || path.ends_with(".ci/run")
}

fn name_fault(path: &str) -> Option<String> {
    let words = path.split(['/', '.', '_', '-']);
    let banned = words.filter_map(|word| BANNED_NAMES.iter().find(|(name, _)| *name == word)).next()?;
    Some(format!("{path}: the name {:?}: {}", banned.0, banned.1))
}

/// Tests may name places and count on their own.
fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.starts_with("crates/testkit/")
}

struct File<'a> {
    path: &'a str,
    faults: Vec<String>,
}

impl File<'_> {
    fn fault(&mut self, line: usize, what: &str) {
        self.faults.push(format!("{}:{line}: {what}", self.path));
    }

    fn lines(&mut self, text: &str) {
        for (i, line) in text.lines().enumerate() {
            if line.ends_with([' ', '\t', '\r']) {
                self.fault(i + 1, "whitespace at the end of the line");
            }
        }
        if !text.is_empty() && !text.ends_with('\n') {
            self.fault(text.lines().count(), "no line end at the end of the file");
        }
        if text.ends_with("\n\n") {
            self.fault(text.lines().count(), "empty lines at the end of the file");
        }
    }

    fn rust(&mut self, text: &str, lengths: &mut BTreeMap<String, usize>) {
        if !text.starts_with("//! ") {
            self.fault(1, "a file opens with `//!`: what it decides, what goes in and out, what always holds");
        }
        let parts = scan::split(text);
        let tests_begin = test_module_line(&parts.code);
        for (i, line) in text.lines().enumerate() {
            if line.contains('\t') {
                self.fault(i + 1, "a tab");
            }
        }
        for (i, line) in parts.code.lines().enumerate() {
            if line.contains("#[ignore") && !IGNORED_TESTS.iter().any(|(path, _)| *path == self.path) {
                self.fault(i + 1, "an ignored test: assert what it does today, with a FIXME that says so");
            }
        }
        self.comments(&parts);
        if !is_test(self.path) && !self.path.starts_with("xtask/") {
            for (i, line) in parts.texts.lines().enumerate().take_while(|(i, _)| i + 1 < tests_begin) {
                if let Some(place) = MACHINE_PATHS.iter().find(|p| line.contains(&format!("\"{p}"))) {
                    self.fault(i + 1, &format!("{place} is a place of one machine"));
                }
            }
        }
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            lengths.insert(format!("file {}", self.path), lines);
        }
        for function in scan::functions(&parts.code).iter().filter(|f| f.lines > FUNCTION_LINES_MAX) {
            let longest = lengths.entry(format!("function {} {}", self.path, function.name)).or_default();
            *longest = function.lines.max(*longest);
        }
    }

    /// What is left to do says what: `FIXME: the reason`.
    fn comments(&mut self, parts: &Split) {
        for (i, line) in parts.comments.lines().enumerate() {
            for word in ["TODO", "FIXME"] {
                let bare = line.split_once(word).is_some_and(|(_, rest)| {
                    !rest.starts_with(|c: char| c.is_alphanumeric()) && rest.trim_start_matches(':').trim().len() < 10
                });
                if bare {
                    self.fault(i + 1, &format!("{word} without saying what"));
                }
            }
        }
    }
}

/// The line where the tests of a file begin; beyond the file if it has none.
fn test_module_line(code: &str) -> usize {
    code.lines().position(|line| line.trim() == "#[cfg(test)]").map_or(usize::MAX, |i| i + 1)
}

/// Compares today's long files and functions with the committed list.
fn ratchet(root: &Path, today: &BTreeMap<String, usize>, update: bool) -> Vec<String> {
    let text = match std::fs::read_to_string(root.join(RATCHET)) {
        Ok(text) => text,
        Err(error) => return vec![format!("{RATCHET}: {error}")],
    };
    let (mut faults, mut kept) = (Vec::new(), String::new());
    let mut listed = BTreeMap::new();
    for line in text.lines() {
        let entry = line.split('#').next().unwrap_or_default().trim();
        let Some((key, number)) = entry.rsplit_once(' ') else {
            kept += &format!("{line}\n");
            continue;
        };
        let reason = line.split_once('#').map_or("", |(_, r)| r.trim());
        let Ok(most) = number.parse::<usize>() else {
            faults.push(format!("{RATCHET}: {entry:?} ends with no number"));
            continue;
        };
        if reason.is_empty() {
            faults.push(format!("{RATCHET}: {key} has no reason after #"));
        }
        listed.insert(key.to_owned(), most);
        match today.get(key) {
            None if update => {}
            None => faults.push(format!("{RATCHET}: {key} is short enough now; run `xtask tidy --update`")),
            Some(now) if now > &most => faults.push(format!("{key}: {now} lines, but the ratchet stands at {most}")),
            Some(now) if now < &most && !update => {
                faults.push(format!("{RATCHET}: {key} has {now} lines now, not {most}; run `xtask tidy --update`"));
            }
            Some(now) => kept += &format!("{key} {now} # {reason}\n"),
        }
    }
    for (key, now) in today.iter().filter(|(key, _)| !listed.contains_key(*key)) {
        let most = if key.starts_with("file ") { FILE_LINES_MAX } else { FUNCTION_LINES_MAX };
        faults.push(format!("{key}: {now} lines, {most} at most"));
    }
    if update
        && kept != text
        && let Err(error) = std::fs::write(root.join(RATCHET), kept)
    {
        faults.push(format!("{RATCHET}: {error}"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> Vec<String> {
        let mut file = File { path, faults: Vec::new() };
        file.lines(text);
        file.rust(text, &mut BTreeMap::new());
        file.faults
    }

    #[test]
    fn each_rule_of_a_file_finds_its_fault() {
        let cases = [
            ("fn a() {}\n", "opens with"),
            ("//! A. \n", "whitespace"),
            ("//! A.\nfn a() {\t}\n", "a tab"),
            ("//! A.\n#[ignore]\nfn a() {}\n", "ignored test"),
            ("//! A.\nconst A: &str = \"/tmp/a\";\n", "one machine"),
            ("//! A.\n// TODO\n", "without saying what"),
            ("//! A.", "no line end"),
        ];
        for (text, fault) in cases {
            let found = faults("crates/a/src/b.rs", text);
            assert!(found.len() == 1 && found[0].contains(fault), "{text:?}: {found:?}");
        }
    }

    #[test]
    fn what_is_allowed_passes() {
        let text = "//! A.\n// FIXME: counts twice after a restart.\n#[cfg(test)]\nmod t {\n    const A: &str = \"/tmp/a\";\n}\n";
        assert_eq!(faults("crates/a/src/b.rs", text), Vec::<String>::new());
    }

    #[test]
    fn names_that_name_nothing_are_refused() {
        assert!(name_fault("crates/a/src/string_utils.rs").is_some());
        assert!(name_fault("crates/helpers/src/lib.rs").is_some());
        assert_eq!(name_fault("crates/a/src/utility.rs"), None);
    }
}
