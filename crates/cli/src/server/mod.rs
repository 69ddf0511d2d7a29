//! One running server: all rooms wired together over a data directory.
//!
//! Start: lock the directory, open log and store, bring the state up to the log, listen. Stop: no
//! new requests, running attempts and calls about audiences finish, workers end after the batch in
//! hand, the store is synced.

mod compiler;
mod destinations;
mod insight;
mod keeper;
mod outbox;
mod rows;
mod sdk;
mod segmentation;

pub(crate) use keeper::rebuild;

use crate::settings::Settings;
use crate::signals::Signals;
use access::Keyring;
use api::{App, Parts};
use authoring::Catalogs;
use compiler::PlanCompiler;
use delivery::Delivery;
use destinations::Destinations;
use engine::Engine;
use insight::InsightRoom;
use keeper::Keeper;
use model::{Caller, Collection, SandboxId};
use outbox::EngineOutbox;
use rows::ReopeningStore;
use sdk::{Accounts, AudienceKeeper, ConnectionLogins, Sdk};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use store::Store;
use store_local::{DataDir, LocalLog, StoreOptions};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long running attempts may take when the server stops.
const DRAIN: Duration = Duration::from_secs(5);

/// A running server.
pub(crate) struct Server {
    /// Where it is reached.
    pub(crate) url: String,
    /// The first credentials, when this start made them.
    pub(crate) fresh_credentials: Option<serde_json::Value>,
    pub(crate) engine: Arc<Engine>,
    /// What tells the process to stop.
    pub(crate) signals: Signals,
    delivery: Arc<Delivery>,
    store: Arc<ReopeningStore>,
    keeper: Arc<Keeper>,
    shutdown: watch::Sender<bool>,
    serving: tokio::task::JoinHandle<()>,
    /// Tells receivers of their audiences.
    telling: tokio::task::JoinHandle<()>,
    /// Work over stored profiles: segment jobs and the like.
    surveying: tokio::task::JoinHandle<()>,
    directory: DataDir,
}

impl Server {
    /// Starts a server; errors are sentences for people.
    pub(crate) async fn start(settings: Settings) -> Result<Server, String> {
        let directory = DataDir::open(&settings.data_dir).map_err(|e| e.to_string())?;
        let keyring = Arc::new(Keyring::open_or_create(&directory.keys()).map_err(|e| e.to_string())?);
        let open = settings.clone();
        let catalogs: Arc<Catalogs> = Arc::default();
        let shared = catalogs.clone();
        let paths = (directory.log(), directory.store());
        let delivery_cell: Arc<OnceLock<Arc<Delivery>>> = Arc::default();
        let wakes = delivery_cell.clone();
        let opened = tokio::task::spawn_blocking(move || open_engine(&open, &paths.0, &paths.1, shared, wakes));
        let (log, store, engine) = opened.await.map_err(|e| e.to_string())??;
        // An address that cannot be had is found out before the first credentials are made.
        let (listener, address) = listen(settings.listen).await?;
        let fresh_credentials = bootstrap(&engine, &keyring, &settings, directory.root()).await?;
        let delivery = start_delivery(&engine, &settings, &delivery_cell)?;
        let line = partner::Line::new(delivery.wire());
        let sdk = Sdk::new(keyring.clone(), Accounts::new(engine.clone(), keyring.clone()), line);
        let audiences = AudienceKeeper::new(engine.clone(), sdk.clone(), catalogs.clone(), settings.clock.clone());
        let audiences = Arc::new(audiences);
        let logged_in = follow_plans(&engine, &settings, &keyring, &delivery, &catalogs, &sdk, &audiences);
        let (shutdown, stopped) = watch::channel(false);
        let keeper = Arc::new(Keeper::new(log, store.clone(), directory.root()));
        keeper.clone().spawn(settings.snapshot_minutes, stopped.clone());
        let telling = tokio::spawn(audiences.clone().run(stopped.clone()));
        let surveying = segmentation::start(&engine, &settings.clock, directory.root(), &stopped);
        let url = settings.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let app = App::new(Parts {
            ingest: Arc::new(ingest::Ingest::new(
                engine.clone(),
                settings.clock.clone(),
                ingest::Settings { future_ms_max: settings.future_ms_max, xaction_seed: access::fresh },
            )),
            engine: engine.clone(),
            keyring,
            clock: settings.clock.clone(),
            public_url: url.clone(),
            egress: settings.egress.clone(),
            delivery: delivery.clone(),
            instance_test: instance_test(&engine, &sdk, &catalogs, &delivery),
            live_lists: live_lists(&engine, &sdk, &catalogs),
            logins: Arc::new(ConnectionLogins::new(engine.clone(), sdk.clone(), catalogs.clone(), logged_in, &url)),
            insight: Arc::new(InsightRoom::new(engine.clone(), settings.clock.clone(), catalogs.clone())),
            catalogs,
            previews: Arc::new(segmentation::PreviewRoom::new(engine.clone(), settings.clock.clone())),
            landing_zone: segmentation::landing_zone(directory.root()),
            backup: {
                let keeper = keeper.clone();
                Arc::new(move |to: &Path| keeper.backup(to))
            },
        });
        let signals = Signals::listen()?;
        let serving = tokio::spawn(serve(listener, api::router(app), stopped));
        write_marker(directory.root(), &url)?;
        tracing::info!(%url, data = %directory.root().display(), "listening");
        Ok(Server {
            url,
            fresh_credentials,
            engine,
            signals,
            delivery,
            store,
            keeper,
            shutdown,
            serving,
            telling,
            surveying,
            directory,
        })
    }

