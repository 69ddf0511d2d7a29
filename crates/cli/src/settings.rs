//! Every setting of `rivermouth serve`, in one table: flags, environment, TOML keys and the manual
//! page come from it.
//!
//! Precedence: flag, then environment (`RIVERMOUTH_…`), then the file of `--config`, then default.
//! An unknown key of the file, or a value that does not parse, is an error that names the key.

use clap::{Arg, ArgAction, ArgMatches, Command};
use clock::Clock;
use delivery::Egress;
use model::Timestamp;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// One setting.
pub(crate) struct Setting {
    /// Flag and TOML key.
    pub(crate) name: &'static str,
    /// What kind of value.
    pub(crate) value: &'static str,
    /// The default, as text; empty for none.
    pub(crate) default: &'static str,
    /// What it does.
    pub(crate) help: &'static str,
}

const fn setting(name: &'static str, value: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, value, default, help }
}

/// The table.
#[rustfmt::skip]
pub(crate) const SETTINGS: &[Setting] = &[
    setting("data-dir", "DIR", "rivermouth-data", "Directory that holds everything: log, store, snapshots, keys"),
    setting("listen", "ADDRESS", "127.0.0.1:8080", "Address and port to listen on; port 0 takes a free one"),
    setting("public-url", "URL", "", "How clients reach this server; inlet URLs begin with it (default: http:// and the address)"),
    setting("tenant", "NAME", "rivermouth", "Tenant name, used at first start; tenant fields live under _NAME"),
    setting("partitions", "COUNT", "64", "Virtual partitions, fixed at first start"),
    setting("workers", "COUNT", "0", "Partition worker threads; 0 takes one per core"),
    setting("cache-mb", "MB", "64", "Memory for decoded profiles"),
    setting("store-cache-mb", "MB", "32", "Memory for blocks of the store"),
    setting("backlog-mb", "MB", "64", "Accepted bytes that may wait to be applied before ingest answers 503"),
    setting("event-future-minutes", "MINUTES", "5", "How far an event's timestamp may lie in the future"),
    setting("snapshot-minutes", "MINUTES", "60", "Time between checked snapshots, after which the log is trimmed; 0 for none"),
    setting("allow-private-targets", "BOOL", "false", "Let destinations be private, loopback and link-local addresses"),
    setting("allow-targets", "LIST", "", "Hosts, addresses and networks (CIDR) that destinations may reach although they are private"),
    setting("retry", "POLICY", "default", "Retries of connections that choose none: default (8 attempts over 24 h) or aep (3 attempts)"),
    setting("clock", "CLOCK", "system", "system, or manual=TIME for tests: time then stands still until POST /rivermouth/clock"),
    setting("log-format", "FORMAT", "text", "Format of the logs on standard error: text or json"),
    setting("log-level", "LEVEL", "info", "error, warn, info, debug or trace, also per module (engine=debug,info)"),
];

/// The settings of one run, parsed.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) public_url: Option<String>,
    pub(crate) tenant: String,
    pub(crate) partitions: u16,
    pub(crate) workers: usize,
    pub(crate) cache_bytes: usize,
    pub(crate) store_cache_bytes: u64,
    pub(crate) backlog_bytes_max: u64,
    pub(crate) future_ms_max: i64,
    pub(crate) snapshot_minutes: u64,
    pub(crate) egress: Egress,
    pub(crate) retry_aep: bool,
    pub(crate) clock: Clock,
    pub(crate) log_json: bool,
    pub(crate) log_level: String,
}

/// The environment variable of a setting.
pub(crate) fn variable(name: &str) -> String {
    format!("RIVERMOUTH_{}", name.to_uppercase().replace('-', "_"))
}

/// Adds the flags of all settings.
pub(crate) fn add_flags(command: Command) -> Command {
    let config = Arg::new("config").long("config").value_name("FILE").help("TOML file with any of these settings");
    SETTINGS.iter().fold(command.arg(config), |command, s| {
        let help = match s.default {
            "" => format!("{} [env: {}]", s.help, variable(s.name)),
            default => format!("{} [default: {default}] [env: {}]", s.help, variable(s.name)),
        };
        command.arg(Arg::new(s.name).long(s.name).value_name(s.value).help(help).action(ArgAction::Set))
    })
}

/// Reads the settings of a run.
pub(crate) fn read(matches: &ArgMatches) -> Result<Settings, String> {
    let file = match matches.get_one::<String>("config") {
        Some(path) => read_file(path)?,
        None => BTreeMap::new(),
    };
    let value = |name: &str| -> String {
        let flag = matches.get_one::<String>(name).cloned();
        let from_env = || std::env::var(variable(name)).ok();
        let from_table = || SETTINGS.iter().find(|s| s.name == name).map(|s| s.default.to_owned());
        flag.or_else(from_env).or_else(|| file.get(name).cloned()).or_else(from_table).unwrap_or_default()
    };
    parse(&value)
}

/// The settings with some values given, others at their defaults. For runs inside this process.
pub(crate) fn with(given: &[(&str, String)]) -> Result<Settings, String> {
    parse(&|name| {
        let set = given.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone());
        let default = || SETTINGS.iter().find(|s| s.name == name).map(|s| s.default.to_owned());
        set.or_else(default).unwrap_or_default()
    })
}

