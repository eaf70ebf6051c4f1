//! The store of a data directory, for commands that look into it, whether or not a process runs there.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use store::{SqliteStore, Store};

use crate::data_dir::DataDir;

/// Opens it without changing anything.
pub(crate) fn look_into(directory: &DataDir) -> Result<Arc<dyn Store>> {
    let path = directory.path().display();
    if !directory.store().exists() {
        bail!(
            "{path} is no data directory yet; `mantlet run --data-dir {path}` makes one, or name another with --data-dir"
        );
    }
    Ok(Arc::new(SqliteStore::look_into(directory.store()).context("cannot look into the store")?))
}
