//! What the render endpoints answer (destination-sdk.md §2.10, §2.11): templates over given or invented profiles,
//! without sending anything.
//!
//! Always: profiles are grouped, split and put into messages as a delivery would; what fails is a fault that shows
//! the place in the template.

use super::alias::{Aliases, MappedAudience};
use super::context::{self, key, map};
use super::design::Design;
use super::instance::{Instance, Setup};
use super::mapping::Mapping;
use super::profile::TargetProfile;
use super::random::Random;
use super::sample;
use super::slice::{GroupKey, Slice, chunk};
use crate::config::{DestinationConfig, Fault};
use model::{SmolStr, Timestamp};
use pebble::{Options, Template, Value};
use serde_json::{Map, Value as Json, json};
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes that one answer may hold: what was rendered, and the profiles that are shown with it.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// What is left of the bytes of one answer.
struct Budget(usize);

impl Budget {
    fn new() -> Budget {
        Budget(ANSWER_BYTES_MAX)
    }

    fn spend(&mut self, path: &str, bytes: usize) -> Result<(), Vec<Fault>> {
        let left = self.0.checked_sub(bytes).ok_or_else(|| {
            let message = format!("the whole answer is larger than {ANSWER_BYTES_MAX} bytes; render less at a time");
            vec![Fault::new(path, message)]
        })?;
        self.0 = left;
        Ok(())
    }
}

/// Renders a message template: `{"results": […]}`, one for each message that would be sent. Profiles are in the
/// target schema; they are invented if none are given.
pub fn render_results(
    config: &DestinationConfig,
    template: &str,
    profiles: Option<&[Json]>,
    now: Timestamp,
    numbers: &mut dyn FnMut() -> u32,
) -> Result<Json, Vec<Fault>> {
    let template = compile("template", template)?;
    let invented;
    let profiles = match profiles {
        Some(given) => given,
        None => {
            invented = sample::target_profiles(config, sample::default_count(config), now, numbers);
            &invented
        }
    };
    let design = Design::without_server(config)?;
    let targets = read(profiles, &design)?;
    let customer_data = sample::customer_data(config, numbers);
    let setup = Setup {
        id: SmolStr::new(Random(numbers).uuid()),
        customer_data: &customer_data,
        auth_data: &Json::Null,
        mapping: Mapping::default(),
        aliases: aliases(&targets, now),
        facts: &json!({"name": config.name}),
    };
    let instance = Instance::for_targets(Arc::new(design), setup, &targets);
    let mut results = Vec::new();
    let mut budget = Budget::new();
    for group in instance.messages(&targets) {
        for message in group.messages {
            results.push(result(&instance, &template, &group.key, &message, &mut budget)?);
        }
    }
    Ok(json!({"results": results}))
}

fn result(
    instance: &Instance,
    template: &Template,
    group: &GroupKey,
    slices: &[Slice],
    budget: &mut Budget,
) -> Result<Json, Vec<Fault>> {
    let entries = instance.entries(&slices.iter().collect::<Vec<_>>());
    let mut profiles: Vec<Json> = Vec::with_capacity(entries.len());
    for entry in &entries {
        let text = entry.to_json();
        budget.spend("template", text.len())?;
        profiles.push(serde_json::from_str(&text).unwrap_or(Json::Null));
    }
    let mut output = String::new();
    let context = instance.context(group, entries);
    template.render(&context, &mut output, &context::limits()).map_err(|e| vec![fault("template", &e)])?;
    budget.spend("template", output.len())?;
    let mut result = Map::new();
    if instance.design().grouping().keyed || instance.design().grouping().max_age_secs() > 0 {
        result.insert("aggregationKey".to_owned(), instance.aggregation_key_json(group));
    }
    result.insert("profiles".to_owned(), profiles.into());
    result.insert("output".to_owned(), output.into());
    Ok(result.into())
}

/// The messages of one group.
#[derive(Debug, Clone)]
pub struct GroupMessages {
    /// The group.
    pub key: Arc<GroupKey>,
    /// The slices of each message.
    pub messages: Vec<Vec<Slice>>,
}

