//! The reference: one map of people, every audience evaluated from scratch at every step, and the
//! export rule written down once more from activation.md §3.4.

use crate::world::{AudienceDoc, DAY, FlowDoc, SANDBOX, policy};
use activation::{Filtered, Reasons};
use model::{AudienceNo, DatasetNo, Identity, ProfileId, SmolStr, Status, Timestamp, Value};
use pql::{EventView, World};
use profile::{Fragment, Profile, Record, RecordKind};
use std::collections::{BTreeMap, HashMap, HashSet};

pub(crate) struct Rule {
    pub(crate) no: AudienceNo,
    pub(crate) doc: AudienceDoc,
    pub(crate) query: pql::Query,
}

#[derive(Default)]
pub(crate) struct Person {
    pub(crate) exists: bool,
    pub(crate) identities: Vec<Identity>,
    pub(crate) fragments: Vec<Fragment>,
    pub(crate) events: Vec<((DatasetNo, SmolStr), EventView)>,
    pub(crate) memberships: BTreeMap<AudienceNo, (Status, Timestamp)>,
    /// Until then, time alone turns no rule.
    quiet_until: Option<Timestamp>,
}

/// An export as both sides are compared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    pub(crate) at: Timestamp,
    pub(crate) reasons: Reasons,
    /// audience, status, since, changed
    pub(crate) memberships: Vec<(AudienceNo, Status, Timestamp, bool)>,
    pub(crate) identities: Vec<Identity>,
    pub(crate) attributes: Value,
}

#[derive(Default, Debug, Clone, PartialEq)]
pub(crate) struct Counts {
    pub(crate) received: u64,
    pub(crate) exported: u64,
    pub(crate) dead: u64,
    pub(crate) filtered: [u64; Filtered::ALL.len()],
}

pub(crate) struct Flow {
    pub(crate) doc: FlowDoc,
    pub(crate) counts: Counts,
    pub(crate) waiting: Vec<(ProfileId, Sent)>,
    pub(crate) dead: Vec<ProfileId>,
    /// Everything that was ever sent, by profile.
    pub(crate) history: BTreeMap<ProfileId, Vec<Sent>>,
}

#[derive(Default)]
pub(crate) struct Naive {
    pub(crate) people: BTreeMap<ProfileId, Person>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) flows: Vec<Flow>,
    graph: HashMap<Identity, ProfileId>,
    created: HashMap<ProfileId, Timestamp>,
    merged: HashMap<ProfileId, ProfileId>,
    /// Data sets that were deleted.
    gone: HashSet<DatasetNo>,
}

#[derive(Default)]
struct Change<'a> {
    identities: bool,
    written: Option<&'a Value>,
    /// flow and audience ids mapped just now
    mapped: Option<(&'a str, &'a HashSet<String>)>,
    replay: Option<&'a str>,
}

impl Naive {
    pub(crate) fn root(&self, mut id: ProfileId) -> ProfileId {
        while let Some(into) = self.merged.get(&id) {
            id = *into;
        }
        id
    }

    pub(crate) fn record(&mut self, record: &Record, now: Timestamp) {
        let primary = record.identities.iter().find(|i| i.primary).expect("a primary").identity.clone();
        let mut found: Vec<(Timestamp, ProfileId)> = record
            .identities
            .iter()
            .filter_map(|i| self.graph.get(&i.identity))
            .map(|id| (self.created[id], *id))
            .collect();
        found.sort();
        found.dedup();
        let winner = match found.first() {
            Some((_, id)) => *id,
            None => primary.xid(SANDBOX),
        };
        self.created.entry(winner).or_insert(now);
        for (_, loser) in found.into_iter().skip(1) {
            self.absorb(winner, loser, now);
        }
        for identity in &record.identities {
            self.graph.insert(identity.identity.clone(), winner);
        }
        if !self.gone.contains(&record.dataset) {
            self.apply(winner, record, &primary, now);
        }
    }

    /// A data set was deleted: what came from it goes.
    pub(crate) fn erase(&mut self, dataset: DatasetNo, now: Timestamp) {
        self.gone.insert(dataset);
        let ids: Vec<ProfileId> = self.people.keys().copied().collect();
        for id in ids {
            let Some(person) = self.people.get_mut(&id) else { continue };
            let events = person.events.len();
            person.events.retain(|((from, _), _)| *from != dataset);
            let fragments = person.fragments.extract_if(.., |f| f.dataset == dataset).collect::<Vec<_>>();
            if person.events.len() == events && fragments.is_empty() {
                continue;
            }
            let taken = Profile { fragments, ..Profile::default() };
            let written = (!taken.fragments.is_empty()).then(|| profile::attributes(&taken, &policy(), None));
            self.settle(id, &Change { written: written.as_ref(), ..Change::default() }, now);
        }
    }

