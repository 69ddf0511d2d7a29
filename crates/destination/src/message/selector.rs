//! The mapping of a flow, read from the parameters of its transformation and checked against its destination.
//!
//! In: `profileSelectors.selectors[]` and `mandatoryFields[]` (activation.md §2.7), the configuration. Out: the
//! mapping with the required mappings of the destination, or every fault with its place.
//! Always: a mapping that the destination does not support (destination-sdk.md §3.6, §3.7) is refused.

use super::mapping::{AttributeMap, IdentityMap, Mapping, Source, required_transformation};
use super::path::kind;
use crate::config::{DestinationConfig, Fault, IdentityNamespace, RequiredMapping, Transformation};
use model::SmolStr;
use serde_json::Value as Json;

/// What stands before the target namespace in `destination`.
const IDENTITY_PREFIX: &str = "identityMap.";

impl Mapping {
    /// Reads `params` of a flow's transformation. Paths of faults start within `params`.
    pub fn parse(params: &Json, config: &DestinationConfig) -> Result<Mapping, Vec<Fault>> {
        let mut reader = Reader { config, mapping: Mapping::default(), faults: Vec::new(), mapped: Vec::new() };
        let selectors = &params["profileSelectors"]["selectors"];
        match selectors {
            Json::Null => {}
            Json::Array(items) => items.iter().enumerate().for_each(|(at, item)| reader.selector(at, item)),
            other => reader.refuse(SELECTORS, format!("a list is needed, given {}", kind(other))),
        }
        reader.required();
        reader.mandatory(&params["mandatoryFields"]);
        reader.limits();
        if reader.faults.is_empty() { Ok(reader.mapping) } else { Err(reader.faults) }
    }
}

const SELECTORS: &str = "profileSelectors.selectors";

struct Reader<'a> {
    config: &'a DestinationConfig,
    mapping: Mapping,
    faults: Vec<Fault>,
    /// Targets of the user's mappings, with their sources.
    mapped: Vec<(String, Source)>,
}

/// One selector, with the place it stands at.
struct Selector<'j> {
    at: String,
    source: Source,
    target: &'j str,
    transform: Option<Transformation>,
}

