//! A case of messages: profiles, one after the other, become requests as delivery would send them.
//!
//! Always: profiles wait until all are there, then messages are filled; what one person sends in one lane leaves in
//! the order of its profiles, so a message is closed early where it would be overtaken; a message that is refused as a
//! whole is sent again in halves.

use super::expect;
use super::file::{Case, GivenAnswer};
use super::mapping::mapping;
use super::run::{Exchange, Mismatch, ProfileOutcome, Run, Subject};
use crate::config::{DestinationConfig, check_customer_data};
use crate::message::{
    Aliases, Answer, Design, GroupKey, Instance, Judgement, MappedAudience, RetryStatuses, Setup, Slice, SliceOutcome,
    SourceProfile, Withheld, chunk,
};
use model::{SmolStr, Timestamp};
use serde_json::{Map, Value as Json, json};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// The flow of a case: its instance, and its profiles.
pub(crate) struct Flow {
    pub(crate) instance: Instance,
    pub(crate) profiles: Vec<SourceProfile>,
}

pub(crate) fn run(subject: &Subject, case: &Case) -> Run {
    let flow = match flow(subject, case) {
        Ok(flow) => flow,
        Err(faults) => {
            let mismatches = faults.into_iter().map(Mismatch::new).collect();
            return Run { mismatches, refused: true, ..Run::default() };
        }
    };
    let mut run = Run::default();
    let mut parcels = VecDeque::from(parcels(&flow, &mut run.outcomes));
    let mut answers = case.answers.iter();
    while let Some(parcel) = parcels.pop_front() {
        let request = parcel.compose(&flow.instance);
        // What cannot be composed is not sent, so it takes no answer.
        let answer = if request.is_ok() { answers.next().cloned().unwrap_or_default() } else { GivenAnswer::default() };
        let judgement = match &request {
            Ok(_) => parcel.judge(&flow.instance, &answer),
            Err(error) => Judgement::AllRejected { reason: first_line(&error.to_string()), whole_batch: false },
        };
        let halved = matches!(judgement, Judgement::AllRejected { whole_batch: true, .. }) && parcel.slices.len() > 1;
        if halved {
            let (first, second) = parcel.halves();
            parcels.push_front(second);
            parcels.push_front(first);
        } else {
            settle(&parcel, &judgement, &mut run.outcomes);
        }
        let words = words(&judgement, halved);
        run.exchanges.push(Exchange { answer, halved, ..parcel.exchange(&flow.instance, request, words) });
    }
    let left = answers.count();
    if left > 0 {
        run.mismatches.push(Mismatch::new(format!("{left} of the answers belong to no request")));
    }
    expect::messages(case, &mut run);
    run
}

/// The message without the underlined place.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn words(judgement: &Judgement, halved: bool) -> String {
    match judgement {
        Judgement::AllDelivered => "delivered".to_owned(),
        Judgement::AllRetry { reason } => format!("retry: {reason}"),
        Judgement::AllRejected { reason, .. } if halved => format!("rejected as a whole, tried in halves: {reason}"),
        Judgement::AllRejected { reason, .. } => format!("rejected: {reason}"),
        Judgement::PerSlice(outcomes) => {
            let good = outcomes.iter().filter(|o| **o == SliceOutcome::Delivered).count();
            format!("{good} of {} delivered", outcomes.len())
        }
    }
}

/// Reads everything that a case says about its flow. An error is a list of sentences.
pub(crate) fn flow(subject: &Subject, case: &Case) -> Result<Flow, Vec<String>> {
    let mut faults = Vec::new();
    let design = subject.design.clone();
    if design.is_none() {
        faults.push("the destination exports files: it sends no messages, so a case has no profiles".to_owned());
    }
    let config = &subject.destination;
    let mut keep = |of: &str, found: Vec<crate::Fault>| {
        faults.extend(found.into_iter().map(|f| format!("{of}.{}: {}", f.path, f.message)));
    };
    let data = check_customer_data(&config.customer_data_fields, &case.customer_data, &|_| None);
    let customer_data = data.map_err(|found| keep("customerData", found)).unwrap_or_default();
    let mapping = mapping(config, case.mapping.as_deref()).map_err(|why| faults.push(why)).unwrap_or_default();
    let mut profiles = Vec::new();
    for (at, json) in case.profiles.iter().flatten().enumerate() {
        match profile(json, case.now) {
            Ok(profile) => profiles.push(profile),
            Err(why) => faults.push(format!("profiles[{at}]: {why}")),
        }
    }
    let aliases = Aliases::new(audiences(case, &profiles));
    for audience in case.audiences.iter().flat_map(|rows| rows.iter()) {
        let namespace = audience.1.namespace.as_deref().unwrap_or("ups");
        if !config.schema.segment_namespaces.admits(namespace) {
            faults.push(format!("audiences.{}: the destination takes no audiences of `{namespace}`", audience.0));
        }
    }
    match design {
        Some(design) if faults.is_empty() => {
            let instance = instance(config, design, case, &customer_data, mapping, aliases);
            Ok(Flow { instance, profiles })
        }
        _ => Err(faults),
    }
}

