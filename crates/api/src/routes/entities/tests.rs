//! Tests of the entities routes: what is asked, what is shown.

use super::ask::{NamespaceName, Subject, of_body, of_deletion, of_query};
use super::events::{Cursor, EventQuery, Filter, page};
use super::show::{event_value, project};
use super::{Refusal, bulk};
use engine::StoredEvent;
use model::{DatasetNo, Identity, NamespaceId, SmolStr, Timestamp, Value};
use profile::{AuthState, RecordIdentity};
use serde_json::{Value as Json, json};

fn value(json: &Json) -> Value {
    Value::from(json)
}

fn code(id: NamespaceId) -> SmolStr {
    SmolStr::new(if id.0 == 6 { "Email" } else { "ECID" })
}

fn event(at: i64, id: &str, body: &Json) -> StoredEvent {
    let identity = Identity { namespace: NamespaceId(6), value: "a@b.example".into() };
    let mapped = RecordIdentity {
        identity: identity.clone(),
        state: AuthState::Authenticated,
        primary: true,
        mapped: true,
        in_graph: true,
    };
    let in_body = RecordIdentity { mapped: false, primary: false, ..mapped.clone() };
    StoredEvent {
        dataset: DatasetNo(1),
        identities: vec![mapped, in_body],
        view: pql::EventView { timestamp: Timestamp(at), id: id.into(), body: value(body) },
    }
}

fn query(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
    parameters.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}

fn message<T>(result: Result<T, Refusal>) -> String {
    result.err().map(|refusal| format!("{} {}", refusal.status, refusal.message)).unwrap_or_default()
}

#[test]
fn a_query_names_a_profile_by_identity_or_xid() {
    let (ask, named) = of_query(&query(&[
        ("schema.name", "_xdm.context.profile"),
        ("entityId", "a@b.example"),
        ("entityIdNS", "email"),
        ("fields", "person.name,workEmail"),
    ]))
    .expect("sound");
    assert_eq!(ask.subject, Subject::Profile);
    assert_eq!(ask.fields, [vec!["person", "name"], vec!["workEmail"]]);
    assert_eq!(named.namespace, Some(NamespaceName::Code("email".into())));
    let (_, named) = of_query(&query(&[("schema.name", "_xdm.context.profile"), ("entityId", "x")])).expect("sound");
    assert_eq!(named.namespace, None);
}

#[test]
fn refusals_name_what_is_wrong() {
    let profile = ("schema.name", "_xdm.context.profile");
    let event = [("schema.name", "_xdm.context.experienceevent"), ("relatedSchema.name", "_xdm.context.profile")];
    let refused = |parameters: &[(&str, &str)]| message(of_query(&query(parameters)));
    assert_eq!(refused(&[("entityId", "x")]), "400 schema.name: is missing");
    assert_eq!(refused(&[profile]), "400 entityId: is missing");
    assert_eq!(
        refused(&[profile, ("relatedEntityId", "x")]),
        "400 relatedEntityId: needs schema.name=_xdm.context.experienceevent"
    );
    assert_eq!(
        refused(&[event[0], ("relatedEntityId", "x")]),
        "400 relatedSchema.name: is missing; events need _xdm.context.profile"
    );
    assert_eq!(refused(&event), "400 relatedEntityId: is missing");
    assert_eq!(
        refused(&[profile, ("entityId", "x"), ("withCA", "true")]),
        "400 withCA: computed attributes are not served yet"
    );
    assert_eq!(refused(&[profile, ("entityId", "x"), ("wat", "1")]), "400 wat: is not a supported query parameter");
    assert_eq!(refused(&[profile, ("entityId", "x"), ("limit", "0")]), "400 limit: must be a whole number from 1");
    assert_eq!(
        refused(&[profile, ("entityId", "x"), ("orderBy", "name")]),
        "400 orderby: must be timestamp or -timestamp, is \"name\""
    );
    assert!(refused(&[("schema.name", "_xdm.context.account"), ("entityId", "x")]).contains("is not served yet"));
    assert!(
        refused(&[profile, ("entityId", "x"), ("property", "a=1")]).starts_with("400 property: filters events only")
    );
    let four: Vec<(&str, &str)> = event.into_iter().chain([("property", "a=1"); 4]).collect();
    assert_eq!(refused(&four), "400 property: at most 3 filters, 4 were given");
    assert!(
        message(of_deletion(&query(&[event[0], event[1], ("entityId", "x")])))
            .starts_with("400 relatedSchema.name: is not")
    );
}

