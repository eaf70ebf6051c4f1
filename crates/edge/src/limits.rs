//! Every bound of the edge that is not the wire's (those are in `http1::limits`), with its reason.

use std::time::Duration;

/// Connections of viewers that one thread holds. An idle one costs a few KiB, so this is some hundred
/// MiB at worst; beyond it new connections are closed at once rather than everybody's slowed down.
pub const CONNECTIONS_MAX: usize = 65_536;

/// Connections that one viewer address may have unless `--address-connections-max` says otherwise. Behind
/// the address of a company or a mobile network are thousands of people with a connection or two each;
/// one machine alone must not use up a thread's.
pub const ADDRESS_CONNECTIONS_MAX: usize = 2048;

/// Connections of one address beyond which each of them has [`HURRIED_TIME_MAX`] for a head, for a stretch
/// of a body, and for what it is sent. (Not for calls of gRPC and tunnels of WebSocket, which are conversations, with
/// limits of their own.) Nobody is slow in all of them by chance.
pub const ADDRESS_CONNECTIONS_PATIENT: usize = 256;

/// Connections that an address must be down to again before it is no longer hurried; otherwise the last of
/// those that were slow would be left to be.
pub const ADDRESS_CONNECTIONS_CALM: usize = 16;

/// HTTP/2 streams that one address may have at once, where its connections may not be more; beyond them
/// a stream gets 503. A stream costs as much as a connection, and 128 of them come cheaply in one.
pub const ADDRESS_STREAMS_MIN: usize = 256;

/// TLS handshakes in progress of one address beyond which more of them wait for those of all other addresses.
/// A browser opens six connections to a host.
pub const ADDRESS_HANDSHAKES_PATIENT: usize = 16;

/// TLS handshakes that wait for their turn on one thread, beyond which new connections are closed at once. At some
/// 300 µs each a thread needs more than a second for so many, and viewers have given up soon after.
pub const HANDSHAKES_WAITING_MAX: usize = 4096;

/// How long a viewer may take where it has reason to be quick: twice what loses nobody on a mobile network
/// that works.
pub const HURRIED_TIME_MAX: Duration = Duration::from_secs(5);

/// How often a viewer's patience is looked at again while it waits.
pub const PATIENCE_CHECK: Duration = Duration::from_secs(1);

/// What the connections of an edge may hold where neither `--memory-max` nor the machine says it.
pub const MEMORY_BYTES_DEFAULT: usize = 1024 * 1024 * 1024;

/// What a connection holds without any buffer: TLS's state, its task and what HTTP/2 keeps. Measured: 13
/// to 20 KiB.
pub const CONNECTION_HELD_BYTES: usize = 24 * 1024;

/// What an HTTP/2 stream holds without its buffers: its task, and the origin's connection.
pub const STREAM_HELD_BYTES: usize = 12 * 1024;

/// A buffer for a head, or for what is small. Requests of browsers are below 4 KiB; larger heads move
/// into a large buffer.
pub const SMALL_BUFFER_BYTES: usize = 8 * 1024;

/// A buffer for bodies. Fewer, larger reads: 128 KiB costs a fifth less processor time on 64 KiB
/// responses than 64 KiB does. Also what is in flight in one direction of one exchange.
pub const LARGE_BUFFER_BYTES: usize = 128 * 1024;

/// Large buffers that one thread has in use before it makes do with small ones for bodies: 16 MiB.
/// Only viewers that read slowly hold any for longer than it takes to write them.
pub const LARGE_BUFFERS_IN_USE_MAX: usize = 128;

/// Unused large buffers that a thread keeps: 4 MiB.
pub const LARGE_BUFFERS_KEPT_MAX: usize = 32;

/// Unused small buffers that a thread keeps: 2 MiB.
pub const SMALL_BUFFERS_KEPT_MAX: usize = 256;

/// Heads (their tables of fields) that a thread keeps for the next request.
pub const HEADS_KEPT_MAX: usize = 256;

/// How long a trusted proxy may take for its PROXY protocol header. proxy-protocol.txt section 2 asks for 3 s at
/// least, so that one lost packet does no harm.
pub const PROXY_HEADER_TIME_MAX: Duration = Duration::from_secs(5);

/// How long a viewer's connection may be without a request. nginx's default, 75 s, less what makes
/// it end before load balancers' and operating systems' own idle limits at 60 s do.
pub const VIEWER_IDLE_MAX: Duration = Duration::from_secs(58);

