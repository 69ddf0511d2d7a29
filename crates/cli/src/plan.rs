//! `rivermouth plan audience`: shows what a new or changed audience would do to the stored profiles. Changes nothing.
//!
//! The server answers line by line while it reads; ending this command ends the work.

use crate::operator::{self, asks};
use crate::output;
use crate::template::read;
use crate::why::identity;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value as Json, json};

pub(crate) fn command() -> Command {
    Command::new("plan").about("Show what a change would do, without making it").subcommand_required(true).subcommand(
        asks("audience", "Who would enter and leave an audience, and what dataflows would export")
            .arg(Arg::new("expr").long("expr").value_name("PQL").help("The rule"))
            .arg(
                Arg::new("file")
                    .long("file")
                    .value_name("FILE|-")
                    .help("Read the rule from a file; - is standard input"),
            )
            .group(ArgGroup::new("rule").args(["expr", "file"]).required(true))
            .arg(
                Arg::new("id")
                    .long("id")
                    .value_name("AUDIENCE")
                    .help("The audience that would be changed, by id or name [default: a new one]"),
            )
            .arg(
                Arg::new("merge-policy")
                    .long("merge-policy")
                    .value_name("ID")
                    .help("Its merge policy [default: that of the audience, or of the sandbox]"),
            )
            .arg(
                Arg::new("samples")
                    .long("samples")
                    .value_name("N")
                    .value_parser(clap::value_parser!(u64).range(0..=1000))
                    .default_value("5")
                    .help("Profiles to name of those that enter, and of those that leave"),
            )
            .arg(Arg::new("sandbox").long("sandbox").value_name("NAME").default_value("prod"))
            .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("The same as --output json")),
    )
}

pub(crate) async fn run(m: &ArgMatches) -> Result<(), String> {
    let Some(("audience", m)) = m.subcommand() else { return Err("plan what? an audience can be planned".into()) };
    let client = operator::client(m)?;
    let given = |name: &str| m.get_one::<String>(name).cloned();
    let expression = match (given("expr"), given("file")) {
        (Some(text), _) => text,
        (None, path) => read(path.as_deref().unwrap_or("-"))?,
    };
    let mut body = json!({
        "expression": expression, "sandbox": given("sandbox"), "samples": m.get_one::<u64>("samples"),
    });
    for (member, value) in [("audience", given("id")), ("mergePolicyId", given("merge-policy"))] {
        if let Some(value) = value {
            body[member] = json!(value);
        }
    }
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} profiles  {per_sec}  {eta}");
    bar.set_style(style.map_err(|e| e.to_string())?);
    let mut found = None;
    let each = |line: Json| {
        if let (Some(read), Some(of)) = (line["progress"]["read"].as_u64(), line["progress"]["of"].as_u64()) {
            bar.set_length(of);
            bar.set_position(read);
        } else {
            found = Some(line);
        }
    };
    let sent = client.lines("/rivermouth/plan/audience", &body, each).await;
    bar.finish_and_clear();
    sent?;
    let found = found.ok_or("the server ended the answer before the plan was made")?;
    if let Some(error) = found["error"].as_str() {
        return Err(error.to_owned());
    }
    if m.get_flag("json") || operator::wants_json(m) {
        output::line(&found["plan"].to_string());
    } else {
        output::text(&shown(&found["plan"]));
    }
    Ok(())
}

/// A plan for people.
fn shown(plan: &Json) -> String {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut out = match plan["audience"]["name"].as_str() {
        Some(name) => format!("if the audience {name} were\n"),
        None => "if there were an audience\n".to_owned(),
    };
    out.push_str(&format!("  {}\n\n", text(&plan["audience"]["expression"]).trim()));
    out.push_str(&format!("{} of {} profiles would be members", plan["wouldBe"], plan["profiles"]));
    if !plan["audience"]["id"].is_null() {
        out.push_str(&format!(", {} are now", plan["members"]));
    }
    out.push_str(&format!("; as of {}\n", text(&plan["now"])));
    for (word, member) in [("enter", "enter"), ("leave", "leave")] {
        let moved = &plan[member];
        out.push_str(&format!("{} would {word}\n", moved["count"]));
        for sample in moved["samples"].as_array().into_iter().flatten() {
            let names: Vec<String> = sample["identities"].as_array().into_iter().flatten().map(identity).collect();
            out.push_str(&format!("  {}  {}\n", text(&sample["profile"]), names.join("  ")));
        }
    }
    for other in plan["follow"].as_array().into_iter().flatten() {
        let (enter, leave) = (&other["enter"]["count"], &other["leave"]["count"]);
        out.push_str(&format!(
            "audience {}, which names it: {enter} would enter, {leave} would leave\n",
            text(&other["name"])
        ));
    }
    for flow in plan["flows"].as_array().into_iter().flatten() {
        let disabled = if flow["enabled"] == true { "" } else { ", disabled" };
        let filtered = &flow["filtered"];
        let filtered = match filtered.as_object().is_some_and(|f| !f.is_empty()) {
            true => format!(", filtered {filtered}"),
            false => String::new(),
        };
        let exports = match flow["exports"].as_u64() {
            Some(1) => "1 export".to_owned(),
            _ => format!("{} exports", flow["exports"]),
        };
        out.push_str(&format!("dataflow {}{disabled}: {exports}{filtered}\n", text(&flow["name"])));
    }
    if plan["flows"].as_array().is_some_and(Vec::is_empty) {
        out.push_str("no dataflow maps it: no exports\n");
    }
    if plan["notEvaluatedYet"] != json!(0) {
        let count = &plan["notEvaluatedYet"];
        out.push_str(&format!(
            "the present rule is not evaluated yet for {count} profiles: they may count differently\n"
        ));
    }
    for warning in plan["warnings"].as_array().into_iter().flatten() {
        out.push_str(&format!("warning: {}\n", text(warning)));
    }
    out.push_str("nothing was changed\n");
    out
}
