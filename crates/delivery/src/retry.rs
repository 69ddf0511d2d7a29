//! When a failed attempt is made again.
//!
//! In: the policy, how many attempts were made, the export's id, and what the destination asked
//! for. Out: how long to wait, or that it is over. Pure.

use model::Timestamp;
use std::time::UNIX_EPOCH;

/// The longest wait that a destination can ask for.
pub const RETRY_AFTER_MAX_MS: i64 = model::time::DAY_MS;

/// How often and when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RetryPolicy {
    /// 8 attempts over 24 hours, five times the wait after each.
    #[default]
    Default,
    /// The documented three attempts (activation.md §3.7): at once, after 10 s, after 60 s.
    Aep,
    /// What the original documents for best-effort aggregation: again after 15 s and after 30 s more
    /// (destination-sdk.md §7.1).
    AepBestEffort,
    /// And for configurable aggregation: again every 30 minutes, for 24 hours (its end is not documented).
    AepConfigurable,
}

/// Between two attempts of [`RetryPolicy::AepConfigurable`].
const HALF_HOUR_MS: i64 = 30 * 60_000;

/// First wait of the default policy: 4,424 ms times 1 + 5 + … + 5⁶ is 24 hours.
const FIRST_WAIT_MS: i64 = 4_424;

impl RetryPolicy {
    /// How many attempts are made at most.
    pub fn attempts_max(self) -> u32 {
        match self {
            RetryPolicy::Default => 8,
            RetryPolicy::Aep | RetryPolicy::AepBestEffort => 3,
            RetryPolicy::AepConfigurable => 49,
        }
    }

    /// The wait after `attempts` failed ones, before jitter; none if that was the last.
    pub fn wait_ms(self, attempts: u32) -> Option<i64> {
        if attempts == 0 || attempts >= self.attempts_max() {
            return None;
        }
        Some(match self {
            RetryPolicy::Default => FIRST_WAIT_MS * 5i64.pow(attempts - 1),
            RetryPolicy::Aep if attempts == 1 => 10_000,
            RetryPolicy::Aep => 60_000,
            RetryPolicy::AepBestEffort if attempts == 1 => 15_000,
            RetryPolicy::AepBestEffort => 30_000,
            RetryPolicy::AepConfigurable => HALF_HOUR_MS,
        })
    }

    /// The wait, or what the destination asked for if that is longer. Our own has jitter (up to 10 % more, drawn
    /// from the export's id so that a test can tell); the documented ones are kept to the letter.
    pub fn next_wait_ms(self, attempts: u32, id: &[u8; 16], retry_after_ms: Option<i64>) -> Option<i64> {
        let wait = self.wait_ms(attempts)?;
        let wait = match self {
            RetryPolicy::Default => wait + jitter(wait / 10, attempts, id),
            RetryPolicy::Aep | RetryPolicy::AepBestEffort | RetryPolicy::AepConfigurable => wait,
        };
        Some(wait.max(retry_after_ms.unwrap_or(0).min(RETRY_AFTER_MAX_MS)))
    }
}

/// A number in `0..=span`, even over ids and attempts.
fn jitter(span: i64, attempts: u32, id: &[u8; 16]) -> i64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in id.iter().chain(&attempts.to_be_bytes()) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    ((u128::from(hash ^ (hash >> 29)) * (span as u128 + 1)) >> 64) as i64
}

/// Reads `Retry-After`: seconds, or an HTTP date in any of its three forms (RFC 9110, section 5.6.7). What cannot be
/// read counts as absent.
pub(crate) fn retry_after_ms(text: &str, now: Timestamp) -> Option<i64> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let seconds = text.parse::<i64>().unwrap_or(i64::MAX);
        return Some(seconds.saturating_mul(1000).min(RETRY_AFTER_MAX_MS));
    }
    let date = http_date(text)?;
    Some(date.saturating_sub(now.0).clamp(0, RETRY_AFTER_MAX_MS))
}

/// Milliseconds since 1970. Zones by their offset, as in mail, are read too.
fn http_date(text: &str) -> Option<i64> {
    match httpdate::parse_http_date(text) {
        Ok(date) => i64::try_from(date.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok(),
        Err(_) => Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_takes_a_day_and_each_wait_is_five_times_the_last() {
        let waits: Vec<i64> = (1..8).filter_map(|n| RetryPolicy::Default.wait_ms(n)).collect();
        assert_eq!(waits.len(), 7);
        assert!((waits.iter().sum::<i64>() - 86_400_000).abs() < 10_000);
        assert_eq!(RetryPolicy::Default.wait_ms(8), None);
    }

    #[test]
    fn jitter_adds_up_to_a_tenth_and_differs_between_exports() {
        let wait = |n| RetryPolicy::Default.next_wait_ms(2, &[n; 16], None);
        let waits: Vec<i64> = (0..=255u8).filter_map(wait).collect();
        assert!(waits.iter().all(|w| (22_120..=24_332).contains(w)));
        assert!(waits.iter().any(|w| *w < 22_500) && waits.iter().any(|w| *w > 24_000));
    }

    #[test]
    fn documented_waits_are_kept_to_the_letter() {
        for (policy, waits) in [
            (RetryPolicy::Aep, &[10_000, 60_000][..]),
            (RetryPolicy::AepBestEffort, &[15_000, 30_000]),
            (RetryPolicy::AepConfigurable, &[1_800_000; 48]),
        ] {
            for id in [[0; 16], [7; 16], [255; 16]] {
                let given: Vec<i64> = (1..99).filter_map(|n| policy.next_wait_ms(n, &id, None)).collect();
                assert_eq!(given, waits, "{policy:?}");
            }
        }
        assert_eq!(RetryPolicy::Aep.next_wait_ms(2, &[1; 16], Some(90_000)), Some(90_000));
        assert_eq!(RetryPolicy::Aep.next_wait_ms(3, &[1; 16], Some(90_000)), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_in_any_form() {
        let now = Timestamp::parse("2026-03-18T10:00:00Z").expect("valid");
        assert_eq!(retry_after_ms("120", now), Some(120_000));
        assert_eq!(retry_after_ms(" 99999999999999999999 ", now), Some(RETRY_AFTER_MAX_MS));
        assert_eq!(retry_after_ms("Wed, 18 Mar 2026 10:00:30 GMT", now), Some(30_000));
        assert_eq!(retry_after_ms("Wed, 18 Mar 2026 09:00:00 GMT", now), Some(0));
        assert_eq!(retry_after_ms("Wednesday, 18-Mar-26 10:00:30 GMT", now), Some(30_000));
        assert_eq!(retry_after_ms("Wed Mar 18 10:00:30 2026", now), Some(30_000));
        assert_eq!(retry_after_ms("Sun Nov  6 08:49:37 1994", now), Some(0));
        assert_eq!(retry_after_ms("Wed, 18 Mar 2026 11:00:30 +0100", now), Some(30_000));
        assert_eq!(retry_after_ms("Wed, 32 Mar 2026 10:00:30 GMT", now), None);
        assert_eq!(retry_after_ms("soon", now), None);
        assert_eq!(retry_after_ms("", now), None);
    }
}
