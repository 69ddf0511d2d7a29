//! One entry: decode, route to its handler, park or forward what its profile cannot take now.

use super::PartitionWorker;
use super::hot::{Found, Hot};
use super::settle::Touch;
use crate::command::Command;
use crate::error::{Error, Result};
use crate::key;
use model::{PartitionNo, ProfileId, SandboxId, Timestamp};
use profile::{Event, Fragment, Record, RecordKind};
use store::{Entry, Keyspace};

impl PartitionWorker {
    pub(super) fn apply_entry(&mut self, no: PartitionNo, entry: &Entry) -> Result<()> {
        let command = Command::decode(&entry.payload)?;
        let inner = if let Command::Derived { inner, .. } = &command { inner } else { &command };
        if self.begins_batch(no, inner) {
            self.flush()?;
        }
        match command {
            Command::Derived { source, offset, k, inner } => {
                if self.partition(no).progress.is_new(source, (offset, k)) {
                    return self.apply_command(no, *inner);
                }
                Ok(())
            }
            command => self.apply_command(no, command),
        }
    }

    pub(super) fn apply_command(&mut self, no: PartitionNo, command: Command) -> Result<()> {
        match command {
            Command::PlanChanged { n } => self.change_plan(no, n),
            Command::Scan { sandbox, n, after } => self.scan(no, sandbox, n, after),
            Command::Erase { sandbox, dataset, after } => self.erase(no, sandbox, dataset, after),
            Command::Tick => self.tick(no),
            Command::Outcomes { outcomes } => self.settle_outcomes(no, outcomes),
            Command::ReplayDead { flow, seqs } => self.replay_dead(no, flow, &seqs),
            Command::Quarantine { sandbox, dataset, message, violations } => {
                self.quarantine(no, sandbox, dataset, &message, &violations);
                Ok(())
            }
            Command::ReleaseQuarantine { sandbox, numbers } => {
                for number in numbers {
                    self.batch.delete(Keyspace::Queue, key::quarantine(sandbox, no, number));
                }
                Ok(())
            }
            Command::AwaitAbsorb { sandbox, profile, loser } => self.await_absorb(no, sandbox, profile, loser),
            Command::Absorb { sandbox, profile, loser, row, events } => {
                self.absorb(no, sandbox, profile, loser, &row, events)
            }
            command => self.apply_to_profile(no, command),
        }
    }

    /// Commands that must find their profile at home and not waiting.
    pub(super) fn apply_to_profile(&mut self, no: PartitionNo, command: Command) -> Result<()> {
        let Some((sandbox, id)) = addressee(&command) else {
            return Err(Error::layout(format!("not a partition entry: {command:?}")));
        };
        let address = (sandbox, no, id);
        let hot = match self.take(address)? {
            Found::Gone(to) => {
                self.forward(sandbox, to, command);
                return Ok(());
            }
            Found::Here(hot) if !hot.profile.awaiting.is_empty() => {
                self.hot.put(address, hot, false);
                // One entry addresses one profile, so the offset names the parked row.
                let parked = key::parked(no, sandbox, id, self.at.offset);
                self.batch.put(Keyspace::Queue, parked, command.encode());
                return Ok(());
            }
            Found::Here(hot) => hot,
        };
        match command {
            Command::Apply { received, record, .. } => self.apply_record(no, sandbox, id, hot, received, record),
            Command::HandOver { winner, .. } => self.hand_over(no, sandbox, id, hot, winner),
            Command::DeleteProfile { .. } => self.delete_profile(no, sandbox, id, hot),
            Command::ExportNow { flow, .. } => self.export_now(no, sandbox, id, hot, flow),
            _ => Ok(()),
        }
    }

