//! How far every edge is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use edge_config::{ResourceId, Revision};
use tokio::sync::watch;

use crate::Quarantine;

/// The edges that we know, and how far each of them is. Clones are the same fleet.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    edges: Arc<Mutex<BTreeMap<String, Edge>>>,
}

#[derive(Debug)]
struct Edge {
    applied: watch::Receiver<Revision>,
    quarantine: watch::Receiver<Arc<Quarantine>>,
}

impl Fleet {
    /// A fleet of none.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts an edge in, until it lets go of `applied`. A name that is known is replaced.
    pub fn join(
        &self,
        edge_name: &str,
        applied: watch::Receiver<Revision>,
        quarantine: watch::Receiver<Arc<Quarantine>>,
    ) {
        self.edges().insert(edge_name.to_owned(), Edge { applied, quarantine });
    }

    /// Whether every edge in service runs this revision of the resource, or a later one. `newest` is
    /// the newest revision among the resource and everything that it refers to. Without any edge in
    /// service nothing is deployed.
    pub fn is_deployed(&self, resource: &ResourceId, newest: Revision) -> bool {
        let mut edges = self.edges();
        edges.retain(|_, edge| edge.applied.has_changed().is_ok());
        let runs =
            |edge: &Edge| *edge.applied.borrow() >= newest && !edge.quarantine.borrow().contains(resource);
        !edges.is_empty() && edges.values().all(runs)
    }

    fn edges(&self) -> MutexGuard<'_, BTreeMap<String, Edge>> {
        // A map of receivers is whole after a panic elsewhere, too.
        self.edges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use edge_config::ResourceKind;

    use super::*;

    fn distribution() -> ResourceId {
        ResourceId::new(ResourceKind::Distribution, "E1")
    }

    #[test]
    fn deployed_is_what_every_edge_in_service_has_applied() {
        let fleet = Fleet::new();
        let (_quarantine, quarantined) = watch::channel(Arc::new(Quarantine::default()));
        assert!(!fleet.is_deployed(&distribution(), Revision(0)), "no edge, nothing deployed");
        let (near, near_applied) = watch::channel(Revision(5));
        let (far, far_applied) = watch::channel(Revision(4));
        fleet.join("near", near_applied, quarantined.clone());
        fleet.join("far", far_applied, quarantined);
        assert!(!fleet.is_deployed(&distribution(), Revision(5)));
        far.send_replace(Revision(6));
        assert!(fleet.is_deployed(&distribution(), Revision(5)));
        assert!(!fleet.is_deployed(&distribution(), Revision(6)));
        drop(near);
        assert!(fleet.is_deployed(&distribution(), Revision(6)), "an edge that is gone does not count");
    }

    #[test]
    fn a_quarantined_resource_is_not_deployed() {
        let fleet = Fleet::new();
        let (quarantine, quarantined) = watch::channel(Arc::new(Quarantine::default()));
        let (_edge, applied) = watch::channel(Revision(5));
        fleet.join("edge", applied, quarantined);
        assert!(fleet.is_deployed(&distribution(), Revision(5)));
        quarantine.send_replace(Arc::new(Quarantine::of([(distribution(), Revision(5))])));
        assert!(!fleet.is_deployed(&distribution(), Revision(5)));
    }
}
