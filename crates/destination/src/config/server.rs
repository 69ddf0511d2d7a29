//! Where and how data is delivered (`/authoring/destination-servers`).

use super::fault::Fault;
use super::file_options::{FileConfigurations, ROWS_DEFAULT, file_configurations};
use super::http::{HttpTemplate, ResponseField, http_template, response_fields, templated_address};
use super::read::{At, Object, Reading};
use super::template::{Templated, templated_for_files};
use serde_json::Value as Json;
use smol_str::SmolStr;

/// A server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Its name.
    pub name: String,
    /// Where data goes.
    pub target: ServerTarget,
    /// How the records of an answer are judged one by one; see `message::Outcome`.
    pub response_outcome: Option<Json>,
    /// The document in the form in which it is stored.
    pub json: Json,
}

/// Where data goes.
#[derive(Clone, Debug)]
pub enum ServerTarget {
    /// Requests.
    Url {
        /// Address.
        url: Templated,
        /// The request but for its address; a lookup server and a delivery server need it.
        http: Option<HttpTemplate>,
        /// What is read from an answer; lookup servers only.
        response_fields: Vec<ResponseField>,
    },
    /// Files.
    File(Box<FileServer>),
}

/// A place for files.
#[derive(Clone, Debug)]
pub struct FileServer {
    /// The kind of place.
    pub kind: FileServerKind,
    /// Its settings by name: `bucket`, `path`, `hostName`, ….
    pub fields: Vec<(SmolStr, Templated)>,
    /// Port of SFTP.
    pub port: Option<u16>,
    /// Whether files are encrypted with PGP.
    pub encrypt: bool,
    /// Format of files.
    pub file_configurations: FileConfigurations,
}

impl FileServer {
    /// A setting by name.
    pub fn field(&self, name: &str) -> Option<&Templated> {
        self.fields.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }
}

/// Kinds of places for files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileServerKind {
    /// Amazon S3.
    S3,
    /// SFTP.
    Sftp,
    /// Azure Data Lake Storage Gen2.
    AdlsGen2,
    /// Azure Blob.
    AzureBlob,
    /// Data Landing Zone, a directory of the platform.
    Dlz,
    /// Google Cloud Storage.
    GoogleCloud,
}

/// A kind of server: its type, its object, the kind of place, and its templated fields.
struct Known {
    server_type: &'static str,
    object: &'static str,
    kind: Option<FileServerKind>,
    fields: &'static [(&'static str, &'static [&'static str])],
}

const BUCKET: (&str, &[&str]) = ("bucket", &["bucketName"]);
const PATH: (&str, &[&str]) = ("path", &[]);
const KNOWN: &[Known] = &[
    Known { server_type: "URL_BASED", object: "urlBasedDestination", kind: None, fields: &[] },
    Known {
        server_type: "FILE_BASED_S3",
        object: "fileBasedS3Destination",
        kind: Some(FileServerKind::S3),
        fields: &[BUCKET, PATH],
    },
    Known {
        server_type: "FILE_BASED_SFTP",
        object: "fileBasedSFTPDestination",
        kind: Some(FileServerKind::Sftp),
        fields: &[("rootDirectory", &[]), ("hostName", &[])],
    },
    Known {
        server_type: "FILE_BASED_ADLS_GEN2",
        object: "fileBasedAdlsGen2Destination",
        kind: Some(FileServerKind::AdlsGen2),
        fields: &[PATH],
    },
    Known {
        server_type: "FILE_BASED_AZURE_BLOB",
        object: "fileBasedAzureBlobDestination",
        kind: Some(FileServerKind::AzureBlob),
        fields: &[PATH, ("container", &[])],
    },
    Known {
        server_type: "FILE_BASED_DLZ",
        object: "fileBasedDlzDestination",
        kind: Some(FileServerKind::Dlz),
        fields: &[PATH],
    },
    Known {
        server_type: "FILE_BASED_GOOGLE_CLOUD",
        object: "fileBasedGoogleCloudStorageDestination",
        kind: Some(FileServerKind::GoogleCloud),
        fields: &[BUCKET, PATH],
    },
];

