//! Transitions, chains, timers, opt-outs (profile.md §10.4, §10.5; design §4.4, §11.4).

use audience::{Audience, Audiences, Changed, EXITED_KEPT_MS, Evaluation, evaluate};
use model::time::DAY_MS;
use model::{AudienceNo, Membership, SmolStr, Status, Timestamp, Value};
use pql::EventView;
use profile::Profile;
use proptest::prelude::*;
use std::sync::Arc;

const NOW: Timestamp = Timestamp(1_770_000_000_000);
const IN: Status = Status::Realized;
const OUT: Status = Status::Exited;
const ALL: Changed = Changed { events: false, attributes: false, all: true };
const ATTRIBUTES: Changed = Changed { events: false, attributes: true, all: false };
const EVENTS: Changed = Changed { events: true, attributes: false, all: false };
const NONE: Changed = Changed { events: false, attributes: false, all: false };

fn audiences(rules: &[&str]) -> Audiences {
    custom(rules, |_| {})
}

/// Numbered from 1, named a1, a2 …
fn custom(rules: &[&str], change: impl Fn(&mut Audience)) -> Audiences {
    let made = (1u32..).zip(rules).map(|(no, rule)| {
        let mut audience = Audience {
            no: AudienceNo(no),
            id: SmolStr::new(format!("a{no}")),
            name: "".into(),
            query: pql::compile_segment(rule, &pql::Schema::untyped()).expect("a query"),
            changed_n: 1,
            policy: 0,
            exclude_opt_out: false,
            created: NOW,
            updated: NOW,
        };
        change(&mut audience);
        Arc::new(audience)
    });
    Audiences::new(made.collect())
}

fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes()).expect("JSON")
}

