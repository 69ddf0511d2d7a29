//! The binary as a process on a directory.

#![expect(clippy::disallowed_methods, reason = "waits for another process")]

use crate::api::{Answer, Api};
use crate::wait::{PATIENCE, until};
use serde_json::{Value as Json, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How to start a server.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A manual clock that starts here (RFC 3339); the system clock without.
    pub clock: Option<String>,
    /// More arguments of `serve`, such as `--log-level debug`.
    pub args: Vec<String>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// The data directory; a temporary one without.
    pub data_dir: Option<PathBuf>,
    /// Starts without `--allow-private-targets true`.
    pub private_targets_refused: bool,
}

impl Options {
    /// On a manual clock.
    pub fn manual(start: &str) -> Options {
        Options { clock: Some(start.to_owned()), ..Options::default() }
    }

    /// With more arguments.
    pub fn with(mut self, args: &[&str]) -> Options {
        self.args.extend(args.iter().map(|a| (*a).to_owned()));
        self
    }
}

/// What a command printed.
#[derive(Debug, Clone)]
pub struct Output {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Standard output as JSON, of a command that succeeded.
    ///
    /// # Panics
    /// With the output, if it failed or is no JSON.
    #[track_caller]
    pub fn json(&self) -> Json {
        assert_eq!(self.code, Some(0), "{self:#?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("no JSON ({e}): {self:#?}"))
    }
}

/// A server process; killed when dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it is reached.
    pub url: String,
    options: Options,
    child: Option<Child>,
    data_dir: PathBuf,
    /// Holds the log, and the data unless the options say where.
    room: TempDir,
}

/// The binary under test: `RIVERMOUTH_BIN`, or the release build.
///
/// # Panics
/// When it was not built.
pub fn binary() -> PathBuf {
    let path = match (std::env::var_os("RIVERMOUTH_BIN"), std::env::var_os("CARGO_TARGET_DIR")) {
        (Some(path), _) => PathBuf::from(path),
        (None, Some(target)) => PathBuf::from(target).join("release/rivermouth"),
        (None, None) => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/rivermouth"),
    };
    assert!(path.is_file(), "{} is missing: run `make build`, or set RIVERMOUTH_BIN", path.display());
    path
}

impl Server {
    /// Starts a server and returns once it answers.
    ///
    /// # Panics
    /// With its log, when it does not come up.
    pub fn start(options: Options) -> Server {
        Server::try_start(options).unwrap_or_else(|log| panic!("the server did not start:\n{log}"))
    }

    /// The same; a server that ends instead of coming up is an error with its log.
    pub fn try_start(options: Options) -> Result<Server, String> {
        let room = TempDir::with_prefix("rivermouth-test-").expect("a temporary directory");
        let data_dir = options.data_dir.clone().unwrap_or_else(|| room.path().join("data"));
        let mut server = Server { url: String::new(), options, child: None, data_dir, room };
        server.spawn()?;
        Ok(server)
    }

