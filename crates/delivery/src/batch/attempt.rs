//! One attempt to deliver one shipment.
//!
//! In: a destination and a shipment. Out: how it ended. A 401 with a token that can be fetched anew
//! fetches one and sends again at once, within the same attempt.

use super::gather::Shipment;
use super::target::{Access, Refusal, Target};
use crate::http::{Answer, Failure};
use crate::metrics::Class;
use crate::pace::Signal;
use destination::message::{self, GroupKey, Judgement, Slice};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Method, Request, StatusCode, Url};
use std::fmt::Write as _;
use std::sync::Arc;

const DELIVERY_ID: HeaderName = HeaderName::from_static("x-rivermouth-delivery-id");

pub(crate) type Parcel = Shipment<Arc<GroupKey>, Slice>;

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The receiver answered, and this is what it means.
    Judged { judgement: Judgement, signal: Signal, class: Option<Class>, retry_after_ms: Option<i64> },
    /// No answer.
    Failed(Failure),
    /// The templates failed on these profiles.
    Unsaid(String),
}

/// A request and what became of it.
pub(crate) struct Exchange {
    pub(crate) request: message::Request,
    pub(crate) answer: Answer,
}

/// Sends a shipment once, or twice if a token was refused.
pub(crate) async fn deliver(target: &Target, parcel: &Parcel) -> Verdict {
    let slices: Vec<&Slice> = parcel.pieces.iter().map(|p| &p.payload).collect();
    match exchange(target, &parcel.group, &slices, parcel.idempotency_key()).await {
        Ok(exchange) => judge(target, &exchange.answer, &slices),
        Err(Trouble::Failed(failure)) => Verdict::Failed(failure),
        Err(Trouble::Unsaid(reason)) => Verdict::Unsaid(reason),
    }
}

/// Why there is no answer.
pub(crate) enum Trouble {
    Failed(Failure),
    Unsaid(String),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Failed(failure)
    }
}

pub(crate) async fn exchange(
    target: &Target,
    group: &GroupKey,
    slices: &[&Slice],
    id: [u8; 16],
) -> Result<Exchange, Trouble> {
    let access = access(target, None).await?;
    let exchange = send(target, group, slices, id, &access).await?;
    match access.number {
        Some(refused) if exchange.answer.status == StatusCode::UNAUTHORIZED => {
            let fresh = self::access(target, Some(refused)).await?;
            send(target, group, slices, id, &fresh).await
        }
        _ => Ok(exchange),
    }
}

async fn access(target: &Target, refused: Option<u64>) -> Result<Access, Failure> {
    let refusal = |Refusal { reason, retry, retry_after_ms }| Failure {
        class: Class::Token,
        reason,
        retry,
        retry_after_ms,
        signal: Signal::Nothing,
    };
    target.batching.authorize.access(refused).await.map_err(refusal)
}

async fn send(
    target: &Target,
    group: &GroupKey,
    slices: &[&Slice],
    id: [u8; 16],
    access: &Access,
) -> Result<Exchange, Trouble> {
    let composed = target.batching.instance.with_auth_data(&access.auth_data).compose(group, slices);
    let request = composed.map_err(|error| Trouble::Unsaid(error.without_value().to_string()))?;
    let built = build(&request, id, access)?;
    let answer = target.send(built).await?;
    Ok(Exchange { request, answer })
}

/// What was rendered is at fault if this fails, perhaps by one profile only.
fn build(request: &message::Request, id: [u8; 16], access: &Access) -> Result<Request, Trouble> {
    let unsaid = |what: String| Trouble::Unsaid(what);
    let url = Url::parse(&request.url).map_err(|error| unsaid(format!("the rendered URL: {error}")))?;
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| unsaid(format!("{} is not an HTTP method", request.method)))?;
    let mut built = Request::new(method, url);
    let headers = built.headers_mut();
    for (name, value) in &request.headers {
        let illegal = |what| unsaid(format!("header `{name}`: {what}"));
        let checked = HeaderName::from_bytes(name.as_bytes()).map_err(|_| illegal("not a legal name"))?;
        let mut value = HeaderValue::from_str(value).map_err(|_| illegal("its value has illegal characters"))?;
        value.set_sensitive(true);
        headers.append(checked, value);
    }
    if let Some(header) = &access.header
        && !headers.contains_key(AUTHORIZATION)
    {
        headers.insert(AUTHORIZATION, header.clone());
    }
    if !headers.contains_key(DELIVERY_ID) {
        let mut hex = String::with_capacity(32);
        id.iter().for_each(|byte| write!(hex, "{byte:02x}").unwrap_or_default());
        headers.insert(DELIVERY_ID, HeaderValue::try_from(hex).map_err(|_| unsaid("the delivery id".into()))?);
    }
    if let Some(body) = &request.body {
        *built.body_mut() = Some(body.clone().into());
    }
    Ok(built)
}

fn judge(target: &Target, answer: &Answer, slices: &[&Slice]) -> Verdict {
    let code = answer.status.as_u16();
    let read = message::Answer { status: code, body: &answer.body };
    let judgement = target.batching.instance.judge(&read, slices, target.statuses());
    let class = match code {
        200..300 => None,
        429 => Some(Class::Throttled),
        400..500 => Some(Class::Client),
        500..600 => Some(Class::Server),
        _ => Some(Class::Redirect),
    };
    let signal = if matches!(code, 429 | 503) { Signal::Overloaded } else { Signal::Answered };
    Verdict::Judged { judgement, signal, class, retry_after_ms: answer.retry_after_ms }
}
