//! Folders that read, folders that do not, and the way from documents to files and back.

use destination::folder::{Before, Folder, yaml};
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::slice::from_ref;

fn files(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    list.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

const DESTINATION: &str = "
name: Lumen
destinationDelivery: [{authenticationRule: PLATFORM_AUTHENTICATION, authenticationId: account, destinationServerId: main}]
audienceMetadataConfig: {audienceTemplateId: lists}
aggregation: {aggregationType: BEST_EFFORT, bestEffortAggregation: {maxUsersPerRequest: 1}}
";
const SERVER: &str = "
name: Lumen server
destinationServerType: URL_BASED
urlBasedDestination: {url: {templatingStrategy: NONE, value: https://ex.test/people}}
httpTemplate:
  httpMethod: POST
  requestBody: {templatingStrategy: PEBBLE_V1, file: templates/body.peb}
";
const LISTS: &str = r#"{"metadataTemplate": {"name": "Lists", "create": {"url": "https://ex.test", "httpMethod": "POST",
    "responseFields": [{"name": "externalAudienceId", "value": "{{body.id}}"}]}}}"#;
const ACCOUNT: &str = "basicAuthentication: {username: lx, password: s3cr3t}\n";

fn sound() -> BTreeMap<String, String> {
    files(&[
        ("destination.yaml", DESTINATION),
        ("servers/main.yaml", SERVER),
        ("audience-templates/lists.json", LISTS),
        ("credentials/account.yml", ACCOUNT),
        ("templates/body.peb", "{\n  \"a\": {{ input.profile | raw }}\n}\n"),
        ("cases/first.yaml", "profiles: []\n"),
        ("cases/data/first.json", "not even JSON"),
        ("README.md", "For people."),
        (".gitignore", ""),
        ("logo.svg", "<svg/>"),
    ])
}

