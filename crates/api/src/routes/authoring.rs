//! Destination Authoring: `/data/core/activation/authoring` (destination-sdk.md §2).

use crate::app::App;
use crate::error::{ApiError, respond};
use crate::gateway::{Requester, bad_request, json_bytes};
use authoring::{Catalog, Kind, Outside, authored, publishing, trial};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use model::{Caller, Collection, DocChange, DocSet};
use serde_json::Value as Json;

pub(super) fn routes() -> Router<App> {
    let at = |path: &str| format!("{}/{path}", authoring::BASE_PATH);
    let mut router = Router::new()
        .route(&at("destinations/publish"), get(list_published).post(publish))
        .route(&at("destinations/publish/{id}"), get(get_published))
        .route(&at("sample-profiles"), get(sample_profiles))
        .route(&at("testing/template/sample/{id}"), get(sample_template))
        .route(&at("testing/template/render"), post(render))
        .route(&at("testing/template/render/destination"), post(render_fields))
        .route(&at("testing/destinationInstance/{id}"), post(test_instance))
        .route(&at("testing/destinationInstance/{id}/results"), get(test_results));
    for kind in Kind::ALL {
        router = router
            .route(&at(kind.plural()), collection(kind))
            .route(&at(&format!("{}/{{id}}", kind.plural())), member(kind));
    }
    router
}

type Answer = Result<Response, ApiError>;

/// A JSON body in which no key is given twice.
struct Body(Json);

impl FromRequest<App> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Body, ApiError> {
        Ok(Body(authoring::read_body(&json_bytes(request, app).await?)?))
    }
}

type Parameters = Query<Vec<(String, String)>>;

impl From<authoring::Error> for ApiError {
    fn from(error: authoring::Error) -> ApiError {
        ApiError::new(error.status(), error.body())
    }
}

fn ok(body: &Json) -> Answer {
    Ok(respond(200, body, &[], "application/json"))
}

async fn change(
    app: &App,
    requester: &Requester,
    status: u16,
    decide: impl FnOnce(&DocSet, &Caller<'_>, &Outside<'_>) -> authoring::Result<authoring::Change>,
) -> Answer {
    let decide = |docs: &DocSet, caller: &Caller<'_>| {
        decide(docs, caller, &Outside { seal: &|secret| app.keyring.seal(secret) })
    };
    let answer = app.change(requester, decide).await?;
    Ok(respond(status, &answer, &[], "application/json"))
}

fn read(
    app: &App,
    requester: &Requester,
    f: impl FnOnce(&DocSet, &Caller<'_>, &Catalog) -> authoring::Result<Json>,
) -> Answer {
    ok(&app.read(requester, |docs, caller| f(docs, caller, &app.catalogs.get(docs, caller.sandbox)))?)
}

// The five operations of a kind.

fn collection(kind: Kind) -> axum::routing::MethodRouter<App> {
    let list = async move |State(app): State<App>, requester: Requester| {
        read(&app, &requester, |docs, caller, _| Ok(authored::list(docs, caller, kind)))
    };
    let create = async move |State(app): State<App>, requester: Requester, Body(body): Body| {
        change(&app, &requester, 200, |docs, caller, outside| authored::create(docs, caller, kind, &body, outside))
            .await
    };
    get(list).post(create)
}

fn member(kind: Kind) -> axum::routing::MethodRouter<App> {
    let one = async move |State(app): State<App>, requester: Requester, Path(id): Path<String>| {
        read(&app, &requester, |docs, caller, _| authored::get(docs, caller, kind, &id))
    };
    let replace =
        async move |State(app): State<App>, requester: Requester, Path(id): Path<String>, Body(body): Body| {
            let replace = |docs: &DocSet, caller: &Caller<'_>, outside: &Outside<'_>| {
                authored::replace(docs, caller, kind, &id, &body, outside)
            };
            change(&app, &requester, 200, replace).await
        };
    let delete = async move |State(app): State<App>, requester: Requester, Path(id): Path<String>| {
        let delete = |docs: &DocSet, caller: &Caller<'_>| {
            Ok::<(Vec<DocChange>, ()), authoring::Error>((authored::delete(docs, caller, kind, &id)?, ()))
        };
        app.change(&requester, delete).await
    };
    get(one).put(replace).delete(delete)
}

// Publishing.

async fn list_published(State(app): State<App>, requester: Requester) -> Answer {
    read(&app, &requester, |docs, caller, _| Ok(publishing::list(docs, caller)))
}

async fn publish(State(app): State<App>, requester: Requester, Body(body): Body) -> Answer {
    change(&app, &requester, 201, |docs, caller, _| publishing::create(docs, caller, &body)).await
}

