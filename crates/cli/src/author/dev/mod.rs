//! `rivermouth author dev`: watches a destination's folder and shows, on a local page, what every case sends.
//!
//! Always: what is shown is of one reading of the folder; a folder that cannot be read shows why and the loop goes on;
//! only this machine can open the page.

pub(super) mod forward;
mod page;
mod state;
mod watch;

use crate::output::line;
use forward::Forward;
use serde_json::Value as Json;
use state::State;
use std::future::IntoFuture as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch as channel;

/// The newest state and its number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown {
    number: u64,
    json: Arc<Json>,
}

/// Serves until the process is told to stop.
pub(crate) async fn run(dir: &Path, port: u16, to: Option<&str>) -> Result<(), String> {
    let forward = to.map(Forward::new).transpose()?.map(Arc::new);
    // A folder that is not there is a mistake; one that is wrong is what the loop is for.
    super::project::Project::load(dir)?;
    let (sender, receiver) = channel::channel(Shown::default());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = tokio::net::TcpListener::bind(address).await.map_err(|error| format!("port {port}: {error}"))?;
    let url = listener.local_addr().map_err(|error| error.to_string())?;
    let mut signals = crate::signals::Signals::listen()?;
    line(&format!("watching {}; the page is http://{url}/", dir.display()));
    let (running, stop) = std::sync::mpsc::channel();
    let changes = watcher(dir.to_owned(), stop);
    let rounds = tokio::spawn(rounds(dir.to_owned(), sender, changes, forward));
    let router = page::router(receiver);
    // A page that is open waits for news; it is not waited for.
    let served = tokio::select! {
        served = axum::serve(listener, router).into_future() => served.map_err(|error| error.to_string()),
        () = signals.stop() => Ok(()),
    };
    rounds.abort();
    drop(running);
    served
}

/// Says when the folder changed, by looking again and again until the other end of `stop` is gone.
fn watcher(dir: PathBuf, stop: std::sync::mpsc::Receiver<()>) -> tokio::sync::mpsc::Receiver<Instant> {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let mut last = watch::stamp(&dir);
    std::thread::spawn(move || {
        while stop.recv_timeout(watch::EVERY) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let stamp = watch::stamp(&dir);
            if stamp != last {
                last = stamp;
                // One that waits already tells as much.
                _ = sender.try_send(now());
            }
        }
    });
    receiver
}

#[expect(clippy::disallowed_methods, reason = "measures how long a save takes to be shown")]
fn now() -> Instant {
    Instant::now()
}

async fn rounds(
    dir: PathBuf,
    sender: channel::Sender<Shown>,
    mut changes: tokio::sync::mpsc::Receiver<Instant>,
    forward: Option<Arc<Forward>>,
) {
    let mut seen = now();
    for number in 1.. {
        let folder = dir.clone();
        let made = tokio::task::spawn_blocking(move || State::of(&folder)).await;
        let Ok(mut state) = made else { return };
        state.millis = seen.elapsed().as_secs_f64() * 1e3;
        line(&state.summary());
        let show = |state: &State, part: u64| {
            let json = Arc::new(state.json());
            sender.send_replace(Shown { number: number * 2 + part, json });
        };
        show(&state, 0);
        if let Some(forward) = &forward {
            forward.send(&mut state).await;
            show(&state, 1);
        }
        let Some(at) = changes.recv().await else { return };
        seen = at;
    }
}
