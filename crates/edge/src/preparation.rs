//! What is done once for a snapshot, before any thread serves from it: opening certificates costs
//! milliseconds, which no request should wait for.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use edge_config::Snapshot;
use tokio::sync::{oneshot, watch};

use crate::tls::{OpenedCertificates, ViewerTls};

/// A snapshot that threads can serve from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) certificates: Arc<OpenedCertificates>,
}

impl Prepared {
    fn next(&self, tls: Option<&ViewerTls>, snapshot: Arc<Snapshot>) -> Self {
        let certificates = tls.map(|tls| tls.open_certificates(&self.certificates, &snapshot));
        Self { snapshot, certificates: certificates.unwrap_or_default() }
    }
}

/// The thread that prepares.
#[derive(Debug)]
pub(crate) struct Preparation {
    /// Told, or dropped, when the thread ends.
    pub(crate) ended: oneshot::Receiver<()>,
    pub(crate) handle: JoinHandle<()>,
}

/// Prepares the present snapshot at once and every later one on a thread of its own, which ends when
/// nobody wants them any more.
pub(crate) fn start(
    tls: Option<ViewerTls>,
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
) -> io::Result<(watch::Receiver<Prepared>, Preparation)> {
    let present = Arc::clone(&snapshots.borrow_and_update());
    let (sender, receiver) = watch::channel(Prepared::default().next(tls.as_ref(), present));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (ending, ended) = oneshot::channel();
    let follow = follow(tls, snapshots, sender);
    let handle = Builder::new().name("edge-preparation".to_owned()).spawn(move || {
        runtime.block_on(follow);
        // Nobody waits any more where the edge is gone.
        let _ = ending.send(());
    })?;
    Ok((receiver, Preparation { ended, handle }))
}

async fn follow(
    tls: Option<ViewerTls>,
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    prepared: watch::Sender<Prepared>,
) {
    loop {
        tokio::select! {
            () = prepared.closed() => return,
            changed = snapshots.changed() => if changed.is_err() {
                // Whoever made snapshots is gone; the last one is served on.
                return prepared.closed().await;
            },
        }
        let snapshot = Arc::clone(&snapshots.borrow_and_update());
        let present = prepared.borrow().clone();
        prepared.send_replace(present.next(tls.as_ref(), snapshot));
    }
}