/// How long a viewer's connection that has been served keeps the memory for serving the next request, at least; at most
/// it is twice as long. Clients that ask one thing after the other are quicker; those that people wait before are not,
/// and there are many of them.
pub const VIEWER_BUSY_WAIT: Duration = Duration::from_millis(200);

/// From the first byte of a request's head to its last. A head is a few packets; slower is an attack
/// that holds connections.
pub const VIEWER_HEAD_TIME_MAX: Duration = Duration::from_secs(10);

/// How long a viewer may be silent in the middle of its request's body. Mobile networks have holes of
/// ten seconds and more.
pub const VIEWER_BODY_GAP_MAX: Duration = Duration::from_mins(1);

/// How long a viewer may take for what is in flight to it, at most [`LARGE_BUFFER_BYTES`]: about
/// 2 KiB/s. Slower readers are cut off.
pub const VIEWER_WRITE_TIME_MAX: Duration = Duration::from_mins(1);

/// What may wait in the kernel to be sent to a viewer, beyond what is on its way (`TCP_NOTSENT_LOWAT`): one large
/// buffer. Without it the kernel takes up to 4 MiB from whoever reads a byte a second.
pub const VIEWER_UNSENT_BYTES_MAX: u32 = 128 * 1024;

/// The rest of a request's body that the edge reads and drops, after it has answered itself, to keep
/// the connection: less than what a new TLS connection costs. Beyond it the connection closes.
pub const BODY_DRAIN_BYTES_MAX: u64 = 64 * 1024;

/// How long such a rest may take to arrive.
pub const BODY_DRAIN_TIME_MAX: Duration = Duration::from_secs(2);

/// How long a connection that is closed while the viewer still sends is read on, so that the reset
/// does not destroy the answer on its way (RFC 9112 section 9.6).
pub const LINGER_TIME_MAX: Duration = Duration::from_secs(2);

/// What is read and dropped in that time.
pub const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// Bodies up to this size are copied behind their head to leave in one write; a second slice costs
/// more than such a copy.
pub const COALESCED_BODY_BYTES_MAX: usize = 4096;

/// HTTP/2 streams at once on one connection. RFC 9113 section 6.5.2 recommends at least 100; nginx and
/// CloudFront have 128.
pub const HTTP2_STREAMS_MAX: u32 = 128;

/// Bytes of one HTTP/2 stream's request body in flight, which bound its memory: at 100 ms round-trip
/// time 2.5 MB/s per stream.
pub const HTTP2_STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// Bytes of all request bodies in flight on one HTTP/2 connection.
pub const HTTP2_CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Heads of more than [`SMALL_BUFFER_BYTES`] that are unfolded at once on one HTTP/2 connection; other streams
/// with such heads wait for their turn. HPACK makes 32 KiB of a few bytes, and they are needed twice:
/// as received and as sent on.
pub const HTTP2_LARGE_HEADS_MAX: usize = 32;

/// Streams of one HTTP/2 connection whose responses wait for the viewer before it is hurried, and then
/// closed. A page that holds back downloads has a few; an attack with closed windows has them all.
pub const HTTP2_UNREAD_STREAMS_PATIENT: usize = 16;

/// Frames at once that carry nothing (PING, WINDOW_UPDATE, PRIORITY, empty DATA, unknown ones; SETTINGS count
/// sixteenfold). Each request adds four and each stretch of a response two, so this is for what belongs
/// to no request: the probes of gRPC clients, a burst when many streams end.
pub const HTTP2_FRAMES_MAX: u32 = 1024;

/// How many of them come back in a second.
pub const HTTP2_FRAMES_PER_SECOND: u32 = 64;

/// Streams that a viewer may reset at once: a page that is left resets all of its streams, and the next
/// one may be left as well.
pub const HTTP2_RESETS_MAX: u32 = 256;

/// How many of them come back in a second: faster than anybody types.
pub const HTTP2_RESETS_PER_SECOND: u32 = 16;

/// An HTTP/2 header list as SETTINGS tells it to viewers, counted with 32 bytes more a field: eight times what a head may
/// have in HTTP/1.1's form, so that clients that keep to it send a head that is too large, and are told so with 494.
pub const HTTP2_HEADER_LIST_BYTES_MAX: u32 = 256 * 1024;

