//! Transitions, chains, timers, opt-outs (profile.md §10.4, §10.5; design §4.4, §11.4).
//!
//! One profile is taken through changes; each look says what changed, as the engine does, and nothing more.

use audience::{Audience, Audiences, Changed, EXITED_KEPT_MS, Evaluation, Input, Scratch, State, evaluate};
use model::time::DAY_MS;
use model::{AudienceNo, Membership, SmolStr, Status, Timestamp, Value};
use pql::EventView;
use profile::Profile;
use proptest::prelude::*;
use std::sync::Arc;

const NOW: Timestamp = Timestamp(1_770_000_000_000);
const IN: Status = Status::Realized;
const OUT: Status = Status::Exited;

fn audiences(rules: &[&str]) -> Audiences {
    custom(rules, |_| {})
}

/// Numbered from 1, named a1, a2 …
fn custom(rules: &[&str], change: impl Fn(&mut Audience)) -> Audiences {
    Audiences::new((1u32..).zip(rules).map(|(no, rule)| audience(no, rule, &change)).collect())
}

fn audience(no: u32, rule: &str, change: &impl Fn(&mut Audience)) -> Arc<Audience> {
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
}

fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes()).expect("JSON")
}

fn event(at: i64) -> EventView {
    typed_event("buy", at)
}