fn instance(
    config: &DestinationConfig,
    design: Arc<Design>,
    case: &Case,
    customer_data: &Json,
    mapping: crate::message::Mapping,
    aliases: Aliases,
) -> Instance {
    let account = case.account();
    let facts = json!({"name": config.name});
    let id = SmolStr::new(&case.name);
    Instance::new(design, Setup { id, customer_data, auth_data: &account, mapping, aliases, facts: &facts })
}

/// A membership without a time began at the instant of the case; one with `changed: false` is not part of the change.
fn profile(json: &Json, now: Timestamp) -> Result<SourceProfile, String> {
    let mut json = json.clone();
    let mut unchanged: HashSet<(String, String)> = HashSet::new();
    let members = json.get_mut("segmentMembership").and_then(Json::as_object_mut);
    for (namespace, audiences) in members.into_iter().flatten() {
        for (id, membership) in audiences.as_object_mut().into_iter().flatten() {
            let Some(fields) = membership.as_object_mut() else { continue };
            match fields.shift_remove("changed") {
                None | Some(Json::Bool(true)) => {}
                Some(Json::Bool(false)) => drop(unchanged.insert((namespace.clone(), id.clone()))),
                Some(_) => return Err(format!("segmentMembership.{namespace}.{id}.changed must be true or false")),
            }
            fields.entry("lastQualificationTime").or_insert_with(|| now.to_seconds_text().into());
        }
    }
    let mut profile = SourceProfile::from_json(&json).map_err(|fault| fault.to_string())?;
    for membership in &mut profile.memberships {
        membership.changed = !unchanged.contains(&(membership.namespace.to_string(), membership.id.to_string()));
    }
    Ok(profile)
}

fn audiences(case: &Case, profiles: &[SourceProfile]) -> Vec<MappedAudience> {
    let plain = |namespace: &str, id: &str| MappedAudience {
        namespace: SmolStr::new(namespace),
        id: SmolStr::new(id),
        name: SmolStr::new(id),
        alias: None,
        partner_name: None,
        created_at: case.now,
        updated_at: case.now,
        mapping_created_at: case.now,
        mapping_updated_at: case.now,
    };
    let Some(rows) = &case.audiences else {
        let memberships = profiles.iter().flat_map(|profile| &profile.memberships);
        return memberships.map(|m| plain(&m.namespace, &m.id)).collect();
    };
    let text = |given: &Option<String>| given.as_deref().map(SmolStr::new);
    let at = |given: &Option<super::file::Instant>| given.map_or(case.now, |i| i.0);
    let row = |(id, row): &(String, super::file::AudienceRow)| {
        let plain = plain(row.namespace.as_deref().unwrap_or("ups"), id);
        MappedAudience {
            name: text(&row.name).unwrap_or(plain.name),
            alias: text(&row.alias),
            partner_name: text(&row.partner_name),
            created_at: at(&row.created_at),
            updated_at: at(&row.updated_at),
            mapping_created_at: at(&row.mapping_created_at),
            mapping_updated_at: at(&row.mapping_updated_at),
            ..plain
        }
    };
    rows.iter().map(row).collect()
}

/// Slices of one group that make one message.
struct Parcel {
    group: Arc<GroupKey>,
    /// Each with its profile and the person that this is.
    slices: Vec<(usize, usize, Slice)>,
}

impl Parcel {
    fn plain(&self) -> Vec<&Slice> {
        self.slices.iter().map(|(_, _, slice)| slice).collect()
    }

    fn compose(&self, instance: &Instance) -> Result<crate::message::Request, crate::message::ComposeError> {
        instance.compose(&self.group, &self.plain())
    }

    fn judge(&self, instance: &Instance, answer: &GivenAnswer) -> Judgement {
        let body = answer.bytes();
        let answer = Answer { status: answer.status, body: &body };
        instance.judge(&answer, &self.plain(), RetryStatuses::Default)
    }

    fn halves(&self) -> (Parcel, Parcel) {
        let (first, second) = self.slices.split_at(self.slices.len().div_ceil(2));
        let half = |slices: &[(usize, usize, Slice)]| Parcel { group: self.group.clone(), slices: slices.to_vec() };
        (half(first), half(second))
    }

