//! What a receiver is started with.

use crate::script::Script;
use clock::Clock;
use std::net::SocketAddr;
use std::path::PathBuf;

/// How to receive.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Appends each delivery to this file, one JSON line each.
    pub record: Option<PathBuf>,
    /// Only counts deliveries: nothing is recorded or kept. For benchmarks.
    pub count_only: bool,
    /// Keeps the last accepted body of each identity, for `GET /received/last`.
    pub keep_last: bool,
    /// Deliveries kept in memory at most; older ones are dropped.
    pub kept_max: usize,
    /// How to answer.
    pub script: Script,
    /// Issues tokens at `POST /token`.
    pub token: Option<TokenOptions>,
    /// Answers 401 to deliveries without a token that was issued and has not expired.
    pub require_token: bool,
    /// The clock that records carry and tokens expire by.
    pub clock: Clock,
}

/// The OAuth 2 side of a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOptions {
    /// The only client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The only user, for the password grant.
    pub user: Option<(String, String)>,
    /// Lifetime of tokens, in seconds.
    pub expires_in_s: i64,
    /// Whether answers carry a refresh token.
    pub refresh: bool,
}

impl Default for TokenOptions {
    fn default() -> TokenOptions {
        TokenOptions {
            client_id: "receiver".to_owned(),
            client_secret: "receiver-secret".to_owned(),
            user: None,
            expires_in_s: 86_400,
            refresh: false,
        }
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            record: None,
            count_only: false,
            keep_last: false,
            kept_max: 10_000,
            script: Script::default(),
            token: None,
            require_token: false,
            clock: Clock::system(),
        }
    }
}

/// Why a receiver cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The record file cannot be opened.
    #[error("cannot append to {0}: {1}")]
    Record(PathBuf, std::io::Error),
    /// The script cannot be read.
    #[error("script {0}: {1}")]
    Script(PathBuf, String),
}

/// The options of `rivermouth receiver`.
#[cfg(feature = "cli")]
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Append each request to this file, one JSON line each.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Only count requests (benchmarks).
    #[arg(long, conflicts_with_all = ["record", "keep_last"])]
    pub count_only: bool,
    /// Keep the last body of each identity, for GET /received/last?by=NAMESPACE.
    #[arg(long)]
    pub keep_last: bool,
    /// Answer as this JSON file says.
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// Ask for a bearer token from POST /token.
    #[arg(long)]
    pub require_token: bool,
    /// The client id that POST /token accepts.
    #[arg(long, default_value = "receiver", value_name = "ID")]
    pub client_id: String,
    /// The client secret that POST /token accepts.
    #[arg(
        long,
        env = "RIVERMOUTH_RECEIVER_SECRET",
        hide_env_values = true,
        default_value = "receiver-secret",
        value_name = "SECRET"
    )]
    pub client_secret: String,
    /// Lifetime of tokens.
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS")]
    pub token_seconds: u32,
}

#[cfg(feature = "cli")]
impl TryFrom<Args> for Options {
    type Error = StartError;

    fn try_from(args: Args) -> Result<Options, StartError> {
        let script = match args.script {
            None => Script::default(),
            Some(path) => {
                let text =
                    std::fs::read_to_string(&path).map_err(|e| StartError::Script(path.clone(), e.to_string()))?;
                text.parse().map_err(|reason| StartError::Script(path, reason))?
            }
        };
        Ok(Options {
            listen: args.listen,
            record: args.record,
            count_only: args.count_only,
            keep_last: args.keep_last,
            script,
            token: Some(TokenOptions {
                client_id: args.client_id,
                client_secret: args.client_secret,
                expires_in_s: i64::from(args.token_seconds),
                ..TokenOptions::default()
            }),
            require_token: args.require_token,
            ..Options::default()
        })
    }
}
