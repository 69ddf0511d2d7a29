//! The HTTP surface: parse, authorise, call, print. No domain rules.
//!
//! One module per service under `routes/`; each gives a `Router<App>` for its base path.
//! Types of the wire live here; services below speak JSON documents and their own errors.

pub mod app;
mod error;
mod gateway;
mod routes;

pub use app::{Answer, App, InstanceTest, LiveList, LiveLists, Parts};
pub use error::ApiError;
pub use routes::{
    CALLBACK_PATH, Insight, LoginRefusal, Logins, PlanRequest, Preview, PreviewIds, PreviewState, Previews, router,
};
