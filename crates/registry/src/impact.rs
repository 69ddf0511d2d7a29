//! What a change of one resource does to the schemas that use it.

use crate::descriptor;
use crate::error::Error;
use crate::evolution::breaking_changes;
use crate::kind::Kind;
use crate::union::class_of;
use crate::view::{View, all_refs, is_union_tagged};
use model::Collection;
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// Refuses a change after which a schema would not resolve, would lose what data relies on, or would
/// disagree with its union.
pub(crate) fn check_change(view: &View<'_>, kind: Kind, id: &str, body: &Json) -> Result<(), Error> {
    let after = view.with(id, body);
    compile(&after.resolve(body)?)?;
    let mut breaking = Vec::new();
    let mut classes = BTreeSet::new();
    for (schema, schema_body) in after.schemas().filter(|(s, b)| *s == id || after.uses(b, id)) {
        let flat = after.resolve(schema_body)?;
        compile(&flat)?;
        descriptor::check_still_valid(&after, schema, &flat)?;
        if let Some(before) = view.body(schema).filter(|_| is_frozen(view, schema)) {
            breaking
                .extend(breaking_changes(&view.resolve(before)?, &flat).into_iter().map(|b| format!("{schema} {b}")));
            if class_of(view, schema) != class_of(&after, schema) {
                breaking.push(format!("{schema}: the class of a schema does not change"));
            }
        }
        if is_union_tagged(schema_body) {
            if !view.body(schema).is_some_and(is_union_tagged) {
                descriptor::check_union_identity(&after, schema, &flat)?;
            }
            classes.extend(class_of(&after, schema));
        }
    }
    if let Some(first) = breaking.first() {
        return Err(Error::breaking(
            format!("the {} is in use, so only additive changes are possible: {first}", kind.noun()),
            breaking,
        ));
    }
    classes.iter().try_for_each(|class| crate::union::resolve(&after, class).map(|_| ()))
}

/// True once data may have been accepted: the schema is in a union or a data set uses it.
fn is_frozen(view: &View<'_>, schema: &str) -> bool {
    view.body(schema).is_some_and(is_union_tagged) || data_set_of(view, schema).is_some()
}

fn data_set_of(view: &View<'_>, schema: &str) -> Option<String> {
    let mut sets = view.docs.iter(view.sandbox, Collection::Dataset);
    sets.find(|d| d.body["schemaRef"]["id"] == schema).map(|d| d.id.to_string())
}

fn compile(flat: &Json) -> Result<(), Error> {
    xdm::Schema::from_json(flat).map(|_| ()).map_err(|e| Error::invalid(e.to_string()))
}

/// Refuses to delete what something still uses.
pub(crate) fn refuse_if_used(view: &View<'_>, kind: Kind, id: &str) -> Result<(), Error> {
    let noun = kind.noun();
    if kind == Kind::Schema {
        if let Some(data_set) = data_set_of(view, id) {
            return Err(Error::in_use(format!("the schema {id} is used by the data set {data_set}")));
        }
        if view.body(id).is_some_and(is_union_tagged) {
            return Err(Error::in_use(format!("the schema {id} is enabled for Profile (union) and cannot be deleted")));
        }
        let target =
            |d: &&std::sync::Arc<model::Doc>| d.body["xdm:destinationSchema"] == id && d.body["xdm:sourceSchema"] != id;
        if let Some(relation) = view.docs.iter(view.sandbox, Collection::Descriptor).find(target) {
            return Err(Error::in_use(format!("the schema {id} is the destination of the descriptor {}", relation.id)));
        }
    }
    for user_kind in [Kind::Schema, Kind::Class, Kind::FieldGroup, Kind::DataType] {
        let Some(collection) = user_kind.collection() else { continue };
        for user in view.docs.iter(view.sandbox, collection) {
            let intends =
                user.body["meta:intendedToExtend"].as_array().is_some_and(|list| list.iter().any(|i| i == id));
            if user.body["$id"] != id && (intends || all_refs(&user.body).iter().any(|r| r == id)) {
                let user_id = user.body["$id"].as_str().unwrap_or_default();
                return Err(Error::in_use(format!("the {noun} {id} is used by the {} {user_id}", user_kind.noun())));
            }
        }
    }
    Ok(())
}