impl Reader<'_> {
    fn selector(&mut self, at: usize, selector: &Json) {
        let at = format!("{SELECTORS}[{at}].value");
        match read(&at, &selector["value"]) {
            Err(fault) => self.faults.push(fault),
            Ok(selector) => {
                let mapped = (selector.target.to_owned(), selector.source.clone());
                let result = match selector.target.strip_prefix(IDENTITY_PREFIX) {
                    Some(target) => self.identity(&selector, target),
                    None => self.attribute(&selector),
                };
                self.faults.extend(result.err());
                self.mapped.push(mapped);
            }
        }
    }

    fn identity(&mut self, selector: &Selector<'_>, target: &str) -> Result<(), Fault> {
        let at_target = format!("{}.mapping.destination", selector.at);
        let schema = &self.config.schema;
        if !schema.identity_required && self.required_target(selector.target).is_none() {
            return Err(Fault::new(at_target, "this destination takes no identities (`identityRequired` is false)"));
        }
        let Some(namespace) = self.config.identity_namespace(target) else {
            let known: Vec<_> = self.config.identity_namespaces.iter().map(|(name, _)| name.as_str()).collect();
            let message = format!("one of the namespaces {} is needed, given `{target}`", known.join(", "));
            return Err(Fault::new(at_target, message));
        };
        accepts(namespace, &selector.source).map_err(|why| Fault::new(&at_target, format!("`{target}` {why}")))?;
        let required = required_transformation(namespace, &selector.source);
        if selector.transform.is_some() && required.is_none() && namespace.transformation != selector.transform {
            let message = format!("`{target}` has no such `transformation`");
            return Err(Fault::new(format!("{}.mapping.transformation", selector.at), message));
        }
        self.mapping.identities.push(IdentityMap {
            source: selector.source.clone(),
            target: SmolStr::new(target),
            transform: required.or(selector.transform),
            mandatory: self.mandatory_target(selector.target),
        });
        Ok(())
    }

    fn attribute(&mut self, selector: &Selector<'_>) -> Result<(), Fault> {
        let at = |field: &str| format!("{}.mapping.{field}", selector.at);
        let target = selector.target;
        if matches!(selector.source, Source::Namespace(_)) {
            let message = format!("an identity goes to an identity namespace (`{IDENTITY_PREFIX}…`), given `{target}`");
            return Err(Fault::new(at("destination"), message));
        }
        if selector.transform.is_some() {
            return Err(Fault::new(at("transformation"), "is for targets that are identity namespaces"));
        }
        if self.mapping.attributes.iter().any(|map| map.target == target) {
            return Err(Fault::new(at("destination"), format!("`{target}` is mapped twice")));
        }
        let schema = &self.config.schema;
        let predefined = schema.dynamic_schema.is_some() || schema.profile_fields.iter().any(|f| f.name == target);
        if !predefined && !schema.profile_required && self.required_target(target).is_none() {
            let known: Vec<_> = schema.profile_fields.iter().map(|field| field.name.as_str()).collect();
            let message = match known.as_slice() {
                [] => "this destination takes no attributes (`profileRequired` is false)".to_owned(),
                known => format!("one of the attributes {} is needed, given `{target}`", known.join(", ")),
            };
            return Err(Fault::new(at("destination"), message));
        }
        self.mapping.attributes.push(AttributeMap {
            source: selector.source.clone(),
            target: SmolStr::new(target),
            transform: None,
            predefined,
            mandatory: self.mandatory_target(target),
        });
        Ok(())
    }

    fn required_target(&self, target: &str) -> Option<&RequiredMapping> {
        self.config.schema.required_mappings.iter().find(|required| required.destination() == target)
    }

    fn mandatory_target(&self, target: &str) -> bool {
        matches!(self.required_target(target), Some(RequiredMapping::Target { mandatory: true, .. }))
    }

    /// Adds the fixed mappings of the destination, and asks for those of which the user picks the source.
    fn required(&mut self) {
        let schema = &self.config.schema;
        for required in &schema.required_mappings {
            let target = required.destination();
            let given = self.mapped.iter().find(|(mapped, _)| mapped == target).map(|(_, source)| source.clone());
            match required {
                RequiredMapping::Target { .. } if given.is_none() => {
                    self.refuse(SELECTORS, format!("a mapping to `{target}` is needed"));
                }
                RequiredMapping::Target { .. } => {}
                RequiredMapping::Fixed { source, .. } => match (Source::required(source), given) {
                    (Err(message), _) => {
                        self.refuse(SELECTORS, format!("the required mapping to `{target}`: {message}"))
                    }
                    (Ok(source), None) => self.add_fixed(source, target),
                    (Ok(source), Some(given)) if source == given => {}
                    (Ok(_), Some(_)) => self.refuse(SELECTORS, format!("the source of `{target}` is fixed")),
                },
            }
        }
        if schema.required_mappings_only {
            let own = |target: &&(String, Source)| self.required_target(&target.0).is_none();
            if let Some((target, _)) = self.mapped.iter().find(own) {
                let message = format!("only the required mappings are possible, given one to `{target}`");
                self.refuse(SELECTORS, message);
            }
        }
    }

    fn add_fixed(&mut self, source: Source, target: &str) {
        let predefined = self.config.schema.profile_fields.iter().any(|field| field.name == target);
        match target.strip_prefix(IDENTITY_PREFIX) {
            Some(name) => {
                let namespace = self.config.identity_namespace(name);
                let transform = namespace.and_then(|namespace| required_transformation(namespace, &source));
                let target = SmolStr::new(name);
                self.mapping.identities.push(IdentityMap { source, target, transform, mandatory: false });
            }
            None => {
                let target = SmolStr::new(target);
                let map = AttributeMap { source, target, transform: None, predefined, mandatory: false };
                self.mapping.attributes.push(map);
            }
        }
    }

    /// Marks the mappings whose source is named in `mandatoryFields`: XDM paths or codes of namespaces.
    fn mandatory(&mut self, fields: &Json) {
        for (at, field) in fields.as_array().into_iter().flatten().enumerate() {
            let name = field.as_str().unwrap_or_default();
            let named = |source: &Source| match source {
                Source::Attribute(path) => path.iter().map(SmolStr::as_str).eq(name.split('.')),
                Source::Namespace(code) => code.eq_ignore_ascii_case(name.trim_start_matches(IDENTITY_PREFIX)),
                Source::Alias | Source::ByStatus { .. } => false,
            };
            let identities = self.mapping.identities.iter_mut().filter(|map| named(&map.source));
            let attributes = self.mapping.attributes.iter_mut().filter(|map| named(&map.source));
            let flags = identities.map(|map| &mut map.mandatory).chain(attributes.map(|map| &mut map.mandatory));
            if flags.map(|flag| *flag = true).count() == 0 {
                self.refuse(&format!("mandatoryFields[{at}]"), format!("a mapped source is needed, given {field}"));
            }
        }
    }

    fn limits(&mut self) {
        let mut targets: Vec<_> = self.mapping.identities.iter().map(|map| &map.target).collect();
        targets.sort_unstable();
        targets.dedup();
        let (identities, attributes) = (targets.len(), self.mapping.attributes.len());
        let (most, most_attributes) = (self.config.max_identity_attributes, self.config.max_profile_attributes);
        if identities > most as usize {
            self.refuse(SELECTORS, format!("at most {most} identity namespaces are possible, given {identities}"));
        }
        if attributes > most_attributes as usize {
            self.refuse(SELECTORS, format!("at most {most_attributes} attributes are possible, given {attributes}"));
        }
    }

    fn refuse(&mut self, path: &str, message: impl Into<String>) {
        self.faults.push(Fault::new(path, message));
    }
}

