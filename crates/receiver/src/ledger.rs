//! What came in: records, counts, and the last body of each identity.

use crate::options::{Options, StartError};
use axum::http::{HeaderMap, Method, Uri, header};
use model::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// One delivery.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// Its number, from 1.
    pub n: u64,
    /// When it came, in RFC 3339.
    pub time: String,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query, without the question mark.
    pub query: Option<String>,
    /// Headers by lower-case name; what authorizes is a hash.
    pub headers: BTreeMap<String, String>,
    /// The body: JSON if it is, else text.
    pub body: Json,
    /// The status that was answered; 0 if the connection was closed instead.
    pub status: u16,
}

/// How many deliveries came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All of them.
    pub requests: u64,
    /// Answered with 2xx.
    pub accepted: u64,
    /// Bytes of accepted bodies.
    pub accepted_bytes: u64,
}

#[derive(Default)]
pub(crate) struct Ledger {
    requests: AtomicU64,
    accepted: AtomicU64,
    accepted_bytes: AtomicU64,
    count_only: bool,
    keep_last: bool,
    kept_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    file: Option<File>,
    records: VecDeque<Record>,
    /// Namespace, identity, body.
    last: HashMap<String, BTreeMap<String, Json>>,
}

/// One delivery as it came.
pub(crate) struct Incoming<'a> {
    pub(crate) time: Timestamp,
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

impl Ledger {
    pub(crate) fn new(options: &Options) -> Result<Ledger, StartError> {
        let open = |path: &std::path::PathBuf| {
            let file = File::options().create(true).append(true).open(path);
            file.map_err(|e| StartError::Record(path.clone(), e))
        };
        let file = options.record.as_ref().map(open).transpose()?;
        Ok(Ledger {
            count_only: options.count_only,
            keep_last: options.keep_last,
            kept_max: options.kept_max,
            kept: Mutex::new(Kept { file, ..Kept::default() }),
            ..Ledger::default()
        })
    }

    /// Takes a delivery and what will be answered to it (0: nothing).
    pub(crate) fn take(&self, incoming: &Incoming<'_>, status: u16) -> std::io::Result<()> {
        let accepted = (200..300).contains(&status);
        let n = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        if accepted {
            self.accepted.fetch_add(1, Ordering::Relaxed);
            self.accepted_bytes.fetch_add(incoming.body.len() as u64, Ordering::Relaxed);
        }
        if self.count_only {
            return Ok(());
        }
        let record = incoming.record(n, status);
        let mut kept = self.kept.lock();
        if self.keep_last && accepted {
            kept.remember(&record.body);
        }
        if let Some(file) = &mut kept.file {
            let mut line = serde_json::to_vec(&record)?;
            line.push(b'\n');
            file.write_all(&line)?;
        }
        kept.records.push_back(record);
        while kept.records.len() > self.kept_max {
            kept.records.pop_front();
        }
        Ok(())
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            requests: self.requests.load(Ordering::Relaxed),
            accepted: self.accepted.load(Ordering::Relaxed),
            accepted_bytes: self.accepted_bytes.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.kept.lock().records.iter().cloned().collect()
    }

    /// The last accepted body of each identity of a namespace; none unless they are kept.
    pub(crate) fn last(&self, namespace: &str) -> Option<BTreeMap<String, Json>> {
        self.keep_last.then(|| self.kept.lock().last.get(namespace).cloned().unwrap_or_default())
    }

    /// Forgets everything but the record file.
    pub(crate) fn clear(&self) {
        let mut kept = self.kept.lock();
        kept.records.clear();
        kept.last.clear();
        for count in [&self.requests, &self.accepted, &self.accepted_bytes] {
            count.store(0, Ordering::Relaxed);
        }
    }
}

impl Kept {
    /// A body is a profile, or an array of them.
    fn remember(&mut self, body: &Json) {
        let alone = std::slice::from_ref(body);
        for profile in body.as_array().map_or(alone, Vec::as_slice) {
            let namespaces = profile.get("identityMap").and_then(Json::as_object);
            for (namespace, identities) in namespaces.into_iter().flatten() {
                let ids = identities.as_array().into_iter().flatten().filter_map(|i| i.get("id")?.as_str());
                for id in ids {
                    self.last.entry(namespace.clone()).or_default().insert(id.to_owned(), profile.clone());
                }
            }
        }
    }
}

impl Incoming<'_> {
    fn record(&self, n: u64, status: u16) -> Record {
        let body = serde_json::from_slice(self.body)
            .unwrap_or_else(|_| Json::String(String::from_utf8_lossy(self.body).into_owned()));
        Record {
            n,
            time: self.time.to_string(),
            method: self.method.to_string(),
            path: self.uri.path().to_owned(),
            query: self.uri.query().map(str::to_owned),
            headers: self
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), shown(name, value.as_bytes())))
                .collect(),
            body,
            status,
        }
    }
}

fn shown(name: &header::HeaderName, value: &[u8]) -> String {
    if !matches!(*name, header::AUTHORIZATION | header::PROXY_AUTHORIZATION | header::COOKIE) {
        return String::from_utf8_lossy(value).into_owned();
    }
    let digest = Sha256::digest(value);
    let hex: String = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}
