//! Carries out export jobs: writes fields of profiles as a batch of a data set.
//!
//! A batch is the directory `exports/DATASET/BATCH` below the data directory, with JSON rows in
//! `part-00000.jsonl`. Always: a directory of that name is complete; what is being written ends in `.part`; who opted
//! out in general, as the export's merge policy sees it, is not exported (profile.md §11.2).

use super::evaluate::Views;
use super::survey::{self, End};
use super::{Room, work_off};
use audience::is_opted_out;
use engine::StoredProfile;
use model::membership::UPLOADED_FIELD;
use model::{AudienceNo, Collection, Doc, SandboxId, SmolStr, Status, Timestamp, Value};
use profile::MergePolicy;
use segmentation::export_jobs::{self, Batch, Plan, Stand};
use segmentation::jobs;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

const DIRECTORY: &str = "exports";
const UNFINISHED: &str = ".part";

/// One export after another, until the server stops.
pub(super) async fn run(room: Arc<Room>, stopped: watch::Receiver<bool>) {
    remove_unfinished(&room.root.join(DIRECTORY));
    work_off(room, stopped, export_jobs::next, process).await;
}

/// Removes what was exported into data sets that are deleted, until the server stops.
pub(super) async fn follow_deletions(room: Arc<Room>, mut stopped: watch::Receiver<bool>) {
    let mut changed = room.changed.clone();
    let mut last = None;
    loop {
        let ids = datasets(&room);
        if last.as_ref() != Some(&ids) {
            let room = room.clone();
            if let Err(error) = tokio::task::spawn_blocking(move || remove_deleted(&room)).await {
                tracing::error!(%error, "exports of deleted data sets could not be looked for");
            }
            last = Some(ids);
        }
        // An error means that the server is gone: stop as well.
        tokio::select! {
            news = changed.changed() => if news.is_err() { return },
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
    }
}

fn datasets(room: &Room) -> BTreeSet<SmolStr> {
    let current = room.engine.control().current();
    current.docs.iter_everywhere(Collection::Dataset).map(|(_, doc)| doc.id.clone()).collect()
}

/// Directories of other names are somebody else's.
fn remove_deleted(room: &Room) {
    let is_id = |name: &str| name.len() == 24 && name.bytes().all(|b| b.is_ascii_hexdigit());
    for set in fs::read_dir(room.root.join(DIRECTORY)).into_iter().flatten().flatten() {
        let name = set.file_name();
        let Some(id) = name.to_str().filter(|name| is_id(name)) else { continue };
        // Asked anew for each: a data set may have come since the directory was opened.
        if !datasets(room).contains(id)
            && let Err(error) = fs::remove_dir_all(set.path())
        {
            tracing::warn!(%error, path = %set.path().display(), "what was exported into a deleted data set is still there");
        }
    }
}

async fn process(room: Arc<Room>, sandbox: SandboxId, job: Arc<Doc>) {
    if jobs::is_cancelling(&job) {
        return write(&room, sandbox, &job.id, &Stand::Cancelled).await;
    }
    write(&room, sandbox, &job.id, &Stand::Processing).await;
    let (inner, id) = (room.clone(), job.id.clone());
    let exported = tokio::task::spawn_blocking(move || export(&inner, sandbox, &job)).await;
    let stand = match exported {
        Ok(Ok(Some(stand))) => stand,
        // Called off; when the server stops, the next one begins it again.
        Ok(Ok(None)) if room.is_stopping() => return,
        Ok(Ok(None)) => Stand::Cancelled,
        Ok(Err(why)) => Stand::Failed(why),
        Err(broken) => Stand::Failed(format!("the export broke off: {broken}")),
    };
    write(&room, sandbox, &id, &stand).await;
}

async fn write(room: &Room, sandbox: SandboxId, id: &str, stand: &Stand) {
    let now = room.clock.now();
    room.write(|docs| export_jobs::write_stand(docs, sandbox, id, now, stand)).await;
}

/// What a crash left behind.
fn remove_unfinished(exports: &Path) {
    let sets = fs::read_dir(exports).into_iter().flatten().flatten();
    for batch in sets.flat_map(|set| fs::read_dir(set.path()).into_iter().flatten().flatten()) {
        if batch.file_name().to_string_lossy().ends_with(UNFINISHED)
            && let Err(error) = fs::remove_dir_all(batch.path())
        {
            tracing::warn!(%error, path = %batch.path().display(), "an unfinished export stays behind");
        }
    }
}

/// `None` when it was called off.
fn export(room: &Room, sandbox: SandboxId, job: &Doc) -> Result<Option<Stand>, String> {
    room.wait_for_the_stream();
    let mut export = Export::new(room, sandbox, export_jobs::plan(job))?;
    let is_called_off = || room.is_called_off(sandbox, Collection::ExportJob, &job.id);
    let end = survey::each(&room.engine, sandbox, &is_called_off, &mut |stored| {
        export.see(room, stored)?;
        Ok(ControlFlow::Continue(()))
    })?;
    if end == End::CalledOff {
        return Ok(None);
    }
    let read_until = room.clock.now();
    Ok(Some(Stand::Succeeded { batches: export.finish()?, read_until }))
}

/// An export under way.
struct Export {
    sandbox: SandboxId,
    plan: Plan,
    views: Views,
    policy: MergePolicy,
    sandbox_plan: Arc<engine::SandboxPlan>,
    /// The audiences of the filter: number, statuses, and when a job last confirmed their members.
    wanted: Vec<(AudienceNo, Vec<SmolStr>, Option<Timestamp>)>,
    /// One, or one per audience of the filter.
    outputs: Vec<Output>,
}

impl Export {
    fn new(room: &Room, sandbox: SandboxId, plan: Plan) -> Result<Export, String> {
        let current = room.engine.control().current();
        let docs = &current.docs;
        let sandbox_plan = current.plan.sandboxes.get(&sandbox).cloned().ok_or("the sandbox is gone")?;
        if docs.get(sandbox, Collection::Dataset, &plan.dataset).is_none() {
            return Err(format!("the data set {} was deleted", plan.dataset));
        }
        let views = Views::new(sandbox_plan.clone());
        let policy = views.policy(&plan.merge_policy).cloned();
        let policy = policy.ok_or_else(|| format!("the merge policy {} was deleted", plan.merge_policy))?;
        let confirmed = jobs::last_counted(docs, sandbox);
        let number = |id: &str| {
            let of = |kind| docs.get(sandbox, kind, id).map(|doc| AudienceNo(doc.no));
            of(Collection::Audience).or_else(|| of(Collection::ExternalAudience))
        };
        let mut wanted = Vec::new();
        for segment in &plan.segments {
            let no = number(&segment.id).ok_or_else(|| format!("the audience {} was deleted", segment.id))?;
            wanted.push((no, segment.statuses.clone(), confirmed.get(&segment.id).copied()));
        }
        let segments: Vec<Option<SmolStr>> = match plan.segment_per_batch {
            true => plan.segments.iter().map(|segment| Some(segment.id.clone())).collect(),
            false => vec![None],
        };
        let create = |segment| Output::create(&room.root, &plan.dataset, segment);
        let outputs = segments.into_iter().map(create).collect::<Result<_, _>>()?;
        Ok(Export { sandbox, plan, views, policy, sandbox_plan, wanted, outputs })
    }

    fn see(&mut self, room: &Room, stored: &StoredProfile) -> Result<(), String> {
        let profile = &stored.profile;
        if self.plan.changed_from.is_some_and(|from| profile.modified < from)
            || (!self.plan.empty_profiles && profile.fragments.is_empty())
        {
            return Ok(());
        }
        let is_in = |(no, statuses, confirmed): &(AudienceNo, Vec<SmolStr>, Option<Timestamp>)| {
            // One that is no longer evaluated has no members.
            let known = self.sandbox_plan.audiences.by_no(*no).is_some();
            profile.membership(*no).filter(|_| known).is_some_and(|membership| {
                let status = match membership.status {
                    Status::Realized if confirmed.is_some_and(|at| membership.since <= at) => "existing",
                    status => status.as_str(),
                };
                let (from, to) = self.plan.qualified;
                statuses.iter().any(|wanted| wanted == status) && (from..=to).contains(&membership.since.0)
            })
        };
        let within: Vec<bool> = self.wanted.iter().map(is_in).collect();
        if !self.wanted.is_empty() && !within.contains(&true) {
            return Ok(());
        }
        let view = self.views.of(profile, &self.policy);
        if is_opted_out(&view) {
            return Ok(());
        }
        let row = self.row(room, stored, view)?;
        match self.plan.segment_per_batch {
            true => self.outputs.iter_mut().zip(within).filter(|(_, is_in)| *is_in).try_for_each(|(o, _)| o.put(&row)),
            false => self.outputs.iter_mut().try_for_each(|output| output.put(&row)),
        }
    }

    /// One line.
    fn row(&self, room: &Room, stored: &StoredProfile, mut view: Value) -> Result<Vec<u8>, String> {
        view.take(UPLOADED_FIELD);
        if self.plan.fields.iter().any(|path| path[0] == "identities") {
            view.set(&["identities"], self.identities(stored));
        }
        let mut row = project(&view, &self.plan.fields);
        if let Some(events) = &self.plan.events {
            let found = room.engine.events(self.sandbox, stored.id).map_err(|e| e.to_string())?;
            let event = |event: engine::StoredEvent| {
                let mut value = event.view.body.clone();
                value.set(&["_id"], Value::Str(event.view.id.clone()));
                value.set(&["timestamp"], Value::Str(event.view.timestamp.to_string().into()));
                let mapped = event.identities.iter().map(|identity| &identity.identity);
                value.set(&["identityMap"], profile::identity_map(mapped, &|id| self.sandbox_plan.namespaces.code(id)));
                project(&value, &events.fields)
            };
            row.set(&["eventList"], Value::Array(found.into_iter().map(event).collect()));
        }
        let mut line = Vec::with_capacity(256);
        row.write_json(&mut line);
        line.push(b'\n');
        Ok(line)
    }

    /// `[{"id","namespace":{"code"}}]`.
    fn identities(&self, stored: &StoredProfile) -> Value {
        let one = |known: &profile::KnownIdentity| {
            let code = self.sandbox_plan.namespaces.code(known.identity.namespace);
            let mut identity =
                Value::Object(vec![(SmolStr::new_static("id"), Value::Str(known.identity.value.clone()))]);
            identity.set(&["namespace", "code"], Value::Str(code));
            identity
        };
        Value::Array(stored.profile.identities.iter().map(one).collect())
    }

    fn finish(self) -> Result<Vec<Batch>, String> {
        self.outputs.into_iter().map(Output::finish).collect()
    }
}

/// A batch that is being written; it is removed unless it is finished.
struct Output {
    id: SmolStr,
    segment: Option<SmolStr>,
    /// Below the data directory.
    path: String,
    directory: PathBuf,
    file: BufWriter<File>,
    rows: u64,
    finished: bool,
}

impl Output {
    fn create(root: &Path, dataset: &str, segment: Option<SmolStr>) -> Result<Output, String> {
        let id = SmolStr::new(model::Xid(access::fresh()).to_string().to_lowercase());
        let id = SmolStr::new(id.chars().filter(char::is_ascii_alphanumeric).collect::<String>());
        let path = format!("{DIRECTORY}/{dataset}/{id}");
        let directory = root.join(&path);
        let unfinished = directory.with_extension(&UNFINISHED[1..]);
        let failed = |e: std::io::Error| format!("cannot write {path}: {e}");
        fs::create_dir_all(&unfinished).map_err(failed)?;
        let file = File::create(unfinished.join("part-00000.jsonl")).map_err(failed)?;
        Ok(Output { id, segment, path, directory, file: BufWriter::new(file), rows: 0, finished: false })
    }

    fn put(&mut self, row: &[u8]) -> Result<(), String> {
        self.rows += 1;
        self.file.write_all(row).map_err(|e| format!("cannot write {}: {e}", self.path))
    }

    fn unfinished(&self) -> PathBuf {
        self.directory.with_extension(&UNFINISHED[1..])
    }

    /// Makes it last, then gives it its name.
    fn finish(mut self) -> Result<Batch, String> {
        let failed = |e: std::io::Error| format!("cannot write {}: {e}", self.path);
        self.file.flush().map_err(failed)?;
        self.file.get_ref().sync_all().map_err(failed)?;
        fs::rename(self.unfinished(), &self.directory).map_err(failed)?;
        if let Some(parent) = self.directory.parent() {
            File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)?;
        }
        self.finished = true;
        Ok(Batch { id: self.id.clone(), segment: self.segment.clone(), path: self.path.clone(), rows: self.rows })
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.finished {
            // What stays is removed at the next start.
            let _ = fs::remove_dir_all(self.unfinished());
        }
    }
}

