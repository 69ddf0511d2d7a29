//! Logins of people at a receiving system (authorization code grant), from the login page to tokens.
//!
//! In: a grant and where the answer has to come to, later the state and the code that came. Out: the login page's
//! address, later tokens. Always: a state is random, good once and for a limited time; the table of open logins is
//! bounded, the oldest goes first.

use crate::{Failure, Grant, Line, TokenSet};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Timestamp;
use parking_lot::Mutex;
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::BTreeMap;
use url::Url;

/// How long a person may take to log in.
pub const LOGIN_MS_MAX: i64 = 10 * 60_000;
/// Logins that can be open at the same time.
pub const LOGINS_MAX: usize = 1_000;

/// Logins under way. `K` says whose they are.
#[derive(Debug)]
pub struct Logins<K> {
    pending: Mutex<PendingLogins<Login<K>>>,
}

#[derive(Debug)]
struct Login<K> {
    of: K,
    grant: Grant,
    redirect_uri: String,
}

impl<K> Default for Logins<K> {
    fn default() -> Logins<K> {
        Logins { pending: Mutex::default() }
    }
}

impl<K> Logins<K> {
    /// Where a person logs in for this account.
    ///
    /// # Errors
    /// The grant has no login, or its addresses are missing.
    pub fn start(&self, now: Timestamp, of: K, grant: Grant, redirect_uri: &str) -> Result<Url, Failure> {
        if !grant.needs_login() {
            return Err(Failure::settings("the grant of this destination needs no login"));
        }
        let state = new_state().map_err(Failure::settings)?;
        let page = grant.authorization_url(&state, redirect_uri)?;
        self.pending.lock().begin(now, state, Login { of, grant, redirect_uri: redirect_uri.to_owned() });
        Ok(page)
    }

    /// Tokens for the code that came back with a state, and whose they are.
    ///
    /// # Errors
    /// The state is unknown, was used or is too old; or the token endpoint does not give tokens.
    pub async fn finish(&self, line: &Line, state: &str, code: &str) -> Result<(K, TokenSet), Failure> {
        let found = self.pending.lock().finish(line.wire.clock().now(), state);
        let login = found.ok_or_else(|| {
            Failure::settings(
                "this login is unknown, was finished before, or took longer than ten minutes; start it again",
            )
        })?;
        let set = login.grant.exchange(line, code, &login.redirect_uri).await?;
        Ok((login.of, set))
    }

    /// Forgets a login that the person or the receiving system broke off; tells whose it was.
    pub fn break_off(&self, now: Timestamp, state: &str) -> Option<K> {
        self.pending.lock().finish(now, state).map(|login| login.of)
    }
}

/// Logins that were started and not finished, each with what the caller has to remember.
#[derive(Debug)]
pub struct PendingLogins<T> {
    waiting: BTreeMap<String, (Timestamp, T)>,
}

impl<T> Default for PendingLogins<T> {
    fn default() -> PendingLogins<T> {
        PendingLogins { waiting: BTreeMap::new() }
    }
}

impl<T> PendingLogins<T> {
    /// Remembers that `state` stands for `what`.
    pub fn begin(&mut self, now: Timestamp, state: String, what: T) {
        self.waiting.retain(|_, (until, _)| now < *until);
        while self.waiting.len() >= LOGINS_MAX {
            let oldest = self.waiting.iter().min_by_key(|(_, (until, _))| *until).map(|(state, _)| state.clone());
            oldest.and_then(|state| self.waiting.remove(&state));
        }
        self.waiting.insert(state, (Timestamp(now.0.saturating_add(LOGIN_MS_MAX)), what));
    }

    /// What a state stands for; none if it is unknown, was used, or is too old.
    pub fn finish(&mut self, now: Timestamp, state: &str) -> Option<T> {
        let (until, what) = self.waiting.remove(state)?;
        (now < until).then_some(what)
    }

    /// How many logins are open.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether no login is open.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// A state that nobody can guess.
///
/// # Errors
/// The machine gives no randomness.
pub fn new_state() -> Result<String, String> {
    let mut bytes = [0u8; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "the machine gives no randomness".to_owned())?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_good_once_and_for_ten_minutes() {
        let mut logins = PendingLogins::default();
        logins.begin(Timestamp(0), "a".to_owned(), 1);
        logins.begin(Timestamp(0), "b".to_owned(), 2);
        assert_eq!(logins.finish(Timestamp(1), "a"), Some(1));
        assert_eq!(logins.finish(Timestamp(1), "a"), None);
        assert_eq!(logins.finish(Timestamp(LOGIN_MS_MAX), "b"), None);
        assert_eq!(logins.finish(Timestamp(1), "c"), None);
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let mut logins = PendingLogins::default();
        for n in 0..=LOGINS_MAX {
            logins.begin(Timestamp(n as i64), new_state().expect("random"), n);
        }
        assert_eq!(logins.len(), LOGINS_MAX);
        assert!(logins.waiting.values().all(|(_, n)| *n > 0));
    }
}
