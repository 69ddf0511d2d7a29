//! A receiver of batches: it decodes each request, knows what it has taken, and answers by a seeded plan.
//!
//! In: requests on loopback, a [`Conduct`]. Out: what arrived, in order, and what was taken or refused how often.

use crate::batching::chance::Chance;
use clock::Clock;
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// One record of a message: export, audience, group of namespaces, identities.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) export: u64,
    pub(crate) segment: String,
    pub(crate) namespaces: String,
    pub(crate) ids: String,
}

/// How answers tell what became of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// 200, or 400 for the whole message.
    Whole,
    StatusList,
    FailedIndexes,
    FailedIds,
    /// Only how many are refused; then none is taken.
    Counts,
}

/// What goes wrong on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// This status; nothing is taken.
    Status(u16),
    /// 429 with this many seconds in `Retry-After`.
    Busy(u32),
    /// The connection breaks before anything is taken.
    Reset,
    /// Nothing is taken and nothing is said.
    Stall,
    /// All is done, but the connection breaks before the answer.
    LostAnswer,
    /// All is done, but the answer never comes.
    SilentAnswer,
    /// The token is refused from now on.
    Revoke,
}

/// How the receiver behaves.
#[derive(Debug, Clone)]
pub(crate) struct Conduct {
    pub(crate) dialect: Dialect,
    /// Exports that it never takes.
    pub(crate) poisoned: HashSet<u64>,
    /// What may go wrong, and in how many of a hundred requests.
    pub(crate) troubles: Vec<Trouble>,
    pub(crate) trouble_percent: u64,
    /// So often at most for one record.
    pub(crate) trouble_max: u32,
    /// Records that are put off, of a hundred; each twice at most.
    pub(crate) later_percent: u64,
    /// A request with a delivery id that was seen before is answered as then and does nothing.
    pub(crate) knows_ids: bool,
    /// The first requests are answered by these statuses.
    pub(crate) script: VecDeque<u16>,
    /// Whatever comes is answered by these bytes, and nothing is taken.
    pub(crate) raw: Option<Arc<Vec<u8>>>,
}

impl Default for Conduct {
    fn default() -> Conduct {
        Conduct {
            dialect: Dialect::Whole,
            poisoned: HashSet::new(),
            troubles: Vec::new(),
            trouble_percent: 0,
            trouble_max: 4,
            later_percent: 0,
            knows_ids: false,
            script: VecDeque::new(),
            raw: None,
        }
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    /// Time of the clock.
    pub(crate) at: i64,
    pub(crate) id: String,
    pub(crate) entries: Vec<Entry>,
    pub(crate) body: String,
    /// What was taken or refused of it.
    pub(crate) done: Vec<Entry>,
    /// A request with this id was answered before.
    pub(crate) repeated: bool,
    /// What it was answered; 0 for no answer.
    pub(crate) status: u16,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) conduct: Conduct,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) taken: BTreeMap<Entry, u32>,
    pub(crate) refused: BTreeMap<Entry, u32>,
    /// Tokens below this number are refused.
    token_min: u64,
    known: HashMap<String, (u16, String)>,
    troubled: HashMap<Entry, u32>,
    put_off: HashMap<u64, u32>,
    done: Vec<Entry>,
    chance: Chance,
}

/// A running receiver.
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) state: Arc<Mutex<State>>,
    stop: watch::Sender<bool>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

enum Reply {
    Say { status: u16, headers: String, body: String },
    Raw(Arc<Vec<u8>>),
    Break,
    Silence,
}

struct Request {
    id: String,
    token: u64,
    body: String,
}

impl Endpoint {
    pub(crate) async fn start(seed: u64, conduct: Conduct, clock: Clock) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/in", listener.local_addr().expect("an address"));
        let chance = Chance::new(seed ^ 0x5eed);
        let state = Arc::new(Mutex::new(State { conduct, chance, ..State::default() }));
        let (stop, stopped) = watch::channel(false);
        let served = state.clone();
        tokio::spawn(async move {
            let mut until = stopped.clone();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((stream, _)) = accepted else { return };
                        let (state, clock, mut until) = (served.clone(), clock.clone(), stopped.clone());
                        tokio::spawn(async move {
                            tokio::select! {
                                () = converse(stream, state, clock) => {}
                                _ = until.changed() => {}
                            }
                        });
                    }
                    _ = until.changed() => return,
                }
            }
        });
        Endpoint { url, state, stop }
    }

    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.state.lock().arrivals.clone()
    }

    pub(crate) fn set(&self, conduct: Conduct) {
        self.state.lock().conduct = conduct;
    }
}

