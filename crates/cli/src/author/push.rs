//! `rivermouth author push`: the folder becomes objects of the Authoring API.
//!
//! Always: what is named is there before what names it; secrets come from the environment (`${NAME}` as the whole
//! text of a field) and are not written anywhere; extensions leave only to a server that knows them.

use super::project::{Project, count};
use super::remote::{Ids, Part, Remote, Server};
use crate::output::line;
use serde_json::Value as Json;

/// Fields that hold the local name of another document.
const LINKS: &[(&str, Part)] = &[
    ("destinationServerId", Part::Servers),
    ("authenticationId", Part::Credentials),
    ("audienceTemplateId", Part::AudienceTemplates),
];
/// Fields beyond the original, by the part that has them.
const EXTENSIONS: &[(Part, &str)] = &[(Part::Servers, "responseOutcome")];

/// Creates or updates everything of the folder.
pub(crate) async fn run(project: &Project, server: &Server) -> Result<(), String> {
    sound(project)?;
    let folder = project.folder.as_ref().ok_or("nothing to push")?;
    // Before anything is sent, so that a missing variable leaves nothing half done.
    let mut parts: Vec<(Part, &str, Json)> = Vec::new();
    for (part, documents) in [
        (Part::Credentials, &folder.credentials),
        (Part::Servers, &folder.servers),
        (Part::AudienceTemplates, &folder.audience_templates),
    ] {
        for (name, document) in documents {
            parts.push((part, name, secrets(document, &|name| std::env::var(name).ok())?));
        }
    }
    parts.push((Part::Destination, "destination", secrets(&folder.destination, &|name| std::env::var(name).ok())?));
    let remote = server.log_in().await?;
    let mut ids = Ids::read(&project.dir, &remote.base)?;
    for (part, name, mut document) in parts {
        if !remote.is_rivermouth {
            leave_out(part, name, &mut document);
        }
        link(&mut document, &ids)?;
        put(&remote, &mut ids, part, name, &document).await?;
    }
    let id = ids.get(Part::Destination, "destination").unwrap_or_default().to_owned();
    line(&format!("{} is destination {id} on {}", folder.name, remote.base));
    Ok(())
}

/// Nothing is pushed that `validate` refuses; the faults are printed.
fn sound(project: &Project) -> Result<(), String> {
    let rendering = project.rendering();
    let findings: Vec<_> = project.findings.iter().chain(&rendering).collect();
    findings.iter().for_each(|finding| line(&finding.to_string()));
    match findings.len() {
        0 => Ok(()),
        faults => Err(format!("nothing is pushed: {}", count(faults, "fault"))),
    }
}

async fn put(remote: &Remote, ids: &mut Ids, part: Part, name: &str, document: &Json) -> Result<(), String> {
    let known = ids.get(part, name).map(str::to_owned);
    let of = if part == Part::Destination { String::new() } else { format!(" {name}") };
    let put = remote.put(part, known.as_deref(), document).await;
    let (id, new) = put.map_err(|error| format!("{}{of}: {error}", part.word()))?;
    ids.set(part, name, &id)?;
    line(&format!("{}  {}{of}  {id}", if new { "created" } else { "updated" }, part.word()));
    Ok(())
}

fn leave_out(part: Part, name: &str, document: &mut Json) {
    for (_, field) in EXTENSIONS.iter().filter(|(of, _)| *of == part) {
        if document.as_object_mut().and_then(|fields| fields.shift_remove(*field)).is_some() {
            line(&format!("warning: {} {name}: {field} is left out, this server does not know it", part.word()));
        }
    }
}

/// Ids in the place of local names.
fn link(json: &mut Json, ids: &Ids) -> Result<(), String> {
    match json {
        Json::Array(items) => items.iter_mut().try_for_each(|item| link(item, ids)),
        Json::Object(fields) => {
            for (field, value) in fields.iter_mut() {
                match (LINKS.iter().find(|(name, _)| name == field), value.as_str()) {
                    (Some((_, part)), Some(name)) => {
                        let id = ids.get(*part, name).ok_or_else(|| format!("{field}: {name} has no id yet"))?;
                        *value = Json::from(id);
                    }
                    _ => link(value, ids)?,
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The document with `${NAME}` replaced by what the environment says.
fn secrets(json: &Json, variable: &dyn Fn(&str) -> Option<String>) -> Result<Json, String> {
    Ok(match json {
        Json::String(text) => match text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
            Some(name) if is_name(name) => variable(name).map(Json::from).ok_or_else(|| {
                format!("the environment variable {name} is not set; a field of the destination needs it")
            })?,
            _ => json.clone(),
        },
        Json::Array(items) => Json::Array(items.iter().map(|item| secrets(item, variable)).collect::<Result<_, _>>()?),
        Json::Object(fields) => {
            let field = |(name, value): (&String, &Json)| Ok::<_, String>((name.clone(), secrets(value, variable)?));
            Json::Object(fields.iter().map(field).collect::<Result<_, _>>()?)
        }
        _ => json.clone(),
    })
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_validate_refuses_is_not_pushed() {
        let sample = crate::author::new::sample("minimal-streaming").expect("a sample");
        let pushed = |from: &str, to: &str| {
            let text = |text: &str| text.replace(from, to);
            sound(&Project::of(&sample.iter().map(|(path, of)| ((*path).to_owned(), text(of))).collect()))
        };
        assert_eq!(pushed("", ""), Ok(()));
        let refused = pushed("{{ customerData.accountId }}", "{{ customerData.accountId | nosuch }}");
        assert_eq!(refused, Err("nothing is pushed: 1 fault".to_owned()));
    }

    #[test]
    fn extensions_stay_at_home() {
        let mut server = json!({"name": "a", "responseOutcome": {"type": "COUNTS"}});
        leave_out(Part::Destination, "a", &mut server);
        assert!(server.get("responseOutcome").is_some());
        leave_out(Part::Servers, "a", &mut server);
        assert_eq!(server, json!({"name": "a"}));
    }

    #[test]
    fn secrets_come_from_the_environment() {
        let variable = |name: &str| (name == "TOKEN").then(|| "s3cret".to_owned());
        let given = json!({"a": ["${TOKEN}", "x ${TOKEN}", 1], "b": {"c": "${}"}});
        let expected = json!({"a": ["s3cret", "x ${TOKEN}", 1], "b": {"c": "${}"}});
        assert_eq!(secrets(&given, &variable), Ok(expected));
        assert!(secrets(&json!("${OTHER}"), &variable).is_err_and(|error| error.contains("OTHER")));
    }
}
