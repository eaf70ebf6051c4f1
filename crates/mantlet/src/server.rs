//! Everything in one process: store, feed, edge and control plane, started in the order in which each needs the other.

use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use control::{
    AccessKeys, AuditTrail, Authentication, Control, ControlSettings, FollowingKeys, PrivateKeySealer,
    Quotas, recompile_bundles, seed_managed_policies,
};
use edge::{
    AccessLogSettings, AccessLogTarget, Edge, EdgeSettings, GeoDatabase, ListenOn, OriginAccess, OriginRoots,
    PrivateKeyOpener, ServedCertificate, StartError, ViewerTls,
};
use edge_config::{CloudFrontHeaders, Revision, Snapshot};
use feed::{Fleet, Following};
use rustls::sign::CertifiedKey;
use store::{SqliteStore, Store};
use time::OffsetDateTime;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::access_key::AccessKey;
use crate::audit_log::AuditLog;
use crate::authority::Authorities;
use crate::certificate::{api_tls, names};
use crate::command_line::{AccessLogFormat, AuthFlag};
use crate::data_dir::{DataDir, Lock};
use crate::durable;
use crate::endpoints::{Endpoints, Published, reachable};
use crate::limits::{EDGE_CATCH_UP_MAX, EDGE_LOCATION};
use crate::local_socket;
use crate::origin_authorities::OriginAuthorities;
use crate::renewal::RenewedCertificate;
use crate::running::{self, Running};
use crate::seal::SealingKey;
use crate::settings::{AccessLogTarget as AccessLogChoice, RunSettings};

/// The edge of this process, among those of the fleet.
const EDGE_NAME: &str = "local";

/// A process that serves.
pub(crate) struct Server {
    running: Running,
    directory: DataDir,
    edge: Edge,
    api: Api,
    audit_log: AuditLog,
    following: Following,
    certificates: Vec<RenewedCertificate>,
    origin_authorities: OriginAuthorities,
    _following_keys: FollowingKeys,
    // The order of the last two is the order in which they end: nobody is sent to a process that has ended, and the
    // directory is free only then.
    published: Published,
    _lock: Lock,
}

/// The listener of the control plane.
struct Api {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Server {
    /// Starts everything; on return, viewers and AWS clients are served.
    pub(crate) async fn start(settings: &RunSettings) -> Result<Self> {
        let quotas = quotas(settings.quotas.as_deref())?;
        let geo_database = GeoDatabase::open(&settings.geo_database)?;
        let cloudfront_headers =
            CloudFrontHeaders::ALL.without(CloudFrontHeaders::OF_LOCATIONS).union(geo_database.tells());
        let directory = DataDir::open_or_create(&settings.data_dir)?;
        let lock = directory.lock().await?;
        // Whoever was here before was killed.
        durable::remove_file(&directory.endpoints())?;

        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(directory.store()).context("cannot open the store")?);
        let authorities = load_authorities(&directory, settings)?;
        let sealing_key = Arc::clone(authorities.sealing_key());
        let suffix_certificate = suffix_certificate(authorities, settings)?;
        let api_certificate = api_certificate(&directory, settings)?;
        let access_key = AccessKey::load_or_create(&directory.credentials())?;
        let access_keys = open_access_keys(&store, &sealing_key, &access_key).await?;
        let audit_log = AuditLog::open(&directory.audit_log())?;

        let account_id = &settings.account_id;
        seed_managed_policies(&*store, account_id).await.context("cannot prepare the store")?;
        recompile_bundles(&*store, account_id).await.context("cannot prepare the store")?;
        let following = feed::follow(Arc::clone(&store)).await.context("cannot follow the store")?;
        let api_listener = ApiListener::bind(settings, api_certificate.as_ref()).await?;
        let viewer_tls = ViewerTls::new(suffix_certificate.served())?;
        let viewer_tls = viewer_tls.with_private_keys(private_key_opener(&sealing_key));
        let origin_authorities = OriginAuthorities::load(settings.origin_ca.as_deref())?;
        let origin_roots = origin_authorities.roots();
        warn_of_unenforced_restrictions(settings, &geo_database, &following.snapshots().borrow());
        let parts = EdgeParts { viewer_tls, origin_roots, geo_database };
        let edge = start_edge(&directory, settings, &api_listener, parts, following.snapshots())?;
        let fleet = Fleet::new();
        fleet.join(EDGE_NAME, edge.applied(), following.quarantine());

