//! The Rust type of every shape, and where a structure that contains itself needs a box.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};

use super::model::{Model, Shape};
use super::names;

/// Resolves shapes to Rust types.
pub(crate) struct Types<'m> {
    model: &'m Model,
    /// For each structure, those that it contains without a list or a map between, at any depth.
    contains: BTreeMap<&'m str, BTreeSet<&'m str>>,
}

impl<'m> Types<'m> {
    pub(crate) fn new(model: &'m Model) -> Self {
        let mut types = Self { model, contains: BTreeMap::new() };
        for (name, shape) in model.shapes.iter() {
            if shape.kind == "structure" {
                types.contains.insert(name, types.reachable(name));
            }
        }
        types
    }

    pub(crate) fn shape(&self, name: &str) -> Result<&'m Shape> {
        self.model.shapes.get(name).with_context(|| format!("no shape {name}"))
    }

    /// The type of a member of `owner`: boxed where the target contains the owner again.
    pub(crate) fn member(&self, owner: &str, target: &str, required: bool) -> Result<String> {
        let plain = self.plain(target)?;
        let recursive =
            self.contains.get(target).is_some_and(|inner| target == owner || inner.contains(owner));
        let held = if recursive { format!("Box<{plain}>") } else { plain };
        Ok(if required { held } else { format!("Option<{held}>") })
    }

    /// The type of a shape that stands alone.
    pub(crate) fn plain(&self, name: &str) -> Result<String> {
        let shape = self.shape(name)?;
        let plain = self.kind(name, shape).with_context(|| format!("the shape {name}"))?;
        Ok(if shape.sensitive { format!("Sensitive<{plain}>") } else { plain })
    }

    fn kind(&self, name: &str, shape: &Shape) -> Result<String> {
        Ok(match shape.kind.as_str() {
            "string" if shape.values.is_empty() => "String".into(),
            "string" | "structure" => names::shape(name),
            "boolean" => "bool".into(),
            "integer" => "i32".into(),
            "long" => "i64".into(),
            "float" | "double" => "f64".into(),
            "timestamp" => "Timestamp".into(),
            "blob" => "Blob".into(),
            "list" => {
                let item = shape.member.as_ref().context("a list has items")?;
                format!("Vec<{}>", self.plain(&item.shape)?)
            }
            "map" => {
                let key = shape.key.as_ref().context("a map has keys")?;
                let value = shape.value.as_ref().context("a map has values")?;
                format!("BTreeMap<{}, {}>", self.plain(&key.shape)?, self.plain(&value.shape)?)
            }
            other => bail!("the kind {other} is unknown"),
        })
    }

    fn reachable(&self, root: &'m str) -> BTreeSet<&'m str> {
        let mut reached = BTreeSet::new();
        let mut pending = vec![root];
        while let Some(name) = pending.pop() {
            let Some(shape) = self.model.shapes.get(name) else { continue };
            for (_, member) in shape.members.iter() {
                let target = member.shape.as_str();
                let nested = self.model.shapes.get(target).is_some_and(|shape| shape.kind == "structure");
                if nested && reached.insert(target) {
                    pending.push(target);
                }
            }
        }
        reached
    }
}
