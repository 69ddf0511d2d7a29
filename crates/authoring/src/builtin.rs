//! The destinations that come with the server: the folders of `catalog/`, embedded at compile time.

use crate::catalog::{CatalogEntry, Origin, entry};
use crate::ids;
use destination::config::Fault;
use destination::folder::Folder;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// Folder name, and its files: path and text.
type Folders = &'static [(&'static str, Files)];
type Files = &'static [(&'static str, &'static str)];

static FOLDERS: Folders = include!(concat!(env!("OUT_DIR"), "/catalog.rs"));

static ENTRIES: LazyLock<Vec<Arc<CatalogEntry>>> =
    LazyLock::new(|| FOLDERS.iter().filter_map(|(name, files)| read(name, files).ok()).collect());

/// The built-in destinations, by folder name. The tests read every folder.
pub(crate) fn entries() -> &'static [Arc<CatalogEntry>] {
    &ENTRIES
}

fn read(name: &str, files: Files) -> Result<Arc<CatalogEntry>, Vec<Fault>> {
    let texts: BTreeMap<String, String> =
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let folder = Folder::read(&texts)?;
    folder.configs()?;
    let snapshot = json!({
        "destination": folder.destination,
        "servers": folder.servers,
        "audienceTemplates": folder.audience_templates,
        "credentials": folder.credentials,
    });
    let version = ids::derived("built-in version", &snapshot.to_string());
    let incomplete = || vec![Fault::new(name, "is not complete")];
    entry(Origin::BuiltIn, &ids::derived("built-in destination", name), &version, &snapshot).ok_or_else(incomplete)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_is_a_destination() {
        for (name, files) in FOLDERS {
            let read = read(name, files);
            assert!(read.is_ok(), "{name}: {:?}", read.err());
        }
    }
}