    fn exchange(
        &self,
        instance: &Instance,
        request: Result<crate::message::Request, crate::message::ComposeError>,
        judgement: String,
    ) -> Exchange {
        let mut profiles: Vec<usize> = self.slices.iter().map(|(profile, ..)| *profile).collect();
        profiles.dedup();
        let key = instance.design().grouping().keyed.then(|| instance.aggregation_key_json(&self.group));
        let key = key.map(|mut key| {
            key.as_object_mut().map(|fields: &mut Map<String, Json>| fields.shift_remove("destinationInstanceId"));
            key
        });
        Exchange {
            key,
            profiles,
            lanes: self.slices.iter().map(|(profile, person, slice)| ((*person, slice.lane), *profile)).collect(),
            entries: instance.entries(&self.plain()),
            request,
            answer: GivenAnswer::default(),
            judgement,
            halved: false,
        }
    }
}

/// What the profiles contribute, filled into messages; `outcomes` gets one for each profile.
fn parcels(flow: &Flow, outcomes: &mut Vec<ProfileOutcome>) -> Vec<Parcel> {
    let persons = persons(&flow.profiles);
    let mut open: Vec<Parcel> = Vec::new();
    let mut place: HashMap<Arc<GroupKey>, usize> = HashMap::new();
    // Where a person's last slice of a lane waits.
    let mut last: HashMap<(usize, u64), usize> = HashMap::new();
    let mut closed: Vec<Parcel> = Vec::new();
    for (at, (profile, person)) in flow.profiles.iter().zip(persons).enumerate() {
        let target = flow.instance.target(profile.clone());
        let slices = flow.instance.slices(&target);
        outcomes.push(match flow.instance.withheld(&target) {
            Some(withheld) if slices.is_empty() => ProfileOutcome::Withheld(reason(&withheld)),
            _ => ProfileOutcome::Delivered,
        });
        for slice in slices {
            let lane = (person, slice.lane);
            let here = place.get(&slice.group).copied();
            // In a message that opened earlier this slice would overtake the one before it.
            if last.get(&lane).is_some_and(|waits| here.is_some_and(|here| here < *waits)) {
                closed.append(&mut open);
                place.clear();
                last.clear();
            }
            let here = *place.entry(slice.group.clone()).or_insert_with(|| {
                open.push(Parcel { group: slice.group.clone(), slices: Vec::new() });
                open.len() - 1
            });
            last.insert(lane, here);
            open[here].slices.push((at, person, slice));
        }
    }
    closed.append(&mut open);
    let max = flow.instance.design().grouping().max_users;
    let messages = closed.into_iter().flat_map(|parcel| {
        let ranges = chunk(parcel.slices.iter().map(|(_, _, slice)| slice.users), max);
        let message = |range: std::ops::Range<usize>| Parcel {
            group: parcel.group.clone(),
            slices: parcel.slices[range].to_vec(),
        };
        ranges.into_iter().map(message).collect::<Vec<_>>()
    });
    messages.collect()
}

fn reason(withheld: &Withheld) -> String {
    match withheld {
        Withheld::NoIdentity => "it has none of the mapped identities".to_owned(),
        Withheld::Mandatory(name) => format!("it has no value for the mandatory field `{name}`"),
        Withheld::NotAMember => "it is in none of the mapped audiences".to_owned(),
    }
}

/// For each profile the person that it is: profiles that share an identity are one person.
fn persons(profiles: &[SourceProfile]) -> Vec<usize> {
    let mut of: HashMap<&(SmolStr, SmolStr), usize> = HashMap::new();
    let mut persons = Vec::with_capacity(profiles.len());
    for (at, profile) in profiles.iter().enumerate() {
        let known = profile.identities.iter().find_map(|identity| of.get(identity).copied());
        let person = known.unwrap_or(at);
        for identity in &profile.identities {
            of.entry(identity).or_insert(person);
        }
        persons.push(person);
    }
    persons
}

fn settle(parcel: &Parcel, judgement: &Judgement, outcomes: &mut [ProfileOutcome]) {
    let each = |at: usize| match judgement {
        Judgement::AllDelivered => SliceOutcome::Delivered,
        Judgement::AllRetry { reason } => SliceOutcome::Retry { reason: reason.clone() },
        Judgement::AllRejected { reason, .. } => SliceOutcome::Rejected { reason: reason.clone() },
        Judgement::PerSlice(each) => each.get(at).cloned().unwrap_or(SliceOutcome::Delivered),
    };
    for (at, (profile, ..)) in parcel.slices.iter().enumerate() {
        let before = std::mem::replace(&mut outcomes[*profile], ProfileOutcome::Delivered);
        outcomes[*profile] = before.worse(&each(at));
    }
}
