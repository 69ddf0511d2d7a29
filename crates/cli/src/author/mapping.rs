//! Mappings of golden cases that no flow would take: legal in a case, which may show one row alone, and most likely
//! meant otherwise.
//!
//! Always: the rule is asked from the check that flows make; of the sandbox nothing is known, so sources are taken to
//! be there, and namespaces that are not standard to be custom ones.

use super::locate::Tree;
use super::project::{CaseFile, Finding};
use destination::case::{MappingRow, Subject};
use destination::config::Transformation;
use destination::message::Source;
use model::{DocSet, SandboxId};

/// What flows to the destination would answer to the mappings of cases.
pub(crate) fn warnings<'c>(subject: &Subject, cases: impl Iterator<Item = &'c CaseFile>) -> Vec<Finding> {
    if subject.design.is_none() {
        return Vec::new();
    }
    cases.filter_map(|file| warning(subject, file)).collect()
}

fn warning(subject: &Subject, file: &CaseFile) -> Option<Finding> {
    let rows = file.case.as_ref()?.mapping.as_deref()?;
    // What is no row fails the case.
    if !rows.iter().all(is_row) {
        return None;
    }
    let plain: Vec<flows::MappingRow<'_>> = rows.iter().map(row).collect();
    let docs = DocSet::default();
    let is_custom = |code: &str| {
        let standard = segmentation::namespaces::by_code(&docs, SandboxId(0), code);
        Some(standard.is_none_or(|namespace| namespace.custom))
    };
    let rule = flows::check_mapping(&subject.destination, &plain, &is_custom).err()?;
    let rule = in_case(&rule);
    let field = match rule.strip_prefix("mapping[").and_then(|rest| rest.split_once(']')) {
        Some((index, _)) => format!("mapping[{index}]"),
        None => "mapping".to_owned(),
    };
    let place = Tree::read(&file.text).ok().map(|tree| tree.find(&field).0);
    let message = format!("warning: a flow would refuse this mapping: {rule}");
    Some(Finding { file: file.file.clone(), place, message, snippet: None })
}

fn is_row(row: &MappingRow) -> bool {
    Source::parse(row.source_type.as_deref().unwrap_or(Source::SCHEMA_PATH), &row.source).is_ok()
        && row.transformation.as_deref().is_none_or(|text| Transformation::parse(text).is_some())
}

fn row(row: &MappingRow) -> flows::MappingRow<'_> {
    flows::MappingRow {
        source_type: row.source_type.as_deref(),
        source: &row.source,
        target: row.target.strip_prefix("attributes.").unwrap_or(&row.target),
        transformation: row.transformation.as_deref(),
    }
}

/// The rule with the names that a case has for the fields of a flow.
fn in_case(rule: &str) -> String {
    let names = [
        ("profileSelectors.selectors[", "mapping["),
        (".value.mapping.destination", ".target"),
        (".value.mapping", ""),
        ("profileSelectors: ", ""),
    ];
    names.iter().fold(rule.to_owned(), |rule, (name, here)| rule.replacen(name, here, 1))
}
