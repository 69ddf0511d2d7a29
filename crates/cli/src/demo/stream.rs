//! Streams messages through the batch endpoint: several connections, each customer on one of them,
//! so that the order per customer is kept.

use super::cdnow::Item;
use super::setup::World;
use crate::client::Client;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::time::Duration;

const CONNECTIONS: usize = 4;
/// Stays below the documented 1 MB.
const BODY_BYTES: usize = 950_000;

pub(super) async fn send(url: &str, world: &World, items: Vec<Item>, show: bool) -> Result<(), String> {
    let bar = if show { ProgressBar::new(items.len() as u64) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} records  {per_sec}  {eta}");
    bar.set_style(style.map_err(|e| e.to_string())?);
    let mut lanes = tokio::task::JoinSet::new();
    let items = std::sync::Arc::new(items);
    let (event, record) = (heads(world, true), heads(world, false));
    for lane in 0..CONNECTIONS {
        let client = Client::new(url)?;
        let (path, bar, items) = (format!("/collection/batch/{}", world.inlet), bar.clone(), items.clone());
        let (event, record) = (event.clone(), record.clone());
        lanes.spawn(async move {
            let mut next = 0;
            while let Some((body, count)) = next_body(&items, lane, &mut next, &event, &record) {
                post(&client, &path, body).await?;
                bar.inc(count);
            }
            Ok::<(), String>(())
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane.map_err(|e| e.to_string())??;
    }
    bar.finish_and_clear();
    Ok(())
}

/// Sends one body until it is taken: 503 means "not now".
#[expect(clippy::disallowed_methods, reason = "waits for a real server, as any sender does")]
async fn post(client: &Client, path: &str, body: Vec<u8>) -> Result<(), String> {
    loop {
        let answer = client.send("POST", path, Some(body.clone()), &[]).await?;
        if answer.status == 503 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        }
        let answer = answer.expect("POST", path)?;
        let refused = answer["responses"].as_array().into_iter().flatten().find(|r| r.get("xactionId").is_none());
        return refused.map_or(Ok(()), |r| Err(format!("a message was refused: {r}")));
    }
}

/// The next body of a lane, from the item `next` on; `None` when there are none left.
fn next_body(items: &[Item], lane: usize, next: &mut usize, event: &[u8], record: &[u8]) -> Option<(Vec<u8>, u64)> {
    let mut body = b"{\"messages\":[".to_vec();
    let mut count = 0;
    while let Some(item) = items.get(*next).filter(|_| body.len() < BODY_BYTES) {
        *next += 1;
        if item.customer as usize % CONNECTIONS != lane {
            continue;
        }
        if count > 0 {
            body.push(b',');
        }
        body.extend_from_slice(if item.is_event { event } else { record });
        body.extend_from_slice(item.entity.as_bytes());
        body.extend_from_slice(b"}}");
        count += 1;
    }
    body.extend_from_slice(b"]}");
    (count > 0).then_some((body, count))
}

/// Everything of a message that stands before its record.
fn heads(world: &World, is_event: bool) -> Vec<u8> {
    let target = if is_event { &world.event } else { &world.profile };
    let schema = json!({ "id": target.schema, "contentType": "application/vnd.adobe.xed-full+json;version=1" });
    let header = json!({ "schemaRef": schema, "imsOrgId": world.org, "datasetId": target.dataset });
    let meta = json!({ "schemaRef": schema });
    format!("{{\"header\":{header},\"body\":{{\"xdmMeta\":{meta},\"xdmEntity\":").into_bytes()
}
