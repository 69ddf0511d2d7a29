//! Configuration documents and their immutable sets.
//!
//! A document (schema, audience, flow …) is JSON with a life cycle. Every accepted change is one
//! [`DocChange`] in the control stream of the log; a [`DocSet`] is the fold of all changes up to
//! one position. Services read a set and answer with changes; they never mutate.
//!
//! Always: `no` and `changed_n` come from positions in the log, so every replay gives the same.

use crate::codec::{self, DecodeError, Reader};
use crate::id::SandboxId;
use crate::time::Timestamp;
use serde_json::Value as Json;
use smol_str::SmolStr;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

macro_rules! collections {
    ($($(#[$doc:meta])* $name:ident = $code:literal $text:literal,)*) => {
        /// The kinds of documents. Codes are part of the disk format.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Collection { $($(#[$doc])* $name = $code,)* }

        impl Collection {
            /// All kinds.
            pub const ALL: &'static [Collection] = &[$(Collection::$name,)*];

            /// The kind of a stored code.
            pub fn from_code(code: u8) -> Option<Collection> {
                match code { $($code => Some(Collection::$name),)* _ => None }
            }

            /// Singular noun for messages.
            pub fn noun(self) -> &'static str {
                match self { $(Collection::$name => $text,)* }
            }
        }
    };
}

collections! {
    /// Sandboxes; id = name.
    Sandbox = 1 "sandbox",
    /// API clients; id = client id.
    Client = 2 "API client",
    /// Tenant classes; id = `meta:altId`.
    Class = 3 "class",
    /// Tenant field groups; id = `meta:altId`.
    FieldGroup = 4 "field group",
    /// Tenant data types; id = `meta:altId`.
    DataType = 5 "data type",
    /// Tenant schemas; id = `meta:altId`.
    Schema = 6 "schema",
    /// Descriptors; id = `@id`.
    Descriptor = 7 "descriptor",
    /// Data sets; id = 24 hexadecimal digits.
    Dataset = 8 "data set",
    /// Identity namespaces; id = numeric id as text.
    Namespace = 9 "identity namespace",
    /// Merge policies; id = UUID.
    MergePolicy = 10 "merge policy",
    /// Audiences (segment definitions); id = UUID.
    Audience = 11 "audience",
    /// Base connections (accounts, inlets); id = UUID.
    BaseConnection = 12 "base connection",
    /// Source connections; id = UUID.
    SourceConnection = 13 "source connection",
    /// Target connections; id = UUID.
    TargetConnection = 14 "target connection",
    /// Dataflows; id = UUID.
    Flow = 15 "flow",
    /// One per organisation: ids, tenant name.
    Organisation = 16 "organisation",
    /// Destination configurations of the Authoring API; id = UUID.
    AuthoringDestination = 17 "destination configuration",
    /// Destination servers of the Authoring API; id = UUID.
    AuthoringServer = 18 "destination server",
    /// Audience templates of the Authoring API; id = UUID.
    AudienceTemplate = 19 "audience template",
    /// Credentials of the Authoring API; id = UUID.
    Credential = 20 "credential",
    /// Requests to publish a destination, each with what was submitted; id = UUID.
    PublishRequest = 21 "publish request",
    /// What a receiving system calls a mapped audience; id = `flow/audience`.
    AudienceAlias = 22 "audience alias",
    /// Audiences whose members are uploaded; id = UUID.
    ExternalAudience = 23 "external audience",
    /// On-demand and scheduled evaluations; id = UUID.
    SegmentJob = 24 "segment job",
    /// When evaluations and exports run; id = UUID.
    Schedule = 25 "schedule",
    /// Exports of profiles into data sets; id = a number as text.
    ExportJob = 26 "export job",
    /// Requests to make an external audience; id = UUID.
    ExternalTask = 27 "external audience operation",
    /// Loads of members of an external audience; id = UUID.
    ExternalRun = 28 "external audience run",
}

/// One stored document.
#[derive(Debug, Clone, PartialEq)]
pub struct Doc {
    /// Its id within the collection.
    pub id: SmolStr,
    /// Dense number: the low 32 bits of the position of its creation. Never reused.
    pub no: u32,
    /// Position of its latest change.
    pub changed_n: u64,
    /// How many times it was written, from 1.
    pub revision: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The API client that created it.
    pub created_by: SmolStr,
    /// The API client that changed it last.
    pub updated_by: SmolStr,
    /// The document itself, as the service stores it.
    pub body: Json,
}

/// One accepted change: a whole new body, or a removal.
#[derive(Debug, Clone, PartialEq)]
pub struct DocChange {
    /// The sandbox; organisation-wide documents use `SandboxId(0)`.
    pub sandbox: SandboxId,
    /// The kind.
    pub collection: Collection,
    /// The id.
    pub id: SmolStr,
    /// The new body; `None` removes the document.
    pub body: Option<Json>,
    /// The API client that asked for it.
    pub by: SmolStr,
}

impl DocChange {
    /// A change that writes `body`.
    pub fn put(sandbox: SandboxId, collection: Collection, id: impl Into<SmolStr>, body: Json, by: &str) -> DocChange {
        DocChange { sandbox, collection, id: id.into(), body: Some(body), by: by.into() }
    }

    /// A change that removes a document.
    pub fn delete(sandbox: SandboxId, collection: Collection, id: impl Into<SmolStr>, by: &str) -> DocChange {
        DocChange { sandbox, collection, id: id.into(), body: None, by: by.into() }
    }

    /// Appends the bytes of this change.
    pub fn encode(&self, out: &mut Vec<u8>) {
        codec::put_u64(out, u64::from(self.sandbox.0));
        out.push(self.collection as u8);
        codec::put_bytes(out, self.id.as_bytes());
        codec::put_bytes(out, self.by.as_bytes());
        match &self.body {
            Some(body) => {
                out.push(1);
                codec::put_bytes(out, body.to_string().as_bytes());
            }
            None => out.push(0),
        }
    }

    /// Reads what [`DocChange::encode`] wrote.
    pub fn decode(reader: &mut Reader<'_>) -> codec::Result<DocChange> {
        let sandbox = SandboxId(reader.u32()?);
        let collection = Collection::from_code(reader.u8()?).ok_or(DecodeError("unknown collection"))?;
        let id = SmolStr::new(reader.str()?);
        let by = SmolStr::new(reader.str()?);
        let body = match reader.u8()? {
            0 => None,
            _ => Some(serde_json::from_slice(reader.bytes()?).map_err(|_| DecodeError("document is not JSON"))?),
        };
        Ok(DocChange { sandbox, collection, id, body, by })
    }
}

type Docs = BTreeMap<SmolStr, Arc<Doc>>;

/// All documents as of one position in the control stream. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct DocSet {
    /// The position of the last change in this set; 0 before the first.
    pub n: u64,
    collections: HashMap<(SandboxId, Collection), Arc<Docs>>,
}

