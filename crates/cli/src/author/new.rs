//! `rivermouth author new`: a folder to start from.
//!
//! Always: nothing that is there is overwritten.

use crate::output::line;
use std::path::Path;

/// A sample: its name, and its files by path.
type Sample = (&'static str, &'static [(&'static str, &'static str)]);

/// Small ones first, then the built-in destinations.
const SAMPLES: &[Sample] = include!(concat!(env!("OUT_DIR"), "/samples.rs"));

/// The names of all samples.
pub(crate) fn names() -> Vec<&'static str> {
    SAMPLES.iter().map(|(name, _)| *name).collect()
}

/// The files of a sample.
pub(crate) fn sample(name: &str) -> Option<&'static [(&'static str, &'static str)]> {
    SAMPLES.iter().find(|(other, _)| *other == name).map(|(_, files)| *files)
}

/// Writes the sample and says what to do next.
pub(crate) fn run(dir: &Path, from: &str) -> Result<(), String> {
    let files = sample(from).ok_or_else(|| format!("there is no sample {from}; there are {}", names().join(", ")))?;
    if dir.exists() && std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(format!("{} is there already and is not empty", dir.display()));
    }
    for (path, text) in files {
        let path = dir.join(path);
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        std::fs::create_dir_all(path.parent().unwrap_or(dir)).map_err(failed)?;
        std::fs::write(&path, started(text)).map_err(failed)?;
    }
    let ignore = dir.join(".gitignore");
    std::fs::write(&ignore, "/.rivermouth/\n").map_err(|error| format!("{}: {error}", ignore.display()))?;
    line(&next(dir, from, files));
    Ok(())
}

/// A built-in destination is published; one's own is tried first.
fn started(text: &str) -> String {
    text.replacen("\nstatus: PUBLISHED\n", "\nstatus: TEST\n", 1)
}

fn next(dir: &Path, from: &str, files: &[(&str, &str)]) -> String {
    let dir = dir.display();
    let has = |part: &str| files.iter().any(|(path, _)| path.starts_with(part));
    let mut text = format!(
        "{dir} is a destination like {from}:\n\n  destination.yaml     the card: what customers fill in and map\n  servers/             where requests or files go\n"
    );
    if has("templates/") {
        text.push_str("  templates/           the texts of requests\n");
    }
    if has("audience-templates/") {
        text.push_str("  audience-templates/  calls that announce audiences to the receiver\n");
    }
    if has("cases/") {
        text.push_str("  cases/               given these profiles, expect these requests\n");
    }
    text.push_str(&format!("\nnext:\n  rivermouth author validate {dir}   all faults, with file and line\n"));
    if has("templates/") {
        text.push_str(&format!("  rivermouth author dev {dir}        see requests while you edit\n"));
        text.push_str(&format!("  rivermouth author test {dir}       run the cases\n"));
    }
    if !has("templates/") {
        text.push_str(&format!("  rivermouth author render {dir}     what would be written\n"));
    }
    text.push_str(&format!("  rivermouth author push {dir} --server http://127.0.0.1:8080"));
    text
}