/// Bytes of the buffer in which an HTTP/2 connection's frames wait that bodies and heads leave free: for
/// acknowledgments, windows and resets, which must not wait for a viewer that does not read.
pub const HTTP2_CONTROL_BYTES_RESERVED: usize = 512;

/// Memory that an HTTP/2 request's body keeps for the next stretch, once it has had one that was larger.
pub const HTTP2_RECEIVED_BYTES_KEPT_MAX: usize = 64 * 1024;

/// How long an HTTP/2 connection that is told to end is waited for once it has no streams. Viewers
/// that do not acknowledge the farewell (RFC 9113 section 6.8 wants a round trip) must not hold up a
/// restart; this long also gives the last bytes their time.
pub const HTTP2_CLOSING_TIME_MAX: Duration = Duration::from_secs(2);

/// Streams in one direction that a viewer may have open on one HTTP/3 connection: its control stream, two for
/// QPACK, and a few of extensions, each of which is refused (RFC 9114 section 6.2 wants room for three).
pub const HTTP3_STREAMS_OF_ONE_DIRECTION_MAX: u32 = 8;

/// Bytes of all responses of one HTTP/3 connection that are on their way or wait, since it is not the kernel that
/// keeps what has to be sent again: at 100 ms round-trip time 10 MB/s.
pub const HTTP3_OUTGOING_BYTES_MAX: usize = 1024 * 1024;

/// How long a QUIC connection may be without a packet from the viewer before it is gone.
pub const QUIC_SILENCE_MAX: Duration = Duration::from_mins(1);

/// How often the edge asks a viewer that says nothing whether it is there, so that a response that takes long
/// outlives [`QUIC_SILENCE_MAX`], and NATs, which forget UDP after 30 s (RFC 4787 section 4.3), keep the way open.
pub const QUIC_KEEP_ALIVE: Duration = Duration::from_secs(20);

/// QUIC handshakes on one thread beyond which viewers must prove their address before one begins (Retry, RFC 9000
/// section 8.1.2): a handshake costs a signature, and whoever forges addresses makes thousands.
pub const QUIC_HANDSHAKES_UNPROVEN_MAX: usize = 64;

/// QUIC connections that wait for the thread to look at them; others are refused. It looks at once.
pub const QUIC_INCOMING_MAX: usize = 1024;

/// Bytes beyond the first packet that are kept of each of them: the rest of a ClientHello.
pub const QUIC_INCOMING_BYTES_MAX: u64 = 8 * 1024;

/// Reads of datagrams that wait to be passed on to one thread, of up to 64 KiB; others are dropped. Only viewers
/// that have moved to another network send any.
pub const QUIC_FORWARDED_MAX: usize = 64;

/// Reads of nothing but other threads' datagrams before others have their turn.
pub const QUIC_FORWARDING_ROUNDS_MAX: usize = 8;

/// What may wait in the kernel to be read from a UDP socket: a few milliseconds of a fast network.
pub const QUIC_SOCKET_BYTES: usize = 1024 * 1024;

/// Ports that are tried until one is free for TCP and UDP alike, where any would do.
pub const PORTS_TRIED_MAX: usize = 16;

/// How long an address of an origin's name is used at least, whatever its time to live: a burst of new
/// connections is one look-up even where that is 0.
pub const DNS_ADDRESS_AGE_MIN: Duration = Duration::from_secs(1);

/// How long it is used at most: who made a mistake with a time to live of a week has repaired it an hour
/// later.
pub const DNS_ADDRESS_AGE_MAX: Duration = Duration::from_hours(1);

/// How long an address out of a hosts file is used, which has no time to live: an edit holds soon.
pub const HOSTS_ADDRESS_AGE_MAX: Duration = Duration::from_secs(5);

/// How long it is remembered that a name does not exist, or has no address, where the zone allows it (RFC
/// 2308): an origin that is being set up works soon.
pub const DNS_NOTHING_AGE_MAX: Duration = Duration::from_secs(10);

/// How long it is remembered that nobody could say: a mistyped name must not become a stream of look-ups,
/// and a repaired one must work at once.
pub const DNS_FAILURE_AGE_MAX: Duration = Duration::from_secs(1);

/// How long an answer is used beyond its time while nobody can be asked for a newer one. RFC 8767 section
/// 5 has one to three days in mind; addresses in clouds are somebody else's sooner.
pub const DNS_STALE_ANSWER_AGE_MAX: Duration = Duration::from_hours(1);

