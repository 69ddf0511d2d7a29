//! Whether a folder changed: a fingerprint of names, sizes and times of its files.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::time::Duration;

/// How often the folder is looked at.
pub(crate) const EVERY: Duration = Duration::from_millis(20);
const FILES_MAX: usize = 10_000;

/// Names, sizes and times of all files that are not hidden.
pub(crate) fn stamp(dir: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut waiting = vec![dir.to_owned()];
    let mut count = 0;
    while let Some(at) = waiting.pop() {
        let Ok(entries) = std::fs::read_dir(&at) else { continue };
        let mut entries: Vec<_> = entries.flatten().collect();
        entries.sort_by_key(|entry| entry.file_name());
        for entry in entries {
            let name = entry.file_name();
            let is_hidden = name.to_string_lossy().starts_with('.') || name.to_string_lossy().ends_with('~');
            let Ok(meta) = std::fs::metadata(entry.path()) else { continue };
            count += 1;
            if is_hidden || count > FILES_MAX {
                continue;
            }
            if meta.is_dir() {
                waiting.push(entry.path());
            } else {
                entry.path().hash(&mut hasher);
                meta.len().hash(&mut hasher);
                meta.modified().ok().hash(&mut hasher);
            }
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_changes_the_stamp() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("cases")).expect("made");
        let first = stamp(dir.path());
        std::fs::write(dir.path().join("cases/a.yaml"), "1").expect("written");
        let second = stamp(dir.path());
        std::fs::write(dir.path().join("cases/a.yaml"), "12").expect("written");
        let third = stamp(dir.path());
        std::fs::write(dir.path().join(".a.yaml.swp"), "12").expect("written");
        assert!(first != second && second != third);
        assert_eq!(stamp(dir.path()), third);
    }
}
