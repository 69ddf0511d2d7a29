//! A receiver, a manual clock, and configurations out of JSON.

use clock::Clock;
use delivery::{Egress, Wire};
use destination::config::{CustomerAuthentication, DestinationConfig, OAuth2, ServerConfig};
use model::Timestamp;
use parking_lot::Mutex;
use partner::{Account, Grant, Line, TokenSet, Tokens, UserContext};
use receiver::{Options, Record, Running, Script};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const START: Timestamp = Timestamp(1_790_000_000_000);

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) receiver: Running,
    pub(crate) line: Line,
    /// What the sink was given.
    pub(crate) kept: Arc<Mutex<Vec<TokenSet>>>,
}

impl World {
    pub(crate) async fn new(options: Options) -> World {
        World::with(options, Egress::open()).await
    }

    pub(crate) async fn with(options: Options, egress: Egress) -> World {
        let clock = Clock::manual(START);
        let receiver = receiver::serve(Options { clock: clock.clone(), ..options }).await.expect("a free port");
        let line = Line::new(Wire::new(egress, clock.clone()).expect("a client"));
        World { clock, receiver, line, kept: Arc::default() }
    }

    /// A receiver that answers these steps in order, the last one for ever.
    pub(crate) async fn scripted(steps: &[Json]) -> World {
        World::new(Options { script: script(steps), ..Options::default() }).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.receiver.url(path)
    }

    pub(crate) fn advance(&self, ms: i64) {
        self.clock.advance(ms).expect("manual");
    }

    /// The grant of an account; `$` in the configuration stands for the receiver.
    pub(crate) fn grant(&self, oauth: Json, entered: Json) -> Result<Grant, partner::Failure> {
        let text = oauth.to_string().replace("http://receiver", &self.url(""));
        let oauth = oauth2(&serde_json::from_str(&text).expect("JSON"));
        let user = UserContext { sandbox_name: "prod".into(), ims_org_id: "ORG@Org".into(), ..UserContext::default() };
        Grant::new(oauth, &object(entered), &user)
    }

    pub(crate) fn tokens(&self, oauth: Json, entered: Json) -> Tokens {
        self.tokens_with(oauth, entered, None)
    }

    pub(crate) fn tokens_with(&self, oauth: Json, entered: Json, kept: Option<TokenSet>) -> Tokens {
        let into = self.kept.clone();
        let sink: partner::Sink = Arc::new(move |set| {
            into.lock().push(set);
            Box::pin(std::future::ready(()))
        });
        Tokens::new(self.grant(oauth, entered).expect("an account"), kept, Some(sink))
    }

    /// What came, in order.
    pub(crate) fn came(&self) -> Vec<Record> {
        self.receiver.records()
    }

    /// The forms that came, as fields in order.
    pub(crate) fn forms(&self) -> Vec<Vec<(String, String)>> {
        self.came().iter().map(|r| form(r.body.as_str().unwrap_or_default())).collect()
    }

    pub(crate) fn hurried(&self, timeout_ms: u64) -> Line {
        Line { timeout: Duration::from_millis(timeout_ms), ..self.line.clone() }
    }
}

pub(crate) fn form(text: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

pub(crate) fn script(steps: &[Json]) -> Script {
    let mut steps = steps.to_vec();
    if let Some(last) = steps.last_mut() {
        last["repeat"] = 0.into();
    }
    json!({ "steps": steps }).to_string().parse().expect("a valid script")
}

/// A step that answers this JSON.
pub(crate) fn answers(body: Json) -> Json {
    json!({ "body": body.to_string() })
}

pub(crate) fn object(json: Json) -> Map<String, Json> {
    json.as_object().cloned().expect("an object")
}

/// OAuth 2 as a destination declares it.
pub(crate) fn oauth2(oauth: &Json) -> Arc<OAuth2> {
    let mut authentication = oauth.clone();
    authentication["authType"] = "OAUTH2".into();
    let destination = json!({
        "name": "Lumen",
        "description": "A test",
        "status": "TEST",
        "customerAuthenticationConfigurations": [authentication],
        "customerDataFields": [],
        "uiAttributes": {"category": "crm", "connectionType": "Server-to-server", "frequency": "Streaming"},
        "identityNamespaces": {"email": {"acceptsAttributes": true, "acceptsCustomNamespaces": true}},
        "schemaConfig": {"profileRequired": true, "segmentRequired": true, "identityRequired": true},
        "destinationDelivery": [{"authenticationRule": "CUSTOMER_AUTHENTICATION", "destinationServerId": "srv"}],
        "segmentMappingConfig": {"mapExperiencePlatformSegmentId": true},
        "aggregation": {"aggregationType": "BEST_EFFORT", "bestEffortAggregation": {"maxUsersPerRequest": 10}},
    });
    let parsed = DestinationConfig::parse(&destination).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let found = parsed.customer_authentications.into_iter().find_map(|a| match a {
        CustomerAuthentication::OAuth2(oauth) => Some(Arc::new(*oauth)),
        _ => None,
    });
    found.expect("OAuth 2")
}

/// A lookup server at the receiver.
pub(crate) fn server(world: &World, server: Json) -> ServerConfig {
    let text = server.to_string().replace("http://receiver", &world.url(""));
    let json: Json = serde_json::from_str(&text).expect("JSON");
    ServerConfig::parse(&json).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

pub(crate) fn pebble(text: &str) -> Json {
    json!({ "templatingStrategy": "PEBBLE_V1", "value": text })
}

pub(crate) fn bearer(token: &str) -> Account {
    Account::Bearer(token.into())
}

/// A server that answers every request with these bytes, and then drips blanks for as long as anybody listens.
pub(crate) async fn raw(head: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let head = head.replace('\n', "\r\n");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let head = head.clone();
            tokio::spawn(async move {
                let mut request = [0; 8192];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(head.as_bytes()).await;
                let blanks = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
                while head.contains("chunked") && stream.write_all(blanks.as_bytes()).await.is_ok() {}
            });
        }
    });
    format!("http://{address}")
}
