//! `author dev`, `record` and `replay`, as an author uses them beside the editor.

use crate::shell::Program;
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::{Api, Receiver, ReceiverOptions, block_on, until};

/// What the account of the case holds, and what must not be kept.
const SECRET: &str = "tok-of-the-customer-51c7";

/// A new destination, in a directory that goes with the first part.
fn made() -> (tempfile::TempDir, PathBuf) {
    let room = tempfile::TempDir::with_prefix("rivermouth-author-").expect("a directory");
    let dir = room.path().join("moviestar");
    let made = Command::new(testkit::binary()).args(["author", "new"]).arg(&dir).output().expect("it can be run");
    assert!(made.status.success(), "{made:?}");
    (room, dir)
}

fn receiver(script: &Json) -> Receiver {
    let script = script.to_string().parse().expect("a script");
    block_on(receiver::serve(ReceiverOptions { script, ..ReceiverOptions::default() })).expect("the receiver starts")
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).expect("a file");
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).expect("written");
}

/// The state that the page shows, once it is as it should be.
fn shown(page: &Api, what: &str, done: impl Fn(&Json) -> bool) -> Json {
    let mut since = 0;
    let look = || {
        let answer = page.get(&format!("/state?since={since}"));
        since = answer.json["number"].as_u64().unwrap_or(since);
        answer.json["state"].clone()
    };
    until(what, look, |state| !state.is_null() && done(state))
}

/// The case `enter` of a state.
fn enter(state: &Json) -> &Json {
    let cases = state["cases"].as_array().map(Vec::as_slice).unwrap_or_default();
    cases.iter().find(|case| case["name"] == "enter").unwrap_or(&Json::Null)
}

#[test]
fn dev_shows_what_is_saved() {
    let (_room, dir) = made();
    let to = receiver(&json!({ "steps": [{ "status": 202, "body": "{\"taken\": true}", "repeat": 0 }] }));
    let program = Program::start(&["author", "dev", dir.to_str().expect("text"), "--port", "0", "--to", &to.url("/")]);
    let page = Api::new(&program.url);
    let html = page.get("/").expect(200);
    assert!(html.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{html:?}");
    assert_eq!(page.with("host", "other.example.com").get("/state").status, 403, "no other page reads this one");

    let first = shown(&page, "the answer is shown", |state| enter(state).to_string().contains("taken"));
    assert!(enter(&first).to_string().contains("firstName"), "{first:#}");
    assert_eq!(first["findings"], json!([]));

    let template = dir.join("templates/member.peb");
    edit(&template, "\"firstName\"", "\"givenName\"");
    let sent = |name: &str| to.records().iter().any(|record| record.body.get(name) == Some(&json!("Ada")));
    shown(&page, "the saved template is shown", |state| enter(state).to_string().contains("givenName"));
    until("it is sent", || sent("givenName"), |sent| *sent);
    assert!(sent("firstName"), "{:?}", to.records());

    edit(&template, "addedSegments", "addedSegmnts");
    let broken = shown(&page, "the fault is shown", |state| state["findings"] != json!([]));
    let text = broken["findings"].to_string();
    assert!(text.contains("templates/member.peb") && text.contains("did you mean `addedSegments`"), "{text}");

    edit(&template, "addedSegmnts", "addedSegments");
    shown(&page, "it is well again", |state| state["findings"] == json!([]));
    program.terminate();
}

#[test]
fn what_was_recorded_is_answered_again() {
    let (_room, dir) = made();
    let folder = dir.to_str().expect("text");
    edit(&dir.join("cases/enter.yaml"), "audiences:", &format!("account: {{accessToken: {SECRET}}}\naudiences:"));
    let said = format!("{{\"session\": \"s-1\", \"echo\": \"{SECRET}\", \"taken\": 1}}");
    let to = receiver(&json!({ "steps": [
        { "status": 201, "headers": { "x-trace": "t-1" }, "body": said },
        { "status": 429, "retry_after": 7, "body": "{\"wait\": true}" },
    ] }));
    let call = |url: &str, body: &Json| {
        let authorization = format!("Bearer {SECRET}");
        Api::new(url).with("authorization", &authorization).post("/accounts/A-1/members?key=1", body)
    };
    let (ada, bob) = (json!({ "email": "ada" }), json!({ "email": "bob" }));

    let recorder = Program::start(&["author", "record", folder, "--listen", "0", "--to", &to.url("/")]);
    let first = call(&recorder.url, &ada);
    assert_eq!((first.status, first.header("x-trace")), (201, Some("t-1")));
    assert_eq!(first.text, said, "the destination gets the answer as it is");
    assert_eq!(call(&recorder.url, &bob).status, 429);
    recorder.terminate();
    let records = to.records();
    assert_eq!(records.len(), 2);
    assert_eq!((records[0].path.as_str(), records[0].query.as_deref()), ("/accounts/A-1/members", Some("key=1")));

    let place = dir.join("cases/recordings");
    let files = std::fs::read_dir(&place).expect("recordings").map(|entry| entry.expect("an entry").path());
    let kept: Vec<String> = files.map(|path| std::fs::read_to_string(path).expect("text")).collect();
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|text| !text.contains(SECRET) && text.contains("<removed>")), "{kept:#?}");

    let replayer = Program::start(&["author", "replay", folder, "--listen", "0"]);
    let again = call(&replayer.url, &ada);
    assert_eq!((again.status, again.header("x-trace"), &again.json["taken"]), (201, Some("t-1"), &json!(1)));
    let again = call(&replayer.url, &bob);
    assert_eq!((again.status, again.header("retry-after")), (429, Some("7")));
    let other = call(&replayer.url, &json!({ "email": "eve" }));
    assert_eq!(other.status, 409);
    assert!(other.text.contains("+   \"email\": \"eve\""), "{}", other.text);
    replayer.terminate();
    assert_eq!(to.records().len(), 2, "a replay asks nobody");

    // Recordings stand beside the cases and are none.
    let tested = Command::new(testkit::binary()).args(["author", "test", folder]).output().expect("it can be run");
    assert!(tested.status.success(), "{tested:?}");
}
