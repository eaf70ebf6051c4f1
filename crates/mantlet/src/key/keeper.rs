//! Who changes the keys: the process that runs, or this one on a directory that nobody uses.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use aws_api::ApiError;
use bytes::Bytes;
use control::{
    AccessKeys, AuditTrail, IssuedKey, KEYS_PATH, KeyDescription, KeyToCreate, KeyToRevoke, KeyToRotate,
    REVOKE_PATH, ROTATE_PATH, noting,
};
use http::header::HOST;
use http_body_util::Full;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{SqliteStore, Store};
use tokio::time::timeout;

use crate::access_key::AccessKey;
use crate::api_client::exchange;
use crate::audit_log::AuditLog;
use crate::authority::load_or_create_sealing_key;
use crate::command_line::KeyDirectoryFlags;
use crate::data_dir::{DataDir, Lock};
use crate::limits::API_EXCHANGE_MAX;
use crate::local_socket;

/// The keys of a data directory.
pub(super) struct Keeper {
    directory: DataDir,
    /// `None` where a process runs that keeps them.
    own: Option<OwnKeys>,
}

/// An error, as the process tells it.
#[derive(Deserialize)]
struct Refusal {
    message: String,
}

/// Keys of a directory that no other process uses.
struct OwnKeys {
    keys: AccessKeys,
    audit: AuditTrail,
    _lock: Lock,
}

impl Keeper {
    pub(super) async fn of(flags: &KeyDirectoryFlags) -> Result<Self> {
        let directory = DataDir::look_into(&flags.directory.data_dir)?;
        if directory.is_in_use() {
            return Ok(Self { directory, own: None });
        }
        let own = OwnKeys::open(&directory, flags).await?;
        Ok(Self { directory, own: Some(own) })
    }

    pub(super) fn directory(&self) -> &DataDir {
        &self.directory
    }

    pub(super) async fn list(&self) -> Result<Vec<KeyDescription>> {
        match &self.own {
            Some(own) => Ok(own.keys.list().await?),
            None => self.ask("GET", KEYS_PATH, &()).await,
        }
    }

    pub(super) async fn create(&self, wanted: &KeyToCreate) -> Result<IssuedKey> {
        match &self.own {
            Some(own) => own.change("CreateKey", &wanted.name, own.keys.create(wanted)).await,
            None => self.ask("POST", KEYS_PATH, wanted).await,
        }
    }

    pub(super) async fn rotate(&self, wanted: &KeyToRotate) -> Result<IssuedKey> {
        match &self.own {
            Some(own) => {
                let keep_old = wanted.keep_old_seconds.map(std::time::Duration::from_secs);
                own.change("RotateKey", &wanted.name, own.keys.rotate(&wanted.name, keep_old)).await
            }
            None => self.ask("POST", ROTATE_PATH, wanted).await,
        }
    }

    pub(super) async fn revoke(&self, wanted: &KeyToRevoke) -> Result<KeyDescription> {
        match &self.own {
            Some(own) => {
                own.change("RevokeKey", &wanted.name_or_id, own.keys.revoke(&wanted.name_or_id)).await
            }
            None => self.ask("POST", REVOKE_PATH, wanted).await,
        }
    }

    /// Asks the process that runs on the directory.
    async fn ask<T: DeserializeOwned>(&self, method: &str, path: &str, body: &impl Serialize) -> Result<T> {
        let body = if method == "GET" { Vec::new() } else { serde_json::to_vec(body)? };
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost")
            .body(Full::new(Bytes::from(body)))?;
        let socket = local_socket::connect(&self.directory).await?;
        let exchange = timeout(API_EXCHANGE_MAX, exchange(socket, request)).await;
        let answer = exchange.context("the mantlet process does not answer").flatten()?;
        let (status, body) = (answer.status(), answer.body());
        if status.is_success() {
            return serde_json::from_slice(body)
                .context("the mantlet process answers in another release's words");
        }
        let refusal =
            serde_json::from_slice::<Refusal>(body).map_or(status.to_string(), |refusal| refusal.message);
        Err(anyhow!(refusal))
    }
}

impl OwnKeys {
    async fn open(directory: &DataDir, flags: &KeyDirectoryFlags) -> Result<Self> {
        let path = directory.path().display();
        if !directory.store().exists() {
            bail!(
                "{path} is no data directory yet; `mantlet run --data-dir {path}` makes one, or name another"
            );
        }
        // Looks at its format and its mode, as every start does.
        let directory = DataDir::open_or_create(directory.path())?;
        let lock = directory.lock().await?;
        let sealing_key = flags.sealing_key_file.clone().unwrap_or_else(|| directory.sealing_key());
        let sealing_key = load_or_create_sealing_key(&directory.authorities()?, &sealing_key)?;
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(directory.store()).context("cannot open the store")?);
        let keys = AccessKeys::open(store, Arc::new(sealing_key)).await;
        let keys = keys.context("cannot use the access keys of the store")?;
        if let Some(default) = AccessKey::load(&directory.credentials())? {
            keys.admit_default(&default.id, &default.secret).await?;
        }
        let audit = AuditTrail::new(AuditLog::open(&directory.audit_log())?);
        Ok(Self { keys, audit, _lock: lock })
    }

    /// Makes a change, and leaves the line that a process would have left.
    async fn change<T>(
        &self,
        operation: &str,
        resource: &str,
        change: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T> {
        let (outcome, notes) = noting(change).await;
        let user = rustix::process::getuid().as_raw();
        let refusal = outcome.as_ref().err().map(|error| error.code);
        self.audit.record_local(user, operation, resource, refusal, &notes);
        outcome.map_err(|error| anyhow!(error.message))
    }
}
