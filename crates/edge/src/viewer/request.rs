//! What a viewer asks for, whatever version it speaks.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use behavior::{EdgeError, HttpVersion, Scheme, TlsDescription, TlsHandshake, is_grpc};
use http1::{BodyFraming, KnownField, RequestError, RequestView, TargetForm};
use proxy_protocol::Ends;
use tokio::time::Instant;

use crate::addresses::AddressConnection;
use crate::limits::HURRIED_TIME_MAX;
use crate::tls::TlsFacts;

/// Who is at the other end of a connection, and over what.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The viewer, and what it connected to.
    pub(crate) ends: Ends,
    /// The connection as one of its address's.
    pub(crate) of_address: AddressConnection,
    pub(crate) scheme: Scheme,
    /// Boxed, so that connections in clear do not hold room for it.
    pub(crate) tls: Option<Box<TlsFacts>>,
    /// How long the TLS handshake took, until the first request has told it.
    pub(crate) tls_handshake: Cell<Option<Duration>>,
    /// Whether a request has been there.
    pub(crate) has_asked: Cell<bool>,
}

impl Peer {
    /// One that has asked for nothing yet, over no TLS.
    pub(crate) fn new(ends: Ends, of_address: AddressConnection, scheme: Scheme) -> Self {
        let (tls_handshake, has_asked) = (Cell::default(), Cell::default());
        Self { ends, of_address, scheme, tls: None, tls_handshake, has_asked }
    }

    /// The TLS handshake that began then has ended.
    pub(super) fn shook_hands(&mut self, facts: TlsFacts, begun_at: Instant) {
        self.tls = Some(Box::new(facts));
        self.tls_handshake.set(Some(begun_at.elapsed()));
    }

    /// The viewer's address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.ends.source
    }

    /// Notes a request; tells whether it is the connection's first.
    pub(super) fn asks(&self) -> bool {
        !self.has_asked.replace(true)
    }

    /// How long this viewer may take for what others have `usual` time for.
    pub(crate) fn patience(&self, usual: Duration) -> Duration {
        if self.of_address.is_crowded() { usual.min(HURRIED_TIME_MAX) } else { usual }
    }
}

/// A viewer's request. Its head has been through `http1`, whatever version it came in, so there is one
/// set of rules for framing, host, target and sizes.
pub(crate) struct ViewerRequest<'a> {
    pub(crate) head: RequestView<'a>,
    pub(crate) version: HttpVersion,
    /// How the body goes to the origin: chunked when its length is not known beforehand.
    pub(crate) framing: BodyFraming,
    pub(crate) peer: &'a Peer,
    /// Whether it is the first on its connection.
    pub(crate) is_first: bool,
    pub(crate) received_at: Instant,
}