fn typed_event(kind: &str, at: i64) -> EventView {
    let body = json(&format!(r#"{{"eventType":"{kind}"}}"#));
    EventView { timestamp: Timestamp(at), id: SmolStr::new(format!("{kind}{at}")), body }
}

/// A profile with what is kept beside it.
#[derive(Clone)]
struct Person {
    profile: Profile,
    state: State,
    events: Vec<EventView>,
    /// By merge policy.
    attributes: Vec<Value>,
    /// Nothing was evaluated so far.
    new: bool,
    plan_n: u64,
}

impl Person {
    fn new(all: &Audiences) -> Person {
        Person {
            profile: Profile::default(),
            state: State::new(all),
            events: Vec::new(),
            attributes: vec![json("{}")],
            new: true,
            plan_n: 1,
        }
    }

    fn evaluate(&mut self, all: &Audiences, changed: Changed<'_>, now: i64) -> Evaluation {
        let input = Input {
            attributes: &self.attributes,
            events: &self.events,
            changed: Changed { new: self.new, ..changed },
            previous_n: self.plan_n,
            plan_n: self.plan_n,
            now: Timestamp(now),
        };
        self.new = false;
        evaluate(all, &mut self.profile, &mut self.state, &input, &mut Scratch::default())
    }

    fn write(&mut self, all: &Audiences, body: &str, now: i64) -> Evaluation {
        self.write_all(all, &[body], now)
    }

    fn write_all(&mut self, all: &Audiences, bodies: &[&str], now: i64) -> Evaluation {
        let after = bodies.iter().map(|b| json(b)).collect();
        let before = std::mem::replace(&mut self.attributes, after);
        self.evaluate(all, Changed { attributes: Some(&before), ..Changed::default() }, now)
    }

    fn happen(&mut self, all: &Audiences, event: EventView, now: i64) -> Evaluation {
        let at = self.events.partition_point(|e| (e.timestamp, &e.id) <= (event.timestamp, &event.id));
        self.events.insert(at, event.clone());
        self.evaluate(all, Changed { event: Some(&event), ..Changed::default() }, now)
    }

    fn wait(&mut self, all: &Audiences, now: i64) -> Evaluation {
        self.evaluate(all, Changed::default(), now)
    }

    fn everything(&mut self, all: &Audiences, now: i64) -> Evaluation {
        self.evaluate(all, Changed { all: true, ..Changed::default() }, now)
    }

    /// Takes events in as if they had been there before.
    fn with_events(mut self, all: &Audiences, events: &[EventView], at: i64) -> Person {
        self.events = events.to_vec();
        self.state = State::of(all, &self.events, Timestamp(at));
        self
    }

    fn with_membership(mut self, no: u32, status: Status, since: i64) -> Person {
        self.profile.set_membership(AudienceNo(no), Membership { status, since: Timestamp(since) });
        self.new = false;
        self
    }
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
        let mut person = Person::new(&all);
        if let Some((status, since)) = prior {
            person = person.with_membership(1, status, since);
        }
        let (before, after) = if holds { ("{}", r#"{"x":1}"#) } else { (r#"{"x":1}"#, "{}") };
        person.attributes = vec![json(before)];
        let found = person.write(&all, after, NOW.0);
        assert_eq!(flips(&found), emitted, "{prior:?} {holds}");
        let seen = person.profile.membership(AudienceNo(1)).map(|m| (m.status, m.since.0));
        assert_eq!(seen, stored, "{prior:?} {holds}");
    }
}

#[test]
fn a_chain_settles_in_one_pass_both_ways() {
    let all =
        audiences(&["x = 1", r#"inSegment("a1")"#, r#"inSegment("a2") and inSegment("a1")"#, r#"not inSegment("a3")"#]);
    let mut person = Person::new(&all);
    assert_eq!(flips(&person.everything(&all, NOW.0)), [(4, IN)]);
    let found = person.write(&all, r#"{"x":1}"#, NOW.0 + 1);
    assert_eq!(flips(&found), [(1, IN), (2, IN), (3, IN), (4, OUT)]);
    let found = person.write(&all, "{}", NOW.0 + 2);
    assert_eq!(flips(&found), [(1, OUT), (2, OUT), (3, OUT), (4, IN)]);
    // A new profile that nothing is known of is a member of those that ask for no membership.
    assert_eq!(flips(&Person::new(&all).wait(&all, NOW.0)), [(4, IN)]);
}

#[test]
fn memberships_cascade_from_events_and_from_time() {
    let all = audiences(&[
        RECENT,
        r#"inSegment("a1") and x = 1"#,
        r#"not inSegment("a2")"#,
        r#"inSegment("a1") and xEvent[eventType = "view"].count() >= 1"#,
    ]);
    let mut person = Person::new(&all);
    assert_eq!(flips(&person.write(&all, r#"{"x":1}"#, NOW.0)), [(3, IN)]);
    assert_eq!(flips(&person.happen(&all, typed_event("view", NOW.0), NOW.0)), []);
    let found = person.happen(&all, event(NOW.0), NOW.0);
    assert_eq!(flips(&found), [(1, IN), (2, IN), (3, OUT), (4, IN)]);
    let due = found.due.expect("a timer").0;
    assert_eq!(flips(&person.wait(&all, due - 1)), []);
    assert_eq!(flips(&person.wait(&all, due)), [(1, OUT), (2, OUT), (3, IN), (4, OUT)]);
}

#[test]
fn an_exit_is_kept_for_30_days_and_its_timer_takes_it_away() {
    let all = audiences(&["x = 1"]);
    let mut person = Person::new(&all);
    person.write(&all, r#"{"x":1}"#, NOW.0);
    let found = person.write(&all, "{}", NOW.0 + 5);
    let due = NOW.0 + 5 + EXITED_KEPT_MS;
    assert_eq!(found.due, Some(Timestamp(due)));
    assert_eq!(EXITED_KEPT_MS, 30 * DAY_MS);
    let found = person.wait(&all, due - 1);
    assert!(person.profile.membership(AudienceNo(1)).is_some(), "kept one millisecond before");
    assert_eq!(found.due, Some(Timestamp(due)));
    let found = person.wait(&all, due);
    assert_eq!((flips(&found), found.due), (vec![], None), "gone without a word");
    assert_eq!(person.profile.membership(AudienceNo(1)), None);
}

#[test]
fn a_membership_of_a_deleted_audience_goes_without_an_exit() {
    let all = audiences(&["x = 1", "x = 1 and joined < now"]);
    let mut person = Person::new(&all);
    let found = person.write(&all, r#"{"x":1,"joined":"2027-01-01T00:00:00Z"}"#, NOW.0);
    assert_eq!(flips(&found), [(1, IN)]);
    assert!(found.due.is_some(), "the date is to come");
    let fewer = audiences(&["x = 1"]);
    let mut after = person.clone().with_membership(2, IN, NOW.0);
    after.state = State::of(&fewer, &[], NOW);
    let input = Input {
        attributes: &after.attributes,
        events: &[],
        changed: Changed::default(),
        previous_n: 1,
        plan_n: 2,
        now: NOW,
    };
    let found = evaluate(&fewer, &mut after.profile, &mut after.state, &input, &mut Scratch::default());
    assert_eq!((flips(&found), after.profile.realized()), (vec![], vec![AudienceNo(1)]));
    assert_eq!((found.due, after.profile.dues), (None, Some(vec![])), "and so does its timer");
}

const OPT_OUT: &str =
    r#"{"x":1,"optOutConsentLevel":{"privacyOptOuts":[{"optOutType":"general_opt_out","optOutValue":"out"}]}}"#;
const OTHER_OPT_OUT: &str = r#"{"x":1,"optOutConsentLevel":{"privacyOptOuts":[{"optOutType":"sales_opt_out","optOutValue":"out"},{"optOutType":"general_opt_out","optOutValue":"in"}]}}"#;

#[test]
fn a_general_opt_out_leaves_the_audiences_that_exclude_it() {
    let all = custom(&["x = 1", "x = 1"], |a| a.exclude_opt_out = a.no.0 == 2);
    let mut person = Person::new(&all);
    assert_eq!(flips(&person.write(&all, OTHER_OPT_OUT, NOW.0)), [(1, IN), (2, IN)]);
    assert_eq!(flips(&person.write(&all, OPT_OUT, NOW.0)), [(2, OUT)]);
    assert_eq!(flips(&person.write(&all, OTHER_OPT_OUT, NOW.0)), [(2, IN)]);
    // One that reads events alone is left as well, and those that ask for it follow.
    let all = custom(&[r#"xEvent[eventType = "buy"].count() > 0"#, r#"inSegment("a1")"#], |a| {
        a.exclude_opt_out = a.no.0 == 1
    });
    let mut person = Person::new(&all);
    assert_eq!(flips(&person.happen(&all, event(1), NOW.0)), [(1, IN), (2, IN)]);
    assert_eq!(flips(&person.write(&all, OPT_OUT, NOW.0)), [(1, OUT), (2, OUT)]);
    assert_eq!(flips(&person.happen(&all, event(2), NOW.0)), [], "opted out");
    assert_eq!(flips(&person.write(&all, "{}", NOW.0)), [(1, IN), (2, IN)]);
}

#[test]
fn an_opt_out_counts_in_the_view_of_the_audience_s_own_policy() {
    let all = custom(&["x = 1", "x = 1"], |a| {
        a.policy = a.no.0 as usize - 1;
        a.exclude_opt_out = true;
    });
    let mut person = Person::new(&all);
    person.attributes = vec![json("{}"), json("{}")];
    assert_eq!(flips(&person.write_all(&all, &[OPT_OUT, r#"{"x":1}"#], NOW.0)), [(2, IN)]);
    assert_eq!(flips(&person.write_all(&all, &[r#"{"x":1}"#, OPT_OUT], NOW.0)), [(1, IN), (2, OUT)]);
}

#[test]
fn a_rule_is_looked_at_when_it_is_newer_than_the_last_look() {
    let all = custom(&["x = 1"], |a| a.changed_n = 9);
    for (plan_n, expected) in [(8, vec![(1, IN)]), (9, vec![])] {
        let mut person = Person::new(&all);
        (person.new, person.plan_n, person.attributes) = (false, plan_n, vec![json(r#"{"x":1}"#)]);
        assert_eq!(flips(&person.wait(&all, NOW.0)), expected, "last look at {plan_n}");
    }
}

#[test]
fn a_changed_rule_takes_those_that_ask_for_it_along() {
    let change = |a: &mut Audience| a.changed_n = if a.no.0 == 1 { 7 } else { 1 };
    let all = custom(&["y = 1", r#"inSegment("a1")"#, "x = 1"], change);
    let mut person = Person::new(&all).with_membership(1, IN, 0).with_membership(2, IN, 0).with_membership(3, IN, 0);
    (person.plan_n, person.attributes) = (6, vec![json(r#"{"x":1}"#)]);
    assert_eq!(flips(&person.wait(&all, NOW.0)), [(1, OUT), (2, OUT)]);
}

#[test]
fn each_audience_sees_the_attributes_of_its_own_policy() {
    let all = custom(&["x = 1", "x = 2", "x = 2"], |a| a.policy = a.no.0 as usize - 1);
    let mut person = Person::new(&all);
    person.attributes = vec![json(r#"{"x":1}"#), json(r#"{"x":2}"#)];
    let found = person.everything(&all, NOW.0);
    assert_eq!(flips(&found), [(1, IN), (2, IN)], "one of a policy that is gone stays what it is");
    // A change is seen in the view in which it shows, and in no other.
    assert_eq!(flips(&person.write_all(&all, &[r#"{"x":1}"#, r#"{"x":3}"#], NOW.0)), [(2, OUT)]);
    assert_eq!(flips(&person.write_all(&all, &[r#"{"x":2}"#, r#"{"x":2}"#], NOW.0)), [(1, OUT), (2, IN)]);
}

#[test]
fn only_readers_of_what_changed_are_looked_at() {
    // The profile is said to be a member of everything and has no attribute: whoever is looked at leaves.
    let rules =
        ["x = 1", "y = 1", "a.b = 1", "a.c = 1", "a.b > 0 and x = 2", r#"xEvent[eventType = "buy"].count() > 0"#];
    let all = audiences(&rules);
    let everywhere = || (1..=6).fold(Person::new(&all), |person, no| person.with_membership(no, IN, 0));
    let left = |found: &Evaluation| found.flips.iter().map(|f| f.audience.0).collect::<Vec<_>>();
    for (before, after, looked_at) in [
        ("{}", "{}", vec![]),
        (r#"{"x":3}"#, r#"{"x":4}"#, vec![1, 5]),
        (r#"{"x":3}"#, r#"{"x":3,"z":4}"#, vec![]),
        (r#"{"y":3}"#, "{}", vec![2]),
        (r#"{"a":{"b":3,"c":4}}"#, r#"{"a":{"b":0,"c":4}}"#, vec![3, 5]),
        (r#"{"a":{"b":3,"c":4}}"#, "{}", vec![3, 4, 5]),
        (r#"{"a":{"d":3}}"#, r#"{"a":{"d":4}}"#, vec![]),
    ] {
        let mut person = everywhere();
        person.attributes = vec![json(before)];
        let found = person.write(&all, after, NOW.0);
        assert_eq!(left(&found), looked_at, "{before} to {after}");
    }
    // Attributes before that are not known any more are taken for different ones.
    let mut person = everywhere();
    let found = person.evaluate(&all, Changed { attributes: Some(&[]), ..Changed::default() }, NOW.0);
    assert_eq!(left(&found), [1, 2, 3, 4, 5]);
    // An event of another type, an identity and time are no reason to look at any.
    let mut person = everywhere();
    assert_eq!(left(&person.happen(&all, typed_event("view", NOW.0), NOW.0)), Vec::<u32>::new());
    assert_eq!(
        left(&person.evaluate(&all, Changed { identities: true, ..Changed::default() }, NOW.0)),
        Vec::<u32>::new()
    );
    assert_eq!(left(&person.wait(&all, NOW.0 + DAY_MS)), Vec::<u32>::new());
    assert_eq!(left(&person.everything(&all, NOW.0)), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn an_atom_that_does_not_turn_is_no_reason_to_look() {
    let rule = r#"xEvent[eventType = "buy"].count() >= 2"#;
    let all = audiences(&[rule]);
    // Said to be no member although it has three: it would enter if it was looked at.
    let mut person = Person::new(&all).with_events(&all, &[event(1), event(2), event(3)], NOW.0);
    person.new = false;
    assert_eq!(flips(&person.happen(&all, event(4), NOW.0)), []);
    assert_eq!(flips(&person.everything(&all, NOW.0)), [(1, IN)]);
    let mut person = Person::new(&all);
    assert_eq!(flips(&person.happen(&all, event(1), NOW.0)), []);
    assert_eq!(flips(&person.happen(&all, event(2), NOW.0)), [(1, IN)]);
}

#[test]
fn readers_of_identities_are_looked_at_when_one_comes_or_goes() {
    let all = audiences(&["identityMap.email.id = \"a@example.org\"", "x = 1", r#"inSegment("a1")"#]);
    assert!(all.read_service_fields() && !all.read_whole_events());
    let with = json(r#"{"identityMap":{"email":[{"id":"a@example.org"}]}}"#);
    let mut person = Person::new(&all);
    assert_eq!(flips(&person.wait(&all, NOW.0)), []);
    person.attributes = vec![with.clone()];
    assert_eq!(flips(&person.wait(&all, NOW.0)), [], "nothing was said to have changed");
    let identities = Changed { identities: true, ..Changed::default() };
    assert_eq!(flips(&person.evaluate(&all, identities, NOW.0)), [(1, IN), (3, IN)]);
    person.attributes = vec![json("{}")];
    assert_eq!(flips(&person.evaluate(&all, identities, NOW.0)), [(1, OUT), (3, OUT)]);
    // Of a new profile they are known at once.
    let mut person = Person::new(&all);
    person.attributes = vec![with];
    assert_eq!(flips(&person.evaluate(&all, identities, NOW.0)), [(1, IN), (3, IN)]);
}

#[test]
fn readers_of_memberships_as_a_field_are_looked_at_every_time() {
    let all = audiences(&["segmentMembership.ups.a2.status = \"realized\"", "x = 1"]);
    assert!(all.read_service_fields());
    let mut person = Person::new(&all);
    assert_eq!(flips(&person.write(&all, r#"{"x":1}"#, NOW.0)), [(2, IN)]);
    // The field shows what was before; the caller writes it and evaluates again.
    person.attributes = vec![json(r#"{"x":1,"segmentMembership":{"ups":{"a2":{"status":"realized"}}}}"#)];
    assert_eq!(flips(&person.wait(&all, NOW.0)), [(1, IN)]);
    person.attributes = vec![json(r#"{"x":1,"segmentMembership":{"ups":{"a2":{"status":"exited"}}}}"#)];
    assert_eq!(flips(&person.wait(&all, NOW.0)), [(1, OUT)]);
}

#[test]
fn a_merge_looks_at_everything() {
    let rules = ["x = 1", RECENT, r#"xEvent[eventType = "buy"].count() >= 3"#, r#"inSegment("a3")"#, "joined > now"];
    let all = audiences(&rules);
    let mut person = Person::new(&all).with_membership(1, IN, 5).with_events(&all, &[event(NOW.0)], NOW.0);
    // What the other profile brings: attributes, events and memberships, all at once.
    for event in [event(NOW.0 - 1), event(NOW.0 - 2)] {
        person.state.take(&all, &event, NOW);
        person.events.insert(0, event);
    }
    person.attributes = vec![json(r#"{"joined":"2027-01-01T00:00:00Z"}"#)];
    let found = person.everything(&all, NOW.0);
    assert_eq!(flips(&found), [(1, OUT), (2, IN), (3, IN), (4, IN), (5, IN)]);
    assert_eq!(found.due, Some(Timestamp(NOW.0 + 3 * DAY_MS + 1)), "the last of the events decides");
    let fresh = Person::new(&all).with_events(&all, &person.events.clone(), NOW.0);
    let mut fresh = Person { attributes: person.attributes.clone(), ..fresh };
    fresh.everything(&all, NOW.0);
    assert_eq!(fresh.profile.realized(), person.profile.realized());
    assert_eq!(fresh.profile.dues, person.profile.dues);
}

#[test]
fn a_row_of_before_dues_were_kept_gets_them_at_its_next_look() {
    let all = audiences(&["joined < now", "x = 1"]);
    let mut person = Person::new(&all).with_membership(2, IN, 0);
    person.attributes = vec![json(r#"{"joined":"2026-02-10T00:00:00Z"}"#)];
    assert_eq!(person.profile.dues, None);
    let found = person.wait(&all, NOW.0);
    assert_eq!(flips(&found), [], "only what time can turn is looked at");
    let joined = 1_770_681_600_000;
    let due = found.due.expect("a timer");
    assert!(due.0 > NOW.0 && due.0 <= joined + 1);
    assert_eq!(person.profile.dues, Some(vec![(AudienceNo(1), due)]));
    assert_eq!(flips(&person.wait(&all, joined)), []);
    assert_eq!(flips(&person.wait(&all, joined + 1)), [(1, IN)]);
    // Kept ones are trusted: what is not due is not looked at.
    person.profile.dues = Some(Vec::new());
    person.attributes = vec![json("{}")];
    assert_eq!(flips(&person.wait(&all, joined + 2)), []);
    person.profile.dues = None;
    assert_eq!(flips(&person.wait(&all, joined + 2)), [(1, OUT)]);
}

#[test]
fn timers_are_exact() {
    let date = r#"{"joined":"2026-02-10T00:00:00Z"}"#;
    let (joined, second) = (1_770_681_600_000, 1000);
    // rule, attributes, events, the instant, what happens then
    let cases: &[(&str, &str, &[i64], i64, Status)] = &[
        (RECENT, "{}", &[0], NOW.0 + 3 * DAY_MS + 1, OUT),
        (RECENT, "{}", &[-DAY_MS, -2 * DAY_MS], NOW.0 + 2 * DAY_MS + 1, OUT),
        (
            r#"xEvent[timestamp occurs <= 3 days before now].count() >= 2"#,
            "{}",
            &[0, -DAY_MS],
            NOW.0 + 2 * DAY_MS + 1,
            OUT,
        ),
        (r#"xEvent[timestamp occurs >= 2 days before now].count() >= 1"#, "{}", &[0], NOW.0 + 2 * DAY_MS, IN),
        (r#"xEvent[timestamp occurs before now].count() >= 1"#, "{}", &[second], NOW.0 + second + 1, IN),
        (
            r#"chain(xEvent, timestamp, [A: WHAT(eventType = "buy") WHEN(>= 1 day before now)])"#,
            "{}",
            &[0],
            NOW.0 + DAY_MS,
            IN,
        ),
        (
            r#"xEvent[timestamp occurs <= 3 days before now].count() > x"#,
            r#"{"x":0}"#,
            &[0],
            NOW.0 + 3 * DAY_MS + 1,
            OUT,
        ),
        ("joined < now", date, &[], joined + 1, IN),
        ("joined > now", date, &[], joined, OUT),
        ("joined occurs <= 1 day before now", date, &[], joined, IN),
    ];
    for (rule, body, times, at, status) in cases {
        let all = audiences(&[rule, r#"inSegment("a1")"#]);
        let events: Vec<EventView> = times.iter().map(|t| event(NOW.0 + t)).collect();
        let mut person = Person::new(&all).with_events(&all, &events, NOW.0);
        person.attributes = vec![json(body)];
        let mut due = person.everything(&all, NOW.0).due;
        let before = person.profile.realized();
        // Timers may come before the instant, but never pass it.
        for _ in 0..20 {
            let Some(next) = due.filter(|due| due.0 < *at) else { break };
            let found = person.wait(&all, next.0);
            assert_eq!(flips(&found), [], "{rule} at {next}");
            due = found.due;
        }
        assert_eq!(due, Some(Timestamp(*at)), "{rule}");
        let mut early = person.clone();
        assert_eq!(flips(&early.everything(&all, at - 1)), [], "{rule} one millisecond before");
        assert_eq!(flips(&person.wait(&all, at - 1)), []);
        assert_eq!(flips(&person.wait(&all, *at)), [(1, *status), (2, *status)], "{rule}");
        assert_eq!(before.is_empty(), *status == IN, "{rule}");
    }
}

/// What is loaded later is asked later, and must come to the same timer as what was in memory all the time.
#[test]
fn a_timer_does_not_depend_on_when_it_was_asked_for() {
    const HOUR: i64 = 3_600_000;
    let rules = [
        // One is to come while another one decides.
        "xEvent[timestamp occurs <= 3 days before now].count() >= 1",
        "xEvent[timestamp occurs <= 3 days before now].count() < 2",
        // One of yesterday gets too old for today before it is old enough.
        "xEvent[timestamp occurs today and timestamp occurs >= 2 days before now].count() >= 1",
        "xEvent[timestamp occurs yesterday and timestamp occurs > 1 month before now].count() >= 1",
        "xEvent[timestamp occurs <= 1 month before now].n.sum() > 2",
    ];
    for rule in rules {
        let all = audiences(&[rule]);
        let events: Vec<EventView> = [-40 * DAY_MS, -DAY_MS, -HOUR, HOUR, 30 * HOUR].map(|t| event(NOW.0 + t)).into();
        let mut person = Person::new(&all).with_events(&all, &events, NOW.0);
        let mut due = person.everything(&all, NOW.0).due;
        for now in (1..24 * 40).map(|hour| NOW.0 + hour * HOUR + 1) {
            while let Some(next) = due.filter(|due| due.0 <= now) {
                due = person.wait(&all, next.0).due;
            }
            let mut loaded = person.clone().with_events(&all, &events, now);
            assert_eq!(loaded.wait(&all, now).due, due, "{rule} at {}", Timestamp(now));
        }
    }
}

/// 31 March less a month is 28 February: on 29 March a window of a month holds again what it let go on the 28th.
#[test]
fn the_end_of_a_month_takes_back_what_was_let_go() {
    const HOUR: i64 = 3_600_000;
    let noon = 1_772_280_000_000; // 28 February 2026, 12:00
    let rules = [
        "xEvent[timestamp occurs <= 1 month before now].count() >= 1",
        "xEvent[timestamp occurs <= 1 month before now].n.sum() > 2",
        r#"chain(xEvent, timestamp, [A: WHAT(eventType = "buy") WHEN(<= 1 month before now)])"#,
    ];
    for rule in rules {
        let all = audiences(&[rule]);
        let mut person = Person::new(&all);
        let mut of_noon = event(noon);
        of_noon.body = json(r#"{"eventType":"buy","n":3}"#);
        let mut due = person.happen(&all, of_noon, noon).due;
        let (mut at, mut moves) = (noon, Vec::new());
        while at < noon + 35 * DAY_MS {
            at += HOUR;
            while let Some(next) = due.filter(|due| due.0 <= at) {
                let found = person.wait(&all, next.0);
                moves.extend(found.flips.iter().map(|f| (next.0 - noon, f.status)));
                due = found.due;
            }
            assert_eq!(flips(&person.clone().everything(&all, at)), [], "{rule} at {}", Timestamp(at));
        }
        let (out, back) = (28 * DAY_MS + 1, 28 * DAY_MS + 12 * HOUR);
        assert_eq!(moves[..3], [(out, OUT), (back, IN), (29 * DAY_MS + 1, OUT)], "{rule}");
    }
}

const RECENT: &str = r#"xEvent[eventType = "buy" and timestamp occurs <= 3 days before now].count() > 0"#;

proptest! {
    /// Time alone: at `due` something moves or the timer is set anew; before it nothing does.
    #[test]
    fn nothing_moves_before_the_timer(mut times in prop::collection::vec(-5 * DAY_MS..5 * DAY_MS, 1..5), jump in 0i64..6 * DAY_MS) {
        times.sort_unstable();
        let events: Vec<EventView> = times.iter().map(|t| event(NOW.0 + t)).collect();
        let all = audiences(&[RECENT, r#"not inSegment("a1")"#]);
        let mut person = Person::new(&all).with_events(&all, &events, NOW.0);
        let found = person.everything(&all, NOW.0);
        let until = NOW.0 + jump;
        let before = person.profile.realized();
        let mut due = found.due;
        let mut steps = 0;
        while let Some(at) = due.filter(|at| at.0 <= until) {
            prop_assert!(at.0 > NOW.0);
            // One millisecond before the timer nothing has moved, whatever is looked at.
            let mut same = person.clone();
            prop_assert_eq!(flips(&same.wait(&all, at.0 - 1)), vec![]);
            prop_assert_eq!(flips(&same.everything(&all, at.0 - 1)), vec![]);
            let next = person.wait(&all, at.0);
            prop_assert!(next.due.is_none_or(|n| n > at), "a timer lies ahead");
            due = next.due;
            steps += 1;
            prop_assert!(steps < 50);
        }
        // Following the timers gives what a fresh look gives.
        let mut fresh = Person::new(&all).with_events(&all, &events, until);
        fresh.everything(&all, until);
        prop_assert_eq!(person.profile.realized(), fresh.profile.realized(), "from {:?}", before);
    }

    /// What changed is all that must be looked at: the same as looking at everything.
    #[test]
    fn looking_at_what_changed_is_enough(steps in prop::collection::vec((0u8..3, 0i64..3, 0i64..2 * DAY_MS), 1..12)) {
        let rules = ["x = 1", RECENT, "y = 1 and x != 2", r#"inSegment("a1") or inSegment("a2")"#, r#"inSegment("a4") and y = 1"#];
        let all = audiences(&rules);
        let (mut some, mut every) = (Person::new(&all), Person::new(&all));
        let (mut now, mut x, mut y) = (NOW.0, 0, 0);
        for (what, value, ms) in steps {
            now += ms;
            let a = match what {
                0 => { x = value; some.write(&all, &format!(r#"{{"x":{x},"y":{y}}}"#), now) }
                1 => { y = value; some.write(&all, &format!(r#"{{"x":{x},"y":{y}}}"#), now) }
                _ => some.happen(&all, event(now), now),
            };
            // The other forgets what it knew of the events, and looks at everything.
            every.attributes = some.attributes.clone();
            every = every.with_events(&all, &some.events, now);
            let b = every.everything(&all, now);
            prop_assert_eq!(flips(&a), flips(&b));
            prop_assert_eq!(a.due, b.due);
            prop_assert_eq!(&some.profile.memberships, &every.profile.memberships);
        }
    }
}
