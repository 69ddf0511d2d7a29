//! A destination's folder on disk: its files, what is wrong with them, and the destination ready to be tried.
//!
//! Always: everything is read anew by [`Project::load`]; files that are not text are faults, hidden ones are left out.

use super::locate::{Place, Tree};
use super::mapping;
use destination::Fault;
use destination::case::{Case, Run, Subject, Unreadable};
use destination::folder::{Folder, Warning};
use destination::message::ComposeFault;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

const FILES_MAX: usize = 2_000;
const FILE_BYTES_MAX: u64 = 4 << 20;
const DEPTH_MAX: usize = 6;
const CASES: &str = "cases/";
/// Beside the folder's own files: ids of servers.
pub(crate) const HIDDEN: &str = ".rivermouth";

/// A folder, read.
pub(crate) struct Project {
    pub(crate) dir: PathBuf,
    files: BTreeMap<String, String>,
    pub(crate) folder: Option<Folder>,
    pub(crate) subject: Option<Subject>,
    pub(crate) cases: Vec<CaseFile>,
    pub(crate) findings: Vec<Finding>,
}

/// A golden case on disk.
pub(crate) struct CaseFile {
    /// Relative to the folder.
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) case: Option<Case>,
}

/// Something that is wrong, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) file: String,
    pub(crate) place: Option<Place>,
    pub(crate) message: String,
    /// The line of a template, underlined.
    pub(crate) snippet: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = self.place {
            write!(f, ":{}", place.line)?;
            if self.snippet.is_some() {
                write!(f, ":{}", place.column)?;
            }
        }
        write!(f, ": {}", self.message)?;
        match &self.snippet {
            Some(snippet) => write!(f, "\n{snippet}"),
            None => Ok(()),
        }
    }
}

impl Project {
    /// Reads the folder. An error means that there is none.
    pub(crate) fn load(dir: &Path) -> Result<Project, String> {
        let mut findings = Vec::new();
        let files = read(dir, &mut findings)?;
        if files.is_empty() {
            return Err(format!("{} holds no destination; `rivermouth author new {0}` makes one", dir.display()));
        }
        let mut project = Project::of(&files);
        project.dir = dir.to_owned();
        project.findings.extend(findings);
        let line = |finding: &Finding| finding.place.map_or(0, |place| place.line);
        project.findings.sort_by(|a, b| (&a.file, line(a)).cmp(&(&b.file, line(b))));
        Ok(project)
    }

    /// Reads a folder out of its texts.
    pub(crate) fn of(files: &BTreeMap<String, String>) -> Project {
        let mut findings = Vec::new();
        let cases = cases(files, &mut findings);
        let documents = files.iter().filter(|(name, _)| !name.starts_with(CASES));
        let documents = documents.map(|(name, text)| (name.clone(), text.clone())).collect();
        let mut keep = |faults: Vec<Fault>| findings.extend(faults.into_iter().map(|fault| finding(files, fault)));
        let folder = Folder::read(&documents).map_err(&mut keep).ok();
        let configs = folder.as_ref().and_then(|folder| folder.configs().map_err(&mut keep).ok());
        let subject = configs.as_ref().and_then(|configs| Subject::of(configs).map_err(&mut keep).ok());
        Project { dir: PathBuf::new(), files: files.clone(), folder, subject, cases, findings }
    }

    /// What is found only when templates are rendered, such as a filter that does not exist: every case is tried, each
    /// template is named once.
    pub(crate) fn rendering(&self) -> Vec<Finding> {
        let Some(subject) = &self.subject else { return Vec::new() };
        let written: Vec<&Case> = self.cases.iter().filter_map(|file| file.case.as_ref()).collect();
        let generated = destination::case::generate(subject, &written, 10);
        let mut findings: Vec<Finding> = Vec::new();
        for case in written.iter().copied().chain(&generated) {
            self.failed_templates(case, &destination::case::run(subject, case), &mut findings);
        }
        findings
    }

    /// What is legal, and most likely meant otherwise; nothing where something is wrong already.
    pub(crate) fn warnings(&self) -> Vec<Finding> {
        let Some(folder) = self.folder.as_ref().filter(|_| self.findings.is_empty()) else { return Vec::new() };
        let Ok(configs) = folder.configs() else { return Vec::new() };
        let mut warnings: Vec<Finding> =
            folder.warnings(&configs).into_iter().map(|warning| warning_finding(&self.files, warning)).collect();
        let place = |finding: &Finding| finding.place.map_or((0, 0), |place| (place.line, place.column));
        warnings.extend(self.mapping_warnings(None));
        warnings.sort_by(|a, b| (&a.file, place(a)).cmp(&(&b.file, place(b))));
        warnings
    }

    /// The warnings without what failed to render, which is told already.
    pub(crate) fn warnings_beside(&self, rendering: &[Finding]) -> Vec<Finding> {
        let told = |warning: &Finding| rendering.iter().any(|f| f.file == warning.file && f.place == warning.place);
        self.warnings().into_iter().filter(|warning| !told(warning)).collect()
    }

