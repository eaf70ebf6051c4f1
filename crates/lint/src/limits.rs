//! Every limit of this crate, with its reason.

/// Patches that one [`fix`](crate::fix) applies. The largest configuration, 75 cache behaviors and 100 origins
/// with everything wrong, needs about five for each.
pub(crate) const FIX_PATCHES_MAX: usize = 1_000;

/// Silence between two bytes that a stream should survive: heartbeats are commonly sent every 15 to 30 seconds.
pub(crate) const STREAM_READ_TIMEOUT_SECONDS: i32 = 60;

/// CloudFront's own response timeout ("Origin settings", Response timeout); below it an API was made more
/// impatient on purpose.
pub(crate) const DEFAULT_READ_TIMEOUT_SECONDS: i32 = 30;

/// How long Node keeps an idle connection (`server.keepAliveTimeout`), and CloudFront's own default. Others
/// wait longer: uvicorn 5 s, gunicorn 2 s behind a proxy, nginx 75 s.
pub(crate) const SERVER_KEEPALIVE_SECONDS: i32 = 5;

/// How long AWS's load balancers keep an idle connection, unless told otherwise.
pub(crate) const LOAD_BALANCER_IDLE_SECONDS: i32 = 60;

/// Characters of an origin custom header's value from which it counts as a secret: nobody types that many as
/// a version or a flag.
pub(crate) const SECRET_CHARACTERS_MIN: usize = 16;
