//! A destination with all that it refers to, as one document.
//!
//! `{destination, servers, audienceTemplates, credentials}`: the stored form of the destination, and of
//! the others by id. A publish request keeps one; the working copy and a built-in destination are
//! seen as one, so that the catalog knows a single form.

use crate::kind::Kind;
use crate::links;
use model::{DocSet, SandboxId};
use serde_json::{Map, Value as Json, json};

/// Where the objects that a destination refers to are found.
pub(crate) trait Objects {
    /// The stored form of an object.
    fn object(&self, kind: Kind, id: &str) -> Option<&Json>;
}

/// The working copies of a sandbox.
pub(crate) struct Working<'a> {
    pub(crate) docs: &'a DocSet,
    pub(crate) sandbox: SandboxId,
}

impl Objects for Working<'_> {
    fn object(&self, kind: Kind, id: &str) -> Option<&Json> {
        self.docs.get(self.sandbox, kind.collection(), id).map(|doc| &doc.body)
    }
}

/// A snapshot's own objects.
pub(crate) struct Kept<'a>(pub(crate) &'a Json);

impl Objects for Kept<'_> {
    fn object(&self, kind: Kind, id: &str) -> Option<&Json> {
        self.0[member(kind)].get(id)
    }
}

fn member(kind: Kind) -> &'static str {
    match kind {
        Kind::Destination => "destination",
        Kind::Server => "servers",
        Kind::AudienceTemplate => "audienceTemplates",
        Kind::Credential => "credentials",
    }
}

/// The snapshot of a destination.
pub(crate) fn take(destination: &Json, objects: &dyn Objects) -> Json {
    let mut out = json!({ "destination": destination });
    for kind in [Kind::Server, Kind::AudienceTemplate, Kind::Credential] {
        let ids = links::ids(destination, kind);
        let found = ids.into_iter().filter_map(|id| Some((id.to_owned(), objects.object(kind, id)?.clone())));
        out[member(kind)] = Json::Object(found.collect::<Map<_, _>>());
    }
    out
}