async fn converse(mut stream: TcpStream, state: Arc<Mutex<State>>, clock: Clock) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer).await {
        let reply = state.lock().answer(&request, clock.now().0);
        let bytes = match reply {
            Reply::Say { status, headers, body } => {
                format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
            }
            Reply::Raw(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return;
            }
            Reply::Break => {
                let _ = stream.set_zero_linger();
                return;
            }
            Reply::Silence => {
                let mut rest = [0; 64];
                // The client hangs up.
                let _ = tokio::time::timeout(Duration::from_secs(60), stream.read(&mut rest)).await;
                return;
            }
        };
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        fill(stream, buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let header = |name: &str| {
        let line = head.lines().skip(1).filter_map(|l| l.split_once(':')).find(|(n, _)| n.eq_ignore_ascii_case(name));
        line.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let length: usize = header("content-length").parse().unwrap_or(0);
    while buffer.len() < end + length {
        fill(stream, buffer).await?;
    }
    let body = String::from_utf8(buffer[end..end + length].to_vec()).expect("bodies are UTF-8");
    buffer.drain(..end + length);
    let token = header("authorization").trim_start_matches("Bearer t").parse().unwrap_or(0);
    Some(Request { id: header("x-rivermouth-delivery-id"), token, body })
}

async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0; 16_384];
    let n = stream.read(&mut chunk).await.ok().filter(|n| *n > 0)?;
    buffer.extend_from_slice(&chunk[..n]);
    Some(())
}

fn entries(body: &str) -> Vec<Entry> {
    let json: Json = serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {body}"));
    let text = |v: &Json| v.as_str().unwrap_or_default().to_owned();
    let entry = |r: &Json| Entry {
        export: r["export"].as_u64().expect("a number"),
        segment: text(&json["segment"]),
        namespaces: text(&json["namespaces"]),
        ids: text(&r["ids"]),
    };
    json["records"].as_array().expect("records").iter().map(entry).collect()
}

impl State {
    fn answer(&mut self, request: &Request, at: i64) -> Reply {
        let entries = entries(&request.body);
        let repeated = self.known.contains_key(&request.id);
        self.done.clear();
        let reply = self.reply(request, &entries, repeated && self.conduct.knows_ids);
        let status = match &reply {
            Reply::Say { status, .. } => *status,
            _ => 0,
        };
        self.arrivals.push(Arrival {
            at,
            id: request.id.clone(),
            entries,
            body: request.body.clone(),
            done: std::mem::take(&mut self.done),
            repeated,
            status,
        });
        reply
    }

    fn reply(&mut self, request: &Request, entries: &[Entry], repeated: bool) -> Reply {
        let say = |status: u16, body: &str| Reply::Say { status, headers: String::new(), body: body.to_owned() };
        if let Some(raw) = &self.conduct.raw {
            return Reply::Raw(raw.clone());
        }
        if request.token < self.token_min {
            return say(401, "{}");
        }
        if let Some(status) = self.conduct.script.pop_front().filter(|status| *status != 200) {
            return say(status, "");
        }
        let trouble = self.trouble(entries);
        match trouble {
            Some(Trouble::Status(status)) => return say(status, "<html>not now</html>"),
            Some(Trouble::Busy(seconds)) => {
                let headers = format!("retry-after: {seconds}\r\n");
                return Reply::Say { status: 429, headers, body: String::new() };
            }
            Some(Trouble::Reset) => return Reply::Break,
            Some(Trouble::Stall) => return Reply::Silence,
            // Once: a token that was just fetched is not refused.
            Some(Trouble::Revoke) if self.token_min == 0 => {
                self.token_min = request.token + 1;
                return say(401, "{}");
            }
            Some(Trouble::LostAnswer | Trouble::SilentAnswer | Trouble::Revoke) | None => {}
        }
        let (status, body) = match self.known.get(&request.id) {
            Some(known) if repeated => known.clone(),
            _ => self.process(entries, trouble.is_none()),
        };
        // What was put off is not yet done, so it is not remembered.
        if !body.contains("later") {
            self.known.insert(request.id.clone(), (status, body.clone()));
        }
        match trouble {
            Some(Trouble::LostAnswer) => Reply::Break,
            Some(Trouble::SilentAnswer) => Reply::Silence,
            _ => say(status, &body),
        }
    }

