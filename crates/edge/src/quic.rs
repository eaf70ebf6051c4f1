//! QUIC: one UDP socket a thread, all on the same port, with an endpoint of `quinn` behind each.
//!
//! The kernel gives a datagram to a socket by the addresses that it goes between. Those of a connection change when
//! its viewer moves to another network, and then it may come to another thread. So connection ids say whose they
//! are (`connection_id`), and a datagram that is another thread's is passed on to it (`socket`).

mod connection_id;
mod socket;

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;

use aws_lc_rs::{hkdf, hmac, rand};
use quinn::congestion::CubicConfig;
use quinn::{
    Endpoint, EndpointConfig, IdleTimeout, Runtime, ServerConfig, TokioRuntime, TransportConfig,
    ValidationTokenConfig, VarInt,
};

use self::connection_id::ConnectionIds;
use self::socket::{Mailboxes, ThreadSocket};
use crate::limits::{
    HTTP2_CONNECTION_WINDOW_BYTES, HTTP2_STREAM_WINDOW_BYTES, HTTP2_STREAMS_MAX, HTTP3_OUTGOING_BYTES_MAX,
    HTTP3_STREAMS_OF_ONE_DIRECTION_MAX, QUIC_INCOMING_BYTES_MAX, QUIC_INCOMING_MAX, QUIC_KEEP_ALIVE,
    QUIC_SILENCE_MAX,
};
use crate::preparation::Prepared;
use crate::tls::{QUIC_VERSION, QuicTls, TlsSetupError, ViewerTls};

/// What the QUIC endpoints of an edge have in common, and no other process has.
pub(crate) struct Quic {
    tls: QuicTls,
    connection_ids: Arc<ConnectionIds>,
    reset_key: Arc<hmac::Key>,
    token_key: Arc<hkdf::Prk>,
    transport: Arc<TransportConfig>,
}

/// Why QUIC cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum QuicSetupError {
    /// No TLS for it.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// No secrets.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

impl Quic {
    /// With secrets of its own.
    pub(crate) fn new(tls: &ViewerTls) -> Result<Self, QuicSetupError> {
        let mut secrets = [[0; 32]; 2];
        rand::fill(secrets.as_flattened_mut()).map_err(|_| QuicSetupError::NoRandomness)?;
        let [reset_secret, token_secret] = &secrets;
        Ok(Self {
            tls: QuicTls::new(tls)?,
            connection_ids: Arc::new(ConnectionIds::new().ok_or(QuicSetupError::NoRandomness)?),
            reset_key: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, reset_secret)),
            token_key: Arc::new(hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(token_secret)),
            transport: Arc::new(transport()),
        })
    }

    /// What a connection that begins now is served with.
    pub(crate) fn server_config(&self, prepared: Prepared) -> ServerConfig {
        let token_key: Arc<hkdf::Prk> = Arc::clone(&self.token_key);
        let mut config = ServerConfig::new(Arc::new(self.tls.under(prepared)), token_key);
        let mut tokens = ValidationTokenConfig::default();
        // A connection after this one proves its address anew, when it has to: nothing is remembered of viewers.
        tokens.sent(0);
        config
            .transport_config(Arc::clone(&self.transport))
            .validation_token_config(tokens)
            .max_incoming(QUIC_INCOMING_MAX)
            .incoming_buffer_size(QUIC_INCOMING_BYTES_MAX)
            .incoming_buffer_size_total(QUIC_INCOMING_BYTES_MAX * QUIC_INCOMING_MAX as u64);
        config
    }

    /// The endpoint of a thread, which needs the thread's runtime.
    pub(crate) fn endpoint(&self, thread: usize, listener: QuicListener) -> io::Result<Endpoint> {
        let connection_ids = Arc::clone(&self.connection_ids);
        let mut config = EndpointConfig::new(Arc::clone(&self.reset_key) as _);
        config.cid_generator(move || Box::new(connection_ids.of_thread(thread)));
        config.supported_versions(vec![QUIC_VERSION]);
        let runtime = Arc::new(TokioRuntime);
        let socket = ThreadSocket::new(
            runtime.wrap_udp_socket(listener.socket)?,
            thread,
            Arc::clone(&self.connection_ids),
            listener.mailboxes,
        );
        let server_config = self.server_config(Prepared::default());
        Endpoint::new_with_abstract_socket(config, Some(server_config), Arc::new(socket), runtime)
    }
}

/// A thread's UDP socket on an address.
#[derive(Debug)]
pub(crate) struct QuicListener {
    socket: UdpSocket,
    mailboxes: Arc<Mailboxes>,
}

impl QuicListener {
    /// The listeners of one address, one for each thread.
    pub(crate) fn of_threads(sockets: Vec<UdpSocket>) -> impl Iterator<Item = Self> {
        let mailboxes = Arc::new(Mailboxes::new(sockets.len()));
        sockets.into_iter().map(move |socket| Self { socket, mailboxes: Arc::clone(&mailboxes) })
    }
}

fn transport() -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(HTTP2_STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(HTTP3_STREAMS_OF_ONE_DIRECTION_MAX))
        .stream_receive_window(VarInt::from_u32(HTTP2_STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(HTTP2_CONNECTION_WINDOW_BYTES))
        .send_window(HTTP3_OUTGOING_BYTES_MAX as u64)
        .max_idle_timeout(IdleTimeout::try_from(QUIC_SILENCE_MAX).ok())
        .keep_alive_interval(Some(QUIC_KEEP_ALIVE))
        .congestion_controller_factory(Arc::new(CubicConfig::default()))
        // RFC 9297 is not served.
        .datagram_receive_buffer_size(None);
    config
}
