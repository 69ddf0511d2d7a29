//! `rivermouth author test`: the golden cases, generated cases, and rules that hold for all.
//!
//! Always: a case fails on any difference; with `--accept` the differences of requests become the expectation; a report
//! that is asked for is written whatever happens, and is green only if all is.

use super::junit::{self, Broken};
use super::project::{CaseFile, Project, count};
use crate::output::line;
use destination::case::{Case, Mismatch, Run, Subject, accept, check, coverage, generate, run as run_case};
use std::path::Path;

/// What to do beside running.
#[derive(Debug, Default)]
pub(crate) struct Options<'a> {
    pub(crate) accept: bool,
    pub(crate) junit: Option<&'a Path>,
    pub(crate) case: Option<&'a str>,
}

/// What became of one case.
pub(crate) struct Verdict {
    pub(crate) name: String,
    /// The file; none for a generated case.
    pub(crate) file: Option<String>,
    pub(crate) mismatches: Vec<Mismatch>,
    pub(crate) accepted: bool,
}

/// Runs the cases of a folder and prints what became of them.
pub(crate) fn at(dir: &Path, options: &Options<'_>) -> Result<(), String> {
    match Project::load(dir) {
        Ok(project) => run(&project, options),
        Err(error) => {
            let broken = [Broken { file: None, what: error.clone() }];
            keep(options, &junit::report(&dir.display().to_string(), &[], &broken))?;
            Err(error)
        }
    }
}

/// Runs the cases and prints what became of them.
pub(crate) fn run(project: &Project, options: &Options<'_>) -> Result<(), String> {
    let mut verdicts = Vec::new();
    let done = tried(project, options, &mut verdicts);
    let mut broken: Vec<Broken> = Vec::new();
    for finding in &project.findings {
        broken.push(Broken { file: Some(finding.file.clone()), what: finding.to_string() });
    }
    if let Err(error) = &done
        && broken.is_empty()
        && verdicts.iter().all(|verdict| verdict.mismatches.is_empty())
    {
        broken.push(Broken { file: None, what: error.clone() });
    }
    let name = project.folder.as_ref().map_or("", |folder| &folder.name);
    keep(options, &junit::report(name, &verdicts, &broken))?;
    done
}

fn keep(options: &Options<'_>, report: &str) -> Result<(), String> {
    let Some(path) = options.junit else { return Ok(()) };
    std::fs::write(path, report).map_err(|error| format!("{}: {error}", path.display()))
}

fn tried(project: &Project, options: &Options<'_>, verdicts: &mut Vec<Verdict>) -> Result<(), String> {
    project.findings.iter().for_each(|finding| line(&finding.to_string()));
    let subject = project.subject()?;
    let mut runs: Vec<(&Case, Run)> = Vec::new();
    for file in project.matching(options.case) {
        let Some(case) = &file.case else { continue };
        let done = run_case(subject, case);
        verdicts.push(golden(project, subject, file, case, &done, options.accept)?);
        runs.push((case, done));
    }
    if project.matching(options.case).next().is_none() && options.case.is_some() {
        return Err("no case has this name".to_owned());
    }
    if options.case.is_none() {
        verdicts.extend(generated(subject, &project.cases, usize::MAX));
    }
    line(&report(verdicts));
    let runs: Vec<(&Case, &Run)> = runs.iter().map(|(case, run)| (*case, run)).collect();
    line(&coverage(subject, &runs));
    project.mapping_warnings(options.case).iter().for_each(|warning| line(&warning.to_string()));
    end(verdicts, project.findings.len())
}

fn end(verdicts: &[Verdict], faults: usize) -> Result<(), String> {
    let failed = verdicts.iter().filter(|v| !v.mismatches.is_empty()).count();
    let accepted = verdicts.iter().filter(|v| v.accepted).count();
    let written = verdicts.iter().filter(|v| v.file.is_some()).count();
    let kinds = format!("{} and {} generated", count(written, "written case"), verdicts.len() - written);
    if accepted > 0 {
        line(&format!("{} rewritten", count(accepted, "expectation")));
    }
    match (failed, faults) {
        (0, 0) => {
            line(&format!("{kinds} passed"));
            Ok(())
        }
        (0, faults) => Err(format!("{}; {kinds} passed", count(faults, "fault"))),
        (failed, _) => Err(format!("{failed} of {} failed ({kinds})", count(verdicts.len(), "case"))),
    }
}

fn golden(
    project: &Project,
    subject: &Subject,
    file: &CaseFile,
    case: &Case,
    done: &Run,
    accepts: bool,
) -> Result<Verdict, String> {
    let verdict = |case: &Case, done: &Run, accepted| {
        let mut mismatches = done.mismatches.clone();
        mismatches.extend(check(subject, case, done));
        Verdict { name: file.name.clone(), file: Some(file.file.clone()), mismatches, accepted }
    };
    if !accepts || done.passed() {
        return Ok(verdict(case, done, false));
    }
    let Some(text) = accept(&file.text, case, done) else { return Ok(verdict(case, done, false)) };
    // What was written has to be what the next run reads; outcomes are never accepted.
    let again = Case::parse(&file.name, &text).map_err(|error| format!("{}: {error}", file.file))?;
    let done = run_case(subject, &again);
    if text != file.text {
        let path = project.dir.join(&file.file);
        std::fs::write(&path, &text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(verdict(&again, &done, text != file.text))
}

/// The generated cases, in the manner of the written ones, each of at most so many profiles.
pub(crate) fn generated(subject: &Subject, cases: &[CaseFile], profiles_max: usize) -> Vec<Verdict> {
    let written: Vec<&Case> = cases.iter().filter_map(|file| file.case.as_ref()).collect();
    let verdict = |case: Case| {
        let done = run_case(subject, &case);
        let mut mismatches: Vec<Mismatch> = done.mismatches.iter().filter(|m| m.diff.is_none()).cloned().collect();
        mismatches.extend(check(subject, &case, &done));
        Verdict { name: case.name, file: None, mismatches, accepted: false }
    };
    generate(subject, &written, profiles_max).into_iter().map(verdict).collect()
}

/// All verdicts as people read them; what was told already is not told again.
pub(crate) fn report(verdicts: &[Verdict]) -> String {
    let mut told: Vec<&Mismatch> = Vec::new();
    let mut lines = Vec::new();
    for verdict in verdicts {
        let known = verdict.mismatches.iter().all(|mismatch| told.contains(&mismatch));
        lines.push(shown(verdict, known));
        told.extend(&verdict.mismatches);
    }
    lines.join("\n")
}

fn shown(verdict: &Verdict, known: bool) -> String {
    let kind = if verdict.file.is_some() { "" } else { "generated: " };
    let word = match (verdict.mismatches.is_empty(), verdict.accepted) {
        (true, false) => "ok  ",
        (true, true) => "new ",
        (false, _) => "FAIL",
    };
    let mut text = format!("{word}  {kind}{}", verdict.name);
    if known && !verdict.mismatches.is_empty() {
        text.push_str(" (as above)");
        return text;
    }
    for mismatch in &verdict.mismatches {
        for line in mismatch.what.lines().chain(mismatch.diff.iter().flat_map(|diff| diff.lines())) {
            text.push_str(format!("\n      {line}").trim_end_matches(' '));
        }
    }
    text
}
