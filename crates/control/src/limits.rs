//! Every bound of this crate that is not a quota of the API, with its reason.

use std::time::Duration;

/// Connections to the API at once. Clients open a handful each; more would only wait for the store.
pub(crate) const CONNECTIONS_MAX: usize = 512;

/// Bytes of a request head. Signed headers with a session token are about four kilobytes.
pub(crate) const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Header fields of a request. Clients send about a dozen.
pub(crate) const HEADER_FIELDS_MAX: usize = 100;

/// How long a connection may take until the end of the next request's head, idle time included.
/// Clients keep connections for reuse; a minute serves them and frees what they forgot.
pub(crate) const HEAD_DURATION: Duration = Duration::from_mins(1);

/// How long a body may take, the wait for room included. The largest is two megabytes.
pub(crate) const BODY_DURATION: Duration = Duration::from_secs(30);

/// Kibibytes of all bodies at once. They are read before anyone knows who sends them, so this bounds
/// what strangers can make us hold; 64 MiB are some thirty of the largest.
pub(crate) const BODIES_KIBIBYTES_MAX: usize = 64 * 1024;

/// How long a TLS handshake may take.
pub(crate) const HANDSHAKE_DURATION: Duration = Duration::from_secs(10);

/// How long to wait for open requests when the server stops. Every one of them ends by its own
/// bounds; this is for connections whose client does not read.
pub(crate) const DRAIN_DURATION: Duration = Duration::from_secs(10);

/// How long to pause after `accept` failed: it fails when file descriptors run out, and those come
/// back as connections end.
pub(crate) const ACCEPT_RETRY_DURATION: Duration = Duration::from_millis(100);

/// How long a change waits for the snapshot to show what was committed before it. That is
/// milliseconds; longer means that the feed is stuck, and nothing can be checked then.
pub(crate) const SNAPSHOT_WAIT_DURATION: Duration = Duration::from_secs(5);

/// How often a change is tried when others change what it was checked against meanwhile. Each try
/// loses only to one that won.
pub(crate) const COMMIT_ATTEMPTS_MAX: usize = 32;

/// The longest caller reference: it is an id in the store.
pub(crate) const CALLER_REFERENCE_BYTES_MAX: usize = store::KEY_PART_BYTES_MAX;

/// The longest PEM of a public key. One of RSA 2048 has 451 bytes; four times that leaves room for
/// unusual line breaks.
pub(crate) const ENCODED_KEY_BYTES_MAX: usize = 2048;

/// The longest id. Ours have 14 or 36 characters; names that serve as ids have up to 128.
pub(crate) const ID_BYTES_MAX: usize = 128;

/// The longest ARN of a web ACL: it is part of a key's kind in the store.
pub(crate) const ARN_BYTES_MAX: usize = 400;

/// Bytes of a certificate in PEM (API reference of ACM, `CertificateBodyBlob`).
pub(crate) const CERTIFICATE_PEM_BYTES_MAX: usize = 32 * 1024;

/// Bytes of a certificate's chain in PEM. ACM takes two megabytes, and every handshake sends them.
pub(crate) const CERTIFICATE_CHAIN_BYTES_MAX: usize = 128 * 1024;

/// Certificates in a chain, the first one not counted. Viewers give up sooner.
pub(crate) const CERTIFICATE_CHAIN_LENGTH_MAX: usize = 10;

/// Bytes of a private key in PEM (API reference of ACM, `ImportCertificate`).
pub(crate) const PRIVATE_KEY_PEM_BYTES_MAX: usize = 5 * 1024;

/// Certificates in one page of ACM's list, and how many there are when nobody says (API reference of
/// ACM, `MaxItems`).
pub(crate) const CERTIFICATES_PAGE_MAX: usize = 1000;

/// Names of a certificate that ACM's list shows (API reference of ACM, `CertificateSummary`).
pub(crate) const LISTED_NAMES_MAX: usize = 100;

/// Items in one page of a list, and how many there are when nobody says (API reference, `MaxItems`).
pub(crate) const PAGE_ITEMS_MAX: usize = 100;

