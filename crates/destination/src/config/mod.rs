//! Typed configuration: what the Authoring API stores, read, checked and compiled.
//!
//! In: the JSON of a destination, a server, an audience template, a credential. Out: typed structs with every
//! template and pattern compiled and the JSON in the form in which it is stored; or all faults, each with its path.
//! Always: an unknown field is refused, and a field that can have no effect is refused with the reason.

mod aggregation;
mod audience_template;
mod auth;
mod batch;
mod credential;
mod customer_data;
mod data_field;
mod delivery;
mod destination;
mod fault;
mod file_name;
mod file_options;
mod http;
mod identity_namespace;
mod links;
mod lookup;
mod presentation;
mod read;
mod schema;
mod segment_mapping;
mod server;
mod template;

pub use aggregation::{Aggregation, AggregationKey, AggregationKind};
pub use audience_template::{AudienceTemplateConfig, Event, RestTemplate, Validation};
pub use auth::{
    AccessTokenRequest, AuthenticationDataField, CustomerAuthentication, DataKind, Grant, OAuth2, TokenValidation,
    ValueSource,
};
pub use batch::{BatchConfig, DatasetBatchConfig, ExportMode, FilenameConfig, Frequency, Macro, NamePart};
pub use credential::{CredentialAuth, CredentialConfig, Secret};
pub use customer_data::check_customer_data;
pub use data_field::{Choices, Conditional, CustomerDataField, FieldKind, Pattern, find_field};
pub use delivery::{AuthenticationRule, Delivery, DeliveryMatcher};
pub use destination::{DestinationConfig, Source, Status};
pub use fault::Fault;
pub use file_name::{FileNameContext, MergePolicy, Segment, expand_path, file_name, part_name};
pub use file_options::{CsvOptions, FileConfigurations, check_option};
pub use http::{HttpMethod, HttpTemplate, ResponseField, is_transport_header, parse_address};
pub use identity_namespace::{IdentityNamespace, Transformation};
pub(crate) use links::linked_ids;
pub use links::{Kind, Linked, check_links};
pub use lookup::{DynamicEnum, DynamicSchema, LookupPath};
pub use presentation::{Frequency as DeliveryFrequency, UiAttributes};
pub(crate) use read::{is_plain, nearest};
pub use schema::{MappingSource, RequiredMapping, SchemaConfig, SegmentNamespaces};
pub use segment_mapping::{MappingId, SegmentMapping};
pub use server::{FileServer, FileServerKind, ServerConfig, ServerTarget};
pub use template::{JsonTemplate, Templated};
