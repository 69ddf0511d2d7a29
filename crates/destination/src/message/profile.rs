//! The two forms of a profile: as this system knows it, and as templates of a destination see it.
//!
//! In: JSON of either form, or what an export holds. Out: [`SourceProfile`], [`TargetProfile`]. Always: JSON that is
//! no such profile is a fault that names the place.

use super::context::{key, node};
use super::path::kind;
use crate::config::Fault;
use model::{SmolStr, Status, Timestamp, Value as Record};
use pebble::{Key, Value};
use serde_json::Value as Json;
use smallvec::SmallVec;
use std::sync::Arc;

/// A profile in the source schema.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SourceProfile {
    /// Its memberships, also of audiences that are not mapped.
    pub memberships: Vec<SourceMembership>,
    /// Its identities: code of the namespace, and value.
    pub identities: Vec<(SmolStr, SmolStr)>,
    /// Its attributes, by XDM path.
    pub attributes: Record,
}

/// One membership of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceMembership {
    /// Where the audience comes from: `ups`, `CustomerAudienceUpload` ….
    pub namespace: SmolStr,
    /// The audience.
    pub id: SmolStr,
    /// The status.
    pub status: Status,
    /// Since when.
    pub since: Timestamp,
    /// Whether it is part of the change that is exported.
    pub changed: bool,
}

impl SourceProfile {
    /// Reads a profile as an instance test gives it (destination-sdk.md §2.8): attributes stand at the root. Every
    /// membership counts as changed.
    pub fn from_json(json: &Json) -> Result<SourceProfile, Fault> {
        let fields = object(json, "")?;
        let mut profile = SourceProfile { attributes: Record::Object(Vec::new()), ..SourceProfile::default() };
        for (name, value) in fields {
            match name.as_str() {
                "segmentMembership" => {
                    each_member(value, &mut |namespace, id, status, since, _| {
                        let (namespace, id) = (SmolStr::new(namespace), SmolStr::new(id));
                        let since = since.unwrap_or_default();
                        profile.memberships.push(SourceMembership { namespace, id, status, since, changed: true });
                    })?;
                }
                "identityMap" => each_identity(value, &mut |namespace, id, _| {
                    profile.identities.push((SmolStr::new(namespace), SmolStr::new(id)));
                })?,
                _ => profile.attributes.set(&[name.as_str()], Record::from(value)),
            }
        }
        Ok(profile)
    }
}

/// A profile in the target schema of a destination, before it is grouped and split. It points into the profile that it
/// was made of: profiles wait in numbers, and are touched by several threads.
#[derive(Debug, Clone)]
pub struct TargetProfile {
    /// What it points into: the profile as this system knows it, or what was given, in the target schema already.
    pub(crate) source: Arc<SourceProfile>,
    pub(crate) members: Places,
    /// Those of one namespace stand together.
    pub(crate) identities: SmallVec<[TargetIdentity; 4]>,
    /// Ids that are not as in the source: transformed ones, and those that are attributes there.
    pub(crate) made: Vec<SmolStr>,
    /// Values of templates, if they were given.
    pub(crate) given: Option<Box<Given>>,
    pub(crate) withheld: Option<Withheld>,
}

/// The places of the mapped memberships in the source.
#[derive(Debug, Clone)]
pub(crate) enum Places {
    /// Every membership is mapped.
    All,
    /// These are.
    Some(Vec<u32>),
}

/// One identity in the target schema.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TargetIdentity {
    /// Which target namespace: its number in the instance. In a profile that was given, the place of the first of its
    /// identities in the source.
    pub(crate) namespace: u32,
    /// Where the id is: among the identities of the source, or behind them, among those that were made.
    pub(crate) at: u32,
}

impl TargetIdentity {
    /// Its id, in the source or among those that were made.
    pub(crate) fn id<'a>(self, source: &'a SourceProfile, made: &'a [SmolStr]) -> &'a SmolStr {
        let (at, known) = (self.at as usize, &source.identities);
        known.get(at).map_or_else(|| &made[at - known.len()], |(_, id)| id)
    }
}

/// Values of templates that were given: one for each membership, one for each identity, the attributes.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) members: Vec<Value>,
    pub(crate) identities: Vec<Value>,
    pub(crate) attributes: Option<Vec<(Key, Value)>>,
}

/// Why a profile is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Withheld {
    /// The flow maps identities, and the profile has none of them.
    NoIdentity,
    /// It has no value for a mandatory target field.
    Mandatory(SmolStr),
    /// Messages are grouped by audience, and it is in none that is mapped.
    NotAMember,
}

impl TargetProfile {
    /// Why this profile is not sent, if its fields are the reason.
    pub fn withheld(&self) -> Option<&Withheld> {
        self.withheld.as_ref()
    }

    /// The mapped memberships with their places in the source.
    pub(crate) fn members(&self) -> impl Iterator<Item = (usize, &SourceMembership)> {
        let places = match &self.members {
            Places::All => None,
            Places::Some(places) => Some(places),
        };
        let count = places.map_or(self.source.memberships.len(), Vec::len);
        (0..count).map(move |nth| {
            let at = places.map_or(nth, |places| places[nth] as usize);
            (at, &self.source.memberships[at])
        })
    }

    /// The id of an identity.
    pub(crate) fn id(&self, identity: TargetIdentity) -> &SmolStr {
        identity.id(&self.source, &self.made)
    }

