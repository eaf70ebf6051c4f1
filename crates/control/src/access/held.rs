//! Access keys as they are held in memory: whose a signature is, and whether it still counts.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime};

use aws_api::ApiError;
use aws_api::shape::Timestamp;
use aws_api::sigv4::{Secret, SignatureError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use store::{CommitError, Condition, Record, Revision, StorageError, Store, Transaction};
use zeroize::Zeroizing;

use super::generate::{NewAccessKey, NoRandomNumbers};
use super::record::{KeyRecord, session_key_key};
use super::role::Role;
use super::sealing::{Sealing, SealingError};
use super::session::{Claims, SESSION_KEY_BYTES, SessionKey};

/// The access keys that exist. Clones are the same ones. There is no way to read or print a secret.
#[derive(Clone)]
pub struct AccessKeys {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) sealing: Arc<dyn Sealing>,
    session_key: SessionKey,
    held: RwLock<Held>,
}

/// Why the access keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenKeysError {
    /// The store cannot be read.
    #[error("the access keys cannot be read from the store")]
    Read(#[from] StorageError),
    /// The store cannot be written.
    #[error("the access keys cannot be written to the store")]
    Write(#[from] CommitError),
    /// A key cannot be stored.
    #[error("the access key of the credentials file cannot be stored")]
    Change(#[from] ApiError),
    /// The session key does not open, or cannot be sealed.
    #[error("the key of session tokens cannot be sealed or opened")]
    Sealing(#[from] SealingError),
    /// The session key is not one.
    #[error("the key of session tokens is damaged; restore the store from a backup")]
    DamagedSessionKey,
    /// None can be made.
    #[error(transparent)]
    Random(#[from] NoRandomNumbers),
}

/// Whose key signed a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// The id that signed.
    pub(crate) access_key_id: String,
    /// The name of the key that it belongs to.
    pub(crate) key_name: String,
    /// What its holder may do.
    pub(crate) role: Role,
    /// Set for temporary credentials.
    pub(crate) session: Option<Session>,
}

/// What is known of temporary credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// The id of the key that they were made with.
    pub(crate) parent: String,
    /// For an assumed role, the name that the session was given.
    pub(crate) name: Option<String>,
    pub(crate) expires_milliseconds: i64,
}

/// New temporary credentials.
pub(crate) struct NewSession {
    pub(crate) key: NewAccessKey,
    pub(crate) token: String,
    pub(crate) expires: Timestamp,
}

#[derive(Default)]
struct Held {
    /// The revision of the record that a name's credentials are from.
    revisions: HashMap<String, Revision>,
    credentials: HashMap<String, HeldCredential>,
}

struct HeldCredential {
    secret: Secret,
    key_name: String,
    role: Role,
    expires_milliseconds: Option<i64>,
}

impl AccessKeys {
    /// The access keys of a store. Whoever holds them for long follows the store with
    /// [`follow`](AccessKeys::follow), too.
    pub async fn open(store: Arc<dyn Store>, sealing: Arc<dyn Sealing>) -> Result<Self, OpenKeysError> {
        let session_key = load_or_create_session_key(&*store, &*sealing).await?;
        let shared = Shared { store, sealing, session_key, held: RwLock::default() };
        let keys = Self { shared: Arc::new(shared) };
        keys.read_all().await?;
        Ok(keys)
    }

    /// Admins with these ids, of a store of their own.
    #[cfg(test)]
    pub(crate) fn new(admins: impl IntoIterator<Item = (String, Secret)>) -> Self {
        let held = Held {
            revisions: HashMap::new(),
            credentials: admins
                .into_iter()
                .map(|(id, secret)| {
                    let key_name = "default".to_owned();
                    (id, HeldCredential { secret, key_name, role: Role::Admin, expires_milliseconds: None })
                })
                .collect(),
        };
        let shared = Shared {
            store: Arc::new(store::MemoryStore::new()),
            sealing: Arc::new(super::tests::TestSealing),
            session_key: SessionKey::new(&[7; SESSION_KEY_BYTES]).unwrap(),
            held: RwLock::new(held),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The secret that a request must be signed with, and whose it is.
    pub(crate) fn find(
        &self,
        access_key_id: &str,
        session_token: Option<&str>,
        now: SystemTime,
    ) -> Result<(Secret, Principal), SignatureError> {
        let now = Timestamp::from(now).unix_milliseconds();
        match session_token {
            None => self.find_lasting(access_key_id, now),
            Some(token) => self.find_session(access_key_id, token, now),
        }
    }

    fn find_lasting(&self, access_key_id: &str, now: i64) -> Result<(Secret, Principal), SignatureError> {
        let held = self.held();
        let found = held.valid(access_key_id, now).ok_or(SignatureError::UnknownAccessKey)?;
        let principal = Principal {
            access_key_id: access_key_id.to_owned(),
            key_name: found.key_name.clone(),
            role: found.role,
            session: None,
        };
        Ok((found.secret.clone(), principal))
    }

    fn find_session(
        &self,
        access_key_id: &str,
        token: &str,
        now: i64,
    ) -> Result<(Secret, Principal), SignatureError> {
        let claims =
            self.shared.session_key.open(access_key_id, token).ok_or(SignatureError::InvalidToken)?;
        if now >= claims.expires_milliseconds {
            return Err(SignatureError::ExpiredToken);
        }
        let held = self.held();
        let parent = held.valid(&claims.parent, now).ok_or(SignatureError::InvalidToken)?;
        let principal = Principal {
            access_key_id: access_key_id.to_owned(),
            key_name: parent.key_name.clone(),
            role: claims.role.min(parent.role),
            session: Some(Session {
                parent: claims.parent.clone(),
                name: claims.session_name.clone(),
                expires_milliseconds: claims.expires_milliseconds,
            }),
        };
        Ok((Secret::new(claims.secret.as_str()), principal))
    }

    /// Temporary credentials of `role` for whoever `principal` is. They end when those do that they were made with.
    pub(crate) fn new_session(
        &self,
        principal: &Principal,
        role: Role,
        session_name: Option<String>,
        duration: Duration,
        now: SystemTime,
    ) -> Option<NewSession> {
        let wanted = Timestamp::from(now + duration).unix_milliseconds();
        let (parent, expires) = match &principal.session {
            None => (principal.access_key_id.clone(), wanted),
            Some(session) => (session.parent.clone(), wanted.min(session.expires_milliseconds)),
        };
        let key = NewAccessKey::temporary().ok()?;
        let claims =
            Claims { parent, role, session_name, expires_milliseconds: expires, secret: key.secret.clone() };
        let token = self.shared.session_key.seal(&key.id, &claims)?;
        Some(NewSession { key, token, expires: Timestamp::from_unix_milliseconds(expires).ok()? })
    }

    /// Takes a record of a key, unless a newer one was taken.
    pub(super) fn take(&self, record: &Record) {
        match KeyRecord::decode(&record.value) {
            Ok(key) => self.take_key(&key, record.revision),
            Err(error) => {
                // What cannot be read lets nobody in.
                let error = &error as &dyn std::error::Error;
                tracing::error!(key = record.key.id, error, "Cannot read an access key; it is not valid");
                self.held_mut().replace(&record.key.id, record.revision, Vec::new());
            }
        }
    }

    pub(super) fn take_key(&self, key: &KeyRecord, revision: Revision) {
        let mut credentials = Vec::with_capacity(key.credentials.len());
        for credential in key.credentials.iter().filter(|_| key.is_active()) {
            match credential.open(&*self.shared.sealing) {
                Ok(secret) => credentials.push((
                    credential.id.clone(),
                    HeldCredential {
                        secret: Secret::new(secret.as_str()),
                        key_name: key.name.clone(),
                        role: key.role,
                        expires_milliseconds: credential.expires_milliseconds,
                    },
                )),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(
                        access_key_id = credential.id,
                        error,
                        "Cannot open an access key's secret; it is not valid"
                    );
                }
            }
        }
        self.held_mut().replace(&key.name, revision, credentials);
    }

    /// Forgets a key whose record is gone.
    pub(super) fn forget(&self, name: &str, revision: Revision) {
        self.held_mut().replace(name, revision, Vec::new());
    }

    /// Nothing panics while it holds the lock; if something did, the keys are still keys.
    fn held(&self) -> RwLockReadGuard<'_, Held> {
        self.shared.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_mut(&self) -> RwLockWriteGuard<'_, Held> {
        self.shared.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn valid(&self, access_key_id: &str, now: i64) -> Option<&HeldCredential> {
        let found = self.credentials.get(access_key_id)?;
        found.expires_milliseconds.is_none_or(|expires| now < expires).then_some(found)
    }

    fn replace(&mut self, name: &str, revision: Revision, credentials: Vec<(String, HeldCredential)>) {
        if self.revisions.get(name).is_some_and(|taken| *taken >= revision) {
            return;
        }
        self.revisions.insert(name.to_owned(), revision);
        self.credentials.retain(|_, credential| credential.key_name != name);
        self.credentials.extend(credentials);
    }
}

impl fmt::Debug for AccessKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AccessKeys({})", self.held().credentials.len())
    }
}

#[derive(Serialize, Deserialize)]
struct StoredSessionKey {
    schema: u32,
    /// Base64 of the sealed key.
    sealed: String,
}

/// What the session key is sealed as.
const SESSION_KEY_NAME: &str = "session-key/1";

async fn load_or_create_session_key(
    store: &dyn Store,
    sealing: &dyn Sealing,
) -> Result<SessionKey, OpenKeysError> {
    if let Some(record) = store.get(&session_key_key()).await? {
        return open_session_key(&record, sealing);
    }
    let mut bytes = Zeroizing::new([0; SESSION_KEY_BYTES]);
    aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| NoRandomNumbers)?;
    let sealed = STANDARD.encode(sealing.seal(SESSION_KEY_NAME, &*bytes)?);
    let value = serde_json::to_vec(&StoredSessionKey { schema: 1, sealed })
        .map_err(|_| OpenKeysError::DamagedSessionKey)?;
    let transaction =
        Transaction::new().when(session_key_key(), Condition::Absent).put(session_key_key(), value);
    match store.commit(transaction).await {
        Ok(_) => SessionKey::new(&*bytes).ok_or(OpenKeysError::DamagedSessionKey),
        // Another process made one at this moment.
        Err(CommitError::Conflict { .. }) => {
            let record = store.get(&session_key_key()).await?;
            open_session_key(&record.ok_or(OpenKeysError::DamagedSessionKey)?, sealing)
        }
        Err(error) => Err(error.into()),
    }
}

fn open_session_key(record: &Record, sealing: &dyn Sealing) -> Result<SessionKey, OpenKeysError> {
    let damaged = || OpenKeysError::DamagedSessionKey;
    let stored: StoredSessionKey = serde_json::from_slice(&record.value).map_err(|_| damaged())?;
    let sealed = STANDARD.decode(stored.sealed).map_err(|_| damaged())?;
    let bytes = sealing.open(SESSION_KEY_NAME, &sealed)?;
    SessionKey::new(&bytes).ok_or_else(damaged)
}
