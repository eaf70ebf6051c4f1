//! The edge as a whole: starting it, what it reports, draining it.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use behavior::Scheme;
use edge_config::{Revision, Snapshot};
use ipnet::IpNet;
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};

use crate::access_log::{AccessLog, AccessLogError, AccessLogSettings};
use crate::addresses::ViewerAddresses;
use crate::egress::OriginAccess;
use crate::geo_database::GeoDatabase;
use crate::limits::{ADDRESS_CONNECTIONS_MAX, MEMORY_BYTES_DEFAULT, STOP_TIME_MAX, THREADS_MAX};
use crate::listener::{BindError, Bound, ListenOn};
use crate::load::Load;
use crate::metrics::Metrics;
use crate::origin::{Connector, OriginRoots, Origins};
use crate::preparation::{self, Preparation, Prepared};
use crate::quic::{Quic, QuicListener, QuicSetupError};
use crate::resolver::{NameServers, Resolver};
use crate::response_headers::http3_on;
use crate::shared::{AppliedRevisions, Phase};
use crate::thread::{self, Common, Listener, Thread, ThreadListeners};
use crate::tls::ViewerTls;
use crate::trusted_proxies::TrustedProxies;
use crate::turn;

/// What an edge needs to know before it starts.
#[derive(Clone, Debug)]
pub struct EdgeSettings {
    /// Where HTTP is spoken.
    pub http: Vec<ListenOn>,
    /// Where HTTPS is spoken; needs `tls`.
    pub https: Vec<ListenOn>,
    /// Whether HTTP/3 is spoken, too: by UDP on the same ports, but for sockets that were passed.
    pub http3: bool,
    /// TLS towards viewers.
    pub tls: Option<ViewerTls>,
    /// How many threads serve.
    pub threads: NonZeroUsize,
    /// Where origins may be. The edge's own listeners are added to it.
    pub origin_access: OriginAccess,
    /// Who is asked for origins' names.
    pub name_servers: NameServers,
    /// Whom HTTPS origins' certificates must be from.
    pub origin_roots: OriginRoots,
    /// Where viewers are.
    pub geo_database: GeoDatabase,
    /// Whether settings that restrict access are ignored where this edge cannot enforce them: geo
    /// restrictions without a database. Otherwise nobody is served then.
    pub accept_unenforced: bool,
    /// Where records of requests go.
    pub access_log: AccessLogSettings,
    /// The edge's name in `Via`: opaque, since viewers and origins see it.
    pub via_id: String,
    /// The edge's location, as in `X-Amz-Cf-Pop`.
    pub pop: String,
    /// How much of it viewers may have.
    pub viewer_limits: ViewerLimits,
    /// From where connections begin with the PROXY protocol's header, which says whose they are.
    pub trusted_proxies: Vec<IpNet>,
}

/// How much of an edge viewers may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewerLimits {
    /// Connections of one viewer address (IPv6: of one /64); 0 for no limit.
    pub address_connections_max: usize,
    /// Bytes that connections may hold on all threads together. Beyond them new ones are closed at once,
    /// and new HTTP/2 streams get 503.
    pub memory_bytes_max: usize,
}

impl Default for ViewerLimits {
    fn default() -> Self {
        Self { address_connections_max: ADDRESS_CONNECTIONS_MAX, memory_bytes_max: MEMORY_BYTES_DEFAULT }
    }
}

