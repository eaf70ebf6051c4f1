//! Access keys as they are kept: one record a key, with its credentials. Secrets are sealed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use store::Key;
use zeroize::Zeroizing;

use super::role::Role;
use super::sealing::{Sealing, SealingError};
use crate::limits::{ACCESS_KEY_NAME_BYTES_MAX, RETIRED_IDS_MAX};

/// Raised whenever the bytes of a record mean something else than before.
const SCHEMA: u32 = 1;

/// Keys belong to the installation and not to the account that it plays: whoever starts it with another account id
/// lets the same people in.
const OWNER: &str = "installation";

/// What all kinds of records about access begin with.
pub(super) const KIND_PREFIX: &str = "access/";
pub(super) const KEY_KIND: &str = "access/key";

/// Where the key of this name is kept.
pub(super) fn record_key(name: &str) -> Key {
    Key::new(OWNER, KEY_KIND, name)
}

/// The account under which keys are kept.
pub(super) fn owner() -> &'static str {
    OWNER
}

/// Written by every change of keys, and compared: what one change was checked against, no other may change meanwhile.
pub(super) fn changes_key() -> Key {
    Key::new(OWNER, "access/changes", "keys")
}

/// Where the key that seals session tokens is kept.
pub(super) fn session_key_key() -> Key {
    Key::new(OWNER, "access/session-key", "1")
}

/// Why bytes in the store are no access key that this release can read.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyRecordError {
    #[error("the record has schema {found}, this release knows {SCHEMA}: a newer release wrote it")]
    NewerSchema { found: u32 },
    #[error("the record is malformed")]
    Malformed(#[from] serde_json::Error),
}

/// An access key: a name and a role, and the credentials with which its holder signs. A revoked one has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeyRecord {
    schema: u32,
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) created_milliseconds: i64,
    pub(super) rotated_milliseconds: Option<i64>,
    pub(super) revoked_milliseconds: Option<i64>,
    pub(super) credentials: Vec<Credential>,
    /// Ids that were valid once, the newest last: they must not come back with an old file.
    pub(super) retired: Vec<String>,
}

/// An id and its secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Credential {
    pub(super) id: String,
    pub(super) created_milliseconds: i64,
    /// After a rotation, the old one's end.
    pub(super) expires_milliseconds: Option<i64>,
    /// Base64 of the sealed secret.
    sealed: String,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Credential({})", self.id)
    }
}

impl KeyRecord {
    pub(super) fn new(name: &str, role: Role, credential: Credential) -> Self {
        Self {
            schema: SCHEMA,
            name: name.to_owned(),
            role,
            created_milliseconds: credential.created_milliseconds,
            rotated_milliseconds: None,
            revoked_milliseconds: None,
            credentials: vec![credential],
            retired: Vec::new(),
        }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, KeyRecordError> {
        Ok(serde_json::to_vec(self)?)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, KeyRecordError> {
        #[derive(Deserialize)]
        struct Schema {
            schema: u32,
        }
        let Schema { schema } = serde_json::from_slice(bytes)?;
        if schema > SCHEMA {
            return Err(KeyRecordError::NewerSchema { found: schema });
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    pub(super) fn is_active(&self) -> bool {
        self.revoked_milliseconds.is_none()
    }

    /// Whether someone can rely on it: it may do everything, and does not end by itself.
    pub(super) fn is_lasting_admin(&self) -> bool {
        self.is_active()
            && self.role == Role::Admin
            && self.credentials.iter().any(|credential| credential.expires_milliseconds.is_none())
    }

    /// Takes away the credentials that the predicate does not keep.
    pub(super) fn retire(&mut self, keep: impl Fn(&Credential) -> bool) {
        let (kept, gone): (Vec<_>, Vec<_>) = self.credentials.drain(..).partition(keep);
        self.credentials = kept;
        self.retired.extend(gone.into_iter().map(|credential| credential.id));
        let surplus = self.retired.len().saturating_sub(RETIRED_IDS_MAX);
        self.retired.drain(..surplus);
    }
}

impl Credential {
    pub(super) fn seal(
        sealing: &dyn Sealing,
        id: &str,
        secret: &str,
        created_milliseconds: i64,
    ) -> Result<Self, SealingError> {
        let sealed = sealing.seal(&sealed_name(id), secret.as_bytes())?;
        Ok(Self {
            id: id.to_owned(),
            created_milliseconds,
            expires_milliseconds: None,
            sealed: STANDARD.encode(sealed),
        })
    }

    /// The secret.
    pub(super) fn open(&self, sealing: &dyn Sealing) -> Result<Zeroizing<String>, SealingError> {
        let damaged = || SealingError("the sealed secret is damaged".to_owned());
        let sealed = STANDARD.decode(&self.sealed).map_err(|_| damaged())?;
        let secret = sealing.open(&sealed_name(&self.id), &sealed)?;
        str::from_utf8(&secret).map(|secret| Zeroizing::new(secret.to_owned())).map_err(|_| damaged())
    }

    pub(super) fn is_valid_at(&self, now_milliseconds: i64) -> bool {
        self.expires_milliseconds.is_none_or(|expires| now_milliseconds < expires)
    }
}

fn sealed_name(id: &str) -> String {
    format!("access-key/{id}")
}

/// Whether a text can name a key: what IAM allows in a user's name, and nothing that looks like an access key id.
pub(super) fn is_key_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    (1..=ACCESS_KEY_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_allowed) && !is_key_id(name)
}

/// Whether a text looks like an access key id.
pub(super) fn is_key_id(text: &str) -> bool {
    let is_base32 = |byte: u8| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte);
    text.len() == 20 && text.starts_with('A') && text.bytes().all(is_base32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_iams_and_no_ids() {
        for name in ["default", "ci@example.org", "a", "terraform-prod_2"] {
            assert!(is_key_name(name), "{name}");
        }
        for name in ["", "a b", "a/b", "ä", "AKIAHOMEHOMEHOMEHOME", &"a".repeat(65)] {
            assert!(!is_key_name(name), "{name}");
        }
    }

    #[test]
    fn a_newer_schema_is_refused_by_name() {
        let newer = KeyRecord::decode(br#"{"schema":2}"#);
        assert!(matches!(newer, Err(KeyRecordError::NewerSchema { found: 2 })));
        assert!(matches!(KeyRecord::decode(b"key"), Err(KeyRecordError::Malformed(_))));
    }
}