impl<'a> ViewerRequest<'a> {
    /// The header fields, as `behavior` reads them.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone + use<'a> {
        self.head.fields().map(|field| (field.name, field.value))
    }

    /// Whether there is a body, be it of unknown length.
    pub(crate) fn has_body(&self) -> bool {
        !matches!(self.framing, BodyFraming::None | BodyFraming::Length(0))
    }

    /// The TLS that it came over.
    pub(crate) fn tls_description(&self) -> Option<TlsDescription<'a>> {
        let tls = self.peer.tls.as_ref()?;
        let handshake = match (self.is_first, tls.resumed) {
            (true, false) => TlsHandshake::Full,
            (true, true) => TlsHandshake::Resumed,
            (false, _) => TlsHandshake::ConnectionReused,
        };
        let fingerprints = tls.fingerprints.as_deref();
        Some(TlsDescription {
            version: tls.version.as_str(),
            cipher: tls.cipher.name,
            handshake,
            ja3: fingerprints.map(|fingerprints| fingerprints.ja3.as_str()),
            ja4: fingerprints.map(|fingerprints| fingerprints.ja4.as_str()),
        })
    }

    /// `Accept`, which decides on the form of errors.
    pub(crate) fn accept(&self) -> Option<&'a [u8]> {
        self.head.value(KnownField::Accept)
    }

    /// Whether the viewer would make anything of trailers: all of HTTP/2 do, and in HTTP/1.1 those that say so
    /// (RFC 9110 section 6.5.1).
    pub(crate) fn takes_trailers(&self) -> bool {
        let is_asked_for = |te: &[u8]| {
            te.split(|&byte| byte == b',').any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
        };
        self.takes_interim_responses()
            || (self.version == HttpVersion::Http11 && self.head.values(KnownField::Te).any(is_asked_for))
    }

    /// Whether interim responses are relayed to the viewer. Over HTTP/1.1 they are not: clients take them for
    /// the final one, or for the answer to the next request (RFC 8297 section 3, which lets a server leave
    /// them out there).
    pub(crate) fn takes_interim_responses(&self) -> bool {
        self.version >= HttpVersion::Http2
    }

    /// Whether it is a call of gRPC, which there is from HTTP/2 on.
    pub(crate) fn speaks_grpc(&self) -> bool {
        self.version >= HttpVersion::Http2 && self.head.value(KnownField::ContentType).is_some_and(is_grpc)
    }

    /// Whether the viewer would have this connection speak another protocol (RFC 9110 section 7.8).
    pub(crate) fn asks_to_upgrade(&self) -> bool {
        self.head.value(KnownField::Upgrade).is_some()
            && self.head.connection_options().any(|option| option.eq_ignore_ascii_case(b"upgrade"))
    }

    /// Whether there is no answer but another protocol, or an error: a tunnel was asked for (RFC 8441), which alone
    /// makes an upgrade of HTTP/2.
    pub(crate) fn needs_tunnel(&self) -> bool {
        self.version == HttpVersion::Http2 && self.asks_to_upgrade()
    }

    /// Whether the target claims another scheme than the connection has: then one of two readers would
    /// be wrong about it (RFC 9112 section 3.2.2).
    pub(crate) fn contradicts_scheme(&self) -> bool {
        match self.head.target_form() {
            TargetForm::Absolute { https } => https != (self.peer.scheme == Scheme::Https),
            TargetForm::Origin | TargetForm::Asterisk => false,
        }
    }
}

/// What a viewer is told of a head that `http1` refuses.
pub(crate) fn refusal(error: RequestError) -> EdgeError {
    match error.status() {
        414 => EdgeError::UriTooLong,
        494 => EdgeError::HeaderTooLarge,
        505 => EdgeError::VersionNotSupported,
        _ => EdgeError::BadRequest,
    }
}

/// What a viewer did that ends its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ViewerFault {
    /// It closed the connection, reset the stream, or sent less than it had said.
    #[error("the viewer left")]
    Left,
    /// Its body breaks the framing's rules, or is not as long as it said.
    #[error("the viewer's request body is malformed")]
    BodyMalformed,
    /// Its body is longer than the distribution takes.
    #[error("the viewer's request body is too large")]
    BodyTooLarge,
    /// It was silent for too long within its body.
    #[error("the viewer's request body did not arrive in time")]
    BodyTooSlow,
    /// It reads more slowly than anybody should.
    #[error("the viewer reads too slowly")]
    ReadsTooSlowly,
}

/// A request's body, read as the origin takes it.
pub(crate) trait RequestBody {
    /// The next stretch; none at the body's exact end. What was returned before has been dealt with.
    async fn next(&mut self) -> Result<Option<&[u8]>, ViewerFault>;

    /// Takes this many bytes and no more; what comes beyond is [`ViewerFault::BodyTooLarge`].
    fn limit(&mut self, bytes: u64);

    /// Whether the rest, if there is one, will not stand in the way of another request.
    fn can_be_passed_over(&self) -> bool;

    /// Whatever the viewer sends from here on, and has sent behind the request, is the body: the protocol has
    /// been switched.
    fn begin_tunnel(&mut self);
}

/// Where there is nothing to read.
impl RequestBody for () {
    async fn next(&mut self) -> Result<Option<&[u8]>, ViewerFault> {
        Ok(None)
    }

    fn limit(&mut self, _bytes: u64) {}

    fn can_be_passed_over(&self) -> bool {
        true
    }

    fn begin_tunnel(&mut self) {}
}
