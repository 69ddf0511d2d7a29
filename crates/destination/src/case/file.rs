//! The case file: YAML to [`Case`].
//!
//! Always: an unknown field, a wrong type or a value without meaning is refused with its place in the file.

use super::run::ProfileOutcome;
use crate::folder::text;
use model::Timestamp;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::{Map, Value as Json};
use std::fmt;

/// A golden case. Of messages if it has `profiles`, of an audience template if it has an `event`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Case {
    /// Its name: the file name without its ending.
    #[serde(skip)]
    pub name: String,
    /// What it shows.
    #[serde(default)]
    pub description: Option<String>,
    /// The instant at which it plays.
    #[serde(default = "start", deserialize_with = "instant")]
    pub now: Timestamp,
    /// What the customer filled in.
    #[serde(default)]
    pub customer_data: Json,
    /// What templates see as `authData`.
    #[serde(default)]
    pub account: Json,
    /// The mapped audiences by id; all of the profiles if absent.
    #[serde(default)]
    pub audiences: Option<Rows<AudienceRow>>,
    /// The mapping; what the configuration suggests if absent.
    #[serde(default)]
    pub mapping: Option<Vec<MappingRow>>,
    /// Profiles in the source schema, each one change.
    #[serde(default)]
    pub profiles: Option<Vec<Json>>,
    /// The event of an audience template.
    #[serde(default)]
    pub event: Option<String>,
    /// Which audience template; needed if the destination has several.
    #[serde(default)]
    pub template: Option<String>,
    /// The audience that the event is about: `id`, `name`, `alias`, `description`, `metadata`.
    #[serde(default)]
    pub audience: Json,
    /// The requests, in order; absent: nothing is expected yet.
    #[serde(default)]
    pub expect: Option<Vec<ExpectedRequest>>,
    /// What the receiver says, one per request; 200 with an empty body where there is none.
    #[serde(default)]
    pub answers: Vec<GivenAnswer>,
    /// What becomes of each profile.
    #[serde(default)]
    pub outcomes: Option<Vec<ExpectedOutcome>>,
    /// The mapping id that the event gives.
    #[serde(default)]
    pub alias: Option<String>,
    /// A part of the message with which the event fails.
    #[serde(default)]
    pub error: Option<String>,
}

/// A mapped audience.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct AudienceRow {
    /// Its namespace; `ups` unless said.
    pub namespace: Option<String>,
    /// Its name; its id unless said.
    pub name: Option<String>,
    /// Its mapping id at the receiver.
    pub alias: Option<String>,
    /// Its name at the receiver.
    pub partner_name: Option<String>,
    /// When it was created; `now` unless said, as the other three.
    pub created_at: Option<Instant>,
    /// When it was changed.
    pub updated_at: Option<Instant>,
    /// When it was activated.
    pub mapping_created_at: Option<Instant>,
    /// When its activation was changed.
    pub mapping_updated_at: Option<Instant>,
}

/// One row of the mapping.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MappingRow {
    /// `identityMap.<Namespace>`, the path of an attribute, or what `source_type` says.
    pub source: String,
    /// `text/x.schema-path` unless said; `text/x.aep-xl` and `text/plain` for expressions and macros.
    #[serde(default)]
    pub source_type: Option<String>,
    /// `identityMap.<Namespace>`, or the name of a target attribute, with or without `attributes.` before it.
    pub target: String,
    /// What is done with the value: `sha256(lower($))`.
    #[serde(default)]
    pub transformation: Option<String>,
}

/// A request that is expected. What is not given is not compared.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ExpectedRequest {
    /// The method.
    pub method: Option<String>,
    /// The whole address.
    pub url: Option<String>,
    /// Headers that must be there.
    pub headers: Rows<String>,
    /// The body, compared as JSON.
    #[serde(deserialize_with = "present")]
    pub body: Option<Json>,
    /// The body, compared as text.
    pub body_text: Option<String>,
}

/// What the receiver says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct GivenAnswer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Rows<String>,
    /// The body as JSON.
    #[serde(deserialize_with = "present")]
    pub body: Option<Json>,
    /// The body as text.
    pub body_text: Option<String>,
}

impl Default for GivenAnswer {
    fn default() -> GivenAnswer {
        GivenAnswer { status: 200, headers: Rows::default(), body: None, body_text: None }
    }
}

impl GivenAnswer {
    /// The bytes of the body.
    pub fn bytes(&self) -> Vec<u8> {
        let json = || self.body.as_ref().map(Json::to_string);
        self.body_text.clone().or_else(json).unwrap_or_default().into_bytes()
    }
}

/// What becomes of a profile: `delivered`, `retry`, `rejected`, `withheld`, or one of them with a part of the reason.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum ExpectedOutcome {
    /// The word alone.
    Word(String),
    /// The word, and a part of the reason.
    Reason(Rows<String>),
}

impl ExpectedOutcome {
    fn parts(&self) -> Option<(&str, &str)> {
        match self {
            ExpectedOutcome::Word(word) => Some((word, "")),
            ExpectedOutcome::Reason(Rows(rows)) => match rows.as_slice() {
                [(word, reason)] => Some((word, reason)),
                _ => None,
            },
        }
    }

    /// Whether this is what became of the profile.
    pub(crate) fn is(&self, outcome: &ProfileOutcome) -> bool {
        let word = outcome.word();
        self.parts().is_some_and(|(w, reason)| w == word && outcome.reason().unwrap_or_default().contains(reason))
    }

