//! A server with the Authoring API: this program's own, or the original.
//!
//! In: its URL, a file of credentials. Out: a client that is logged in. Always: the token comes from the server's token
//! endpoint by client credentials; neither token nor secret is printed.

use crate::client::Client;
use clap::Args;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

const TOKEN_PATH: &str = "/ims/token/v3";
const AUTHORING: &str = "/data/core/activation/authoring";
/// Where the original gives tokens.
const ORIGINAL: (&str, &str) = ("https://platform.adobe.io", "https://ims-na1.adobelogin.com");

/// Which server, and who asks.
#[derive(Debug, Clone, Args)]
pub(crate) struct Server {
    /// The server's URL
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) server: String,
    /// JSON with org_id, client_id, client_secret; also token_url and scope where the server's own do not do [default: credentials.json in the data directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) credentials: Option<PathBuf>,
    /// The sandbox
    #[arg(long, value_name = "NAME", default_value = "prod")]
    pub(crate) sandbox: String,
}

/// A server, logged in.
pub(crate) struct Remote {
    client: Client,
    /// Without a slash at its end.
    pub(crate) base: String,
    /// Whether it is this program, so that extensions mean something there.
    pub(crate) is_rivermouth: bool,
}

impl Server {
    fn credentials(&self) -> Result<Json, String> {
        let data_dir = || std::env::var_os(crate::settings::variable("data-dir")).map(PathBuf::from);
        let default = || data_dir().unwrap_or_else(|| "rivermouth-data".into()).join("credentials.json");
        let path = self.credentials.clone().unwrap_or_else(default);
        let hint = if self.credentials.is_none() { "; --credentials names the file" } else { "" };
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}{hint}", path.display()))?;
        serde_json::from_str(&text).map_err(|e| format!("{}: is no JSON: {e}", path.display()))
    }

    /// Logs in.
    pub(crate) async fn log_in(&self) -> Result<Remote, String> {
        let base = self.server.trim_end_matches('/').to_owned();
        let credentials = self.credentials()?;
        let text = |name: &str| {
            let found = credentials[name].as_str().filter(|text| !text.is_empty());
            found.map(str::to_owned).ok_or_else(|| format!("the credentials have no {name}"))
        };
        let (id, secret, org) = (text("client_id")?, text("client_secret")?, text("org_id")?);
        let own = if base == ORIGINAL.0 { ORIGINAL.1 } else { base.as_str() };
        let token_url = text("token_url").unwrap_or_else(|_| format!("{own}{TOKEN_PATH}"));
        let scope = text("scope").unwrap_or_else(|_| "openid,AdobeID,read_organizations".to_owned());
        let token = token(&token_url, &id, &secret, &scope).await?;
        let is_rivermouth = is_rivermouth(&base).await?;
        let client = Client::new(&base)?
            .with("authorization", format!("Bearer {token}"))
            .with("x-api-key", id)
            .with("x-gw-ims-org-id", org)
            .with("x-sandbox-name", self.sandbox.clone());
        Ok(Remote { client, base, is_rivermouth })
    }
}

async fn token(url: &str, id: &str, secret: &str, scope: &str) -> Result<String, String> {
    let fields = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret), ("scope", scope)];
    let form: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let answer = Client::new(url)?.send("POST", "", Some(form.join("&").into_bytes()), &kind).await?;
    let status = answer.status;
    let said = answer.body["error_description"].as_str().or(answer.body["error"].as_str()).map(str::to_owned);
    match answer.body["access_token"].as_str() {
        Some(token) if (200..300).contains(&status) => Ok(token.to_owned()),
        _ => {
            Err(format!("{url} gives no token: status {status}{}", said.map(|s| format!(", {s}")).unwrap_or_default()))
        }
    }
}

/// The operator's paths are there and ask for the admin token.
async fn is_rivermouth(base: &str) -> Result<bool, String> {
    let answer = Client::new(base)?.send("GET", "/rivermouth/status", None, &[]).await?;
    let detail = answer.body["detail"].as_str().unwrap_or_default();
    Ok(answer.status == 401 && detail.contains("admin token"))
}

/// Everything but the characters that RFC 3986 leaves unreserved.
const ENCODED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, ENCODED).to_string()
}

