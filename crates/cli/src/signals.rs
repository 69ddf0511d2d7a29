//! When the process is told to stop: SIGTERM, or Ctrl-C.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for the signals that stop the process; until one is made, they end it at once.
///
/// Made before anybody is told that the process is ready, since who knows that may stop it.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on a signal waits for [`Signals::stop`]. Needs a runtime.
    pub(crate) fn listen() -> Result<Signals, String> {
        let on = |kind| signal(kind).map_err(|e| format!("cannot listen for signals: {e}"));
        Ok(Signals { terminate: on(SignalKind::terminate())?, interrupt: on(SignalKind::interrupt())? })
    }

    /// Returns once the process was told to stop, also before the call.
    pub(crate) async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }
}
