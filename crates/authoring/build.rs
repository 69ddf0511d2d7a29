//! Lists the built-in destinations: every file of `catalog/<name>/`, embedded as text.
//!
//! Golden cases are left out; a catalog that is not there is an empty one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    // Asked for when it runs: a build directory may serve several checkouts.
    let manifest = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let manifest = manifest.ok_or_else(|| io::Error::other("CARGO_MANIFEST_DIR is not set"))?;
    let catalog = manifest.join("../../catalog");
    println!("cargo::rerun-if-changed={}", catalog.display());
    println!("cargo::rerun-if-changed=build.rs");
    let mut text = String::from("&[\n");
    for folder in children(&catalog).into_iter().filter(|path| path.is_dir()) {
        let mut files = Vec::new();
        collect(&folder, &folder, &mut files);
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        _ = writeln!(text, "    ({name:?}, &[");
        for (path, file) in files {
            _ = writeln!(text, "        ({path:?}, include_str!({:?})),", file.display().to_string());
        }
        text.push_str("    ]),\n");
    }
    text.push_str("]\n");
    let out = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    fs::write(out.join("catalog.rs"), text)
}

fn collect(root: &Path, at: &Path, files: &mut Vec<(String, PathBuf)>) {
    for path in children(at) {
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "cases") {
                collect(root, &path, files);
            }
        } else if let (Ok(relative), Ok(file)) = (path.strip_prefix(root), path.canonicalize()) {
            println!("cargo::rerun-if-changed={}", file.display());
            files.push((relative.to_string_lossy().replace('\\', "/"), file));
        }
    }
}

/// What is in a directory, by name, without hidden files.
fn children(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let visible = |path: &PathBuf| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.'));
    let mut paths: Vec<PathBuf> = entries.filter(visible).collect();
    paths.sort();
    paths
}
