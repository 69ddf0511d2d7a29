//! The names of audiences: definitions and external audiences share them (profile.md §9.1).

use crate::error::{Error, Kind};
use model::{Collection, DocSet, SandboxId};

/// Collections of audiences, and what an error calls one.
const KINDS: [(Collection, &str); 2] =
    [(Collection::Audience, "segment definition"), (Collection::ExternalAudience, "external audience")];

/// Refuses a name that another audience has. `own` is the id of the one that is to have it, if there is one already.
pub(crate) fn refuse_taken(docs: &DocSet, sandbox: SandboxId, own: Option<&str>, name: &str) -> Result<(), Error> {
    for (kind, noun) in KINDS {
        let mut others = docs.iter(sandbox, kind).filter(|doc| own.is_none_or(|own| doc.id != own));
        if let Some(other) = others.find(|doc| doc.body["name"] == name) {
            let message = format!("name: the {noun} {} has the name `{name}` already", other.id);
            return Err(Error::new(Kind::Duplicate, message));
        }
    }
    Ok(())
}
