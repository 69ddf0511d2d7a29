//! Tables of the namespace rules, error bodies word by word.

use super::*;

const SANDBOX: SandboxId = SandboxId(1);

fn call<T>(f: impl FnOnce(&Caller<'_>) -> T) -> T {
    f(&Caller {
        org: "O@AdobeOrg",
        tenant: "t",
        sandbox: SANDBOX,
        sandbox_name: "prod",
        client: "me",
        now: Timestamp(1_557_527_094_914),
        fresh: &|| [0; 16],
    })
}

fn body(name: &str, code: &str, id_type: &str) -> Json {
    json!({"name": name, "code": code, "idType": id_type})
}

fn with_loyalty() -> (DocSet, SmolStr) {
    let mut docs = DocSet::default();
    docs.n = 41;
    let (changes, id) = call(|caller| create(&docs, caller, &body("Loyalty", "Loyalty", "Email"))).expect("good");
    docs.apply(42, Timestamp(7), &changes[0]);
    (docs, id)
}

#[test]
fn standard_codes_have_fixed_numbers() {
    let docs = DocSet::default();
    let numbers = ["CORE", "ECID", "Email", "Phone", "AAID", "AdCloud", "Email_LC_SHA256", "IDFA", "GAID"]
        .map(|code| lookup(&docs, SANDBOX, code).map(|id| id.0));
    let expected = [0, 4, 6, 7, 10, 411, 11, 20915, 20914].map(Some);
    assert_eq!(numbers, expected);
    assert_eq!(lookup(&docs, SANDBOX, "email"), Some(NamespaceId(6)));
    assert_eq!(lookup(&docs, SANDBOX, "411"), Some(NamespaceId(411)));
    assert_eq!(lookup(&docs, SANDBOX, "5"), None);
    assert_eq!(code_of(&docs, SANDBOX, NamespaceId(4)).as_deref(), Some("ECID"));
    let mut ids: Vec<_> = STANDARD.iter().map(|s| s.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), STANDARD.len());
    assert!(ids.is_sorted());
}

#[test]
fn own_namespaces_are_numbered_by_position_and_stay_in_their_sandbox() {
    let (docs, id) = with_loyalty();
    assert_eq!(id, "10000042");
    assert_eq!(lookup(&docs, SANDBOX, "Loyalty"), Some(NamespaceId(10_000_042)));
    assert_eq!(lookup(&docs, SANDBOX, "loyalty"), None, "own codes are case-sensitive");
    assert_eq!(lookup(&docs, SandboxId(2), "Loyalty"), None);
    assert_eq!(
        call(|caller| get(&docs, caller, &id)).expect("there"),
        json!({
            "updateTime": 7, "code": "Loyalty", "status": "ACTIVE", "createTime": 7, "description": "",
            "idType": "EMAIL", "name": "Loyalty", "id": 10_000_042, "custom": true,
        })
    );
    assert_eq!(call(|caller| list(&docs, caller)).as_array().map(Vec::len), Some(STANDARD.len() + 1));
}

#[test]
fn non_people_take_no_part_in_graphs() {
    let mut docs = DocSet::default();
    let (changes, _) = call(|caller| create(&docs, caller, &body("Shop", "shop", "Non_people"))).expect("good");
    docs.apply(1, Timestamp(7), &changes[0]);
    assert!(!takes_part_in_graph(&docs, SANDBOX, NamespaceId(10_000_001)));
    assert!(takes_part_in_graph(&docs, SANDBOX, NamespaceId(6)));
    assert!(!takes_part_in_graph(&docs, SANDBOX, NamespaceId(5)));
}

