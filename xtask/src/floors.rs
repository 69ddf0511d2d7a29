//! Which crate may use which: a room depends on lower floors only.
//!
//! In: every `Cargo.toml` of the workspace. Out: upward and sideways arrows that no line here allows.
//! Always: a crate that is not in the table is a fault, so that a new room is placed on purpose.

use std::path::Path;

/// A room, its floor, and the question it answers.
const ROOMS: &[(&str, u8, &str)] = &[
    ("model", 0, "shared words: values, identities, time, documents"),
    ("store", 0, "storage and log traits with the contract suite of their engines"),
    ("pql", 1, "text to checked tree to value, usable alone"),
    ("pebble", 1, "template text to checked tree to output, usable alone"),
    ("xdm", 1, "schemas and the validation of records, usable alone"),
    ("identity", 2, "which profile an identity belongs to"),
    ("profile", 2, "fragments and events of one profile, merged"),
    ("audience", 2, "who is a member, and when that has to be asked again"),
    ("activation", 2, "what of a change a flow exports"),
    ("destination", 3, "what a Destination SDK destination is configured to say, without saying it"),
    ("clock", 3, "the only room that asks the machine for the time"),
    ("store-local", 3, "the embedded storage engine"),
    ("engine", 3, "partition workers: load, apply, commit"),
    ("ingest", 4, "messages to records to log entries"),
    ("delivery", 4, "requests to destinations, retries, tokens"),
    ("partner", 4, "calls to a receiving system that are no exports: tokens, lookups, audience metadata"),
    ("registry", 5, "schemas, field groups, descriptors, data sets"),
    ("segmentation", 5, "audiences, namespaces, merge policies as documents"),
    ("flows", 5, "connections, dataflows, runs as documents"),
    ("authoring", 5, "destinations of one's own as documents: authored, reviewed, offered in the catalog"),
    ("access", 5, "clients, tokens, keys"),
    ("api", 6, "HTTP: parse, authorise, call, answer"),
    ("cli", 6, "the `rivermouth` command, where all rooms are put together"),
];

/// Arrows within one floor. Their order is the order of reading; each has a reason.
const STEPS: &[(&str, &str, &str)] = &[
    ("audience", "profile", "an audience is evaluated over a profile view"),
    ("activation", "profile", "an export shows attributes and identities of a profile"),
    ("engine", "clock", "workers wait for due timers"),
    ("authoring", "flows", "the catalog hands its destinations to the flow service"),
    ("partner", "delivery", "requests leave through delivery's guarded client"),
    ("cli", "api", "`serve` runs the HTTP surface"),
];

/// Crates beside the floors: they may use every room, and rooms use them in tests only.
const BESIDE: &[(&str, &str)] = &[
    ("testkit", "worlds and waiting for tests"),
    ("receiver", "a scripted HTTP receiver"),
    ("bench", "the benchmarks"),
    ("xtask", "these checks"),
];

/// Where a room uses a crate beside the floors outside its tests.
const BESIDE_USED: &[(&str, &str, &str)] =
    &[("cli", "receiver", "`rivermouth receiver` and `rivermouth demo` are commands")];

/// What floors 0 to 2 never use: they decide, and leave I/O, time and threads to the floors above.
const IMPURE: &[&str] = &[
    "tokio",
    "axum",
    "tower-http",
    "reqwest",
    "rustls",
    "fjall",
    "ring",
    "crossbeam-channel",
    "tempfile",
    "tracing-subscriber",
];
const PURE_FLOOR_MAX: u8 = 2;

/// One arrow of one `Cargo.toml`.
struct Arrow {
    to: String,
    in_tests: bool,
}

