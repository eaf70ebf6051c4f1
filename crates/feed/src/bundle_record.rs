//! Bundles as records of the store.

use edge_config::{Bundle, ResourceId, ResourceKind};
use store::{Key, Write};

/// The kinds of all bundle records begin so.
pub(crate) const KIND_PREFIX: &str = "bundle/";

/// The kind of markers. It begins as bundles' kinds do, so that whoever watches these sees it.
const MARKER_KIND: &str = "bundle/marker";

/// Writes a resource's bundle.
pub fn put_bundle(account: &str, resource: &ResourceId, bundle: &Bundle) -> Write {
    Write::Put { key: key(account, resource), value: bundle.encode().into() }
}

/// Takes a resource away from every edge.
pub fn delete_bundle(account: &str, resource: &ResourceId) -> Write {
    Write::Delete { key: key(account, resource) }
}

/// Where a record lies that is no bundle and moves every snapshot's revision on when it is written.
pub fn marker_key(account: &str, name: &str) -> Key {
    Key::new(account, MARKER_KIND, name)
}

/// Whether a record is a marker.
pub(crate) fn is_marker(key: &Key) -> bool {
    key.kind == MARKER_KIND
}

fn key(account: &str, resource: &ResourceId) -> Key {
    Key::new(account, format!("{KIND_PREFIX}{}", resource.kind.as_str()), &*resource.id)
}

/// The resource that a bundle record is of; none if it is a marker, or if a newer Mantlet has a kind that
/// we do not know.
pub(crate) fn resource_of(key: &Key) -> Option<ResourceId> {
    let kind = ResourceKind::from_name(key.kind.strip_prefix(KIND_PREFIX)?)?;
    Some(ResourceId::new(kind, &key.id))
}
