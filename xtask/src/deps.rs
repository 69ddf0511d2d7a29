//! `xtask deps`: the parts of `deny.toml` that need no extra tool: licences, sources, duplicates, bans.
//!
//! In: `cargo metadata` and `deny.toml`. Out: one fault per crate that breaks a rule.
//! Always: both this check and cargo-deny read the same file. Absent on purpose: advisories (they need
//! a network at test time).

use crate::Outcome;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// The rules of `deny.toml` that are checked here.
struct Rules {
    licences: BTreeSet<String>,
    /// Crate and licence.
    exceptions: BTreeSet<(String, String)>,
    duplicates: BTreeSet<String>,
    banned: BTreeSet<String>,
}

/// Checks the dependencies of the repository at `root`.
pub(crate) fn check(root: &Path) -> Outcome {
    let rules = read_rules(root).map_err(|e| vec![format!("deny.toml: {e}")])?;
    let packages = read_packages(root).map_err(|e| vec![format!("cargo metadata: {e}")])?;
    let mut faults = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in &packages {
        let text = |member: &str| package[member].as_str().unwrap_or_default();
        let (name, version) = (text("name"), text("version"));
        versions.entry(name).or_default().insert(version);
        if rules.banned.contains(name) {
            faults.push(format!("{name} {version}: banned, see deny.toml"));
        }
        let source = text("source");
        if !source.is_empty() && !source.starts_with("registry+") {
            faults.push(format!("{name} {version}: comes from {source}, which is no registry"));
        }
        let licence = text("license");
        let allowed =
            |l: &str| rules.licences.contains(l) || rules.exceptions.contains(&(name.to_owned(), l.to_owned()));
        if !satisfied(licence, &allowed) {
            faults.push(format!("{name} {version}: licence {licence:?} is not allowed by deny.toml"));
        }
    }
    let doubled = |name: &str| versions.get(name).is_some_and(|v| v.len() > 1);
    let fresh = versions.iter().filter(|(name, v)| v.len() > 1 && !rules.duplicates.contains(**name));
    faults.extend(fresh.map(|(name, v)| format!("{name}: several versions: {v:?}")));
    let stale = rules.duplicates.iter().filter(|name| !doubled(name));
    faults.extend(stale.map(|name| format!("deny.toml: skips {name}, which has one version only")));
    if faults.is_empty() { Ok(format!("deps: {} crates, no faults", packages.len())) } else { Err(faults) }
}

fn read_rules(root: &Path) -> Result<Rules, String> {
    let text = std::fs::read_to_string(root.join("deny.toml")).map_err(|e| e.to_string())?;
    let file: toml::Table = text.parse().map_err(|e| format!("{e}"))?;
    let list = |section: &str, member: &str| -> Vec<toml::Value> {
        file.get(section).and_then(|s| s.get(member)).and_then(|v| v.as_array()).cloned().unwrap_or_default()
    };
    let texts = |section: &str, member: &str| -> BTreeSet<String> {
        list(section, member).iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    };
    // `crate` may be "name" or "name@version".
    let crates = |section: &str, member: &str| -> BTreeSet<String> {
        let named = |v: &toml::Value| Some(v.get("crate")?.as_str()?.split('@').next()?.to_owned());
        list(section, member).iter().filter_map(named).collect()
    };
    let mut exceptions = BTreeSet::new();
    for exception in list("licenses", "exceptions") {
        let name = exception.get("crate").and_then(|v| v.as_str()).ok_or("an exception without a crate")?;
        let allowed = exception.get("allow").and_then(|v| v.as_array()).ok_or("an exception without `allow`")?;
        exceptions.extend(allowed.iter().filter_map(|l| Some((name.to_owned(), l.as_str()?.to_owned()))));
    }
    Ok(Rules {
        licences: texts("licenses", "allow"),
        exceptions,
        duplicates: crates("bans", "skip"),
        banned: crates("bans", "deny"),
    })
}

/// Every crate that the shipped program, its tests and its build need on this machine.
fn read_packages(root: &Path) -> Result<Vec<Json>, String> {
    let run = |program: &str, args: &[&str]| -> Result<Vec<u8>, String> {
        let out = Command::new(program).args(args).current_dir(root).output().map_err(|e| format!("{program}: {e}"))?;
        if out.status.success() { Ok(out.stdout) } else { Err(String::from_utf8_lossy(&out.stderr).into_owned()) }
    };
    let version = String::from_utf8(run("rustc", &["-vV"])?).map_err(|e| e.to_string())?;
    let host = version.lines().find_map(|l| l.strip_prefix("host: ")).ok_or("rustc names no host")?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let out = run(&cargo, &["metadata", "--format-version", "1", "--locked", "--filter-platform", host])?;
    let mut found: Json = serde_json::from_slice(&out).map_err(|e| e.to_string())?;
    match found["packages"].take() {
        Json::Array(packages) => Ok(packages),
        _ => Err("no packages".into()),
    }
}

/// Whether a licence expression (`A OR B`, `A AND B`, brackets, the old `A/B`) can be met.
fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let met = either(&mut words, allowed);
    met && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(words: &mut Words<'_>, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut met = both(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= both(words, allowed);
    }
    met
}

fn both(words: &mut Words<'_>, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut met = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut Words<'_>, allowed: &dyn Fn(&str) -> bool) -> bool {
    match words.next() {
        Some("(") => {
            let met = either(words, allowed);
            met && words.next() == Some(")")
        }
        Some(name) if words.next_if_eq(&"WITH").is_some() => {
            let exception = words.next().unwrap_or_default();
            allowed(&format!("{name} WITH {exception}"))
        }
        Some(name) => allowed(name),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::satisfied;

    #[test]
    fn licence_expressions_are_read() {
        let allowed = |l: &str| ["MIT", "Unicode-3.0"].contains(&l);
        for (expression, expected) in [
            ("MIT", true),
            ("MIT OR GPL-3.0", true),
            ("MIT/GPL-3.0", true),
            ("MIT AND GPL-3.0", false),
            ("(GPL-3.0 OR MIT) AND Unicode-3.0", true),
            ("Apache-2.0 WITH LLVM-exception OR MIT", true),
            ("GPL-3.0", false),
            ("", false),
            ("MIT MIT", false),
        ] {
            assert_eq!(satisfied(expression, &allowed), expected, "{expression}");
        }
    }
}