/// Faults of the workspace at `root`.
pub(crate) fn check(root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    let mut names = Vec::new();
    let mut manifests = vec![root.join("xtask/Cargo.toml")];
    match std::fs::read_dir(root.join("crates")) {
        Ok(entries) => manifests.extend(entries.flatten().map(|e| e.path().join("Cargo.toml")).filter(|p| p.exists())),
        Err(error) => faults.push(format!("crates: {error}")),
    }
    manifests.sort();
    for path in manifests {
        let parsed = std::fs::read_to_string(&path).map_err(|e| e.to_string()).and_then(|text| parse(&text));
        match parsed {
            Ok((name, arrows)) => {
                faults.extend(arrows.iter().filter_map(|arrow| fault_of(&name, arrow)));
                names.push(name);
            }
            Err(error) => faults.push(format!("{}: {error}", path.display())),
        }
    }
    faults.extend(names.iter().filter(|n| floor(n).is_none() && !is_beside(n)).map(|n| {
        format!("crates/{n}: not in the table of xtask/src/floors.rs; give it a floor and the question it answers")
    }));
    faults
}

fn parse(text: &str) -> Result<(String, Vec<Arrow>), String> {
    let manifest: toml::Table = text.parse().map_err(|e| format!("{e}"))?;
    let name = manifest.get("package").and_then(|p| p.get("name")).and_then(|n| n.as_str()).ok_or("no package name")?;
    let mut arrows = Vec::new();
    for (section, in_tests) in [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)] {
        let listed = manifest.get(section).and_then(|s| s.as_table());
        arrows.extend(listed.into_iter().flatten().map(|(to, _)| Arrow { to: to.clone(), in_tests }));
    }
    Ok((name.to_owned(), arrows))
}

fn floor(name: &str) -> Option<u8> {
    ROOMS.iter().find(|(room, ..)| *room == name).map(|(_, floor, _)| *floor)
}

fn is_beside(name: &str) -> bool {
    BESIDE.iter().any(|(beside, _)| *beside == name)
}

fn fault_of(from: &str, arrow: &Arrow) -> Option<String> {
    let to = arrow.to.as_str();
    let here = floor(from)?;
    if is_beside(to) {
        let listed = arrow.in_tests || BESIDE_USED.iter().any(|(a, b, _)| (*a, *b) == (from, to));
        return (!listed).then(|| format!("crates/{from}: uses {to} outside tests; {to} stands beside the floors"));
    }
    let Some(there) = floor(to) else {
        let impure = here <= PURE_FLOOR_MAX && !arrow.in_tests && IMPURE.contains(&to);
        return impure.then(|| format!("crates/{from}: floor {here} decides only; {to} belongs to the floors above"));
    };
    let step = STEPS.iter().any(|(a, b, _)| (*a, *b) == (from, to));
    // The contract suite of a room on the same floor may be run in tests of that room itself.
    let allowed = there < here || step || from == to;
    (!allowed).then(|| {
        let way = if there == here { "sideways" } else { "upward" };
        format!("crates/{from}: {way} arrow to {to} (floor {here} to {there}); see xtask/src/floors.rs")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(from: &str, to: &str, in_tests: bool) -> Option<String> {
        fault_of(from, &Arrow { to: to.into(), in_tests })
    }

    #[test]
    fn arrows_go_down() {
        assert_eq!(fault("engine", "model", false), None);
        assert_eq!(fault("audience", "profile", false), None);
        assert!(fault("profile", "audience", false).is_some_and(|f| f.contains("sideways")));
        assert!(fault("pql", "engine", true).is_some_and(|f| f.contains("upward")));
        assert!(fault("flows", "registry", false).is_some_and(|f| f.contains("sideways")));
    }

    #[test]
    fn what_stands_beside_is_for_tests() {
        assert_eq!(fault("delivery", "receiver", true), None);
        assert!(fault("delivery", "receiver", false).is_some());
        assert_eq!(fault("cli", "receiver", false), None);
    }

    #[test]
    fn the_core_does_no_io() {
        assert!(fault("profile", "tokio", false).is_some());
        assert_eq!(fault("engine", "tokio", false), None);
    }

    #[test]
    fn a_manifest_is_read_whatever_its_form() {
        let text = "[package]\nname = \"a\"\n[dependencies]\nb.workspace = true\nc = { path = \"x\" }\n[dev-dependencies]\nd = \"1\"\n";
        let (name, arrows) = parse(text).expect("a sound manifest");
        let found: Vec<(&str, bool)> = arrows.iter().map(|a| (a.to.as_str(), a.in_tests)).collect();
        assert_eq!((name.as_str(), found), ("a", vec![("b", false), ("c", false), ("d", true)]));
    }
}
