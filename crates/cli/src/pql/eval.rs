//! `rivermouth pql eval`: one query over one profile, or one case per line.

use super::{MARK, query, read, schema};
use crate::output;
use clap::ArgMatches;
use clock::Clock;
use model::{Timestamp, Value};
use pql::{Diagnostics, Person, Schema};
use serde_json::{Map, Value as Json, json};
use std::io::{BufRead, BufReader, Read, Write};

pub(super) fn run(m: &ArgMatches) -> Result<(), String> {
    let now = match m.get_one::<String>("now") {
        Some(text) => {
            Timestamp::parse_date_or_time(text).ok_or(format!("--now: a date-time is needed, given {text:?}"))?
        }
        None => Clock::system().now(),
    };
    let schema = schema(m)?;
    if m.get_flag("jsonl") {
        return lines(m, &schema, now);
    }
    let text = query(m)?;
    let person = match m.get_one::<String>("profile") {
        Some(path) if path == "-" && m.get_one::<String>("file").is_some_and(|file| file == "-") => {
            return Err("query and profile cannot both be -".into());
        }
        Some(path) => {
            let document = Value::from_json(read(path)?.as_bytes()).map_err(|e| format!("{path}: {e}"))?;
            Person::of(document).map_err(|e| format!("{path}: {e}"))?
        }
        None => Person::of(Value::Object(Vec::new()))?,
    };
    let compiled = pql::compile(&text, &schema).map_err(|e| e.render(&text))?;
    let outcome = person.at(now, |world| compiled.eval(world));
    if outcome.exhausted {
        return Err(too_much());
    }
    output::line(&pql::value_to_json(&outcome.value).to_string());
    Ok(())
}

fn lines(m: &ArgMatches, schema: &Schema, now: Timestamp) -> Result<(), String> {
    let path = m.get_one::<String>("file").map_or("-", String::as_str);
    let source: Box<dyn Read> = if path == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(path).map_err(|e| format!("cannot read {path}: {e}"))?)
    };
    let mut input = BufReader::new(source);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut line = Vec::new();
    let mut first = true;
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line).map_err(|e| format!("cannot read {path}: {e}"))? == 0 {
            break;
        }
        if std::mem::take(&mut first) {
            line = unmarked(&line).to_vec();
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        // A closed pipe ends the run in good order.
        if writeln!(out, "{}", answer(&line, schema, now)).is_err() {
            return Ok(());
        }
        // Who waits for an answer before asking again gets it.
        if input.buffer().is_empty() && out.flush().is_err() {
            return Ok(());
        }
    }
    let _ = out.flush();
    Ok(())
}

/// The first line without the mark that may stand before it.
pub(super) fn unmarked(line: &[u8]) -> &[u8] {
    line.strip_prefix(MARK.encode_utf8(&mut [0; 4]).as_bytes()).unwrap_or(line)
}

/// What one case gives, as an object.
pub(super) fn answer(line: &[u8], schema: &Schema, now: Timestamp) -> Json {
    let refused = |id: Json, message: String| json!({"id": id, "error": {"kind": "input", "message": message}});
    let case = match Value::from_json(line) {
        Ok(case @ Value::Object(_)) => case,
        Ok(_) => return refused(Json::Null, "a case is a JSON object".into()),
        Err(error) => return refused(Json::Null, format!("the line is no JSON: {error}")),
    };
    let id = case.get("id").to_json();
    match evaluated(case, schema, now) {
        Ok(Evaluated::Value(value)) => json!({"id": id, "value": value}),
        Ok(Evaluated::Refused(text, faults)) => json!({"id": id, "error": error(&text, &faults)}),
        Ok(Evaluated::Exhausted) => json!({"id": id, "error": {"kind": "limit", "message": too_much()}}),
        Err(message) => refused(id, message),
    }
}

/// Why a query has no value over a profile that it could be compiled for.
fn too_much() -> String {
    format!(
        "the evaluation was cut off after {} items or {} MiB of text and arrays: the query joins or makes too many",
        pql::WORK_MAX,
        pql::MADE_BYTES_MAX >> 20
    )
}

/// What a case can come to.
enum Evaluated {
    Value(Json),
    Refused(String, Diagnostics),
    Exhausted,
}

/// An error is a fault of the case itself.
fn evaluated(mut case: Value, schema: &Schema, now: Timestamp) -> Result<Evaluated, String> {
    let Value::Str(text) = case.take("expr") else { return Err("/expr: a string is needed".into()) };
    let now = match case.take("now") {
        Value::Null => now,
        Value::Int(ms) => Timestamp(ms),
        Value::Str(at) => Timestamp::parse_date_or_time(&at).ok_or("/now: a date-time is needed")?,
        _ => return Err("/now: a date-time or milliseconds since 1970 are needed".into()),
    };
    let profile = match case.take("profile") {
        Value::Null => Value::Object(Vec::new()),
        given => given,
    };
    let person =
        Person::of(profile).map_err(|e| format!("/profile{}{e}", if e.starts_with('/') { "" } else { ": " }))?;
    let compiled = match pql::compile(&text, schema) {
        Ok(compiled) => compiled,
        Err(faults) => return Ok(Evaluated::Refused(text.to_string(), faults)),
    };
    let outcome = person.at(now, |world| compiled.eval(world));
    Ok(if outcome.exhausted { Evaluated::Exhausted } else { Evaluated::Value(pql::value_to_json(&outcome.value)) })
}

/// The first fault, and all of them under `all` if there are more.
fn error(text: &str, faults: &Diagnostics) -> Json {
    let one = |fault: &pql::Diagnostic| {
        let (line, column) = fault.line_column(text);
        let mut told = Map::new();
        told.insert("kind".into(), fault.kind.name().into());
        told.insert("message".into(), fault.message.as_str().into());
        told.insert("line".into(), line.into());
        told.insert("column".into(), column.into());
        told.extend(fault.hint.iter().map(|hint| ("hint".to_owned(), Json::from(hint.as_str()))));
        told
    };
    let mut told = one(faults.first());
    let all: Vec<Json> = faults.iter().map(|fault| Json::Object(one(fault))).collect();
    if all.len() > 1 {
        told.insert("all".into(), all.into());
    }
    Json::Object(told)
}
