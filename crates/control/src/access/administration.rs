//! Making, rotating, revoking and listing access keys.
//!
//! Every change reads all keys, decides, and commits against the record that all changes of keys write: two changes
//! at once cannot take away the last two admins.

use std::time::{Duration, SystemTime};

use aws_api::ApiError;
use aws_api::shape::Timestamp;
use serde::{Deserialize, Serialize};
use store::{CommitError, Condition, Revision, Transaction};
use zeroize::Zeroizing;

use super::generate::NewAccessKey;
use super::held::{AccessKeys, OpenKeysError};
use super::record::{Credential, KeyRecord, changes_key, is_key_name, record_key};
use super::role::Role;
use crate::audit;
use crate::errors::{internal, unavailable};
use crate::limits::{
    ACCESS_KEY_CREDENTIALS_MAX, ACCESS_KEY_NAME_BYTES_MAX, ACCESS_KEYS_MAX, COMMIT_ATTEMPTS_MAX,
    KEEP_OLD_DURATION_MAX,
};

/// What an access key is, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyDescription {
    /// Whose it is.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// Whether it lets anyone in.
    pub state: KeyState,
    /// When it was made.
    pub created: String,
    /// When its secret was last replaced.
    pub rotated: Option<String>,
    /// When it was revoked.
    pub revoked: Option<String>,
    /// The ids that sign for it.
    pub access_key_ids: Vec<KeyIdDescription>,
}

/// Whether a key lets anyone in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// It does.
    Active,
    /// It does not, ever again.
    Revoked,
}

/// An id that signs for a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyIdDescription {
    /// The access key id.
    pub id: String,
    /// When it was made.
    pub created: String,
    /// When it ends, if a rotation kept it for a while.
    pub expires: Option<String>,
}

/// A key to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyToCreate {
    /// Whose it is.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
}

/// A key that was just made or rotated: the only time that its secret is told. There is no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuedKey {
    /// Whose it is.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// Names the key in requests.
    pub access_key_id: String,
    /// Signs them.
    pub secret_access_key: Zeroizing<String>,
    /// Older ids of the same key that still sign, and until when.
    pub still_valid: Vec<KeyIdDescription>,
    /// Older ids that sign no more.
    pub retired: Vec<String>,
}

/// The keys of the store as one change sees them.
struct Stored {
    /// When keys were last changed.
    changed: Option<Revision>,
    keys: Vec<(KeyRecord, Revision)>,
}

/// What a change does: it writes one record, and may drop another.
struct Plan<T> {
    put: KeyRecord,
    drop: Option<String>,
    outcome: T,
}

impl AccessKeys {
    /// All keys, in the order of their names.
    pub async fn list(&self) -> Result<Vec<KeyDescription>, ApiError> {
        let now = now_milliseconds();
        Ok(self.stored().await?.keys.iter().map(|(key, _)| describe(key, now)).collect())
    }

    /// Makes a key.
    pub async fn create(&self, wanted: &KeyToCreate) -> Result<IssuedKey, ApiError> {
        if !is_key_name(&wanted.name) {
            return Err(invalid(format!(
                "The name of a key has 1 to {ACCESS_KEY_NAME_BYTES_MAX} letters, digits and _+=,.@- and is no access \
                 key id. Give another name."
            )));
        }
        self.change(|stored| {
            if stored.find(&wanted.name).is_some_and(KeyRecord::is_active) {
                return Err(conflict(
                    "KeyAlreadyExists",
                    format!("There is a key {:?}. Rotate it, or give another name.", wanted.name),
                ));
            }
            let drop = stored.make_room(&wanted.name)?;
            let new = generate()?;
            let put = KeyRecord::new(&wanted.name, wanted.role, self.sealed(&new)?);
            let outcome = issued(&put, new, &[]);
            Ok(Plan { put, drop, outcome })
        })
        .await
    }

