//! What every handler can reach, and the two ways in which handlers use documents.
//!
//! Read: `app.docs()`. Change: `app.change(requester, |docs, caller| service::create(docs, caller, body)).await`,
//! where the service gives its changes and an answer; the answer comes back once they are durable.

use crate::error::ApiError;
use crate::gateway::Requester;
use access::Keyring;
use clock::Clock;
use engine::{ChangeError, Current, Engine};
use model::{Caller, DocChange, DocSet, SandboxId};
use std::pin::Pin;
use std::sync::Arc;

/// The parts that the surface is built on.
pub struct Parts {
    /// The engine.
    pub engine: Arc<Engine>,
    /// Keys: tokens, secrets.
    pub keyring: Arc<Keyring>,
    /// Time.
    pub clock: Clock,
    /// `http://host:port` as clients reach this server; inlet URLs start with it.
    pub public_url: String,
    /// What destinations may be reached.
    pub egress: delivery::Egress,
    /// Accepts records.
    pub ingest: Arc<ingest::Ingest>,
    /// Sends exports.
    pub delivery: Arc<delivery::Delivery>,
    /// What each sandbox can connect to; kept between requests.
    pub catalogs: Arc<authoring::Catalogs>,
    /// Runs profiles through a flow to an authored destination and tells what was sent and answered.
    pub instance_test: Arc<InstanceTest>,
    /// Asks a receiving system for a list that a destination names.
    pub live_lists: Arc<LiveLists>,
    /// Copies the state into a new directory while the server runs; blocks. Gives a summary, or
    /// why not.
    pub backup: Arc<BackupJob>,
    /// Lets people log in at receiving systems.
    pub logins: Arc<dyn crate::routes::Logins>,
    /// Reads profiles for predicates that are tried out.
    pub previews: Arc<dyn crate::routes::Previews>,
    /// Explains memberships, and plans changes of audiences.
    pub insight: Arc<dyn crate::routes::Insight>,
    /// The directory of files that members of external audiences are loaded from.
    pub landing_zone: std::path::PathBuf,
}

/// See [`Parts::backup`].
pub type BackupJob = dyn Fn(&std::path::Path) -> Result<serde_json::Value, String> + Send + Sync;

/// See [`Parts::instance_test`]: given a sandbox, a flow id and profiles in the source schema (sample profiles
/// when there are none), gives `{results, inputProfiles}` (destination-sdk.md §2.12).
pub type InstanceTest = dyn Fn(SandboxId, String, Option<Vec<serde_json::Value>>) -> Answer<Result<serde_json::Value, ApiError>>
    + Send
    + Sync;

/// See [`Parts::live_lists`]: `None` when the list cannot be had now.
pub type LiveLists = dyn Fn(LiveList) -> Answer<Option<Vec<String>>> + Send + Sync;

/// An answer that takes its time.
pub type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A list that the receiving system keeps.
#[derive(Debug, Clone)]
pub enum LiveList {
    /// The values of a customer data field with `dynamicEnum`.
    Values {
        /// The sandbox.
        sandbox: SandboxId,
        /// The destination, by its connection spec.
        connection_spec_id: String,
        /// The account.
        base_connection_id: String,
        /// The field, as a dotted path.
        field: String,
        /// What the customer gave so far; secrets that are kept stand as placeholders.
        customer_data: serde_json::Value,
    },
    /// The target attributes of a destination with `dynamicSchemaConfig`.
    Attributes {
        /// The sandbox.
        sandbox: SandboxId,
        /// The connection whose destination it is.
        target_connection_id: String,
    },
}

/// Handle to the parts; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

impl std::ops::Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// The surface over these parts.
    pub fn new(parts: Parts) -> App {
        App(Arc::new(parts))
    }

    /// The newest documents and plan.
    pub fn current(&self) -> Arc<Current> {
        self.engine.control().current()
    }

    /// Calls a reading service function with the newest documents.
    pub fn read<T, E: Into<ApiError>>(
        &self,
        requester: &Requester,
        f: impl FnOnce(&DocSet, &Caller<'_>) -> Result<T, E>,
    ) -> Result<T, ApiError> {
        let current = self.current();
        f(&current.docs, &requester.caller(self.clock.now(), &access::fresh)).map_err(Into::into)
    }

    /// Calls a deciding service function and makes its changes durable.
    pub async fn change<T, E: Into<ApiError>>(
        &self,
        requester: &Requester,
        decide: impl FnOnce(&DocSet, &Caller<'_>) -> Result<(Vec<DocChange>, T), E>,
    ) -> Result<T, ApiError> {
        let now = self.clock.now();
        let result = self.engine.control().change(|docs| decide(docs, &requester.caller(now, &access::fresh))).await;
        result.map_err(|e| match e {
            ChangeError::Refused(e) => e.into(),
            ChangeError::Failed(e) => ApiError::unavailable(&e),
        })
    }
}
