//! Authored destinations on the real server, from the author's first call to what the receiver got.

mod aggregation;
mod audiences;
mod cards;
mod crashes;
mod first_way;
mod hostile;
mod lookups;
mod mapping;
mod outcomes;
mod partner;
mod publishing;
mod scene;
mod secrets;
mod tokens;
mod trial;
