//! The control plane: it performs the operations of the API.
//!
//! A change is validated, with errors that say what to change; compiled to the bundle that edges run;
//! linked on trial with everything else; and committed in one small transaction, record and bundle
//! together. Reading computes the status from what the edges have applied, so `Deployed` cannot lie.
//! What restricts access and is not enforced is refused; what is allowed and still wrong draws warnings, in
//! the log and by their number in the answer. Who may ask is decided by [`AccessKeys`] and their roles, and
//! every change leaves a line in the [`AuditTrail`].
//!
//! [`Control::answer`] turns one request into one answer, [`serve`] puts it behind a listener, and
//! [`seed_managed_policies`] and [`recompile_bundles`] make a store ready.
//!
//! Does not know about: viewers' requests, sockets to origins, how an edge works, how bundles travel,
//! files, flags, or the environment.

mod access;
mod audit;
mod authentication;
mod cache_behavior;
mod certificates;
mod commit;
mod compile;
mod control;
mod defaults;
mod dispatch;
mod enforcement;
mod entity_tag;
mod errors;
mod extension_tags;
mod identifier;
mod kind;
mod limits;
mod managed;
mod operations;
mod paging;
mod quotas;
mod recompile;
mod records;
mod reference;
mod resource;
mod server;
mod stored;
mod tagged;
#[cfg(test)]
mod test_support;
mod validate;
mod warnings;
mod web_acl;

pub use access::{
    AccessKeys, FollowingKeys, IssuedKey, KEYS_PATH, KeyDescription, KeyIdDescription, KeyState, KeyToCreate,
    KeyToRevoke, KeyToRotate, NewAccessKey, NoRandomNumbers, OpenKeysError, REVOKE_PATH, ROTATE_PATH, Role,
    Sealing, SealingError, UnknownRole,
};
pub use audit::{AuditSink, AuditTrail, Notes, Source, noting};
pub use authentication::Authentication;
pub use certificates::{PrivateKeySealer, SealError};
pub use control::{Control, ControlSettings, Transport};
pub use defaults::complete as complete_distribution_config;
pub use enforcement::unenforced_settings;
pub use managed::{SeedError, managed_policies, seed_managed_policies};
pub use quotas::Quotas;
pub use recompile::{RecompileError, recompile_bundles};
pub use server::{RenderMetrics, serve, serve_local};
pub use stored::{NamedPolicy, StoredDistribution, StoredError};
