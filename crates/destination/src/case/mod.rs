//! Golden cases of a destination: given profiles (or an audience), expect these requests.
//!
//! In: the text of a case file, a destination ready to be tried ([`Subject`]). Out: a [`Run`] with the requests that
//! would leave, what became of each profile, and the differences from what the case expects. Also [`generate`]: cases
//! that nobody has to write, [`check`]: rules that hold for the requests of any case, [`coverage`]: what the written
//! cases do not try, [`accept`]: the text of a case file with its expectation replaced.
//!
//! Always: pure; equal input gives equal output; nothing is sent, answers come from the case.

mod accept;
mod audience;
mod check;
mod coverage;
mod diff;
mod expect;
mod file;
mod generate;
mod mapping;
mod messages;
mod run;

pub use accept::accept;
pub use check::check;
pub use coverage::coverage;
pub use diff::diff;
pub use expect::{like, page};
pub use file::{
    AudienceRow, Case, ExpectedOutcome, ExpectedRequest, GivenAnswer, Instant, MappingRow, Rows, Unreadable,
};
pub use generate::generate;
pub use run::{Exchange, Mismatch, ProfileOutcome, Run, Subject, run};

#[cfg(test)]
mod tests;
