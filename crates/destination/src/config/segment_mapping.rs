//! Where the mapping id of an audience comes from (`segmentMappingConfig`, `audienceMetadataConfig`).
//!
//! All documented places of the four fields are read; stored are the three switches in `segmentMappingConfig`
//! and `audienceTemplateId` in `audienceMetadataConfig`.

use super::read::Object;
use serde_json::{Map, Value as Json};

/// Where the mapping id of an audience comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentMapping {
    /// The switch that is on; none: the audience id, unless the template's `create` gives one.
    pub by: Option<MappingId>,
    /// The audience template that announces audiences to the receiving system.
    pub audience_template_id: Option<String>,
}

/// What the mapping id is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappingId {
    /// The audience id.
    SegmentId,
    /// The audience name.
    SegmentName,
    /// What the user typed.
    UserInput,
}

const PLACES: [&str; 2] = ["segmentMappingConfig", "audienceMetadataConfig"];
const SWITCHES: [(&str, MappingId); 3] = [
    ("mapExperiencePlatformSegmentId", MappingId::SegmentId),
    ("mapExperiencePlatformSegmentName", MappingId::SegmentName),
    ("mapUserInput", MappingId::UserInput),
];
const TEMPLATE: &str = "audienceTemplateId";

pub(crate) fn segment_mapping(object: &Object<'_>) -> SegmentMapping {
    let mut mapping = SegmentMapping::default();
    let mut said: Vec<(&str, bool)> = Vec::new();
    for place in PLACES {
        let Some(at) = object.get(place) else { continue };
        at.object(|object| {
            for (name, value) in SWITCHES {
                let Some(at) = object.get(name) else { continue };
                let Some(on) = at.boolean() else { continue };
                if said.iter().any(|(other, was)| *other == name && *was != on) {
                    at.fault("says another thing here than in segmentMappingConfig");
                }
                said.push((name, on));
                if on && mapping.by.is_some_and(|by| by != value) {
                    at.fault("only one of the three switches can be true: they say what the mapping id is");
                } else if on {
                    mapping.by = Some(value);
                }
            }
            let at = object.get(TEMPLATE)?;
            let id = at.text()?;
            if id.is_empty() {
                return None;
            }
            if mapping.audience_template_id.as_ref().is_some_and(|other| other != id) {
                at.fault("another id than in segmentMappingConfig");
            }
            if mapping.by == Some(MappingId::UserInput) {
                at.fault("must be absent when mapUserInput is true: the user types the mapping id");
            }
            mapping.audience_template_id = Some(id.to_owned());
            Some(())
        });
    }
    if mapping.by == Some(MappingId::UserInput)
        && mapping.audience_template_id.is_some()
        && let Some(at) = object.get(PLACES[1])
        && at.json.get("mapUserInput") == Some(&Json::Bool(true))
        && at.json.get(TEMPLATE).is_none()
    {
        let message = "must not be true when audienceTemplateId is given";
        at.reading.fault(&at.path.key("mapUserInput"), message);
    }
    mapping
}

/// Brings the four fields to the places where they are stored.
pub(crate) fn move_to_first_places(map: &mut Map<String, Json>) {
    let take = |map: &mut Map<String, Json>, place: &str, name: &str| match map.get_mut(place) {
        Some(Json::Object(inner)) => inner.shift_remove(name),
        _ => None,
    };
    let put = |map: &mut Map<String, Json>, place: &str, name: &str, value: Json| {
        let inner = map.entry(place).or_insert_with(|| Json::Object(Map::new()));
        if let Json::Object(inner) = inner {
            inner.entry(name).or_insert(value);
        }
    };
    for (name, _) in SWITCHES {
        if let Some(value) = take(map, PLACES[1], name) {
            put(map, PLACES[0], name, value);
        }
    }
    if let Some(value) = take(map, PLACES[0], TEMPLATE)
        && !value.is_null()
    {
        put(map, PLACES[1], TEMPLATE, value);
    }
    if map.get(PLACES[1]).and_then(Json::as_object).is_some_and(Map::is_empty) {
        map.shift_remove(PLACES[1]);
    }
}
