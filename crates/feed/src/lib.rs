//! How bundles reach an edge, and how far each edge is.
//!
//! The control plane puts every bundle into the store beside the record that it was compiled from
//! ([`put_bundle`]). An edge's process [`follow`]s them: it reads all, links them, watches for more,
//! and now and then compares everything again, since a watch is a hint and the store is the truth.
//! The edge says which revision every one of its threads has applied, and the [`Fleet`] tells whether
//! a change has arrived everywhere: that is all there is to `Deployed`.
//!
//! Does not know about: HTTP, AWS's shapes, viewers and origins, or who wrote a bundle and why.

mod bundle_record;
mod fleet;
mod follow;
mod limits;

pub use bundle_record::{delete_bundle, marker_key, put_bundle};
pub use fleet::Fleet;
pub use follow::{FollowError, Following, FollowingEnded, Quarantine, follow, read};
