//! The built-in catalog: every folder is a sound destination, and every golden case of it holds.
//!
//! Beside the written cases, cases that follow from the configuration are tried, and the rules that hold for the
//! requests of any destination are checked on all of them.

use destination::Fault;
use destination::case::{Case, Mismatch, Run, Subject, check, generate, run};
use destination::folder::Folder;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// What each folder has at least.
const CASES_MIN: usize = 5;
/// Generated cases of more profiles are left to the author's own test command: they take seconds each.
const PROFILES_MAX: usize = 1_000;

fn catalog() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog")
}

fn folders() -> Vec<PathBuf> {
    let entries = fs::read_dir(catalog()).expect("the catalog").map(|entry| entry.expect("an entry").path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// All files of a folder by their relative paths.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(place) = open.pop() {
        for entry in fs::read_dir(&place).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).expect("a file of the folder");
            let name = name.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
            files.insert(name, fs::read_to_string(&path).expect("text"));
        }
    }
    files
}

/// What is wrong with one folder, line by line.
struct Report {
    folder: String,
    text: String,
}

impl Report {
    fn say(&mut self, place: &str, what: &str) {
        writeln!(self.text, "catalog/{}/{place}: {what}", self.folder).expect("a string");
    }

    fn faults(&mut self, faults: &[Fault]) {
        faults.iter().for_each(|fault| self.say("", &fault.to_string()));
    }

    fn mismatches(&mut self, place: &str, mismatches: &[Mismatch]) {
        for mismatch in mismatches {
            self.say(place, &format!("{}\n{}", mismatch.what, mismatch.diff.as_deref().unwrap_or_default()));
        }
    }
}

fn report(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut report = Report { folder: name, text: String::new() };
    let files = files(folder);
    if !files.contains_key("README.md") {
        report.say("README.md", "is missing");
    }
    let subject = Folder::read(&files).and_then(|folder| folder.configs()).and_then(|configs| Subject::of(&configs));
    match subject {
        Ok(subject) => cases(&subject, &files, &mut report),
        Err(faults) => report.faults(&faults),
    }
    report.text
}

fn cases(subject: &Subject, files: &BTreeMap<String, String>, report: &mut Report) {
    let mut written = Vec::new();
    let mut count = 0;
    for (file, text) in files.iter().filter(|(file, _)| file.starts_with("cases/")) {
        count += 1;
        match Case::parse(file, text) {
            Ok(case) => {
                let done = run(subject, &case);
                report.mismatches(file, &done.mismatches);
                report.mismatches(file, &check(subject, &case, &done));
                written.push(case);
            }
            Err(error) => report.say(file, &error.to_string()),
        }
    }
    if count < CASES_MIN {
        report.say("cases", &format!("{CASES_MIN} are needed at least, there are {count}"));
    }
    let written: Vec<&Case> = written.iter().collect();
    for case in generate(subject, &written, PROFILES_MAX).iter() {
        let done = run(subject, case);
        report.mismatches(&case.name, &check(subject, case, &done));
        failed(&done).for_each(|why| report.say(&case.name, &why));
    }
}

/// The requests that cannot be composed; a generated case expects nothing else.
fn failed(done: &Run) -> impl Iterator<Item = String> {
    done.exchanges.iter().filter_map(|exchange| exchange.request.as_ref().err().map(ToString::to_string))
}

#[test]
fn every_case_of_the_catalog_holds() {
    let folders = folders();
    assert!(!folders.is_empty(), "the catalog is empty");
    let faults: String = folders.iter().map(|folder| report(folder)).collect();
    assert!(faults.is_empty(), "\n{faults}");
}
