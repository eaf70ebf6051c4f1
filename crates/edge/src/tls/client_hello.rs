//! A ClientHello as the viewer sent it: what fingerprints are made of, and rustls does not tell.
//!
//! rustls has taken the same bytes before. What cannot be read here has no fingerprint, and nothing else
//! depends on it. Everything is bounded by the bytes that were read, which are few
//! ([`CLIENT_HELLO_BYTES_MAX`](super::CLIENT_HELLO_BYTES_MAX)).

/// The content type of handshake records, and the type of the one message that is read (RFC 8446
/// sections 5.1 and 4).
const HANDSHAKE_RECORD: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// Extensions whose contents take part in a fingerprint (RFC 8446 section 4.2, RFC 8422, RFC 7301).
const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const EC_POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;

/// A ClientHello's lists in the viewer's order, without the values that viewers send to keep servers
/// tolerant (GREASE, RFC 8701): they are chosen at random.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientHello {
    pub(super) legacy_version: u16,
    pub(crate) cipher_suites: Vec<u16>,
    pub(super) extensions: Vec<u16>,
    pub(crate) groups: Vec<u16>,
    pub(super) point_formats: Vec<u8>,
    pub(crate) signature_algorithms: Vec<u16>,
    pub(super) supported_versions: Vec<u16>,
    /// The first protocol that the viewer offers.
    pub(super) first_protocol: Vec<u8>,
    /// The host that it names, as it is written there.
    pub(super) server_name: Option<Vec<u8>>,
}

/// The length of a message's head (RFC 8446 section 4).
const MESSAGE_HEAD_BYTES: usize = 4;

/// How many bytes the message at the front of `bytes` has, once that is known. None of it may be anything but a
/// ClientHello.
pub(super) fn message_length(bytes: &[u8]) -> Result<Option<usize>, NotClientHello> {
    let Some((&kind, rest)) = bytes.split_first() else { return Ok(None) };
    if kind != CLIENT_HELLO {
        return Err(NotClientHello);
    }
    let length = rest.get(..3).map(|length| length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)));
    Ok(length.map(|length| MESSAGE_HEAD_BYTES + length))
}

/// Another message came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotClientHello;

impl ClientHello {
    /// Reads the records of a connection's first bytes; none if they are no whole ClientHello.
    pub(crate) fn parse(records: &[u8]) -> Option<Self> {
        Self::parse_message(&handshake_bytes(records))
    }

    /// Reads the message itself, which QUIC has without records (RFC 9001 section 4.1.3).
    pub(super) fn parse_message(message: &[u8]) -> Option<Self> {
        let mut message = Reader(message);
        if message.number()? != CLIENT_HELLO {
            return None;
        }
        let length = message.take(3)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let mut body = Reader(message.take(length)?);
        let mut hello = Self { legacy_version: body.number16()?, ..Self::default() };
        let _random = body.take(32)?;
        let _session_id = body.prefixed8()?;
        hello.cipher_suites = body.prefixed16()?.numbers();
        let _compression_methods = body.prefixed8()?;
        // Before TLS 1.3 a ClientHello may end here.
        if !body.0.is_empty() {
            let mut extensions = body.prefixed16()?;
            while !extensions.0.is_empty() {
                let (kind, contents) = (extensions.number16()?, extensions.prefixed16()?);
                hello.read_extension(kind, contents);
            }
        }
        Some(hello)
    }

    fn read_extension(&mut self, kind: u16, mut contents: Reader<'_>) {
        if is_grease(kind) {
            return;
        }
        self.extensions.push(kind);
        match kind {
            SERVER_NAME => {
                // RFC 6066 section 3: a list, of which hosts are the one kind that there is.
                let mut names = contents.prefixed16().unwrap_or(Reader(&[]));
                let is_host = names.number() == Some(0);
                self.server_name = names.prefixed16().filter(|_| is_host).map(|name| name.0.to_vec());
            }
            SUPPORTED_GROUPS => self.groups = contents.prefixed16().map(Reader::numbers).unwrap_or_default(),
            EC_POINT_FORMATS => {
                self.point_formats = contents.prefixed8().map(|list| list.0.to_vec()).unwrap_or_default();
            }
            SIGNATURE_ALGORITHMS => {
                self.signature_algorithms = contents.prefixed16().map(Reader::numbers).unwrap_or_default();
            }
            SUPPORTED_VERSIONS => {
                self.supported_versions = contents.prefixed8().map(Reader::numbers).unwrap_or_default();
            }
            ALPN => {
                let first = contents.prefixed16().and_then(|mut list| list.prefixed8());
                self.first_protocol = first.map(|protocol| protocol.0.to_vec()).unwrap_or_default();
            }
            _ => {}
        }
    }

    /// Whether the viewer named a host.
    pub(super) fn names_host(&self) -> bool {
        self.extensions.contains(&SERVER_NAME)
    }

    /// The extensions that say something of the viewer alone, and not of whom it calls.
    pub(super) fn own_extensions(&self) -> impl Iterator<Item = u16> {
        self.extensions.iter().copied().filter(|kind| !matches!(*kind, SERVER_NAME | ALPN))
    }
}

/// The contents of the handshake records at the beginning: a message may span several (RFC 8446 section
/// 5.1).
fn handshake_bytes(records: &[u8]) -> Vec<u8> {
    let mut rest = Reader(records);
    let mut message = Vec::with_capacity(records.len());
    while rest.number() == Some(HANDSHAKE_RECORD)
        && rest.number16().is_some()
        && let Some(fragment) = rest.prefixed16()
    {
        message.extend_from_slice(fragment.0);
    }
    message
}

/// `0x0A0A`, `0x1A1A` … `0xFAFA` (RFC 8701 section 2).
fn is_grease(number: u16) -> bool {
    let [high, low] = number.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// Bytes that are read from their beginning.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// What stands behind its length in one byte.
    fn prefixed8(&mut self) -> Option<Self> {
        let length = self.number()?;
        self.take(length.into()).map(Self)
    }

    /// What stands behind its length in two bytes.
    fn prefixed16(&mut self) -> Option<Self> {
        let length = self.number16()?;
        self.take(length.into()).map(Self)
    }

    /// All numbers of two bytes in it, but for GREASE.
    fn numbers(mut self) -> Vec<u16> {
        std::iter::from_fn(|| self.number16()).filter(|number| !is_grease(*number)).collect()
    }
}
