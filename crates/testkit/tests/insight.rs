//! `why` and `plan`: through the operator's API and the command line; and what they foretell comes true.

use model::Timestamp;
use serde_json::{Value as Json, json};
use testkit::{Answer, Flow, World, until};

const ANN: [(&str, &str); 1] = [("CRMID", "ann")];
const BEN: [(&str, &str); 1] = [("CRMID", "ben")];
const RECENT: &str = r#"xEvent[eventType = "commerce.purchases" and timestamp occurs <= 7 days before now]"#;
const PURCHASES: &str = r#"xEvent[eventType = "commerce.purchases"]"#;

fn why(world: &World, profile: &str, audience: &str) -> Answer {
    world.server.operator().get(&format!("/rivermouth/why?profile={profile}&audience={audience}"))
}

/// The command's output without what differs from run to run.
fn command(world: &World, args: &[&str], names: &[(&str, &str)]) -> String {
    let output = world.server.command(args);
    assert_eq!(output.code, Some(0), "{output:#?}");
    names.iter().fold(output.stdout, |text, (name, shown)| text.replace(name, shown))
}

/// The answer to a plan: the last line, after lines of progress.
fn plan(world: &World, body: &Json) -> Json {
    let answer = world.server.operator().post("/rivermouth/plan/audience", body).expect(200);
    let mut lines = answer.text.lines().map(|line| serde_json::from_str::<Json>(line).expect("JSON"));
    let last = lines.next_back().expect("a line");
    assert!(lines.all(|line| line["progress"]["read"].is_u64()), "{}", answer.text);
    last["plan"].clone()
}

fn at(turn: &Json) -> Option<Timestamp> {
    assert_eq!(turn["known"], true, "{turn}");
    turn["at"].as_str().map(|at| Timestamp::parse(at).expect("a time"))
}

/// The clauses of a rule, in order.
fn clauses<'j>(part: &'j Json, found: &mut Vec<&'j Json>) {
    if part["kind"] == "clause" {
        found.push(part);
    }
    part["parts"].as_array().into_iter().flatten().for_each(|inner| clauses(inner, found));
}

#[test]
fn a_rule_is_shown_with_what_its_clauses_read() {
    let world = World::new();
    let buyers = world.audience("buyers", &format!("{PURCHASES}.count() >= 1"));
    let rule = format!(
        r#"{RECENT}.sum(commerce.order.priceTotal) >= 50
           and not (person.name.lastName = "Blocked" or {PURCHASES}.count() > 5)
           and inSegment("{buyers}")"#
    );
    let spenders = world.audience("spenders", &rule);
    world.send_and_settle(&[
        world.person(&ANN, "Ann"),
        world.purchase("p1", &ANN, "2026-02-20T10:00:00Z", 100.0),
        world.purchase("p2", &ANN, "2026-02-26T10:00:00Z", 30.0),
        world.purchase("p3", &ANN, "2026-03-01T10:00:00Z", 25.0),
        world.visit("v1", &ANN, "2026-03-01T11:00:00Z"),
        world.purchase("p1", &BEN, "2026-02-20T10:00:00Z", 100.0),
    ]);
    let answer = why(&world, "CRMID:ann", "spenders").ok();
    let id = answer["profile"].as_str().expect("an id").to_owned();
    let names = [(id.as_str(), "<profile>"), (buyers.as_str(), "<buyers>")];
    let shown = command(&world, &["why", "CRMID:ann", "spenders"], &names);
    assert_eq!(shown, include_str!("insight/why_ann.txt"), "{shown}");
    let shown = command(&world, &["why", &id, &spenders, "--ascii"], &names);
    assert_eq!(shown, include_str!("insight/why_ann.txt").replace('✓', "+").replace('✗', "-"));
    let ben = why(&world, "CRMID:ben", &spenders).ok();
    let names = [(ben["profile"].as_str().expect("an id"), "<profile>"), (buyers.as_str(), "<buyers>")];
    let shown = command(&world, &["why", "CRMID:ben", "spenders"], &names);
    assert_eq!(shown, include_str!("insight/why_ben.txt"), "{shown}");
    let json = world.server.command(&["why", "CRMID:ann", "spenders", "--json"]).json();
    assert_eq!(json, answer);
    assert_eq!((&json["member"], &json["holds"]), (&json!(true), &json!(true)));
    let mut found = Vec::new();
    clauses(&json["rule"], &mut found);
    assert_eq!(found[0]["form"], "threshold");
    assert_eq!(found[0]["values"][0]["value"], 55.0);
    // Looked at for an audience of later, which it does not enter: that is known, too.
    let later = world.audience("later", &format!("{RECENT}.count() >= 50"));
    world.server.settle();
    let answer = why(&world, "CRMID:ann", &later).ok();
    assert_eq!((&answer["member"], &answer["holds"]), (&json!(false), &json!(false)));
    let ids: Vec<&Json> = found[0]["events"]["newest"].as_array().expect("events").iter().map(|e| &e["_id"]).collect();
    assert_eq!(ids, ["p3", "p2"], "the newest first, and none from before the window");
}

