//! The test of a destination instance (destination-sdk.md §2.12): profiles go through the flow's mapping,
//! grouping and templates to the receiver at once, and what was said and answered is shown.
//!
//! Always: the outbox and the ledger are not touched; the authorization is not shown (B.33), nor is any secret of
//! the connection, wherever it was written or came back.

use super::{AccountOf, Place, Sdk};
use api::ApiError;
use authoring::{Catalog, Catalogs, REDACTED};
use delivery::{Call, Delivery, Trial};
use destination::config::CustomerAuthentication;
use destination::message::{GroupKey, Request, SourceProfile};
use engine::Engine;
use flows::SdkTarget;
use model::{Caller, SandboxId};
use partner::Account;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Shorter texts are found everywhere by chance.
const SECRET_BYTES_MIN: usize = 4;

/// Runs profiles in the source schema through a flow; sample profiles when none are given.
pub(in crate::server) async fn try_instance(
    engine: Arc<Engine>,
    sdk: Sdk,
    catalogs: Arc<Catalogs>,
    delivery: Arc<Delivery>,
    (sandbox, flow_id, profiles): (SandboxId, String, Option<Vec<Json>>),
) -> Result<Json, ApiError> {
    let current = engine.control().current();
    let docs = &current.docs;
    let catalog = catalogs.get(docs, sandbox);
    let refused = |detail: String| ApiError::problem(400, "about:blank", "BadRequestError", &detail);
    let unknown = || {
        let detail = format!("there is no destination instance {flow_id}");
        ApiError::problem(404, "about:blank", "NotFoundError", &detail)
    };
    let specs = flows::compile(docs, sandbox, &catalog.flows);
    let flow = specs.iter().find(|flow| flow.id == flow_id).ok_or_else(unknown)?;
    let flows::Target::Sdk(target) = &flow.target else {
        return Err(refused(format!("{flow_id} does not lead to an authored destination")));
    };
    let plan = current.plan.sandboxes.get(&sandbox).and_then(|p| p.flows.iter().find(|f| f.no == flow.no));
    let plan = plan.ok_or_else(unknown)?;
    let place = Place::of(docs, sandbox);
    let batching = sdk.batching(&place, &catalog, flow, target, plan).map_err(refused)?;
    let profiles = match profiles {
        Some(profiles) => profiles,
        None => samples(&current.docs, &place, &catalog, &flow_id, &sdk)?,
    };
    let mut sources = Vec::with_capacity(profiles.len());
    for (at, profile) in profiles.iter().enumerate() {
        let source = SourceProfile::from_json(profile).map_err(|fault| refused(format!("profiles[{at}]: {fault}")))?;
        sources.push(batching.instance.target(source));
    }
    let mut secrets = secrets(&sdk, &place, &catalog, target).await.map_err(refused)?;
    let trials = delivery.try_batching(batching, &sources, access::fresh).await;
    // The test may have fetched new tokens.
    secrets.extend(self::secrets(&sdk, &place, &catalog, target).await.map_err(refused)?);
    let secrets = forms(&secrets);
    let results: Vec<Json> = trials.iter().map(|trial| shown(trial, &flow_id, &secrets)).collect();
    Ok(json!({ "results": results, "inputProfiles": profiles }))
}

fn samples(
    docs: &model::DocSet,
    place: &Place<'_>,
    catalog: &authoring::Catalog,
    flow_id: &str,
    sdk: &Sdk,
) -> Result<Vec<Json>, ApiError> {
    let caller = Caller {
        org: &place.org,
        tenant: "",
        sandbox: place.sandbox,
        sandbox_name: &place.sandbox_name,
        client: "instance-test",
        now: sdk.line().wire.clock().now(),
        fresh: &access::fresh,
    };
    let asked = [("destinationInstanceId".to_owned(), flow_id.to_owned())];
    let samples = authoring::trial::sample_profiles(docs, &caller, catalog, &asked)
        .map_err(|error| ApiError::problem(400, "about:blank", "BadRequestError", &error.to_string()))?;
    Ok(samples.as_array().cloned().unwrap_or_default())
}

fn shown(trial: &Trial, flow_id: &str, secrets: &[String]) -> Json {
    let mut calls: Json = trial.calls.iter().map(call).collect();
    hide(&mut calls, secrets);
    let mut shown = json!({ "aggregationKey": key(&trial.group, flow_id), "httpCalls": calls });
    if trial.not_sent > 0 {
        shown["messagesNotSent"] = trial.not_sent.into();
    }
    shown
}

/// The secrets of a connection: of its account with the tokens that are held, and of its customer data.
async fn secrets(
    sdk: &Sdk,
    place: &Place<'_>,
    catalog: &Catalog,
    target: &SdkTarget,
) -> Result<BTreeSet<String>, String> {
    let entry = catalog.entry(&target.connection_spec_id).ok_or("the destination has left the catalog")?;
    let prepared = sdk.prepared(entry)?;
    let (entered, data) = (sdk.unsealed(&target.account)?, sdk.unsealed(&target.customer_data)?);
    let account = sdk.account(place, &AccountOf::of(target), &prepared)?.account.clone();
    let auth_data = account.auth_data();
    let mut names = vec!["token", "accessToken", "refreshToken", "clientSecret", "password"];
    for way in &prepared.config.customer_authentications {
        if let CustomerAuthentication::OAuth2(oauth) = way {
            names.extend(oauth.data_fields.iter().filter(|field| field.secret).map(|field| field.name.as_str()));
        }
    }
    let of_account = target.account_secrets.iter().filter_map(|name| entered.get(name.as_str()));
    let of_data = target.customer_secrets.iter().filter_map(|pointer| data.pointer(pointer));
    let of_auth = names.into_iter().filter_map(|name| auth_data.get(name));
    let texts = of_account.chain(of_data).chain(of_auth).filter_map(Json::as_str);
    let mut found: BTreeSet<String> = texts.map(str::to_owned).collect();
    // Nothing is fetched for these: the header is made of what was entered. Its text is another one than the password.
    if let Account::Basic { .. } = account {
        let header = account.authorization(sdk.line(), None).await.map_err(|failure| failure.message)?.header;
        let coded = header.as_ref().and_then(|value| value.to_str().ok()?.split_once(' '));
        found.extend(coded.map(|(_, coded)| coded.to_owned()));
    }
    Ok(found)
}