    /// Mappings of cases that flows would refuse.
    pub(crate) fn mapping_warnings(&self, glob: Option<&str>) -> Vec<Finding> {
        self.subject.as_ref().map(|subject| mapping::warnings(subject, self.matching(glob))).unwrap_or_default()
    }

    /// Adds the templates that could not be rendered in this run of a case.
    pub(crate) fn failed_templates(&self, case: &Case, run: &Run, findings: &mut Vec<Finding>) {
        for error in run.exchanges.iter().filter_map(|exchange| exchange.request.as_ref().err()) {
            let ComposeFault::Render(rendered) = &error.fault else { continue };
            let shown = rendered.to_string();
            let snippet = shown.split_once('\n').map(|(_, snippet)| snippet.to_owned());
            let (file, place) = self.place_of(case, &error.template, rendered);
            let message = format!("{} (rendering {})", said(&shown), case.name);
            if !findings.iter().any(|f| f.file == file && f.snippet == snippet) {
                findings.push(Finding { file, place: Some(place), message, snippet });
            }
        }
    }

    /// The file of a template, and the place of an error there.
    fn place_of(&self, case: &Case, field: &str, error: &pebble::Error) -> (String, Place) {
        let inside = Place { line: error.line, column: error.column };
        let Some(subject) = &self.subject else { return (field.to_owned(), inside) };
        let (part, name) =
            match (&case.event, subject.destination.deliveries.first(), subject.audience_templates.first()) {
                (Some(_), _, Some((name, _))) => ("audience-templates", case.template.as_deref().unwrap_or(name)),
                (None, Some(delivery), _) => ("servers", delivery.destination_server_id.as_str()),
                _ => return (field.to_owned(), inside),
            };
        let document = ["yaml", "yml", "json"].iter().map(|end| format!("{part}/{name}.{end}"));
        let Some(document) = document.into_iter().find(|file| self.files.contains_key(file)) else {
            return (field.to_owned(), inside);
        };
        let Ok(tree) = Tree::read(&self.files[&document]) else { return (document, inside) };
        match tree.find(&format!("{field}.file")).1 {
            Some(file) => (file.trim_start_matches("./").to_owned(), inside),
            None => (document, tree.find(field).0),
        }
    }

    /// The destination, or how many faults keep it from being tried; the faults are printed by the caller.
    pub(crate) fn subject(&self) -> Result<&Subject, String> {
        self.subject.as_ref().ok_or_else(|| count(self.findings.len(), "fault"))
    }

    /// The cases whose names match.
    pub(crate) fn matching<'p>(&'p self, glob: Option<&'p str>) -> impl Iterator<Item = &'p CaseFile> {
        self.cases.iter().filter(move |case| glob.is_none_or(|glob| matches(glob, &case.name)))
    }
}

/// `1 fault`, `2 faults`.
pub(crate) fn count(number: usize, of: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {of}{s}")
}

/// `*` stands for any text, `?` for one character.
pub(crate) fn matches(glob: &str, name: &str) -> bool {
    let (glob, name): (Vec<char>, Vec<char>) = (glob.chars().collect(), name.chars().collect());
    let (mut g, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        if g < glob.len() && glob[g] == '*' {
            star = Some((g, n));
            g += 1;
        } else if g < glob.len() && (glob[g] == '?' || glob[g] == name[n]) {
            (g, n) = (g + 1, n + 1);
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (g, n) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|c| *c == '*')
}

fn cases(files: &BTreeMap<String, String>, findings: &mut Vec<Finding>) -> Vec<CaseFile> {
    let mut cases: Vec<CaseFile> = Vec::new();
    for (file, text) in files {
        let Some(base) = file.strip_prefix(CASES).filter(|base| !base.contains('/')) else { continue };
        let stem = [".yaml", ".yml", ".json"].iter().find_map(|end| base.strip_suffix(end));
        let Some(name) = stem else { continue };
        let case = Case::parse(name, text).map_err(|Unreadable { line, message }| {
            let place = line.map(|line| Place { line: line as usize, column: 1 });
            findings.push(Finding { file: file.clone(), place, message, snippet: None });
        });
        let mut case = case.ok();
        if let Some(other) = cases.iter().find(|other| other.name == name) {
            let message = format!("is the same case as {}; keep one of them", other.file);
            findings.push(Finding { file: file.clone(), place: None, message, snippet: None });
            case = None;
        }
        cases.push(CaseFile { file: file.clone(), name: name.to_owned(), text: text.clone(), case });
    }
    cases
}

/// All text files, by their path with `/`.
fn read(dir: &Path, findings: &mut Vec<Finding>) -> Result<BTreeMap<String, String>, String> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![(dir.to_owned(), String::new(), 0)];
    while let Some((at, prefix, depth)) = waiting.pop() {
        let entries = std::fs::read_dir(&at).map_err(|error| format!("{}: {error}", at.display()))?;
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(kind) = std::fs::metadata(entry.path()) else { continue };
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            let path = format!("{prefix}{name}");
            if kind.is_dir() && depth < DEPTH_MAX {
                waiting.push((entry.path(), format!("{path}/"), depth + 1));
            } else if kind.is_file() {
                if files.len() == FILES_MAX {
                    return Err(format!("{}: more than {FILES_MAX} files; is this a destination?", dir.display()));
                }
                match text(&entry.path(), kind.len()) {
                    Ok(text) => drop(files.insert(path, text)),
                    Err(message) if is_document(&path) => {
                        findings.push(Finding { file: path, place: None, message, snippet: None });
                    }
                    // A picture beside the destination is no fault.
                    Err(_) => {}
                }
            }
        }
    }
    Ok(files)
}