    /// Stops in order; what was acknowledged is kept.
    pub(crate) async fn stop(self) -> Result<(), String> {
        tracing::info!("stopping");
        // Nobody listening means that nothing is left to stop.
        let _ = self.shutdown.send(true);
        if tokio::time::timeout(DRAIN, self.serving).await.is_err() {
            tracing::warn!("some requests did not end in time");
        }
        if !self.delivery.drain(DRAIN).await {
            tracing::warn!("some deliveries did not end in time; they are sent again after the next start");
        }
        // It drains its own calls for at most as long; what they gave is written while the engine still runs.
        let telling = self.telling.abort_handle();
        if tokio::time::timeout(DRAIN, self.telling).await.is_err() {
            telling.abort();
            tracing::warn!("what receivers answered about audiences could not be written down in time");
        }
        let surveying = self.surveying.abort_handle();
        if tokio::time::timeout(DRAIN, self.surveying).await.is_err() {
            surveying.abort();
            tracing::warn!("how far segment jobs or exports are could not be written down in time");
        }
        let (engine, store) = (self.engine, self.store);
        let ended = tokio::task::spawn_blocking(move || {
            engine.stop();
            store.flush()?;
            store.sync()
        });
        ended.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
        drop(self.keeper);
        std::fs::remove_file(self.directory.root().join(MARKER)).map_err(|e| e.to_string())?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Keeps destinations, and what receivers are told of, equal to the newest plan. Out: what goes on after a login.
fn follow_plans(
    engine: &Engine,
    settings: &Settings,
    keyring: &Arc<Keyring>,
    delivery: &Arc<Delivery>,
    catalogs: &Arc<Catalogs>,
    sdk: &Sdk,
    audiences: &Arc<AudienceKeeper>,
) -> Arc<sdk::LoggedIn> {
    let destinations =
        Destinations::new(keyring.clone(), delivery.clone(), settings.retry_aep, catalogs.clone(), sdk.clone());
    let (destinations, audiences) = (Arc::new(destinations), audiences.clone());
    destinations.apply(&engine.control().current());
    let (followed, woken) = (destinations.clone(), audiences.clone());
    engine.control().on_change(Box::new(move |current| {
        followed.apply(current);
        woken.wake();
    }));
    Arc::new(move |base_connection| {
        audiences.wake();
        destinations.logged_in(base_connection);
    })
}

fn instance_test(
    engine: &Arc<Engine>,
    sdk: &Sdk,
    catalogs: &Arc<Catalogs>,
    delivery: &Arc<Delivery>,
) -> Arc<api::InstanceTest> {
    let (engine, sdk, catalogs, delivery) = (engine.clone(), sdk.clone(), catalogs.clone(), delivery.clone());
    Arc::new(move |sandbox, flow, profiles| {
        let asked = (sandbox, flow, profiles);
        Box::pin(sdk::try_instance(engine.clone(), sdk.clone(), catalogs.clone(), delivery.clone(), asked))
    })
}

fn live_lists(engine: &Arc<Engine>, sdk: &Sdk, catalogs: &Arc<Catalogs>) -> Arc<api::LiveLists> {
    let (engine, sdk, catalogs) = (engine.clone(), sdk.clone(), catalogs.clone());
    let kept = Arc::<partner::Lookups>::default();
    Arc::new(move |list| Box::pin(sdk::live_list(engine.clone(), sdk.clone(), catalogs.clone(), kept.clone(), list)))
}

/// File that tells commands where the server of a data directory listens.
pub(crate) const MARKER: &str = "server.json";

fn write_marker(root: &Path, url: &str) -> Result<(), String> {
    let body = serde_json::json!({ "url": url, "pid": std::process::id() });
    std::fs::write(root.join(MARKER), body.to_string()).map_err(|e| format!("cannot write {MARKER}: {e}"))
}

type Opened = (Arc<LocalLog>, Arc<ReopeningStore>, Arc<Engine>);

fn open_engine(
    settings: &Settings,
    log: &Path,
    store: &Path,
    catalogs: Arc<Catalogs>,
    wakes: Arc<OnceLock<Arc<Delivery>>>,
) -> Result<Opened, String> {
    let log = Arc::new(LocalLog::open(log).map_err(|e| e.to_string())?);
    tracing::debug!("log opened");
    let options = StoreOptions { cache_bytes: settings.store_cache_bytes, ..StoreOptions::default() };
    let store = Arc::new(ReopeningStore::open(store, options).map_err(|e| e.to_string())?);
    if store_local::snapshot::is_unfinished(&*store).map_err(|e| e.to_string())? {
        return Err("a rebuild of this store did not finish; run `rivermouth rebuild` again".into());
    }
    tracing::debug!("store opened");
    let engine = Engine::open(
        log.clone(),
        store.clone(),
        settings.clock.clone(),
        Box::new(PlanCompiler::new(catalogs)),
        engine::Options {
            partitions: settings.partitions,
            workers: worker_count(settings.workers),
            cache_bytes: settings.cache_bytes,
            backlog_bytes_max: settings.backlog_bytes_max,
            follow_time: true,
            on_export: Arc::new(move |flow, partition| {
                if let Some(delivery) = wakes.get() {
                    delivery.wake(flow, partition);
                }
            }),
        },
    );
    Ok((log, store, Arc::new(engine.map_err(|e| e.to_string())?)))
}

fn worker_count(asked: usize) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(2, usize::from),
        n => n,
    }
}

