//! One flow to a destination, with all that is the same for each of its profiles made ready once.
//!
//! In: the compiled destination, what the customer filled in, the mapping, the mapped audiences. `target` makes the
//! profile that the destination wants of one that this system has, `group` what it contributes to which message.

use super::alias::Aliases;
use super::context::{self, key};
use super::design::Design;
use super::entry::Shown;
use super::mapping::{Mapping, Source};
use super::profile::{TargetIdentity, TargetProfile};
use super::slice::GroupKey;
use crate::config::Transformation;
use model::SmolStr;
use pebble::{Template, Value};
use serde_json::Value as Json;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// One flow to a destination. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Instance {
    pub(crate) parts: Arc<Parts>,
    auth: Value,
}

#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) design: Arc<Design>,
    pub(crate) mapping: Mapping,
    pub(crate) id: SmolStr,
    pub(crate) customer_data: Value,
    pub(crate) destination: Value,
    pub(crate) aliases: Aliases,
    /// By target namespace, in the order of the configuration.
    pub(crate) identities: Vec<TargetNamespace>,
    /// All parts of entries, and those that templates read.
    pub(crate) whole: Shown,
    pub(crate) read: Shown,
    /// How long the last body was: about as long as the next.
    pub(crate) body_len: AtomicUsize,
    /// The key of all groups without an aggregation key.
    pub(crate) common: Arc<GroupKey>,
    /// All target namespaces as one group.
    pub(crate) all: Arc<[SmolStr]>,
}

#[derive(Debug)]
pub(crate) struct TargetNamespace {
    pub(crate) name: SmolStr,
    pub(crate) sources: Vec<IdentitySource>,
    pub(crate) mandatory: bool,
}

#[derive(Debug)]
pub(crate) struct IdentitySource {
    pub(crate) source: Source,
    pub(crate) transform: Option<Transformation>,
}

/// What an [`Instance`] is made of.
#[derive(Debug, Clone)]
pub struct Setup<'a> {
    /// The id of the flow (destination instance).
    pub id: SmolStr,
    /// The values of the customer data fields.
    pub customer_data: &'a Json,
    /// What templates see as `authData`.
    pub auth_data: &'a Json,
    /// The mapping.
    pub mapping: Mapping,
    /// The mapped audiences.
    pub aliases: Aliases,
    /// Further fields of the `destination` object of templates, e.g. its name; an object.
    pub facts: &'a Json,
}

impl Parts {
    fn new(design: Arc<Design>, setup: Setup<'_>) -> Parts {
        let identities = target_namespaces(&design, &setup.mapping);
        let mapping = setup.mapping;
        let whole = Shown::whole(&mapping.attributes);
        let facts = setup.facts.as_object().into_iter().flatten();
        let facts: Vec<_> = facts.map(|(n, v)| (SmolStr::new(n), Value::from(v))).collect();
        Parts {
            id: setup.id,
            customer_data: Value::from(setup.customer_data),
            destination: setup.aliases.destination(&facts),
            aliases: setup.aliases,
            read: whole.read(design.reads(), &mapping.attributes),
            whole,
            mapping,
            body_len: AtomicUsize::new(0),
            common: Arc::new(GroupKey::default()),
            all: identities.iter().map(|n| n.name.clone()).collect(),
            identities,
            design,
        }
    }
}

impl Instance {
    /// Prepares a flow.
    pub fn new(design: Arc<Design>, setup: Setup<'_>) -> Instance {
        let auth = Value::from(setup.auth_data);
        Instance { parts: Arc::new(Parts::new(design, setup)), auth }
    }

    /// A flow that takes profiles in the target schema only: its namespaces are those configured, then those of the
    /// profiles.
    pub(crate) fn for_targets(design: Arc<Design>, setup: Setup<'_>, targets: &[Arc<TargetProfile>]) -> Instance {
        let mut all: Vec<SmolStr> = design.namespaces().iter().map(|(name, _)| name.clone()).collect();
        for (namespace, _) in targets.iter().flat_map(|target| &target.source.identities) {
            if !all.contains(namespace) {
                all.push(namespace.clone());
            }
        }
        let mut parts = Parts::new(design, setup);
        parts.all = all.into();
        Instance { parts: Arc::new(parts), auth: Value::null() }
    }

