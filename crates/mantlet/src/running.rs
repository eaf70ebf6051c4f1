//! The process that runs on a data directory, as another process sees it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::time::{Instant, sleep};

use crate::access_key::AccessKey;
use crate::certificate::is_trusted_by_machine;
use crate::data_dir::DataDir;
use crate::durable::read_file;
use crate::endpoints::Endpoints;
use crate::limits::EDGE_CATCH_UP_MAX;

/// A process that is ready, and the key to its API.
pub(crate) struct Running {
    pub(crate) endpoints: Endpoints,
    pub(crate) access_key: AccessKey,
    /// The certificate chain of the API, where it speaks TLS.
    pub(crate) api_certificate: Option<Vec<CertificateDer<'static>>>,
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

    /// The API's certificate chain, unless this machine's authorities vouch for it.
    pub(crate) fn untrusted_api_certificate(&self) -> Option<&[CertificateDer<'static>]> {
        let chain = self.api_certificate.as_deref()?;
        let host = self.endpoints.api_host()?;
        (!is_trusted_by_machine(chain, &host)).then_some(chain)
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
        let api_certificate = api_certificate(directory)?;
        Ok(endpoints.zip(access_key).map(|(endpoints, access_key)| Self {
            endpoints,
            access_key,
            api_certificate,
        }))
    }
}

/// What the process has recorded of the API's certificate.
pub(crate) fn api_certificate(directory: &DataDir) -> Result<Option<Vec<CertificateDer<'static>>>> {
    let path = directory.api_certificate();
    let Some(pem) = read_file(&path)? else { return Ok(None) };
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.with_context(|| {
        format!("{} is damaged; restart the mantlet process that wrote it", path.display())
    })?;
    Ok(Some(chain))
}