        let audit = AuditTrail::new(audit_log.clone());
        let control = Control::new(
            control_settings(settings, quotas, cloudfront_headers, &access_keys, &audit, &sealing_key),
            Arc::clone(&store),
            following.snapshots(),
            fleet,
        );
        let endpoints = api_listener.endpoints(&edge, suffix_certificate.is_given())?;
        let local = local_socket::bind(&directory)?;
        let api = api_listener.serve(control, local, &edge, audit);
        wait_until_current(&edge, &*store).await?;
        let published = endpoints.publish(&directory.endpoints())?;
        let api_certificate_chain = running::api_certificate(&directory)?;
        let running = Running { endpoints, access_key, api_certificate: api_certificate_chain };
        Ok(Self {
            running,
            directory,
            edge,
            api,
            audit_log,
            following,
            certificates: [suffix_certificate].into_iter().chain(api_certificate).collect(),
            origin_authorities,
            _following_keys: access_keys.follow(),
            published,
            _lock: lock,
        })
    }

    /// How it can be reached.
    pub(crate) fn running(&self) -> &Running {
        &self.running
    }

    /// What it keeps.
    pub(crate) fn directory(&self) -> &DataDir {
        &self.directory
    }

    /// Opens the logs anew, after they were renamed.
    pub(crate) fn reopen_logs(&self) {
        self.edge.reopen_access_log();
        self.audit_log.reopen();
    }

    /// Reads the geo database again. What is damaged now leaves what was there.
    pub(crate) async fn reread_geo_database(&self, settings: &RunSettings) {
        if settings.geo_database.is_empty() {
            return;
        }
        let files = settings.geo_database.clone();
        // Not here: it can be as large as what it describes.
        match tokio::task::spawn_blocking(move || GeoDatabase::open(&files)).await {
            Ok(Ok(database)) => self.edge.replace_geo_database(database),
            Ok(Err(error)) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "The geo database was not read again; the one before stays in use");
            }
            // The process is ending.
            Err(_) => {}
        }
    }

    /// Takes certificates and authorities that are new, or makes certificates that are due.
    pub(crate) fn look_after_certificates(&mut self) {
        let now = OffsetDateTime::now_utc();
        self.origin_authorities.look();
        self.certificates.iter_mut().for_each(|certificate| certificate.look(now));
    }

    /// Ends with an error if a part of the process ends, which none ever should: half a process would take viewers and
    /// changes that it cannot serve, where a whole new one could.
    pub(crate) async fn failure(&mut self) -> anyhow::Error {
        const REMEDY: &str = "the process cannot go on; start it again, and report what is on standard error";
        tokio::select! {
            // When the store is gone, what follows from it is not what to tell.
            biased;
            ended = self.following.end() => anyhow::Error::new(ended).context(REMEDY),
            ended = self.edge.failure() => anyhow::Error::new(ended).context(REMEDY),
            ended = &mut self.api.task => match ended {
                Ok(()) => anyhow!("the control plane ended").context(REMEDY),
                Err(_) => anyhow!("the control plane ended in a panic").context(REMEDY),
            },
        }
    }

    /// Stops accepting, and lets what is in flight end within the limit.
    pub(crate) async fn drain(self, limit: std::time::Duration) {
        // Nobody waits any more if the task has ended by itself.
        let _ = self.api.stop.send(());
        let (all_ended, _) = tokio::join!(self.edge.drain(limit), self.api.task);
        if !all_ended {
            tracing::warn!(?limit, "Closed connections that did not end within the drain limit");
        }
        drop(self.published);
    }
}

fn load_authorities(directory: &DataDir, settings: &RunSettings) -> Result<Authorities> {
    let sealing_key = settings.sealing_key_file.clone().unwrap_or_else(|| directory.sealing_key());
    Authorities::load_or_create(directory, &sealing_key, &settings.domain_suffix)
}

/// The keys of the store, that of the credentials file among them.
async fn open_access_keys(
    store: &Arc<dyn Store>,
    sealing_key: &Arc<SealingKey>,
    default: &AccessKey,
) -> Result<AccessKeys> {
    let keys = AccessKeys::open(Arc::clone(store), Arc::<SealingKey>::clone(sealing_key)).await;
    let keys = keys.context("cannot use the access keys of the store")?;
    keys.admit_default(&default.id, &default.secret).await.context("cannot use the credentials file")?;
    Ok(keys)
}

fn suffix_certificate(authorities: Authorities, settings: &RunSettings) -> Result<RenewedCertificate> {
    let suffix = settings.domain_suffix.clone();
    match &settings.suffix_certificate {
        Some(files) => RenewedCertificate::of_suffix(files.clone(), suffix),
        None => RenewedCertificate::issued(authorities, suffix),
    }
}

