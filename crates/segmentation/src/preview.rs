//! Previews: what the body of one means (profile.md §9.4). They are made and kept in memory, not as documents.

use crate::definitions::read::policy;
use crate::error::Error;
use crate::fields::{Fields, shown};
use crate::merge_policies::PROFILE_CLASS;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{Caller, DocSet, SmolStr};
use serde_json::{Value as Json, json};

/// Profiles of a sandbox up to which all are read.
const READ_ALL_BELOW: u64 = 1_000_000;
/// Profiles up to which [`READ_ALL_BELOW`] are read; beyond, one in twenty.
const READ_MILLION_TO: u64 = 20_000_000;

/// An accepted request.
#[derive(Debug)]
pub struct Request {
    /// The predicate.
    pub query: pql::Query,
    /// The merge policy whose view it reads.
    pub merge_policy: SmolStr,
}

/// Reads the body of `POST /preview`.
pub fn request(docs: &DocSet, caller: &Caller<'_>, schema: &pql::Schema, body: &Json) -> Result<Request, Error> {
    let fields = Fields::of_body(body)?;
    fields.only(&["predicateExpression", "predicateType", "predicateModel", "graphType", "mergePolicyId"])?;
    let value = fields.get("predicateExpression").ok_or_else(|| Error::field("predicateExpression", "is required"))?;
    let text = match fields.text("predicateType")?.unwrap_or("pql/text") {
        "pql/text" => fields.required_text("predicateExpression")?.to_owned(),
        "pql/json" => crate::expression::text_of_json("predicateExpression", value)?,
        other => {
            let rule = format!("must be `pql/text` or `pql/json`, is {}", shown(&other.into()));
            return Err(Error::field("predicateType", rule));
        }
    };
    match fields.text("predicateModel")?.unwrap_or(PROFILE_CLASS) {
        PROFILE_CLASS => {}
        other => {
            let rule = format!("must be `{PROFILE_CLASS}`, is `{other}`; other classes are not supported yet");
            return Err(Error::field("predicateModel", rule));
        }
    }
    match fields.text("graphType")?.unwrap_or("pdg") {
        "pdg" => {}
        "none" => {
            let rule = "`none` is not supported yet: predicates are evaluated over stitched profiles, use `pdg`";
            return Err(Error::field("graphType", rule));
        }
        other => return Err(Error::field("graphType", format_args!("must be `pdg` or `none`, is `{other}`"))),
    }
    let named = match fields.text("mergePolicyId")? {
        Some(id) => json!({ "mergePolicyId": id }),
        None => json!({}),
    };
    let merge_policy = policy(docs, caller.sandbox, &Fields::of_body(&named)?)?.id;
    let query = pql::compile_segment(&text, schema).map_err(|faults| {
        let rendered = |fault: &pql::Diagnostic| {
            let (line, column) = fault.line_column(&text);
            format!("predicateExpression, line {line}, column {column}: {}\n{}", fault.message, fault.render(&text))
        };
        Error::invalid(faults.iter().map(rendered).collect())
    })?;
    Ok(Request { query, merge_policy })
}

/// How many of so many profiles are read.
pub fn sample_of(profiles: u64) -> u64 {
    match profiles {
        n if n < READ_ALL_BELOW => n,
        n if n <= READ_MILLION_TO => READ_ALL_BELOW,
        n => n / 20,
    }
}

/// What `matched` of `read` profiles tell of all `total`: the expected number, and its standard error.
pub fn estimate(matched: u64, read: u64, total: u64) -> (u64, u64) {
    if read == 0 {
        return (0, 0);
    }
    if read >= total {
        return (matched, 0);
    }
    let (n, all) = (read as f64, total as f64);
    let share = matched as f64 / n;
    // Drawn without putting back.
    let correction = ((all - n) / (all - 1.0)).sqrt();
    let error = all * (share * (1.0 - share) / n).sqrt() * correction;
    ((share * all).round() as u64, error.round() as u64)
}

/// The answer for a preview that there is not.
pub fn not_found(id: &str) -> Error {
    Error::not_found("preview", id)
}

/// The id of a preview: the query and its execution, in one word.
pub fn id(query_id: &str, execution_id: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("0:2:{query_id}:{execution_id}"))
}

/// Paging of results: (offset, limit).
pub fn page(parameters: &crate::Parameters) -> Result<(usize, usize), Error> {
    let query = crate::page::Query::of(parameters, &["offset", "limit"])?;
    Ok((query.number("offset", 0, usize::MAX)?.unwrap_or(0), query.number("limit", 1, 1000)?.unwrap_or(100)))
}
