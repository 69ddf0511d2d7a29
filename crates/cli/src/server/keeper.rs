//! Keeps the state safe and the log short: snapshots, trimming, backup, rebuild.
//!
//! A snapshot is a checked copy of the whole store. The log is trimmed to what two snapshots have,
//! after the store was synced. A backup is a snapshot, the log and the keys in a directory of their
//! own; `rebuild` makes a store from snapshot and log, there as here.

use super::compiler::PlanCompiler;
use super::rows::ReopeningStore;
use crate::settings::Settings;
use clock::Clock;
use engine::Engine;
use model::Timestamp;
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::{Log, Store, StreamId};
use store_local::{DataDir, FjallStore, LocalLog, StoreOptions, snapshot};
use tokio::sync::watch;

pub(super) struct Keeper {
    log: Arc<LocalLog>,
    store: Arc<ReopeningStore>,
    root: PathBuf,
    /// What the previous snapshot has, per stream; one snapshot or backup at a time.
    previous: Mutex<Option<HashMap<StreamId, u64>>>,
}

impl Keeper {
    pub(super) fn new(log: Arc<LocalLog>, store: Arc<ReopeningStore>, root: &Path) -> Keeper {
        Keeper { log, store, root: root.to_owned(), previous: Mutex::new(None) }
    }

    /// Takes a snapshot every `minutes`; 0 takes none.
    #[expect(
        clippy::disallowed_methods,
        reason = "snapshots follow the growth of the log, which is real whatever clock is set"
    )]
    pub(super) fn spawn(self: Arc<Keeper>, minutes: u64, mut stopped: watch::Receiver<bool>) {
        if minutes == 0 {
            return;
        }
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = stopped.wait_for(|s| *s) => return,
                    () = tokio::time::sleep(Duration::from_secs(minutes * 60)) => {}
                }
                let keeper = self.clone();
                let done = tokio::task::spawn_blocking(move || keeper.snapshot()).await;
                if let Ok(Err(error)) = done {
                    tracing::error!(error, "no snapshot could be taken");
                }
            }
        });
    }

    fn snapshot(&self) -> Result<(), String> {
        let mut previous = self.previous.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = self.root.join("snapshots");
        let (seq, offsets) = self.write_snapshot(&dir)?;
        if let Some(older) = previous.replace(offsets) {
            self.store.sync().map_err(|e| e.to_string())?;
            let freed = self.log.trim(&|stream| older.get(&stream).copied().unwrap_or(0));
            let freed = freed.map_err(|e| e.to_string())?;
            tracing::info!(seq, freed, "snapshot taken, log trimmed");
        }
        Ok(())
    }

    fn write_snapshot(&self, dir: &Path) -> Result<(u64, HashMap<StreamId, u64>), String> {
        let view = self.store.snapshot().map_err(|e| e.to_string())?;
        let offsets = engine::applied_offsets(&*view).map_err(|e| e.to_string())?;
        let newest = snapshot::list(dir).map_err(|e| e.to_string())?.into_iter().map(|(seq, _)| seq).max();
        let seq = newest.unwrap_or(0) + 1;
        snapshot::write(dir, seq, &*view).map_err(|e| e.to_string())?;
        Ok((seq, offsets))
    }

    /// Copies snapshot, log and keys into a directory that does not exist yet.
    pub(super) fn backup(&self, to: &Path) -> Result<Json, String> {
        // Held for the whole copy, so that nothing is trimmed meanwhile.
        let _one_at_a_time = self.previous.lock().unwrap_or_else(PoisonError::into_inner);
        if to.exists() {
            return Err(format!("to: {} exists already", to.display()));
        }
        let directory = DataDir::open(to).map_err(|e| e.to_string())?;
        let (seq, _) = self.write_snapshot(&directory.snapshots())?;
        let mut bytes = copy_files(&self.root.join("keys"), &directory.keys())?;
        bytes += self.copy_log(&directory.log())?;
        Ok(json!({ "backup": to.display().to_string(), "snapshot": seq, "copiedBytes": bytes }))
    }

    /// Copies what is durable now: of the last segment not what is being written, and no segment that
    /// begins meanwhile.
    fn copy_log(&self, to: &Path) -> Result<u64, String> {
        let mut bytes = 0;
        for segment in self.log.segments() {
            let failed = |e: std::io::Error| format!("{}: {e}", segment.path.display());
            let target = to.join(segment.path.file_name().unwrap_or_default());
            let mut source = std::fs::File::open(&segment.path).map_err(failed)?.take(segment.bytes);
            let mut file = std::fs::File::create_new(&target).map_err(failed)?;
            bytes += std::io::copy(&mut source, &mut file).and_then(|n| file.sync_all().map(|()| n)).map_err(failed)?;
        }
        Ok(bytes)
    }
}

fn copy_files(from: &Path, to: &Path) -> Result<u64, String> {
    let failed = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
    let mut bytes = 0;
    for entry in std::fs::read_dir(from).map_err(|e| failed(from, e))? {
        let entry = entry.map_err(|e| failed(from, e))?;
        if entry.file_type().map_err(|e| failed(from, e))?.is_file() {
            let target = to.join(entry.file_name());
            bytes += std::fs::copy(entry.path(), &target).map_err(|e| failed(&target, e))?;
            std::fs::File::open(&target).and_then(|f| f.sync_all()).map_err(|e| failed(&target, e))?;
        }
    }
    Ok(bytes)
}

/// Makes the store anew from the newest good snapshot and the log. Time stands still meanwhile, so
/// that the result is exactly what the log says.
pub(crate) fn rebuild(settings: &Settings) -> Result<Json, String> {
    if !settings.data_dir.join("log").is_dir() {
        return Err(format!("{} is no data directory: it has no log", settings.data_dir.display()));
    }
    let directory = DataDir::open(&settings.data_dir).map_err(|e| e.to_string())?;
    // What the store is made from is checked before the old one goes.
    let log = Arc::new(LocalLog::open(directory.log()).map_err(|e| e.to_string())?);
    let snapshots = snapshot::list(&directory.snapshots()).map_err(|e| e.to_string())?;
    if !snapshots.is_empty() && !snapshots.iter().any(|(_, path)| snapshot::check(path).is_ok()) {
        return Err("every snapshot is damaged; the store was left as it is".into());
    }
    directory.remove_store().map_err(|e| e.to_string())?;
    let options = StoreOptions { cache_bytes: settings.store_cache_bytes, ..StoreOptions::default() };
    let store = Arc::new(FjallStore::open_with(directory.store(), options).map_err(|e| e.to_string())?);
    let restored = snapshot::restore_latest(&directory.snapshots(), &*store).map_err(|e| e.to_string())?;
    let clock = Clock::manual(Timestamp(log.last_stamp()));
    let engine = Engine::open(
        log,
        store.clone(),
        clock,
        Box::new(PlanCompiler::new(std::sync::Arc::default())),
        engine::Options {
            partitions: settings.partitions,
            workers: 1,
            cache_bytes: settings.cache_bytes,
            backlog_bytes_max: settings.backlog_bytes_max,
            follow_time: false,
            on_export: Arc::new(|_, _| {}),
        },
    )
    .map_err(|e| e.to_string())?;
    engine.wait_applied().map_err(|e| e.to_string())?;
    let census = engine.census().map_err(|e| e.to_string())?;
    engine.stop();
    store.sync().map_err(|e| e.to_string())?;
    let profiles: u64 = census.stock.values().map(|s| s.profiles).sum();
    let events: u64 = census.stock.values().map(|s| s.events).sum();
    Ok(json!({ "snapshot": restored, "profiles": profiles, "events": events }))
}
