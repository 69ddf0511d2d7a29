//! One attempt to deliver one shipment.
//!
//! In: a destination and a shipment. Out: how it ended. A 401 with a token that can be fetched anew
//! fetches one and sends again at once, within the same attempt.

use super::gather::Shipment;
use super::target::{Access, Refusal, Target};
use crate::http::{self, Answer, Failure};
use crate::metrics::Class;
use crate::pace::Signal;
use crate::port::Outbox;
use destination::message::{self, GroupKey, Judgement, Slice, SliceOutcome};
use model::FlowNo;
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

impl Verdict {
    /// Why something of the shipment was not taken.
    pub(crate) fn trouble(&self) -> Option<&str> {
        match self {
            Verdict::Failed(failure) => Some(&failure.reason),
            Verdict::Unsaid(reason) => Some(reason),
            Verdict::Judged { judgement, .. } => match judgement {
                Judgement::AllDelivered => None,
                Judgement::AllRetry { reason } | Judgement::AllRejected { reason, .. } => Some(reason),
                Judgement::PerSlice(outcomes) => outcomes.iter().find_map(|outcome| match outcome {
                    SliceOutcome::Delivered => None,
                    SliceOutcome::Retry { reason } | SliceOutcome::Rejected { reason } => Some(reason.as_str()),
                }),
            },
        }
    }
}

/// A request and what became of it.
pub(crate) struct Exchange {
    pub(crate) request: message::Request,
    pub(crate) answer: Answer,
}

/// A shipment that is to be written down before it is sent.
pub(crate) struct Record {
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) flow: FlowNo,
}

/// Sends a shipment once, or twice if a token was refused. `sent` is called when the first request is ready.
pub(crate) async fn deliver(target: &Arc<Target>, parcel: &Parcel, record: Option<Record>, sent: impl Fn()) -> Verdict {
    match attempt(target, parcel, record, sent).await {
        Ok(answer) => judge(target, &answer, &slices(parcel)),
        Err(Trouble::Failed(failure)) => Verdict::Failed(failure),
        Err(Trouble::Unsaid(reason)) => Verdict::Unsaid(reason),
    }
}

async fn attempt(
    target: &Arc<Target>,
    parcel: &Parcel,
    record: Option<Record>,
    sent: impl Fn(),
) -> Result<Answer, Trouble> {
    let id = parcel.idempotency_key();
    let (access, request) = prepare(target, parcel, record, id).await?;
    sent();
    let answer = target.send(request).await?;
    match access.number {
        Some(refused) if answer.status == StatusCode::UNAUTHORIZED => {
            let fresh = self::access(target, Some(refused)).await?;
            Ok(target.send(composed(target, parcel, &fresh, id)?).await?)
        }
        _ => Ok(answer),
    }
}

/// Writes a shipment down, if it is to be, and makes its request; both in one step on a blocking thread. It is written
/// down even if there is no access: the next attempt does not do it again.
async fn prepare(
    target: &Arc<Target>,
    parcel: &Parcel,
    record: Option<Record>,
    id: [u8; 16],
) -> Result<(Access, Request), Trouble> {
    let access = access(target, None).await;
    let Some(Record { outbox, flow }) = record else {
        let access = access?;
        let request = composed(target, parcel, &access, id)?;
        return Ok((access, request));
    };
    let (target, parcel) = (target.clone(), parcel.clone());
    let both = move || {
        outbox.record_batch(flow, &parcel.record());
        let access = access?;
        let request = composed(&target, &parcel, &access, id)?;
        Ok((access, request))
    };
    tokio::task::spawn_blocking(both).await.unwrap_or_else(|_| Err(Failure::cut_off().into()))
}

fn composed(target: &Target, parcel: &Parcel, access: &Access, id: [u8; 16]) -> Result<Request, Trouble> {
    build(message(target, &parcel.group, &slices(parcel), access)?, id, access)
}

fn message(target: &Target, group: &GroupKey, slices: &[&Slice], access: &Access) -> Result<message::Request, Trouble> {
    let composed = target.instance(&access.auth_data).compose(group, slices);
    composed.map_err(|error| Trouble::Unsaid(error.without_value().to_string()))
}

fn slices(parcel: &Parcel) -> Vec<&Slice> {
    parcel.pieces.iter().map(|p| &p.payload).collect()
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

/// Sends slices that are in no outbox, and keeps what was sent.
pub(crate) async fn exchange(
    target: &Target,
    group: &GroupKey,
    slices: &[&Slice],
    id: [u8; 16],
) -> Result<Exchange, Trouble> {
    let send = async |access: &Access| {
        let request = message(target, group, slices, access)?;
        let answer = target.send(build(request.clone(), id, access)?).await?;
        Ok(Exchange { request, answer })
    };
    let access = access(target, None).await?;
    let exchange: Exchange = send(&access).await?;
    match access.number {
        Some(refused) if exchange.answer.status == StatusCode::UNAUTHORIZED => {
            let fresh = self::access(target, Some(refused)).await?;
            send(&fresh).await
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

/// What was rendered is at fault if this fails, perhaps by one profile only.
fn build(request: message::Request, id: [u8; 16], access: &Access) -> Result<Request, Trouble> {
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
    if let Some(body) = request.body {
        *built.body_mut() = Some(body.into());
    }
    Ok(built)
}

fn judge(target: &Target, answer: &Answer, slices: &[&Slice]) -> Verdict {
    let code = answer.status.as_u16();
    let read = message::Answer { status: code, body: &answer.body };
    let mut judgement = target.batching.instance.judge(&read, slices, target.statuses());
    // What cannot be read as declared, perhaps for that.
    if let (Judgement::AllRetry { reason }, Some(encoding), true) =
        (&mut judgement, http::content_encoding(&answer.headers), answer.status.is_success())
    {
        *reason = format!("{reason}; the body is encoded as {encoding}, which was not asked for");
    }
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