fn is_document(path: &str) -> bool {
    [".yaml", ".yml", ".json", ".peb"].iter().any(|end| path.ends_with(end))
}

fn text(path: &Path, bytes: u64) -> Result<String, String> {
    if bytes > FILE_BYTES_MAX {
        return Err(format!("is longer than {FILE_BYTES_MAX} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let is_template = path.extension().is_some_and(|ending| ending == "peb");
    // So that columns are counted from the text.
    Ok(text.strip_prefix('\u{feff}').filter(|_| is_template).map(str::to_owned).unwrap_or(text))
}

/// A fault with its line, and with the underlined place if a template is at fault.
fn finding(files: &BTreeMap<String, String>, fault: Fault) -> Finding {
    let (file, field) = fault.path.split_once(": ").unwrap_or((&fault.path, ""));
    let plain = |place: Option<Place>| {
        let message = if field.is_empty() { fault.message.clone() } else { format!("{field}: {}", fault.message) };
        Finding { file: file.to_owned(), place, message, snippet: None }
    };
    let Some(source) = files.get(file) else { return plain(None) };
    if !is_document(file) || file.ends_with(".peb") || file.starts_with("templates/") {
        return match underlined(file, source, &fault.message) {
            Some((place, message, snippet)) => {
                Finding { file: file.to_owned(), place: Some(place), message, snippet: Some(snippet) }
            }
            None => plain(None),
        };
    }
    match Tree::read(source) {
        Err((place, _)) => {
            let mut finding = plain(place);
            // The place stands before the message already.
            if let Some(end) = finding.message.rfind(" at line ").filter(|_| place.is_some()) {
                finding.message.truncate(end);
            }
            finding
        }
        Ok(tree) => {
            let (place, value) = tree.find(field);
            let shown = value.and_then(|value| underlined(field, value, &fault.message));
            Finding { snippet: shown.map(|(_, _, snippet)| snippet), ..plain(Some(place)) }
        }
    }
}

/// A warning with its place in the file, and the line of the template underlined.
fn warning_finding(files: &BTreeMap<String, String>, warning: Warning) -> Finding {
    let Warning { file, field, place: inside, message } = warning;
    let source = files.get(&file).map_or("", String::as_str);
    let inside = inside.map(|(line, column)| Place { line, column });
    let message = if field.is_empty() { format!("warning: {message}") } else { format!("warning: {field}: {message}") };
    if field.is_empty() {
        let snippet = inside.and_then(|place| marked(source, place));
        return Finding { file, place: inside, message, snippet };
    }
    let Ok(tree) = Tree::read(source) else { return Finding { file, place: None, message, snippet: None } };
    let (place, value) = tree.find(&field);
    let snippet = inside.zip(value).and_then(|(inside, value)| marked(value, inside));
    Finding { file, place: Some(place), message, snippet }
}

/// The line of a place, underlined from there.
fn marked(source: &str, place: Place) -> Option<String> {
    let line = source.lines().nth(place.line - 1)?;
    let gutter = place.line.to_string().len();
    let before = line.chars().take(place.column - 1);
    let blank: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let rest = line.chars().skip(place.column - 1);
    let marks = "^".repeat(rest.take_while(|c| c.is_alphanumeric() || *c == '_').count().max(1));
    Some(format!("{:gutter$} |\n{} | {line}\n{:gutter$} | {blank}{marks}", "", place.line, ""))
}

/// Compiles the template again: place, message, and the line underlined.
fn underlined(name: &str, source: &str, fault: &str) -> Option<(Place, String, String)> {
    if !fault.contains("template does not compile") {
        return None;
    }
    // The reader of folders takes one line break off the end, which no place is behind.
    let message = pebble::Options { path_macros: false, ..pebble::Options::destination() };
    let metadata = pebble::Options { path_macros: true, autoescape: false, ..pebble::Options::destination() };
    let errors = [message, metadata].into_iter().filter_map(|o| pebble::Template::compile(name, source, &o).err());
    let error = errors.into_iter().find(|error| fault.contains(&error.message))?;
    let shown = error.to_string();
    let (first, snippet) = shown.split_once('\n')?;
    Some((Place { line: error.line, column: error.column }, said(first), snippet.to_owned()))
}

/// The message of a template's error, without the place before it and the line behind it.
fn said(shown: &str) -> String {
    let first = shown.lines().next().unwrap_or_default();
    first.splitn(4, ':').nth(3).unwrap_or(first).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let cases = [
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a?c", "abc", true),
            ("a", "abc", false),
            ("*", "", true),
            ("a*c*e", "abcde", true),
        ];
        for (glob, name, expected) in cases {
            assert_eq!(matches(glob, name), expected, "{glob} {name}");
        }
    }
}
