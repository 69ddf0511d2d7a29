//! Answers that mean something odd or nothing, templates that fail, merged profiles, other designs.

use crate::batching::endpoint::{Conduct, Dialect, Trouble};
use crate::batching::world::{Crowd, Shape};
use crate::world::{attempts, reason};
use delivery::Outcome;
use model::Status;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const IN: &[(&str, Status)] = &[("a1", Status::Realized)];

/// What becomes of three changes when these bytes are all that comes back.
async fn answered(dialect: Dialect, bytes: &[u8]) -> (Vec<Outcome>, usize) {
    let conduct = Conduct { dialect, raw: Some(Arc::new(bytes.to_vec())), ..Conduct::default() };
    let mut crowd = Crowd::new(0, Shape { dialect, ..Shape::plain(5) }, conduct).await;
    for name in 1..=3 {
        crowd.tell(name, IN, 1, 0);
    }
    crowd.connect();
    crowd.drive().await;
    let outcomes = crowd.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    (outcomes, crowd.arrivals().len())
}

fn with_body(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

#[tokio::test]
async fn answers_that_cannot_be_read_are_tried_again_and_end_as_dead() {
    let html = with_body("200 OK\r\ncontent-type: text/html", b"<html>Welcome</html>");
    let huge = with_body("200 OK", &vec![b'['; 9 << 20]);
    let short = with_body("200 OK", br#"{"results": [{"status": "ok"}]}"#);
    let endless = b"HTTP/1.1 200 OK\r\n\r\n{\"results\": [".to_vec();
    for bytes in [&html, &huge, &short, &endless, &with_body("200 OK", b""), &with_body("200 OK", b"\xff\xfe")] {
        let (outcomes, requests) = answered(Dialect::StatusList, bytes).await;
        assert_eq!((outcomes.len(), requests), (3, 8));
        for outcome in &outcomes {
            assert!(reason(outcome).contains("responseOutcome") && attempts(outcome) == 8, "{outcome:?}");
        }
    }
    // It was asked for as it is: the reason says what stands in the way.
    let gzip = with_body("200 OK\r\ncontent-encoding: GZIP", b"\x1f\x8b\x08\0\0\0\0\0\0\x03");
    let (outcomes, _) = answered(Dialect::StatusList, &gzip).await;
    for outcome in &outcomes {
        assert!(reason(outcome).ends_with("the body is encoded as gzip, which was not asked for"), "{outcome:?}");
    }
    // Where only the status speaks, a body says nothing.
    for bytes in [&html, &huge, &endless, &gzip, &with_body("299 Fine", b"\0")] {
        let (outcomes, requests) = answered(Dialect::Whole, bytes).await;
        assert_eq!(requests, 1);
        assert!(outcomes.iter().all(|o| matches!(o, Outcome::Delivered { attempts: 1, .. })), "{outcomes:?}");
    }
}

#[tokio::test]
async fn redirects_and_refusals_of_the_caller_end_at_once() {
    for (head, words) in [
        ("302 Found\r\nlocation: http://10.0.0.1/admin", "redirects are not followed"),
        ("307 Temporary Redirect\r\nlocation: http://169.254.169.254/", "redirects are not followed"),
        ("403 Forbidden", "status 403"),
        ("404 Not Found", "status 404"),
    ] {
        let (outcomes, requests) = answered(Dialect::Whole, &with_body(head, b"")).await;
        assert_eq!((outcomes.len(), requests), (3, 1), "{head}");
        assert!(outcomes.iter().all(|o| reason(o).contains(words) && attempts(o) == 1), "{outcomes:?}");
    }
    // A token that is refused is fetched anew, once.
    let (outcomes, requests) = answered(Dialect::Whole, &with_body("401 Unauthorized", b"")).await;
    assert_eq!(requests, 2);
    assert!(outcomes.iter().all(|o| reason(o).contains("status 401") && attempts(o) == 1), "{outcomes:?}");
}

#[tokio::test]
async fn what_is_no_answer_is_a_broken_connection() {
    for bytes in [&b"SSH-2.0-OpenSSH_9.6\r\n"[..], b"HTTP/1.1 2", b"\0\0\0\0", b""] {
        let (outcomes, _) = answered(Dialect::Whole, bytes).await;
        assert!(outcomes.iter().all(|o| matches!(o, Outcome::Dead { .. })), "{outcomes:?}");
        assert!(outcomes.iter().all(|o| !reason(o).contains("127.0.0.1")), "{outcomes:?}");
    }
}

#[tokio::test]
async fn templates_that_fail_on_some_profiles_fail_on_those_only() {
    let names = "{% for p in input.profiles %}{{ p.attributes.name.value }} {% endfor %}";
    let headers = json!([{"header": "X-Names", "value": {"templatingStrategy": "PEBBLE_V1", "value": names}}]);
    // The name of 200 is two lines, which no header can be; the sixth change is a division by zero.
    let in_record = "{% if 1 / (p.attributes.export.value - 6) > 2 %}{% endif %}";
    let shape = Shape { headers, in_record, ..Shape::plain(50) };
    let mut crowd = Crowd::new(0, shape, Conduct::default()).await;
    let numbers: Vec<(u8, u64)> =
        [1, 200, 2, 3, 7, 4, 5, 6].iter().map(|name| (*name, crowd.tell(*name, IN, 1, 0))).collect();
    crowd.connect();
    crowd.drive().await;
    for (name, number) in numbers {
        let outcome = crowd.outcome(number);
        let sent = crowd.endpoint.state.lock().taken.keys().filter(|e| e.export == number).count();
        let fails = matches!(name, 200 | 4);
        assert_eq!(
            (matches!(outcome, Outcome::Dead { .. }), sent),
            (fails, usize::from(!fails)),
            "{name}: {outcome:?}"
        );
        let words = if name == 4 { "requestBody" } else { "X-Names" };
        assert!(!fails || reason(&outcome).contains(words), "{outcome:?}");
    }
    assert!(crowd.arrivals().iter().all(|a| a.status == 200));
}

#[tokio::test]
async fn what_waits_for_a_merged_profile_goes_first() {
    for in_one in [true, false] {
        let conduct = Conduct { script: [500, 500].into_iter().collect(), ..Conduct::default() };
        let mut crowd = Crowd::new(0, Shape::plain(if in_one { 10 } else { 1 }), conduct).await;
        // 1 was merged into 2, which lies in another partition, and both into 7; 3 has nothing to do with them.
        let mut numbers = vec![crowd.tell(1, IN, 1, 0), crowd.tell(1, IN, 1, 0)];
        crowd.advance(10);
        numbers.extend([crowd.tell_of(2, &[1], IN, 1, 0), crowd.tell_of(2, &[1], IN, 1, 0)]);
        crowd.advance(10);
        numbers.push(crowd.tell_of(7, &[2, 1], IN, 1, 0));
        crowd.tell(3, IN, 1, 0);
        crowd.connect();
        crowd.drive().await;
        crowd.check(true);
        let taken = crowd.arrivals().into_iter().flat_map(|a| a.done).map(|e| e.export);
        let taken: Vec<u64> = taken.filter(|n| numbers.contains(n)).collect();
        assert_eq!(taken, numbers, "{in_one}");
    }
}

#[tokio::test]
async fn another_design_takes_over_what_waits_and_what_comes_back() {
    // What is under way by the old design is not answered: it goes out by the new one.
    for trouble in [Trouble::Stall, Trouble::Status(500)] {
        let conduct = Conduct { troubles: vec![trouble], trouble_percent: 100, trouble_max: 1, ..Conduct::default() };
        let mut crowd = Crowd::new(0, Shape::plain(4), conduct).await;
        crowd.tune = |batching| (batching.timeout, batching.concurrency_max) = (Duration::from_millis(200), 1);
        crowd.connect();
        for name in 1..=10 {
            crowd.tell(name, &[("a1", Status::Realized), ("a2", Status::Exited)], 1, 1);
            crowd.tell(name, &[("a2", Status::Realized)], 1, 1);
        }
        crowd.until(|c| !c.arrivals().is_empty()).await;
        let before = crowd.arrivals().len();
        crowd.redesign(Shape { by_segment: true, by_status: true, ..Shape::plain(3) });
        crowd.connect();
        crowd.drive().await;
        let old: Vec<_> =
            crowd.arrivals().into_iter().filter(|a| a.entries.iter().any(|e| e.segment.is_empty())).collect();
        assert!(old.iter().all(|a| a.done.is_empty()) || trouble != Trouble::Stall, "{before}: {old:?}");
        crowd.check_order();
        let state = crowd.endpoint.state.lock();
        assert!(state.taken.iter().all(|(entry, times)| *times == 1 || entry.segment.is_empty()), "{:?}", state.taken);
        assert!(crowd.outcomes().iter().all(|(_, o)| matches!(o, Outcome::Delivered { .. })));
    }
}

#[tokio::test]
async fn after_a_restart_with_smaller_caps_requests_are_smaller() {
    let conduct =
        Conduct { troubles: vec![Trouble::Reset], trouble_percent: 100, trouble_max: 1, ..Conduct::default() };
    let mut crowd = Crowd::new(0, Shape::plain(10), conduct).await;
    crowd.restart().await;
    for name in 1..=5 {
        crowd.tell(name, IN, 1, 0);
        crowd.tell(name, IN, 1, 0);
    }
    crowd.until(|c| !c.arrivals().is_empty()).await;
    crowd.stop().await;
    let before = crowd.arrivals().len();
    crowd.redesign(Shape::plain(3));
    crowd.restart().await;
    crowd.drive().await;
    crowd.stop().await;
    assert!(crowd.arrivals()[before..].iter().all(|a| a.entries.len() <= 3));
    crowd.check_order();
    assert!(crowd.endpoint.state.lock().taken.values().all(|times| *times == 1));
    assert_eq!(crowd.endpoint.state.lock().taken.len(), 10);
}

#[tokio::test]
async fn told_off_and_on_before_it_began_a_flow_still_begins() {
    let mut crowd = Crowd::new(0, Shape::plain(3), Conduct::default()).await;
    crowd.connect();
    crowd.disable();
    tokio::task::yield_now().await;
    crowd.tell(1, IN, 1, 0);
    crowd.connect();
    crowd.drive().await;
    crowd.check(true);
}
