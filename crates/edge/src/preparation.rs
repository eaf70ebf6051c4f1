//! What is done once for a snapshot, before any thread serves from it: opening certificates costs
//! milliseconds, which no request should wait for.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use edge_config::Snapshot;
use tokio::sync::{oneshot, watch};

use crate::geo_database::GeoDatabase;
use crate::tls::{OpenedCertificates, ViewerTls};

/// A snapshot that threads can serve from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) certificates: Arc<OpenedCertificates>,
    pub(crate) geo_database: Arc<GeoDatabase>,
}

impl Prepared {
    fn next(&self, tls: Option<&ViewerTls>, snapshot: Arc<Snapshot>, geo_database: Arc<GeoDatabase>) -> Self {
        let certificates = match tls {
            Some(tls) if !snapshot.shares_certificates_with(&self.snapshot) => {
                tls.open_certificates(&self.certificates, &snapshot)
            }
            _ => Arc::clone(&self.certificates),
        };
        Self { snapshot, certificates, geo_database }
    }
}

/// The thread that prepares.
#[derive(Debug)]
pub(crate) struct Preparation {
    /// Told, or dropped, when the thread ends.
    pub(crate) ended: oneshot::Receiver<()>,
    pub(crate) handle: JoinHandle<()>,
}

/// Prepares the present snapshot at once, and on a thread of its own every later one, and the present one
/// again for every other database. The thread ends when nobody wants them any more.
pub(crate) fn start(
    tls: Option<ViewerTls>,
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    mut geo_databases: watch::Receiver<Arc<GeoDatabase>>,
) -> io::Result<(watch::Receiver<Prepared>, Preparation)> {
    let present = Arc::clone(&snapshots.borrow_and_update());
    let geo_database = Arc::clone(&geo_databases.borrow_and_update());
    let first = Prepared::default().next(tls.as_ref(), present, geo_database);
    let (sender, receiver) = watch::channel(first);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (ending, ended) = oneshot::channel();
    let follow = follow(tls, snapshots, geo_databases, sender);
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
    mut geo_databases: watch::Receiver<Arc<GeoDatabase>>,
    prepared: watch::Sender<Prepared>,
) {
    loop {
        tokio::select! {
            () = prepared.closed() => return,
            changed = snapshots.changed() => if changed.is_err() {
                // Whoever made snapshots is gone; the last one is served on.
                return prepared.closed().await;
            },
            Ok(()) = geo_databases.changed() => {}
        }
        let snapshot = Arc::clone(&snapshots.borrow_and_update());
        let geo_database = Arc::clone(&geo_databases.borrow_and_update());
        let present = prepared.borrow().clone();
        prepared.send_replace(present.next(tls.as_ref(), snapshot, geo_database));
    }
}