/// The collections of the Authoring API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Credentials,
    Servers,
    AudienceTemplates,
    Destination,
}

impl Part {
    /// The last step of its path.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Part::Credentials => "credentials",
            Part::Servers => "destination-servers",
            Part::AudienceTemplates => "audience-templates",
            Part::Destination => "destinations",
        }
    }

    /// The directory of its files.
    pub(crate) fn directory(self) -> &'static str {
        match self {
            Part::Credentials => "credentials",
            Part::Servers => "servers",
            Part::AudienceTemplates => "audience-templates",
            Part::Destination => "",
        }
    }

    /// What people call one.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Part::Credentials => "credential",
            Part::Servers => "server",
            Part::AudienceTemplates => "audience template",
            Part::Destination => "destination",
        }
    }
}

impl Remote {
    /// Creates the object, or replaces the one with this id if the server still has it. The id, and whether it is new.
    pub(crate) async fn put(&self, part: Part, id: Option<&str>, body: &Json) -> Result<(String, bool), String> {
        if let Some(id) = id {
            let path = format!("{AUTHORING}/{}/{}", part.path(), encode(id));
            let answer = self.client.send("PUT", &path, Some(body.to_string().into_bytes()), &[]).await?;
            if answer.status != 404 {
                answer.expect("PUT", &path)?;
                return Ok((id.to_owned(), false));
            }
        }
        let path = format!("{AUTHORING}/{}", part.path());
        let answer = self.client.call("POST", &path, Some(body)).await?;
        let id = one(&answer)["instanceId"].as_str().map(str::to_owned);
        id.map(|id| (id, true)).ok_or_else(|| format!("POST {path}: the answer has no instanceId"))
    }

    /// The object with this id.
    pub(crate) async fn get(&self, part: Part, id: &str) -> Result<Json, String> {
        let path = format!("{AUTHORING}/{}/{}", part.path(), encode(id));
        let answer = self.client.call("GET", &path, None).await;
        Ok(one(&answer.map_err(|error| format!("{} {id}: {error}", part.word()))?).clone())
    }
}

/// Some answers are the object, some a list of one.
fn one(answer: &Json) -> &Json {
    answer.get("items").and_then(|items| items.get(0)).unwrap_or(answer)
}

/// The ids that a server gave to the parts of a folder, by server and name.
pub(crate) struct Ids {
    path: PathBuf,
    all: Json,
    base: String,
}

impl Ids {
    /// Reads what is remembered in the folder for this server.
    pub(crate) fn read(dir: &Path, base: &str) -> Result<Ids, String> {
        let path = dir.join(super::project::HIDDEN).join("ids.json");
        let all = match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Json::Object(Default::default()),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        Ok(Ids { path, all, base: base.to_owned() })
    }

    /// The id of a part.
    pub(crate) fn get(&self, part: Part, name: &str) -> Option<&str> {
        self.all.get(&self.base)?.get(part.path())?.get(name)?.as_str()
    }

    /// The names of a part by their ids.
    pub(crate) fn names(&self, part: Part) -> impl Iterator<Item = (&str, &str)> {
        let names = self.all.get(&self.base).and_then(|all| all.get(part.path())?.as_object());
        names.into_iter().flatten().filter_map(|(name, id)| Some((id.as_str()?, name.as_str())))
    }

    /// Remembers an id, on disk at once: what is created is never created twice. No other name has it then.
    pub(crate) fn set(&mut self, part: Part, name: &str, id: &str) -> Result<(), String> {
        let mut at = &mut self.all;
        for key in [self.base.as_str(), part.path()] {
            let fields = at.as_object_mut().ok_or_else(|| format!("{}: is no table of ids", self.path.display()))?;
            at = fields.entry(key).or_insert_with(|| Json::Object(Default::default()));
        }
        if let Some(names) = at.as_object_mut() {
            names.retain(|other, given| other == name || given != id);
        }
        at[name] = Json::from(id);
        let failed = |error: std::io::Error| format!("{}: {error}", self.path.display());
        std::fs::create_dir_all(self.path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
        std::fs::write(&self.path, format!("{:#}\n", self.all)).map_err(failed)
    }
}
