//! Streams messages through the batch endpoint: several connections, each customer on one of them,
//! so that the order per customer is kept.

use super::cdnow::Item;
use super::setup::World;
use crate::client::Client;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value as Json, json};
use std::time::Duration;

const CONNECTIONS: usize = 4;
/// Stays below the documented 1 MB.
const BODY_BYTES: usize = 950_000;

pub(super) async fn send(url: &str, world: &World, items: &[Item], show: bool) -> Result<(), String> {
    let bar = if show { ProgressBar::new(items.len() as u64) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} records  {per_sec}  {eta}");
    bar.set_style(style.map_err(|e| e.to_string())?);
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..CONNECTIONS {
        let bodies = bodies(world, items.iter().filter(|i| i.customer as usize % CONNECTIONS == lane));
        let client = Client::new(url)?;
        let (path, bar) = (format!("/collection/batch/{}", world.inlet), bar.clone());
        lanes.spawn(async move {
            for (body, count) in bodies {
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

fn bodies<'a>(world: &World, items: impl Iterator<Item = &'a Item>) -> Vec<(Vec<u8>, u64)> {
    let mut bodies = Vec::new();
    let (mut body, mut count) = (b"{\"messages\":[".to_vec(), 0);
    for item in items {
        if body.len() > BODY_BYTES {
            body.extend_from_slice(b"]}");
            bodies.push((std::mem::replace(&mut body, b"{\"messages\":[".to_vec()), count));
            count = 0;
        }
        if count > 0 {
            body.push(b',');
        }
        body.extend_from_slice(message(world, item).to_string().as_bytes());
        count += 1;
    }
    if count > 0 {
        body.extend_from_slice(b"]}");
        bodies.push((body, count));
    }
    bodies
}

fn message(world: &World, item: &Item) -> Json {
    let target = if item.is_event { &world.event } else { &world.profile };
    let schema = json!({ "id": target.schema, "contentType": "application/vnd.adobe.xed-full+json;version=1" });
    json!({
        "header": { "schemaRef": schema, "imsOrgId": world.org, "datasetId": target.dataset },
        "body": { "xdmMeta": { "schemaRef": schema }, "xdmEntity": item.entity },
    })
}