    pub(crate) fn text(&self) -> String {
        match self.parts() {
            Some((word, "")) => word.to_owned(),
            Some((word, reason)) => format!("{word}: …{reason}…"),
            None => "several words".to_owned(),
        }
    }

    fn fault(&self) -> Option<String> {
        let legal = |word: &str| ProfileOutcome::WORDS.contains(&word);
        (!self.parts().is_some_and(|(word, _)| legal(word)))
            .then(|| format!("one of {} is needed, given {}", ProfileOutcome::WORDS.join(", "), self.text()))
    }
}

/// Named rows in the order of the file.
#[derive(Debug, Clone)]
pub struct Rows<T>(pub Vec<(String, T)>);

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Rows(Vec::new())
    }
}

impl<T> Rows<T> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rows.
    pub fn iter(&self) -> impl Iterator<Item = &(String, T)> {
        self.0.iter()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Rows<T> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Rows<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("named rows")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Rows<T>, A::Error> {
                let mut rows = Vec::new();
                while let Some(row) = map.next_entry()? {
                    rows.push(row);
                }
                Ok(Rows(rows))
            }
        }
        from.deserialize_map(Reader(std::marker::PhantomData))
    }
}

/// An instant written as RFC 3339.
#[derive(Debug, Clone, Copy)]
pub struct Instant(pub Timestamp);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        instant(from).map(Instant)
    }
}

fn instant<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(from)?;
    let wrong =
        || serde::de::Error::custom(format!("an instant such as 2026-03-18T10:00:00Z is needed, given {text:?}"));
    Timestamp::parse(&text).ok_or_else(wrong)
}

/// A null that is written is a value.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(from).map(Some)
}

/// Cases that say no time play at 2026-01-01T00:00:00Z.
fn start() -> Timestamp {
    Instant::default().0
}

impl Default for Instant {
    fn default() -> Instant {
        Instant(Timestamp(1_767_225_600_000))
    }
}

/// Why a file is no case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The line, from 1, where it is known.
    pub line: Option<u64>,
    /// The rule, and what was given.
    pub message: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Unreadable {}

impl Case {
    /// Reads a case file; `name` is what the case is called.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub fn parse(name: &str, yaml: &str) -> Result<Case, Unreadable> {
        let read: Result<Case, _> = serde_saphyr::from_str_with_options(yaml, text::options());
        let mut case = read.map_err(|error| Unreadable {
            line: error.location().map(|l| l.line()),
            message: plain(&error.render_with_formatter(&serde_saphyr::UserMessageFormatter)),
        })?;
        case.name = name.to_owned();
        match case.fault() {
            Some(message) => Err(Unreadable { line: None, message }),
            None => Ok(case),
        }
    }

    /// Whether it is about an audience template.
    pub fn is_of_audience(&self) -> bool {
        self.event.is_some()
    }

    fn fault(&self) -> Option<String> {
        let only = |given: bool, name: &str, rule: &str| given.then(|| format!("{name}: {rule}"));
        let object = |json: &Json, name: &str| only(!json.is_object() && !json.is_null(), name, "must be an object");
        let audience = "is for cases of an audience template, which have an `event`";
        let message = "is for cases of messages, which have `profiles`";
        let kind = match (&self.profiles, &self.event) {
            (None, None) => Some("a case has `profiles`, or the `event` of an audience template".to_owned()),
            (Some(_), Some(_)) => Some("a case has `profiles` or an `event`, not both".to_owned()),
            (Some(_), None) => only(self.template.is_some(), "template", audience)
                .or(only(!self.audience.is_null(), "audience", audience))
                .or(only(self.alias.is_some(), "alias", audience))
                .or(only(self.error.is_some(), "error", audience)),
            (None, Some(_)) => only(self.mapping.is_some(), "mapping", message)
                .or(only(self.audiences.is_some(), "audiences", message))
                .or(only(self.outcomes.is_some(), "outcomes", message)),
        };
        let bodies = || {
            let twice = |at: usize, name: &str| format!("{name}[{at}]: body and bodyText exclude each other; give one");
            let expected = self.expect.iter().flatten().enumerate();
            let mut expected = expected.filter(|(_, e)| e.body.is_some() && e.body_text.is_some());
            let mut answers = self.answers.iter().enumerate();
            let answer = answers.find(|(_, a)| a.body.is_some() && a.body_text.is_some());
            expected.next().map(|(at, _)| twice(at, "expect")).or(answer.map(|(at, _)| twice(at, "answers")))
        };
        let outcome = || {
            let mut outcomes = self.outcomes.iter().flatten().enumerate();
            outcomes.find_map(|(at, outcome)| Some(format!("outcomes[{at}]: {}", outcome.fault()?)))
        };
        kind.or_else(|| object(&self.customer_data, "customerData"))
            .or_else(|| object(&self.account, "account"))
            .or_else(|| object(&self.audience, "audience"))
            .or_else(bodies)
            .or_else(outcome)
    }

    pub(crate) fn account(&self) -> Json {
        if self.account.is_null() { Json::Object(Map::new()) } else { self.account.clone() }
    }
}

/// The message in one line, without the place that is told apart.
fn plain(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let text = match (text.strip_prefix("line "), text.split_once(": ")) {
        (Some(_), Some((_, rest))) => rest,
        _ => text,
    };
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.rfind(" at line ") {
        Some(place) if !text[place..].contains(['`', '"']) => text[..place].to_owned(),
        _ => text,
    }
}
