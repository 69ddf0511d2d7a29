//! `rivermouth template`: render, check and format Pebble templates without a server.
//!
//! In: files or standard input. Out: rendered text, one JSON line a case, or underlined errors. Always: one bad
//! line of `--jsonl` gives an error line and the run goes on.

use crate::output;
use clap::{Arg, ArgAction, ArgMatches, Command};
use pebble::{Error, Limits, Options, Template, Templates, Value, format_source};
use std::io::{BufRead, Read, Write};
use std::path::Path;

pub(crate) fn command() -> Command {
    Command::new("template")
        .about("Render, check and format Pebble templates")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(render_command())
        .subcommand(
            Command::new("check")
                .about("Compile templates and show what is wrong with them, underlined")
                .arg(files())
                .args(reading()),
        )
        .subcommand(
            Command::new("fmt")
                .about("Space the code of templates evenly; what they render stays the same")
                .arg(files())
                .arg(flag("write", "Change the files in place").conflicts_with("check"))
                .arg(flag("check", "Change nothing; fail if a file would change"))
                .args(reading()),
        )
}

fn render_command() -> Command {
    Command::new("render")
        .about("Render a template, or many cases of a JSON-lines file")
        .long_about(
            "Renders FILE with a JSON object as its context and prints the result as it is, without a line break \
             at its end.\n\nWith --jsonl every input line is one case: an object with `id`, `template`, `context`, \
             and if need be `autoescape`, `strict`, `newline_trim` (booleans), `templates` (other templates by \
             name, for include, extends, embed and import) and `destination` (a boolean). Every case gives one \
             output line: {\"id\",\"output\"}, or {\"id\",\"error\":{\"phase\",\"message\",\"line\",\"column\"}} \
             with the phase `parse` or `render`. A bad line gives an error line; the run goes on.",
        )
        .arg(Arg::new("file").value_name("FILE").help("The template; with --jsonl the cases [default there: -]"))
        .arg(
            Arg::new("context")
                .long("context")
                .value_name("FILE|-")
                .help("JSON object with the variables; - is standard input [default: none]")
                .conflicts_with("jsonl"),
        )
        .arg(flag("jsonl", "Render one case per line"))
        .arg(flag("no-autoescape", "Print without escaping for HTML"))
        .arg(flag("strict", "Missing variables and attributes are errors"))
        .args(reading())
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn files() -> Arg {
    Arg::new("files").value_name("FILE").required(true).action(ArgAction::Append).help("Templates; - is standard input")
}

/// How a source is read.
fn reading() -> [Arg; 3] {
    [
        flag("destination", "What destinations may use: fewer tags, Adobe's own names, line breaks stay"),
        flag("no-newline-trim", "Keep the line break after a closing delimiter"),
        flag("path-macros", "Look up {{ dotted.path-with-hyphens }} first, as audience templates do"),
    ]
}

fn options(m: &ArgMatches) -> Options {
    let set = |name: &str| matches!(m.try_get_one::<bool>(name), Ok(Some(true)));
    let base = if set("destination") { Options::destination() } else { Options::default() };
    Options {
        autoescape: base.autoescape && !set("no-autoescape"),
        strict: set("strict"),
        newline_trim: base.newline_trim && !set("no-newline-trim"),
        path_macros: set("path-macros"),
        ..base
    }
}

pub(crate) fn run(m: &ArgMatches) -> Result<(), String> {
    match m.subcommand() {
        Some(("render", m)) if m.get_flag("jsonl") => lines(m),
        Some(("render", m)) => render(m),
        Some(("check", m)) => check(m),
        Some(("fmt", m)) => format_files(m),
        _ => Err("a command is needed: render, check or fmt".into()),
    }
}

/// The text of a file, or of standard input for `-`.
pub(crate) fn read(path: &str) -> Result<String, String> {
    let mut text = String::new();
    let done = if path == "-" {
        std::io::stdin().lock().read_to_string(&mut text).map(|_| ())
    } else {
        std::fs::read_to_string(path).map(|read| text = read)
    };
    done.map_err(|e| format!("cannot read {path}: {e}"))?;
    Ok(text)
}

fn render(m: &ArgMatches) -> Result<(), String> {
    let path = m.get_one::<String>("file").ok_or("a template is needed: give FILE, or - for standard input")?;
    let context = match m.get_one::<String>("context") {
        Some(from) if from == "-" && path == "-" => return Err("template and context cannot both be -".into()),
        Some(from) => Value::parse_json(&read(from)?).map_err(|e| format!("{from}: {e}"))?,
        None => Value::map([]),
    };
    let options = options(m);
    let template = Template::compile(path, &read(path)?, &options).map_err(|e| e.to_string())?;
    let mut out = String::new();
    let set = neighbours(path, &options);
    template.render_in(&set, &context, &mut out, &Limits::default()).map_err(|e| e.to_string())?;
    output::text(&out);
    Ok(())
}

/// The files beside a template, for `include` and its like.
fn neighbours(path: &str, options: &Options) -> Templates {
    let mut set = Templates::new(options.clone());
    let directory =
        Path::new(path).parent().map_or(Path::new("."), |p| if p.as_os_str().is_empty() { Path::new(".") } else { p });
    let entries = if path == "-" { None } else { std::fs::read_dir(directory).ok() };
    for entry in entries.into_iter().flatten().flatten() {
        const BYTES_MAX: u64 = 1 << 20;
        let small = entry.metadata().is_ok_and(|m| m.is_file() && m.len() <= BYTES_MAX);
        if let (true, Ok(source), Some(name)) =
            (small, std::fs::read_to_string(entry.path()), entry.file_name().to_str())
        {
            set.insert(name, source);
        }
    }
    set
}

fn lines(m: &ArgMatches) -> Result<(), String> {
    let path = m.get_one::<String>("file").map_or("-", String::as_str);
    let input: Box<dyn BufRead> = if path == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::io::BufReader::new(std::fs::File::open(path).map_err(|e| format!("cannot read {path}: {e}"))?))
    };
    let defaults = options(m);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in input.split(b'\n') {
        let line = line.map_err(|e| format!("cannot read {path}: {e}"))?;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        // A closed pipe ends the run in good order.
        if writeln!(out, "{}", answer(&line, &defaults).to_json()).is_err() {
            return Ok(());
        }
    }
    let _ = out.flush();
    Ok(())
}

