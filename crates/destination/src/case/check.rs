//! Rules that hold for the requests of any case, without anyone writing them down.
//!
//! Always: JSON content is JSON; no request has more profiles than the destination says; what one person sends in one
//! lane leaves in order; the same profiles give the same requests again, so that a retry is the same request.

use super::file::Case;
use super::run::{Mismatch, Run, Subject, run};
use crate::message::Request;
use std::collections::HashMap;

/// What the requests of a run break.
pub fn check(subject: &Subject, case: &Case, done: &Run) -> Vec<Mismatch> {
    let mut found = Vec::new();
    for (at, exchange) in done.exchanges.iter().enumerate() {
        if let Ok(request) = &exchange.request {
            found.extend(json(at, request));
        }
    }
    if let Some(design) = &subject.design {
        let max = design.grouping().max_users as usize;
        for (at, exchange) in done.exchanges.iter().enumerate().filter(|(_, e)| e.entries.len() > max) {
            let message =
                format!("request {} has {} profiles; at most {max} are allowed", at + 1, exchange.entries.len());
            found.push(Mismatch::new(message));
        }
    }
    found.extend(order(done));
    found.extend(stability(subject, case, done));
    found
}

fn json(at: usize, request: &Request) -> Option<Mismatch> {
    let error = request.json_fault()?;
    let diff = Some(underlined(request.body.as_deref()?, error.line(), error.column()));
    let what = format!("request {}: the body is no JSON although its content type says so: {error}", at + 1);
    Some(Mismatch { what, diff })
}

/// The line of a body with the place underlined.
fn underlined(body: &str, line: usize, column: usize) -> String {
    const SHOWN: usize = 100;
    let text: Vec<char> = body.lines().nth(line.saturating_sub(1)).unwrap_or_default().chars().collect();
    let at = column.saturating_sub(1).min(text.len());
    let from = at.saturating_sub(SHOWN / 2);
    let shown: String = text.iter().skip(from).take(SHOWN).map(|c| if *c == '\t' { ' ' } else { *c }).collect();
    let gutter = line.to_string().len();
    format!("{:gutter$} |\n{line} | {shown}\n{:gutter$} | {}^", "", "", " ".repeat(at - from))
}

/// A lane's requests carry its profiles in the order in which they came.
fn order(done: &Run) -> Vec<Mismatch> {
    let mut last: HashMap<(usize, u64), usize> = HashMap::new();
    let mut found = Vec::new();
    // A request that was tried again in halves stands before them.
    for (lane, profile) in done.exchanges.iter().filter(|e| !e.halved).flat_map(|e| &e.lanes) {
        if let Some(before) = last.insert(*lane, *profile)
            && before > *profile
        {
            found
                .push(Mismatch::new(format!("profiles[{profile}] leaves after profiles[{before}] of the same person")));
        }
    }
    found
}

fn stability(subject: &Subject, case: &Case, done: &Run) -> Option<Mismatch> {
    let again = run(subject, case);
    let requests = |run: &Run| run.exchanges.iter().map(|e| e.request.clone().ok()).collect::<Vec<_>>();
    let (first, second) = (requests(done), requests(&again));
    if first == second {
        return None;
    }
    let at = first.iter().zip(&second).position(|(a, b)| a != b).unwrap_or(0);
    let message = "differs when it is composed again: a retry would not be the same request";
    Some(Mismatch::new(format!("request {} {message}", at + 1)))
}
