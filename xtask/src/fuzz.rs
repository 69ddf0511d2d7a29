//! `xtask fuzz`: builds the fuzz targets with coverage counters, on stable Rust, and runs each for a bounded time.
//!
//! In: seconds for each target, names of targets (all if none). Out: one line for each target; a crash leaves its
//! input under `target/fuzz-artifacts` and fails with the command that repeats it. Always: what a run finds goes to a
//! directory that is removed afterwards, the committed corpus is only read; without a C++ compiler nothing is built,
//! which is said, and is a fault in CI.

use crate::Outcome;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What `cargo fuzz` passes too, less the sanitizers, which only nightly Rust has.
const FLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
const INPUT_SECONDS_MAX: u32 = 5;
const MEMORY_MB_MAX: u32 = 1024;
/// Targets that run at the same time, as far as there are processors.
const AT_ONCE_MAX: usize = 4;

/// Runs `targets`, or all, for `seconds` each.
pub(crate) fn run(root: &Path, seconds: &str, targets: &[&str]) -> Outcome {
    let seconds: u32 = seconds.parse().map_err(|_| vec![format!("fuzz: {seconds:?} is no number of seconds")])?;
    let faults = versions(root);
    if !faults.is_empty() {
        return Err(faults);
    }
    if !has_cpp() {
        let message = "fuzz: SKIPPED, there is no C++ compiler (c++): install g++, e.g. `apt-get install g++`";
        return if std::env::var("CI").is_ok_and(|ci| ci == "true") {
            Err(vec![message.into()])
        } else {
            Ok(message.into())
        };
    }
    let all = names(root).map_err(|error| vec![format!("fuzz/targets: {error}")])?;
    if let Some(unknown) = targets.iter().find(|target| !all.iter().any(|name| name == *target)) {
        return Err(vec![format!("fuzz: there is no target {unknown:?}; there are {}", all.join(", "))]);
    }
    let place = Place::new(root);
    let bin = place.build(root)?;
    let chosen: Vec<&String> =
        all.iter().filter(|name| targets.is_empty() || targets.contains(&name.as_str())).collect();
    let (mut report, mut faults) = (Vec::new(), Vec::new());
    let at_once = std::thread::available_parallelism().map_or(1, usize::from).min(AT_ONCE_MAX);
    for names in chosen.chunks(at_once) {
        let run = |name: &String| place.run(root, &bin.join(name), name, seconds);
        let done: Vec<Result<String, String>> = std::thread::scope(|scope| {
            let running: Vec<_> = names.iter().map(|name| scope.spawn(move || run(name))).collect();
            running
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err("fuzz: a thread ended".into())))
                .collect()
        });
        for (name, done) in names.iter().zip(done) {
            match done {
                Ok(line) => report.push(format!("fuzz {name}: {line}")),
                Err(fault) => faults.push(fault),
            }
        }
    }
    if faults.is_empty() { Ok(report.join("\n")) } else { Err(faults) }
}

/// What is fuzzed is what is shipped: both lock files name the same versions.
fn versions(root: &Path) -> Vec<String> {
    let read = |file: &str| -> Result<BTreeMap<String, Vec<String>>, String> {
        let text = std::fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))?;
        let table: toml::Table = text.parse().map_err(|error| format!("{file}: {error}"))?;
        let mut found = BTreeMap::<String, Vec<String>>::new();
        for package in table.get("package").and_then(|p| p.as_array()).into_iter().flatten() {
            let text = |field: &str| package.get(field).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
            found.entry(text("name")).or_default().push(text("version"));
        }
        Ok(found)
    };
    let (ours, theirs) = match (read("Cargo.lock"), read("fuzz/Cargo.lock")) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (ours, theirs) => return [ours.err(), theirs.err()].into_iter().flatten().collect(),
    };
    let differs = |(name, versions): &(&String, &Vec<String>)| {
        ours.get(*name).is_some_and(|known| !versions.iter().all(|version| known.contains(version)))
    };
    theirs
        .iter()
        .filter(differs)
        .map(|(name, versions)| {
            format!("fuzz/Cargo.lock: {name} {versions:?}, but {:?} in Cargo.lock: run `make fuzz-lock`", ours[name])
        })
        .collect()
}

fn has_cpp() -> bool {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
    let asked = Command::new(compiler).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

fn names(root: &Path) -> std::io::Result<Vec<String>> {
    let entries = std::fs::read_dir(root.join("fuzz/targets"))?;
    let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| stem(entry.path())).collect();
    names.sort();
    Ok(names)
}