#[test]
fn what_is_foretold_comes_true() {
    let world = World::new();
    let buyers = world.audience("buyers", &format!("{RECENT}.count() >= 2"));
    let rules = [
        format!("{RECENT}.count() >= 1"),
        format!("{RECENT}.count() = 1 or {RECENT}.sum(commerce.order.priceTotal) >= 60"),
        format!("not ({RECENT}.count() >= 2)"),
        format!(r#"inSegment("{buyers}") or xEvent[timestamp occurs > 10 days before now].count() >= 2"#),
        r#"chain(xEvent, timestamp, [A: WHAT(eventType = "commerce.purchases") WHEN(<= 9 days before now), B: WHAT(commerce.order.priceTotal > 30) WHEN(<= 5 days before now)])"#.to_owned(),
    ];
    let audiences: Vec<String> =
        rules.iter().enumerate().map(|(n, rule)| world.audience(&format!("rule {n}"), rule)).collect();
    world.send_and_settle(&[
        world.purchase("p1", &ANN, "2026-02-25T10:00:00Z", 10.0),
        world.purchase("p2", &ANN, "2026-02-27T09:30:00Z", 40.0),
        world.purchase("p3", &ANN, "2026-02-28T08:00:00.500Z", 35.0),
    ]);
    let look = || -> Vec<(Json, Vec<bool>, Json)> {
        let one = |audience: &String| {
            let answer = why(&world, "CRMID:ann", audience).ok();
            assert_eq!(answer["holds"], answer["member"], "{answer}");
            let mut found = Vec::new();
            clauses(&answer["rule"], &mut found);
            (answer["holds"].clone(), found.iter().map(|c| c["holds"] == true).collect(), answer.clone())
        };
        audiences.iter().map(one).collect()
    };
    let mut flips = 0;
    for _ in 0..40 {
        let before = look();
        // Every instant that any clause or audience foretells.
        let mut turns: Vec<Timestamp> = Vec::new();
        for (_, _, answer) in &before {
            turns.extend(at(&answer["turns"]));
            let mut found = Vec::new();
            clauses(&answer["rule"], &mut found);
            turns.extend(found.iter().filter_map(|clause| at(&clause["turns"])));
        }
        let Some(next) = turns.iter().min().copied() else { break };
        world.server.advance_to(&Timestamp(next.0 - 1).to_string());
        world.server.settle();
        let still = look();
        for ((holds, clauses, answer), (holds_still, clauses_still, _)) in before.iter().zip(&still) {
            assert_eq!((holds, clauses), (holds_still, clauses_still), "before {next}: {answer}");
        }
        world.server.advance_to(&next.to_string());
        world.server.settle();
        for ((holds, held, answer), (holds_now, hold, after)) in before.iter().zip(&look()) {
            let foretold = at(&answer["turns"]) == Some(next);
            assert_eq!(holds != holds_now, foretold, "at {next}: {answer}");
            if foretold {
                flips += 1;
                assert_eq!(after["since"], next.to_string());
            }
            let (mut were, mut are) = (Vec::new(), Vec::new());
            clauses(&answer["rule"], &mut were);
            clauses(&after["rule"], &mut are);
            for (((was, is), held), holds) in were.iter().zip(&are).zip(held).zip(hold) {
                let foretold = at(&was["turns"]) == Some(next);
                assert_eq!(held != holds, foretold, "at {next}: {was}");
                if foretold {
                    assert_eq!(at(&is["since"]), Some(next), "the past knows of it: {is}");
                }
            }
        }
    }
    assert!(flips >= 6, "{flips} flips");
    assert!(look().iter().all(|(_, _, answer)| at(&answer["turns"]).is_none()), "nothing is left to come");
}

/// What the clock turned before there was a profile, or may have before an attribute was written, is not known; that
/// no event ever turned a clause is.
#[test]
fn since_when_is_not_claimed_beyond_what_is_kept() {
    let world = World::new();
    let rules = [
        ("currentMonth() = 3", false),
        ("person.birthDate occurs > 20 days before now", false),
        ("person.birthDate occurs > 20 days before now and person.name.lastName != \"x\"", false),
        ("xEvent[eventType = \"x\"].count() = 0", true),
        ("xEvent[timestamp occurs <= 7 days before now].count() >= 100", true),
    ];
    let audiences: Vec<String> =
        rules.iter().enumerate().map(|(n, (rule, _))| world.audience(&format!("rule {n}"), rule)).collect();
    let born = json!({ "person": { "birthDate": "1990-01-01", "name": { "lastName": "Ann" } } });
    world.send_and_settle(&[world.record(&ANN, born)]);
    for ((rule, known), audience) in rules.iter().zip(&audiences) {
        let answer = why(&world, "CRMID:ann", audience).ok();
        let mut found = Vec::new();
        clauses(&answer["rule"], &mut found);
        assert!(!found.is_empty(), "{answer}");
        for clause in found {
            assert_eq!(clause["since"], json!({ "known": known, "at": null }), "{rule}: {clause}");
        }
    }
}

#[test]
fn what_cannot_be_explained_is_refused() {
    let world = World::new();
    world.audience("buyers", &format!("{PURCHASES}.count() >= 1"));
    world.send_and_settle(&[world.purchase("p1", &ANN, "2026-03-01T10:00:00Z", 1.0)]);
    let cases = [
        ("CRMID:nobody", "buyers", 404, r#"no profile has CRMID "nobody""#),
        ("Shoe:9", "buyers", 404, r#"there is no identity namespace "Shoe""#),
        ("00000000000000000000000000000000", "buyers", 404, "there is no profile 00000000000000000000000000000000"),
        ("ann", "buyers", 400, "a profile is named by NAMESPACE:VALUE"),
        ("CRMID:ann", "byers", 404, r#"there is no audience "byers"; did you mean "buyers"?"#),
        ("CRMID:ann", "nothing-like-it", 404, r#"there is no audience "nothing-like-it""#),
    ];
    for (profile, audience, status, detail) in cases {
        let answer = why(&world, profile, audience).expect(status);
        let told = answer.json["detail"].as_str().unwrap_or_default();
        assert!(told.starts_with(detail), "{told}");
        let output = world.server.command(&["why", profile, audience]);
        assert_eq!(output.code, Some(1));
        assert_eq!(output.stderr, format!("error: {told}\n"));
    }
    world.api.get("/rivermouth/why?profile=CRMID:ann&audience=buyers").expect(401);
    world.server.operator().get("/rivermouth/why?profile=CRMID:ann").expect(400);
    world.server.operator().get("/rivermouth/why?profile=CRMID:ann&audience=buyers&extra=1").expect(400);
}

#[test]
fn a_plan_foretells_entries_exits_and_exports() {
    let world = World::new();
    let buyers = world.audience("buyers", &format!("{PURCHASES}.count() >= 1"));
    let loyal = world.audience("loyal", &format!(r#"inSegment("{buyers}") and person.name.lastName != """#));
    let first = world.flow(&Flow::to(&[&buyers]));
    let second = world.flow(&Flow::to(&[&loyal]));
    for n in 0..30 {
        let id = format!("c{n}");
        let identity = [("CRMID", id.as_str())];
        for at in 0..n % 4 {
            world.send(&[world.purchase(&format!("p{n}-{at}"), &identity, "2026-03-01T10:00:00Z", 10.0)]);
        }
        world.send(&[world.person(&identity, &id)]);
    }
    world.server.settle();
    let rule = format!("{PURCHASES}.count() >= 3");
    // A new audience: nobody leaves, no dataflow maps it.
    let new = plan(&world, &json!({ "expression": rule, "samples": 2 }));
    assert_eq!((&new["profiles"], &new["members"], &new["wouldBe"]), (&json!(30), &json!(0), &json!(7)));
    assert_eq!((&new["enter"]["count"], &new["leave"]["count"]), (&json!(7), &json!(0)));
    assert_eq!(new["enter"]["samples"].as_array().map(Vec::len), Some(2));
    assert_eq!(new["enter"]["samples"][0]["identities"][0]["namespace"], "CRMID");
    assert_eq!(new["flows"], json!([]));
    // A changed one, with what follows from it.
    let found = plan(&world, &json!({ "expression": rule, "audience": "buyers", "samples": 100 }));
    assert_eq!((&found["members"], &found["wouldBe"]), (&json!(22), &json!(7)));
    assert_eq!((&found["enter"]["count"], &found["leave"]["count"]), (&json!(0), &json!(15)));
    assert_eq!(found["follow"][0]["name"], "loyal");
    assert_eq!(found["follow"][0]["leave"]["count"], 15);
    let exports = |flow: &str| {
        let all = found["flows"].as_array().expect("dataflows");
        all.iter().find(|f| f["id"] == flow).unwrap_or_else(|| panic!("no {flow} in {found}"))["exports"].clone()
    };
    assert_eq!((exports(&first), exports(&second)), (json!(15), json!(15)));
    let shown = command(&world, &["plan", "audience", "--expr", &rule, "--id", &buyers, "--samples", "0"], &[]);
    assert_eq!(shown, include_str!("insight/plan_buyers.txt"), "{shown}");
    // Nothing was changed by it.
    assert_eq!((world.members(&buyers), world.members(&loyal)), (22, 22));
    let before = (world.ledger(&first)["exported"].clone(), world.ledger(&second)["exported"].clone());
    // It comes true.
    let body = json!({ "expression": { "type": "PQL", "format": "pql/text", "value": rule } });
    world.api.call("PATCH", &format!("/data/core/ups/segment/definitions/{buyers}"), Some(&body)).ok();
    world.server.settle();
    assert_eq!((world.members(&buyers), world.members(&loyal)), (7, 7));
    let grown = |flow: &str, before: &Json| {
        json!(world.ledger(flow)["exported"].as_u64().unwrap_or_default() - before.as_u64().unwrap_or_default())
    };
    assert_eq!((grown(&first, &before.0), grown(&second, &before.1)), (exports(&first), exports(&second)));
    for sample in found["leave"]["samples"].as_array().expect("samples") {
        let id = sample["profile"].as_str().expect("an id");
        assert_eq!(why(&world, id, &buyers).ok()["status"], "exited");
    }
}

#[test]
fn a_plan_is_refused_as_the_change_would_be() {
    let world = World::new();
    let buyers = world.audience("buyers", &format!("{PURCHASES}.count() >= 1"));
    let loyal = world.audience("loyal", &format!(r#"inSegment("{buyers}")"#));
    let cases = [
        (json!({}), 400, "/expression: is needed"),
        (json!({ "expression": 7 }), 400, "/expression: a string is needed"),
        (json!({ "expression": "1 = 1", "shoe": 1 }), 400, "/shoe: is no member of a plan"),
        (json!({ "expression": "1 = 1", "samples": 5000 }), 400, "/samples: a number up to 1000"),
        (json!({ "expression": "1 = 1", "audience": "byers" }), 404, "there is no audience \"byers\""),
        (json!({ "expression": "1 = 1", "mergePolicyId": "x" }), 400, "mergePolicyId"),
        (json!({ "expression": format!("inSegment(\"{loyal}\")"), "audience": "buyers" }), 400, ""),
        (
            json!({ "expression": "xEvent[evntType = \"x\"].count() >= 1" }),
            400,
            "line 1, column 8: the schema has no field",
        ),
    ];
    for (body, status, detail) in cases {
        let answer = world.server.operator().post("/rivermouth/plan/audience", &body);
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        let told = answer.json["detail"].as_str().unwrap_or_default();
        assert!(told.starts_with(detail) && !told.is_empty(), "{body}: {told}");
    }
    let output = world.server.command(&["plan", "audience", "--expr", "xEvent[evntType = \"x\"].count() >= 1"]);
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("         ^^^^^^^^"), "{output:?}");
    let warned = plan(&world, &json!({ "expression": "inSegment(\"x\")" }));
    assert_eq!(warned["warnings"].as_array().map(Vec::len), Some(1), "{warned}");
}

#[test]
fn who_hangs_up_ends_a_plan() {
    use std::io::Write as _;
    let world = World::new();
    for n in 0..20 {
        let id = format!("c{n}");
        world.send(&[world.purchase("p", &[("CRMID", id.as_str())], "2026-03-01T10:00:00Z", 1.0)]);
    }
    world.server.settle();
    let token = std::fs::read_to_string(world.server.data_dir().join("keys/admin.token")).expect("a token");
    let body = json!({ "expression": format!("{PURCHASES}.count() >= 1") });
    let address = world.server.url.trim_start_matches("http://").to_owned();
    for _ in 0..10 {
        let mut line = std::net::TcpStream::connect(&address).expect("a connection");
        let text = body.to_string();
        let request = format!(
            "POST /rivermouth/plan/audience HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{text}",
            token.trim(),
            text.len()
        );
        line.write_all(request.as_bytes()).expect("sent");
    }
    let ask = || world.server.operator().post("/rivermouth/plan/audience", &body).status;
    until("plans that nobody reads have ended", ask, |status| *status == 200);
    assert_eq!(plan(&world, &body)["wouldBe"], 20);
}
