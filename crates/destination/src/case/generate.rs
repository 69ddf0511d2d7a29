//! Cases that follow from the configuration: every identity namespace, every attribute present and missing, entered
//! and exited, text that wants escaping, more profiles than one message takes.
//!
//! Always: equal configurations give equal cases; they expect nothing, they are for [`check`](super::check).

use super::coverage::sources;
use super::file::{Case, Instant, MappingRow};
use super::mapping::attributes;
use super::run::Subject;
use crate::message::sample;
use model::{SmolStr, Value};
use serde_json::{Map, Value as Json, json};

/// Attributes beyond this are not left out one by one.
const LEFT_OUT_MAX: usize = 50;
/// Text that breaks a message whose template does not escape.
const AWKWARD: &str = "O'Neil \"Ann\" <a&b> \\ ü\u{1F600} 1/2";

/// The cases. Of the written cases of messages, the first gives customer data, account and audiences, and all of them
/// the mapping; what none of them maps is mapped as the configuration suggests. No case has more than `profiles_max`
/// profiles: where a message takes as many, the case of one more is left out.
pub fn generate(subject: &Subject, written: &[&Case], profiles_max: usize) -> Vec<Case> {
    if subject.design.is_none() {
        return Vec::new();
    }
    let written: Vec<&Case> = written.iter().copied().filter(|case| !case.is_of_audience()).collect();
    let maker = Maker::new(subject, &written);
    let mut cases = Vec::new();
    let all = |status: &str| maker.profile(0, status, &maker.namespaces, &|_| true, None);
    cases.push(maker.case("entered, everything present", vec![all("realized")]));
    cases.push(maker.case("exited, everything present", vec![all("exited")]));
    let bare = maker.profile(0, "realized", &maker.namespaces, &|_| false, None);
    cases.push(maker.case("entered, no attributes", vec![bare]));
    if maker.namespaces.len() > 1 {
        for namespace in &maker.namespaces {
            let profile = maker.profile(0, "realized", std::slice::from_ref(namespace), &|_| true, None);
            cases.push(maker.case(&format!("only the identity {namespace}"), vec![profile]));
        }
    }
    for (left, (path, _)) in maker.attributes.iter().enumerate().take(LEFT_OUT_MAX) {
        let profile = maker.profile(0, "realized", &maker.namespaces, &|at| at != left, None);
        cases.push(maker.case(&format!("without {}", path.join(".")), vec![profile]));
    }
    let mut several = all("realized");
    for identities in several["identityMap"].as_object_mut().into_iter().flatten() {
        let second = json!({"id": format!("{}-second", identities.0)});
        identities.1.as_array_mut().into_iter().for_each(|list| list.push(second.clone()));
    }
    cases.push(maker.case("two identities of every namespace", vec![several]));
    if !maker.attributes.is_empty() {
        let profile = maker.profile(0, "realized", &maker.namespaces, &|_| true, Some(AWKWARD));
        cases.push(maker.case("attributes that want escaping", vec![profile]));
    }
    let profiles = |count: usize| (0..count).map(|at| maker.any(at)).collect::<Vec<_>>();
    cases.push(maker.case("entered, exited and entered again", ["realized", "exited", "realized"].map(all).to_vec()));
    let cap = subject.design.as_ref().map_or(1, |design| design.grouping().max_users as usize);
    if cap < profiles_max {
        cases.push(maker.case(&format!("{} profiles, one more than a message takes", cap + 1), profiles(cap + 1)));
    }
    cases
}

struct Maker {
    like: Case,
    namespaces: Vec<String>,
    attributes: Vec<(Vec<String>, bool)>,
    /// Namespace and id.
    audiences: Vec<(String, String)>,
}

