//! The `rivermouth` command: serve, demo, and what operators ask a running server.
//!
//! No domain rules here: parse, call, print. Errors are one sentence on standard error, exit code 1.

mod author;
mod client;
mod demo;
mod operator;
mod output;
mod plan;
mod pql;
mod server;
mod settings;
mod signals;
mod template;
mod why;

use clap::{Arg, ArgAction, ArgMatches, Command};
use operator::asks;
use std::process::ExitCode;

fn command() -> Command {
    let json = || {
        let help = "text for people, json for machines";
        Arg::new("output")
            .long("output")
            .value_name("FORMAT")
            .value_parser(["text", "json"])
            .default_value("text")
            .help(help)
    };
    let flow = || Arg::new("flow").long("flow").value_name("ID").help("Only this flow");
    let ids = || Arg::new("ids").value_name("ID").action(ArgAction::Append).help("Only these; all without any");
    Command::new("rivermouth")
        .about("Self-hosted, real-time customer-data activation engine")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(settings::add_flags(Command::new("serve").about("Run the server")))
        .subcommand(demo_command().arg(json()))
        .subcommand(settings::add_flags(
            Command::new("rebuild").about("Make the store anew from snapshot and log; the server must be stopped"),
        ))
        .subcommand(
            asks("backup", "Copy the state of a running server into a new directory")
                .arg(Arg::new("to").required(true).value_name("DIR").help("A directory that does not exist yet")),
        )
        .subcommand(
            Command::new("clients")
                .about("API clients of a running server")
                .subcommand_required(true)
                .subcommand(asks("list", "List clients"))
                .subcommand(
                    asks("create", "Create a client and print its credentials").arg(
                        Arg::new("name")
                            .long("name")
                            .value_name("NAME")
                            .default_value("API client")
                            .help("What people call it"),
                    ),
                )
                .subcommand(
                    asks("rotate", "Give a client a new secret")
                        .arg(Arg::new("id").required(true).value_name("CLIENT_ID")),
                )
                .subcommand(
                    asks("revoke", "Remove a client").arg(Arg::new("id").required(true).value_name("CLIENT_ID")),
                ),
        )
        .subcommand(
            Command::new("flows")
                .about("Dataflows of a running server")
                .subcommand_required(true)
                .subcommand(asks("status", "Show ledger and latency of flows").arg(flow())),
        )
        .subcommand(
            Command::new("dead-letters")
                .about("Exports that could not be delivered")
                .subcommand_required(true)
                .subcommand(asks("list", "List dead letters and their reasons").arg(flow()))
                .subcommand(asks("replay", "Send the present state of their profiles again").arg(flow()).arg(ids())),
        )
        .subcommand(
            Command::new("quarantine")
                .about("Records that do not fit their schema")
                .subcommand_required(true)
                .subcommand(asks("list", "List records and their violations"))
                .subcommand(asks("replay", "Ingest records again; those that fit now leave the quarantine").arg(ids())),
        )
        .subcommand(
            Command::new("profiles").about("Profiles of a running server").subcommand_required(true).subcommand(
                asks("show", "Show one profile, its events and audiences")
                    .arg(Arg::new("namespace").required(true).value_name("NAMESPACE"))
                    .arg(Arg::new("id").required(true).value_name("ID"))
                    .arg(Arg::new("sandbox").long("sandbox").value_name("NAME").default_value("prod")),
            ),
        )
        .subcommand(author::command())
        .subcommand(asks("status", "Show what a running server holds"))
        .subcommand(why::command())
        .subcommand(
            <receiver::Args as clap::Args>::augment_args(Command::new("receiver"))
                .about("Run a small HTTP receiver for trying things out"),
        )
        .subcommand(plan::command())
        .subcommand(pql::command())
        .subcommand(template::command())
        .subcommand(Command::new("settings").about("Print the manual page of all settings"))
        .subcommand(completions_command())
}

fn demo_command() -> Command {
    let help = "Fresh directory [default: a temporary one]";
    Command::new("demo")
        .about("Run the main job on 69,659 real purchases and show what happened")
        .arg(Arg::new("exit").long("exit").action(ArgAction::SetTrue).help("Stop when done"))
        .arg(Arg::new("data-dir").long("data-dir").value_name("DIR").help(help))
}

fn completions_command() -> Command {
    let shells = clap::value_parser!(clap_complete::Shell);
    Command::new("completions")
        .about("Print shell completions")
        .arg(Arg::new("shell").required(true).value_name("SHELL").value_parser(shells))
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let matches = command().get_matches();
    match run(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            output::complain(&message);
            ExitCode::FAILURE
        }
    }
}

fn run(matches: &ArgMatches) -> Result<(), String> {
    match matches.subcommand() {
        Some(("serve", m)) => serve(m),
        Some(("demo", m)) => {
            start_logs(false, "warn");
            runtime()?.block_on(demo::run(m))
        }
        Some(("rebuild", m)) => {
            let settings = settings::read(m)?;
            start_logs(settings.log_json, &settings.log_level);
            let done = server::rebuild(&settings)?;
            output::line(&done.to_string());
            Ok(())
        }
        Some(("receiver", m)) => receive(m),
        Some(("pql", m)) => pql::run(m),
        Some(("template", m)) => template::run(m),
        Some(("settings", _)) => {
            output::text(&settings::markdown());
            Ok(())
        }
        Some(("completions", m)) => {
            if let Some(shell) = m.get_one::<clap_complete::Shell>("shell") {
                clap_complete::generate(*shell, &mut command(), "rivermouth", &mut std::io::stdout());
            }
            Ok(())
        }
        Some(("plan", m)) => runtime()?.block_on(plan::run(m)),
        Some(("why", m)) => runtime()?.block_on(why::run(m)),
        Some(("author", m)) => runtime()?.block_on(author::run(m)),
        Some((name, m)) => runtime()?.block_on(operator::run(name, m)),
        None => Err("a command is needed".into()),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| format!("cannot start the runtime: {e}"))
}

fn start_logs(json: bool, level: &str) {
    let filter = tracing_subscriber::EnvFilter::try_new(level).unwrap_or_else(|_| "info".into());
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process keeps the first logger.
    let _ = if json { logs.json().try_init() } else { logs.try_init() };
}

fn serve(matches: &ArgMatches) -> Result<(), String> {
    let settings = settings::read(matches)?;
    start_logs(settings.log_json, &settings.log_level);
    runtime()?.block_on(async {
        let mut server = server::Server::start(settings).await?;
        if let Some(credentials) = &server.fresh_credentials {
            let pretty = serde_json::to_string_pretty(credentials).map_err(|e| e.to_string())?;
            output::line("First start. These credentials are shown once; they are also in credentials.json:");
            output::line(&pretty);
        }
        output::line(&format!("rivermouth is listening on {}", server.url));
        server.signals.stop().await;
        server.stop().await
    })
}

fn receive(matches: &ArgMatches) -> Result<(), String> {
    let args = <receiver::Args as clap::FromArgMatches>::from_arg_matches(matches).map_err(|e| e.to_string())?;
    let options = receiver::Options::try_from(args).map_err(|e| e.to_string())?;
    runtime()?.block_on(async {
        let mut signals = signals::Signals::listen()?;
        let running = receiver::serve(options).await.map_err(|e| e.to_string())?;
        output::line(&format!("receiver is listening on {}", running.url("/")));
        signals.stop().await;
        running.stop().await;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_sound() {
        super::command().debug_assert();
    }
}
