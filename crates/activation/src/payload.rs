//! The JSON of one profile export to an enterprise destination (activation.md §3.6).

use crate::export::{Export, ExportedMembership};
use crate::flow::FlowPlan;
use model::value::write_json_str;
use model::{AudienceNo, NamespaceId, SmolStr, Status, Value};
use std::collections::BTreeMap;

/// Names of numbers, as the plan of the moment knows them.
pub trait Names {
    /// The id of an audience; `None` once it is deleted.
    fn audience(&self, no: AudienceNo) -> Option<SmolStr>;
    /// The code of a namespace.
    fn namespace(&self, id: NamespaceId) -> SmolStr;
}

/// Renders an export. Key order is fixed: attributes, `segmentMembership`, `identityMap`.
pub fn payload(export: &Export, flow: &FlowPlan, names: &dyn Names) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.push(b'{');
    if let Value::Object(fields) = &export.attributes {
        for (name, value) in fields.iter().filter(|(n, _)| !matches!(n.as_str(), "segmentMembership" | "identityMap")) {
            write_json_str(&mut out, name);
            out.push(b':');
            value.write_json(&mut out);
            out.push(b',');
        }
    }
    out.extend_from_slice(b"\"segmentMembership\":{\"ups\":{");
    let mut first = true;
    for membership in &export.memberships {
        let mapping = flow.mapping(membership.audience);
        let Some(id) = mapping.map(|m| m.id.clone()).or_else(|| names.audience(membership.audience)) else { continue };
        if !first {
            out.push(b',');
        }
        first = false;
        write_json_str(&mut out, &id);
        out.push(b':');
        membership_object(&mut out, membership, flow);
    }
    out.extend_from_slice(b"}},\"identityMap\":{");
    identity_map(&mut out, export, names);
    out.extend_from_slice(b"}}");
    out
}

fn membership_object(out: &mut Vec<u8>, membership: &ExportedMembership, flow: &FlowPlan) {
    let status = match membership.status {
        Status::Realized if flow.legacy_status && !membership.changed => "existing",
        status => status.as_str(),
    };
    out.extend_from_slice(b"{\"lastQualificationTime\":\"");
    out.extend_from_slice(membership.since.to_seconds_text().as_bytes());
    out.extend_from_slice(b"\",\"status\":\"");
    out.extend_from_slice(status.as_bytes());
    out.push(b'"');
    if let Some(mapping) = flow.mapping(membership.audience) {
        if flow.include_names {
            out.extend_from_slice(b",\"name\":");
            write_json_str(out, &mapping.name);
        }
        if flow.include_timestamps {
            let times = format!(
                ",\"createdAt\":{},\"updatedAt\":{},\"mappingCreatedAt\":{},\"mappingUpdatedAt\":{}",
                mapping.created.0, mapping.updated.0, mapping.mapping_created.0, mapping.mapping_updated.0
            );
            out.extend_from_slice(times.as_bytes());
        }
    }
    out.push(b'}');
}

fn identity_map(out: &mut Vec<u8>, export: &Export, names: &dyn Names) {
    let mut by_namespace: BTreeMap<SmolStr, Vec<&str>> = BTreeMap::new();
    for identity in &export.identities {
        by_namespace.entry(names.namespace(identity.namespace)).or_default().push(&identity.value);
    }
    for (i, (code, values)) in by_namespace.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_json_str(out, &code);
        out.extend_from_slice(b":[");
        for (i, value) in values.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"id\":");
            write_json_str(out, value);
            out.push(b'}');
        }
        out.push(b']');
    }
}
