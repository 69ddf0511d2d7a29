//! The house rules as checks: `cargo run -p xtask -- tidy | deps | docs --bin PATH | fuzz SECONDS [TARGET…] |
//! with-server --bin PATH -- COMMAND…`.
//!
//! In: the files of this repository. Out: one line per fault, exit code 1 if there is any.
//! Always: a check changes nothing, except `tidy --update`, which only lowers the numbers of the ratchet.

mod deps;
mod docs;
mod floors;
mod fuzz;
mod scan;
mod server;
mod tidy;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    // Asked for when it runs: a build directory may serve several checkouts.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let root = here.parent().unwrap_or(Path::new("."));
    let result = match words[..] {
        ["tidy"] => tidy::check(root, false),
        ["tidy", "--update"] => tidy::check(root, true),
        ["deps"] => deps::check(root),
        ["docs", "--bin", bin] => docs::check(root, Path::new(bin)),
        ["fuzz", seconds, ref targets @ ..] => fuzz::run(root, seconds, targets),
        ["with-server", "--bin", bin, "--", ref command @ ..] => server::run(Path::new(bin), command),
        _ => Err(vec![
            "usage: xtask tidy [--update] | deps | docs --bin PATH | fuzz SECONDS [TARGET…] | with-server --bin PATH -- COMMAND…"
                .into(),
        ]),
    };
    match result {
        Ok(report) => {
            say(&report);
            ExitCode::SUCCESS
        }
        Err(faults) => {
            for fault in &faults {
                say(fault);
            }
            say(&format!("xtask {}: {} faults", words.first().unwrap_or(&""), faults.len()));
            ExitCode::FAILURE
        }
    }
}

/// What a check found: a line of praise, or its faults.
type Outcome = Result<String, Vec<String>>;

fn say(line: &str) {
    // A closed pipe ends the output, not the check.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
