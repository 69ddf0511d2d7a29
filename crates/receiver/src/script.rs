//! What a receiver answers: steps in order, then chance, then 200.
//!
//! In: the number of the delivery. Out: an [`Answer`]. The same seed gives the same answers.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Scripted behaviour. Steps go first; after the last, `random` decides, or 200 is answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    /// Answers in order.
    pub steps: Vec<Step>,
    /// Failures by chance.
    pub random: Option<Random>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// The status.
    pub status: u16,
    /// `Retry-After`: seconds (a number or text) or a date.
    #[serde(deserialize_with = "text_or_number")]
    pub retry_after: Option<String>,
    /// More headers.
    pub headers: BTreeMap<String, String>,
    /// The body; `{}` if absent.
    pub body: Option<String>,
    /// Waits this long before answering.
    pub stall_ms: u64,
    /// Closes the connection without an answer.
    pub reset: bool,
    /// For how many deliveries; 0 means for all that follow.
    pub repeat: u64,
}

fn text_or_number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    let given = Option::<Either>::deserialize(from)?;
    Ok(given.map(|either| match either {
        Either::Number(n) => n.to_string(),
        Either::Text(text) => text,
    }))
}

impl Default for Step {
    fn default() -> Step {
        Step {
            status: 200,
            retry_after: None,
            headers: BTreeMap::new(),
            body: None,
            stall_ms: 0,
            reset: false,
            repeat: 1,
        }
    }
}

impl Step {
    /// Answers this status once.
    pub fn status(status: u16) -> Step {
        Step { status, ..Step::default() }
    }
}

/// Failures by chance: 500, 429 with `Retry-After`, a stall, a closed connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Random {
    /// Where chance starts.
    pub seed: u64,
    /// How many of the deliveries fail, 0 to 1.
    pub fail_ratio: f64,
    /// How long a stall takes.
    pub stall_ms: u64,
    /// What a 429 asks for, in seconds.
    pub retry_after: u64,
}

impl Default for Random {
    fn default() -> Random {
        Random { seed: 1, fail_ratio: 0.2, stall_ms: 3_000, retry_after: 1 }
    }
}

impl std::str::FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Script, String> {
        let script: Script = serde_json::from_str(text).map_err(|e| e.to_string())?;
        for (index, step) in script.steps.iter().enumerate() {
            step.check().map_err(|reason| format!("steps[{index}].{reason}"))?;
        }
        match &script.random {
            Some(random) if !(0.0..=1.0).contains(&random.fail_ratio) => {
                Err(format!("random.fail_ratio: must be from 0 to 1, not {}", random.fail_ratio))
            }
            _ => Ok(script),
        }
    }
}

impl Step {
    fn check(&self) -> Result<(), String> {
        use axum::http::{HeaderName, HeaderValue, StatusCode};
        if StatusCode::from_u16(self.status).is_err() || self.status < 200 {
            return Err(format!("status: must be from 200 to 999, not {}", self.status));
        }
        for (name, value) in &self.headers {
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("headers: `{name}` is not a legal name"))?;
            HeaderValue::from_str(value).map_err(|_| format!("headers.{name}: not a legal value"))?;
        }
        match &self.retry_after {
            Some(text) if HeaderValue::from_str(text).is_err() => Err("retry_after: not a legal value".to_owned()),
            _ => Ok(()),
        }
    }
}

/// A script in use.
#[derive(Debug, Default)]
pub(crate) struct Player {
    script: Script,
    step: usize,
    repeated: u64,
    drawn: u64,
}

impl Player {
    pub(crate) fn new(script: Script) -> Player {
        Player { script, ..Player::default() }
    }

    /// What to answer to the next delivery.
    pub(crate) fn next(&mut self) -> Step {
        if let Some(step) = self.script.steps.get(self.step) {
            self.repeated += 1;
            if step.repeat != 0 && self.repeated >= step.repeat {
                self.step += 1;
                self.repeated = 0;
            }
            return step.clone();
        }
        match &self.script.random {
            None => Step::default(),
            Some(random) => {
                self.drawn += 1;
                random.draw(self.drawn)
            }
        }
    }
}

impl Random {
    fn draw(&self, n: u64) -> Step {
        let chance = mix(self.seed ^ mix(n));
        if (chance >> 11) as f64 / (1u64 << 53) as f64 >= self.fail_ratio {
            return Step::default();
        }
        match mix(chance) % 4 {
            0 => Step::status(500),
            1 => Step { status: 429, retry_after: Some(self.retry_after.to_string()), ..Step::default() },
            2 => Step { status: 503, stall_ms: self.stall_ms, ..Step::default() },
            _ => Step { reset: true, ..Step::default() },
        }
    }
}

/// The finalizer of SplitMix64.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_repeat_in_order_and_then_all_is_well() {
        let script = r#"{"steps":[{"status":500,"repeat":2,"retry_after":7},{"reset":true}]}"#;
        let mut player = Player::new(script.parse().expect("valid"));
        assert_eq!((player.next().status, player.next().status), (500, 500));
        assert!(player.next().reset);
        assert_eq!(player.next(), Step::default());
    }

    #[test]
    fn chance_keeps_its_ratio_and_its_seed() {
        let random = Random { fail_ratio: 0.4, ..Random::default() };
        let draw = || (0..2000).map(|n| random.draw(n)).collect::<Vec<Step>>();
        let failed = draw().iter().filter(|s| **s != Step::default()).count();
        assert!((700..900).contains(&failed), "{failed}");
        assert_eq!(draw(), draw());
    }

    #[test]
    fn a_faulty_script_is_refused_with_the_place() {
        let error = |text: &str| text.parse::<Script>().expect_err("faulty");
        assert!(error(r#"{"steps":[{},{"status":42}]}"#).starts_with("steps[1].status"));
        assert!(error(r#"{"random":{"fail_ratio":2}}"#).starts_with("random.fail_ratio"));
        assert!(error(r#"{"step":[]}"#).contains("unknown field"));
    }
}
