//! `rivermouth pql`: check, explain, format and evaluate queries without a server.
//!
//! In: queries as arguments or files, profiles as JSON. Out: underlined diagnostics, explanations, values. Always:
//! one bad line of `--jsonl` gives an error line and the run goes on.

mod eval;

use crate::output;
use crate::template::read;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};
use model::Type;
use pql::{Diagnostics, Schema};

pub(crate) fn command() -> Command {
    Command::new("pql")
        .about("Check, explain, format and evaluate queries")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            with_query(Command::new("check").about("Show what is wrong with a query, underlined"))
                .args([schema_arg(), audience_arg()]),
        )
        .subcommand(
            with_query(Command::new("explain").about(
                "Show types, inputs, the fastest method and why not a faster one, and the estimated cost of a query",
            ))
            .args([schema_arg(), audience_arg()]),
        )
        .subcommand(
            with_query(Command::new("fmt").about("Write a query in its canonical form"))
                .arg(flag("check", "Change nothing; fail if the query would change"))
                .arg(flag("write", "Change the file in place").requires("file").conflicts_with("check"))
                .arg(flag("json", "Write the JSON form, pql/json").conflicts_with_all(["check", "write"])),
        )
        .subcommand(eval_command())
}

fn eval_command() -> Command {
    with_query(Command::new("eval").about("Evaluate a query over a profile, or many cases of a JSON-lines file"))
        .mut_group("query", |group| group.required(false))
        .long_about(
            "Evaluates EXPR over one profile, a JSON object whose member `xEvent` holds its events and whose \
             `segmentMembership` decides about `inSegment`, and prints the value as JSON.\n\nWith --jsonl every \
             line of standard input, or of --file, is one case: an object with `id`, `expr`, `profile` and `now` \
             (a date-time, or milliseconds since 1970). Every case gives one output line: {\"id\",\"value\"}, or \
             {\"id\",\"error\":{\"kind\",\"message\",\"line\",\"column\",…}}. A bad line gives an error line; the \
             run goes on.",
        )
        .arg(
            Arg::new("profile")
                .long("profile")
                .value_name("FILE|-")
                .help("JSON object with the profile; - is standard input [default: an empty profile]")
                .conflicts_with("jsonl"),
        )
        .arg(
            Arg::new("now")
                .long("now")
                .value_name("T")
                .help("Instant of the evaluation, such as 2026-03-18T10:30:00Z [default: the time]"),
        )
        .arg(schema_arg())
        .arg(flag("jsonl", "Evaluate one case per line").conflicts_with("expr"))
}

/// EXPR or `--file`.
fn with_query(command: Command) -> Command {
    command
        .arg(Arg::new("expr").value_name("EXPR").help("The query").allow_hyphen_values(true))
        .arg(Arg::new("file").long("file").value_name("FILE|-").help("Read it from a file; - is standard input"))
        .group(ArgGroup::new("query").args(["expr", "file"]).required(true))
}

fn schema_arg() -> Arg {
    Arg::new("schema")
        .long("schema")
        .value_name("FILE")
        .help("XDM schemas of profiles and events, resolved (xed-full): a JSON object or an array of them [default: any field]")
}

fn audience_arg() -> Arg {
    flag("audience", "The query must be true or false")
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

pub(crate) fn run(m: &ArgMatches) -> Result<(), String> {
    match m.subcommand() {
        Some(("check", m)) => check(m),
        Some(("explain", m)) => {
            let text = query(m)?;
            let told = pql::explain(&text, &schema(m)?, m.get_flag("audience")).map_err(|e| e.render(&text))?;
            output::text(&told.to_string());
            Ok(())
        }
        Some(("fmt", m)) => format(m),
        Some(("eval", m)) => eval::run(m),
        _ => Err("a command is needed: check, explain, fmt or eval".into()),
    }
}

/// What some editors write at the start of a file in UTF-8; it is no part of the text.
const MARK: char = '\u{FEFF}';

fn query(m: &ArgMatches) -> Result<String, String> {
    match (m.get_one::<String>("expr"), m.get_one::<String>("file")) {
        (Some(text), _) => Ok(text.clone()),
        (None, Some(path)) => read(path).map(|text| text.strip_prefix(MARK).unwrap_or(&text).to_owned()),
        (None, None) => Err("a query is needed: give EXPR or --file".into()),
    }
}

/// The types that `--schema` states; any field where it states none.
fn schema(m: &ArgMatches) -> Result<Schema, String> {
    let Some(path) = m.get_one::<String>("schema") else { return Ok(Schema::untyped()) };
    schema_of(&read(path)?).map_err(|e| format!("{path}: {e}"))
}

fn schema_of(text: &str) -> Result<Schema, String> {
    let documents: serde_json::Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let documents = match &documents {
        serde_json::Value::Array(all) => all.iter().collect(),
        one => vec![one],
    };
    let compiled = documents.into_iter().map(xdm::Schema::from_json).collect::<Result<Vec<_>, _>>();
    let compiled = compiled.map_err(|e| e.to_string())?;
    let of = |behavior: xdm::Behavior| {
        let found: Vec<_> = compiled.iter().filter(|schema| schema.behavior == behavior).collect();
        if found.is_empty() { Type::Any } else { xdm::union_type(found, behavior) }
    };
    Ok(Schema { profile: of(xdm::Behavior::Record), event: of(xdm::Behavior::TimeSeries) })
}

fn check(m: &ArgMatches) -> Result<(), String> {
    let told = checked(&query(m)?, &schema(m)?, m.get_flag("audience"))?;
    output::text(&told);
    Ok(())
}

/// What is to be told about a query; the error has all of its faults.
fn checked(text: &str, schema: &Schema, audience: bool) -> Result<String, String> {
    let faults = |faults: Diagnostics| faults.render(text);
    if audience { pql::compile_segment(text, schema) } else { pql::compile(text, schema) }.map_err(faults)?;
    let warnings = pql::warnings(&pql::parse(text).map_err(faults)?);
    Ok(warnings.iter().map(|warning| format!("warning: {}\n", warning.render(text))).collect())
}

fn format(m: &ArgMatches) -> Result<(), String> {
    let text = query(m)?;
    let faults = |faults: Diagnostics| faults.render(&text);
    if m.get_flag("json") {
        let json = pql::to_json(&pql::parse(&text).map_err(faults)?);
        let pretty = serde_json::to_string_pretty(&json).map_err(|e| e.to_string())?;
        output::line(&pretty);
        return Ok(());
    }
    let done = pql::format(&text).map_err(faults)?;
    let path = m.get_one::<String>("file");
    if m.get_flag("check") {
        let same = text.strip_suffix('\n').unwrap_or(&text) == done;
        let name = path.map_or("the query", String::as_str);
        return if same { Ok(()) } else { Err(format!("{name} is not formatted; its canonical form is\n{done}")) };
    }
    match path.filter(|path| m.get_flag("write") && *path != "-") {
        Some(path) => std::fs::write(path, done + "\n").map_err(|e| format!("cannot write {path}: {e}")),
        None => {
            output::line(&done);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