/// What one case gives, as an object.
fn answer(line: &[u8], defaults: &Options) -> Value {
    let bad = |id: Value, message: String| {
        let error = [("phase".into(), "parse".into()), ("message".into(), Value::string(message))];
        Value::map([("id".into(), id), ("error".into(), Value::map(error))])
    };
    let case = match std::str::from_utf8(line).map_err(|e| e.to_string()).and_then(Value::parse_json) {
        Ok(Value::Map(case)) => case,
        Ok(_) => return bad(Value::Null, "a case is a JSON object".into()),
        Err(message) => return bad(Value::Null, message),
    };
    let id = case.get("id").cloned().unwrap_or(Value::Null);
    match render_case(&case, defaults) {
        Ok(Ok(output)) => Value::map([("id".into(), id), ("output".into(), Value::string(output))]),
        Ok(Err(error)) => {
            let fields = [
                ("phase".into(), error.phase.as_str().into()),
                ("message".into(), Value::string(error.message)),
                ("line".into(), Value::int(error.line as i64)),
                ("column".into(), Value::int(error.column as i64)),
            ];
            Value::map([("id".into(), id), ("error".into(), Value::map(fields))])
        }
        Err(message) => bad(id, message),
    }
}

/// The outer error is a fault of the case itself.
fn render_case(case: &pebble::Map, defaults: &Options) -> Result<Result<String, Error>, String> {
    let flag = |name: &str, default: bool| match case.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(Value::Bool(value)) => Ok(*value),
        Some(other) => Err(format!("/{name}: a boolean is needed, given {}", other.to_json())),
    };
    let base = if flag("destination", false)? { Options::destination() } else { defaults.clone() };
    let options = Options {
        autoescape: flag("autoescape", base.autoescape)?,
        strict: flag("strict", base.strict)?,
        newline_trim: flag("newline_trim", base.newline_trim)?,
        path_macros: flag("path_macros", base.path_macros)?,
        ..base
    };
    let Some(Value::Str(source)) = case.get("template") else { return Err("/template: a string is needed".into()) };
    let mut set = Templates::new(options.clone());
    match case.get("templates") {
        None | Some(Value::Null) => {}
        Some(Value::Map(others)) => {
            for (name, source) in others.texts() {
                set.insert(name, source.ok_or_else(|| format!("/templates/{name}: a string is needed"))?);
            }
        }
        Some(_) => return Err("/templates: an object of names and sources is needed".into()),
    }
    let context = match case.get("context") {
        None | Some(Value::Null) => Value::map([]),
        Some(Value::Map(map)) => Value::Map(map.clone()),
        Some(_) => return Err("/context: an object is needed".into()),
    };
    let mut out = String::new();
    let rendered = Template::compile("template", source, &options)
        .and_then(|template| template.render_in(&set, &context, &mut out, &Limits::default()));
    Ok(rendered.map(|()| out))
}

fn paths(m: &ArgMatches) -> impl Iterator<Item = &String> {
    m.get_many::<String>("files").into_iter().flatten()
}

fn check(m: &ArgMatches) -> Result<(), String> {
    let options = options(m);
    let mut wrong = Vec::new();
    for path in paths(m) {
        if let Err(error) = Template::compile(path, &read(path)?, &options) {
            wrong.push(error.to_string());
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n\n")) }
}

fn format_files(m: &ArgMatches) -> Result<(), String> {
    let options = options(m);
    let mut wrong = Vec::new();
    for path in paths(m) {
        let source = read(path)?;
        match format_source(path, &source, &options) {
            Err(error) => wrong.push(error.to_string()),
            Ok(done) if m.get_flag("check") => {
                if done != source {
                    wrong.push(format!("{path} is not formatted; run `rivermouth template fmt --write {path}`"));
                }
            }
            Ok(done) if m.get_flag("write") && path != "-" => {
                if done != source {
                    std::fs::write(path, done).map_err(|e| format!("cannot write {path}: {e}"))?;
                }
            }
            Ok(done) => output::text(&done),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(line: &str) -> String {
        answer(line.as_bytes(), &Options::default()).to_json()
    }

    #[test]
    fn every_line_has_an_answer() {
        for (line, expected) in [
            (r#"{"id":"a","template":"{{ x }}!","context":{"x":1}}"#, r#"{"id":"a","output":"1!"}"#),
            (
                r#"{"id":"b","template":"{{ }}","context":{}}"#,
                r#"{"id":"b","error":{"phase":"parse","message":"a value expected, but `}}` closes too early","line":1,"column":4}}"#,
            ),
            (
                r#"{"id":7,"template":3}"#,
                r#"{"id":7,"error":{"phase":"parse","message":"/template: a string is needed"}}"#,
            ),
            (r#"{"id":"c","template":"{% include 'n' %}","templates":{"n":"N"}}"#, r#"{"id":"c","output":"N"}"#),
        ] {
            assert_eq!(given(line), expected, "{line}");
        }
        assert!(given("not json").contains("\"id\":null"));
        assert!(given(r#"{"id":"d","template":"{{ 1 / 0 }}"}"#).contains("\"phase\":\"render\""));
    }
}
