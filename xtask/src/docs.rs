//! `xtask docs`: pages that are printed from the code equal what the code prints.
//!
//! In: the built `rivermouth` and `docs/`. Out: the first line that differs, and how to write the page anew.

use crate::Outcome;
use std::path::Path;
use std::process::Command;

/// Page and the command that prints it.
const PAGES: &[(&str, &[&str])] = &[("docs/settings.md", &["settings"])];
/// Page and the source whose metric names it lists.
const METRICS: (&str, &str) = ("docs/metrics.md", "crates/api/src/routes/health.rs");

/// Compares the pages at `root` with what `bin` prints.
pub(crate) fn check(root: &Path, bin: &Path) -> Outcome {
    let mut faults = Vec::new();
    for (page, args) in PAGES {
        match printed(bin, args).and_then(|text| difference(root, page, &text)) {
            Ok(None) => {}
            Ok(Some(line)) => {
                faults.push(format!(
                    "{page}: differs at {line:?}; write it anew: rivermouth {} > {page}",
                    args.join(" ")
                ));
            }
            Err(error) => faults.push(format!("{page}: {error}")),
        }
    }
    match missing_metrics(root) {
        Ok(missing) => faults.extend(missing.iter().map(|m| format!("{}: {m} is not described", METRICS.0))),
        Err(error) => faults.push(error),
    }
    if faults.is_empty() { Ok("docs: printed pages are up to date".into()) } else { Err(faults) }
}

fn printed(bin: &Path, args: &[&str]) -> Result<String, String> {
    let out = Command::new(bin).args(args).output().map_err(|e| format!("{}: {e}", bin.display()))?;
    String::from_utf8(out.stdout).map_err(|e| e.to_string())
}

fn difference(root: &Path, page: &str, expected: &str) -> Result<Option<String>, String> {
    let committed = std::fs::read_to_string(root.join(page)).map_err(|e| e.to_string())?;
    if committed == expected {
        return Ok(None);
    }
    let mut old = committed.lines();
    Ok(Some(expected.lines().find(|line| old.next() != Some(line)).unwrap_or("the end").to_owned()))
}

/// Names `rivermouth_…` of the source that the page does not mention.
fn missing_metrics(root: &Path) -> Result<Vec<String>, String> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).map_err(|e| format!("{path}: {e}"));
    let (page, source) = (read(METRICS.0)?, read(METRICS.1)?);
    let names = source.split('"').filter(|text| text.starts_with("rivermouth_"));
    let mut missing: Vec<String> = names.filter(|n| !page.contains(&format!("`{n}`"))).map(str::to_owned).collect();
    missing.dedup();
    Ok(missing)
}