fn api_certificate(directory: &DataDir, settings: &RunSettings) -> Result<Option<RenewedCertificate>> {
    let record = directory.api_certificate();
    // That of an earlier process, if it is any.
    durable::remove_file(&record)?;
    let files = settings.api_certificate.clone();
    files.map(|files| RenewedCertificate::of_api(files, record)).transpose()
}

/// Distributions that were made while there was a database, which now lacks.
fn warn_of_unenforced_restrictions(settings: &RunSettings, geo_database: &GeoDatabase, snapshot: &Snapshot) {
    if geo_database.tells_countries() || settings.accept_unenforced {
        return;
    }
    for restricted in snapshot.distributions().filter(|one| one.geo_restriction.is_some()) {
        tracing::warn!(
            distribution = &*restricted.id,
            "Nobody is served by a distribution with a geo restriction: give --geo-database"
        );
    }
}

/// What an edge is made of beside settings.
struct EdgeParts {
    viewer_tls: ViewerTls,
    origin_roots: OriginRoots,
    geo_database: GeoDatabase,
}

fn start_edge(
    directory: &DataDir,
    settings: &RunSettings,
    api: &ApiListener,
    parts: EdgeParts,
    snapshots: watch::Receiver<Arc<Snapshot>>,
) -> Result<Edge> {
    settings.http.iter().try_for_each(|listener| check_is_free("--http", listener))?;
    settings.https.iter().try_for_each(|listener| check_is_free("--https", listener))?;
    let edge_settings = EdgeSettings {
        http: settings.http.clone(),
        https: settings.https.clone(),
        http3: settings.http3,
        tls: Some(parts.viewer_tls),
        threads: NonZeroUsize::new(settings.edge_threads).unwrap_or(NonZeroUsize::MIN),
        origin_access: OriginAccess {
            allow_private: api.address.ip().is_loopback(),
            allow: settings.origin_allow.clone(),
            own_listeners: vec![api.address],
        },
        name_servers: settings.name_servers.clone(),
        origin_roots: parts.origin_roots,
        geo_database: parts.geo_database,
        accept_unenforced: settings.accept_unenforced,
        access_log: access_log(directory, settings),
        via_id: random_name()?,
        pop: EDGE_LOCATION.to_owned(),
        viewer_limits: settings.viewer_limits,
        trusted_proxies: settings.proxy_protocol_from.clone(),
    };
    Edge::start(edge_settings, snapshots).map_err(|error| match error {
        StartError::ListenUdp { address, .. } => {
            anyhow::Error::new(error).context(cannot_listen_by_udp(address))
        }
        other => anyhow::Error::new(other).context("the edge cannot start"),
    })
}

/// The edge's threads share their ports, and the kernel would share them with another Mantlet of the same user, too:
/// each would get some of the other's viewers.
fn check_is_free(flag: &str, listener: &ListenOn) -> Result<()> {
    match listener {
        ListenOn::Address(address) if address.port() != 0 => {
            StdTcpListener::bind(address).map(drop).with_context(|| cannot_listen(flag, *address))
        }
        ListenOn::Address(_) | ListenOn::Socket(_) => Ok(()),
    }
}

fn cannot_listen_by_udp(address: SocketAddr) -> String {
    format!(
        "cannot listen on {address} by UDP, for HTTP/3; stop what listens there, or give another address with \
         --https, or --http3 off"
    )
}

fn cannot_listen(flag: &str, address: SocketAddr) -> String {
    format!("cannot listen on {address}; stop what listens there, or give another address with {flag}")
}

fn access_log(directory: &DataDir, settings: &RunSettings) -> AccessLogSettings {
    AccessLogSettings {
        target: match &settings.access_log {
            AccessLogChoice::DataDir => AccessLogTarget::File(directory.access_log()),
            AccessLogChoice::File(path) => AccessLogTarget::File(path.clone()),
            AccessLogChoice::Stdout => AccessLogTarget::Stdout,
            AccessLogChoice::Nowhere => AccessLogTarget::None,
        },
        format: match settings.access_log_format {
            AccessLogFormat::W3c => edge::AccessLogFormat::W3c,
            AccessLogFormat::Json => edge::AccessLogFormat::Json,
        },
        include_cookies: false,
    }
}

fn random_name() -> Result<String> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).ok().context("the system gives no random numbers")?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}

/// AWS's quotas, with what the operator's file changes.
fn quotas(file: Option<&Path>) -> Result<Quotas> {
    let Some(file) = file else { return Ok(Quotas::default()) };
    let text =
        std::fs::read(file).with_context(|| format!("cannot read the quotas in {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| {
        format!(
            "{} is no file of quotas; write a JSON object of names and numbers, such as {{\"cache-policies\": 50}}",
            file.display()
        )
    })
}