fn read_file(path: &str) -> Result<BTreeMap<String, String>, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("--config {path}: {e}"))?;
    let table: toml::Table = text.parse().map_err(|e| format!("--config {path}: {e}"))?;
    let mut values = BTreeMap::new();
    for (key, value) in table {
        if !SETTINGS.iter().any(|s| s.name == key) {
            return Err(format!("--config {path}: there is no setting {key:?}"));
        }
        let text = scalar(&value).or_else(|| {
            let items: Option<Vec<String>> = value.as_array()?.iter().map(scalar).collect();
            Some(items?.join(","))
        });
        let text =
            text.ok_or_else(|| format!("--config {path}: {key} must be text, a number, true, false or a list"))?;
        values.insert(key, text);
    }
    Ok(values)
}

fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(s) => Some(s.clone()),
        toml::Value::Integer(i) => Some(i.to_string()),
        toml::Value::Boolean(b) => Some(b.to_string()),
        _ => None,
    }
}

fn parse(value: &dyn Fn(&str) -> String) -> Result<Settings, String> {
    let listen = value("listen");
    Ok(Settings {
        data_dir: PathBuf::from(value("data-dir")),
        listen: listen
            .parse()
            .map_err(|_| format!("listen: {listen:?} is not an address and port such as 127.0.0.1:8080"))?,
        public_url: Some(value("public-url")).filter(|u| !u.is_empty()).map(|u| u.trim_end_matches('/').to_owned()),
        tenant: value("tenant"),
        partitions: number(value, "partitions", 1, 4096)? as u16,
        workers: number(value, "workers", 0, 256)? as usize,
        cache_bytes: number(value, "cache-mb", 1, 1 << 20)? as usize * (1 << 20),
        store_cache_bytes: number(value, "store-cache-mb", 1, 1 << 20)? * (1 << 20),
        backlog_bytes_max: number(value, "backlog-mb", 1, 1 << 20)? * (1 << 20),
        future_ms_max: number(value, "event-future-minutes", 0, 1 << 20)? as i64 * 60_000,
        snapshot_minutes: number(value, "snapshot-minutes", 0, 1 << 20)?,
        egress: egress(value)?,
        retry_aep: choice(value, "retry", &["default", "aep"])? == "aep",
        clock: clock(&value("clock"))?,
        log_json: choice(value, "log-format", &["text", "json"])? == "json",
        log_level: value("log-level"),
    })
}

fn number(value: &dyn Fn(&str) -> String, name: &str, min: u64, max: u64) -> Result<u64, String> {
    let text = value(name);
    let parsed = text.parse::<u64>().ok().filter(|n| (min..=max).contains(n));
    parsed.ok_or_else(|| format!("{name}: must be a whole number from {min} to {max}, is {text:?}"))
}

fn choice(value: &dyn Fn(&str) -> String, name: &str, choices: &[&str]) -> Result<String, String> {
    let text = value(name);
    if choices.contains(&text.as_str()) {
        return Ok(text);
    }
    Err(format!("{name}: must be one of {}, is {text:?}", choices.join(", ")))
}

fn egress(value: &dyn Fn(&str) -> String) -> Result<Egress, String> {
    let allow_private = choice(value, "allow-private-targets", &["true", "false"])? == "true";
    let list = value("allow-targets");
    let allow = list
        .split(',')
        .map(str::trim)
        .filter(|t| !t.is_empty())
        .map(|t| t.parse().map_err(|e| format!("allow-targets: {t:?}: {e}")))
        .collect::<Result<_, _>>()?;
    Ok(Egress { allow_private, allow })
}

fn clock(text: &str) -> Result<Clock, String> {
    if text == "system" {
        return Ok(Clock::system());
    }
    let start = text.strip_prefix("manual=").and_then(Timestamp::parse_date_or_time);
    start.map(Clock::manual).ok_or_else(|| format!("clock: must be system or manual=TIME (RFC 3339), is {text:?}"))
}

/// The manual page of the table.
pub(crate) fn markdown() -> String {
    let mut out = String::from(
        "# Settings of `rivermouth serve`\n\nPrinted by `rivermouth settings`. A flag wins over the environment, the environment over the TOML file\nof `--config`, the file over the default. TOML keys are the flags without dashes in front.\n\n| flag | environment | default | meaning |\n| --- | --- | --- | --- |\n",
    );
    for s in SETTINGS {
        let default = if s.default.is_empty() { String::new() } else { format!("`{}`", s.default) };
        out.push_str(&format!("| `--{} {}` | `{}` | {default} | {} |\n", s.name, s.value, variable(s.name), s.help));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_names_the_setting_and_the_rule() {
        let error = |name: &str, value: &str| with(&[(name, value.to_owned())]).err().expect("refused");
        assert_eq!(error("partitions", "0"), "partitions: must be a whole number from 1 to 4096, is \"0\"");
        assert_eq!(error("retry", "often"), "retry: must be one of default, aep, is \"often\"");
        assert!(error("listen", "here").starts_with("listen: "));
        assert!(error("clock", "manual=soon").starts_with("clock: "));
    }

    #[test]
    fn the_manual_page_is_up_to_date() {
        let page = include_str!("../../../docs/settings.md");
        assert_eq!(page, markdown(), "run: cargo run -p cli -- settings > docs/settings.md");
    }
}
