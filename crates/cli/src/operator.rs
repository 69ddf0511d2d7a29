//! Commands for a running server: each is one request to its operator paths, printed.

use crate::client::Client;
use crate::output::line;
use clap::{Arg, ArgMatches, Command};
use serde_json::{Value as Json, json};
use std::path::PathBuf;

/// A command that asks the server of a data directory.
pub(crate) fn asks(name: &'static str, about: &'static str) -> Command {
    let data_dir = "Directory of the server [default: rivermouth-data] [env: RIVERMOUTH_DATA_DIR]";
    let data_dir = Arg::new("data-dir").long("data-dir").value_name("DIR").help(data_dir);
    let output = Arg::new("output")
        .long("output")
        .value_name("FORMAT")
        .value_parser(["text", "json"])
        .default_value("text")
        .help("text for people, json for machines");
    Command::new(name).about(about).arg(data_dir).arg(output)
}

/// The client of the server that a command asks.
pub(crate) fn client(m: &ArgMatches) -> Result<Client, String> {
    let data_dir = m.get_one::<String>("data-dir").cloned();
    let data_dir = data_dir.or_else(|| std::env::var(crate::settings::variable("data-dir")).ok());
    Client::operator(&PathBuf::from(data_dir.as_deref().unwrap_or("rivermouth-data")))
}

/// True where the output is for machines.
pub(crate) fn wants_json(m: &ArgMatches) -> bool {
    m.get_one::<String>("output").is_some_and(|output| output == "json")
}

pub(crate) async fn run(name: &str, matches: &ArgMatches) -> Result<(), String> {
    let (action, m) = matches.subcommand().unwrap_or(("", matches));
    let client = client(m)?;
    let text = |name: &str| m.get_one::<String>(name).map_or("", String::as_str);
    let flow = || m.try_get_one::<String>("flow").ok().flatten().map_or(String::new(), |f| format!("?flow={f}"));
    let answer = match (name, action) {
        ("status", _) => client.call("GET", "/rivermouth/status", None).await?,
        ("backup", _) => {
            let to = std::path::absolute(text("to")).map_err(|e| e.to_string())?;
            client.call("POST", "/rivermouth/backup", Some(&json!({ "to": to.display().to_string() }))).await?
        }
        ("clients", "list") => client.call("GET", "/rivermouth/clients", None).await?,
        ("clients", "create") => {
            client.call("POST", "/rivermouth/clients", Some(&json!({ "name": text("name") }))).await?
        }
        ("clients", "rotate") => {
            client.call("POST", &format!("/rivermouth/clients/{}/rotate", text("id")), None).await?
        }
        ("clients", "revoke") => client.call("DELETE", &format!("/rivermouth/clients/{}", text("id")), None).await?,
        ("flows", _) => client.call("GET", &format!("/rivermouth/flows{}", flow()), None).await?,
        ("dead-letters", "list") => client.call("GET", &format!("/rivermouth/dead-letters{}", flow()), None).await?,
        ("dead-letters", _) => client.call("POST", "/rivermouth/dead-letters/replay", Some(&replay(m))).await?,
        ("quarantine", "list") => client.call("GET", "/rivermouth/quarantine", None).await?,
        ("quarantine", _) => client.call("POST", "/rivermouth/quarantine/replay", Some(&replay(m))).await?,
        ("profiles", _) => {
            let query = [("namespace", text("namespace")), ("id", text("id")), ("sandbox", text("sandbox"))];
            let query: Vec<String> = query.iter().map(|(n, v)| format!("{n}={}", encode(v))).collect();
            client.call("GET", &format!("/rivermouth/profiles?{}", query.join("&")), None).await?
        }
        (name, action) => return Err(format!("{name} {action} is not a command")),
    };
    if wants_json(m) {
        line(&answer.to_string());
    } else {
        print(name, &answer)?;
    }
    Ok(())
}

/// Which entries a replay names: those given, of the flow given, or all.
fn replay(m: &ArgMatches) -> Json {
    let mut body = json!({});
    if let Some(flow) = m.try_get_one::<String>("flow").ok().flatten() {
        body["flow"] = json!(flow);
    }
    if let Some(ids) = m.get_many::<String>("ids") {
        body["ids"] = ids.cloned().collect::<Vec<_>>().into();
    }
    body
}

/// Percent-encodes a query value.
pub(crate) fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Of a reason that shows where it arose: one row of a list stays one line. `--output json` has all of it.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn print(name: &str, answer: &Json) -> Result<(), String> {
    let rows = |member: &str| answer[member].as_array().cloned().unwrap_or_default();
    let cell = |row: &Json, member: &str| match &row[member] {
        Json::String(s) => s.clone(),
        other => other.to_string(),
    };
    match name {
        "flows" => {
            for flow in rows("flows") {
                let l = &flow["ledger"];
                line(&format!(
                    "{}  {}  {}",
                    cell(&flow, "id"),
                    cell(&flow, "name"),
                    if flow["enabled"] == true { "enabled" } else { "disabled" }
                ));
                line(&format!(
                    "  received {} = exported {} + filtered {} + waiting {} + dead {}  ({})",
                    l["received"],
                    l["exported"],
                    l["filtered"],
                    l["waiting"],
                    l["dead"],
                    if l["balanced"] == true { "balanced" } else { "NOT BALANCED" },
                ));
                let failure = &flow["lastFailure"];
                if !failure.is_null() {
                    line(&format!("  last failure {}: {}", cell(failure, "at"), first_line(&cell(failure, "reason"))));
                }
                for call in flow["notTold"].as_array().into_iter().flatten() {
                    let what = if call["audience"].is_null() { "this dataflow".into() } else { cell(call, "name") };
                    line(&format!("  not told of {what}: {}", first_line(&cell(call, "error"))));
                }
            }
        }
        "dead-letters" if answer.get("deadLetters").is_some() => {
            for l in rows("deadLetters") {
                line(&format!(
                    "{}  {}  {} attempts  {}  {}",
                    cell(&l, "id"),
                    cell(&l, "died"),
                    l["attempts"],
                    first_line(&cell(&l, "reason")),
                    l["identities"]
                ));
            }
        }
        "quarantine" if answer.get("quarantine").is_some() => {
            for r in rows("quarantine") {
                line(&format!(
                    "{}  {}  {}  {}",
                    cell(&r, "id"),
                    cell(&r, "received"),
                    cell(&r, "dataset"),
                    r["violations"]
                ));
            }
        }
        _ => line(&serde_json::to_string_pretty(answer).map_err(|e| e.to_string())?),
    }
    Ok(())
}
