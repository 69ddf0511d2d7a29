//! `rivermouth author`: the author's side of destinations.

mod dev;
mod files;
mod junit;
mod locate;
mod mapping;
mod new;
mod project;
mod proxy;
mod pull;
mod push;
mod recording;
mod remote;
mod render;
mod review;
mod scrub;
mod test;
mod validate;

use clap::builder::PossibleValuesParser;
use clap::{ArgMatches, Args, FromArgMatches, Subcommand};
use project::Project;
use std::path::PathBuf;

/// Author destinations: make, check, try, push and review them
#[derive(Debug, Subcommand)]
enum Action {
    /// Make a folder to start from
    New {
        /// The folder, which is not there yet
        dir: PathBuf,
        /// The sample
        #[arg(long, value_name = "SAMPLE", default_value = "minimal-streaming", value_parser = PossibleValuesParser::new(new::names()))]
        from: String,
    },
    /// Say everything that is wrong with a destination, with file and line
    Validate {
        /// The destination's folder
        dir: PathBuf,
    },
    /// Show the requests that would leave, or the files
    Render {
        /// The destination's folder
        dir: PathBuf,
        /// Only these cases; * stands for any text
        #[arg(long, value_name = "NAME")]
        case: Option<String>,
        /// Profiles (YAML or JSON) in the place of those of the case
        #[arg(long, value_name = "FILE")]
        profiles: Option<PathBuf>,
    },
    /// Run the golden cases, and generated ones
    Test {
        /// The destination's folder
        dir: PathBuf,
        /// Write what leaves now into the cases, as what they expect
        #[arg(long)]
        accept: bool,
        /// Write a report for build servers
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
        /// Only these cases; * stands for any text
        #[arg(long, value_name = "GLOB")]
        case: Option<String>,
    },
    /// Watch a destination's folder; show on a local page what every case sends
    Dev {
        /// The destination's folder
        dir: PathBuf,
        /// Port of the page; 0 takes a free one
        #[arg(long, value_name = "PORT", default_value = "8099")]
        port: u16,
        /// Send the requests to this receiver as well, and show its answers
        #[arg(long, value_name = "URL")]
        to: Option<String>,
    },
    /// Create or update the destination on a server
    Push {
        /// The destination's folder
        dir: PathBuf,
        #[command(flatten)]
        server: remote::Server,
    },
    /// Write a server's destination into a folder
    Pull {
        /// The destination's id (instanceId)
        #[arg(value_name = "DESTINATION_ID")]
        id: String,
        /// The folder
        dir: PathBuf,
        #[command(flatten)]
        server: remote::Server,
        /// Replace files that are there
        #[arg(long)]
        force: bool,
    },
    /// Keep what a destination asks a receiver and what it answers, without secrets
    Record {
        /// The destination's folder
        dir: PathBuf,
        /// Port for the destination's requests; 0 takes a free one
        #[arg(long, value_name = "PORT")]
        listen: u16,
        /// The receiver
        #[arg(long, value_name = "URL")]
        to: String,
    },
    /// Answer as was recorded
    Replay {
        /// The destination's folder
        dir: PathBuf,
        /// Port for the destination's requests; 0 takes a free one
        #[arg(long, value_name = "PORT")]
        listen: u16,
    },
    /// Publish requests of a running server
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Review(review::Review),
}

#[derive(Debug, Args)]
struct Author {
    #[command(subcommand)]
    action: Action,
}

/// The command line of `rivermouth author`.
pub(crate) fn command() -> clap::Command {
    let command = clap::Command::new("author");
    Author::augment_args(command).subcommand_required(true).arg_required_else_help(true)
}

/// Runs `rivermouth author …`.
pub(crate) async fn run(matches: &ArgMatches) -> Result<(), String> {
    let author = Author::from_arg_matches(matches).map_err(|error| error.to_string())?;
    match author.action {
        Action::New { dir, from } => new::run(&dir, &from),
        Action::Validate { dir } => validate::run(&Project::load(&dir)?),
        Action::Render { dir, case, profiles } => {
            render::run(&Project::load(&dir)?, case.as_deref(), profiles.as_deref())
        }
        Action::Test { dir, accept, junit, case } => {
            let options = test::Options { accept, junit: junit.as_deref(), case: case.as_deref() };
            test::at(&dir, &options)
        }
        Action::Dev { dir, port, to } => dev::run(&dir, port, to.as_deref()).await,
        Action::Push { dir, server } => push::run(&Project::load(&dir)?, &server).await,
        Action::Pull { id, dir, server, force } => pull::run(&id, &dir, &server, force).await,
        Action::Record { dir, listen, to } => proxy::record(&dir, listen, &to).await,
        Action::Replay { dir, listen } => proxy::replay(&dir, listen).await,
        Action::Review(review) => review.run().await,
    }
}

#[cfg(test)]
mod tests;
