//! Sends the exports of the outbox to HTTP destinations.
//!
//! In: waiting exports of an [`Outbox`], a [`Destination`] per flow. Out: requests, and one
//! [`Outcome`] per export. Declared in reading order.
//!
//! Always: at least once; in order per (flow, profile), exports of merged profiles first; a
//! profile's retry holds back that profile only; one outcome per export and process; requests go
//! only where [`Egress`] lets them; no secret in a reason, a log line or `Debug`.

mod port;

mod delivery;

mod flow;

mod reader;

mod queue;

mod batch;

mod pace;

mod retry;

mod attempt;

mod destination;

mod oauth;

mod http;

mod wire;

mod egress;

mod report;

mod metrics;

pub use batch::{Access, AccessFuture, Authorize, Batching, Call, Refusal, Trial};
pub use delivery::{Delivery, Settings, StartError};
pub use destination::{Auth, CredentialStyle, Destination, Secret, TIMEOUT};
pub use egress::{Egress, Exception};
pub use http::{Answer, content_encoding, tls_config};
pub use metrics::{Failures, FlowMetrics, Histogram};
pub use oauth::{ERROR_CODES, usable_until};
pub use port::{BatchRecord, Export, ExportKey, Outbox, Outcome, ProfileExport};
pub use retry::{RETRY_AFTER_MAX_MS, RetryPolicy};
pub use url::Url;
pub use wire::{Reply, Wire, WireError};
