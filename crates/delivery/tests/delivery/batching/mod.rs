//! Flows whose changes travel together, against a receiver that answers in every way.

mod chance;
mod endpoint;
mod world;

mod ages;
mod properties;
mod replies;
mod schedule;