    /// Reads a profile in the target schema, as the render endpoint gets it. Every membership counts as changed.
    pub fn from_json(json: &Json, times: TimeText) -> Result<TargetProfile, Fault> {
        let mut source = SourceProfile::default();
        let (mut members, mut shown_identities) = (Vec::new(), Vec::new());
        let mut identities: SmallVec<[TargetIdentity; 4]> = SmallVec::new();
        let mut attributes = None;
        for (name, value) in object(json, "")? {
            match name.as_str() {
                "segmentMembership" => each_member(value, &mut |namespace, id, status, since, fields| {
                    let (namespace, id) = (SmolStr::new(namespace), SmolStr::new(id));
                    let entry = fields.iter().map(|(name, value)| match (name.as_str(), since, times) {
                        (TIME, Some(since), TimeText::Offset) => (key(TIME), Value::string(times.print(since))),
                        _ => (key(name), Value::from(value).json()),
                    });
                    members.push(node(entry));
                    let since = since.unwrap_or_default();
                    source.memberships.push(SourceMembership { namespace, id, status, since, changed: true });
                })?,
                "identityMap" => each_identity(value, &mut |namespace, id, identity| {
                    let at = source.identities.len() as u32;
                    let same = identities.last().map(|last: &TargetIdentity| last.namespace);
                    let first = same.filter(|first| source.identities[*first as usize].0 == namespace).unwrap_or(at);
                    identities.push(TargetIdentity { namespace: first, at });
                    source.identities.push((SmolStr::new(namespace), SmolStr::new(id)));
                    shown_identities.push(Value::from(identity).json());
                })?,
                "attributes" => {
                    let fields = object(value, "attributes")?.iter();
                    attributes = Some(fields.map(|(n, v)| (key(n), Value::from(v).json())).collect());
                }
                _ => {
                    let message = "unknown part of a profile in the target schema: it has segmentMembership, \
                                   identityMap and attributes";
                    return Err(Fault::new(name, message));
                }
            }
        }
        let given = Some(Box::new(Given { members, identities: shown_identities, attributes }));
        let (source, made) = (Arc::new(source), Vec::new());
        Ok(TargetProfile { source, members: Places::All, identities, made, given, withheld: None })
    }
}

const TIME: &str = "lastQualificationTime";

/// The parts of one membership: namespace, id, status, since when, all fields.
type OnMember<'a> = &'a mut dyn FnMut(&str, &str, Status, Option<Timestamp>, &serde_json::Map<String, Json>);

fn each_member(json: &Json, on: OnMember<'_>) -> Result<(), Fault> {
    for (namespace, audiences) in object(json, "segmentMembership")? {
        for (id, membership) in object(audiences, &format!("segmentMembership.{namespace}"))? {
            let path = format!("segmentMembership.{namespace}.{id}");
            let fields = object(membership, &path)?;
            let status = match fields.get("status").and_then(Json::as_str) {
                // The older word for one who was a member before and still is (B.13).
                Some("realized" | "existing") => Status::Realized,
                Some("exited") => Status::Exited,
                _ => {
                    let given = fields.get("status").unwrap_or(&Json::Null);
                    let message = format!("`realized` or `exited` is needed, given {given}");
                    return Err(Fault::new(format!("{path}.status"), message));
                }
            };
            let since = match fields.get(TIME) {
                None => None,
                Some(given) => {
                    let since = given.as_str().and_then(Timestamp::parse);
                    let message = || format!("a date-time such as 2026-03-18T10:30:00Z is needed, given {given}");
                    Some(since.ok_or_else(|| Fault::new(format!("{path}.{TIME}"), message()))?)
                }
            };
            on(namespace, id, status, since, fields);
        }
    }
    Ok(())
}

fn each_identity(json: &Json, on: &mut dyn FnMut(&str, &str, &Json)) -> Result<(), Fault> {
    for (namespace, identities) in object(json, "identityMap")? {
        let path = format!("identityMap.{namespace}");
        let items = identities.as_array();
        let items = items.ok_or_else(|| Fault::new(&path, format!("a list is needed, given {}", kind(identities))))?;
        for (at, identity) in items.iter().enumerate() {
            let id = identity.get("id").and_then(Json::as_str);
            let message = "an object with the text `id` is needed";
            on(namespace, id.ok_or_else(|| Fault::new(format!("{path}[{at}]"), message))?, identity);
        }
    }
    Ok(())
}

fn object<'a>(json: &'a Json, path: &str) -> Result<&'a serde_json::Map<String, Json>, Fault> {
    json.as_object().ok_or_else(|| Fault::new(path, format!("an object is needed, given {}", kind(json))))
}

/// How `lastQualificationTime` is printed: always with three digits of milliseconds, since templates of the original
/// name them in their patterns (`yyyy-MM-dd'T'HH:mm:ss.SSSX`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeText {
    /// `2026-03-18T10:30:00.000Z`, with best-effort aggregation.
    Zulu,
    /// `2026-03-18T10:30:00.000+0000`, with configurable aggregation (destination-sdk.md §2.10).
    Offset,
}

impl TimeText {
    /// Prints an instant.
    pub fn print(self, at: Timestamp) -> SmolStr {
        let (year, month, day, rest) = at.civil();
        let mut text = *b"0000-00-00T00:00:00.000+0000";
        let parts = [
            (0, 4, year),
            (5, 2, month),
            (8, 2, day),
            (11, 2, rest / 3_600_000),
            (14, 2, rest / 60_000 % 60),
            (17, 2, rest / 1000 % 60),
            (20, 3, rest % 1000),
        ];
        for (start, width, number) in parts {
            let mut number = number.unsigned_abs();
            for digit in text[start..start + width].iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
        let shown = match self {
            TimeText::Offset => &text[..],
            TimeText::Zulu => {
                text[ZONE_AT] = b'Z';
                &text[..=ZONE_AT]
            }
        };
        SmolStr::new(std::str::from_utf8(shown).unwrap_or_default())
    }
}

/// Where the zone starts in the printed form.
const ZONE_AT: usize = 23;
