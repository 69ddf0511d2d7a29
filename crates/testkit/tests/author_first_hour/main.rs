//! An author's first hour, as the README tells it; and the tools for the hours after it.

mod readme;
mod shell;
mod tools;

use readme::{Step, is_as_shown, section};
use serde_json::{Value as Json, json};
use shell::Shell;
use std::path::Path;
use testkit::{Options, Receiver, ReceiverOptions, Server, block_on, until};

/// What the author does, and the exit code of the last command.
const STEPS: [(&str, i32); 10] = [
    ("Make one", 0),
    // Breaks it as well.
    ("Edit it", 1),
    ("Fix it", 1),
    ("Fix it", 0),
    ("Push it", 0),
    ("Publish it", 0),
    ("Connect", 0),
    ("Activate", 0),
    ("Activate", 0),
    ("Take it elsewhere", 0),
];
/// In the first hour, what this test does itself: the program is built, it has a directory, server and receiver run.
const DONE_HERE: [&str; 2] = ["make build", "rivermouth serve"];
/// The step of the first hour that shows a fault and how it is reported.
const SHOWS_A_FAULT: &str = "Try a rule";
/// Addresses that the README uses.
const SERVER: &str = "127.0.0.1:8080";
const RECEIVER: &str = "127.0.0.1:8090";
/// What the receiver gets for Ann: the template, filled in.
const MESSAGE: &str = r#"{
  "email": "71d4f55f72fa128dfb468a1a3901507c804b74316488744d769d7f4b16696476",
  "first": "Ann",
  "enter": ["6001"],
  "leave": []
}"#;

struct Desk {
    dir: tempfile::TempDir,
    server: Server,
    receiver: Receiver,
    shell: Shell,
    /// Deliveries that were waited for.
    seen: usize,
}

impl Desk {
    fn new() -> Desk {
        let dir = tempfile::TempDir::with_prefix("rivermouth-author-").expect("a directory");
        let data_dir = Some(dir.path().join("rivermouth-data"));
        let server = Server::start(Options { data_dir, ..Options::default() });
        let record = Some(dir.path().join("received.jsonl"));
        let receiver = block_on(receiver::serve(ReceiverOptions { record, ..ReceiverOptions::default() }));
        let shell = Shell::start(dir.path(), &dir.path().join("programs"));
        Desk { dir, server, receiver: receiver.expect("the receiver starts"), shell, seen: 0 }
    }

    /// With the addresses of this test.
    fn here(&self, text: &str) -> String {
        let server = self.server.url.trim_start_matches("http://");
        text.replace(SERVER, server).replace(RECEIVER, &self.receiver.addr.to_string())
    }

    /// Types the commands. In the place of a pause it waits for what the pause is for.
    fn play(&mut self, step: &Step) -> (i32, String) {
        let (mut output, mut typed) = (String::new(), String::new());
        for line in self.here(&step.commands).lines() {
            let after_pause = line.strip_prefix("sleep ").and_then(|rest| rest.split_once("; "));
            if let Some((_, rest)) = after_pause {
                if !typed.is_empty() {
                    output.push_str(&self.shell.run(&std::mem::take(&mut typed)).1);
                }
                let more = |count: &usize| *count > self.seen;
                self.seen = until("the receiver gets something", || self.receiver.records().len(), more);
                self.server.settle();
                typed.push_str(rest);
            } else {
                typed.push_str(line);
            }
            typed.push('\n');
        }
        let (code, printed) = self.shell.run(&typed);
        output.push_str(&printed);
        (code, output)
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }
}

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    std::fs::read_to_string(path).expect("README.md")
}

#[test]
fn the_first_hour_goes_as_the_readme_says() {
    let (readme, mut desk) = (readme(), Desk::new());
    let (done_here, before): (Vec<_>, Vec<_>) = section(&readme, "The first hour: your own events")
        .into_iter()
        .partition(|step| DONE_HERE.iter().any(|command| step.commands.contains(command)));
    assert_eq!(done_here.len(), DONE_HERE.len());
    assert!(before.iter().any(|step| step.title == SHOWS_A_FAULT));
    for step in &before {
        let (code, output) = desk.play(step);
        let faulty = step.title == SHOWS_A_FAULT;
        assert_eq!(code, i32::from(faulty), "{}\n{output}", step.commands);
        let shown = step.shown.as_deref().unwrap_or_default();
        assert!(!faulty || is_as_shown(shown, &output), "the README shows\n{shown}\n\nthere came\n{output}");
    }
    let hour = section(&readme, "An author's first hour: your own destination");
    assert_eq!(hour.iter().map(|step| step.title.as_str()).collect::<Vec<_>>(), STEPS.map(|(title, _)| title));
    for (step, (title, expected)) in hour.iter().zip(STEPS) {
        let (code, output) = desk.play(step);
        assert_eq!(code, expected, "{title}: {}\n{output}", step.commands);
        let shown = step.shown.as_ref().unwrap_or_else(|| panic!("{title}: the README does not show what comes out"));
        let shown = desk.here(shown);
        assert!(is_as_shown(&shown, &output), "{title}: the README shows\n{shown}\n\nthere came\n{output}");
    }
    let report = desk.read("report.xml");
    assert!(report.contains("<testsuite name=\"Moviestar\" tests=\"10\" failures=\"0\" errors=\"0\">"), "{report}");
    check_delivery(&desk);
    check_ledgers(&desk);
}

/// What the receiver got, to the byte.
fn check_delivery(desk: &Desk) {
    let records = desk.receiver.records();
    let to_members: Vec<_> = records.iter().filter(|record| record.path == "/accounts/A-1/members").collect();
    let [record] = to_members[..] else { panic!("one message, not {records:#?}") };
    let fields = ["content-type", "content-length"].map(|name| record.headers.get(name).map(String::as_str));
    assert_eq!(fields, [Some("application/json"), Some(MESSAGE.len().to_string().as_str())], "{record:#?}");
    let expected: Json = serde_json::from_str(MESSAGE).expect("JSON");
    assert_eq!(record.body.to_string(), expected.to_string(), "in this order");
    assert!(record.headers.contains_key("authorization"), "{record:#?}");
}

fn check_ledgers(desk: &Desk) {
    for flow in desk.server.flows() {
        let ledger = &flow["ledger"];
        assert_eq!((&ledger["waiting"], &ledger["dead"]), (&json!(0), &json!(0)), "{flow}");
    }
}
