//! Access keys and people: who may ask what.
//!
//! A key has a name, a role and credentials; all are records in the store, so that every control plane on it knows
//! them, and are held in memory, so that a signature is verified without reading anything. A change made here holds
//! for the next request; one made elsewhere arrives by the store's watch.
//!
//! - [`role`]: the roles, and the table that says which operation needs which.
//! - [`record`]: keys as they are kept; [`sealing`]: how their secrets are hidden there.
//! - [`held`]: keys as they are held, and whose a signature is.
//! - [`administration`]: making, rotating and revoking them; [`endpoint`]: the same over HTTP.
//! - [`session`]: temporary credentials, which are kept nowhere.

mod administration;
mod endpoint;
mod following;
mod generate;
mod held;
mod record;
mod role;
mod sealing;
mod session;
#[cfg(test)]
pub(crate) mod tests;

pub use administration::{IssuedKey, KeyDescription, KeyIdDescription, KeyState, KeyToCreate};
pub use endpoint::{KEYS_PATH, KeyToRevoke, KeyToRotate, REVOKE_PATH, ROTATE_PATH};
pub(crate) use endpoint::{KeyRequest, SIGNING_NAME, is_key_path};
pub use following::FollowingKeys;
pub use generate::{NewAccessKey, NoRandomNumbers};
pub use held::{AccessKeys, OpenKeysError};
pub(crate) use held::{NewSession, Principal};
pub use role::{Role, UnknownRole};
pub(crate) use role::{is_audited, needed_role};
pub use sealing::{Sealing, SealingError};