    /// The same flow with new `authData`, e.g. after a token was refreshed.
    pub fn with_auth_data(&self, auth_data: &Json) -> Instance {
        Instance { parts: self.parts.clone(), auth: Value::from(auth_data) }
    }

    /// Whether what was cut for `before` may still be sent by this one: the destination and the mapping are the
    /// same, and no audience was taken away.
    pub fn continues(&self, before: &Instance) -> bool {
        let (now, then) = (&self.parts, &before.parts);
        Arc::ptr_eq(&now.design, &then.design)
            && now.mapping == then.mapping
            && then.aliases.audiences().iter().all(|a| now.aliases.position(&a.namespace, &a.id).is_some())
    }

    /// The destination.
    pub fn design(&self) -> &Design {
        &self.parts.design
    }

    /// The id of the flow.
    pub fn id(&self) -> &SmolStr {
        &self.parts.id
    }

    /// The mapped audiences.
    pub fn aliases(&self) -> &Aliases {
        &self.parts.aliases
    }

    pub(crate) fn customer_data(&self) -> &Value {
        &self.parts.customer_data
    }

    pub(crate) fn destination(&self) -> &Value {
        &self.parts.destination
    }

    pub(crate) fn auth_data(&self) -> &Value {
        &self.auth
    }

    /// The sources of identities and attributes, for samples.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Source> {
        let identities = self.parts.identities.iter().flat_map(|n| n.sources.iter().map(|s| &s.source));
        identities.chain(self.parts.mapping.attributes.iter().map(|map| &map.source))
    }

    /// The target namespace of an identity.
    pub(crate) fn namespace<'a>(&'a self, profile: &'a TargetProfile, identity: TargetIdentity) -> &'a SmolStr {
        let number = identity.namespace as usize;
        match profile.given {
            Some(_) => &profile.source.identities[number].0,
            None => &self.parts.identities[number].name,
        }
    }

    /// The places of the identities of these namespaces, or of all.
    pub(crate) fn identities_of<'a>(
        &'a self,
        profile: &'a TargetProfile,
        namespaces: Option<&'a [SmolStr]>,
    ) -> impl Iterator<Item = usize> + 'a {
        let is_in = move |id: TargetIdentity| namespaces.is_none_or(|n| n.contains(self.namespace(profile, id)));
        profile.identities.iter().enumerate().filter(move |(_, id)| is_in(**id)).map(|(at, _)| at)
    }

    /// Prints the id of an entry by the template of `responseOutcome`.
    pub(crate) fn print_id(&self, template: &Template, entry: &Value) -> Result<String, String> {
        let context =
            context::map([(key("entry"), entry.clone()), (key("customerData"), self.parts.customer_data.clone())]);
        let mut id = String::new();
        template.render(&context, &mut id, &context::limits()).map_err(|e| e.to_string())?;
        Ok(id)
    }
}

/// The mappings onto identities by target namespace, in the order of the configuration, then of the mapping.
fn target_namespaces(design: &Design, mapping: &Mapping) -> Vec<TargetNamespace> {
    let mut targets: Vec<TargetNamespace> = Vec::new();
    let configured = design.namespaces().iter().map(|(name, _)| name);
    for name in configured.chain(mapping.identities.iter().map(|map| &map.target)) {
        if targets.iter().any(|t| t.name == *name) {
            continue;
        }
        let maps: Vec<_> = mapping.identities.iter().filter(|map| map.target == *name).collect();
        if maps.is_empty() {
            continue;
        }
        let mandatory = maps.iter().any(|map| map.mandatory);
        let sources = maps.into_iter().map(|map| IdentitySource {
            transform: design.required_transformation(name, &map.source).or(map.transform),
            source: map.source.clone(),
        });
        targets.push(TargetNamespace { name: name.clone(), sources: sources.collect(), mandatory });
    }
    targets
}
