//! The standard library: the public XDM corpus, as the `global` container shows it.
//!
//! Embedded compressed; unpacked, brought into compatibility mode and indexed once, at first use.

use crate::kind::Kind;
use flate2::read::GzDecoder;
use serde_json::Value as Json;
use std::collections::HashMap;
use std::io::Read;
use std::sync::OnceLock;

static PACKED: &[u8] = include_bytes!("../data/xdm.json.gz");

/// The state of the corpus, as `meta:globalLibVersion`.
pub(crate) const VERSION: &str = "2026.8.0";

/// One standard resource.
#[derive(Debug)]
pub struct Standard {
    /// Its kind.
    pub kind: Kind,
    /// `$id`.
    pub id: String,
    /// `meta:altId`.
    pub alt_id: String,
    /// The document, with the names that data carries.
    pub body: Json,
}

/// All standard resources.
#[derive(Debug)]
pub struct Library {
    all: Vec<Standard>,
    by_id: HashMap<String, usize>,
    by_alt_id: HashMap<String, usize>,
}

/// The library; the first call unpacks it.
pub fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(Library::unpack)
}

impl Library {
    /// The resource of this `$id`.
    pub fn get(&self, id: &str) -> Option<&Standard> {
        self.by_id.get(id).map(|i| &self.all[*i])
    }

    /// The resource of this `meta:altId`.
    pub fn by_alt_id(&self, alt_id: &str) -> Option<&Standard> {
        self.by_alt_id.get(alt_id).map(|i| &self.all[*i])
    }

    /// All resources, in the order of the corpus.
    pub fn iter(&self) -> impl Iterator<Item = &Standard> {
        self.all.iter()
    }

    fn unpack() -> Library {
        let mut text = Vec::new();
        GzDecoder::new(PACKED).read_to_end(&mut text).expect("the embedded corpus is gzip");
        let packed: Vec<(String, Json)> =
            serde_json::from_slice(&text).expect("the embedded corpus is an array of pairs");
        let all: Vec<Standard> = packed.into_iter().filter_map(|(kind, doc)| standard(&kind, &doc)).collect();
        let by_id = all.iter().enumerate().map(|(i, s)| (s.id.clone(), i)).collect();
        let by_alt_id = all.iter().enumerate().map(|(i, s)| (s.alt_id.clone(), i)).collect();
        Library { all, by_id, by_alt_id }
    }
}

fn standard(kind: &str, doc: &Json) -> Option<Standard> {
    let kind = Kind::parse(kind)?;
    let id = doc.get("$id")?.as_str()?.to_owned();
    let mut body = xdm::compatible(doc);
    xdm::annotate(&mut body);
    Some(Standard { kind, alt_id: alt_id(&id), id, body })
}

/// `https://ns.adobe.com/xdm/context/profile` → `_xdm.context.profile`.
pub(crate) fn alt_id(id: &str) -> String {
    let rest = id.strip_prefix("https://").or_else(|| id.strip_prefix("http://")).unwrap_or(id);
    let rest = rest.strip_prefix("ns.adobe.com/").unwrap_or(rest);
    format!("_{}", rest.replace('/', "."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_is_complete_and_ids_are_unique() {
        let count = |kind| library().iter().filter(|s| s.kind == kind).count();
        let counts = [Kind::Class, Kind::FieldGroup, Kind::DataType, Kind::Behavior].map(count);
        assert_eq!(counts, [43, 225, 167, 3]);
        assert_eq!(library().by_alt_id.len(), 438);
        let profile = library().by_alt_id("_xdm.context.profile").expect("standard");
        assert_eq!(profile.id, "https://ns.adobe.com/xdm/context/profile");
    }
}
