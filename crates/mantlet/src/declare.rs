//! `mantlet import`, `mantlet apply` and `mantlet export`: files to resources, and back.

mod applied;
mod apply;
mod confirm;
mod export;
mod files;
mod import;
mod inventory;

pub(crate) use apply::apply;
pub(crate) use export::export;
pub(crate) use import::import;