    fn absorb(&mut self, winner: ProfileId, loser: ProfileId, now: Timestamp) {
        self.graph.values_mut().filter(|id| **id == loser).for_each(|id| *id = winner);
        self.merged.insert(loser, winner);
        let other = self.people.remove(&loser).unwrap_or_default();
        let person = self.people.entry(winner).or_default();
        let mut gained = false;
        for identity in other.identities {
            if !person.identities.contains(&identity) {
                gained = true;
                person.identities.push(identity);
            }
        }
        for fragment in other.fragments {
            person.write(fragment);
        }
        for (name, event) in other.events {
            if person.events.iter().all(|(n, _)| *n != name) {
                person.events.push((name, event));
            }
        }
        for (no, theirs) in other.memberships {
            let mine = person.memberships.get(&no).copied();
            let both = match (mine, theirs) {
                (None, theirs) => theirs,
                (Some(mine), theirs) if mine.0 == theirs.0 && mine.0 == Status::Realized => {
                    (mine.0, mine.1.min(theirs.1))
                }
                (Some(mine), theirs) if mine.0 == theirs.0 => (mine.0, mine.1.max(theirs.1)),
                (Some(mine), _) if mine.0 == Status::Realized => mine,
                (Some(_), theirs) => theirs,
            };
            person.memberships.insert(no, both);
        }
        self.settle(winner, &Change { identities: gained, ..Change::default() }, now);
    }

    fn apply(&mut self, id: ProfileId, record: &Record, primary: &Identity, now: Timestamp) {
        let person = self.people.entry(id).or_default();
        let name = (record.dataset, record.id.clone());
        if record.kind == RecordKind::Event && person.events.iter().any(|(n, _)| *n == name) {
            return;
        }
        let mut gained = false;
        for identity in &record.identities {
            if !person.identities.contains(&identity.identity) {
                gained = true;
                person.identities.push(identity.identity.clone());
            }
        }
        let mut change = Change { identities: gained, ..Change::default() };
        if record.kind == RecordKind::Event {
            let view = EventView { timestamp: record.timestamp, id: record.id.clone(), body: record.body.clone() };
            person.events.push((name, view));
        } else {
            let body = record.body.clone();
            person.write(Fragment { dataset: record.dataset, identity: primary.clone(), written: now, body });
            change.written = Some(&record.body);
        }
        self.settle(id, &change, now);
    }

    /// Time has passed: everybody is looked at whom it can have turned.
    pub(crate) fn time_passed(&mut self, now: Timestamp) {
        let turned = |p: &Person| p.exists && p.quiet_until.is_some_and(|until| until <= now);
        let ids: Vec<ProfileId> = self.people.iter().filter(|(_, p)| turned(p)).map(|(id, _)| *id).collect();
        for id in ids {
            self.settle(id, &Change::default(), now);
        }
    }

    /// A plan has changed: everybody is looked at.
    pub(crate) fn everybody(&mut self, mapped: Option<(&str, &HashSet<String>)>, now: Timestamp) {
        let ids: Vec<ProfileId> = self.people.iter().filter(|(_, p)| p.exists).map(|(id, _)| *id).collect();
        for id in ids {
            self.settle(id, &Change { mapped, ..Change::default() }, now);
        }
    }

    pub(crate) fn replay(&mut self, flow: &str, now: Timestamp) {
        let at = self.flows.iter().position(|f| f.doc.id == flow).expect("a flow");
        for profile in std::mem::take(&mut self.flows[at].dead) {
            self.flows[at].counts.dead -= 1;
            self.flows[at].counts.filtered[Filtered::Superseded as usize] += 1;
            let id = self.root(profile);
            if self.people.get(&id).is_some_and(|p| p.exists) {
                self.settle(id, &Change { replay: Some(flow), ..Change::default() }, now);
            }
        }
    }

    pub(crate) fn delete(&mut self, id: ProfileId, now: Timestamp) {
        let Some(mut person) = self.people.remove(&id).filter(|p| p.exists) else { return };
        let mut flips = Vec::new();
        for (no, m) in person.memberships.iter_mut().filter(|(_, m)| m.0 == Status::Realized) {
            *m = (Status::Exited, now);
            flips.push((*no, Status::Exited));
        }
        person.fragments.clear();
        for at in 0..self.flows.len() {
            self.decide(at, id, &person, &flips, &Change::default(), now);
        }
    }

    /// An audience comes, or has another rule.
    pub(crate) fn set_audience(&mut self, no: AudienceNo, doc: AudienceDoc, now: Timestamp) {
        let rule = Rule { no, query: doc.query(), doc };
        match self.rules.iter_mut().find(|r| r.no == no) {
            Some(known) => *known = rule,
            None => self.rules.push(rule),
        }
        self.everybody(None, now);
    }

