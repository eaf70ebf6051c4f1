//! The control plane as a whole: what it needs, and how a request becomes an answer.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use aws_api::{AnyOperation, ApiError, Protocol, Request, protocol, route};
use bytes::Bytes;
use edge_config::{HostName, Snapshot};
use feed::Fleet;
use http::{HeaderName, HeaderValue, Response, header};
use store::Store;
use tokio::sync::watch;

use crate::authentication::{Authentication, authenticate};
use crate::certificates::PrivateKeySealer;
use crate::dispatch::dispatch;
use crate::identifier::new_request_id;
use crate::quotas::Quotas;

/// What an operator decides.
#[derive(Clone, Debug)]
pub struct ControlSettings {
    /// The account that everything belongs to: twelve digits.
    pub account_id: String,
    /// Under which name distributions get theirs.
    pub domain_suffix: HostName,
    /// Whether settings that restrict access are taken although nothing enforces them yet.
    pub accept_unenforced: bool,
    /// Who may ask.
    pub authentication: Authentication,
    /// How much there may be.
    pub quotas: Quotas,
    /// What seals private keys of certificates before they are stored.
    pub private_keys: PrivateKeySealer,
}

/// How a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    /// Over TLS.
    pub is_tls: bool,
    /// From this machine.
    pub is_loopback: bool,
}

/// The control plane. Clones are the same one.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

struct Shared {
    settings: ControlSettings,
    store: Arc<dyn Store>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    fleet: Fleet,
}

/// What an operation knows about the request beside its input.
pub(crate) struct Caller {
    /// Where the request was sent: scheme and authority.
    pub(crate) endpoint: String,
    /// How many warnings there are about what the operation stored, once it did.
    pub(crate) warnings: OnceLock<usize>,
}

impl Caller {
    pub(crate) fn new(endpoint: String) -> Self {
        Self { endpoint, warnings: OnceLock::new() }
    }

    /// What is told about a success beside the operation's own answer.
    fn annotate(&self, answer: &mut aws_api::Answer) {
        if let Some(warnings) = self.warnings.get() {
            answer.headers_mut().insert(WARNINGS, HeaderValue::from(*warnings));
        }
    }
}

/// How many warnings there are about what was created or updated; the log and `mantlet lint` tell them.
const WARNINGS: HeaderName = HeaderName::from_static("x-mantlet-warnings");

impl Control {
    /// The control plane over a store, its feed, and the edges that it serves.
    pub fn new(
        settings: ControlSettings,
        store: Arc<dyn Store>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        fleet: Fleet,
    ) -> Self {
        Self { shared: Arc::new(Shared { settings, store, snapshots, fleet }) }
    }

    /// Answers one request of the API.
    pub async fn answer(&self, request: http::Request<Bytes>, transport: Transport) -> Response<Bytes> {
        let (head, body) = request.into_parts();
        let request = Request::new(&head, &body);
        let request_id = new_request_id();
        let answer = match self.attempt(&request, transport, &request_id).await {
            Ok(answer) => answer,
            Err(error) => error.answer(protocol(&request), &request_id),
        };
        answer.map(Bytes::from)
    }

    /// An error of the API outside of any operation, in the protocol that the head speaks.
    pub(crate) fn refuse(head: &http::request::Parts, error: &ApiError) -> Response<Bytes> {
        error.answer(protocol(&Request::new(head, b"")), &new_request_id()).map(Bytes::from)
    }

    async fn attempt(
        &self,
        request: &Request<'_>,
        transport: Transport,
        request_id: &str,
    ) -> Result<aws_api::Answer, ApiError> {
        let identity =
            authenticate(&self.shared.settings.authentication, request, transport, SystemTime::now())?;
        let routed = route(request)?;
        identity.check_service(routed.operation, protocol(request))?;
        let caller = Caller::new(endpoint(request, transport));
        let answer = dispatch(self, &caller, request, &routed, request_id).await;
        let answer = answer.map(|mut answer| {
            caller.annotate(&mut answer);
            answer
        });
        report(routed.operation, protocol(request), request_id, answer.as_ref().err());
        answer
    }

    pub(crate) fn account_id(&self) -> &str {
        &self.shared.settings.account_id
    }

    pub(crate) fn settings(&self) -> &ControlSettings {
        &self.shared.settings
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.shared.store
    }

    pub(crate) fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.shared.snapshots.clone()
    }

    pub(crate) fn fleet(&self) -> &Fleet {
        &self.shared.fleet
    }
}

/// Where the caller believes to have sent the request, for absolute addresses in answers.
fn endpoint(request: &Request<'_>, transport: Transport) -> String {
    let scheme = if transport.is_tls { "https" } else { "http" };
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.map_or_else(String::new, |host| format!("{scheme}://{host}"))
}

fn report(operation: AnyOperation, protocol: Protocol, request_id: &str, error: Option<&ApiError>) {
    let (operation, code) = (operation.name(), error.map(|error| error.code));
    tracing::debug!(operation, ?protocol, request_id, code, "Answered a request of the API");
}
