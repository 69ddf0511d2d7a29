//! The destination configuration, the card of the catalog (`/authoring/destinations`).

use super::aggregation::{Aggregation, aggregation};
use super::auth::{CustomerAuthentication, authentications};
use super::batch::{BatchConfig, batch_config};
use super::data_field::{CustomerDataField, fields};
use super::delivery::{AuthenticationRule, Delivery, deliveries};
use super::fault::Fault;
use super::identity_namespace::{IdentityNamespace, check_named, namespaces};
use super::lookup::check_dependencies;
use super::presentation::{Frequency, UiAttributes, data_labels, marketing_actions, ui_attributes};
use super::read::{At, Object, Reading};
use super::schema::{SchemaConfig, schema_config};
use super::segment_mapping::{SegmentMapping, segment_mapping};
use serde_json::{Map, Value as Json};
use smol_str::SmolStr;
use std::fmt;

/// A destination. Its `Debug` leaves out the document, which may hold a client secret.
#[derive(Clone)]
pub struct DestinationConfig {
    /// Title in the catalog.
    pub name: String,
    /// Text of the card.
    pub description: Option<String>,
    /// Life cycle.
    pub status: Status,
    /// What is exported; absent: audiences of people.
    pub source: Option<Source>,
    /// How customers may authenticate; any one of them.
    pub customer_authentications: Vec<CustomerAuthentication>,
    /// What customers fill in.
    pub customer_data_fields: Vec<CustomerDataField>,
    /// How it is shown.
    pub ui: UiAttributes,
    /// The target schema.
    pub schema: SchemaConfig,
    /// Target namespaces in their order.
    pub identity_namespaces: Vec<(SmolStr, IdentityNamespace)>,
    /// Where it delivers to.
    pub deliveries: Vec<Delivery>,
    /// Where the mapping id of an audience comes from.
    pub segment_mapping: SegmentMapping,
    /// How profiles are put into requests; streaming only.
    pub aggregation: Option<Aggregation>,
    /// How files are exported; files only.
    pub batch: Option<BatchConfig>,
    /// Whether profiles that qualified before the activation are exported too.
    pub backfill_historical_profile_data: bool,
    /// At most so many attributes are exported.
    pub max_profile_attributes: u32,
    /// At most so many identity namespaces are exported.
    pub max_identity_attributes: u32,
    /// Marketing actions that apply from the start.
    pub marketing_actions: Vec<String>,
    /// Data usage labels that apply from the start.
    pub data_labels: Vec<String>,
    /// The document in the form in which it is stored: first spellings, without what the server sets.
    pub json: Json,
}

impl fmt::Debug for DestinationConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("DestinationConfig");
        shown.field("name", &self.name).field("status", &self.status).field("deliveries", &self.deliveries);
        shown.field("aggregation", &self.aggregation).field("batch", &self.batch).finish_non_exhaustive()
    }
}

/// Life cycle of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Being tried by its author.
    Test,
    /// In the catalog.
    Published,
    /// Withdrawn.
    Deleted,
}

/// What is exported instead of audiences of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Audiences of accounts.
    Accounts,
    /// Audiences of prospects; files only.
    Prospects,
    /// Data sets; files only.
    Datasets,
}

const STATUSES: &[(&str, Status)] =
    &[("TEST", Status::Test), ("PUBLISHED", Status::Published), ("DELETED", Status::Deleted)];
const SOURCES: &[(&str, Source)] =
    &[("ACCOUNTS", Source::Accounts), ("UNIFIED_PROFILE_PROSPECTS", Source::Prospects), ("DATASETS", Source::Datasets)];
/// What answers show and requests may send back.
const SERVER_SET: &[&str] =
    &["instanceId", "createdDate", "lastModifiedDate", "imsOrg", "sandboxName", "sandboxId", "destConfigId"];

impl DestinationConfig {
    /// Reads a destination, or says everything that is wrong with it.
    pub fn parse(json: &Json) -> Result<DestinationConfig, Vec<Fault>> {
        let reading = Reading::default();
        let read = reading.top(json).object(destination);
        let (mut config, mut json) = reading.close(json, read)?;
        move_to_first_places(&mut json);
        config.json = json;
        Ok(config)
    }

    /// Whether the configuration itself says that files are exported. Without `batchConfig` and an aggregation,
    /// only the server tells; see `check_links`.
    pub fn says_files(&self) -> bool {
        self.batch.is_some() || self.source == Some(Source::Datasets) || self.source == Some(Source::Prospects)
    }

