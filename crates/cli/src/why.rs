//! `rivermouth why`: shows why a profile is, or is not, a member of an audience.
//!
//! In: what `GET /rivermouth/why` answers. Out: a tree, one line per part of the rule, indented below it what each
//! clause read, since when it is so and until when, if nothing but time passes.

use crate::operator::{self, asks, encode};
use crate::output;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::Value as Json;

/// A value is cut after so many characters.
const VALUE_CHARS: usize = 80;

pub(crate) fn command() -> Command {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    asks("why", "Show why a profile is, or is not, a member of an audience")
        .arg(
            Arg::new("profile")
                .required(true)
                .value_name("PROFILE")
                .help("NAMESPACE:VALUE, such as Email:ann@example.com, or the id of a profile"),
        )
        .arg(Arg::new("audience").required(true).value_name("AUDIENCE").help("Id or name of an audience"))
        .arg(Arg::new("sandbox").long("sandbox").value_name("NAME").default_value("prod"))
        .arg(flag("json", "The same as --output json"))
        .arg(flag("ascii", "Mark what is true by + and what is false by -"))
}

pub(crate) async fn run(m: &ArgMatches) -> Result<(), String> {
    let client = operator::client(m)?;
    let query: Vec<String> = ["profile", "audience", "sandbox"]
        .iter()
        .map(|name| format!("{name}={}", encode(m.get_one::<String>(name).map_or("", String::as_str))))
        .collect();
    let answer = client.call("GET", &format!("/rivermouth/why?{}", query.join("&")), None).await?;
    if m.get_flag("json") || operator::wants_json(m) {
        output::line(&answer.to_string());
    } else {
        output::text(&shown(&answer, m.get_flag("ascii")));
    }
    Ok(())
}

/// An explanation for people.
pub(crate) fn shown(answer: &Json, ascii: bool) -> String {
    let mut page = Page { out: String::new(), marks: if ascii { ["+", "-"] } else { ["✓", "✗"] } };
    page.head(answer);
    page.part(&answer["rule"], 0, "");
    page.out
}

struct Page {
    out: String,
    /// What stands before what is true, and before what is false.
    marks: [&'static str; 2],
}

impl Page {
    fn line(&mut self, depth: usize, text: &str) {
        self.out.push_str(&"  ".repeat(depth));
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn head(&mut self, answer: &Json) {
        let names: Vec<String> = list(&answer["identities"]).iter().map(identity).collect();
        let who = names.first().cloned().unwrap_or_else(|| text(&answer["profile"]));
        let name = text(&answer["audience"]["name"]);
        let since = answer["since"].as_str().unwrap_or_default();
        let member = answer["member"] == true;
        self.line(
            0,
            &match (member, since) {
                (true, since) => format!("{who} is a member of {name} since {since}"),
                (false, "") => format!("{who} is no member of {name}"),
                (false, since) => format!("{who} is no member of {name} any more, since {since}"),
            },
        );
        if answer["holds"] != answer["member"] {
            self.line(0, "its rule says otherwise already; the change is about to be applied");
        }
        let turns = &answer["turns"];
        self.line(
            0,
            &match (turns["known"] == true, turns["at"].as_str(), member) {
                (true, Some(at), true) => format!("time alone ends that at {at}"),
                (true, Some(at), false) => format!("time alone makes it one at {at}"),
                (true, None, _) => "time alone does not change that".to_owned(),
                (false, ..) => "when time alone changes that is not known: too much to look at".to_owned(),
            },
        );
        self.line(
            0,
            &format!("profile {}: {}; as of {}", text(&answer["profile"]), names.join(", "), text(&answer["now"])),
        );
        self.line(0, "");
    }

    fn part(&mut self, part: &Json, depth: usize, role: &str) {
        let holds = part["holds"] == true;
        let mark = self.marks[usize::from(!holds)];
        let parts = list(&part["parts"]);
        let (title, roles): (&str, &[&str]) = match part["kind"].as_str().unwrap_or_default() {
            "all" => ("all of", &[]),
            "any" => ("any of", &[]),
            "not" => ("not", &[]),
            "if" => ("if", &["", "then ", "else "]),
            _ => (part["expression"].as_str().unwrap_or_default(), &[]),
        };
        self.line(depth, &format!("{mark} {role}{title}"));
        for (at, inner) in parts.iter().enumerate() {
            self.part(inner, depth + 1, roles.get(at).copied().unwrap_or_default());
        }
        if parts.is_empty() {
            self.clause(part, depth + 2);
        }
    }

    fn clause(&mut self, clause: &Json, depth: usize) {
        let attributes = list(&clause["attributes"]);
        if clause["kind"] == "optOut" {
            if attributes.iter().any(|a| !a["value"].is_null()) {
                attributes.iter().for_each(|a| self.line(depth, &attribute(a)));
            }
            return;
        }
        if clause["exhausted"] == true {
            self.line(depth, "was cut off: it joins too many items with each other, and counts as false");
        }
        for value in list(&clause["values"]) {
            let is_left = list(&clause["values"]).len() == 1;
            let of = if is_left { String::new() } else { format!("{} ", text(&value["expression"])) };
            self.line(depth, &format!("{of}is {}", cut(&value["value"].to_string())));
        }
        let since = instant(&clause["since"], "since", "as far back as is known", "since when is not known");
        let until = instant(&clause["turns"], "until", "time does not change it", "until when is not known");
        self.line(depth, &format!("{since}; {until}"));
        if clause["events"].is_object() {
            self.line(depth, &events(&clause["events"]));
        }
        attributes.iter().for_each(|a| self.line(depth, &attribute(a)));
        for membership in list(&clause["memberships"]) {
            let name = membership["name"].as_str().map_or_else(|| text(&membership["id"]), str::to_owned);
            let since = membership["since"].as_str().map(|at| format!(" since {at}")).unwrap_or_default();
            let how = if membership["member"] == true { "a member" } else { "no member" };
            self.line(depth, &format!("{how} of {name}{since}"));
        }
    }
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(crate) fn identity(identity: &Json) -> String {
    format!("{}:{}", text(&identity["namespace"]), text(&identity["id"]))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// `{"known","at"}` in words.
fn instant(turn: &Json, word: &str, never: &str, unknown: &str) -> String {
    match (turn["known"] == true, turn["at"].as_str()) {
        (true, Some(at)) => format!("{word} {at}"),
        (true, None) => never.to_owned(),
        (false, _) => unknown.to_owned(),
    }
}

fn attribute(attribute: &Json) -> String {
    let path = text(&attribute["path"]);
    match (path.as_str(), &attribute["value"]) {
        ("", _) => "the whole profile".to_owned(),
        (path, Json::Null) => format!("{path} is missing"),
        (path, value) => {
            let written = attribute["written"].as_str().map(|at| format!(", written {at}")).unwrap_or_default();
            format!("{path} is {}{written}", cut(&value.to_string()))
        }
    }
}

fn events(events: &Json) -> String {
    let count = events["count"].as_u64().unwrap_or_default();
    if count == 0 {
        return "no event counts".to_owned();
    }
    let newest = list(&events["newest"]).iter().map(|e| format!("{} at {}", text(&e["_id"]), text(&e["timestamp"])));
    let newest = newest.collect::<Vec<_>>().join(", ");
    let more = events["more"].as_u64().filter(|more| *more > 0).map(|more| format!(", {more} earlier"));
    format!("{count} event{}: {newest}{}", if count == 1 { "" } else { "s" }, more.unwrap_or_default())
}