fn private_key_sealer(sealing_key: &Arc<SealingKey>) -> PrivateKeySealer {
    let sealing_key = Arc::clone(sealing_key);
    PrivateKeySealer::new(move |id, private_key| {
        Ok(sealing_key.seal(&sealed_certificate_name(id), private_key)?)
    })
}

fn private_key_opener(sealing_key: &Arc<SealingKey>) -> PrivateKeyOpener {
    let sealing_key = Arc::clone(sealing_key);
    PrivateKeyOpener::new(move |id, sealed| Ok(sealing_key.open(&sealed_certificate_name(id), sealed)?))
}

/// No file is called so.
fn sealed_certificate_name(id: &str) -> String {
    format!("certificate/{id}")
}

fn control_settings(
    settings: &RunSettings,
    quotas: Quotas,
    cloudfront_headers: CloudFrontHeaders,
    access_keys: &AccessKeys,
    audit: &AuditTrail,
    sealing_key: &Arc<SealingKey>,
) -> ControlSettings {
    ControlSettings {
        account_id: settings.account_id.clone(),
        domain_suffix: settings.domain_suffix.clone(),
        accept_unenforced: settings.accept_unenforced,
        cloudfront_headers,
        quotas,
        private_keys: private_key_sealer(sealing_key),
        authentication: match settings.authentication {
            AuthFlag::Sigv4 => Authentication::SignatureV4(access_keys.clone()),
            AuthFlag::None => Authentication::Nobody,
        },
        audit: audit.clone(),
    }
}

async fn wait_until_current(edge: &Edge, store: &dyn Store) -> Result<()> {
    let stored = Revision(store.current_revision().await?.0);
    let mut applied = edge.applied();
    let reached = applied.wait_for(|applied| *applied >= stored);
    timeout(EDGE_CATCH_UP_MAX, reached)
        .await
        .ok()
        .context("the edge does not take the stored configuration; the log says why")?
        .context("the edge ended while it started")?;
    Ok(())
}

/// The API's socket before it is served.
struct ApiListener {
    socket: TcpListener,
    address: SocketAddr,
    certificate: Option<ServedCertificate>,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl ApiListener {
    async fn bind(settings: &RunSettings, certificate: Option<&RenewedCertificate>) -> Result<Self> {
        let certificate = certificate.map(RenewedCertificate::served);
        let tls = certificate.clone().map(api_tls).transpose()?;
        let socket = match &settings.api {
            ListenOn::Address(address) => TcpListener::bind(address).await,
            ListenOn::Socket(socket) => socket.try_clone().and_then(TcpListener::from_std),
        };
        let socket = socket.with_context(|| cannot_listen("--api", settings.api.address()))?;
        Ok(Self { address: socket.local_addr()?, socket, certificate, tls })
    }

    fn endpoints(&self, edge: &Edge, certificate_given: bool) -> Result<Endpoints> {
        let first = |addresses: &[SocketAddr]| addresses.first().copied().context("the edge listens nowhere");
        Ok(Endpoints {
            api: self.address,
            http: first(edge.http_addresses())?,
            https: first(edge.https_addresses())?,
            api_url: self.certificate.as_ref().map(|certificate| self.url(&certificate.current())),
            certificate_given,
        })
    }

    /// Clients must call the API by a name that its certificate has.
    fn url(&self, certificate: &CertifiedKey) -> String {
        let name = names(certificate).into_iter().find(|name| !name.starts_with('*'));
        match name {
            Some(name) => format!("https://{name}:{}", self.address.port()),
            None => format!("https://{}", reachable(self.address)),
        }
    }

    fn serve(self, control: Control, local: UnixListener, edge: &Edge, audit: AuditTrail) -> Api {
        let metrics = edge.metrics();
        let (stop, stopped) = oneshot::channel::<()>();
        let (stop_local, stopped_local) = oneshot::channel::<()>();
        let owner = rustix::process::geteuid().as_raw();
        // A sender that is dropped stops it as well.
        let local = control::serve_local(local, owner, control.clone(), async { drop(stopped_local.await) });
        let shutdown = async {
            drop(stopped.await);
            drop(stop_local);
        };
        let metrics = Arc::new(move || metrics.render() + &audit.render_metrics());
        let network = control::serve(self.socket, self.tls, control, metrics, shutdown);
        let task = tokio::spawn(async {
            tokio::join!(network, local);
        });
        Api { task, stop }
    }
}