/// How long a new answer is waited for where there is such a stale one (RFC 8767 section 5: the client
/// response timer).
pub const DNS_STALE_ANSWER_DELAY: Duration = Duration::from_millis(1800);

/// How long a look-up may take, whatever resolv.conf says: its default of two tries of 5 s each.
pub const DNS_LOOKUP_TIME_MAX: Duration = Duration::from_secs(10);

/// Look-ups at once on one thread; each has a socket or two.
pub const DNS_LOOKUPS_MAX: usize = 32;

/// Names that a thread remembers; beyond it names are looked up each time. 4,096 take about 1 MiB.
pub const DNS_NAMES_MAX: usize = 4096;

/// Addresses of one family that are kept of a name: more than an origin is ever tried at.
pub const DNS_ADDRESSES_MAX: usize = 16;

/// Messages over UDP that answer another question and are passed over on the way to an answer. One may be
/// late; more are an attack.
pub const DNS_STRAY_MESSAGES_MAX: usize = 32;

/// How much of /etc/hosts and /etc/resolv.conf is read. The former has some hundred bytes, or tens of
/// thousands of lines where it blocks advertisements.
pub const DNS_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How long an address of an origin may be silent before the next one is tried beside it, within one
/// attempt: RFC 8305 section 5 recommends this much.
pub const NEXT_ADDRESS_DELAY: Duration = Duration::from_millis(250);

/// How long a WebSocket's origin may be silent ("Quotas": closed after 10 minutes without data from the
/// origin).
pub const WEBSOCKET_IDLE_MAX: Duration = Duration::from_mins(10);

/// How long the origin may go on after the viewer has ended its side. The closing handshake of RFC 6455
/// section 7 takes a round trip.
pub const WEBSOCKET_CLOSING_TIME_MAX: Duration = Duration::from_secs(30);

/// How long both ends of a gRPC call may be silent while the viewer has not ended its side: as long as with a
/// WebSocket, which serves the same purposes. Once it has, the origin's response timeout holds.
pub const GRPC_IDLE_MAX: Duration = Duration::from_mins(10);

/// What is kept of the body of a gRPC call until the origin answers, to be sent again where the origin has
/// certainly not looked at it. Most messages are smaller, and larger calls are the client's to repeat.
pub const GRPC_REPEATED_BYTES_MAX: usize = 64 * 1024;

/// Exchanges at once on one HTTP/2 connection to an origin, where the origin lets there be as many: RFC 9113
/// section 6.5.2 recommends no less than 100, and most servers of gRPC have this.
pub const ORIGIN_HTTP2_STREAMS_MAX: usize = 100;

/// The header list of an origin's HTTP/2 response, as SETTINGS counts it: above what a head may have in HTTP/1.1's
/// form, so that the failure is the same.
pub const ORIGIN_HTTP2_HEADER_LIST_BYTES_MAX: u32 = 48 * 1024;

/// HTTP/2 connections that one thread has to one origin at once; beyond their streams an exchange gets 503.
/// Origins that let there be one stream a connection are so served as eight viewers at a time.
pub const ORIGIN_HTTP2_CONNECTIONS_MAX: usize = 8;

/// Exchanges that are broken off on such a connection, because their viewers left, before others go to a new one.
/// Origins count resets against the rapid reset attack (CVE-2023-44487), and end the connection for all who share
/// it: Netty at 200 in 30 s. Those that are under way then may be reset as well, which
/// [`ORIGIN_HTTP2_STREAMS_MAX`] limits. Over HTTP/1.1 every one costs a connection.
pub const ORIGIN_HTTP2_RESETS_MAX: usize = 32;

/// An origin's HTTP/2 header block as it is sent, in several frames, which waits until it has ended.
pub const ORIGIN_HTTP2_HEADER_BLOCK_BYTES_MAX: usize = 256 * 1024;

/// Exchanges that were reset because of the origin's errors, in a connection's life.
pub const ORIGIN_HTTP2_ERROR_RESETS_MAX: usize = 256;

/// Exchanges broken off by the edge whose late frames are still tolerated.
pub const ORIGIN_HTTP2_RESET_STREAMS_MAX: usize = 64;

