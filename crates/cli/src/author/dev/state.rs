//! What the page shows: one reading of the folder, every case run.

use crate::author::project::{Finding, Project, count};
use crate::author::test::{Verdict, generated};
use destination::case::{Case, Exchange, Mismatch, Run, check, run};
use serde_json::{Map, Value as Json, json};
use std::path::Path;

/// Profiles of a generated case: the page is to be there at once.
const PROFILES_MAX: usize = 200;
/// Entries of one message that the page shows.
const ENTRIES_MAX: usize = 20;

/// One reading of the folder.
pub(crate) struct State {
    name: String,
    error: Option<String>,
    findings: Vec<Finding>,
    warnings: Vec<Finding>,
    /// The written cases with their runs.
    pub(crate) cases: Vec<Tried>,
    generated: Vec<Verdict>,
    /// From the change to here.
    pub(crate) millis: f64,
}

/// A written case, tried.
pub(crate) struct Tried {
    file: String,
    case: Case,
    pub(crate) run: Run,
    broken: Vec<Mismatch>,
    /// What the receiver of `--to` said, by request.
    pub(crate) replies: Vec<Option<Result<Reply, String>>>,
}

/// An answer of the receiver of `--to`.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) millis: f64,
}

impl State {
    /// Reads the folder and runs its cases.
    pub(crate) fn of(dir: &Path) -> State {
        let mut state = State {
            name: dir.display().to_string(),
            error: None,
            findings: Vec::new(),
            warnings: Vec::new(),
            cases: Vec::new(),
            generated: Vec::new(),
            millis: 0.0,
        };
        match Project::load(dir) {
            Ok(project) => state.fill(&project),
            Err(error) => state.error = Some(error),
        }
        state
    }

    fn fill(&mut self, project: &Project) {
        if let Some(folder) = project.folder.as_ref().filter(|folder| !folder.name.is_empty()) {
            self.name.clone_from(&folder.name);
        }
        self.findings.clone_from(&project.findings);
        let Some(subject) = &project.subject else { return };
        self.generated = generated(subject, &project.cases, PROFILES_MAX);
        for file in &project.cases {
            let Some(case) = file.case.clone() else { continue };
            let run = run(subject, &case);
            project.failed_templates(&case, &run, &mut self.findings);
            let broken = check(subject, &case, &run);
            let replies = run.exchanges.iter().map(|_| None).collect();
            self.cases.push(Tried { file: file.file.clone(), case, run, broken, replies });
        }
        self.warnings = project.warnings_beside(&self.findings);
    }

    /// One line for the terminal.
    pub(crate) fn summary(&self) -> String {
        let failed = self.cases.iter().filter(|tried| !tried.passed()).count()
            + self.generated.iter().filter(|verdict| !verdict.mismatches.is_empty()).count();
        let cases = self.cases.len() + self.generated.len();
        let verdict = match (&self.error, self.findings.len(), failed) {
            (Some(error), ..) => error.clone(),
            (None, 0, 0) => "all good".to_owned(),
            (None, 0, failed) => format!("{failed} failed"),
            (None, faults, failed) => format!("{}, {failed} failed", count(faults, "fault")),
        };
        let warnings = match self.warnings.len() {
            0 => String::new(),
            warnings => format!(", {}", count(warnings, "warning")),
        };
        format!("{} in {:.1} ms: {verdict}{warnings}", count(cases, "case"), self.millis)
    }

    /// For the page.
    pub(crate) fn json(&self) -> Json {
        let generated = self.generated.iter().map(|verdict| {
            json!({"name": verdict.name, "passed": verdict.mismatches.is_empty(), "mismatches": mismatches(&verdict.mismatches)})
        });
        json!({
            "name": self.name,
            "error": self.error,
            "millis": self.millis,
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
            "warnings": self.warnings.iter().map(finding).collect::<Vec<_>>(),
            "cases": self.cases.iter().map(Tried::json).collect::<Vec<_>>(),
            "generated": generated.collect::<Vec<_>>(),
        })
    }
}

impl Tried {
    /// The name of the case.
    pub(crate) fn name(&self) -> &str {
        &self.case.name
    }

    fn passed(&self) -> bool {
        self.run.passed() && self.broken.is_empty()
    }

