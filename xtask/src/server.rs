//! `xtask with-server`: runs a command against a fresh server, and stops the server again.
//!
//! In: the built `rivermouth` and a command, in which `{url}`, `{credentials}` and `{data}` are filled in.
//! Out: the command's success. Always: the server listens on a free port, lives in a directory of its own
//! that is removed afterwards, and is stopped by its own process id, whatever the command did.

use crate::Outcome;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const START_SECONDS_MAX: u64 = 30;
const STOP_SECONDS_MAX: u64 = 30;
const STEP: Duration = Duration::from_millis(50);

/// Runs `command` against a server of `bin`.
pub(crate) fn run(bin: &Path, command: &[&str]) -> Outcome {
    let [program, args @ ..] = command else {
        return Err(vec!["with-server: no command after --".into()]);
    };
    let mut server = Server::start(bin).map_err(|e| vec![format!("with-server: {e}")])?;
    let result = server.url().and_then(|url| {
        let fill = |text: &str| {
            let credentials = server.data.join("credentials.json").display().to_string();
            let data = server.data.display().to_string();
            text.replace("{url}", &url).replace("{credentials}", &credentials).replace("{data}", &data)
        };
        let status = Command::new(fill(program)).args(args.iter().map(|a| fill(a))).stdin(Stdio::null()).status();
        let status = status.map_err(|e| format!("{program}: {e}"))?;
        if status.success() { Ok(()) } else { Err(format!("{}: {status}", command.join(" "))) }
    });
    let stopped = server.stop();
    match result.and(stopped) {
        Ok(()) => Ok("with-server: the command passed, the server stopped cleanly".into()),
        Err(error) => Err(vec![error]),
    }
}

struct Server {
    child: Child,
    data: PathBuf,
}

impl Server {
    fn start(bin: &Path) -> Result<Server, String> {
        let data = std::env::temp_dir().join(format!("rivermouth-check-{}", std::process::id()));
        let child = Command::new(bin)
            .args(["serve", "--listen", "127.0.0.1:0", "--allow-private-targets", "true", "--log-level", "warn"])
            .arg("--data-dir")
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|e| format!("{}: {e}", bin.display()))?;
        Ok(Server { child, data })
    }

    /// Where the server listens, as soon as it does.
    fn url(&mut self) -> Result<String, String> {
        let file = self.data.join("server.json");
        for _ in 0..steps(START_SECONDS_MAX) {
            if let Ok(text) = std::fs::read_to_string(&file)
                && let Ok(found) = serde_json::from_str::<serde_json::Value>(&text)
                && let Some(url) = found["url"].as_str()
            {
                return Ok(url.to_owned());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended at once: {status}"));
            }
            pause();
        }
        Err(format!("the server was not there after {START_SECONDS_MAX} s"))
    }

    fn stop(mut self) -> Result<(), String> {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let mut ended = Err(format!("the server did not stop within {STOP_SECONDS_MAX} s of SIGTERM"));
        if told.is_ok_and(|status| status.success()) {
            for _ in 0..steps(STOP_SECONDS_MAX) {
                if let Ok(Some(status)) = self.child.try_wait() {
                    ended = if status.success() { Ok(()) } else { Err(format!("the server ended with {status}")) };
                    break;
                }
                pause();
            }
        }
        // After a clean stop these two find nothing to do, or only the directory.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.data);
        ended
    }
}

fn steps(seconds: u64) -> u64 {
    seconds * 1000 / STEP.as_millis() as u64
}

/// Waits one step: another process is the one that acts.
fn pause() {
    let (_keep, nothing) = mpsc::channel::<()>();
    let _ = nothing.recv_timeout(STEP);
}
