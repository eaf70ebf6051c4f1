//! What is there already, and by which names it can be referred to.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use declaration::plan::{Live, learn};
use declaration::{Kind, Resource};

use crate::resources::{Listed, Resources};

/// Everything that the API lists.
pub(crate) struct Inventory {
    listed: Vec<Listed>,
    /// Configurations of kinds whose lists do not tell the natural key, once somebody asked.
    searched: BTreeMap<Kind, Vec<(String, Live)>>,
}

impl Inventory {
    pub(crate) async fn take(resources: &Resources<'_>) -> Result<Self> {
        let mut listed = Vec::new();
        for kind in Kind::ALL {
            listed.extend(resources.list(kind).await?);
        }
        Ok(Self { listed, searched: BTreeMap::new() })
    }

    /// Everything that is somebody's own.
    pub(crate) fn own(&self) -> impl Iterator<Item = &Listed> {
        self.listed.iter().filter(|listed| !listed.is_managed)
    }

    /// The resource with this id.
    pub(crate) fn with_id(&self, kind: Kind, id: &str) -> Option<&Listed> {
        self.listed.iter().find(|listed| listed.kind == kind && listed.id == id)
    }

    /// The names of policies that are everywhere, by id.
    pub(crate) fn managed_names(&self) -> BTreeMap<String, String> {
        let managed = self.listed.iter().filter(|listed| listed.is_managed);
        managed.filter_map(|listed| Some((listed.id.clone(), listed.name.clone()?))).collect()
    }

    /// Ids stand for themselves, names for their ids unless two resources share one.
    pub(crate) fn known(&self) -> BTreeMap<String, String> {
        let mut known = BTreeMap::new();
        let (mut seen, mut shared) = (BTreeSet::new(), BTreeSet::new());
        for name in self.listed.iter().filter_map(|listed| listed.name.as_ref()) {
            if !seen.insert(name) {
                shared.insert(name);
            }
        }
        for listed in &self.listed {
            if let Some(name) = listed.name.as_ref().filter(|name| !shared.contains(name)) {
                known.insert(name.clone(), listed.id.clone());
            }
        }
        for listed in &self.listed {
            known.insert(listed.id.clone(), listed.id.clone());
        }
        known
    }

    /// The resource that is there for a declared one, by its natural key. `known` are the values of names.
    pub(crate) async fn find(
        &mut self,
        resource: &Resource,
        known: &BTreeMap<String, String>,
        resources: &Resources<'_>,
    ) -> Result<Option<Listed>> {
        let key = resource.natural_key(known);
        if resource.kind.has_name() {
            let mut own = self.own();
            let is_it =
                |listed: &&Listed| listed.kind == resource.kind && listed.name.as_deref() == Some(&key);
            return Ok(own.find(is_it).cloned());
        }
        if !self.searched.contains_key(&resource.kind) {
            let found = self.search(resource.kind, resources).await?;
            self.searched.insert(resource.kind, found);
        }
        let searched = self.searched.get(&resource.kind).into_iter().flatten();
        let id = searched.clone().find(|(known, _)| *known == key).map(|(_, live)| live.id.clone());
        Ok(id.and_then(|id| self.with_id(resource.kind, &id).cloned()))
    }

    async fn search(&self, kind: Kind, resources: &Resources<'_>) -> Result<Vec<(String, Live)>> {
        let mut found = Vec::new();
        for listed in self.own().filter(|listed| listed.kind == kind) {
            let live = resources.read(listed, false).await?;
            if let Some(key) = kind.natural_key(&live.config) {
                found.push((key, live));
            }
        }
        Ok(found)
    }
}

/// Learns what a resource that is there is known by.
pub(crate) fn learn_listed(known: &mut BTreeMap<String, String>, name: &str, listed: &Listed) {
    learn(known, name, &listed.id, listed.arn.as_deref(), listed.domain_name.as_deref());
}
