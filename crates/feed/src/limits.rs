//! Every bound of this crate, with its reason.

use std::time::Duration;

/// How often everything is compared. A watch misses nothing by its contract; this bounds how long an
/// edge would be wrong if it did, and how long a quarantined bundle waits for what it refers to.
pub(crate) const COMPARISON_INTERVAL: Duration = Duration::from_mins(1);

/// How long to wait before a store that failed is asked again: soon enough that nobody notices a
/// hiccup, seldom enough that a store in trouble is left alone.
pub(crate) const RETRY_INTERVAL: Duration = Duration::from_millis(500);
