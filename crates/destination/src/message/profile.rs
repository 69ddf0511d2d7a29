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

/// A profile in the target schema of a destination, before it is grouped and split.
#[derive(Debug, Clone)]
pub struct TargetProfile {
    pub(crate) members: Vec<Member>,
    pub(crate) identities: Vec<Identities>,
    pub(crate) attributes: Option<Vec<(Key, Value)>>,
    /// Attributes that depend on the audience of the message: place in `attributes`, number of the mapping.
    pub(crate) of_audience: Vec<(usize, usize)>,
    pub(crate) withheld: Option<Withheld>,
}

/// One mapped membership.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) namespace: SmolStr,
    pub(crate) id: SmolStr,
    pub(crate) status: Status,
    pub(crate) changed: bool,
    pub(crate) entry: Value,
}

/// All identities of one target namespace.
#[derive(Debug, Clone)]
pub(crate) struct Identities {
    pub(crate) namespace: SmolStr,
    /// Each as `{"id": …}`.
    pub(crate) ids: Vec<Value>,
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

    /// Reads a profile in the target schema, as the render endpoint gets it. Every membership counts as changed.
    pub fn from_json(json: &Json, times: TimeText) -> Result<TargetProfile, Fault> {
        let mut profile = TargetProfile {
            members: Vec::new(),
            identities: Vec::new(),
            attributes: None,
            of_audience: Vec::new(),
            withheld: None,
        };
        for (name, value) in object(json, "")? {
            match name.as_str() {
                "segmentMembership" => each_member(value, &mut |namespace, id, status, since, fields| {
                    let (namespace, id) = (SmolStr::new(namespace), SmolStr::new(id));
                    let entry = fields.iter().map(|(name, value)| match (name.as_str(), since, times) {
                        (TIME, Some(since), TimeText::Offset) => (key(TIME), Value::string(times.print(since))),
                        _ => (key(name), Value::from(value).json()),
                    });
                    profile.members.push(Member { namespace, id, status, changed: true, entry: node(entry) });
                })?,
                "identityMap" => {
                    for namespace in object(value, "identityMap")?.keys() {
                        profile.identities.push(Identities { namespace: SmolStr::new(namespace), ids: Vec::new() });
                    }
                    each_identity(value, &mut |namespace, _, identity| {
                        let found = profile.identities.iter_mut().find(|i| i.namespace == namespace);
                        found.into_iter().for_each(|i| i.ids.push(Value::from(identity).json()));
                    })?;
                    profile.identities.retain(|i| !i.ids.is_empty());
                }
                "attributes" => {
                    let fields = object(value, "attributes")?.iter();
                    profile.attributes = Some(fields.map(|(n, v)| (key(n), Value::from(v).json())).collect());
                }
                _ => {
                    let message = "unknown part of a profile in the target schema: it has segmentMembership, \
                                   identityMap and attributes";
                    return Err(Fault::new(name, message));
                }
            }
        }
        Ok(profile)
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