fn faults(change: &[(&str, Option<&str>)]) -> Vec<String> {
    let mut files = sound();
    for (name, text) in change {
        match text {
            Some(text) => _ = files.insert((*name).to_owned(), (*text).to_owned()),
            None => _ = files.remove(*name),
        }
    }
    let faults = match Folder::read(&files) {
        Ok(folder) => folder.configs().map(|_| ()).err().unwrap_or_default(),
        Err(faults) => faults,
    };
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn a_sound_folder() {
    let folder = Folder::read(&sound()).expect("a folder");
    assert_eq!(folder.name, "Lumen");
    assert_eq!(folder.cases, [("first".to_owned(), json!({"profiles": []}))]);
    let body = &folder.servers["main"]["httpTemplate"]["requestBody"];
    let expected = "{\n  \"a\": {{ input.profile | raw }}\n}";
    assert_eq!(*body, json!({"templatingStrategy": "PEBBLE_V1", "value": expected}));
    let configs = folder.configs().expect("no fault");
    assert_eq!(configs.destination.deliveries[0].destination_server_id, "main");
    assert_eq!(configs.servers.keys().collect::<Vec<_>>(), ["main"]);
}

#[test]
fn a_mark_of_byte_order_is_no_part_of_a_template() {
    let mut files = sound();
    let body = files.get_mut("templates/body.peb").expect("a template");
    body.insert(0, '\u{feff}');
    assert_eq!(Folder::read(&files).expect("a folder").servers, Folder::read(&sound()).expect("a folder").servers);
}

#[test]
fn what_is_wrong_with_a_folder() {
    assert_eq!(faults(&[]), Vec::<String>::new());
    assert_eq!(faults(&[("destination.yaml", None)]), ["destination.yaml: is missing: a folder holds one destination"]);
    assert_eq!(
        faults(&[("destination.json", Some("{}"))]),
        ["destination.yaml: is the same document as destination.json; keep one of them"]
    );
    assert_eq!(
        faults(&[("templates/body.peb", None)]),
        ["servers/main.yaml: httpTemplate.requestBody.file: there is no file \"templates/body.peb\" in this folder"]
    );
    assert_eq!(
        faults(&[("templates/other.peb", Some("x"))]),
        ["templates/other.peb: no document names this file; remove it, or name it with `file: …`"]
    );
    assert_eq!(
        faults(&[("server/main.yaml", Some("a: b"))]),
        ["server/main.yaml: is not part of the layout (destination.yaml, servers/NAME.yaml, \
          audience-templates/NAME.yaml, credentials/NAME.yaml, cases/NAME.yaml); given \"server\""]
    );
    assert_eq!(
        faults(&[("audience-templates/lists.json", Some("{"))])[0],
        "audience-templates/lists.json: is no JSON: EOF while parsing an object at line 1 column 1"
    );
    assert_eq!(
        faults(&[("audience-templates/lists.json", Some(r#"{"metadataTemplate": {"name": "a", "name": "b"}}"#))])[0],
        "audience-templates/lists.json: metadataTemplate.name: is given twice in this object at line 1 column 41"
    );
    let twice = faults(&[("credentials/account.yml", Some("a: 1\na: 2\n"))]);
    assert!(
        twice[0].starts_with("credentials/account.yml: is no YAML:") && twice[0].contains("duplicate"),
        "{twice:?}"
    );
}

/// A sound folder with names that are nowhere, and documents that nobody uses.
fn odd() -> BTreeMap<String, String> {
    let server = SERVER.replace(
        "value: https://ex.test/people",
        "value: \"https://ex.test/{{ customerData.acountId }}/{% if customerData.group.inn %}{{ x | uper }}{% endif %}\"",
    );
    let server = server.replace("url: {templatingStrategy: NONE", "url: {templatingStrategy: PEBBLE_V1");
    let body = "{% set seen = 1 %}{{ seen }}\n{% if false %}{{ customerDta.x }}{{ hasSegment(1) }}{% endif %}\
        {% for p in input.profiles %}{{ p.atributes.a }}{{ p.attributes.any.value }}{{ loop.index }}{% endfor %}\
        {{ customerData[\"accountId\"] }}{{ input.profle }}{{ destination.anything }}";
    let lists = LISTS.replace(
        "https://ex.test\"",
        "https://{{customerData.acount-Id}}.ex.test/{{segment.nam}}/{{response.id}}/{{authData.accessToken}}\"",
    );
    let destination = DESTINATION.to_owned()
        + "uiAttributes: {connectionType: Cloud storage}\n\
           customerDataFields: [{name: accountId, type: string}, {name: group, type: object, properties: [{name: in, type: string}]}]\n";
    let mut files = sound();
    for (name, text) in [
        ("destination.yaml", destination.as_str()),
        ("servers/main.yaml", &server),
        ("servers/other.yaml", SERVER),
        ("templates/body.peb", body),
        ("audience-templates/lists.json", &lists),
        ("audience-templates/spare.json", LISTS),
        ("credentials/spare.yml", ACCOUNT),
    ] {
        files.insert(name.to_owned(), text.to_owned());
    }
    files
}

#[test]
fn what_is_odd_with_a_folder() {
    let folder = Folder::read(&odd()).expect("a folder");
    let shown: Vec<String> = folder
        .warnings(&folder.configs().expect("no fault"))
        .into_iter()
        .map(|w| {
            let place = w.place.map(|(line, column)| format!("{line}:{column} ")).unwrap_or_default();
            format!("{} {} {place}{}", w.file, w.field, w.message)
        })
        .collect();
    let known = "known here: input, customerData, destination, authData";
    let url = "servers/main.yaml urlBasedDestination.url.value 1:";
    let call = "audience-templates/lists.json metadataTemplate.create.url 1:";
    assert_eq!(
        shown,
        [
            "servers/other.yaml  the destination does not use it: nothing names \"other\"".to_owned(),
            "audience-templates/spare.json  the destination does not use it: nothing names \"spare\"".to_owned(),
            "credentials/spare.yml  the destination does not use it: nothing names \"spare\"".to_owned(),
            "destination.yaml uiAttributes.connectionType says \"Cloud storage\", but the server takes requests: \
             Server-to-server would fit"
                .to_owned(),
            format!("{url}83 there is no filter `uper`: a message whose rendering comes here fails; did you mean `upper`?"),
            format!("{url}33 `customerData` has no `acountId`, so it prints nothing; did you mean `accountId`?"),
            format!("{url}70 `customerData.group` has no `inn`, so it prints nothing; did you mean `in`?"),
            format!("{url}79 templates do not see `x` here, so it prints nothing; {known}"),
            "templates/body.peb  2:37 there is no function or macro `hasSegment`: a message whose rendering comes here \
             fails; did you mean `hasSegments`?"
                .to_owned(),
            "templates/body.peb  2:18 templates do not see `customerDta` here, so it prints nothing; did you mean \
             `customerData`?"
                .to_owned(),
            "templates/body.peb  2:98 `input.profiles` has no `atributes`, so it prints nothing; did you mean \
             `attributes`?"
                .to_owned(),
            "templates/body.peb  2:208 `input` has no `profle`, so it prints nothing; did you mean `profile`?".to_owned(),
            format!("{call}24 `customerData` has no `acount-Id`, so it prints nothing; did you mean `accountId`?"),
            format!(
                "{call}62 templates do not see `response` here, so it prints nothing; known here: segment, destination, \
                 customerData, authData, segmentEnrichmentAttributes, oauth2ServiceAccessToken, validations"
            ),
            format!("{call}54 `segment` has no `nam`, so it prints nothing; did you mean `name`?"),
        ]
    );
}

#[test]
fn an_expected_value_that_is_no_pattern_is_odd() {
    let destination = DESTINATION
        .replace("PLATFORM_AUTHENTICATION, authenticationId: account", "CUSTOMER_AUTHENTICATION")
        + "customerAuthenticationConfigurations: [{authType: OAUTH2, grant: OAUTH2_CLIENT_CREDENTIALS, clientId: a, \
           clientSecret: b, accessTokenUrl: https://ex.test, validations: [{name: kind, \
           actualValue: {templatingStrategy: PEBBLE_V1, value: \"{{ response.body.kind }}\"}, \
           expectedValue: {templatingStrategy: NONE, value: \"(user\"}}]}]\n";
    let mut files = sound();
    files.insert("destination.yaml".to_owned(), destination);
    files.remove("credentials/account.yml");
    let folder = Folder::read(&files).expect("a folder");
    let warnings = folder.warnings(&folder.configs().expect("no fault"));
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert_eq!(warnings[0].field, "customerAuthenticationConfigurations[0]");
    assert!(warnings[0].message.starts_with("the expectedValue of the validation \"kind\" is no pattern ("));
}

#[test]
fn faults_name_file_and_field() {
    assert_eq!(
        faults(&[("servers/main.yaml", Some(&SERVER.replace("POST", "post")))]),
        ["servers/main.yaml: httpTemplate.httpMethod: must be spelled \"POST\"; given \"post\""]
    );
    assert_eq!(
        faults(&[("templates/body.peb", Some("{\n{% if %}\n}\n"))])[0].split(" (as ").collect::<Vec<_>>(),
        [
            "templates/body.peb: the template does not compile: line 2, column 7: a value expected, but `%}` closes \
             too early",
            "httpTemplate.requestBody.value of servers/main.yaml)"
        ]
    );
    assert_eq!(
        faults(&[("destination.yaml", Some(&DESTINATION.replace("main", "mian")))]),
        ["destination.yaml: destinationDelivery[0].destinationServerId: no destination server has the id \"mian\""]
    );
    let both = SERVER.replace("file: templates/body.peb", "file: templates/body.peb, value: x");
    assert_eq!(
        faults(&[("servers/main.yaml", Some(&both)), ("templates/body.peb", None)]),
        ["servers/main.yaml: httpTemplate.requestBody.file: stands in the place of value; give one of the two"]
    );
}

#[test]
fn from_the_api_to_files_and_back() {
    let read = Folder::read(&sound()).expect("a folder");
    let with_id = |json: &Json, id: &str| {
        let mut json = json.clone();
        json["instanceId"] = json!(id);
        json["createdDate"] = json!("2024-01-01T00:00:00Z");
        json
    };
    let text = read.destination.to_string().replace("\"main\"", "\"id-1\"").replace("\"lists\"", "\"id-2\"");
    let destination: Json = serde_json::from_str(&text.replace("\"account\"", "\"id-3\"")).expect("JSON");
    let files = Folder::from_api(
        &with_id(&destination, "id-0"),
        &[with_id(&read.servers["main"], "id-1"), with_id(&read.servers["main"], "id-9")],
        &[with_id(&read.audience_templates["lists"], "id-2")],
        &[with_id(&read.credentials["account"], "id-3")],
        &read.cases,
        &Before::default(),
    );
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "audience-templates/lists.yaml",
            "cases/first.yaml",
            "credentials/credential.yaml",
            "destination.yaml",
            "servers/lumen-server-2.yaml",
            "servers/lumen-server.yaml",
            "templates/lumen-server-2-body.peb",
            "templates/lumen-server-body.peb",
        ]
    );
    assert_eq!(files["templates/lumen-server-body.peb"], sound()["templates/body.peb"]);
    let again = Folder::read(&files).expect("a folder");
    assert_eq!(again.destination["destinationDelivery"][0]["destinationServerId"], "lumen-server");
    assert_eq!(again.destination["destinationDelivery"][0]["authenticationId"], "credential");
    assert_eq!(again.servers["lumen-server"], read.servers["main"]);
    assert_eq!(again.cases, read.cases);
    again.configs().expect("no fault");
    // What is there already stays where it is, and nothing else takes its name.
    let names =
        [("servers", "id-1", "main"), ("audience-templates", "id-2", "lists"), ("servers", "x", "lumen-server")];
    let names = names.map(|(part, id, name)| ((part.to_owned(), id.to_owned()), name.to_owned()));
    let before = Before { folder: Some(&read), names: names.into_iter().collect() };
    let servers = [with_id(&read.servers["main"], "id-1"), with_id(&read.servers["main"], "id-9")];
    let files = Folder::from_api(&destination, &servers, &[], &[], &[], &before);
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let expected = [
        "destination.yaml",
        "servers/lumen-server-2.yaml",
        "servers/main.yaml",
        "templates/body.peb",
        "templates/lumen-server-2-body.peb",
    ];
    assert_eq!(names, expected);
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,20}",
        // With what YAML does not take as it is: control characters, line breaks of others, marks, no characters.
        prop::collection::vec(any::<char>(), 0..12).prop_map(|text| text.into_iter().collect()),
        "[a\n\u{7f}\u{80}-\u{9f}\u{2028}\u{2029}\u{feff}\u{fffe}\u{ffff}]{0,6}",
        "[a-z ]{0,90}",
        "([ a-z{%}\"':#-]{0,12}[\n\r\t ]{0,2}){0,6}",
        Just("yes".to_owned()),
        Just("007".to_owned()),
        Just("1_000".to_owned()),
        Just("0x1F".to_owned()),
        Just("~".to_owned()),
        Just("long ".repeat(300)),
        Just("\u{0}".to_owned()),
        Just("2024-01-01".to_owned()),
        Just("- a: b".to_owned()),
    ]
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-1e6..1e6f64).prop_map(Json::from),
        text().prop_map(Json::from),
        text().prop_map(|text| json!({"templatingStrategy": "PEBBLE_V1", "value": text})),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::vec((text(), inner), 0..4)
                .prop_map(|fields| Json::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn yaml_reads_as_what_was_written(json in any_json()) {
        let text = yaml(&json);
        let options = serde_saphyr::options! {
            strict_booleans: true, leading_zero_numbers_as_strings: true, underscored_numbers_as_strings: true,
        };
        let read: Json = serde_saphyr::from_str_with_options(&text, options).expect("YAML");
        prop_assert_eq!(read, json, "{}", text);
    }

    /// A folder that was written from documents reads as these documents.
    #[test]
    fn documents_survive_the_folder(destination in any_json(), server in any_json(), template in any_json()) {
        let destination = json!({"name": "d", "x": destination});
        let server = json!({"name": "s", "x": server});
        let template = json!({"metadataTemplate": {"name": "t", "x": template}});
        let files = Folder::from_api(&destination, from_ref(&server), from_ref(&template), &[], &[], &Before::default());
        let folder = Folder::read(&files);
        let folder = folder.unwrap_or_else(|faults| panic!("{faults:#?}\n{files:#?}"));
        prop_assert_eq!(&folder.destination, &destination);
        prop_assert_eq!(&folder.servers["s"], &server);
        prop_assert_eq!(&folder.audience_templates["t"], &template);
    }

    /// Any texts under any names are read or refused.
    #[test]
    fn any_folder_is_read_or_refused(list in prop::collection::btree_map("(destination|servers/a|cases/b|templates/c|x)(\\.yaml|\\.json|\\.peb)?", text(), 0..5)) {
        if let Ok(folder) = Folder::read(&list) {
            _ = folder.configs();
        }
    }
}