impl Maker {
    fn new(subject: &Subject, written: &[&Case]) -> Maker {
        let first = written.first().copied();
        let blank = Case::blank();
        let mut like = Case { mapping: rows(subject, written), ..blank };
        if let Some(first) = first {
            like.now = first.now;
            like.customer_data.clone_from(&first.customer_data);
            like.account.clone_from(&first.account);
            like.audiences.clone_from(&first.audiences);
        } else {
            let mut state = 7u64;
            let mut numbers = move || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 32) as u32
            };
            like.customer_data = visible(subject, sample::customer_data(&subject.destination, &mut numbers));
        }
        let (namespaces, attributes) = sources(subject, &like);
        let rows = like.audiences.iter().flat_map(|rows| rows.iter());
        let mut audiences: Vec<(String, String)> =
            rows.map(|(id, row)| (row.namespace.clone().unwrap_or_else(|| "ups".to_owned()), id.clone())).collect();
        if audiences.is_empty() {
            audiences.push(("ups".to_owned(), "sample-audience".to_owned()));
        }
        Maker { like, namespaces, attributes, audiences }
    }

    fn case(&self, name: &str, profiles: Vec<Json>) -> Case {
        Case { name: name.to_owned(), profiles: Some(profiles), ..self.like.clone() }
    }

    fn profile(
        &self,
        number: usize,
        status: &str,
        namespaces: &[String],
        is_present: &dyn Fn(usize) -> bool,
        text: Option<&str>,
    ) -> Json {
        let (namespace, audience) = &self.audiences[number % self.audiences.len()];
        let mut profile = Value::Object(Vec::new());
        for (at, (path, is_number)) in self.attributes.iter().enumerate().filter(|(at, _)| is_present(*at)) {
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            let value = match (is_number, text) {
                (true, _) => Value::Int(at as i64 + 1),
                (false, Some(text)) => Value::Str(SmolStr::new(text)),
                (false, None) => Value::Str(SmolStr::new(format!("{}-{number}", path.last().map_or("", |n| n)))),
            };
            profile.set(&names, value);
        }
        let mut fields = Map::new();
        fields.insert("segmentMembership".to_owned(), json!({namespace: {audience: {"status": status}}}));
        let identity = |namespace: &String| (namespace.clone(), json!([{"id": id(namespace, number)}]));
        fields.insert("identityMap".to_owned(), namespaces.iter().map(identity).collect::<Map<_, _>>().into());
        if let Json::Object(attributes) = profile.to_json() {
            fields.extend(attributes);
        }
        fields.into()
    }

    /// One of many different profiles.
    fn any(&self, number: usize) -> Json {
        let status = if number % 4 == 3 { "exited" } else { "realized" };
        self.profile(number, status, &self.namespaces, &|at| (at + number) % 5 != 4, None)
    }
}

/// The rows of all cases, each target attribute once, and what is suggested for targets that they leave out. None:
/// only what is suggested.
fn rows(subject: &Subject, written: &[&Case]) -> Option<Vec<MappingRow>> {
    let mut rows: Vec<MappingRow> = Vec::new();
    for row in written.iter().filter_map(|case| case.mapping.as_ref()).flatten() {
        let is_identity = row.target.starts_with("identityMap.");
        let known = |other: &MappingRow| other.target == row.target && (!is_identity || other.source == row.source);
        if !rows.iter().any(known) {
            rows.push(row.clone());
        }
    }
    if rows.is_empty() {
        return None;
    }
    let row = |source: String, target: String| MappingRow { source, source_type: None, target, transformation: None };
    let config = &subject.destination;
    for (name, namespace) in &config.identity_namespaces {
        let target = format!("identityMap.{name}");
        if !rows.iter().any(|row| row.target == target) {
            let source = namespace.accepted_global.keys().next().unwrap_or(name);
            rows.push(row(format!("identityMap.{source}"), target));
        }
    }
    for (names, _) in attributes(config) {
        let name = names.join(".");
        let has = |row: &MappingRow| row.target == name || row.target.strip_prefix("attributes.") == Some(&name);
        if !rows.iter().any(has) {
            rows.push(row(name.clone(), name));
        }
    }
    Some(rows)
}

/// An identity that looks like one of its namespace.
fn id(namespace: &str, number: usize) -> String {
    let name = namespace.to_ascii_lowercase();
    if name.contains("mail") {
        format!("person{number}@example.com")
    } else if name.contains("phone") {
        format!("+1555{number:07}")
    } else {
        format!("{namespace}-{number}")
    }
}

/// Without the fields that exist only while another has a value.
fn visible(subject: &Subject, data: Json) -> Json {
    use crate::config::CustomerDataField;
    fn keep(fields: &[CustomerDataField], data: &mut Map<String, Json>) {
        for field in fields {
            if field.conditional.is_some() || (field.read_only && field.default.is_none()) {
                data.shift_remove(field.name.as_str());
            } else if let (true, Some(default)) = (field.read_only, &field.default) {
                data.insert(field.name.to_string(), default.clone());
            } else if let Some(Json::Object(inner)) = data.get_mut(field.name.as_str()) {
                keep(field.properties(), inner);
            }
        }
    }
    let mut data = data;
    if let Json::Object(map) = &mut data {
        keep(&subject.destination.customer_data_fields, map);
    }
    data
}

impl Case {
    /// A case without anything, at the instant of cases that say none.
    pub(crate) fn blank() -> Case {
        Case {
            name: String::new(),
            description: None,
            now: Instant::default().0,
            customer_data: Json::Null,
            account: Json::Null,
            audiences: None,
            mapping: None,
            profiles: None,
            event: None,
            template: None,
            audience: Json::Null,
            expect: Some(Vec::new()),
            answers: Vec::new(),
            outcomes: None,
            alias: None,
            error: None,
        }
    }
}