#[test]
fn an_event_is_named_by_its_id_and_a_repeated_profile_narrows_nothing() {
    let base = [
        ("schema.name", "_xdm.context.experienceevent"),
        ("relatedSchema.name", "_xdm.context.profile"),
        ("relatedEntityId", "a@b.example"),
        ("relatedEntityIdNS", "Email"),
    ];
    let id = |more: &[(&str, &str)]| {
        let parameters: Vec<(&str, &str)> = base.iter().chain(more).copied().collect();
        of_query(&query(&parameters)).map(|(ask, _)| ask.events.id)
    };
    assert_eq!(id(&[]), Ok(None));
    assert_eq!(id(&[("entityId", "e1")]), Ok(Some("e1".into())));
    assert_eq!(id(&[("entityId", "a@b.example"), ("entityIdNS", "Email")]), Ok(None));
    assert!(message(id(&[("entityId", "e1"), ("entityIdNS", "Email")])).contains("an event has no namespace"));
}

#[test]
fn a_body_names_many_and_each_may_fail_alone() {
    let (ask, asked) = of_body(&json!({
        "schema": { "name": "_xdm.context.profile" },
        "fields": ["person.name", "workEmail"],
        "identities": [
            { "entityId": "1", "entityIdNS": { "code": "ECID" } },
            { "entityId": 2334, "entityIdNS": { "id": "6" } },
            { "entityIdNS": { "code": "ECID" } },
            { "entityId": "x", "entityIdNS": {} },
        ],
        "timeFilter": { "startTime": 1539838505, "endTime": 1539838510.0 },
        "limit": 10,
        "orderBy": "-timestamp",
    }))
    .expect("sound");
    assert!(ask.events.descending && ask.events.limit == 10 && ask.events.to == Some(1_539_838_510));
    assert_eq!(asked[0].named.as_ref().expect("sound").id, "1");
    assert_eq!(asked[1].named.as_ref().expect("sound").namespace, Some(NamespaceName::Id(NamespaceId(6))));
    assert_eq!(message(asked[2].named.clone()), "400 entityId: is missing");
    assert_eq!(message(asked[3].named.clone()), "400 entityIdNS: must hold `code` or `id`, is {}");
    assert_eq!(
        message(of_body(&json!({ "schema": { "name": "_xdm.context.profile" } }))),
        "400 identities: must be an array of at least one identity"
    );
    assert_eq!(message(of_body(&json!({ "wat": 1 }))), "400 wat: is not a supported member");
}

#[test]
fn an_answer_for_many_is_partial_when_one_failed() {
    let good = Ok(("x1".to_owned(), json!({ "entityId": "x1" })));
    assert_eq!(bulk(vec![good.clone()]), (200, json!({ "x1": { "entityId": "x1" } })));
    let bad = Err(("n".to_owned(), Refusal::invalid("entityIdNS: there is no identity namespace \"n\"")));
    let (status, items) = bulk(vec![good, bad]);
    assert_eq!((status, &items[0]), (207, &json!({ "entityId": "x1", "xid": "x1" })));
    assert_eq!(items[1]["error"]["statusCode"], "400");
}

