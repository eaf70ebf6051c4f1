//! The counts that CloudFront wants beside every list.

use crate::shape::{Ref, Structure};

/// The path of the first list whose `Quantity` is not the number of its `Items`, at any depth; none if all
/// agree. The API answers such a request with `InconsistentQuantities`.
pub fn inconsistent_quantity(structure: &dyn Structure) -> Option<String> {
    let schema = structure.schema();
    let members = structure.members();
    let member = |name: &str| {
        let index = schema.members.iter().position(|member| member.name == name)?;
        Some(members[index].get())
    };
    if let (Some(Ref::Integer(quantity)), Some(items)) = (member("Quantity"), member("Items")) {
        let count = if let Ref::List(list) = items { list.len() } else { 0 };
        if i64::try_from(count) != Ok(quantity) {
            return Some("Quantity".to_owned());
        }
    }
    schema
        .members
        .iter()
        .zip(&members)
        .find_map(|(member, value)| inconsistent_value(&value.get()).map(|path| join(member.name, &path)))
}

fn inconsistent_value(value: &Ref<'_>) -> Option<String> {
    match value {
        Ref::Structure(structure) => inconsistent_quantity(*structure),
        Ref::List(list) => list.items().iter().enumerate().find_map(|(index, item)| {
            inconsistent_value(&item.get()).map(|path| join(&format!("[{index}]"), &path))
        }),
        _ => None,
    }
}

fn join(outer: &str, inner: &str) -> String {
    if inner.starts_with('[') { format!("{outer}{inner}") } else { format!("{outer}.{inner}") }
}