    fn forward(&mut self, sandbox: SandboxId, to: ProfileId, command: Command) {
        let stream = key::stream(to.partition(sandbox, self.partitions_count));
        let command = match command {
            Command::Apply { received, record, .. } => Command::Apply { sandbox, profile: to, received, record },
            Command::DeleteProfile { .. } => Command::DeleteProfile { sandbox, profile: to },
            Command::ExportNow { flow, .. } => Command::ExportNow { sandbox, profile: to, flow },
            // A profile hands over once; a repeat has nothing left to give.
            _ => return,
        };
        self.emitter.emit(stream, command);
    }

    fn apply_record(
        &mut self,
        no: PartitionNo,
        sandbox: SandboxId,
        id: ProfileId,
        mut hot: Box<Hot>,
        received: Timestamp,
        record: Record,
    ) -> Result<()> {
        let address = (sandbox, no, id);
        if self.is_gone(no, sandbox, record.dataset) {
            self.hot.put(address, hot, false);
            return Ok(());
        }
        let mut touch = Touch::default();
        match record.kind {
            RecordKind::Event => {
                let name = profile::event_name(record.dataset, &record.id);
                if hot.names.contains(&name) {
                    self.hot.put(address, hot, false);
                    return Ok(());
                }
                touch.identities = hot.profile.observe(&record);
                let (row, room) = (key::event(sandbox, no, id, &name), Event::ROW_ROOM);
                self.batch.put_with(Keyspace::Event, row, room, |out| Event::encode_to(&record, out));
                let view = Event::of(record).view;
                hot.insert_event(name, &view);
                touch.event = Some(view);
                self.partition(no).census.stock.entry(sandbox).or_default().events += 1;
                self.partition(no).census_moved = true;
            }
            RecordKind::Attributes => {
                touch.identities = hot.profile.observe(&record);
                if let Some(identity) = record.primary().cloned() {
                    let body = record.body;
                    let plan = self.plan(no, sandbox);
                    let plan_n = self.partition(no).plan.n;
                    touch.attributes_before = Some(if hot.exists() { hot.views(&plan, plan_n) } else { Vec::new() });
                    touch.written = Some(body.clone());
                    hot.profile.write_fragment(Fragment { dataset: record.dataset, identity, written: received, body });
                    hot.merged = None;
                }
            }
        }
        self.bound_identities(no, sandbox, id, &mut hot);
        let _ = self.settle(no, sandbox, id, &mut hot, touch, None)?;
        self.hot.put(address, hot, true);
        Ok(())
    }

    /// True for entries that read rows which this batch may have written: they begin a new batch. With another plan
    /// the events of profiles are read anew, and waiting exports; many plans in a row, as of an import of audiences,
    /// cost one commit.
    fn begins_batch(&mut self, no: PartitionNo, command: &Command) -> bool {
        match command {
            Command::PlanChanged { .. } => !self.batch.is_empty() || self.hot.has_changes() || !self.closed.is_empty(),
            Command::Scan { sandbox, n, after } => !self.is_superseded(no, *sandbox, *n, *after),
            Command::Erase { .. } | Command::Tick | Command::ReplayDead { .. } => true,
            _ => false,
        }
    }

    fn quarantine(
        &mut self,
        no: PartitionNo,
        sandbox: SandboxId,
        dataset: model::DatasetNo,
        message: &[u8],
        violations: &[u8],
    ) {
        let mut row = vec![key::FORMAT];
        model::codec::put_i64(&mut row, self.at.now.0);
        model::codec::put_u64(&mut row, u64::from(dataset.0));
        model::codec::put_bytes(&mut row, message);
        model::codec::put_bytes(&mut row, violations);
        self.batch.put(Keyspace::Queue, key::quarantine(sandbox, no, self.at.offset), row);
    }
}

fn addressee(command: &Command) -> Option<(SandboxId, ProfileId)> {
    match command {
        Command::Apply { sandbox, profile, .. }
        | Command::HandOver { sandbox, profile, .. }
        | Command::DeleteProfile { sandbox, profile }
        | Command::ExportNow { sandbox, profile, .. } => Some((*sandbox, *profile)),
        _ => None,
    }
}
