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

mod queue;

mod pace;

mod retry;

mod attempt;

mod destination;

mod oauth;

mod http;

mod egress;

mod report;

mod metrics;

pub use delivery::{Delivery, Settings, StartError};
pub use destination::{Auth, CredentialStyle, Destination, Secret, TIMEOUT};
pub use egress::{Egress, Exception};
pub use http::tls_config;
pub use metrics::{Failures, FlowMetrics, Histogram};
pub use port::{Export, ExportKey, Outbox, Outcome};
pub use retry::{RETRY_AFTER_MAX_MS, RetryPolicy};
pub use url::Url;
