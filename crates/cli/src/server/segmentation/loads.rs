//! Loads members of external audiences from CSV files in the landing zone.
//!
//! Each row becomes an attribute record of its identity, in a data set that has the number of the audience: until
//! when the row is valid, and its other columns. The stream does the rest as with any record.
//!
//! Always: a file outside the landing zone is never read; a row that cannot be used is counted and named, and
//! the others are taken; an uploaded file is removed once its run is over, or at the next start.

use super::csv::Csv;
use super::{Room, landing_zone, work_off};
use engine::{Placed, SandboxPlan};
use model::membership::UPLOADED_FIELD;
use model::{Collection, DatasetNo, Doc, DocSet, Identity, NamespaceId, SandboxId, SmolStr, Timestamp, Value};
use profile::{AuthState, Record, RecordIdentity, RecordKind};
use segmentation::external::{self, Load, Progress};
use std::fs::{self, File};
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::watch;

/// Where uploads are kept below the landing zone.
const UPLOADS: &str = "uploads";
/// Rows made durable together.
const ROWS_PER_WRITE: usize = 1000;
/// Faults that are kept.
const FAULTS_MAX: usize = 100;
const VALUE_CHARS_MAX: usize = 1024;
const ECID: NamespaceId = NamespaceId(4);
const ECID_DIGITS: usize = 38;

/// One load after another, until the server stops.
pub(super) async fn run(room: Arc<Room>, stopped: watch::Receiver<bool>) {
    if let Err(error) = fs::create_dir_all(landing_zone(&room.root)) {
        tracing::warn!(%error, "the landing zone could not be made");
    }
    work_off(room, stopped, external::run_of, process).await;
}

/// Removes uploaded files that no run will read any more: what a crash left behind. To be called before files come.
pub(super) fn remove_left_uploads(root: &Path, docs: &DocSet) {
    let zone = landing_zone(root);
    let kept: Vec<PathBuf> = external::kept_uploads(docs).iter().map(|path| zone.join(path)).collect();
    for file in fs::read_dir(zone.join(UPLOADS)).into_iter().flatten().flatten() {
        // Files of other names were not made here.
        if is_upload(&file.file_name().to_string_lossy()) && !kept.contains(&file.path()) {
            remove(&file.path());
        }
    }
}

/// Whether a file is named as an upload is: `UUID.csv`.
fn is_upload(name: &str) -> bool {
    let is_uuid = |id: &str| {
        let place = |(at, byte): (usize, u8)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        };
        id.len() == 36 && id.bytes().enumerate().all(place)
    };
    name.strip_suffix(".csv").is_some_and(is_uuid)
}

fn remove(file: &Path) {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(%error, path = %file.display(), "an uploaded file stays behind");
        }
        _ => {}
    }
}

async fn process(room: Arc<Room>, sandbox: SandboxId, run: Arc<Doc>) {
    let started = room.clock.now();
    write(&room, sandbox, &run.id, "PROCESSING", started, &Progress::default()).await;
    let (inner, id, upload) = (room.clone(), run.id.clone(), run.clone());
    let runtime = tokio::runtime::Handle::current();
    let loaded = tokio::task::spawn_blocking(move || {
        let mut loader = Loader::new(&inner, &runtime, sandbox, &run, started)?;
        let result = loader.load();
        Ok::<_, String>((result, loader.progress))
    })
    .await;
    let (status, progress) = match loaded {
        // The next process begins it again: rows that are there already are written once more.
        Ok(_) if room.is_stopping() => return,
        Ok(Ok((Ok(()), progress))) => ("SUCCESS", progress),
        Ok(Ok((Err(why), mut progress))) => {
            progress.faults.insert(0, why);
            ("FAILED", progress)
        }
        Ok(Err(why)) => ("FAILED", Progress { faults: vec![why], ..Progress::default() }),
        Err(broken) => {
            ("FAILED", Progress { faults: vec![format!("the load broke off: {broken}")], ..Progress::default() })
        }
    };
    write(&room, sandbox, &id, status, started, &progress).await;
    remove_upload(&room, &upload);
}

/// Removes the file of an upload whose run is over; one that is to be begun again keeps it.
fn remove_upload(room: &Room, run: &Doc) {
    let Some(path) = run.body["path"].as_str().filter(|_| run.body["uploaded"] == true) else { return };
    if !external::kept_uploads(&room.docs()).iter().any(|kept| kept == path) {
        remove(&landing_zone(&room.root).join(path));
    }
}

async fn write(room: &Room, sandbox: SandboxId, id: &str, status: &str, started: Timestamp, progress: &Progress) {
    let now = room.clock.now();
    room.write(|docs| external::write_progress(docs, sandbox, id, status, started, now, progress)).await;
}

