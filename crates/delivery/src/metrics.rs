//! What delivery counts, per flow.

use model::{FlowNo, Timestamp};

/// The state and the counters of one flow since start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FlowMetrics {
    /// The flow.
    pub flow: FlowNo,
    /// Attempts running now.
    pub in_flight: usize,
    /// Exports known and not finished, the running ones included. More may wait in the outbox.
    pub queued: usize,
    /// Of these, profiles that wait for their next attempt.
    pub backing_off: usize,
    /// Requests that may run at the same time at present.
    pub concurrency: usize,
    /// Whether attempts are held back because the destination does not answer.
    pub circuit_open: bool,
    /// Attempts ended.
    pub attempts: u64,
    /// Exports delivered.
    pub delivered: u64,
    /// Identities in delivered exports.
    pub identities: u64,
    /// Exports given up.
    pub dead: u64,
    /// Failed attempts by class.
    pub failures: Failures,
    /// The newest of them: when, and why.
    pub last_failure: Option<(Timestamp, String)>,
    /// Access tokens fetched.
    pub tokens_fetched: u64,
    /// From `created` to delivered, milliseconds of the clock.
    pub latency_ms: Histogram,
    /// Duration of attempts, microseconds of real time.
    pub attempt_us: Histogram,
}

/// Failed attempts by class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failures {
    /// 4xx other than 429.
    pub client: u64,
    /// 429.
    pub throttled: u64,
    /// 5xx.
    pub server: u64,
    /// 3xx, and statuses without meaning here.
    pub redirect: u64,
    /// No answer in time.
    pub timeout: u64,
    /// Not reached, or the connection broke.
    pub transport: u64,
    /// No access token.
    pub token: u64,
    /// Egress refused, or a destination that no request can be made from.
    pub configuration: u64,
}

/// What kind of failure an attempt was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Client,
    Throttled,
    Server,
    Redirect,
    Timeout,
    Transport,
    Token,
    Configuration,
}

impl Failures {
    pub(crate) fn add(&mut self, class: Class) {
        *match class {
            Class::Client => &mut self.client,
            Class::Throttled => &mut self.throttled,
            Class::Server => &mut self.server,
            Class::Redirect => &mut self.redirect,
            Class::Timeout => &mut self.timeout,
            Class::Transport => &mut self.transport,
            Class::Token => &mut self.token,
            Class::Configuration => &mut self.configuration,
        } += 1;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.client
            + self.throttled
            + self.server
            + self.redirect
            + self.timeout
            + self.transport
            + self.token
            + self.configuration
    }
}

/// Counts in buckets that grow by a factor of 2^¼, so that a quantile is right within 19 %.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    sum: u64,
}

/// Buckets per doubling.
const STEPS: f64 = 4.0;

impl Histogram {
    /// Counts a value.
    pub fn add(&mut self, value: u64) {
        let bucket = if value <= 1 { 0 } else { ((value as f64).log2() * STEPS).ceil() as usize };
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// How many values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The upper bound of the bucket that holds the `q`-quantile (0 to 1); none without values.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let rank = ((self.count as f64 * q).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        self.counts.iter().enumerate().find_map(|(bucket, n)| {
            seen += n;
            (seen >= rank).then(|| upper(bucket))
        })
    }

    /// How many values are at most `bound`, as far as the buckets can tell.
    pub fn at_most(&self, bound: u64) -> u64 {
        self.counts.iter().enumerate().take_while(|(bucket, _)| upper(*bucket) <= bound).map(|(_, n)| n).sum()
    }
}

fn upper(bucket: usize) -> u64 {
    (bucket as f64 / STEPS).exp2().floor() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_a_bucket() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        (1..=1000).for_each(|v| histogram.add(v));
        let median = histogram.quantile(0.5).expect("values");
        assert!((500..=600).contains(&median), "{median}");
        assert!(histogram.quantile(1.0).expect("values") >= 1000);
        assert_eq!((histogram.count(), histogram.sum()), (1000, 500_500));
        assert_eq!(histogram.at_most(1024), 1000);
        assert_eq!(histogram.at_most(256), 256);
    }
}