    /// Gives a key a new id and secret. The old ones sign no more, or for `keep_old` longer.
    pub async fn rotate(&self, name: &str, keep_old: Option<Duration>) -> Result<IssuedKey, ApiError> {
        if keep_old.is_some_and(|duration| duration > KEEP_OLD_DURATION_MAX) {
            return Err(invalid("The old secret can be kept for 90 days at most. Keep it for less."));
        }
        self.change(|stored| {
            let now = now_milliseconds();
            let mut key = stored.active(name)?.clone();
            let before = key.retired.len();
            match keep_old {
                None => key.retire(|_| false),
                Some(duration) => {
                    key.retire(|credential| credential.is_valid_at(now));
                    let end = now.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX));
                    for credential in &mut key.credentials {
                        let earlier = credential.expires_milliseconds.map_or(end, |expires| expires.min(end));
                        credential.expires_milliseconds = Some(earlier);
                    }
                }
            }
            if key.credentials.len() >= ACCESS_KEY_CREDENTIALS_MAX {
                return Err(invalid(format!(
                    "{ACCESS_KEY_CREDENTIALS_MAX} ids of this key are valid already. Rotate without keeping the old, \
                     or revoke one of them."
                )));
            }
            let new = generate()?;
            key.credentials.push(self.sealed(&new)?);
            key.rotated_milliseconds = Some(now);
            let retired = key.retired.get(before.min(key.retired.len())..).unwrap_or_default().to_vec();
            let outcome = issued(&key, new, &retired);
            Ok(Plan { put: key, drop: None, outcome })
        })
        .await
    }

    /// Ends a key, or one id of it, from the next request on.
    pub async fn revoke(&self, name_or_id: &str) -> Result<KeyDescription, ApiError> {
        self.change(|stored| {
            let now = now_milliseconds();
            let mut key = stored.active_by_name_or_id(name_or_id)?.clone();
            if key.name == name_or_id {
                key.retire(|_| false);
            } else {
                key.retire(|credential| credential.id != name_or_id && credential.is_valid_at(now));
            }
            if key.credentials.is_empty() {
                key.revoked_milliseconds = Some(now);
            }
            stored.check_admin_remains(&key)?;
            Ok(Plan { outcome: describe(&key, now), put: key, drop: None })
        })
        .await
    }

    /// Lets in the key of the credentials file, as `default`, with the role admin.
    ///
    /// The file decides: a key in it that was never seen takes the place of the one before, since whoever can write
    /// there can do everything. One that was rotated away or revoked stays so: an old file brings nothing back.
    pub async fn admit_default(&self, id: &str, secret: &str) -> Result<(), OpenKeysError> {
        let stored = self.stored().await?;
        if stored.keys.iter().any(|(key, _)| key.retired.iter().any(|retired| retired == id)) {
            tracing::warn!(
                access_key_id = id,
                "The key in the credentials file was revoked or rotated away; it lets nobody in"
            );
            return Ok(());
        }
        let held = stored.keys.iter().flat_map(|(key, _)| &key.credentials).find(|held| held.id == id);
        if held.is_some_and(|held| held.open(&*self.shared.sealing).is_ok_and(|held| *held == *secret)) {
            return Ok(());
        }
        Ok(self.change(|stored| self.plan_default(stored, id, secret)).await?)
    }

    fn plan_default(&self, stored: &Stored, id: &str, secret: &str) -> Result<Plan<()>, ApiError> {
        let now = now_milliseconds();
        let credential = Credential::seal(&*self.shared.sealing, id, secret, now);
        let credential = credential.map_err(|error| internal(&error))?;
        let owner = stored.keys.iter().find(|(key, _)| key.credentials.iter().any(|held| held.id == id));
        let present = owner.map(|(key, _)| key).or_else(|| stored.find(DEFAULT_NAME));
        let Some(present) = present else {
            return Ok(Plan {
                put: KeyRecord::new(DEFAULT_NAME, Role::Admin, credential),
                drop: stored.make_room(DEFAULT_NAME)?,
                outcome: (),
            });
        };
        tracing::warn!(
            key = present.name,
            access_key_id = id,
            "The credentials file holds another key; it counts"
        );
        let mut key = present.clone();
        key.credentials.retain(|held| held.id != id);
        key.retire(|_| false);
        key.credentials.push(credential);
        key.rotated_milliseconds = Some(now);
        key.revoked_milliseconds = None;
        Ok(Plan { put: key, drop: None, outcome: () })
    }

    async fn change<T>(&self, plan: impl Fn(&Stored) -> Result<Plan<T>, ApiError>) -> Result<T, ApiError> {
        for _ in 0..COMMIT_ATTEMPTS_MAX {
            let stored = self.stored().await?;
            let Plan { put, drop, outcome } = plan(&stored)?;
            let transaction = stored.transaction(&put, drop.as_deref())?;
            let touched = audit::touched(&transaction);
            match self.shared.store.commit(transaction).await {
                Ok(committed) => {
                    audit::note(touched, committed.revision);
                    // Not only by the watch: it holds before the answer is sent.
                    self.take_key(&put, committed.revision);
                    if let Some(name) = drop {
                        self.forget(&name, committed.revision);
                    }
                    return Ok(outcome);
                }
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(internal(&error)),
            }
        }
        Err(unavailable())
    }

    async fn stored(&self) -> Result<Stored, ApiError> {
        let changed = self.shared.store.get(&changes_key()).await.map_err(|error| internal(&error))?;
        let (_, records) = self.read_records().await.map_err(|error| internal(&error))?;
        let mut keys = Vec::with_capacity(records.len());
        for record in records {
            let key = KeyRecord::decode(&record.value).map_err(|error| internal(&error))?;
            keys.push((key, record.revision));
        }
        Ok(Stored { changed: changed.map(|record| record.revision), keys })
    }

    fn sealed(&self, new: &NewAccessKey) -> Result<Credential, ApiError> {
        Credential::seal(&*self.shared.sealing, &new.id, &new.secret, now_milliseconds())
            .map_err(|error| internal(&error))
    }
}

/// The name of the first key.
const DEFAULT_NAME: &str = "default";

