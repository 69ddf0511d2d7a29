//! `rivermouth author validate`: everything that is wrong with a destination's folder, and what is odd.

use super::project::{Project, count};
use crate::output::line;

/// Prints the faults, if there are any, and warnings, which are none.
pub(crate) fn run(project: &Project) -> Result<(), String> {
    let rendering = project.rendering();
    let findings = || project.findings.iter().chain(&rendering);
    findings().for_each(|finding| line(&finding.to_string()));
    let warnings = project.warnings_beside(&rendering);
    warnings.iter().for_each(|warning| line(&warning.to_string()));
    match findings().count() {
        0 => {
            line(&summary(project, warnings.len()));
            Ok(())
        }
        faults => Err(count(faults, "fault")),
    }
}

fn summary(project: &Project, warnings: usize) -> String {
    let Some(folder) = &project.folder else { return String::new() };
    let parts = [
        (folder.servers.len(), "server"),
        (folder.audience_templates.len(), "audience template"),
        (folder.credentials.len(), "credential"),
        (project.cases.len(), "case"),
        (warnings, "warning"),
    ];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, of)| count(*n, of)).collect();
    format!("{} is valid: {}", folder.name, parts.join(", "))
}