#[test]
fn pages_hold_every_event_once_in_both_orders() {
    let all: Vec<StoredEvent> =
        [(5, "c"), (3, "b"), (3, "a"), (9, "d"), (1, "e")].iter().map(|(at, id)| event(*at, id, &json!({}))).collect();
    for descending in [false, true] {
        let mut query = EventQuery { limit: 2, descending, ..EventQuery::default() };
        let mut seen = String::new();
        loop {
            let page = page(all.clone(), &query, &code);
            seen.extend(page.events.iter().map(|e| e.view.id.as_str()));
            match page.next {
                Some(next) => query.after = Some(Cursor::parse(&next.text()).expect("reads back")),
                None => break,
            }
        }
        assert_eq!(seen, if descending { "dcbae" } else { "eabcd" });
    }
    assert_eq!(Cursor::parse("zz"), None);
    assert_eq!(Cursor::parse("€"), None);
}

#[test]
fn the_time_range_includes_its_start_and_excludes_its_end() {
    let all: Vec<StoredEvent> = [1, 2, 3].iter().map(|at| event(*at, &at.to_string(), &json!({}))).collect();
    let query = EventQuery { from: Some(2), to: Some(3), limit: 10, ..EventQuery::default() };
    let shown = page(all, &query, &code);
    assert_eq!(shown.events.iter().map(|e| e.view.timestamp.0).collect::<Vec<_>>(), [2]);
}

#[test]
fn filters_compare_by_the_type_of_the_field() {
    let body = json!({
        "web": { "isHomepage": false, "views": 3, "name": "Home" },
        "localTime": "2020-07-20T15:00:00Z",
        "items": [{ "sku": "a", "price": 2.5 }, { "sku": "b", "price": 10 }],
    });
    let event = event_value(&event(0, "e", &body), &code);
    let admits = |text: &str| Filter::parse(text).is_some_and(|f| f.admits(&event));
    for good in [
        "web.isHomepage=false",
        "web.views>=3",
        "web.views<3.5",
        "web.name=\"Home\"",
        "web.name!=home",
        "localTime<=\"2020-07-20\"",
        "localTime=20200720",
        "localTime>2020-07-20T14:59:59Z",
        "items.sku=b",
        "items.price>9",
        "missing!=1",
        "identityMap.Email.id=a@b.example",
        "_id=e",
    ] {
        assert!(admits(good), "{good}");
    }
    for bad in [
        "web.isHomepage=true",
        "web.views>3",
        "localTime<20200720",
        "items.sku=c",
        "missing=1",
        "web=1",
        "web.isHomepage=maybe",
    ] {
        assert!(!admits(bad), "{bad}");
    }
    for none in ["", "web", "=1", "a..b=1", "a="] {
        assert_eq!(Filter::parse(none), None, "{none}");
    }
}

#[test]
fn an_event_shows_the_identities_of_its_map_only() {
    let shown = event_value(&event(1_000, "e", &json!({ "eventType": "x" })), &code).to_json();
    assert_eq!(
        shown,
        json!({
            "eventType": "x",
            "_id": "e",
            "timestamp": "1970-01-01T00:00:01Z",
            "identityMap": { "Email": [{ "id": "a@b.example", "authenticatedState": "authenticated", "primary": true }] },
        })
    );
}

#[test]
fn fields_narrow_objects_and_arrays() {
    let entity = value(&json!({
        "person": { "name": { "firstName": "Jane", "lastName": "Doe" }, "gender": "f" },
        "items": [{ "sku": "a", "price": 1 }, { "sku": "b" }],
    }));
    let paths = |list: &[&str]| list.iter().map(|p| p.split('.').map(str::to_owned).collect()).collect::<Vec<_>>();
    let shown = |list: &[&str]| project(&entity, &paths(list)).to_json();
    assert_eq!(
        shown(&["person.name.firstName", "items.price"]),
        json!({
            "person": { "name": { "firstName": "Jane" } },
            "items": [{ "price": 1 }],
        })
    );
    assert_eq!(shown(&["person", "person.gender"])["person"]["name"]["lastName"], "Doe");
    assert_eq!(shown(&["person.name.firstName.x", "nothing"]), json!({}));
    assert_eq!(shown(&[]), entity.to_json());
}
