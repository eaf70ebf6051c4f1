//! The edge: listeners, TLS, HTTP/1.1 and HTTP/2 towards viewers, the pipeline, origins, the access log.

mod access_log;
mod egress;
mod metrics;
mod resolver;
mod tls;

pub use access_log::{AccessLogError, AccessLogFormat, AccessLogSettings, AccessLogTarget};
pub use egress::{EgressError, OriginAccess};
pub use metrics::Metrics;
pub use tls::{CertificateError, TlsSetupError, ViewerTls, certified_key};