fn event(at: i64) -> EventView {
    EventView { timestamp: Timestamp(at), id: SmolStr::new(format!("e{at}")), body: json(r#"{"eventType":"buy"}"#) }
}

fn look(
    all: &Audiences,
    profile: &mut Profile,
    body: &str,
    events: &[EventView],
    changed: Changed,
    now: i64,
) -> Evaluation {
    evaluate(all, profile, &[json(body)], events, changed, 1, Timestamp(now))
}

fn flips(found: &Evaluation) -> Vec<(u32, Status)> {
    found.flips.iter().map(|f| (f.audience.0, f.status)).collect()
}

#[test]
fn the_table_of_transitions() {
    let all = audiences(&["x = 1"]);
    let then = NOW.0 - DAY_MS;
    for (prior, holds, stored, emitted) in [
        (None, true, Some((IN, NOW.0)), vec![(1, IN)]),
        (Some((OUT, then)), true, Some((IN, NOW.0)), vec![(1, IN)]),
        (Some((IN, then)), true, Some((IN, then)), vec![]),
        (Some((IN, then)), false, Some((OUT, NOW.0)), vec![(1, OUT)]),
        (Some((OUT, then)), false, Some((OUT, then)), vec![]),
        (None, false, None, vec![]),
    ] {
        let mut profile = Profile::default();
        if let Some((status, since)) = prior {
            profile.set_membership(AudienceNo(1), Membership { status, since: Timestamp(since) });
        }
        let body = if holds { r#"{"x":1}"# } else { "{}" };
        let found = look(&all, &mut profile, body, &[], ATTRIBUTES, NOW.0);
        assert_eq!(flips(&found), emitted, "{prior:?} {holds}");
        let seen = profile.membership(AudienceNo(1)).map(|m| (m.status, m.since.0));
        assert_eq!(seen, stored, "{prior:?} {holds}");
    }
}

#[test]
fn a_chain_settles_in_one_pass_both_ways() {
    let all =
        audiences(&["x = 1", r#"inSegment("a1")"#, r#"inSegment("a2") and inSegment("a1")"#, r#"not inSegment("a3")"#]);
    let mut profile = Profile::default();
    assert_eq!(flips(&look(&all, &mut profile, "{}", &[], ALL, NOW.0)), [(4, IN)]);
    let found = look(&all, &mut profile, r#"{"x":1}"#, &[], ATTRIBUTES, NOW.0 + 1);
    assert_eq!(flips(&found), [(1, IN), (2, IN), (3, IN), (4, OUT)]);
    let found = look(&all, &mut profile, "{}", &[], ATTRIBUTES, NOW.0 + 2);
    assert_eq!(flips(&found), [(1, OUT), (2, OUT), (3, OUT), (4, IN)]);
}

#[test]
fn an_exit_is_kept_for_30_days_and_its_timer_takes_it_away() {
    let all = audiences(&["x = 1"]);
    let mut profile = Profile::default();
    look(&all, &mut profile, r#"{"x":1}"#, &[], ATTRIBUTES, NOW.0);
    let found = look(&all, &mut profile, "{}", &[], ATTRIBUTES, NOW.0 + 5);
    let due = NOW.0 + 5 + EXITED_KEPT_MS;
    assert_eq!(found.due, Some(Timestamp(due)));
    assert_eq!(EXITED_KEPT_MS, 30 * DAY_MS);
    let found = look(&all, &mut profile, "{}", &[], NONE, due - 1);
    assert!(profile.membership(AudienceNo(1)).is_some(), "kept one millisecond before");
    assert_eq!(found.due, Some(Timestamp(due)));
    let found = look(&all, &mut profile, "{}", &[], NONE, due);
    assert_eq!((flips(&found), found.due), (vec![], None), "gone without a word");
    assert_eq!(profile.membership(AudienceNo(1)), None);
}

#[test]
fn a_membership_of_a_deleted_audience_goes_without_an_exit() {
    let mut profile = Profile::default();
    look(&audiences(&["x = 1", "x = 1"]), &mut profile, r#"{"x":1}"#, &[], ATTRIBUTES, NOW.0);
    let found = look(&audiences(&["x = 1"]), &mut profile, r#"{"x":1}"#, &[], ATTRIBUTES, NOW.0);
    assert_eq!((flips(&found), profile.realized()), (vec![], vec![AudienceNo(1)]));
}

const OPT_OUT: &str =
    r#"{"x":1,"optOutConsentLevel":{"privacyOptOuts":[{"optOutType":"general_opt_out","optOutValue":"out"}]}}"#;
const OTHER_OPT_OUT: &str = r#"{"x":1,"optOutConsentLevel":{"privacyOptOuts":[{"optOutType":"sales_opt_out","optOutValue":"out"},{"optOutType":"general_opt_out","optOutValue":"in"}]}}"#;

#[test]
fn a_general_opt_out_leaves_the_audiences_that_exclude_it() {
    let all = custom(&["x = 1", "x = 1"], |a| a.exclude_opt_out = a.no.0 == 2);
    let mut profile = Profile::default();
    assert_eq!(flips(&look(&all, &mut profile, OTHER_OPT_OUT, &[], ATTRIBUTES, NOW.0)), [(1, IN), (2, IN)]);
    assert_eq!(flips(&look(&all, &mut profile, OPT_OUT, &[], ATTRIBUTES, NOW.0)), [(2, OUT)]);
    assert_eq!(flips(&look(&all, &mut profile, OTHER_OPT_OUT, &[], ATTRIBUTES, NOW.0)), [(2, IN)]);
    // One that reads events alone is left as well.
    let all = custom(&[r#"xEvent[eventType = "buy"].count() > 0"#], |a| a.exclude_opt_out = true);
    let mut profile = Profile::default();
    assert_eq!(flips(&look(&all, &mut profile, "{}", &[event(1)], EVENTS, NOW.0)), [(1, IN)]);
    assert_eq!(flips(&look(&all, &mut profile, OPT_OUT, &[event(1)], ATTRIBUTES, NOW.0)), [(1, OUT)]);
}

#[test]
fn a_rule_is_looked_at_when_it_is_newer_than_the_last_look() {
    let all = custom(&["x = 1"], |a| a.changed_n = 9);
    for (previous_n, expected) in [(8, vec![(1, IN)]), (9, vec![])] {
        let mut profile = Profile::default();
        let found = evaluate(&all, &mut profile, &[json(r#"{"x":1}"#)], &[], NONE, previous_n, NOW);
        assert_eq!(flips(&found), expected, "last look at {previous_n}");
    }
}

#[test]
fn each_audience_sees_the_attributes_of_its_own_policy() {
    let all = custom(&["x = 1", "x = 2", "x = 2"], |a| a.policy = a.no.0 as usize - 1);
    let mut profile = Profile::default();
    let views = [json(r#"{"x":1}"#), json(r#"{"x":2}"#)];
    let found = evaluate(&all, &mut profile, &views, &[], ALL, 1, NOW);
    assert_eq!(flips(&found), [(1, IN), (2, IN)], "one of a policy that is gone stays what it is");
}

const RECENT: &str = r#"xEvent[eventType = "buy" and timestamp occurs <= 3 days before now].count() > 0"#;

proptest! {
    /// Time alone: at `due` something moves or the timer is set anew; before it nothing does.
    #[test]
    fn nothing_moves_before_the_timer(mut times in prop::collection::vec(-5 * DAY_MS..5 * DAY_MS, 1..5), jump in 0i64..6 * DAY_MS) {
        times.sort_unstable();
        let events: Vec<EventView> = times.iter().map(|t| event(NOW.0 + t)).collect();
        let all = audiences(&[RECENT, r#"not inSegment("a1")"#]);
        let mut profile = Profile::default();
        let found = look(&all, &mut profile, "{}", &events, ALL, NOW.0);
        let until = NOW.0 + jump;
        let before = profile.realized();
        let mut due = found.due;
        let mut steps = 0;
        while let Some(at) = due.filter(|at| at.0 <= until) {
            prop_assert!(at.0 > NOW.0);
            // One millisecond before the timer nothing has moved.
            let mut same = profile.clone();
            prop_assert_eq!(flips(&look(&all, &mut same, "{}", &events, NONE, at.0 - 1)), vec![]);
            let next = look(&all, &mut profile, "{}", &events, NONE, at.0);
            prop_assert!(next.due.is_none_or(|n| n > at), "a timer lies ahead");
            due = next.due;
            steps += 1;
            prop_assert!(steps < 50);
        }
        // Following the timers gives what a fresh look gives.
        let mut fresh = Profile::default();
        look(&all, &mut fresh, "{}", &events, ALL, until);
        prop_assert_eq!(profile.realized(), fresh.realized(), "from {:?}", before);
    }

    /// What changed is all that must be looked at: the same as looking at everything.
    #[test]
    fn looking_at_what_changed_is_enough(steps in prop::collection::vec((0u8..3, 0i64..3, 0i64..2 * DAY_MS), 1..12)) {
        let rules = ["x = 1", RECENT, "y = 1 and x != 2", r#"inSegment("a1") or inSegment("a2")"#, r#"inSegment("a4") and y = 1"#];
        let all = audiences(&rules);
        let (mut some, mut every) = (Profile::default(), Profile::default());
        let (mut now, mut x, mut y, mut events) = (NOW.0, 0, 0, Vec::new());
        for (i, (what, value, ms)) in steps.into_iter().enumerate() {
            now += ms;
            let changed = match what {
                0 => { x = value; ATTRIBUTES }
                1 => { y = value; ATTRIBUTES }
                _ => { events.push(event(now)); EVENTS }
            };
            let changed = if i == 0 { ALL } else { changed };
            let body = format!(r#"{{"x":{x},"y":{y}}}"#);
            let a = look(&all, &mut some, &body, &events, changed, now);
            let b = look(&all, &mut every, &body, &events, ALL, now);
            prop_assert_eq!(flips(&a), flips(&b));
            prop_assert_eq!(a.due, b.due);
            prop_assert_eq!(&some.memberships, &every.memberships);
        }
    }
}
