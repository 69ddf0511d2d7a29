//! Queries taken apart, so that an event costs what it changes and not what is stored.
//!
//! In: a compiled query. Out: its Boolean rule over *atoms*. An atom that reads events reads them through
//! *series*: the samples of those events that satisfy a condition on the event alone, in order of time.
//! A series takes an event once; windows, counts, sums and sequences are then found by searching its
//! times, however many events it holds. The atoms that read a series are asked together, as its *readers*.
//!
//! Always: an atom gives the same answer as the query it was taken from gives over all events, to the
//! bit. What can not be had from series (events joined with events, or with attributes) is an atom that
//! reads whole histories: [`AtomKind::Whole`].

mod atom;
mod local;
mod pair;
mod readers;
mod series;
mod split;
mod suffixes;
mod sum;
mod windows;

pub use atom::{Atom, AtomKind, Lookup};
pub use pair::Pair;
pub use readers::{PairReader, Readers};
pub use series::{Keep, Matcher, Series, SeriesSpec};
pub(crate) use split::split;
pub use split::{Rule, Split};