/// A load under way.
struct Loader<'a> {
    room: &'a Room,
    runtime: &'a tokio::runtime::Handle,
    load: Load,
    plan: Arc<SandboxPlan>,
    valid_until: Timestamp,
    now: Timestamp,
    progress: Progress,
    waiting: Vec<Placed>,
}

impl<'a> Loader<'a> {
    fn new(
        room: &'a Room,
        runtime: &'a tokio::runtime::Handle,
        sandbox: SandboxId,
        run: &Doc,
        now: Timestamp,
    ) -> Result<Loader<'a>, String> {
        let current = room.engine.control().current();
        let load = external::load(&current.docs, sandbox, run)?;
        let plan = current.plan.sandboxes.get(&sandbox).cloned().ok_or("the sandbox is gone")?;
        let valid_until = Timestamp(now.0 + load.ttl_ms);
        Ok(Loader { room, runtime, load, plan, valid_until, now, progress: Progress::default(), waiting: Vec::new() })
    }

    fn load(&mut self) -> Result<(), String> {
        for file in self.files()? {
            self.file(&file)?;
            if self.is_called_off() {
                return Err("the run was called off".to_owned());
            }
        }
        self.append()?;
        self.room.wait_for_the_stream();
        Ok(())
    }

    fn is_called_off(&self) -> bool {
        let sandbox = self.load.sandbox;
        let is_deleted = || {
            let current = self.room.engine.control().current();
            current.docs.get(sandbox, Collection::ExternalAudience, &self.load.audience_id).is_none()
        };
        self.room.is_called_off(sandbox, Collection::ExternalRun, &self.load.run) || is_deleted()
    }

    /// The files of the source, by name; links do not lead out of the landing zone.
    fn files(&self) -> Result<Vec<PathBuf>, String> {
        let shown = &self.load.path;
        let missing = |e: std::io::Error| format!("the landing zone has no `{shown}`: {e}");
        let zone = landing_zone(&self.room.root).canonicalize().map_err(missing)?;
        let path = zone.join(shown).canonicalize().map_err(missing)?;
        if !path.starts_with(&zone) {
            return Err(format!("`{shown}` leads out of the landing zone"));
        }
        let mut files = Vec::new();
        if path.is_dir() {
            for entry in fs::read_dir(&path).map_err(missing)? {
                let file = entry.map_err(missing)?.path().canonicalize().map_err(missing)?;
                let is_csv = file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
                if is_csv && file.is_file() && file.starts_with(&zone) {
                    files.push(file);
                }
            }
            files.sort();
        } else {
            files.push(path);
        }
        if let Some((from, to)) = self.load.written {
            files.retain(|file| written_ms(file).is_some_and(|at| (from..=to).contains(&at)));
        }
        if files.is_empty() {
            return Err(format!(
                "`{shown}` in the landing zone has no CSV file that was written in the time asked for"
            ));
        }
        Ok(files)
    }

    fn file(&mut self, path: &Path) -> Result<(), String> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let file = File::open(path).map_err(|e| format!("{name}: {e}"))?;
        let mut csv = Csv::new(BufReader::new(file));
        let header = csv.row().map_err(|fault| format!("{name}: {fault}"))?;
        let places = self.places(&header.unwrap_or_default()).map_err(|fault| format!("{name}: {fault}"))?;
        while let Some(row) = csv.row().map_err(|fault| format!("{name}: {fault}"))? {
            self.progress.rows += 1;
            match self.record(&places, &row) {
                Ok(record) => {
                    let placed = self.room.engine.place(self.load.sandbox, record).map_err(|e| e.to_string())?;
                    self.waiting.push(placed);
                }
                Err(fault) => {
                    self.progress.refused += 1;
                    if self.progress.faults.len() < FAULTS_MAX {
                        self.progress.faults.push(format!("{name}, line {}: {fault}", csv.line));
                    }
                }
            }
            if self.waiting.len() >= ROWS_PER_WRITE {
                self.append()?;
                if self.is_called_off() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// For each declared field, which column of the file holds it.
    fn places(&self, header: &[String]) -> Result<Vec<usize>, String> {
        let columns = &self.load.columns;
        for (i, name) in header.iter().enumerate() {
            if !columns.iter().any(|(column, _)| column == name.trim()) {
                return Err(format!("the column `{name}` is no field of the audience"));
            }
            if header[..i].contains(name) {
                return Err(format!("the column `{name}` stands twice"));
            }
        }
        let place = |(column, _): &(SmolStr, SmolStr)| {
            let place = header.iter().position(|name| name.trim() == column);
            place.ok_or_else(|| format!("the first line has no column `{column}`"))
        };
        columns.iter().map(place).collect()
    }

    fn record(&self, places: &[usize], row: &[String]) -> Result<Record, String> {
        if row.len() != places.len() {
            return Err(format!("has {} cells, the first line has {}", row.len(), places.len()));
        }
        let (of_identity, namespace) = self.load.identity;
        let value = row[places[of_identity]].trim();
        check_identity(namespace, value)?;
        let mut fields = Vec::new();
        for (i, ((name, kind), place)) in self.load.columns.iter().zip(places).enumerate() {
            if i != of_identity && !row[*place].is_empty() {
                let cell = cell(kind, &row[*place]).ok_or_else(|| {
                    format!(
                        "the column `{name}` must be {kind}, is `{}`",
                        row[*place].chars().take(60).collect::<String>()
                    )
                })?;
                fields.push((name.clone(), cell));
            }
        }
        let mut body = Value::Object(Vec::new());
        let key = external::key(self.load.audience);
        body.set(&[UPLOADED_FIELD, &key, "validUntil"], Value::Str(self.valid_until.to_string().into()));
        if !fields.is_empty() {
            body.set(&[UPLOADED_FIELD, &key, "fields"], Value::Object(fields));
        }
        let identity = RecordIdentity {
            identity: Identity { namespace, value: value.into() },
            state: AuthState::default(),
            primary: true,
            mapped: true,
            in_graph: self.plan.namespaces.get(namespace).is_some_and(|n| n.in_graph),
        };
        Ok(Record {
            kind: RecordKind::Attributes,
            dataset: DatasetNo(self.load.audience.0),
            id: SmolStr::default(),
            timestamp: self.now,
            identities: vec![identity],
            body,
        })
    }

    fn append(&mut self) -> Result<(), String> {
        while self.room.engine.is_lagging() && !self.room.is_stopping() {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        if self.waiting.is_empty() {
            return Ok(());
        }
        let rows = self.waiting.len() as u64;
        let append = self.room.engine.append(std::mem::take(&mut self.waiting));
        self.runtime.block_on(append).map_err(|e| format!("rows could not be made durable: {e}"))?;
        self.progress.loaded += rows;
        Ok(())
    }
}

fn written_ms(file: &Path) -> Option<i64> {
    let at = fs::metadata(file).ok()?.modified().ok()?;
    i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// The rules for identities of records (profile.md §5.4).
fn check_identity(namespace: NamespaceId, value: &str) -> Result<(), String> {
    let chars = value.chars().count();
    if chars == 0 || chars > VALUE_CHARS_MAX {
        return Err(format!("the identity must have 1 to {VALUE_CHARS_MAX} characters, has {chars}"));
    }
    if namespace == ECID && (chars != ECID_DIGITS || !value.bytes().all(|b| b.is_ascii_digit())) {
        return Err(format!(
            "an ECID has {ECID_DIGITS} digits, `{}` was given",
            value.chars().take(60).collect::<String>()
        ));
    }
    Ok(())
}

fn cell(kind: &str, text: &str) -> Option<Value> {
    let text = if kind == "string" { text } else { text.trim() };
    Some(match kind {
        "integer" => Value::Int(text.parse().ok()?),
        "number" if text.parse::<i64>().is_ok() => Value::Int(text.parse().ok()?),
        "number" => Value::Double(text.parse::<f64>().ok().filter(|n| n.is_finite())?),
        "boolean" if text.eq_ignore_ascii_case("true") => Value::Bool(true),
        "boolean" if text.eq_ignore_ascii_case("false") => Value::Bool(false),
        "boolean" => return None,
        _ => Value::Str(text.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::DocChange;
    use serde_json::json;

    #[test]
    fn a_start_removes_uploads_that_nothing_will_read() {
        let root = tempfile::tempdir().expect("a directory");
        let uploads = landing_zone(root.path()).join(UPLOADS);
        fs::create_dir_all(&uploads).expect("made");
        let id = |n: u8| format!("0000000{n}-0000-4000-8000-000000000000");
        let mut docs = DocSet::default();
        for (n, status) in [(1, "NEW"), (2, "PROCESSING"), (3, "SUCCESS"), (4, "FAILED")] {
            let body = json!({ "path": format!("{UPLOADS}/{}.csv", id(n)), "uploaded": true, "status": status });
            let put = DocChange::put(SandboxId(1), Collection::ExternalRun, id(n), body, "me");
            docs.apply(docs.n + 1, Timestamp(0), &put);
        }
        // 5 was written before its run was: the server was killed in between.
        let names: Vec<String> = (1..=5).map(|n| format!("{}.csv", id(n))).collect();
        let own = ["people.csv", "00000006-0000-4000-8000-000000000000.txt"].map(str::to_owned);
        for name in names.iter().chain(&own) {
            fs::write(uploads.join(name), "crm\n").expect("written");
        }
        remove_left_uploads(root.path(), &docs);
        let left = |name: &&String| uploads.join(name).exists();
        let left: Vec<&String> = names.iter().chain(&own).filter(left).collect();
        assert_eq!(left, [&names[0], &names[1], &own[0], &own[1]]);
    }
}
