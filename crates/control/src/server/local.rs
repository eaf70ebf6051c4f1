//! The same API on a socket in the file system, for whoever owns the data directory.
//!
//! Operations of AWS's services need a signature there as anywhere; access keys do not, for the owner of the
//! directory could as well change the store itself. The socket lies in a directory that nobody else can enter, and
//! who connects is asked of the kernel besides.

use std::future::Future;
use std::sync::Arc;

use tokio::net::UnixListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Server;
use crate::audit::Source;
use crate::control::{Control, Transport};
use crate::limits::{ACCEPT_RETRY_DURATION, BODIES_KIBIBYTES_MAX, DRAIN_DURATION, LOCAL_CONNECTIONS_MAX};

/// Serves users `owner` and root until `shutdown`, then lets open requests end.
pub async fn serve_local(
    listener: UnixListener,
    owner: u32,
    control: Control,
    shutdown: impl Future<Output = ()>,
) {
    let body_budget = Arc::new(Semaphore::new(BODIES_KIBIBYTES_MAX));
    let server = Server { tls: None, control, metrics: Arc::new(String::new), body_budget };
    let slots = Arc::new(Semaphore::new(LOCAL_CONNECTIONS_MAX));
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = async {
                let slot = Arc::clone(&slots).acquire_owned().await;
                (listener.accept().await, slot)
            } => accepted,
        };
        match accepted {
            (Ok((socket, _)), slot) => {
                let Some(user) = socket.peer_cred().ok().map(|peer| peer.uid()) else { continue };
                if user != owner && user != 0 {
                    tracing::warn!(user, "Turned away another user of this machine");
                    continue;
                }
                let transport =
                    Transport { is_tls: false, is_loopback: true, source: Source::LocalUser(user) };
                let (server, stopping) = (server.clone(), stopping.clone());
                connections.spawn(async move {
                    server.serve_http(socket, transport, stopping).await;
                    drop(slot);
                });
            }
            (Err(error), _) => {
                tracing::warn!(%error, "Could not accept a local connection");
                sleep(ACCEPT_RETRY_DURATION).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    stop.send_replace(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    let _in_time = timeout(DRAIN_DURATION, all_ended).await.is_ok();
}