    fn json(&self) -> Json {
        let exchanges = self.run.exchanges.iter().zip(&self.replies);
        let outcomes = self.run.outcomes.iter().map(|o| json!({"word": o.word(), "reason": o.reason()}));
        let mut found = mismatches(&self.run.mismatches);
        found.extend(mismatches(&self.broken));
        json!({
            "name": self.case.name,
            "file": self.file,
            "description": self.case.description,
            "passed": self.passed(),
            "event": self.case.event,
            "audience": self.case.audience,
            "profiles": self.case.profiles,
            "outcomes": outcomes.collect::<Vec<_>>(),
            "alias": self.run.alias,
            "error": self.run.error,
            "exchanges": exchanges.map(|(exchange, reply)| shown(exchange, reply.as_ref())).collect::<Vec<_>>(),
            "mismatches": found,
        })
    }
}

fn finding(finding: &Finding) -> Json {
    json!({
        "file": finding.file,
        "line": finding.place.map(|place| place.line),
        "message": finding.message,
        "snippet": finding.snippet,
    })
}

fn mismatches(found: &[Mismatch]) -> Vec<Json> {
    found.iter().map(|mismatch| json!({"what": mismatch.what, "diff": mismatch.diff})).collect()
}

fn shown(exchange: &Exchange, reply: Option<&Result<Reply, String>>) -> Json {
    let entries = exchange.entries.iter().take(ENTRIES_MAX);
    let entries: Vec<Json> = entries.map(|e| serde_json::from_str(&e.to_json()).unwrap_or_default()).collect();
    let headers = |all: &[(String, String)]| -> Vec<Json> { all.iter().map(|(n, v)| json!([n, v])).collect() };
    let request = exchange.request.as_ref().ok().map(|request| {
        json!({
            "method": request.method,
            "url": request.url,
            "headers": headers(&request.headers),
            "body": request.body.as_deref().map(pretty),
        })
    });
    let mut fields = Map::new();
    fields.insert("key".to_owned(), exchange.key.clone().unwrap_or_default());
    fields.insert("profiles".to_owned(), exchange.profiles.clone().into());
    fields.insert("entries".to_owned(), entries.into());
    fields.insert("more".to_owned(), exchange.entries.len().saturating_sub(ENTRIES_MAX).into());
    fields.insert("request".to_owned(), request.unwrap_or_default());
    fields.insert("error".to_owned(), exchange.request.as_ref().err().map(ToString::to_string).into());
    fields.insert("judgement".to_owned(), exchange.judgement.as_str().into());
    let answer = &exchange.answer;
    let said = String::from_utf8_lossy(&answer.bytes()).into_owned();
    fields.insert("answer".to_owned(), json!({"status": answer.status, "body": pretty(&said)}));
    if let Some(reply) = reply {
        let reply = match reply {
            Ok(reply) => json!({
                "status": reply.status, "headers": headers(&reply.headers), "body": pretty(&reply.body), "millis": reply.millis,
            }),
            Err(error) => json!({"error": error}),
        };
        fields.insert("reply".to_owned(), reply);
    }
    fields.into()
}

/// JSON with line breaks, other text as it is.
fn pretty(text: &str) -> String {
    match serde_json::from_str::<Json>(text) {
        Ok(json) => serde_json::to_string_pretty(&json).unwrap_or_else(|_| text.to_owned()),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_shown() {
        let directory = tempfile::tempdir().expect("a directory");
        let dir = directory.path().join("mine");
        crate::author::new::run(&dir, "minimal-streaming").expect("written");
        assert_eq!(State::of(&dir).json()["warnings"], json!([]));
        let case = dir.join("cases/enter.yaml");
        let text = std::fs::read_to_string(&case).expect("a case");
        std::fs::write(&case, text.replace("source: person.name.firstName", "source: identityMap.Email"))
            .expect("written");
        let state = State::of(&dir);
        let warnings = state.json()["warnings"].clone();
        assert_eq!((&warnings[0]["file"], &warnings[0]["line"]), (&json!("cases/enter.yaml"), &json!(7)));
        assert!(state.summary().ends_with(", 1 warning"), "{}", state.summary());
    }
}
