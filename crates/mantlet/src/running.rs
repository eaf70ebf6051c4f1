//! The process that runs on a data directory, as another process sees it.

use anyhow::{Result, bail};

use crate::access_key::AccessKey;
use crate::data_dir::DataDir;
use crate::endpoints::Endpoints;

/// A process that is ready, and the key to its API.
pub(crate) struct Running {
    pub(crate) endpoints: Endpoints,
    pub(crate) access_key: AccessKey,
}

impl Running {
    /// The process on `directory`. Without one, or with one that is not ready, the error says so.
    pub(crate) fn find(directory: &DataDir) -> Result<Self> {
        let path = directory.path().display();
        if !directory.is_in_use() {
            bail!(
                "no mantlet process runs on {path}; start one with `mantlet run --data-dir {path}`, or name its \
                 directory with --data-dir"
            );
        }
        let (endpoints, access_key) =
            (Endpoints::load(&directory.endpoints())?, AccessKey::load(&directory.credentials())?);
        match (endpoints, access_key) {
            (Some(endpoints), Some(access_key)) => Ok(Self { endpoints, access_key }),
            _ => bail!("the mantlet process on {path} is not ready; try again in a moment"),
        }
    }
}