    fn trouble(&mut self, entries: &[Entry]) -> Option<Trouble> {
        let spent = |e: &Entry| self.troubled.get(e).is_some_and(|n| *n >= self.conduct.trouble_max);
        if self.conduct.troubles.is_empty() || entries.iter().any(spent) {
            return None;
        }
        if !self.chance.percent(self.conduct.trouble_percent) {
            return None;
        }
        entries.iter().for_each(|e| *self.troubled.entry(e.clone()).or_default() += 1);
        let which = self.chance.below(self.conduct.troubles.len() as u64) as usize;
        Some(self.conduct.troubles[which])
    }

    /// Takes, refuses and puts off; says so.
    fn process(&mut self, entries: &[Entry], may_put_off: bool) -> (u16, String) {
        let dialect = self.conduct.dialect;
        let bad = entries.iter().filter(|e| self.conduct.poisoned.contains(&e.export)).count();
        if matches!(dialect, Dialect::Whole | Dialect::Counts) {
            match bad {
                0 => self.take(entries.iter()),
                _ if entries.iter().all(|e| e.export == entries[0].export) => self.refuse(entries.iter()),
                _ => {}
            }
            return match (dialect, bad) {
                (Dialect::Whole, 0) => (200, "{}".into()),
                (Dialect::Whole, _) => (400, r#"{"message": "somebody is not wanted"}"#.into()),
                _ => (200, json!({"failed": bad}).to_string()),
            };
        }
        // All records of an export fare alike: a slice ends as a whole.
        let mut fates: BTreeMap<u64, &str> = BTreeMap::new();
        for entry in entries.iter() {
            fates.entry(entry.export).or_insert_with(|| self.fate(entry.export, may_put_off));
        }
        let fate = |e: &Entry| fates[&e.export];
        self.take(entries.iter().filter(|e| fate(e) == "ok"));
        self.refuse(entries.iter().filter(|e| fate(e) == "bad"));
        let numbered = entries.iter().enumerate();
        let failed = |(_, e): &(usize, &Entry)| fate(e) != "ok";
        let why = |e: &Entry| format!("person {} is not wanted", e.export);
        let answer = match dialect {
            Dialect::StatusList => {
                let all = entries.iter().map(|e| json!({"status": fate(e), "error": {"message": why(e)}}));
                json!({"results": all.collect::<Vec<_>>()})
            }
            Dialect::FailedIndexes => {
                let all = numbered.filter(failed);
                let all = all.map(|(at, e)| json!({"index": at + 1, "status": fate(e), "why": why(e)}));
                json!({"errors": all.collect::<Vec<_>>()})
            }
            _ => {
                let all = numbered.filter(failed);
                let id = |e: &Entry| format!("{}:{}", e.export, e.ids);
                let all = all.map(|(_, e)| json!({"id": id(e), "status": fate(e), "why": why(e)}));
                json!({"invalid": all.collect::<Vec<_>>()})
            }
        };
        (200, answer.to_string())
    }

    fn fate(&mut self, export: u64, may_put_off: bool) -> &'static str {
        if self.conduct.poisoned.contains(&export) {
            return "bad";
        }
        let put_off = self.put_off.entry(export).or_default();
        if may_put_off && *put_off < 2 && self.chance.percent(self.conduct.later_percent) {
            *put_off += 1;
            return "later";
        }
        "ok"
    }

    fn take<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>) {
        for entry in entries {
            self.done.push(entry.clone());
            *self.taken.entry(entry.clone()).or_default() += 1;
        }
    }

    fn refuse<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>) {
        for entry in entries {
            self.done.push(entry.clone());
            *self.refused.entry(entry.clone()).or_default() += 1;
        }
    }
}