impl Instance {
    /// All messages that these profiles make, as tests send them: groups in the order of their first slice.
    pub fn messages(&self, profiles: &[Arc<TargetProfile>]) -> Vec<GroupMessages> {
        let mut places: HashMap<Arc<GroupKey>, usize> = HashMap::new();
        let mut groups: Vec<(Arc<GroupKey>, Vec<Slice>)> = Vec::new();
        for slice in profiles.iter().flat_map(|profile| self.slices(profile)) {
            let at = *places.entry(slice.group.clone()).or_insert_with(|| {
                groups.push((slice.group.clone(), Vec::new()));
                groups.len() - 1
            });
            groups[at].1.push(slice);
        }
        let max_users = self.design().grouping().max_users;
        let filled = |(key, slices): (Arc<GroupKey>, Vec<Slice>)| {
            let ranges = chunk(slices.iter().map(|s| s.users), max_users);
            let mut slices = slices.into_iter();
            let messages = ranges.into_iter().map(|range| slices.by_ref().take(range.len()).collect()).collect();
            GroupMessages { key, messages }
        };
        groups.into_iter().map(filled).collect()
    }

    /// The aggregation key as test answers show it, with the id of the flow. Its namespaces are a flat list.
    pub fn aggregation_key_json(&self, group: &GroupKey) -> Json {
        let mut shown = Map::new();
        shown.insert("destinationInstanceId".to_owned(), self.id().as_str().into());
        if let Json::Object(fields) = json_of(&self.aggregation_key(group)) {
            shown.extend(fields);
        }
        shown.into()
    }
}

/// A value of a template as JSON.
pub(crate) fn json_of(value: &Value) -> Json {
    serde_json::from_str(&value.to_json()).unwrap_or(Json::Null)
}

fn read(profiles: &[Json], design: &Design) -> Result<Vec<Arc<TargetProfile>>, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut targets = Vec::with_capacity(profiles.len());
    for (at, profile) in profiles.iter().enumerate() {
        match TargetProfile::from_json(profile, design.times()) {
            Ok(target) => targets.push(Arc::new(target)),
            Err(fault) => {
                let dot = if fault.path.is_empty() { "" } else { "." };
                faults.push(Fault::new(format!("profiles[{at}]{dot}{}", fault.path), fault.message));
            }
        }
    }
    if faults.is_empty() { Ok(targets) } else { Err(faults) }
}

/// Every audience of the profiles, under its own id.
fn aliases(targets: &[Arc<TargetProfile>], now: Timestamp) -> Aliases {
    Aliases::new(targets.iter().flat_map(|target| target.members()).map(|(_, member)| MappedAudience {
        namespace: member.namespace.clone(),
        id: member.id.clone(),
        name: member.id.clone(),
        alias: None,
        partner_name: None,
        created_at: now,
        updated_at: now,
        mapping_created_at: now,
        mapping_updated_at: now,
    }))
}

/// Renders named templates over invented customer data: `{"results": {…}}` with the same names.
pub fn render_fields(
    config: &DestinationConfig,
    templates: &Map<String, Json>,
    numbers: &mut dyn FnMut() -> u32,
) -> Result<Json, Vec<Fault>> {
    let customer_data = sample::customer_data(config, numbers);
    let context = map([(key("customerData"), Value::from(&customer_data))]);
    let mut results = Map::new();
    let mut faults = Vec::new();
    let mut budget = Budget::new();
    for (name, source) in templates {
        let path = format!("templates.{name}");
        let Some(source) = source.as_str() else {
            faults.push(Fault::new(path, format!("the text of a template is needed, given {source}")));
            continue;
        };
        let mut output = String::new();
        let rendered = compile(&path, source).and_then(|template| {
            template.render(&context, &mut output, &context::limits()).map_err(|e| vec![fault(&path, &e)])
        });
        match rendered {
            Ok(()) => {
                budget.spend(&path, output.len())?;
                results.insert(name.clone(), output.into());
            }
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() { Ok(json!({"results": results})) } else { Err(faults) }
}

fn compile(path: &str, source: &str) -> Result<Template, Vec<Fault>> {
    Template::compile(path, source, &Options::destination()).map_err(|e| vec![fault(path, &e)])
}

fn fault(path: &str, error: &pebble::Error) -> Fault {
    Fault::new(path, error.to_string())
}