#[test]
fn name_and_description_change_and_nothing_else() {
    let (mut docs, id) = with_loyalty();
    let mut wanted = body("Loyalty club", "Loyalty", "EMAIL");
    wanted["description"] = "members".into();
    let (changes, _) = call(|caller| update(&docs, caller, &id, &wanted)).expect("good");
    docs.apply(43, Timestamp(9), &changes[0]);
    let shown = call(|caller| get(&docs, caller, &id)).expect("there");
    assert_eq!(
        (&shown["name"], &shown["description"], &shown["updateTime"]),
        (&json!("Loyalty club"), &json!("members"), &json!(9))
    );
    for (id, wanted, status, description) in [
        (id.as_str(), body("x", "Loyal", "EMAIL"), 400, "code and idType are non editable fields"),
        (id.as_str(), body("x", "Loyalty", "PHONE"), 400, "code and idType are non editable fields"),
        ("6", body("x", "Email", "EMAIL"), 400, "standard namespaces are non editable"),
        ("5", body("x", "Loyalty", "EMAIL"), 404, "Namespace id 5 not found for given IMS Org O@AdobeOrg"),
    ] {
        let error = call(|caller| update(&docs, caller, id, &wanted)).expect_err(description);
        assert_eq!((error.status(), error.to_string().as_str()), (status, description));
    }
}

#[test]
fn bad_bodies_are_refused_by_name() {
    let (docs, _) = with_loyalty();
    let types = "Please provide a valid value of idType. Valid values are: \
                 [COOKIE, CROSS_DEVICE, DEVICE, EMAIL, MOBILE, NON_PEOPLE, PHONE], given is `FAX`";
    for (wanted, status, description) in [
        (json!(1), 400, "the body must be a JSON object"),
        (json!({"code": "a", "idType": "EMAIL"}), 400, "name: is required"),
        (json!({"name": "a", "idType": "EMAIL"}), 400, "code: is required"),
        (json!({"name": "a", "code": 1, "idType": "EMAIL"}), 400, "code: must be a string, is `1`"),
        (json!({"name": "a", "code": "b", "idType": "EMAIL", "x": 1}), 400, "x: is not a supported member"),
        (body("a", "b c", "EMAIL"), 400, "code: must be 1 to 255 letters and digits, is `b c`"),
        (body("a", "b_c", "EMAIL"), 400, "code: must be 1 to 255 letters and digits, is `b_c`"),
        (body("a", "b", "FAX"), 400, types),
        (body("a", "Loyalty", "EMAIL"), 409, "Namespace code already exists. Please use a different code"),
        (body("a", "ecid", "EMAIL"), 409, "Namespace code already exists. Please use a different code"),
    ] {
        let error = call(|caller| create(&docs, caller, &wanted)).expect_err(description);
        assert_eq!((error.status(), error.to_string().as_str()), (status, description));
    }
    call(|caller| create(&docs, caller, &body("a", "LOYALTY", "EMAIL"))).expect("another code");
}

#[test]
fn error_bodies_are_those_of_the_service() {
    let (docs, _) = with_loyalty();
    let conflict = call(|caller| create(&docs, caller, &body("a", "Loyalty", "EMAIL"))).expect_err("taken");
    assert_eq!(
        conflict.body(),
        json!({
            "timestamp": "2019-05-10T22:24:54.914Z",
            "type": "http://ns.adobe.com/adobecloud/problem/namespacevalidation",
            "status": 409,
            "title": "NAMESPACE_CODE_CONFLICT",
            "description": "Namespace code already exists. Please use a different code",
            "report": {"code": "INTEGRATION_CODE_EXISTS"},
        })
    );
    let missing = call(|caller| get(&docs, caller, "x")).expect_err("unknown");
    assert_eq!(
        missing.body(),
        json!({
            "timestamp": "2019-05-10T22:24:54.914Z",
            "type": "http://ns.adobe.com/adobecloud/problem/namespacevalidation",
            "status": 404,
            "title": "Namespace validation",
            "error": "NAMESPACE_NOT_FOUND",
            "description": "Namespace id x not found for given IMS Org O@AdobeOrg",
            "report": {"code": "NAMESPACE_NOT_FOUND"},
        })
    );
}