/// Where things are built and left.
struct Place {
    target: PathBuf,
}

impl Place {
    fn new(root: &Path) -> Place {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        Place { target }
    }

    /// Builds all targets; gives the directory of the programs. `--target` keeps build scripts and derive macros free
    /// of counters, which only the programs can count.
    fn build(&self, root: &Path) -> Result<PathBuf, Vec<String>> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let fault = |what: String| vec![format!("fuzz: {what}")];
        let host = Command::new("rustc").arg("-vV").output().map_err(|error| fault(format!("rustc: {error}")))?;
        let host = String::from_utf8_lossy(&host.stdout).into_owned();
        let host =
            host.lines().find_map(|line| line.strip_prefix("host: ")).ok_or(fault("rustc names no host".into()))?;
        let directory = self.target.join("fuzz");
        let status = Command::new(cargo)
            .args(["build", "--quiet", "--locked", "--release", "--bins", "--target", host, "--manifest-path"])
            .arg(root.join("fuzz/Cargo.toml"))
            .env("CARGO_TARGET_DIR", &directory)
            .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"))
            .env_remove("RUSTFLAGS")
            .stdin(Stdio::null())
            .status()
            .map_err(|error| fault(format!("cargo: {error}")))?;
        if !status.success() {
            return Err(fault("the targets could not be built; if dependencies changed, run `make fuzz-lock`".into()));
        }
        Ok(directory.join(host).join("release"))
    }

    /// Runs one target; the last line of its statistics, or what to do about a crash.
    fn run(&self, root: &Path, program: &Path, name: &str, seconds: u32) -> Result<String, String> {
        let fault = |error: std::io::Error| format!("fuzz {name}: {error}");
        let finds = std::env::temp_dir().join(format!("rivermouth-fuzz-{name}-{}", std::process::id()));
        let artifacts = self.target.join("fuzz-artifacts").join(name);
        std::fs::create_dir_all(&finds).and(std::fs::create_dir_all(&artifacts)).map_err(fault)?;
        let words = match name.split_once('_') {
            Some(("template", _)) => "template",
            Some(("pql", _)) => "pql",
            _ => "config",
        };
        let limits = [
            format!("-max_total_time={seconds}"),
            format!("-timeout={INPUT_SECONDS_MAX}"),
            format!("-rss_limit_mb={MEMORY_MB_MAX}"),
            format!("-dict={}", root.join("fuzz/dictionaries").join(words).display()),
            format!("-artifact_prefix={}/", artifacts.display()),
        ];
        let mut command = Command::new(program);
        command.args(&limits).args(["-len_control=100", "-print_final_stats=1", "-verbosity=1"]);
        command.arg(&finds).arg(root.join("fuzz/corpus").join(name)).stdin(Stdio::null());
        let done = command.output().map_err(fault);
        // What is left behind is only a temporary directory.
        let _ = std::fs::remove_dir_all(&finds);
        let done = done?;
        let said = String::from_utf8_lossy(&done.stderr);
        if done.status.success() {
            return Ok(summary(&said));
        }
        let written = said.lines().rev().find_map(|line| line.split("Test unit written to ").nth(1));
        let again = match written {
            Some(input) => format!("repeat it with: {} {input}", program.display()),
            None => "it left no input".to_owned(),
        };
        let lines: Vec<&str> =
            said.lines().filter(|line| !line.starts_with('#') && !line.starts_with("INFO:")).collect();
        let last = lines[lines.len().saturating_sub(60)..].join("\n");
        Err(format!("{last}\nfuzz {name}: {}; {again}", done.status))
    }
}

/// Of what libFuzzer says: how much was covered, how often it ran.
fn summary(said: &str) -> String {
    let last = said.lines().rev().find(|line| line.starts_with('#') && line.contains("cov:")).unwrap_or_default();
    let after = |word: &str| {
        let mut words = last.split_whitespace().skip_while(move |w| *w != word).skip(1);
        words.next().unwrap_or("?").to_owned()
    };
    let runs = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:")).unwrap_or("?").trim();
    format!(
        "{runs} inputs, coverage {}, {} inputs kept, no crash",
        after("cov:"),
        after("corp:").split('/').next().unwrap_or("?")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_the_statistics_counts() {
        let said = "#2 INITED cov: 10 ft: 11 corp: 1/1b\n#99 DONE   cov: 25 ft: 30 corp: 4/9b\nstat::number_of_executed_units: 99\n";
        assert_eq!(summary(said), "99 inputs, coverage 25, 4 inputs kept, no crash");
    }
}