    /// The settings of a target namespace.
    pub fn identity_namespace(&self, name: &str) -> Option<&IdentityNamespace> {
        self.identity_namespaces.iter().find(|(other, _)| other == name).map(|(_, namespace)| namespace)
    }
}

fn destination(object: &Object<'_>) -> Option<DestinationConfig> {
    SERVER_SET.iter().for_each(|name| object.server_set(name));
    let source = object.get("sources").and_then(|at| sources(&at));
    let datasets = source == Some(Source::Datasets);
    let name = object.need("name").and_then(|at| at.filled().map(str::to_owned));
    _ = object.string("releaseNotes");
    _ = object.get("customerEncryptionConfigurations").and_then(|at| at.items());
    let batch_at = object.get_any("batchConfig", &["batchConfiguration"]);
    let batch = batch_at.as_ref().and_then(|at| at.object(|object| batch_config(object, datasets)));
    let backfill = object.flag("backfillHistoricalProfileData");
    let inner = batch.as_ref().and_then(|batch| batch.backfill);
    if let (Some(outer), Some(inner), Some(at)) = (backfill, inner, &batch_at)
        && outer != inner
    {
        let message = format!("is {inner} here and {outer} at the top; give it once");
        at.reading.fault(&at.path.key("backfillHistoricalProfileData"), message);
    }
    let config = DestinationConfig {
        name: name.unwrap_or_default(),
        description: object.string("description"),
        status: object.get("status").and_then(|at| at.one_of(STATUSES)).unwrap_or(Status::Test),
        source,
        customer_authentications: object
            .get("customerAuthenticationConfigurations")
            .and_then(|at| authentications(&at))
            .unwrap_or_default(),
        customer_data_fields: object.get("customerDataFields").and_then(|at| fields(&at)).unwrap_or_default(),
        ui: object.get("uiAttributes").and_then(|at| at.object(ui_attributes)).unwrap_or_default(),
        schema: object
            .get("schemaConfig")
            .and_then(|at| at.object(|object| schema_config(object, datasets)))
            .unwrap_or_else(|| SchemaConfig { segment_required: !datasets, ..SchemaConfig::default() }),
        identity_namespaces: object.get("identityNamespaces").and_then(|at| namespaces(&at)).unwrap_or_default(),
        deliveries: object.need("destinationDelivery").and_then(|at| deliveries(&at)).unwrap_or_default(),
        segment_mapping: segment_mapping(object),
        aggregation: object.get("aggregation").and_then(|at| aggregation(&at, datasets)),
        batch,
        backfill_historical_profile_data: backfill.or(inner).unwrap_or(true),
        max_profile_attributes: object.get("maxProfileAttributes").and_then(|at| count(&at)).unwrap_or(2000),
        max_identity_attributes: object.get("maxIdentityAttributes").and_then(|at| count(&at)).unwrap_or(10),
        marketing_actions: object.get("marketingActions").and_then(|at| marketing_actions(&at)).unwrap_or_default(),
        data_labels: object.get("duleLabels").and_then(|at| data_labels(&at)).unwrap_or_default(),
        json: Json::Null,
    };
    check(object, &config);
    Some(config)
}

fn sources(at: &At<'_>) -> Option<Source> {
    let items = at.items()?;
    if items.len() > 1 {
        at.fault(format!("must hold one source; given {}", items.len()));
    }
    items.first()?.one_of(SOURCES)
}

/// A number, or its digits in a string.
fn count(at: &At<'_>) -> Option<u32> {
    let digits = at.json.as_str().and_then(|text| text.parse::<u32>().ok()).filter(|n| *n > 0);
    digits.or_else(|| at.integer(1, u64::from(u32::MAX)))
}

/// Whether every item of a list could be read, so that their places are those of the document.
fn is_whole(object: &Object<'_>, name: &'static str, read: usize) -> bool {
    object.get(name).is_some_and(|at| at.json.as_array().is_some_and(|items| items.len() == read))
}

fn check(object: &Object<'_>, config: &DestinationConfig) {
    let fault = |name: &str, message: &str| object.at.reading.fault(&object.at.path.key(name), message);
    if is_whole(object, "customerDataFields", config.customer_data_fields.len()) {
        let faults = check_dependencies(&config.customer_data_fields, "customerDataFields");
        faults.into_iter().for_each(|fault| object.at.reading.take(fault));
    }
    let datasets = config.source == Some(Source::Datasets);
    let has = |name: &'static str| object.get(name).is_some();
    let batch = ["batchConfig", "batchConfiguration"]
        .iter()
        .any(|name| object.at.json.get(name).is_some_and(|at| !at.is_null()));
    if has("aggregation") && !datasets {
        if batch {
            fault("aggregation", "is for streaming destinations, batchConfig for files; give one of them");
        }
        if config.source == Some(Source::Prospects) {
            fault("aggregation", "is for streaming destinations; prospects are exported as files only");
        }
    }
    check_kind(object, config, batch);
    check_authentication(object, config);
    check_namespaces(object, config);
}

