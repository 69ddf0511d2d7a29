//! `rivermouth demo`: the main job, end to end, on real purchases (CDNOW).
//!
//! Starts a server in a fresh directory and a receiver, sets everything up through the public API,
//! streams every purchase, waits until all is worked off, shows what came of it, then sends a small
//! second wave and shows that exactly the profiles that changed leave.

mod cdnow;
mod setup;
mod stream;
mod summary;

use crate::client::Client;
use crate::output::line;
use crate::server::Server;
use crate::settings;
use clap::ArgMatches;
use model::Timestamp;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use summary::Summary;

/// Profiles that buy again in the second wave.
const WAVE: usize = 25;

pub(crate) async fn run(matches: &ArgMatches) -> Result<(), String> {
    let machine = matches.get_one::<String>("output").is_some_and(|o| o == "json");
    let given = matches.get_one::<String>("data-dir").map(PathBuf::from);
    let directory = given.clone().unwrap_or_else(temporary);
    if directory.exists() && std::fs::read_dir(&directory).is_ok_and(|mut d| d.next().is_some()) {
        return Err(format!("--data-dir: {} is not empty; the demo wants a fresh directory", directory.display()));
    }
    let result = play(matches.get_flag("exit"), machine, &directory).await;
    if given.is_none() && matches.get_flag("exit") {
        std::fs::remove_dir_all(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    }
    result
}

fn temporary() -> PathBuf {
    std::env::temp_dir().join(format!("rivermouth-demo-{}", model::Xid(access::fresh())))
}

async fn play(exit: bool, machine: bool, directory: &std::path::Path) -> Result<(), String> {
    let receiver = setup::receiver().await?;
    let settings = settings::with(&[
        ("data-dir", directory.display().to_string()),
        ("listen", "127.0.0.1:0".into()),
        ("allow-private-targets", "true".into()),
    ])?;
    let mut server = Server::start(settings).await?;
    let credentials = server.fresh_credentials.clone().ok_or("the directory was not fresh")?;
    if !machine {
        line(&format!("server    {}", server.url));
        line(&format!("receiver  {}", receiver.url("/")));
        line(&format!("data      {}", directory.display()));
        line("");
    }
    let told = tokio::select! {
        done = main_job(&server.url, &credentials, directory, &receiver, machine) => done.map(Some),
        () = server.signals.stop() => Ok(None),
    };
    if let Ok(Some(summary)) = &told {
        summary.print(machine);
        if !exit {
            if !machine {
                line(&format!(
                    "The server stays up at {} (credentials: {}/credentials.json). Ctrl-C stops it.",
                    server.url,
                    directory.display()
                ));
            }
            server.signals.stop().await;
        }
    }
    server.stop().await?;
    receiver.stop().await;
    let summary = told?.ok_or("stopped before the end")?;
    match (summary.is_balanced(), summary.is_exact()) {
        (true, true) => Ok(()),
        (false, _) => Err("the ledger is not balanced".into()),
        (true, false) => Err("the second wave did not export exactly the profiles that changed".into()),
    }
}

/// Sets all up, streams every purchase and then the second wave.
async fn main_job(
    url: &str,
    credentials: &Json,
    directory: &std::path::Path,
    receiver: &receiver::Running,
    machine: bool,
) -> Result<Summary, String> {
    let operator = Client::operator(directory)?;
    let world = setup::set_up(url, credentials, &receiver.url("/profiles"), &receiver.url("/token")).await?;
    let purchases = cdnow::purchases(Timestamp(settings_now()))?;
    let items = cdnow::items(&purchases);
    let events = purchases.len();
    #[expect(clippy::disallowed_methods, reason = "measures the speed of the stream")]
    let started = Instant::now();
    let count = items.len();
    stream::send(url, &world, items, !machine).await?;
    wait_applied(&operator).await?;
    let ingest_seconds = started.elapsed().as_secs_f64();
    wait_delivered(&operator).await?;
    let status = operator.call("GET", "/rivermouth/status", None).await?;
    let flows = operator.call("GET", "/rivermouth/flows", None).await?;
    let wave = second_wave(url, &world, &operator, &purchases, receiver).await?;
    let why = why(&operator, &wave).await?;
    Ok(Summary { events, ingest_seconds, items: count, status, flows, wave, why })
}

fn settings_now() -> i64 {
    clock::Clock::system().now().0
}

/// Waits until everything accepted is applied.
async fn wait_applied(operator: &Client) -> Result<Json, String> {
    wait(operator, "/rivermouth/backlog", |body| body["backlog"] == json!(0)).await
}

/// Waits until no export is waiting.
async fn wait_delivered(operator: &Client) -> Result<Json, String> {
    wait_applied(operator).await?;
    let idle = |body: &Json| {
        body["flows"].as_array().is_some_and(|flows| flows.iter().all(|f| f["ledger"]["waiting"] == json!(0)))
    };
    wait(operator, "/rivermouth/flows", idle).await
}

#[expect(clippy::disallowed_methods, reason = "waits for a real server to come to rest")]
async fn wait(operator: &Client, path: &str, done: impl Fn(&Json) -> bool) -> Result<Json, String> {
    let started = Instant::now();
    loop {
        let body = operator.call("GET", path, None).await?;
        if done(&body) {
            return Ok(body);
        }
        if started.elapsed() > Duration::from_secs(600) {
            return Err(format!("{path} did not come to rest within ten minutes: {body}"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Why the first customer of the second wave is not lapsed any more.
async fn why(operator: &Client, wave: &Json) -> Result<Json, String> {
    let customer = wave["customers"][0].as_str().ok_or("no customer had lapsed")?;
    let path = format!("/rivermouth/why?profile={}:{}&audience=lapsed", cdnow::CRM, cdnow::crm(customer));
    operator.call("GET", &path, None).await
}

/// Lapsed customers buy once more: exactly they must leave.
async fn second_wave(
    url: &str,
    world: &setup::World,
    operator: &Client,
    purchases: &[cdnow::Purchase],
    receiver: &receiver::Running,
) -> Result<Json, String> {
    let now = settings_now();
    let customers = cdnow::lapsed(purchases, Timestamp(now), WAVE);
    let before = receiver.counts().requests;
    let items = cdnow::wave(&customers, Timestamp(now));
    let events = items.len();
    stream::send(url, world, items, false).await?;
    wait_delivered(operator).await?;
    let exports = receiver.counts().requests - before;
    let kept = receiver.records();
    let newest = kept.len().saturating_sub(usize::try_from(exports).unwrap_or(usize::MAX));
    let left: BTreeSet<String> = kept[newest..].iter().filter_map(|r| cdnow::customer_of(&r.body)).collect();
    let wanted: BTreeSet<String> = customers.iter().map(|c| (*c).to_owned()).collect();
    Ok(json!({
        "events": events, "profiles": customers.len(), "customers": customers, "exports": exports,
        "exactly_those_that_changed": left == wanted && exports == customers.len() as u64,
    }))
}
