//! `mantlet key`: the access keys of a data directory, through the process that runs on it, or without one.

mod keeper;
mod report;

use anyhow::Result;
use control::{IssuedKey, KeyToCreate, KeyToRevoke, KeyToRotate};

use self::keeper::Keeper;
use crate::access_key::AccessKey;
use crate::command_line::{KeyCommand, KeyCreateFlags, KeyFormFlags, KeyRevokeFlags, KeyRotateFlags};
use crate::data_dir::DataDir;
use crate::stdout;

/// Does what is asked, and prints what came of it.
pub(crate) async fn run(command: &KeyCommand) -> Result<()> {
    match command {
        KeyCommand::List(flags) => {
            let keys = Keeper::of(&flags.directory).await?.list().await?;
            stdout::print(&if flags.json { report::json(&keys)? } else { report::table(&keys) })
        }
        KeyCommand::Create(flags) => create(flags).await,
        KeyCommand::Rotate(flags) => rotate(flags).await,
        KeyCommand::Revoke(flags) => revoke(flags).await,
    }
}

async fn create(flags: &KeyCreateFlags) -> Result<()> {
    let keeper = Keeper::of(&flags.directory).await?;
    let issued = keeper.create(&KeyToCreate { name: flags.name.clone(), role: flags.role }).await?;
    print_issued(&issued, &flags.form, "Made")
}

async fn rotate(flags: &KeyRotateFlags) -> Result<()> {
    let keeper = Keeper::of(&flags.directory).await?;
    let keep_old_seconds = flags.keep_old.map(|duration| duration.as_secs());
    let issued = keeper.rotate(&KeyToRotate { name: flags.name.clone(), keep_old_seconds }).await?;
    // First to the caller: the secret must not be lost because a file cannot be written.
    print_issued(&issued, &flags.form, "Rotated")?;
    keep_default(keeper.directory(), &issued)
}

async fn revoke(flags: &KeyRevokeFlags) -> Result<()> {
    let keeper = Keeper::of(&flags.directory).await?;
    let left = keeper.revoke(&KeyToRevoke { name_or_id: flags.name_or_id.clone() }).await?;
    stdout::print(&if flags.json { report::json(&left)? } else { report::revoked(&flags.name_or_id, &left) })
}

fn print_issued(issued: &IssuedKey, form: &KeyFormFlags, done: &str) -> Result<()> {
    if form.json {
        return stdout::print(&report::json(issued)?);
    }
    match &form.profile {
        Some(profile) => {
            let key =
                AccessKey { id: issued.access_key_id.clone(), secret: issued.secret_access_key.clone() };
            stdout::print(&key.profile(profile))
        }
        None => stdout::print(&report::issued(issued, done)),
    }
}

/// The credentials file goes on to hold a valid key: `mantlet env` and `mantlet up` use it.
fn keep_default(directory: &DataDir, issued: &IssuedKey) -> Result<()> {
    let path = directory.credentials();
    let Some(kept) = AccessKey::load(&path)? else { return Ok(()) };
    let is_old =
        issued.retired.contains(&kept.id) || issued.still_valid.iter().any(|older| older.id == kept.id);
    if !is_old {
        return Ok(());
    }
    let new = AccessKey { id: issued.access_key_id.clone(), secret: issued.secret_access_key.clone() };
    new.keep(&path)
}
