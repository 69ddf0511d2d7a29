//! The access token of one account: kept until shortly before its end, fetched anew when it was refused.
//!
//! In: the account's grant and what was kept of it. Out: a token with its number, or a failure.
//!
//! Always: one request to the token endpoint at a time; who waited for it shares its result; a fetch that has begun
//! is carried to its end even if nobody waits any more, since it may have used up a refresh token; new refresh tokens
//! are kept by the sink before the access token is used. After a refusal nobody asks for a pause, which grows with each
//! further one and is told as what to wait for; where only a login helps, nobody asks until there is one.

use super::grant::Grant;
use super::set::TokenSet;
use crate::failure::Again;
use crate::{Failure, Line};
use delivery::Secret;
use model::Timestamp;
use parking_lot::Mutex;
use serde_json::{Map, Value as Json};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// The first pause after a refusal, and the longest: a bad secret does not hammer the endpoint, and a mended one is
/// found out soon. The first is shorter than the first wait of any retry policy.
const PAUSE_MS: (i64, i64) = (4_000, 300_000);

/// Takes what has to be kept between starts; the future ends once it is kept.
pub type Sink = Arc<dyn Fn(TokenSet) -> Keeping + Send + Sync>;

/// Under way to be kept.
pub type Keeping = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The tokens of one account. Clones share them.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

/// A token to use now, and which of the fetched ones it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The access token.
    pub token: Secret,
    /// Its number, for telling that it was refused.
    pub number: u64,
}

struct Inner {
    grant: Grant,
    sink: Option<Sink>,
    held: Mutex<Held>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Held {
    set: Option<TokenSet>,
    /// Counts token sets, the kept one included.
    number: u64,
    /// The number of the set that was refused last.
    revoked: u64,
    fetched: u64,
    replaced: u64,
    failures: u64,
    last_failure: Option<Failure>,
    /// Until when the last failure is repeated without asking; for ever is `Timestamp(i64::MAX)`.
    hold_until: Option<Timestamp>,
    /// Refusals in a row.
    refusals: u32,
}

impl Tokens {
    /// The tokens of an account, beginning with what was kept of it.
    pub fn new(grant: Grant, kept: Option<TokenSet>, sink: Option<Sink>) -> Tokens {
        let held = Held { number: u64::from(kept.is_some()), set: kept, ..Held::default() };
        Tokens(Arc::new(Inner { grant, sink, held: Mutex::new(held), turn: tokio::sync::Mutex::new(()) }))
    }

    /// The current token, or a new one if there is none, it is about to expire, or it is the `refused` one.
    ///
    /// # Errors
    /// No token can be had, now or until the account changes.
    pub async fn access(&self, line: &Line, refused: Option<u64>) -> Result<Access, Failure> {
        let (number, failures) = {
            let mut held = self.0.held.lock();
            let now = line.wire.clock().now();
            if let Some(refused) = refused {
                held.revoked = held.revoked.max(refused);
            }
            if let Some(access) = held.usable(now) {
                return Ok(access);
            }
            if let Some(failure) = held.repeated(now) {
                return Err(failure);
            }
            (held.number, held.failures)
        };
        let (inner, line) = (self.0.clone(), line.clone());
        let fetch = tokio::spawn(async move { inner.renew(&line, number, failures).await });
        fetch.await.unwrap_or_else(|_| Err(Failure::settings("token endpoint: the fetch was stopped")))
    }

    /// What templates see as `authData`: the account's fields and the current tokens.
    pub fn auth_data(&self) -> Map<String, Json> {
        self.0.grant.data(self.0.held.lock().set.as_ref())
    }

    /// Tokens that a login gave; they replace all that is held, also what a renewal under way still brings.
    pub async fn replace(&self, set: TokenSet) {
        let _turn = self.0.turn.lock().await;
        self.0.hand_over(set.clone()).await;
        let mut held = self.0.held.lock();
        held.take(set);
        held.replaced += 1;
    }

    /// How many times a login replaced the tokens.
    pub fn replaced(&self) -> u64 {
        self.0.held.lock().replaced
    }

    /// The account's grant.
    pub fn grant(&self) -> &Grant {
        &self.0.grant
    }

    /// How many tokens were fetched.
    pub fn fetched(&self) -> u64 {
        self.0.held.lock().fetched
    }
}

impl Inner {
    async fn renew(&self, line: &Line, number: u64, failures: u64) -> Result<Access, Failure> {
        let _turn = self.turn.lock().await;
        let set = {
            let held = self.held.lock();
            // Another one fetched while this one waited; even a token of no lifetime serves both.
            if held.number > number && held.revoked < held.number {
                return held.access().ok_or_else(|| Failure::settings("there is no token"));
            }
            if held.failures != failures
                && let Some(failure) = &held.last_failure
            {
                return Err(failure.clone());
            }
            held.set.clone()
        };
        let fetched = self.grant.fetch(line, set.as_ref()).await;
        match fetched {
            Ok(new) => {
                if self.is_worth_keeping(set.as_ref(), &new) {
                    self.hand_over(new.clone()).await;
                }
                let mut held = self.held.lock();
                held.fetched += 1;
                held.take(new);
                held.access().ok_or_else(|| Failure::settings("there is no token"))
            }
            Err(failure) => Err(self.held.lock().fail(failure, line.wire.clock().now())),
        }
    }

    /// A token that cannot be had again without a person or without its refresh token is kept.
    fn is_worth_keeping(&self, old: Option<&TokenSet>, new: &TokenSet) -> bool {
        let refresh_changed =
            new.refresh_token.is_some() && new.refresh_token != old.and_then(|o| o.refresh_token.clone());
        refresh_changed || self.grant.needs_login()
    }

    async fn hand_over(&self, set: TokenSet) {
        if let Some(sink) = &self.sink {
            sink(set).await;
        }
    }
}

impl Held {
    fn access(&self) -> Option<Access> {
        Some(Access { token: self.set.as_ref()?.access_token.clone(), number: self.number })
    }

    fn usable(&self, now: Timestamp) -> Option<Access> {
        let set = self.set.as_ref()?;
        if set.is_usable(now) && self.revoked < self.number { self.access() } else { None }
    }

    fn repeated(&self, now: Timestamp) -> Option<Failure> {
        let until = self.hold_until.filter(|until| now < *until)?;
        let failure = self.last_failure.clone()?;
        let left = (until.0 != i64::MAX).then(|| until.0.saturating_sub(now.0));
        Some(Failure { retry_after_ms: left.or(failure.retry_after_ms), ..failure })
    }

    fn take(&mut self, set: TokenSet) {
        self.set = Some(set);
        self.number += 1;
        self.last_failure = None;
        self.hold_until = None;
        self.refusals = 0;
    }

    /// Notes a failure, and gives it with the pause that follows it.
    fn fail(&mut self, failure: Failure, now: Timestamp) -> Failure {
        self.failures += 1;
        let (first, longest) = PAUSE_MS;
        let (hold_until, retry_after_ms) = match failure.again {
            Again::AtOnce => (None, failure.retry_after_ms),
            Again::AfterLogin => (Some(Timestamp(i64::MAX)), None),
            Again::Later => {
                let pause = (first << self.refusals.min(10)).min(longest).max(failure.retry_after_ms.unwrap_or(0));
                self.refusals = self.refusals.saturating_add(1);
                (Some(Timestamp(now.0.saturating_add(pause))), Some(pause))
            }
        };
        let failure = Failure { retry_after_ms, ..failure };
        (self.hold_until, self.last_failure) = (hold_until, Some(failure.clone()));
        failure
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("held", &self.0.held.lock().set).finish_non_exhaustive()
    }
}
