//! `rivermouth author render`: the requests that would leave; for a destination of files, what would be written.

use super::project::{Project, count};
use crate::output::line;
use destination::case::{Case, Exchange, Run, Subject};
use serde_json::Value as Json;
use std::path::Path;

/// Renders cases, or profiles of a file under the first case.
pub(crate) fn run(project: &Project, case: Option<&str>, profiles: Option<&Path>) -> Result<(), String> {
    project.findings.iter().for_each(|finding| line(&finding.to_string()));
    let subject = project.subject()?;
    if subject.design.is_none() && project.cases.is_empty() {
        crate::output::text(&super::files::page(project)?);
        return Ok(());
    }
    let cases = match profiles {
        Some(file) => vec![with_profiles(project, subject, case, file)?],
        None => {
            let cases: Vec<Case> = project.matching(case).filter_map(|file| file.case.clone()).collect();
            if cases.is_empty() && case.is_none() {
                destination::case::generate(subject, &[], 1).into_iter().take(1).collect()
            } else {
                cases
            }
        }
    };
    if cases.is_empty() {
        return Err("no case has this name".to_owned());
    }
    let (mut failed, mut refused) = (0, 0);
    for case in &cases {
        let run = destination::case::run(subject, case);
        line(&page(case, &run));
        failed += run.exchanges.iter().filter(|exchange| exchange.request.is_err()).count();
        refused += usize::from(run.refused);
    }
    match (failed, refused) {
        (0, 0) => Ok(()),
        (0, refused) => Err(format!("{} cannot be tried", count(refused, "case"))),
        (failed, _) => Err(format!("{} cannot be composed", count(failed, "request"))),
    }
}

/// The profiles of a file, with the customer data, account, audiences and mapping of a case.
fn with_profiles(project: &Project, subject: &Subject, case: Option<&str>, file: &Path) -> Result<Case, String> {
    let at = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("{at}: {error}"))?;
    let read =
        destination::folder::parse("profiles.yaml", &text).map_err(|fault| format!("{at}: {}", fault.message))?;
    let profiles = match read {
        Json::Array(profiles) => profiles,
        Json::Object(_) => vec![read],
        _ => return Err(format!("{at}: a profile or a list of profiles is needed")),
    };
    let like = project.matching(case).filter_map(|file| file.case.clone()).find(|case| !case.is_of_audience());
    let made = || destination::case::generate(subject, &[], 1).into_iter().next();
    let like = like.or_else(made).ok_or("the destination exports files: no requests leave")?;
    let (answers, outcomes) = (Vec::new(), None);
    Ok(Case { name: at.to_string(), description: None, profiles: Some(profiles), answers, outcomes, ..like })
}

/// A case as people read it.
pub(crate) fn page(case: &Case, run: &Run) -> String {
    let mut page = format!("── {}", case.name);
    if let Some(description) = &case.description {
        page.push_str(&format!(": {description}"));
    }
    page.push('\n');
    for (at, exchange) in run.exchanges.iter().enumerate() {
        page.push_str(&format!("\nrequest {}{}\n", at + 1, about(exchange)));
        match &exchange.request {
            Ok(request) => {
                page.push_str(&destination::case::page(request));
                if !page.ends_with('\n') {
                    page.push('\n');
                }
            }
            Err(error) => page.push_str(&format!("cannot be composed: {error}\n")),
        }
    }
    for (at, outcome) in run.outcomes.iter().enumerate().filter(|(_, outcome)| outcome.word() == "withheld") {
        page.push_str(&format!("\nprofiles[{at}] is not sent: {}\n", outcome.reason().unwrap_or_default()));
    }
    if run.exchanges.is_empty() {
        page.push_str("\nno request leaves\n");
        for mismatch in &run.mismatches {
            page.push_str(&format!("{}\n", mismatch.what));
        }
    }
    page
}

fn about(exchange: &Exchange) -> String {
    let profiles: Vec<String> = exchange.profiles.iter().map(ToString::to_string).collect();
    match (profiles.is_empty(), &exchange.key) {
        (true, _) => String::new(),
        (false, None) => format!(" (profiles {})", profiles.join(", ")),
        (false, Some(key)) => format!(" (profiles {}; {key})", profiles.join(", ")),
    }
}
