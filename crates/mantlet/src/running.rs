//! The process that runs on a data directory, as another process sees it.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

use crate::access_key::AccessKey;
use crate::data_dir::DataDir;
use crate::endpoints::Endpoints;
use crate::limits::EDGE_CATCH_UP_MAX;

/// A process that is ready, and the key to its API.
pub(crate) struct Running {
    pub(crate) endpoints: Endpoints,
    pub(crate) access_key: AccessKey,
}

impl Running {
    /// The process on `directory`. Without one, or with one that is not ready, the error says so.
    pub(crate) fn find(directory: &DataDir) -> Result<Self> {
        match Self::look_for(directory)? {
            Some(running) => Ok(running),
            None => bail!(
                "the mantlet process on {} is not ready; try again in a moment",
                directory.path().display()
            ),
        }
    }

    /// The process on `directory`, once it is ready.
    pub(crate) async fn wait_for(directory: &DataDir, poll: Duration) -> Result<Self> {
        let deadline = Instant::now() + EDGE_CATCH_UP_MAX;
        while Instant::now() < deadline {
            if let Some(running) = Self::look_for(directory)? {
                return Ok(running);
            }
            sleep(poll).await;
        }
        Self::find(directory)
    }

    /// `None` if the process is not ready.
    fn look_for(directory: &DataDir) -> Result<Option<Self>> {
        let path = directory.path().display();
        if !directory.is_in_use() {
            bail!(
                "no mantlet process runs on {path}; start one with `mantlet run --data-dir {path}`, or name its \
                 directory with --data-dir"
            );
        }
        let endpoints = Endpoints::load(&directory.endpoints())?;
        let access_key = AccessKey::load(&directory.credentials())?;
        Ok(endpoints.zip(access_key).map(|(endpoints, access_key)| Self { endpoints, access_key }))
    }
}