/// Why an edge cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("{address} cannot be listened on")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// An address cannot be had for UDP.
    #[error("{address} cannot be listened on for HTTP/3, by UDP")]
    ListenUdp {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// QUIC cannot be spoken.
    #[error("HTTP/3 cannot be served")]
    Quic(#[from] QuicSetupError),
    /// HTTPS without a certificate.
    #[error("HTTPS listeners need a certificate")]
    HttpsWithoutTls,
    /// More threads than there can be cores.
    #[error("an edge has at most {THREADS_MAX} threads")]
    TooManyThreads,
    /// No thread.
    #[error("an edge thread cannot be started")]
    Thread(#[source] io::Error),
    /// No access log.
    #[error(transparent)]
    AccessLog(#[from] AccessLogError),
}

/// A running edge. Dropping it ends its connections; [`drain`](Self::drain) lets them end.
#[derive(Debug)]
pub struct Edge {
    http_addresses: Vec<SocketAddr>,
    https_addresses: Vec<SocketAddr>,
    metrics: Metrics,
    access_log: AccessLog,
    applied: watch::Receiver<Revision>,
    phase: watch::Sender<Phase>,
    geo_database: watch::Sender<Arc<GeoDatabase>>,
    threads: Vec<RunningThread>,
    preparation: Preparation,
}

#[derive(Debug)]
struct RunningThread {
    number: usize,
    drained: oneshot::Receiver<()>,
    handle: JoinHandle<io::Result<()>>,
}

/// A thread of the edge ended while it should serve. The process cannot go on: the kernel would give the
/// thread's share of the viewers to nobody, and no change would be deployed any more.
#[derive(Debug, thiserror::Error)]
pub enum ThreadFailure {
    /// A panic; what it said is on standard error.
    #[error("edge thread {0} ended in a panic")]
    Panicked(usize),
    /// Its sockets cannot be used.
    #[error("edge thread {0} cannot use its listeners")]
    Listeners(usize, #[source] io::Error),
    /// Without a reason.
    #[error("edge thread {0} ended")]
    Ended(usize),
    /// The one that prepares snapshots for all others.
    #[error("the thread that prepares snapshots ended")]
    Preparation,
}

impl Edge {
    /// Binds the listeners and starts the threads, which follow `snapshots`.
    pub fn start(
        settings: EdgeSettings,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> Result<Self, StartError> {
        let threads = settings.threads.get();
        if threads > THREADS_MAX {
            return Err(StartError::TooManyThreads);
        }
        if !settings.https.is_empty() && settings.tls.is_none() {
            return Err(StartError::HttpsWithoutTls);
        }
        let mut listeners: Vec<ThreadListeners> = (0..threads).map(|_| ThreadListeners::default()).collect();
        let clear = bind_all(&settings.http, Scheme::Http, false, &mut listeners)?;
        let secure = bind_all(&settings.https, Scheme::Https, settings.http3, &mut listeners)?;
        let http3_port = listeners.first().and_then(|listeners| listeners.http3_port);
        let quic = match &settings.tls {
            Some(tls) if http3_port.is_some() => Some(Quic::new(tls)?),
            _ => None,
        };

        let metrics = Metrics::default();
        let access_log = AccessLog::start(settings.access_log, metrics.access_log_counters())?;
        let mut origin_access = settings.origin_access;
        origin_access.own_listeners.extend(clear.iter().chain(&secure));
        let geo_database = watch::Sender::new(Arc::new(settings.geo_database));
        let (prepared, preparation) =
            preparation::start(settings.tls.clone(), snapshots, geo_database.subscribe())
                .map_err(StartError::Thread)?;
        let common = Arc::new(Common {
            via_id: settings.via_id,
            pop: settings.pop,
            https_port: secure.first().map(SocketAddr::port),
            alternative_service: http3_port.map(http3_on),
            quic,
            tls: settings.tls,
            accept_unenforced: settings.accept_unenforced,
            applied: AppliedRevisions::new(threads),
            addresses: Arc::new(ViewerAddresses::new(settings.viewer_limits.address_connections_max)),
            trusted_proxies: TrustedProxies::new(settings.trusted_proxies),
        });
        let mut edge = Self {
            http_addresses: clear,
            https_addresses: secure,
            metrics,
            access_log,
            applied: common.applied.all(),
            phase: watch::Sender::new(Phase::Serving),
            geo_database,
            threads: Vec::new(),
            preparation,
        };
        let origin_access = Arc::new(origin_access);
        for (number, listeners) in listeners.into_iter().enumerate() {
            let parts = ThreadParts {
                number,
                listeners,
                common: Arc::clone(&common),
                origin_access: Arc::clone(&origin_access),
                name_servers: settings.name_servers.clone(),
                origin_roots: settings.origin_roots.clone(),
                snapshots: prepared.clone(),
                // The kernel spreads connections evenly.
                memory_bytes_max: settings.viewer_limits.memory_bytes_max / threads,
            };
            edge.start_thread(parts).map_err(StartError::Thread)?;
        }
        Ok(edge)
    }

    fn start_thread(&mut self, parts: ThreadParts) -> io::Result<()> {
        let runtime = runtime()?;
        let (metrics, access_log, phases) =
            (self.metrics.clone(), self.access_log.clone(), self.phase.subscribe());
        self.spawn_thread(parts.number, move |drained| {
            thread::block_on(runtime, parts.serve(metrics, access_log, phases, drained))
        })
    }

    fn spawn_thread(
        &mut self,
        number: usize,
        run: impl FnOnce(oneshot::Sender<()>) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let (sender, drained) = oneshot::channel();
        let handle = std::thread::Builder::new().name(format!("edge-{number}")).spawn(|| run(sender))?;
        self.threads.push(RunningThread { number, drained, handle });
        Ok(())
    }

    /// Returns when a thread ends though it should serve, which none ever does.
    pub async fn failure(&mut self) -> ThreadFailure {
        let (threads, preparation) = (&mut self.threads, &mut self.preparation);
        let ended = poll_fn(|context| {
            if Pin::new(&mut preparation.ended).poll(context).is_ready() {
                return Poll::Ready(None);
            }
            // The thread drops its end of the channel when it ends, however it ends.
            let ended =
                threads.iter_mut().position(|thread| Pin::new(&mut thread.drained).poll(context).is_ready());
            ended.map_or(Poll::Pending, |ended| Poll::Ready(Some(ended)))
        });
        let Some(ended) = ended.await else { return ThreadFailure::Preparation };
        let RunningThread { number, handle, .. } = self.threads.swap_remove(ended);
        // What is left of it is its way out, too short to be worth a wait that could be cancelled.
        match handle.join() {
            Ok(Ok(())) => ThreadFailure::Ended(number),
            Ok(Err(error)) => ThreadFailure::Listeners(number, error),
            Err(_) => ThreadFailure::Panicked(number),
        }
    }

    /// Where HTTP is spoken, with the ports that were picked.
    pub fn http_addresses(&self) -> &[SocketAddr] {
        &self.http_addresses
    }

    /// Where HTTPS is spoken.
    pub fn https_addresses(&self) -> &[SocketAddr] {
        &self.https_addresses
    }

    /// The revision that every thread has applied.
    pub fn applied(&self) -> watch::Receiver<Revision> {
        self.applied.clone()
    }

    /// The edge's metrics.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Opens the access log's file anew, after it was renamed.
    pub fn reopen_access_log(&self) {
        self.access_log.reopen();
    }

    /// Locates viewers by another database from here on.
    pub fn replace_geo_database(&self, database: GeoDatabase) {
        self.geo_database.send_replace(Arc::new(database));
    }

    /// Stops accepting, lets every connection end after what it is doing, and closes what is left at
    /// the limit. Returns whether everything ended by itself.
    pub async fn drain(mut self, limit: Duration) -> bool {
        self.phase.send_replace(Phase::Draining);
        let threads = std::mem::take(&mut self.threads);
        let (drained, handles): (Vec<_>, Vec<_>) =
            threads.into_iter().map(|thread| (thread.drained, thread.handle)).unzip();
        let all_drained = async {
            for drained in drained {
                // A thread that is gone has no connections either.
                let _ = drained.await;
            }
        };
        let ended = tokio::time::timeout(limit, all_drained).await.is_ok();
        self.phase.send_replace(Phase::Stopping);
        let access_log = self.access_log.clone();
        let joined = tokio::task::spawn_blocking(move || {
            for handle in handles {
                match handle.join() {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::error!(%error, "An edge thread could not use its listeners"),
                    Err(_) => tracing::error!("An edge thread ended in a panic"),
                }
            }
            // It ends when no thread is left to prepare for.
            if self.preparation.handle.join().is_err() {
                tracing::error!("The edge's preparation ended in a panic");
            }
            access_log.flush();
        });
        if tokio::time::timeout(STOP_TIME_MAX, joined).await.is_err() {
            tracing::warn!("Edge threads did not end in time");
        }
        ended
    }
}

/// What a thread is made of.
struct ThreadParts {
    number: usize,
    listeners: ThreadListeners,
    common: Arc<Common>,
    origin_access: Arc<OriginAccess>,
    name_servers: NameServers,
    origin_roots: OriginRoots,
    snapshots: watch::Receiver<Prepared>,
    memory_bytes_max: usize,
}

impl ThreadParts {
    /// Serves as that thread until it is told to stop.
    async fn serve(
        self,
        metrics: Metrics,
        access_log: AccessLog,
        phases: watch::Receiver<Phase>,
        drained: oneshot::Sender<()>,
    ) -> io::Result<()> {
        let metrics = metrics.thread();
        let resolver = Resolver::new(self.name_servers);
        let connector = Connector::new(resolver, self.origin_access, self.origin_roots);
        let origins = Origins::new(connector, metrics.clone());
        let load = Load::new(self.memory_bytes_max);
        metrics.memory(&load);
        let thread = Rc::new(Thread::new(self.common, origins, access_log.thread(), metrics, load));
        thread.run(self.number, self.listeners, self.snapshots, phases, drained).await
    }
}

/// What a thread runs on.
fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().on_thread_unpark(turn::begin).build()
}

fn bind_all(
    listen_on: &[ListenOn],
    scheme: Scheme,
    with_udp: bool,
    listeners: &mut [ThreadListeners],
) -> Result<Vec<SocketAddr>, StartError> {
    let mut bound = Vec::with_capacity(listen_on.len());
    for place in listen_on {
        let Bound { address, tcp, udp } = bind(place, with_udp, listeners.len())?;
        for (of_thread, socket) in listeners.iter_mut().zip(tcp) {
            of_thread.tcp.push(Listener { socket, scheme, outlives_us: place.outlives_us() });
        }
        for (of_thread, listener) in listeners.iter_mut().zip(QuicListener::of_threads(udp)) {
            of_thread.quic.push(listener);
            of_thread.http3_port.get_or_insert(address.port());
        }
        bound.push(address);
    }
    Ok(bound)
}

fn bind(place: &ListenOn, with_udp: bool, threads: usize) -> Result<Bound, StartError> {
    let address = place.address();
    let bound = if with_udp {
        place.bind_with_udp(threads)
    } else {
        let bound = place.bind(threads).map_err(BindError::Tcp);
        bound.map(|(address, tcp)| Bound { address, tcp, udp: Vec::new() })
    };
    bound.map_err(|error| match error {
        BindError::Tcp(source) => StartError::Listen { address, source },
        BindError::Udp(source) => StartError::ListenUdp { address, source },
    })
}

#[cfg(test)]
mod allocation;

#[cfg(test)]
mod tests {
    use super::*;

    /// What an edge says of a thread that runs this, beside one that serves.
    async fn failure(run: impl FnOnce() -> io::Result<()> + Send + 'static) -> String {
        let (serving, still_serving) = std::sync::mpsc::sync_channel::<()>(0);
        let (_prepared, preparation) =
            preparation::start(None, watch::channel(Arc::default()).1, watch::channel(Arc::default()).1)
                .unwrap();
        let mut edge = Edge {
            http_addresses: Vec::new(),
            https_addresses: Vec::new(),
            metrics: Metrics::default(),
            access_log: AccessLog::none(),
            applied: AppliedRevisions::new(2).all(),
            phase: watch::Sender::new(Phase::Serving),
            geo_database: watch::Sender::new(Arc::default()),
            threads: Vec::new(),
            preparation,
        };
        edge.spawn_thread(0, move |_drained| {
            let _ = still_serving.recv();
            Ok(())
        })
        .unwrap();
        edge.spawn_thread(1, move |_drained| run()).unwrap();
        let failure = edge.failure().await;
        drop(serving);
        failure.to_string()
    }

    #[tokio::test]
    async fn a_thread_that_ends_is_noticed_and_named() {
        assert_eq!(failure(|| panic!("as the test wants")).await, "edge thread 1 ended in a panic");
        assert_eq!(failure(|| Ok(())).await, "edge thread 1 ended");
        let refused = || Err(io::ErrorKind::InvalidInput.into());
        assert_eq!(failure(refused).await, "edge thread 1 cannot use its listeners");
    }
}
