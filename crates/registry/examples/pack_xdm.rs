//! Packs the public XDM corpus into `data/xdm.json.gz`:
//! `cargo run -p registry --example pack_xdm -- ../shared/xdm/components`
//!
//! The packed file is a JSON array of `[kind, document]`; documents are as published.

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value as Json, json};
use std::io::{Error, Result, Write};
use std::path::{Path, PathBuf};

fn main() -> Result<()> {
    let source = std::env::args().nth(1).ok_or_else(|| Error::other("usage: pack_xdm COMPONENTS_DIRECTORY"))?;
    let source = Path::new(&source);
    let mut files = Vec::new();
    collect(source, &mut files)?;
    files.sort();
    let mut packed = Vec::new();
    for file in files {
        let below = file.strip_prefix(source).map_err(Error::other)?;
        let folder = below.iter().next().and_then(|f| f.to_str()).unwrap_or_default();
        let kind = if folder == "common" { "datatypes" } else { folder };
        let doc: Json = serde_json::from_slice(&std::fs::read(&file)?)?;
        packed.push(json!([kind, doc]));
    }
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/xdm.json.gz");
    let mut out = GzEncoder::new(std::fs::File::create(target)?, Compression::best());
    out.write_all(Json::Array(packed).to_string().as_bytes())?;
    out.finish()?.sync_all()
}

fn collect(dir: &Path, out: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, out)?;
        } else if path.to_str().is_some_and(|p| p.ends_with(".schema.json")) {
            out.push(path);
        }
    }
    Ok(())
}