fn start_delivery(
    engine: &Arc<Engine>,
    settings: &Settings,
    cell: &OnceLock<Arc<Delivery>>,
) -> Result<Arc<Delivery>, String> {
    let outbox = Arc::new(EngineOutbox::new(engine.clone()));
    let runtime = tokio::runtime::Handle::current();
    let delivery = Delivery::start(
        outbox,
        settings.clock.clone(),
        settings.egress.clone(),
        delivery::Settings::default(),
        runtime,
    );
    let delivery = Arc::new(delivery.map_err(|e| e.to_string())?);
    Ok(cell.get_or_init(|| delivery).clone())
}

/// The first start makes the organisation, the sandbox `prod`, a client and the default policy.
async fn bootstrap(
    engine: &Engine,
    keyring: &Keyring,
    settings: &Settings,
    root: &Path,
) -> Result<Option<serde_json::Value>, String> {
    let made = engine.control().change(|docs| {
        if access::organisation(docs).is_some() {
            return Ok((Vec::new(), None));
        }
        let (mut changes, credentials) =
            access::bootstrap(keyring, &access::fresh, &settings.tenant).map_err(|e| e.to_string())?;
        let caller = Caller {
            org: &credentials.org_id,
            tenant: &settings.tenant,
            sandbox: SandboxId(1),
            sandbox_name: "prod",
            client: "bootstrap",
            now: settings.clock.now(),
            fresh: &access::fresh,
        };
        changes.extend(::segmentation::merge_policies::bootstrap_changes(&caller));
        // Written before the log has them: a crash in between makes new ones at the next start.
        let credentials = credentials.to_json();
        let pretty = serde_json::to_string_pretty(&credentials).map_err(|e| e.to_string())?;
        write_private(&root.join("credentials.json"), &pretty)?;
        Ok((changes, Some(credentials)))
    });
    let made: Option<serde_json::Value> = made.await.map_err(|e| match e {
        engine::ChangeError::Refused(text) => text,
        engine::ChangeError::Failed(e) => e.to_string(),
    })?;
    debug_assert!(engine.control().current().docs.count(SandboxId(0), Collection::Sandbox) > 0);
    Ok(made)
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), String> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let failed = |e: std::io::Error| format!("cannot write {}: {e}", path.display());
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

async fn listen(asked: SocketAddr) -> Result<(TcpListener, SocketAddr), String> {
    let listener = TcpListener::bind(asked).await.map_err(|e| format!("cannot listen on {asked}: {e}"))?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    Ok((listener, address))
}

async fn serve(listener: TcpListener, router: axum::Router, mut stopped: watch::Receiver<bool>) {
    let until = async move {
        // An error means that the server is gone: stop as well.
        let _ = stopped.wait_for(|s| *s).await;
    };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(until).await {
        tracing::error!(%error, "the listener failed");
    }
}
