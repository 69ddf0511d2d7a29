//! How a destination is shown in the catalog (`uiAttributes`), and its marketing actions and data labels.

use super::read::{At, Object};
use url::Url;

/// How a destination is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UiAttributes {
    /// Page of the documentation.
    pub documentation_link: Option<String>,
    /// Category.
    pub category: Option<String>,
    /// Connection type.
    pub connection_type: Option<String>,
    /// Streaming or batch.
    pub frequency: Option<Frequency>,
    /// Whether it is a beta.
    pub is_beta: bool,
    /// Name of the icon.
    pub icon_key: Option<String>,
    /// Address of the icon.
    pub icon_url: Option<String>,
}

/// When data goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frequency {
    /// With every change.
    Streaming,
    /// As files.
    Batch,
}

const CATEGORIES: &[&str] = &[
    "adobeSolutions",
    "advertising",
    "analytics",
    "cdp",
    "cloudStorage",
    "crm",
    "customerSuccess",
    "database",
    "dmp",
    "ecommerce",
    "email",
    "emailMarketing",
    "enrichment",
    "livechat",
    "marketingAutomation",
    "mobile",
    "payments",
    "personalization",
    "protocols",
    "social",
    "streaming",
    "subscriptions",
    "surveys",
    "tagManagers",
    "voc",
    "warehouses",
];
const CONNECTION_TYPES: &[&str] =
    &["Server-to-server", "Cloud storage", "Azure Blob", "Azure Data Lake Storage", "S3", "SFTP", "DLZ"];
const FREQUENCIES: &[(&str, Frequency)] = &[("Streaming", Frequency::Streaming), ("Batch", Frequency::Batch)];
const ACTIONS: &[&str] = &[
    "ANALYTICS",
    "COMBINE_WITH_PII",
    "CROSS_SITE_TARGETING",
    "DATA_SCIENCE",
    "EMAIL_TARGETING",
    "EXPORT_TO_THIRD_PARTY",
    "ONSITE_ADVERTISING",
    "ONSITE_PERSONALIZATION",
    "SINGLE_IDENTITY_PERSONALIZATION",
];
const LABELS: &[&str] = &["C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10", "I1", "I2", "S1", "S2"];

pub(crate) fn ui_attributes(object: &Object<'_>) -> Option<UiAttributes> {
    _ = object.flag("flowRunsSupported");
    _ = object.flag("monitoringSupported");
    let icon = object.get("icon").and_then(|at| at.object(|icon| icon.string("key")));
    Some(UiAttributes {
        documentation_link: object.get("documentationLink").and_then(|at| link(&at)),
        category: object.get("category").and_then(|at| one_of(&at, CATEGORIES)),
        connection_type: object.get("connectionType").and_then(|at| connection_type(&at)),
        frequency: object.get("frequency").and_then(|at| at.one_of(FREQUENCIES)),
        is_beta: object.get("isBeta").and_then(|at| at.one_of(&[("true", true), ("false", false)])).unwrap_or(false),
        icon_key: icon,
        icon_url: object.string("iconUrl"),
    })
}

/// One interface description writes `Cloud Storage`; stored is the spelling of the others.
fn connection_type(at: &At<'_>) -> Option<String> {
    if at.json == "Cloud Storage" {
        at.respell("Cloud storage");
        return Some("Cloud storage".to_owned());
    }
    one_of(at, CONNECTION_TYPES)
}

fn one_of(at: &At<'_>, names: &[&str]) -> Option<String> {
    let spellings: Vec<(&str, ())> = names.iter().map(|name| (*name, ())).collect();
    at.one_of(&spellings)?;
    at.string()
}

fn link(at: &At<'_>) -> Option<String> {
    let text = at.text()?;
    if !text.is_empty() && !Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
        at.fault(format!("must be an http or https URL; given {text:?}"));
        return None;
    }
    Some(text.to_owned())
}

pub(crate) fn marketing_actions(at: &At<'_>) -> Option<Vec<String>> {
    at.list(|item| one_of(&item, ACTIONS))
}

pub(crate) fn data_labels(at: &At<'_>) -> Option<Vec<String>> {
    at.list(|item| one_of(&item, LABELS))
}