    fn spawn(&mut self) -> Result<(), String> {
        // A marker of a killed process would name a dead address. A living one's is left alone.
        let marker = self.data_dir.join("server.json");
        let stale = std::fs::read_to_string(&marker).ok();
        let log = File::options().create(true).append(true).open(self.log_path()).expect("a log file");
        let mut command = Command::new(binary());
        command.arg("serve").arg("--data-dir").arg(&self.data_dir).args(["--listen", "127.0.0.1:0"]);
        if !self.options.private_targets_refused {
            command.args(["--allow-private-targets", "true"]);
        }
        if let Some(start) = &self.options.clock {
            command.args(["--clock", &format!("manual={start}")]);
        }
        command.args(&self.options.args).envs(self.options.env.iter().cloned());
        let error = log.try_clone().expect("a second handle of the log");
        let child = command.stdin(Stdio::null()).stdout(log).stderr(error).spawn();
        let mut child = child.unwrap_or_else(|e| panic!("{}: {e}", binary().display()));
        let started = Instant::now();
        loop {
            let text = std::fs::read_to_string(&marker).ok().filter(|text| Some(text) != stale.as_ref());
            let body = text.and_then(|t| serde_json::from_str::<Json>(&t).ok());
            if let Some(url) =
                body.filter(|b| b["pid"] == json!(child.id())).and_then(|b| b["url"].as_str().map(str::to_owned))
            {
                self.url = url;
                self.child = Some(child);
                return Ok(());
            }
            if child.try_wait().expect("a child can be asked").is_some() {
                return Err(self.log());
            }
            if started.elapsed() > PATIENCE {
                drop(child.kill());
                drop(child.wait());
                return Err(format!("no server.json within {PATIENCE:?}\n{}", self.log()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn log_path(&self) -> PathBuf {
        self.room.path().join("server.log")
    }

    /// What the process printed, over all its starts.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The process id; 0 when it does not run.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Members of `credentials.json`.
    pub fn credentials(&self) -> Json {
        let path = self.data_dir.join("credentials.json");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_str(&text).expect("credentials.json is JSON")
    }

    /// A client of the first credentials, logged in.
    pub fn api(&self) -> Api {
        Api::log_in(&self.url, &self.credentials())
    }

    /// A client of the operator's paths.
    pub fn operator(&self) -> Api {
        let path = self.data_dir.join("keys/admin.token");
        let token = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Api::new(&self.url).with("authorization", &format!("Bearer {}", token.trim()))
    }

    /// Ends the process at once, as a crash would.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("a killed child can be waited for");
        }
    }

    /// Asks the process to end (SIGTERM) and waits for it.
    ///
    /// # Panics
    /// When it does not run or does not end in time.
    pub fn terminate(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("a running server");
        let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(sent.expect("kill can be run").success(), "SIGTERM could not be sent");
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("a child can be asked") {
                return status;
            }
            if started.elapsed() > PATIENCE {
                drop(child.kill());
                drop(child.wait());
                panic!("SIGTERM did not end the server within {PATIENCE:?}:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts the process again on the same directory, at a new address. One that still runs is
    /// terminated first.
    pub fn restart(&mut self) {
        if self.child.is_some() {
            let status = self.terminate();
            assert!(status.success(), "the server ended with {status}:\n{}", self.log());
        }
        if let Err(log) = self.spawn() {
            panic!("the server did not start again:\n{log}");
        }
    }

    /// Runs the binary as a command on this data directory.
    pub fn command(&self, args: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.args(args).arg("--data-dir").arg(&self.data_dir);
        let output = command.stdin(Stdio::null()).output().expect("the binary can be run");
        Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Moves the manual clock, such as by `90d`.
    pub fn advance(&self, by: &str) -> Answer {
        self.operator().post("/rivermouth/clock", &json!({ "advance": by })).expect(200)
    }

    /// Moves the manual clock to an instant.
    pub fn advance_to(&self, time: &str) -> Answer {
        self.operator().post("/rivermouth/clock", &json!({ "to": time })).expect(200)
    }

    /// Where the manual clock starts at the next start.
    pub fn set_clock(&mut self, start: &str) {
        self.options.clock = Some(start.to_owned());
    }

    /// `GET /rivermouth/status`.
    pub fn status(&self) -> Json {
        self.operator().get("/rivermouth/status").ok()
    }

    /// `GET /rivermouth/flows`: the list.
    pub fn flows(&self) -> Vec<Json> {
        let body = self.operator().get("/rivermouth/flows").ok();
        body["flows"].as_array().expect("a list of flows").clone()
    }

    /// The page of `/metrics`.
    pub fn metrics(&self) -> String {
        Api::new(&self.url).get("/metrics").expect(200).text
    }

    /// Waits until everything accepted is applied.
    pub fn wait_applied(&self) -> Json {
        until("everything is applied", || self.status(), |s| s["backlog"] == json!(0) && s["ready"] == json!(true))
    }

    /// Waits until everything is applied and no export waits.
    pub fn wait_delivered(&self) -> Vec<Json> {
        self.wait_applied();
        let idle = |flows: &Vec<Json>| flows.iter().all(|f| f["ledger"]["waiting"] == json!(0));
        until("everything is delivered", || self.flows(), idle)
    }

    /// Waits until nothing more happens: all applied, all delivered, and no entry applied for a
    /// tenth of a second. For what must *not* happen after the clock moved.
    pub fn settle(&self) {
        const QUIET: Duration = Duration::from_millis(100);
        let mut seen = (String::new(), Instant::now());
        let look = || {
            self.wait_delivered();
            let metrics = self.metrics();
            let row = metrics.lines().find(|l| l.starts_with("rivermouth_applied_entries_total "));
            let row = row.expect("the metric of applied entries").to_owned();
            if row != seen.0 {
                seen = (row, Instant::now());
            }
            seen.1.elapsed()
        };
        until("the server comes to rest", look, |quiet| *quiet >= QUIET);
    }
}

/// Lines of a server's log that a failed test shows.
const TOLD_LINES: usize = 40;

impl Drop for Server {
    #[expect(clippy::print_stderr, reason = "a failed test shows it")]
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
        if std::thread::panicking() {
            // The room goes with its log; what it said last is what the reader of a failure needs.
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the server's last lines:\n{}", lines[lines.len().saturating_sub(TOLD_LINES)..].join("\n"));
        }
    }
}