/// Every way in which templates write a secret, the longest first.
fn forms(secrets: &BTreeSet<String>) -> Vec<String> {
    let mut forms = BTreeSet::new();
    for secret in secrets.iter().filter(|secret| secret.len() >= SECRET_BYTES_MIN) {
        let quoted = Json::from(secret.as_str()).to_string();
        let html = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&#39;")];
        forms.insert(html.iter().fold(secret.clone(), |text, (from, to)| text.replace(from, to)));
        forms.insert(quoted[1..quoted.len() - 1].to_owned());
        forms.insert(quoted[1..quoted.len() - 1].replace('/', "\\/"));
        forms.insert(url::form_urlencoded::byte_serialize(secret.as_bytes()).collect());
        forms.insert(percent_encoding::utf8_percent_encode(secret, UNRESERVED).to_string());
        forms.insert(secret.clone());
    }
    let mut forms: Vec<String> = forms.into_iter().collect();
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms
}

const UNRESERVED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Puts the placeholder in the place of every secret in every text.
fn hide(shown: &mut Json, secrets: &[String]) {
    match shown {
        Json::String(text) => {
            for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
                if text.contains(secret.as_str()) {
                    *text = text.replace(secret.as_str(), REDACTED);
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| hide(item, secrets)),
        Json::Object(fields) => fields.values_mut().for_each(|value| hide(value, secrets)),
        _ => {}
    }
    hide_cut(shown, secrets);
}

/// The body of an answer that is longer than what was read can end within a secret.
fn hide_cut(answer: &mut Json, secrets: &[String]) {
    if answer["bodyCut"] != true {
        return;
    }
    let Some(body) = answer["body"].as_str() else { return };
    let begun = |secret: &String| {
        let ends = secret.char_indices().map(|(at, _)| at).rev();
        ends.take_while(|at| *at > 0).find(|at| body.trim_end_matches('\u{fffd}').ends_with(&secret[..*at]))
    };
    if let Some(length) = secrets.iter().filter_map(begun).max() {
        let kept = body.trim_end_matches('\u{fffd}').len() - length;
        answer["body"] = format!("{}{REDACTED}", &body[..kept]).into();
    }
}

/// With the namespaces in a list of lists, as this endpoint shows them (B.25).
fn key(group: &GroupKey, flow_id: &str) -> Json {
    let mut key = json!({ "destinationInstanceId": flow_id });
    if let Some((namespace, id)) = &group.segment {
        key["segmentId"] = id.as_str().into();
        key["segmentNamespace"] = namespace.as_str().into();
    }
    if let Some(status) = group.status {
        key["segmentStatus"] = status.as_str().into();
    }
    if let Some(namespaces) = &group.identity_namespaces {
        key["identityNamespaces"] = json!([namespaces.iter().map(model::SmolStr::as_str).collect::<Vec<_>>()]);
    }
    key
}

fn call(call: &Call) -> Json {
    let response = match &call.answer {
        Ok(answer) => {
            let mut response = json!({
            "body": String::from_utf8_lossy(&answer.body),
            "code": answer.status.as_str(),
            "headers": answer
                .headers
                .iter()
                .map(|(name, value)| json!({ name.as_str(): String::from_utf8_lossy(value.as_bytes()) }))
                .collect::<Vec<_>>(),
            });
            if answer.cut {
                response["bodyCut"] = true.into();
            }
            response
        }
        Err(reason) => json!({ "error": reason }),
    };
    let trace_id = uuid(access::fresh());
    json!({ "traceId": trace_id, "request": call.request.as_ref().map(request), "response": response })
}

fn request(request: &Request) -> Json {
    let shown = |name: &str| !name.eq_ignore_ascii_case("authorization");
    let headers = request.headers.iter().filter(|(name, _)| shown(name));
    json!({
        "body": request.body.as_deref().unwrap_or_default(),
        "headers": headers.map(|(name, value)| json!({ name.as_str(): value })).collect::<Vec<_>>(),
        "method": request.method,
        "uri": request.url,
    })
}

fn uuid(bytes: [u8; 16]) -> String {
    let fresh = move || bytes;
    let caller = Caller {
        org: "",
        tenant: "",
        sandbox: SandboxId(0),
        sandbox_name: "",
        client: "",
        now: model::Timestamp(0),
        fresh: &fresh,
    };
    caller.uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown_in_any_form() {
        let secrets = forms(&["p&s \"w/", "tok-12345", "abc"].map(str::to_owned).into());
        let mut shown = json!([{
            "request": { "uri": "https://a.test/?k=p%26s+%22w%2F&t=tok-12345", "headers": [{ "X": "abc tok-12345" }] },
            "response": { "body": "{\"a\":\"p&s \\\"w/\"} p&amp;s &quot;w/ tok-1", "bodyCut": true },
        }]);
        hide(&mut shown, &secrets);
        let wanted = json!([{
            "request": { "uri": "https://a.test/?k=<redacted>&t=<redacted>", "headers": [{ "X": "abc <redacted>" }] },
            "response": { "body": "{\"a\":\"<redacted>\"} <redacted> <redacted>", "bodyCut": true },
        }]);
        assert_eq!(shown, wanted);
    }
}