/// How long such exchanges are remembered.
pub const ORIGIN_HTTP2_RESET_STREAM_TIME: Duration = Duration::from_secs(10);

/// Bytes of one response in flight from an origin over HTTP/2: what the edge holds of one that its viewer
/// does not read.
pub const ORIGIN_HTTP2_STREAM_WINDOW_BYTES: u32 = 128 * 1024;

/// Bytes of all responses in flight on one such connection: those of all streams, so that no viewer that
/// does not read holds up another's.
pub const ORIGIN_HTTP2_CONNECTION_WINDOW_BYTES: u32 = 100 * ORIGIN_HTTP2_STREAM_WINDOW_BYTES;

/// Bytes of one request that wait in the connection for the origin to take them.
pub const ORIGIN_HTTP2_SEND_BUFFER_BYTES_MAX: usize = 128 * 1024;

/// How often an origin is asked whether it is still there (PING, RFC 9113 section 6.7). Servers of gRPC take more
/// than one in 5 minutes for abuse ("Client-side Keepalive"), and load balancers forget connections that
/// are silent for 350 s.
pub const ORIGIN_HTTP2_PING_INTERVAL: Duration = Duration::from_secs(310);

/// How long it may take to answer that: "Client-side Keepalive" has 20 s.
pub const ORIGIN_HTTP2_PONG_TIME_MAX: Duration = Duration::from_secs(20);

/// Idle connections that one thread keeps to one origin. A thread with more than that in parallel to
/// one origin is rare, and an origin of Node's kind closes them after 5 s anyway.
pub const ORIGIN_IDLE_MAX: usize = 256;

/// Idle connections that one thread keeps to all origins.
pub const ORIGINS_IDLE_MAX: usize = 4096;

/// Of these, connections that name a viewer's connection and serve no other (`mantlet:proxy-protocol`): however many
/// viewers come and go, those that all share keep their room.
pub const ORIGINS_NAMED_IDLE_MAX: usize = 1024;

/// How much earlier than the origin says we forget an idle connection: what is on its way when the
/// origin closes is lost, and clocks differ.
pub const ORIGIN_KEEP_ALIVE_MARGIN: Duration = Duration::from_secs(1);

/// How often idle origin connections are looked after.
pub const ORIGIN_IDLE_CHECK: Duration = Duration::from_secs(1);

/// Names of distributions that a thread remembers. One that is not remembered costs a look-up more, a twentieth of a
/// request; to remember more than processors' caches hold costs as much.
pub const REMEMBERED_NAMES_MAX: usize = 1024;

/// How many requests for other names pass before those that are remembered make room, all at once: where more names are
/// in use than there is room for, remembering each one again costs more than it saves.
pub const REMEMBERED_NAMES_KEPT_FOR: usize = 16 * REMEMBERED_NAMES_MAX;

/// How long a thread waits after the system refused it a connection for want of descriptors or memory.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections that wait in the kernel to be accepted; the kernel's own limit is lower on most machines.
pub const LISTEN_BACKLOG: i32 = 4096;

/// Edge threads. More than cores is waste, and there are no larger machines.
pub const THREADS_MAX: usize = 1024;

/// How long after the limit of draining threads may take to end.
pub const STOP_TIME_MAX: Duration = Duration::from_secs(5);

/// Distributions with series of their own in the metrics, the busiest; the rest share one label. Each has
/// ten series, and all of them keep a scrape under 1 MiB.
pub const METRICS_DISTRIBUTIONS_MAX: usize = 1000;

/// Distributions that are counted one by one in a process's life, so that the busiest can be told: some
/// 200 bytes each on each thread. Beyond it the rest share one label from the start.
pub const METRICS_DISTRIBUTIONS_COUNTED_MAX: usize = 100_000;

/// A database of addresses, which is read whole into memory. The largest that are sold have 700 MB.
pub const GEO_DATABASE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Records of such a database that are looked at to find out what it tells. What it tells at all it tells
/// of nearly every address.
pub const GEO_DATABASE_PROBES_MAX: usize = 1024;

/// Values that are passed over on the way to one in such a database. The richest records have some two
/// hundred (names in eight languages); more is damage.
pub const GEO_VALUES_MAX: usize = 1024;

/// How far from the end of such a database its metadata may begin ("MaxMind DB File Format
/// Specification", Database Metadata).
pub const GEO_METADATA_BYTES_MAX: usize = 128 * 1024;
