//! TLS within QUIC (RFC 9001): as over TCP, the host in the ClientHello picks what a viewer gets.
//!
//! `quinn` asks for a session before anything has been read. So ours holds the ClientHello back until it is whole,
//! looks up its host as TCP's handshake does, and only then begins rustls's. There is no 0-RTT: every request would
//! have to be safe to be replayed (RFC 9001 section 9.2).

use std::any::Any;
use std::io::Cursor;
use std::sync::Arc;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::crypto::{
    ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, ServerConfig, Session, UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectionId, Side, TransportError, TransportErrorCode};
use rustls::AlertDescription;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::{KeyChange, Secrets, ServerConnection, Suite, Version};

use super::client_hello::{self, ClientHello};
use super::fingerprint::{Carrier, Fingerprints};
use super::{CLIENT_HELLO_BYTES_MAX, Terms, TlsFacts, TlsSetupError, ViewerTls, facts};
use crate::preparation::Prepared;

/// The one version that is spoken (RFC 9000).
pub(crate) const QUIC_VERSION: u32 = 1;

/// TLS for QUIC connections, under one snapshot.
pub(crate) struct QuicTls {
    tls: ViewerTls,
    prepared: Prepared,
    /// What protects packets before anything is negotiated, which depends on nothing but the version.
    initial: Arc<QuicServerConfig>,
    initial_suite: Suite,
}

impl QuicTls {
    /// What QUIC connections get under a first snapshot.
    pub(crate) fn new(tls: &ViewerTls) -> Result<Self, TlsSetupError> {
        let any = Arc::clone(&tls.suffix.of(Terms::OF_NOBODY.policy).http3);
        let unusable = |what: &str| TlsSetupError::Configuration(rustls::Error::General(what.to_owned()));
        let initial_suite = TLS13_AES_128_GCM_SHA256.tls13().and_then(rustls::Tls13CipherSuite::quic_suite);
        let initial_suite = initial_suite.ok_or_else(|| unusable("no cipher suite for QUIC"))?;
        let initial = QuicServerConfig::with_initial(any, initial_suite)
            .map_err(|error| unusable(&error.to_string()))?;
        Ok(Self {
            tls: tls.clone(),
            prepared: Prepared::default(),
            initial: Arc::new(initial),
            initial_suite,
        })
    }

    /// The same under another snapshot.
    pub(crate) fn under(&self, prepared: Prepared) -> Self {
        Self {
            tls: self.tls.clone(),
            prepared,
            initial: Arc::clone(&self.initial),
            initial_suite: self.initial_suite,
        }
    }
}

impl ServerConfig for QuicTls {
    fn initial_keys(&self, version: u32, dst_cid: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        self.initial.initial_keys(version, dst_cid)
    }

    fn retry_tag(&self, version: u32, orig_dst_cid: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.initial.retry_tag(version, orig_dst_cid, packet)
    }

    fn start_session(self: Arc<Self>, _version: u32, params: &TransportParameters) -> Box<dyn Session> {
        let mut parameters = Vec::new();
        params.write(&mut parameters);
        Box::new(QuicSession { tls: self, parameters, stage: Stage::Hello(Vec::new()) })
    }
}

/// One connection's TLS.
struct QuicSession {
    tls: Arc<QuicTls>,
    /// Our transport parameters, for the time when the handshake begins.
    parameters: Vec<u8>,
    stage: Stage,
}

enum Stage {
    /// So much of the ClientHello.
    Hello(Vec<u8>),
    Begun(Box<Handshake>),
}

struct Handshake {
    connection: ServerConnection,
    next_secrets: Option<Secrets>,
    sni: Option<Arc<str>>,
    terms: Terms,
    fingerprints: Option<Arc<Fingerprints>>,
}

impl QuicSession {
    fn begun(&self) -> Option<&Handshake> {
        match &self.stage {
            Stage::Hello(_) => None,
            Stage::Begun(handshake) => Some(handshake),
        }
    }

    fn begun_mut(&mut self) -> Option<&mut Handshake> {
        match &mut self.stage {
            Stage::Hello(_) => None,
            Stage::Begun(handshake) => Some(handshake),
        }
    }

