//! `rivermouth author review`: the operator's word on publish requests.

use crate::client::Client;
use crate::output::line;
use clap::{Args, Subcommand};
use serde_json::Value as Json;
use std::path::PathBuf;

/// The command.
#[derive(Debug, Args)]
pub(crate) struct Review {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List publish requests, newest first
    List(Server),
    /// Let customers see what a request submitted
    Approve(Verdict),
    /// Refuse a request
    Deny(Verdict),
}

#[derive(Debug, Args)]
struct Verdict {
    /// The publish request (configId)
    #[arg(value_name = "CONFIG_ID")]
    id: String,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Args)]
struct Server {
    /// Directory of the server [default: rivermouth-data] [env: RIVERMOUTH_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// text for people, json for machines
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"], default_value = "text")]
    output: String,
}

impl Server {
    fn client(&self) -> Result<Client, String> {
        let given = self.data_dir.clone();
        let directory = given.or_else(|| std::env::var_os(crate::settings::variable("data-dir")).map(PathBuf::from));
        Client::operator(&directory.unwrap_or_else(|| "rivermouth-data".into()))
    }
}

const PATH: &str = "/rivermouth/authoring/reviews";

impl Review {
    /// Asks the server and prints its answer.
    pub(crate) async fn run(self) -> Result<(), String> {
        let (method, path, server) = match &self.action {
            Action::List(server) => ("GET", PATH.to_owned(), server),
            Action::Approve(verdict) => ("POST", format!("{PATH}/{}/approve", verdict.id), &verdict.server),
            Action::Deny(verdict) => ("POST", format!("{PATH}/{}/deny", verdict.id), &verdict.server),
        };
        let answer = server.client()?.call(method, &path, None).await?;
        if server.output == "json" {
            line(&answer.to_string());
            return Ok(());
        }
        match answer["reviews"].as_array() {
            Some(reviews) if reviews.is_empty() => line("no publish requests"),
            Some(reviews) => reviews.iter().for_each(|review| line(&row(review))),
            None => line(&format!("{} is {}", text(&answer["configId"]), text(&answer["status"]))),
        }
        Ok(())
    }
}

fn row(review: &Json) -> String {
    let [id, status, requested, sandbox, name] =
        ["configId", "status", "requested", "sandbox", "name"].map(|member| text(&review[member]));
    format!("{id}  {status}  {requested}  {sandbox}  {name}")
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}
