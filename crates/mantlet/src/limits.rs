//! Every limit and duration of the binary, with its reason.

use std::time::Duration;

/// How long `SIGTERM` waits for requests in flight, unless `--drain-limit` says otherwise: what service managers and
/// load balancers commonly allow before they kill.
pub(crate) const DRAIN_LIMIT: &str = "30s";

/// How long a start waits until the edge serves what is stored. Linking is fast; this is for a machine in trouble.
pub(crate) const EDGE_CATCH_UP_MAX: Duration = Duration::from_mins(1);

/// How long `mantlet up` waits for `Deployed`. A change arrives in milliseconds.
pub(crate) const DEPLOYED_WAIT_MAX: Duration = Duration::from_mins(1);

/// How often `mantlet up` asks whether the distribution is `Deployed`: a person does not notice it.
pub(crate) const DEPLOYED_POLL: Duration = Duration::from_millis(50);

/// How long one exchange of a command with the API may take.
pub(crate) const API_EXCHANGE_MAX: Duration = Duration::from_secs(30);

/// The largest answer that a command reads from the API; a page of 100 distributions is a tenth of it.
pub(crate) const API_ANSWER_BYTES_MAX: usize = 8 << 20;

/// Files under a directory that `mantlet apply` or `mantlet import` is given: more than anybody keeps by hand, and a
/// stop for whoever names the wrong directory.
pub(crate) const DECLARATION_FILES_MAX: usize = 10_000;

/// The largest file that is read whole: credentials, certificates and keys are a few kilobytes.
pub(crate) const SMALL_FILE_BYTES_MAX: u64 = 1 << 20;

/// How often taking the lock is tried before the directory counts as taken: `mantlet env` holds it for an instant when
/// it looks whether somebody does.
pub(crate) const LOCK_TRIES_MAX: u32 = 5;

/// The time between two tries for the lock.
pub(crate) const LOCK_RETRY: Duration = Duration::from_millis(20);

/// The most sockets that a service manager may pass: an address of each family for each listener of each network, and
/// far more than anybody has. What is beyond it is a mistake in `LISTEN_FDS`.
pub(crate) const PASSED_SOCKETS_MAX: usize = 64;

/// How often certificates are looked at: whether one of the local authority is due, and whether a file was replaced. It
/// reads a few kilobytes; nobody waits longer than this for a new certificate. It is measured by a clock that never
/// jumps, so a wrong time of day delays nothing and is mended one look after it is put right.
pub(crate) const CERTIFICATE_LOOK: Duration = Duration::from_secs(10);

/// How long a certificate authority is valid: longer than the machine, so that trust is asked for once.
pub(crate) const AUTHORITY_DAYS: i64 = 3_650;

/// How long an issued certificate is valid. Apple's systems refuse more than 825 days even from authorities that the
/// user added; it is issued anew at every start, and when a third of its time is left.
pub(crate) const CERTIFICATE_DAYS: i64 = 820;

/// How far the start of a certificate's validity lies in the past, for machines whose clocks differ.
pub(crate) const CLOCK_DIFFERENCE_MAX: time::Duration = time::Duration::hours(1);

/// The longest domain suffix. A domain name has 253 characters at most (RFC 1035, 2.3.4), and a distribution's own
/// label and a file name that holds the suffix need room.
pub(crate) const SUFFIX_BYTES_MAX: usize = 200;

/// How often `mantlet up` looks whether the process that runs already is ready.
pub(crate) const READY_POLL: Duration = Duration::from_millis(50);

/// Where this edge says it is, in the form of CloudFront's locations: there is one.
pub(crate) const EDGE_LOCATION: &str = "MNT1-P1";

/// The longest line of an access log that `mantlet log tail` takes for a record. The edge cuts each value at 8 KiB, which
/// encoding makes 24 KiB at worst, and a viewer fills less than twenty of the 33.
pub(crate) const LOG_LINE_BYTES_MAX: usize = 512 << 10;

/// How much of a log's end is looked at first; four times more each time that it does not suffice.
pub(crate) const LOG_WINDOW_BYTES: u64 = 256 << 10;

/// How many records `mantlet log tail` begins with, unless told otherwise: a screen.
pub(crate) const LOG_RECORDS_SHOWN: u64 = 20;

/// How often `mantlet log tail --follow` looks for more: the edge writes ten times a second.
pub(crate) const LOG_POLL: Duration = Duration::from_millis(100);

/// What is gathered before it is printed.
pub(crate) const PRINTED_AT_ONCE_BYTES: usize = 64 << 10;