    /// Begins the handshake that the ClientHello asks for.
    fn begin(&mut self, message: &[u8]) -> Result<Handshake, TransportError> {
        let hello =
            ClientHello::parse_message(message).ok_or_else(|| refusal(AlertDescription::DecodeError))?;
        let QuicTls { tls, prepared, .. } = &*self.tls;
        let sni = hello.server_name.as_deref().and_then(|name| str::from_utf8(name).ok());
        let sni = sni.map(|name| Arc::<str>::from(name.to_ascii_lowercase()));
        // RFC 9001 section 8.1 has this alert for who cannot agree on a protocol.
        let (config, terms) = tls
            .select_http3(sni.as_deref().unwrap_or_default(), prepared)
            .ok_or_else(|| refusal(AlertDescription::NoApplicationProtocol))?;
        let fingerprints =
            prepared.snapshot.wants_fingerprints().then(|| Arc::new(Fingerprints::of(&hello, Carrier::Quic)));
        let connection = ServerConnection::new(config, Version::V1, std::mem::take(&mut self.parameters))
            .map_err(|_| refusal(AlertDescription::InternalError))?;
        Ok(Handshake { connection, next_secrets: None, sni, terms, fingerprints })
    }
}

impl Handshake {
    fn read(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        self.connection.read_hs(bytes).map_err(|error| {
            let alert = self.connection.alert().unwrap_or(AlertDescription::InternalError);
            TransportError { reason: error.to_string(), ..refusal(alert) }
        })?;
        // Ours and rustls's reading of the name must not differ.
        let name = self.connection.server_name();
        if name.is_some_and(|name| self.sni.as_deref().is_none_or(|sni| !sni.eq_ignore_ascii_case(name))) {
            return Err(refusal(AlertDescription::UnrecognisedName));
        }
        Ok(())
    }
}

fn refusal(alert: AlertDescription) -> TransportError {
    TransportError { code: TransportErrorCode::crypto(alert.into()), frame: None, reason: String::new() }
}

fn packet_protection(keys: rustls::quic::Keys) -> Keys {
    let (local, remote) = (keys.local, keys.remote);
    Keys {
        header: KeyPair { local: Box::new(local.header), remote: Box::new(remote.header) },
        packet: KeyPair { local: Box::new(local.packet), remote: Box::new(remote.packet) },
    }
}

impl Session for QuicSession {
    fn initial_keys(&self, dst_cid: &ConnectionId, side: Side) -> Keys {
        packet_protection(self.tls.initial_suite.keys(dst_cid, side.into(), Version::V1))
    }

    /// [`TlsFacts`], once the handshake has ended.
    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        let handshake = self.begun().filter(|begun| !begun.connection.is_handshaking())?;
        let facts = facts(&handshake.connection, handshake.sni.clone(), handshake.terms.clone())?;
        Some(Box::new(TlsFacts { fingerprints: handshake.fingerprints.clone(), ..facts }))
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        None
    }

    fn early_data_accepted(&self) -> Option<bool> {
        None
    }

    fn is_handshaking(&self) -> bool {
        self.begun().is_none_or(|begun| begun.connection.is_handshaking())
    }

    fn read_handshake(&mut self, buf: &[u8]) -> Result<bool, TransportError> {
        let message = match &mut self.stage {
            Stage::Begun(handshake) => return handshake.read(buf).map(|()| false),
            Stage::Hello(message) => {
                message.extend_from_slice(buf);
                let length = client_hello::message_length(message)
                    .map_err(|_| refusal(AlertDescription::UnexpectedMessage))?;
                let expected = length.unwrap_or_default().max(message.len());
                if expected > CLIENT_HELLO_BYTES_MAX {
                    return Err(refusal(AlertDescription::DecodeError));
                }
                if length.is_none_or(|length| message.len() < length) {
                    return Ok(false);
                }
                std::mem::take(message)
            }
        };
        let mut handshake = Box::new(self.begin(&message)?);
        handshake.read(&message)?;
        self.stage = Stage::Begun(handshake);
        Ok(false)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        let parameters = self.begun().and_then(|begun| begun.connection.quic_transport_parameters());
        let read = |bytes| TransportParameters::read(Side::Server, &mut Cursor::new(bytes));
        Ok(parameters.map(read).transpose()?)
    }

    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        let handshake = self.begun_mut()?;
        let keys = match handshake.connection.write_hs(buf)? {
            KeyChange::Handshake { keys } => keys,
            KeyChange::OneRtt { keys, next } => {
                handshake.next_secrets = Some(next);
                keys
            }
        };
        Some(packet_protection(keys))
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        let keys = self.begun_mut()?.next_secrets.as_mut()?.next_packet_keys();
        Some(KeyPair { local: Box::new(keys.local), remote: Box::new(keys.remote) })
    }

    /// Servers get no Retry.
    fn is_valid_retry(&self, _orig_dst_cid: &ConnectionId, _header: &[u8], _payload: &[u8]) -> bool {
        false
    }

    /// Nothing here asks for any.
    fn export_keying_material(
        &self,
        _output: &mut [u8],
        _label: &[u8],
        _context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        Err(ExportKeyingMaterialError)
    }
}