fn read<'j>(at: &str, value: &'j Json) -> Result<Selector<'j>, Fault> {
    let mapping = &value["mapping"];
    let text = |json: &'j Json, field: &str| match json {
        Json::Null => Ok(None),
        Json::String(text) if !text.is_empty() => Ok(Some(text.as_str())),
        other => Err(Fault::new(format!("{at}.{field}"), format!("text is needed, given {other}"))),
    };
    let source_text = match text(&mapping["source"], "mapping.source")? {
        Some(source) => source,
        None => {
            let path = text(&value["path"], "path")?;
            path.ok_or_else(|| Fault::new(format!("{at}.path"), "is needed: what is mapped"))?
        }
    };
    let source_type = text(&mapping["sourceType"], "mapping.sourceType")?.unwrap_or(Source::SCHEMA_PATH);
    let in_source = |message| Fault::new(format!("{at}.mapping.source"), message);
    if source_type != Source::SCHEMA_PATH {
        let message = format!("text/x.schema-path is needed, given `{source_type}`");
        return Err(Fault::new(format!("{at}.mapping.sourceType"), message));
    }
    let source = Source::path(source_text).map_err(in_source)?;
    let target = text(&mapping["destination"], "mapping.destination")?;
    let target = target.or(text(&mapping["destinationXdmPath"], "mapping.destinationXdmPath")?);
    let transform = match text(&mapping["transformation"], "mapping.transformation")? {
        None => None,
        Some(spelling) => Some(Transformation::parse(spelling).ok_or_else(|| {
            let message = format!("`{}` is needed, given `{spelling}`", Transformation::Sha256Lower.spelling());
            Fault::new(format!("{at}.mapping.transformation"), message)
        })?),
    };
    Ok(Selector { at: at.to_owned(), source, target: target.unwrap_or(source_text), transform })
}