impl DocSet {
    /// One document.
    pub fn get(&self, sandbox: SandboxId, collection: Collection, id: &str) -> Option<&Arc<Doc>> {
        self.collections.get(&(sandbox, collection))?.get(id)
    }

    /// All documents of a kind, by id.
    pub fn iter(&self, sandbox: SandboxId, collection: Collection) -> impl DoubleEndedIterator<Item = &Arc<Doc>> {
        self.collections.get(&(sandbox, collection)).into_iter().flat_map(|docs| docs.values())
    }

    /// All documents of a kind in every sandbox, by sandbox, then by id.
    pub fn iter_everywhere(&self, collection: Collection) -> impl Iterator<Item = (SandboxId, &Arc<Doc>)> {
        let mut kept: Vec<_> = self.collections.iter().filter(|((_, kind), _)| *kind == collection).collect();
        kept.sort_by_key(|((sandbox, _), _)| *sandbox);
        kept.into_iter().flat_map(|((sandbox, _), docs)| docs.values().map(move |doc| (*sandbox, doc)))
    }

    /// How many documents of a kind there are.
    pub fn count(&self, sandbox: SandboxId, collection: Collection) -> usize {
        self.collections.get(&(sandbox, collection)).map_or(0, |docs| docs.len())
    }

    /// Applies one change at position `n` (from 1, increasing) stamped `now`.
    pub fn apply(&mut self, n: u64, now: Timestamp, change: &DocChange) {
        self.n = n;
        let docs = Arc::make_mut(self.collections.entry((change.sandbox, change.collection)).or_default());
        let Some(body) = &change.body else {
            docs.remove(&change.id);
            return;
        };
        let old = docs.get(&change.id);
        let doc = Doc {
            id: change.id.clone(),
            no: old.map_or(n as u32, |d| d.no),
            changed_n: n,
            revision: old.map_or(1, |d| d.revision + 1),
            created_at: old.map_or(now, |d| d.created_at),
            updated_at: now,
            created_by: old.map_or_else(|| change.by.clone(), |d| d.created_by.clone()),
            updated_by: change.by.clone(),
            body: body.clone(),
        };
        docs.insert(change.id.clone(), Arc::new(doc));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_keeps_its_number_and_counts_its_revisions() {
        let mut set = DocSet::default();
        let sandbox = SandboxId(1);
        let put = |body| DocChange::put(sandbox, Collection::Audience, "a", body, "client");
        set.apply(7, Timestamp(10), &put(json!({"x": 1})));
        let before = set.clone();
        set.apply(9, Timestamp(20), &put(json!({"x": 2})));
        let doc = set.get(sandbox, Collection::Audience, "a").expect("stored");
        assert_eq!(
            (doc.no, doc.changed_n, doc.revision, doc.created_at, doc.updated_at),
            (7, 9, 2, Timestamp(10), Timestamp(20))
        );
        assert_eq!(before.get(sandbox, Collection::Audience, "a").expect("kept").body, json!({"x": 1}));
        set.apply(10, Timestamp(30), &DocChange::delete(sandbox, Collection::Audience, "a", "client"));
        assert_eq!(set.count(sandbox, Collection::Audience), 0);
    }

    #[test]
    fn a_change_reads_back() {
        let change = DocChange::put(SandboxId(3), Collection::Flow, "f", json!({"a": [1, 2]}), "me");
        let mut bytes = Vec::new();
        change.encode(&mut bytes);
        assert_eq!(DocChange::decode(&mut Reader::new(&bytes)), Ok(change));
    }
}