/// The fields at the paths, looking through arrays; everything when no path is given.
fn project(value: &Value, paths: &[Vec<SmolStr>]) -> Value {
    if paths.is_empty() {
        return value.clone();
    }
    let paths: Vec<&[SmolStr]> = paths.iter().map(Vec::as_slice).collect();
    match narrowed(value, &paths) {
        Value::Null => Value::Object(Vec::new()),
        narrowed => narrowed,
    }
}

fn narrowed(value: &Value, paths: &[&[SmolStr]]) -> Value {
    if paths.iter().any(|path| path.is_empty()) {
        return value.clone();
    }
    match value {
        Value::Array(items) => {
            let items: Vec<Value> = items.iter().map(|i| narrowed(i, paths)).filter(|i| !i.is_null()).collect();
            if items.is_empty() { Value::Null } else { Value::Array(items) }
        }
        Value::Object(fields) => {
            let mut below: BTreeMap<&str, Vec<&[SmolStr]>> = BTreeMap::new();
            for path in paths {
                below.entry(path[0].as_str()).or_default().push(&path[1..]);
            }
            let field = |(name, value): &(SmolStr, Value)| {
                let value = narrowed(value, below.get(name.as_str())?);
                (!value.is_null()).then(|| (name.clone(), value))
            };
            let fields: Vec<(SmolStr, Value)> = fields.iter().filter_map(field).collect();
            if fields.is_empty() { Value::Null } else { Value::Object(fields) }
        }
        _ => Value::Null,
    }
}