/// Settings that say different things about streaming or files.
fn check_kind(object: &Object<'_>, config: &DestinationConfig, batch: bool) {
    let fault = |path: String, message: String| object.at.reading.take(Fault::new(path, message));
    let files = batch || config.says_files();
    let streaming = object.get("aggregation").is_some() && !files;
    let whole = is_whole(object, "customerAuthenticationConfigurations", config.customer_authentications.len());
    for (index, authentication) in config.customer_authentications.iter().enumerate().filter(|_| whole) {
        let kind = authentication.auth_type();
        let path = || format!("customerAuthenticationConfigurations[{index}].authType");
        if authentication.is_streaming() && files {
            fault(path(), format!("{kind} is for streaming destinations; this one exports files"));
        }
        if !authentication.is_streaming() && streaming {
            fault(path(), format!("{kind} is for files; this destination is streaming (it has an aggregation)"));
        }
    }
    match config.ui.frequency {
        Some(Frequency::Streaming) if files => {
            fault("uiAttributes.frequency".to_owned(), "must be \"Batch\": this destination exports files".to_owned());
        }
        Some(Frequency::Batch) if streaming => {
            let message = "must be \"Streaming\": this destination has an aggregation";
            fault("uiAttributes.frequency".to_owned(), message.to_owned());
        }
        _ => {}
    }
    let whole = is_whole(object, "destinationDelivery", config.deliveries.len());
    for (index, delivery) in config.deliveries.iter().enumerate().filter(|_| files && whole) {
        if !delivery.takes_batches() {
            let message = "is required for files: [{\"type\": \"SOURCE\", \"value\": [\"batch\"]}]";
            fault(format!("destinationDelivery[{index}].deliveryMatchers"), message.to_owned());
        }
    }
}

/// Whether the namespaces that are named are there; not asked while their list, or what names them, has faults.
fn check_namespaces(object: &Object<'_>, config: &DestinationConfig) {
    let json = object.at.json;
    let length = |at: &Json| at.as_array().map(Vec::len);
    let namespaces = json.get("identityNamespaces").and_then(Json::as_object).map_or(0, Map::len);
    let mappings = json.pointer("/schemaConfig/requiredMappings").and_then(length).unwrap_or(0);
    if namespaces != config.identity_namespaces.len() || mappings != config.schema.required_mappings.len() {
        return;
    }
    let kinds = ["bestEffortAggregation", "configurableAggregation"];
    let kind = kinds.iter().find(|kind| json["aggregation"][**kind]["aggregationKey"].is_object()).unwrap_or(&kinds[0]);
    let groups_json = &json["aggregation"][*kind]["aggregationKey"]["groups"];
    let groups = config.aggregation.as_ref().and_then(|a| a.key.as_ref()).map_or(0, |key| key.groups.len());
    if length(groups_json).unwrap_or(0) != groups {
        return;
    }
    let faults = check_named(config, &format!("aggregation.{kind}.aggregationKey.groups"));
    faults.into_iter().for_each(|fault| object.at.reading.take(fault));
}

fn check_authentication(object: &Object<'_>, config: &DestinationConfig) {
    let Some(first) = config.customer_authentications.first() else { return };
    if !is_whole(object, "destinationDelivery", config.deliveries.len()) {
        return;
    }
    for (index, delivery) in config.deliveries.iter().enumerate() {
        if delivery.authentication_rule != AuthenticationRule::Customer {
            let path = format!("destinationDelivery[{index}].authenticationRule");
            let message = format!("must be CUSTOMER_AUTHENTICATION: customers authenticate with {}", first.auth_type());
            object.at.reading.take(Fault::new(path, message));
        }
    }
}

/// Settings that are accepted in older places are stored in the newest one.
fn move_to_first_places(json: &mut Json) {
    let Json::Object(map) = json else { return };
    if let Some(Json::Object(batch)) = map.get_mut("batchConfig")
        && let Some(backfill) = batch.shift_remove("backfillHistoricalProfileData")
    {
        map.entry("backfillHistoricalProfileData").or_insert(backfill);
    }
    super::segment_mapping::move_to_first_places(map);
}
