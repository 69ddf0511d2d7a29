//! `rivermouth author pull`: the objects of a destination on a server become a folder.
//!
//! Always: secrets, which servers do not show, become `${NAME}`, to be set when the folder is pushed; golden cases that
//! are there stay; what was pulled or pushed before keeps its local name, and no document stands in two files.

use super::project::Project;
use super::remote::{Ids, Part, Remote, Server};
use crate::output::line;
use destination::folder::{Before, Folder};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::Path;

/// Fields that hold secrets.
const SECRETS: &[&str] =
    &["password", "secretKey", "sshKey", "servicePrincipalKey", "connectionString", "clientSecret"];
/// What a document's file may end in.
const ENDINGS: &[&str] = &["yaml", "yml", "json"];
const SERVER_SET: &[&str] =
    &["instanceId", "createdDate", "lastModifiedDate", "imsOrg", "sandboxName", "sandboxId", "destConfigId"];

/// Reads the destination and writes its files.
pub(crate) async fn run(id: &str, dir: &Path, server: &Server, force: bool) -> Result<(), String> {
    if !force && holds_destination(dir) {
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
    let mut ids = Ids::read(dir, &remote.base)?;
    let old = Project::load(dir).ok().and_then(|project| project.folder);
    let before = Before { folder: old.as_ref(), names: names(&ids, old.as_ref()) };
    let [servers, templates, credentials] = [Part::Servers, Part::AudienceTemplates, Part::Credentials].map(of);
    let files = Folder::from_api(&destination, servers, templates, credentials, &[], &before);
    write(dir, &files)?;
    remember(&mut ids, id, &files, &linked)?;
    let project = Project::load(dir)?;
    project.findings.iter().for_each(|finding| line(&finding.to_string()));
    let needs = variables(&files);
    if !needs.is_empty() {
        line(&format!("set before a push: {}", needs.join(", ")));
    }
    Ok(())
}

fn holds_destination(dir: &Path) -> bool {
    ENDINGS.iter().any(|ending| dir.join(format!("destination.{ending}")).exists())
}

/// The names that the parts have here, by their ids. Of several, that of a document that is there.
fn names(ids: &Ids, folder: Option<&Folder>) -> BTreeMap<(String, String), String> {
    let mut found: BTreeMap<(String, String), String> = BTreeMap::new();
    for part in [Part::Servers, Part::AudienceTemplates, Part::Credentials] {
        let there = folder.and_then(|folder| documents(folder, part));
        for (id, name) in ids.names(part) {
            let place = (part.directory().to_owned(), id.to_owned());
            if !found.contains_key(&place) || there.is_some_and(|there| there.contains_key(name)) {
                found.insert(place, name.to_owned());
            }
        }
    }
    found
}

fn documents(folder: &Folder, part: Part) -> Option<&BTreeMap<String, Json>> {
    match part {
        Part::Servers => Some(&folder.servers),
        Part::AudienceTemplates => Some(&folder.audience_templates),
        Part::Credentials => Some(&folder.credentials),
        Part::Destination => None,
    }
}

/// Writes the files; a document that stood in a file of another ending stands there no longer.
fn write(dir: &Path, files: &BTreeMap<String, String>) -> Result<(), String> {
    for (path, text) in files {
        let path = dir.join(path);
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        std::fs::create_dir_all(path.parent().unwrap_or(dir)).map_err(failed)?;
        std::fs::write(&path, text).map_err(failed)?;
        line(&format!("wrote  {}", path.display()));
        if path.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        for other in ENDINGS.iter().filter(|ending| **ending != "yaml").map(|ending| path.with_extension(ending)) {
            if other.exists() {
                std::fs::remove_file(&other).map_err(|error| format!("{}: {error}", other.display()))?;
                line(&format!("removed  {}", other.display()));
            }
        }
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
    ids: &mut Ids,
    id: &str,
    files: &BTreeMap<String, String>,
    linked: &[(Part, Vec<Json>)],
) -> Result<(), String> {
    ids.set(Part::Destination, "destination", id)?;
    let Ok(folder) = Folder::read(files) else { return Ok(()) };
    for (part, given) in linked {
        let Some(local) = documents(&folder, *part) else { continue };
        for document in given {
            let Some(id) = document["instanceId"].as_str() else { continue };
            let mut plain = document.clone();
            if let Some(fields) = plain.as_object_mut() {
                fields.retain(|name, _| !SERVER_SET.contains(&name.as_str()));
            }
            let known = local.keys().find(|name| ids.get(*part, name) == Some(id));
            let unused = |name: &str| ids.get(*part, name).is_none_or(|other| other == id);
            let alike = || local.iter().find(|(name, other)| **other == plain && unused(name)).map(|(name, _)| name);
            let found = known.or_else(alike).cloned();
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
    fn what_is_there_is_replaced_under_its_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let dir = directory.path();
        let server = |url: &str| json!({"instanceId": "s-1", "name": "Main server", "destinationServerType": "URL_BASED", "urlBasedDestination": {"url": {"templatingStrategy": "PEBBLE_V1", "value": url}}});
        let destination = |name: &str| json!({"name": "D", "destinationDelivery": [{"destinationServerId": name}]});
        std::fs::create_dir_all(dir.join("servers")).expect("made");
        std::fs::create_dir_all(dir.join("templates")).expect("made");
        let mut old = server("https://old.test");
        old.as_object_mut().expect("an object").shift_remove("instanceId");
        old["urlBasedDestination"]["url"] = json!({"templatingStrategy": "PEBBLE_V1", "file": "templates/where.peb"});
        let texts = [
            ("destination.json", destination("zeta").to_string()),
            ("servers/zeta.json", old.to_string()),
            ("templates/where.peb", "https://old.test\n".to_owned()),
        ];
        texts.iter().for_each(|(path, text)| std::fs::write(dir.join(path), text).expect("written"));
        assert!(holds_destination(dir));
        let mut ids = Ids::read(dir, "http://a").expect("none");
        ids.set(Part::Servers, "main-server", "s-1").expect("written");
        ids.set(Part::Servers, "zeta", "s-1").expect("written");
        assert_eq!(ids.get(Part::Servers, "main-server"), None);

        let old = Project::load(dir).expect("a folder").folder.expect("no fault");
        let before = Before { folder: Some(&old), names: names(&ids, Some(&old)) };
        let pulled = [server("https://new.test")];
        let files = Folder::from_api(&destination("s-1"), &pulled, &[], &[], &[], &before);
        write(dir, &files).expect("written");
        remember(&mut ids, "d-1", &files, &[(Part::Servers, pulled.to_vec())]).expect("written");
        assert_eq!((ids.get(Part::Servers, "zeta"), ids.names(Part::Servers).count()), (Some("s-1"), 1));
        let new = Project::load(dir).expect("a folder").folder.expect("no fault");
        assert_eq!(new.servers.keys().collect::<Vec<_>>(), ["zeta"]);
        assert_eq!(new.servers["zeta"]["urlBasedDestination"]["url"]["value"], "https://new.test");
        assert_eq!(new.destination["destinationDelivery"][0]["destinationServerId"], "zeta");
        assert!(dir.join("servers/zeta.yaml").exists() && !dir.join("destination.json").exists());
    }

    #[test]
    fn secrets_become_variables() {
        let given = json!({"auth": [{"clientSecret": "<redacted>"}, {"fields": [{"name": "apiKey", "format": "password", "value": "x"}, {"name": "pass", "format": "password"}]}]});
        let expected = json!({"auth": [{"clientSecret": "${D_CLIENT_SECRET}"}, {"fields": [{"name": "apiKey", "format": "password", "value": "${D_2_API_KEY}"}, {"name": "pass", "format": "password"}]}]});
        assert_eq!(without_secrets(&given, "D"), expected);
        let files = [("a".to_owned(), expected.to_string())].into_iter().collect();
        assert_eq!(variables(&files), ["D_CLIENT_SECRET", "D_2_API_KEY"]);
    }
}