async fn get_published(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Answer {
    read(&app, &requester, |docs, caller, _| publishing::get(docs, caller, &id))
}

// Trials.

async fn sample_profiles(State(app): State<App>, requester: Requester, Query(pairs): Parameters) -> Answer {
    read(&app, &requester, |docs, caller, catalog| trial::sample_profiles(docs, caller, catalog, &pairs))
}

/// The text itself, not JSON.
async fn sample_template(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
) -> Result<String, ApiError> {
    app.read(&requester, |docs, caller| {
        trial::sample_template(docs, caller, &app.catalogs.get(docs, caller.sandbox), &id)
    })
}

async fn render(State(app): State<App>, requester: Requester, Body(body): Body) -> Answer {
    aside(move || read(&app, &requester, |docs, caller, catalog| trial::render(docs, caller, catalog, &body))).await
}

async fn render_fields(State(app): State<App>, requester: Requester, Body(body): Body) -> Answer {
    aside(move || read(&app, &requester, |docs, caller, catalog| trial::render_fields(docs, caller, catalog, &body)))
        .await
}

/// Runs long work where it holds up no other request.
async fn aside(job: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    let done = tokio::task::spawn_blocking(job).await;
    done.unwrap_or_else(|_| {
        Err(ApiError::problem(500, "about:blank", "InternalServerError", "the rendering broke off"))
    })
}

/// Sends profiles through a flow, as an export would be sent; for files, shows the names that they would get.
async fn test_instance(State(app): State<App>, requester: Requester, Path(id): Path<String>, bytes: Bytes) -> Answer {
    let profiles = test_profiles(&bytes)?;
    let files = app.read(&requester, |docs, caller| {
        authoring::preview_files(docs, caller, &app.catalogs.get(docs, caller.sandbox), &id)
    })?;
    if let Some(files) = files {
        return match profiles {
            Some(_) => {
                Err(bad_request("file exports are not served yet: leave profiles out to see the names of files"))
            }
            None => ok(&files),
        };
    }
    app.read(&requester, |docs, caller| {
        authoring::instance(docs, caller.sandbox, &app.catalogs.get(docs, caller.sandbox), &id).map(|_| ())
    })?;
    ok(&(app.instance_test)(requester.sandbox, id, profiles).await?)
}

/// Profiles in a body, if there are any: `{"profiles": [...]}`, or the list alone.
fn test_profiles(bytes: &[u8]) -> Result<Option<Vec<Json>>, ApiError> {
    if bytes.trim_ascii().is_empty() {
        return Ok(None);
    }
    let body = authoring::read_body(bytes)?;
    let list = match &body {
        // As `aepp` sends it; without profiles, the list is empty.
        Json::Array(profiles) if profiles.is_empty() => return Ok(None),
        Json::Array(_) => &body,
        Json::Object(fields) => match fields.keys().find(|name| *name != "profiles") {
            Some(name) => return Err(bad_request(&format!("{name}: is not known here; known: profiles"))),
            None => &body["profiles"],
        },
        _ => return Err(bad_request("the body must be an object {profiles} or the list of profiles")),
    };
    match list {
        Json::Null => Ok(None),
        Json::Array(profiles) if profiles.is_empty() => Err(bad_request("profiles: must not be empty; leave it out")),
        Json::Array(profiles) if profiles.len() > authoring::PROFILES_MAX as usize => {
            let (most, given) = (authoring::PROFILES_MAX, profiles.len());
            Err(bad_request(&format!("profiles: at most {most}; given {given}")))
        }
        Json::Array(profiles) => Ok(Some(profiles.clone())),
        _ => Err(bad_request("profiles: must be an array of profiles in the source schema")),
    }
}

/// Results are of file exports, which have no runs yet.
async fn test_results(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    Query(pairs): Parameters,
) -> Answer {
    let known = |docs: &DocSet, caller: &Caller<'_>| {
        [Collection::Flow, Collection::TargetConnection]
            .iter()
            .any(|kind| docs.get(caller.sandbox, *kind, &id).is_some())
    };
    if !app.read(&requester, |docs, caller| Ok::<_, ApiError>(known(docs, caller)))? {
        let detail = format!("there is no destination instance {id:?} in this sandbox");
        return Err(ApiError::problem(404, "about:blank", "NotFoundError", &detail));
    }
    let runs = pairs.iter().find(|(name, _)| name == "flowRunIds").map_or("", |(_, ids)| ids.as_str());
    match runs.split(',').find(|run| !run.trim().is_empty()) {
        Some(run) => {
            let detail = format!("there is no test run {run:?}: file exports, which have runs, are not served yet");
            Err(ApiError::problem(404, "about:blank", "NotFoundError", &detail))
        }
        None => Err(bad_request("flowRunIds: is missing")),
    }
}

/// Publish requests, for the operator.
pub(super) fn reviews(docs: &DocSet) -> Json {
    publishing::reviews(docs)
}

/// The operator's verdict on a publish request.
pub(super) async fn review(app: &App, id: &str, verdict: publishing::Verdict) -> Answer {
    let now = app.clock.now();
    let decided = app.engine.control().change(|docs| publishing::decide(docs, id, verdict, now, "operator")).await;
    match decided {
        Ok(answer) => ok(&answer),
        Err(engine::ChangeError::Refused(error)) => Err(error.into()),
        Err(engine::ChangeError::Failed(error)) => Err(ApiError::unavailable(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn profiles_of_a_test_are_read() {
        let read = |text: &str| test_profiles(text.as_bytes()).map_err(|error| error.body["detail"].to_string());
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("{}"), Ok(None));
        // A client library sends the bare list, an empty one for generated profiles.
        assert_eq!(read("[]"), Ok(None));
        assert_eq!(read(r#"[{"a":1}]"#), Ok(Some(vec![json!({ "a": 1 })])));
        assert_eq!(read(r#"{"profiles":[{"a":1}]}"#), Ok(Some(vec![json!({ "a": 1 })])));
        for (text, wrong) in [
            ("[", "not valid JSON"),
            (r#"[{"a":1,"b":{"c":2,"c":3}}]"#, "[0].b.c: is given twice"),
            ("7", "must be an object"),
            (r#"{"profile":[]}"#, "profile: is not known"),
            (r#"{"profiles":[]}"#, "must not be empty"),
            (r#"{"profiles":{}}"#, "must be an array"),
        ] {
            assert!(read(text).is_err_and(|detail| detail.contains(wrong)), "{text}");
        }
    }
}