    /// An audience that is asked for by none goes, without exits.
    pub(crate) fn remove_audience(&mut self, id: &str) {
        let Some(at) = self.rules.iter().position(|r| r.doc.id == id) else { return };
        let no = self.rules.remove(at).no;
        self.people.values_mut().for_each(|p| p.memberships.retain(|known, _| *known != no));
    }

    /// A new state of a flow takes back what waits and is no longer wanted.
    pub(crate) fn set_flow(&mut self, doc: FlowDoc, now: Timestamp) {
        let numbers: HashMap<AudienceNo, String> = self.rules.iter().map(|r| (r.no, r.doc.id.to_string())).collect();
        let at = self.flows.iter().position(|f| f.doc.id == doc.id).expect("a flow");
        let flow = &mut self.flows[at];
        let old = std::mem::replace(&mut flow.doc, doc.clone());
        let waiting = std::mem::take(&mut flow.waiting);
        for (id, sent) in waiting {
            let audiences_only = sent.reasons.0 & !(Reasons::SEGMENTATION.0 | Reasons::BACKFILL.0) == 0;
            let unmapped = old.mapped.keys().any(|a| !doc.mapped.contains_key(a));
            let mut still =
                sent.memberships.iter().filter(|m| numbers.get(&m.0).is_some_and(|id| doc.mapped.contains_key(id)));
            // Of what is still mapped: an entry or exit speaks for any export, a membership for those
            // that tell of more than audiences.
            let wanted = sent.reasons.has(Reasons::REPLAY)
                || still.any(|(_, status, _, changed)| *changed || (!audiences_only && *status == Status::Realized));
            let unwanted = !wanted;
            if old.enabled && !doc.enabled {
                flow.counts.filtered[Filtered::FlowDisabled as usize] += 1;
            } else if unmapped && unwanted {
                flow.counts.filtered[Filtered::AudienceUnmapped as usize] += 1;
            } else {
                flow.waiting.push((id, sent));
            }
        }
        let fresh: HashSet<String> = doc.mapped.keys().filter(|a| !old.mapped.contains_key(*a)).cloned().collect();
        if !fresh.is_empty() {
            self.everybody(Some((doc.id, &fresh)), now);
        }
    }

    fn settle(&mut self, id: ProfileId, change: &Change<'_>, now: Timestamp) {
        let mut person = self.people.remove(&id).unwrap_or_default();
        person.exists = true;
        let flips = person.evaluate(&self.rules, now);
        for at in 0..self.flows.len() {
            self.decide(at, id, &person, &flips, change, now);
        }
        self.people.insert(id, person);
    }

    fn decide(
        &mut self,
        at: usize,
        id: ProfileId,
        person: &Person,
        flips: &[(AudienceNo, Status)],
        change: &Change<'_>,
        now: Timestamp,
    ) {
        let numbers: HashMap<&str, AudienceNo> = self.rules.iter().map(|r| (r.doc.id.as_str(), r.no)).collect();
        let flow = &mut self.flows[at];
        let doc = flow.doc.clone();
        let mapped: Vec<AudienceNo> = doc.mapped.keys().map(|id| numbers[id.as_str()]).collect();
        let member = |no: &AudienceNo| person.memberships.get(no).is_some_and(|m| m.0 == Status::Realized);
        let flipped = |no: &AudienceNo| flips.iter().any(|(f, _)| f == no);
        let newly = |no: &AudienceNo| {
            let fresh =
                change.mapped.is_some_and(|(f, ids)| f == doc.id && ids.iter().any(|id| numbers[id.as_str()] == *no));
            fresh && member(no) && !flipped(no)
        };
        let mut matched: Vec<(Reasons, bool)> = Vec::new();
        if mapped.iter().any(flipped) {
            matched.push((Reasons::SEGMENTATION, doc.triggers[1]));
        }
        if change.identities {
            matched.push((Reasons::IDENTITY, doc.triggers[2]));
        }
        if change.written.is_some_and(|body| doc.attributes.iter().any(|path| !body.at(path).is_null())) {
            matched.push((Reasons::ATTRIBUTE, doc.triggers[0]));
        }
        if mapped.iter().any(newly) {
            matched.push((Reasons::BACKFILL, true));
        }
        if change.replay == Some(doc.id) {
            matched.push((Reasons::REPLAY, true));
        }
        if matched.is_empty() {
            return;
        }
        flow.counts.received += 1;
        let mut reasons = Reasons::default();
        matched.iter().filter(|(_, on)| *on).for_each(|(r, _)| reasons.add(*r));
        let exit = flips.iter().any(|(no, s)| *s == Status::Exited && mapped.contains(no));
        let why_not = if !doc.enabled {
            Some(Filtered::FlowDisabled)
        } else if reasons.is_empty() {
            Some(Filtered::TriggerOff)
        } else if !mapped.iter().any(member) && !exit && change.replay != Some(doc.id) {
            Some(Filtered::NotAMember)
        } else {
            None
        };
        if let Some(why_not) = why_not {
            flow.counts.filtered[why_not as usize] += 1;
            return;
        }
        let entry = |no: &AudienceNo| {
            let (status, since) = person.memberships[no];
            (*no, status, since, flipped(no) || (mapped.contains(no) && newly(no)))
        };
        let (first, rest): (Vec<_>, Vec<_>) = person.memberships.keys().partition(|no| mapped.contains(no));
        let view = person.view();
        let mut attributes = Value::Object(Vec::new());
        for path in &doc.attributes {
            let value = view.at(path);
            if !value.is_null() {
                attributes.set(&path.split('.').collect::<Vec<_>>(), value.clone());
            }
        }
        let sent = Sent {
            at: now,
            reasons,
            memberships: first.into_iter().chain(rest).map(entry).collect(),
            identities: person.identities.clone(),
            attributes,
        };
        flow.history.entry(id).or_default().push(sent.clone());
        flow.waiting.push((id, sent));
    }
}

