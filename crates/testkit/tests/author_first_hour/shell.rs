//! A shell that one types into, and programs that run beside it.
//!
//! Always: both end with the test; waits are bounded.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use testkit::PATIENCE;

/// Printed after each block; followed by the exit code.
const END: &str = "--- end of block ";

/// One bash, in a directory; variables and functions stay from block to block.
pub(crate) struct Shell {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Shell {
    /// Starts it; `rivermouth` is the binary under test.
    pub(crate) fn start(dir: &Path, programs: &Path) -> Shell {
        std::fs::create_dir(programs).expect("a directory of programs");
        std::os::unix::fs::symlink(testkit::binary(), programs.join("rivermouth")).expect("a link to the binary");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc"]).current_dir(dir).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.env("PATH", format!("{}:{path}", programs.display())).env_remove("RIVERMOUTH_DATA_DIR");
        let mut child = command.spawn().expect("bash can be run");
        let mut input = child.stdin.take().expect("a pipe");
        writeln!(input, "exec 2>&1").expect("bash listens");
        let lines = lines(&mut child);
        Shell { child, input, lines }
    }

    /// Types a block: its exit code and what it printed.
    pub(crate) fn run(&mut self, commands: &str) -> (i32, String) {
        // The commands have no input: they would read the next block.
        let block = format!("{{\n{commands}\n}} </dev/null; printf '\\n{END}%s\\n' $?");
        writeln!(self.input, "{block}").expect("bash listens");
        let mut output = String::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("not done within {PATIENCE:?}:\n{commands}\n{output}"));
            if let Some(code) = line.strip_prefix(END) {
                return (code.parse().expect("an exit code"), output.trim_end().to_owned());
            }
            output.push_str(&line);
            output.push('\n');
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `rivermouth` with arguments that make it stay.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
    /// Where it listens.
    pub(crate) url: String,
}

impl Program {
    /// Starts it; it says in its first line where it listens.
    pub(crate) fn start(args: &[&str]) -> Program {
        let mut command = Command::new(testkit::binary());
        let mut child = command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it can be run");
        let lines = lines(&mut child);
        let mut program = Program { child, lines, url: String::new() };
        let first = program.line();
        let url = first.rsplit(' ').find(|word| word.starts_with("http://127.0.0.1:"));
        program.url = url.unwrap_or_else(|| panic!("no address in {first:?}")).trim_end_matches('/').to_owned();
        program
    }

    /// The next line that it prints.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line in time")
    }

    /// Asks it to end (SIGTERM); it has to end well.
    pub(crate) fn terminate(mut self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(sent.expect("kill can be run").success(), "SIGTERM could not be sent");
        let ended = testkit::until("it ends", || self.child.try_wait().expect("a child"), Option::is_some);
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The lines of its standard output, as they come.
fn lines(child: &mut Child) -> Receiver<String> {
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
