//! What the service models call shapes, seen through one window: every generated structure lends its members
//! as [`Value`]s, so the codecs are written once, by hand, and not once per structure.

mod blob;
mod enumeration;
mod listing;
mod schema;
mod sensitive;
mod structure;
mod timestamp;
mod value;

pub use blob::Blob;
pub(crate) use enumeration::string_enum;
pub use enumeration::{Enumeration, UnknownValue};
pub(crate) use listing::listing;
pub use schema::{Location, Member, StructureSchema};
pub use sensitive::Sensitive;
pub use structure::Structure;
pub(crate) use structure::structure;
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use value::{List, Map, MapKey, Ref, Slot, Value};