/// Distributions that one page of a list looks at when it shows those alone that are as wanted: some
/// tens of milliseconds of decoding. A page that ends so has a marker like any other.
pub(crate) const EXAMINED_DISTRIBUTIONS_MAX: usize = 1_000;

/// Invalidations that are kept of a distribution: a page of the list. They are done and of use to
/// nobody but who asks what was done of late; the oldest go, and their caller references with them.
pub(crate) const INVALIDATIONS_MAX: usize = PAGE_ITEMS_MAX;

/// Bytes of all paths and caller references of a distribution's invalidations. They are one record,
/// which is written anew with each; three thousand paths of usual length fit twice.
pub(crate) const INVALIDATIONS_BYTES_MAX: usize = 256 * 1024;

/// Bytes of an access key's name: what IAM allows a user's.
pub(crate) const ACCESS_KEY_NAME_BYTES_MAX: usize = 64;

/// Access keys, revoked ones included. One a person and a pipeline is dozens; every change of keys reads all of
/// them, and the longest revoked make room.
pub(crate) const ACCESS_KEYS_MAX: usize = 500;

/// Credentials of one access key that are valid at once: the new one, and old ones that were kept by rotations.
pub(crate) const ACCESS_KEY_CREDENTIALS_MAX: usize = 4;

/// Ids that an access key remembers after they ended, against files that come back.
pub(crate) const RETIRED_IDS_MAX: usize = 32;

/// How long a rotation may keep the old credential: a quarter, in which every pipeline has run. One that must live
/// longer is another key.
pub(crate) const KEEP_OLD_DURATION_MAX: Duration = Duration::from_hours(90 * 24);

/// Bytes of a session token. Ours have about 350; AWS's clients expect up to four kilobytes.
pub(crate) const SESSION_TOKEN_BYTES_MAX: usize = 2048;

/// The shortest life of temporary credentials (STS API Reference, `DurationSeconds`).
pub(crate) const SESSION_SECONDS_MIN: i32 = 900;

/// The longest life, and the usual one, of credentials of `GetSessionToken`: 36 and 12 hours (STS API Reference).
pub(crate) const SESSION_TOKEN_SECONDS: (i32, i32) = (129_600, 43_200);

/// The longest life, and the usual one, of credentials of `AssumeRole`: 12 hours and one (STS API Reference).
pub(crate) const ASSUMED_ROLE_SECONDS: (i32, i32) = (43_200, 3_600);

/// Bytes of a request about access keys: a name, a role and a number.
pub(crate) const KEY_REQUEST_BYTES_MAX: usize = 4096;

/// Audit lines about refused requests: so many at once, and so many a second after. Strangers can make us write
/// them, and must not fill the disk: ten a second are some 300 MB a day.
pub(crate) const AUDITED_REFUSALS_BURST: u32 = 100;
/// See [`AUDITED_REFUSALS_BURST`].
pub(crate) const AUDITED_REFUSALS_PER_SECOND: u32 = 10;

/// Characters of any one text in an audit line that came with the request.
pub(crate) const AUDITED_TEXT_CHARACTERS_MAX: usize = 256;

/// The pause before the access keys are read anew after their watch broke: the store is in trouble, and asking more
/// often would not help it.
pub(crate) const WATCH_RETRY_DURATION: Duration = Duration::from_secs(1);

/// Commits of one request that are noted. Every operation makes one, or tries again after one that failed.
pub(crate) const CHANGES_NOTED_MAX: usize = 16;

/// Connections to the socket in the data directory at once. One command opens one.
pub(crate) const LOCAL_CONNECTIONS_MAX: usize = 16;

/// Bundles that one transaction of a recompilation writes; each is compared three times, and a transaction
/// has 128 comparisons.
pub(crate) const RECOMPILED_AT_ONCE_MAX: usize = 32;

/// Bytes of bundles after which such a transaction ends. The largest bundle fits behind as many.
pub(crate) const RECOMPILED_AT_ONCE_BYTES: usize = 256 * 1024;
