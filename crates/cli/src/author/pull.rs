//! `rivermouth author pull`: the objects of a destination on a server become a folder.
//!
//! Always: secrets, which servers do not show, become `${NAME}`, to be set when the folder is pushed; golden cases that
//! are there stay.

use super::project::Project;
use super::remote::{Ids, Part, Remote, Server};
use crate::output::line;
use destination::folder::Folder;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::Path;

/// Fields that hold secrets.
const SECRETS: &[&str] =
    &["password", "secretKey", "sshKey", "servicePrincipalKey", "connectionString", "clientSecret"];
const SERVER_SET: &[&str] =
    &["instanceId", "createdDate", "lastModifiedDate", "imsOrg", "sandboxName", "sandboxId", "destConfigId"];

/// Reads the destination and writes its files.
pub(crate) async fn run(id: &str, dir: &Path, server: &Server, force: bool) -> Result<(), String> {
    if !force && dir.join("destination.yaml").exists() {
        return Err(format!("{} holds a destination; --force replaces its files", dir.display()));
    }
    let remote = server.log_in().await?;
    let destination = without_secrets(&remote.get(Part::Destination, id).await?, "DESTINATION");
    let mut linked: Vec<(Part, Vec<Json>)> = Vec::new();
    for (part, field) in [
        (Part::Servers, "destinationServerId"),
        (Part::AudienceTemplates, "audienceTemplateId"),
        (Part::Credentials, "authenticationId"),
    ] {
        linked.push((part, all(&remote, part, &named(&destination, field)).await?));
    }
    let of = |part: Part| linked.iter().find(|(other, _)| *other == part).map_or(&[][..], |(_, all)| all);
    let files =
        Folder::from_api(&destination, of(Part::Servers), of(Part::AudienceTemplates), of(Part::Credentials), &[]);
    for (path, text) in &files {
        let path = dir.join(path);
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        std::fs::create_dir_all(path.parent().unwrap_or(dir)).map_err(failed)?;
        std::fs::write(&path, text).map_err(failed)?;
        line(&format!("wrote  {}", path.display()));
    }
    remember(dir, &remote, id, &files, &linked)?;
    let project = Project::load(dir)?;
    project.findings.iter().for_each(|finding| line(&finding.to_string()));
    let needs = variables(&files);
    if !needs.is_empty() {
        line(&format!("set before a push: {}", needs.join(", ")));
    }
    Ok(())
}

async fn all(remote: &Remote, part: Part, ids: &[String]) -> Result<Vec<Json>, String> {
    let mut found = Vec::new();
    for id in ids {
        let number = if found.is_empty() { String::new() } else { format!("_{}", found.len() + 1) };
        let prefix = format!("{}{number}", part.word().to_uppercase().replace(' ', "_"));
        found.push(without_secrets(&remote.get(part, id).await?, &prefix));
    }
    Ok(found)
}

/// The values of a field, wherever it stands, each once.
fn named(json: &Json, field: &str) -> Vec<String> {
    fn walk(json: &Json, field: &str, found: &mut Vec<String>) {
        match json {
            Json::Array(items) => items.iter().for_each(|item| walk(item, field, found)),
            Json::Object(fields) => {
                for (name, value) in fields {
                    match value.as_str() {
                        Some(id) if name == field && !found.iter().any(|f| f == id) => found.push(id.to_owned()),
                        _ => walk(value, field, found),
                    }
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(json, field, &mut found);
    found
}

/// `${NAME}` in the place of every secret.
fn without_secrets(json: &Json, prefix: &str) -> Json {
    match json {
        Json::Array(items) => {
            let item = |(at, item): (usize, &Json)| {
                let number = if at == 0 { String::new() } else { format!("_{}", at + 1) };
                without_secrets(item, &format!("{prefix}{number}"))
            };
            Json::Array(items.iter().enumerate().map(item).collect())
        }
        Json::Object(fields) => {
            let sealed =
                fields.get("format").is_some_and(|format| format == "password") && fields.contains_key("value");
            let field = |(name, value): (&String, &Json)| {
                let is_secret = value.is_string() && (SECRETS.contains(&name.as_str()) || (sealed && name == "value"));
                let shown = match is_secret {
                    true => {
                        Json::from(format!("${{{prefix}_{}}}", snake(if sealed { text(fields, "name") } else { name })))
                    }
                    false => without_secrets(value, prefix),
                };
                (name.clone(), shown)
            };
            Json::Object(fields.iter().map(field).collect())
        }
        _ => json.clone(),
    }
}

fn text<'j>(fields: &'j serde_json::Map<String, Json>, name: &str) -> &'j str {
    fields.get(name).and_then(Json::as_str).unwrap_or("value")
}

/// `clientSecret` → `CLIENT_SECRET`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    }
    snake
}

fn variables(files: &BTreeMap<String, String>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for text in files.values() {
        for rest in text.split("${").skip(1) {
            let name = rest.split('}').next().unwrap_or_default();
            let is_name =
                !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
            if is_name && !names.iter().any(|n| n == name) {
                names.push(name.to_owned());
            }
        }
    }
    names
}

/// Which id each written document has on this server.
fn remember(
    dir: &Path,
    remote: &Remote,
    id: &str,
    files: &BTreeMap<String, String>,
    linked: &[(Part, Vec<Json>)],
) -> Result<(), String> {
    let mut ids = Ids::read(dir, &remote.base)?;
    ids.set(Part::Destination, "destination", id)?;
    let Ok(folder) = Folder::read(files) else { return Ok(()) };
    for (part, documents) in linked {
        let local = match part {
            Part::Servers => &folder.servers,
            Part::AudienceTemplates => &folder.audience_templates,
            Part::Credentials => &folder.credentials,
            Part::Destination => continue,
        };
        for document in documents {
            let Some(id) = document["instanceId"].as_str() else { continue };
            let mut plain = document.clone();
            if let Some(fields) = plain.as_object_mut() {
                fields.retain(|name, _| !SERVER_SET.contains(&name.as_str()));
            }
            let unused = |name: &str| ids.get(*part, name).is_none_or(|other| other == id);
            let found =
                local.iter().find(|(name, other)| **other == plain && unused(name)).map(|(name, _)| name.clone());
            if let Some(name) = found {
                ids.set(*part, &name, id)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_become_variables() {
        let given = json!({"auth": [{"clientSecret": "<redacted>"}, {"fields": [{"name": "apiKey", "format": "password", "value": "x"}, {"name": "pass", "format": "password"}]}]});
        let expected = json!({"auth": [{"clientSecret": "${D_CLIENT_SECRET}"}, {"fields": [{"name": "apiKey", "format": "password", "value": "${D_2_API_KEY}"}, {"name": "pass", "format": "password"}]}]});
        assert_eq!(without_secrets(&given, "D"), expected);
        let files = [("a".to_owned(), expected.to_string())].into_iter().collect();
        assert_eq!(variables(&files), ["D_CLIENT_SECRET", "D_2_API_KEY"]);
    }
}