impl ServerConfig {
    /// Reads a server, or says everything that is wrong with it.
    pub fn parse(json: &Json) -> Result<ServerConfig, Vec<Fault>> {
        let reading = Reading::default();
        let read = reading.top(json).object(server);
        let (mut config, json) = reading.close(json, read)?;
        config.json = json;
        Ok(config)
    }

    /// Whether it takes files.
    pub fn is_file(&self) -> bool {
        matches!(self.target, ServerTarget::File(_))
    }
}

fn server(object: &Object<'_>) -> Option<ServerConfig> {
    ["instanceId", "createdDate", "lastModifiedDate", "imsOrg", "sandboxName", "sandboxId"]
        .iter()
        .for_each(|name| object.server_set(name));
    let name = object.need("name").and_then(|at| at.filled().map(str::to_owned));
    let types: Vec<(&str, &Known)> = KNOWN.iter().map(|known| (known.server_type, known)).collect();
    let known = object.need("destinationServerType").and_then(|at| at.one_of(&types));
    for other in KNOWN {
        match known {
            Some(known) if known.server_type != other.server_type => {
                let reason = format!("is for destinationServerType {}; given {}", other.server_type, known.server_type);
                object.refuse(other.object, &reason);
            }
            _ => object.echo(other.object),
        }
    }
    let target = target(object, known);
    let outcome = object.get("responseOutcome");
    let response_outcome = outcome.as_ref().map(|at| at.json.clone());
    match &outcome {
        Some(at) if known.is_some_and(|known| known.kind.is_some()) => {
            at.fault("is for destinationServerType URL_BASED");
        }
        Some(at) => check_outcome(at),
        None => {}
    }
    Some(ServerConfig { name: name?, target: target?, response_outcome, json: Json::Null })
}

fn check_outcome(at: &At<'_>) {
    let prefix = at.path.text();
    for fault in crate::message::Outcome::parse(at.json).err().into_iter().flatten() {
        let path = if fault.path.is_empty() { prefix.clone() } else { format!("{prefix}.{}", fault.path) };
        at.reading.take(Fault::new(path, fault.message));
    }
}

fn target(object: &Object<'_>, known: Option<&Known>) -> Option<ServerTarget> {
    let Some(known) = known else {
        ["httpTemplate", "responseFields", "fileConfigurations"].iter().for_each(|name| object.echo(name));
        return None;
    };
    let at = object.need(known.object);
    let Some(kind) = known.kind else {
        object.refuse("fileConfigurations", "is for servers of files");
        let url = at.and_then(|at| at.object(|object| object.need("url").and_then(|at| templated_address(&at))));
        let http = object.get("httpTemplate").and_then(|at| at.object(http_template));
        let response_fields = object.get("responseFields").and_then(|at| response_fields(&at)).unwrap_or_default();
        return Some(ServerTarget::Url { url: url?, http, response_fields });
    };
    for name in ["httpTemplate", "responseFields"] {
        object.refuse(name, "is for destinationServerType URL_BASED");
    }
    let configurations = object.get("fileConfigurations").and_then(|at| at.object(file_configurations));
    let file_configurations = configurations
        .unwrap_or_else(|| FileConfigurations { max_file_row_count: ROWS_DEFAULT, ..FileConfigurations::default() });
    let mut server = FileServer { kind, fields: Vec::new(), port: None, encrypt: false, file_configurations };
    at?.object(|object| {
        for (name, others) in known.fields {
            if let Some(value) = object.need_any(name, others).and_then(|at| templated_for_files(&at)) {
                server.fields.push((SmolStr::new(name), value));
            }
        }
        file_fields(object, &mut server);
        Some(())
    })?;
    Some(ServerTarget::File(Box::new(server)))
}

fn file_fields(object: &Object<'_>, server: &mut FileServer) {
    match server.kind {
        FileServerKind::Sftp => {
            let port = object.get("port").and_then(|at| at.integer(1, 65_535));
            server.port = Some(port.and_then(|port| u16::try_from(port).ok()).unwrap_or(22));
            let mode = object.get("encryptionMode").and_then(|at| at.one_of(&[("PGP", true), ("None", false)]));
            server.encrypt = mode.unwrap_or(false);
        }
        FileServerKind::Dlz => {
            _ = object.need("useCase").and_then(|at| at.one_of(&[("dlz_destination", ())]));
        }
        _ => {}
    }
}