/// Whether a target namespace takes a source; the error completes "`email` …".
fn accepts(namespace: &IdentityNamespace, source: &Source) -> Result<(), String> {
    match source {
        Source::Namespace(code) => {
            let global = namespace.accepted_global.keys().any(|name| name.eq_ignore_ascii_case(code));
            let accepted = global || namespace.accepts_custom_namespaces;
            accepted.then_some(()).ok_or_else(|| {
                let known: Vec<_> = namespace.accepted_global.keys().map(SmolStr::as_str).collect();
                format!("accepts the namespaces {}, not `{code}`", known.join(", "))
            })
        }
        _ if namespace.accepts_attributes => Ok(()),
        _ => Err("accepts no attributes (`acceptsAttributes` is false)".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(schema: Json) -> DestinationConfig {
        let mut json = json!({
            "name": "Lumen",
            "schemaConfig": {"segmentRequired": true, "identityRequired": true},
            "identityNamespaces": {
                "hashed": {"acceptsAttributes": true, "transformation": "sha256(lower($))",
                    "acceptedGlobalNamespaces": {"Email": {"requiredTransformation": "sha256(lower($))"}}},
                "crm": {"acceptsCustomNamespaces": true},
            },
            "destinationDelivery": [{"authenticationRule": "NONE", "destinationServerId": "s"}],
            "aggregation": {"aggregationType": "BEST_EFFORT", "bestEffortAggregation": {"maxUsersPerRequest": 1}},
        });
        for (name, value) in schema.as_object().expect("an object") {
            json["schemaConfig"][name] = value.clone();
        }
        DestinationConfig::parse(&json).expect("a destination")
    }

    fn params(mappings: &[Json]) -> Json {
        let selectors: Vec<Json> =
            mappings.iter().map(|mapping| json!({"type": "JSON_PATH", "value": mapping})).collect();
        json!({"profileSelectors": {"selectors": selectors}})
    }

    fn map(source: &str, destination: &str) -> Json {
        json!({"path": source, "mapping": {"source": source, "destination": destination}})
    }

    #[test]
    fn mappings_are_read_with_what_the_destination_requires() {
        let fixed = json!({"sourceType": "text/plain", "source": "metadata.segment.alias", "destination": "list"});
        let config = config(json!({"profileFields": [{"name": "plan", "type": "string"}], "profileRequired": true,
            "requiredMappings": [fixed, {"destination": "identityMap.crm", "mandatoryRequired": true}]}));
        let mut hashed = map("mail.address", "identityMap.hashed");
        hashed["mapping"]["transformation"] = "sha256(lower($))".into();
        let mut params = params(&[
            map("identityMap.Email", "identityMap.hashed"),
            hashed,
            map("identityMap.Loyalty", "identityMap.crm"),
            map("loyalty.plan", "plan"),
            json!({"path": "city"}),
        ]);
        params["mandatoryFields"] = json!(["loyalty.plan"]);
        let mapping = Mapping::parse(&params, &config).expect("a mapping");
        let identities: Vec<_> =
            mapping.identities.iter().map(|m| (m.target.as_str(), m.transform.is_some(), m.mandatory)).collect();
        assert_eq!(identities, [("hashed", true, false), ("hashed", true, false), ("crm", false, true)]);
        let attributes: Vec<_> =
            mapping.attributes.iter().map(|m| (m.target.as_str(), m.predefined, m.mandatory)).collect();
        assert_eq!(attributes, [("plan", true, true), ("city", false, false), ("list", false, false)]);
    }

    #[test]
    fn what_the_destination_does_not_support_is_refused() {
        let fields = json!({"profileFields": [{"name": "plan", "type": "string"}]});
        let only = json!({"requiredMappings": [{"destination": "plan"}], "requiredMappingsOnly": true});
        let unhashed = |m: &mut Json| m["mapping"]["transformation"] = "md5($)".into();
        let changed = |mut mapping: Json, change: &dyn Fn(&mut Json)| {
            change(&mut mapping);
            mapping
        };
        let value = format!("{SELECTORS}[0].value");
        let cases: Vec<(&Json, Vec<Json>, String)> = vec![
            (&fields, vec![map("identityMap.Phone", "identityMap.hashed")], format!("{value}.mapping.destination")),
            (&fields, vec![map("identityMap.Phone", "identityMap.none")], format!("{value}.mapping.destination")),
            (&fields, vec![map("a.b", "identityMap.crm")], format!("{value}.mapping.destination")),
            (&fields, vec![map("identityMap.Email", "plan")], format!("{value}.mapping.destination")),
            (&fields, vec![map("a.b", "other")], format!("{value}.mapping.destination")),
            (
                &fields,
                vec![changed(map("a", "identityMap.hashed"), &unhashed)],
                format!("{value}.mapping.transformation"),
            ),
            (&fields, vec![json!({})], format!("{value}.path")),
            (&fields, vec![map("a..b", "plan")], format!("{value}.mapping.source")),
            (&only, vec![], SELECTORS.to_owned()),
            (&only, vec![map("a", "plan"), map("identityMap.x", "identityMap.crm")], SELECTORS.to_owned()),
        ];
        for (schema, mappings, expected) in cases {
            let faults = Mapping::parse(&params(&mappings), &config(schema.clone())).expect_err("refused");
            assert_eq!(faults.iter().map(|f| &f.path).collect::<Vec<_>>(), [&expected], "{mappings:?}: {faults:?}");
        }
    }
}
