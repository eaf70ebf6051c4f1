//! The access key that the first start makes: `DIR/credentials`, in the format of the AWS clients.

use std::path::Path;

use anyhow::{Result, anyhow};
use control::NewAccessKey;
use zeroize::Zeroizing;

use crate::durable::{Audience, read_text, replace_file};

/// The profile that AWS clients take when none is named.
const PROFILE: &str = "default";

/// An access key id and its secret. There is no `Debug`: the secret must not reach a log.
pub(crate) struct AccessKey {
    /// Names the key; not secret.
    pub(crate) id: String,
    /// Signs requests.
    pub(crate) secret: Zeroizing<String>,
}

impl AccessKey {
    /// The key in the file at `path`, which is made if there is none.
    pub(crate) fn load_or_create(path: &Path) -> Result<Self> {
        match Self::load(path)? {
            Some(key) => Ok(key),
            None => Self::create(path),
        }
    }

    /// The key in the file at `path`; `None` if there is no such file.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>> {
        let Some(text) = read_text(path)?.map(Zeroizing::new) else { return Ok(None) };
        parse(&text).map(Some).ok_or_else(|| {
            anyhow!(
                "{path} holds no profile [{PROFILE}] with aws_access_key_id and aws_secret_access_key; \
                 restore it, or remove it so that the next start makes a new key",
                path = path.display()
            )
        })
    }

    fn create(path: &Path) -> Result<Self> {
        let NewAccessKey { id, secret } = NewAccessKey::generate()?;
        let key = Self { id, secret };
        key.keep(path)?;
        Ok(key)
    }

    /// Writes the key to the file at `path`.
    pub(crate) fn keep(&self, path: &Path) -> Result<()> {
        replace_file(path, self.profile(PROFILE).as_bytes(), Audience::Owner)
    }

    /// The key as AWS clients read it from their files.
    pub(crate) fn profile(&self, name: &str) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "[{name}]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            self.id, *self.secret
        ))
    }
}

fn parse(text: &str) -> Option<AccessKey> {
    let (mut id, mut secret) = (None, None);
    let mut is_ours = false;
    for line in text.lines().map(str::trim) {
        if let Some(profile) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            is_ours = profile.trim() == PROFILE;
        } else if let Some((name, value)) = line.split_once('=').filter(|_| is_ours) {
            match name.trim() {
                "aws_access_key_id" => id = Some(value.trim().to_owned()),
                "aws_secret_access_key" => secret = Some(Zeroizing::new(value.trim().to_owned())),
                _ => {}
            }
        }
    }
    let key = AccessKey { id: id?, secret: secret? };
    let is_plausible =
        (16..=128).contains(&key.id.len()) && key.id.bytes().all(|b| b.is_ascii_alphanumeric());
    (is_plausible && !key.secret.is_empty()).then_some(key)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_start_makes_a_key_and_later_ones_keep_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials");
        let made = AccessKey::load_or_create(&path).unwrap();
        assert!(made.id.starts_with("AKIA") && made.id.len() == 20, "{}", made.id);
        assert_eq!(made.secret.len(), 40);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let kept = AccessKey::load_or_create(&path).unwrap();
        assert_eq!((kept.id, kept.secret), (made.id, made.secret));
    }

    #[test]
    fn the_default_profile_is_found_among_others() {
        let text = "# mine\n[work]\naws_access_key_id=AKIAWORKWORKWORKWORK\naws_secret_access_key=w\n\
                    [ default ]\r\naws_access_key_id = AKIAHOMEHOMEHOMEHOME\r\naws_secret_access_key = a/b+c=\n";
        let key = parse(text).unwrap();
        assert_eq!((key.id.as_str(), key.secret.as_str()), ("AKIAHOMEHOMEHOMEHOME", "a/b+c="));
    }

    #[test]
    fn a_damaged_file_is_refused_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials");
        for text in [
            "",
            "[default]\naws_access_key_id = AKIAHOMEHOMEHOMEHOME\n",
            "[default]\naws_access_key_id = '\n",
        ] {
            fs::write(&path, text).unwrap();
            assert!(AccessKey::load_or_create(&path).is_err(), "{text:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