impl Stored {
    fn find(&self, name: &str) -> Option<&KeyRecord> {
        self.keys.iter().map(|(key, _)| key).find(|key| key.name == name)
    }

    fn active(&self, name: &str) -> Result<&KeyRecord, ApiError> {
        self.find(name).filter(|key| key.is_active()).ok_or_else(|| no_such_key(name))
    }

    fn active_by_name_or_id(&self, name_or_id: &str) -> Result<&KeyRecord, ApiError> {
        let has_id = |key: &KeyRecord| key.credentials.iter().any(|credential| credential.id == name_or_id);
        let found = self.keys.iter().map(|(key, _)| key).find(|key| key.name == name_or_id || has_id(key));
        found.filter(|key| key.is_active()).ok_or_else(|| no_such_key(name_or_id))
    }

    /// Nobody locks the door behind themselves with the key inside.
    fn check_admin_remains(&self, changed: &KeyRecord) -> Result<(), ApiError> {
        let others = self.keys.iter().map(|(key, _)| key).filter(|key| key.name != changed.name);
        let was_one = self.find(&changed.name).is_some_and(KeyRecord::is_lasting_admin);
        if !was_one || changed.is_lasting_admin() || others.into_iter().any(KeyRecord::is_lasting_admin) {
            return Ok(());
        }
        Err(conflict(
            "LastAdminKey",
            "This is the last key with the role admin, and without one nobody could change keys. Create another admin \
             key first, or rotate this one."
                .to_owned(),
        ))
    }

    /// Which revoked key must go so that a new one has room, if any must.
    fn make_room(&self, name: &str) -> Result<Option<String>, ApiError> {
        if self.keys.len() < ACCESS_KEYS_MAX || self.find(name).is_some() {
            return Ok(None);
        }
        let revoked = self.keys.iter().filter(|(key, _)| !key.is_active());
        let longest = revoked.min_by_key(|(key, _)| key.revoked_milliseconds);
        longest.map(|(key, _)| Some(key.name.clone())).ok_or_else(|| {
            invalid(format!("There are {ACCESS_KEYS_MAX} keys, and no more are allowed. Revoke some."))
        })
    }

    fn transaction(&self, put: &KeyRecord, drop: Option<&str>) -> Result<Transaction, ApiError> {
        let condition =
            |revision: Option<Revision>| revision.map_or(Condition::Absent, Condition::AtRevision);
        let present = self.keys.iter().find(|(key, _)| key.name == put.name).map(|(_, revision)| *revision);
        let value = put.encode().map_err(|error| internal(&error))?;
        let mut transaction = Transaction::new()
            .when(changes_key(), condition(self.changed))
            .when(record_key(&put.name), condition(present))
            .put(record_key(&put.name), value)
            .put(changes_key(), Vec::new());
        if let Some(name) = drop {
            transaction = transaction.delete(record_key(name));
        }
        Ok(transaction)
    }
}

fn generate() -> Result<NewAccessKey, ApiError> {
    NewAccessKey::generate().map_err(|error| internal(&error))
}

fn issued(key: &KeyRecord, new: NewAccessKey, retired: &[String]) -> IssuedKey {
    let others = key.credentials.iter().filter(|credential| credential.id != new.id);
    IssuedKey {
        name: key.name.clone(),
        role: key.role,
        still_valid: others.map(describe_id).collect(),
        access_key_id: new.id,
        secret_access_key: new.secret,
        retired: retired.to_vec(),
    }
}

fn describe(key: &KeyRecord, now: i64) -> KeyDescription {
    KeyDescription {
        name: key.name.clone(),
        role: key.role,
        state: if key.is_active() { KeyState::Active } else { KeyState::Revoked },
        created: iso8601(key.created_milliseconds),
        rotated: key.rotated_milliseconds.map(iso8601),
        revoked: key.revoked_milliseconds.map(iso8601),
        access_key_ids: key
            .credentials
            .iter()
            .filter(|held| held.is_valid_at(now))
            .map(describe_id)
            .collect(),
    }
}

fn describe_id(credential: &Credential) -> KeyIdDescription {
    KeyIdDescription {
        id: credential.id.clone(),
        created: iso8601(credential.created_milliseconds),
        expires: credential.expires_milliseconds.map(iso8601),
    }
}

fn iso8601(milliseconds: i64) -> String {
    Timestamp::from_unix_milliseconds(milliseconds).unwrap_or_default().to_iso8601()
}

fn now_milliseconds() -> i64 {
    Timestamp::from(SystemTime::now()).unix_milliseconds()
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationException", 400, message)
}

fn conflict(code: &'static str, message: String) -> ApiError {
    ApiError::new(code, 409, message)
}

fn no_such_key(name_or_id: &str) -> ApiError {
    let told: String = name_or_id.chars().take(ACCESS_KEY_NAME_BYTES_MAX).collect();
    ApiError::new(
        "NoSuchKey",
        404,
        format!("There is no active key {told:?}. List the keys for their names."),
    )
}
