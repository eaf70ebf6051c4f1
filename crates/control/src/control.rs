//! The control plane as a whole: what it needs, and how a request becomes an answer.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use aws_api::sigv4::claimed_access_key_id;
use aws_api::{AnyOperation, ApiError, Protocol, Request, Routed, protocol, route};
use bytes::Bytes;
use edge_config::{CloudFrontHeaders, HostName, Snapshot};
use feed::Fleet;
use http::{HeaderName, HeaderValue, Response, header};
use store::Store;
use tokio::sync::watch;

use crate::access::{KeyRequest, Role, SIGNING_NAME, is_audited, is_key_path, needed_role};
use crate::audit::{AuditTrail, Audited, Notes, Source, noting};
use crate::authentication::{Authentication, Identity, Who, access_denied, authenticate};
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
    /// The `CloudFront-…` headers that edges can send to origins: where they know viewers' countries, they
    /// also enforce geo restrictions.
    pub cloudfront_headers: CloudFrontHeaders,
    /// Who may ask.
    pub authentication: Authentication,
    /// How much there may be.
    pub quotas: Quotas,
    /// What seals private keys of certificates before they are stored.
    pub private_keys: PrivateKeySealer,
    /// Where changes are told.
    pub audit: AuditTrail,
}

/// How a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    /// Over TLS.
    pub is_tls: bool,
    /// From this machine.
    pub is_loopback: bool,
    /// From whom, as far as the network tells.
    pub source: Source,
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
    /// Who asks.
    pub(crate) who: Who,
}

impl Caller {
    pub(crate) fn new(endpoint: String, who: Who) -> Self {
        Self { endpoint, warnings: OnceLock::new(), who }
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
    ///
    /// What was begun goes on to its end, and to its audit line, though whoever asked hangs up meanwhile.
    pub async fn answer(&self, request: http::Request<Bytes>, transport: Transport) -> Response<Bytes> {
        let control = self.clone();
        let answered = tokio::spawn(async move { control.answer_to_the_end(request, transport).await });
        answered.await.unwrap_or_else(|ended| {
            tracing::error!(%ended, "Could not complete a request");
            ApiError::internal().answer(Protocol::RestXml, &new_request_id()).map(Bytes::from)
        })
    }

    async fn answer_to_the_end(
        &self,
        request: http::Request<Bytes>,
        transport: Transport,
    ) -> Response<Bytes> {
        let (head, body) = request.into_parts();
        let request = Request::new(&head, &body);
        let request_id = new_request_id();
        let (answer, protocol) = if is_key_path(request.path) {
            (self.attempt_keys(&request, transport, &request_id).await, Protocol::Json)
        } else {
            let answer = self.attempt(&request, transport, &request_id).await;
            (answer.map(|answer| answer.map(Bytes::from)), protocol(&request))
        };
        answer.unwrap_or_else(|error| error.answer(protocol, &request_id).map(Bytes::from))
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
        let protocol = protocol(request);
        let authentication = &self.shared.settings.authentication;
        let identity = authenticate(authentication, request, protocol, transport, SystemTime::now());
        let routed = known_to(&identity, route(request))?;
        let who = identity.as_ref().ok().map(|identity| identity.who().clone());
        let (answer, notes) = match identity {
            Ok(identity) => noting(self.perform(&identity, request, &routed, transport, request_id)).await,
            Err(error) => (Err(error), Notes::default()),
        };
        if is_audited(routed.operation) {
            let schema = routed.operation.schema();
            let named: Vec<&str> = routed.labels.values().collect();
            let audited = Audited {
                request_id,
                claimed: claim(request, who.as_ref()),
                who: who.as_ref(),
                source: transport.source,
                service: schema.service.signing_name,
                operation: schema.name,
                named: (!named.is_empty()).then(|| named.join("/")),
                refusal: answer.as_ref().err().map(|error| error.code),
            };
            self.shared.settings.audit.record(&audited, notes.as_slice());
        }
        report(routed.operation, protocol, request_id, answer.as_ref().err());
        answer
    }

    async fn perform(
        &self,
        identity: &Identity,
        request: &Request<'_>,
        routed: &Routed,
        transport: Transport,
        request_id: &str,
    ) -> Result<aws_api::Answer, ApiError> {
        let (operation, protocol) = (routed.operation, protocol(request));
        identity.check_service(operation.schema().service.signing_name, protocol)?;
        identity.check_role(operation.name(), needed_role(operation), protocol)?;
        let caller = Caller::new(endpoint(request, transport), identity.who().clone());
        // On the heap: it is as large as the largest operation.
        let mut answer = Box::pin(dispatch(self, &caller, request, routed, request_id)).await?;
        caller.annotate(&mut answer);
        Ok(answer)
    }

    /// Answers a request about access keys.
    async fn attempt_keys(
        &self,
        request: &Request<'_>,
        transport: Transport,
        request_id: &str,
    ) -> Result<Response<Bytes>, ApiError> {
        let asked = KeyRequest::parse(request.method, request.path, request.query, request.body);
        let identity = match transport.source {
            Source::LocalUser(_) => Ok(Identity::local_user()),
            Source::Address(_) => {
                let authentication = &self.shared.settings.authentication;
                authenticate(authentication, request, Protocol::Json, transport, SystemTime::now())
            }
        };
        let asked = known_to(&identity, asked)?;
        let who = identity.as_ref().ok().map(|identity| identity.who().clone());
        let (answer, notes) = match identity {
            Ok(identity) => noting(self.perform_keys(&identity, &asked, request_id)).await,
            Err(error) => (Err(error), Notes::default()),
        };
        if asked.is_change() {
            let audited = Audited {
                request_id,
                claimed: claim(request, who.as_ref()),
                who: who.as_ref(),
                source: transport.source,
                service: SIGNING_NAME,
                operation: asked.operation(),
                named: asked.resource().map(str::to_owned),
                refusal: answer.as_ref().err().map(|error| error.code),
            };
            self.shared.settings.audit.record(&audited, notes.as_slice());
        }
        answer
    }

    async fn perform_keys(
        &self,
        identity: &Identity,
        asked: &KeyRequest,
        request_id: &str,
    ) -> Result<Response<Bytes>, ApiError> {
        let Authentication::SignatureV4(keys) = &self.shared.settings.authentication else {
            // A key that anybody could make would still let them in when signatures are asked for again.
            return Err(access_denied(
                Protocol::Json,
                "This process runs without authentication, so it changes no keys. Stop it, or run it without \
                 --auth none.",
            ));
        };
        identity.check_service(SIGNING_NAME, Protocol::Json)?;
        identity.check_role(asked.operation(), Role::Admin, Protocol::Json)?;
        let is_session = identity.who().principal().is_some_and(|principal| principal.session.is_some());
        if asked.is_change() && is_session {
            return Err(access_denied(
                Protocol::Json,
                "Temporary credentials cannot change access keys, or they would outlive themselves. Sign with an access \
                 key.",
            ));
        }
        asked.perform(keys, request_id).await
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

/// What is asked for. Who is nobody learns that, and not whether there is such a thing.
fn known_to<T>(identity: &Result<Identity, ApiError>, asked: Result<T, ApiError>) -> Result<T, ApiError> {
    match (identity, asked) {
        (Err(nobody), Err(_)) => Err(nobody.clone()),
        (_, asked) => asked,
    }
}

/// Whom a request claims to be from, where nobody was recognised.
fn claim(request: &Request<'_>, who: Option<&Who>) -> Option<String> {
    if who.is_some() { None } else { claimed_access_key_id(request) }
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