impl Person {
    fn write(&mut self, fragment: Fragment) {
        let same = |f: &&mut Fragment| f.dataset == fragment.dataset && f.identity == fragment.identity;
        match self.fragments.iter_mut().find(same) {
            Some(old) if old.written > fragment.written => {}
            Some(old) => *old = fragment,
            None => self.fragments.push(fragment),
        }
    }

    pub(crate) fn view(&self) -> Value {
        let profile = Profile { fragments: self.fragments.clone(), ..Profile::default() };
        profile::attributes(&profile, &policy(), None)
    }

    fn evaluate(&mut self, rules: &[Rule], now: Timestamp) -> Vec<(AudienceNo, Status)> {
        self.memberships.retain(|_, m| !(m.0 == Status::Exited && m.1.0 + 30 * DAY <= now.0));
        let mut flips = Vec::new();
        let mut next = None;
        let (attributes, events) = (self.view(), self.ordered_events());
        for rule in rules {
            let (holds, turns) = self.holds(rules, rule, &attributes, &events, now);
            next = next.into_iter().chain(turns).min();
            let was = self.memberships.get(&rule.no).is_some_and(|m| m.0 == Status::Realized);
            if holds != was {
                let status = if holds { Status::Realized } else { Status::Exited };
                self.memberships.insert(rule.no, (status, now));
                flips.push((rule.no, status));
            }
        }
        let exits = self.memberships.values().filter(|m| m.0 == Status::Exited);
        self.quiet_until = next.into_iter().chain(exits.map(|m| Timestamp(m.1.0 + 30 * DAY))).min();
        flips
    }

    fn holds(
        &self,
        rules: &[Rule],
        rule: &Rule,
        attributes: &Value,
        events: &[EventView],
        now: Timestamp,
    ) -> (bool, Option<Timestamp>) {
        let is_member = |id: &str| {
            let no = rules.iter().find(|r| r.doc.id == id).map(|r| r.no);
            no.and_then(|no| self.memberships.get(&no)).is_some_and(|m| m.0 == Status::Realized)
        };
        let world = World { profile: attributes, events, is_member: &is_member, now };
        let out = attributes
            .at("optOutConsentLevel.privacyOptOuts")
            .as_array()
            .is_some_and(|o| o.iter().any(|o| o.get("optOutValue").as_str() == Some("out")));
        let truth = rule.query.eval_bool(&world);
        (truth.holds && !(rule.doc.opt_out && out), truth.flips_at)
    }

    /// A rule that answers otherwise than the memberships say: time was believed not to have turned it.
    pub(crate) fn missed(&self, rules: &[Rule], now: Timestamp) -> Option<String> {
        let (attributes, events) = (self.view(), self.ordered_events());
        let wrong = |rule: &&Rule| {
            let was = self.memberships.get(&rule.no).is_some_and(|m| m.0 == Status::Realized);
            self.holds(rules, rule, &attributes, &events, now).0 != was
        };
        rules.iter().find(wrong).map(|rule| format!("{:?}", rule.doc))
    }

    fn ordered_events(&self) -> Vec<EventView> {
        let mut events: Vec<EventView> = self.events.iter().map(|(_, e)| e.clone()).collect();
        events.sort_by(|a, b| (a.timestamp, &a.id).cmp(&(b.timestamp, &b.id)));
        events
    }

    pub(crate) fn realized(&self) -> Vec<AudienceNo> {
        self.memberships.iter().filter(|(_, m)| m.0 == Status::Realized).map(|(no, _)| *no).collect()
    }
}
