//! Delivery against real HTTP receivers on loopback, driven by a manual clock.

mod world;

mod batching;
mod destinations;
mod hostile;
mod oauth;
mod order;
mod retries;
