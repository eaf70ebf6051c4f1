//! `mantlet key`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use control::Role;

use super::DataDirFlag;
use super::value::{days_or_less, role};

#[derive(Debug, Args)]
#[command(after_help = KEY_EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct KeyFlags {
    #[command(subcommand)]
    pub(crate) command: KeyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// List the keys: names, roles, ids; never secrets
    List(KeyListFlags),
    /// Make a key, and print its secret this once
    Create(KeyCreateFlags),
    /// Give a key a new id and secret; the old ones end at once, or after a while
    Rotate(KeyRotateFlags),
    /// End a key, or one id of it, from the next request on
    Revoke(KeyRevokeFlags),
}

const KEY_EXAMPLES: &str = "\
Roles: `read` looks at everything that reveals no private key; `deploy` also changes CloudFront, ACM and WAF
resources; `admin` may do everything, keys included. Each may what those before it may.

The commands use the process that runs on the data directory; where none runs, they open the directory themselves, so
that nobody is ever locked out. A changed key counts from the next request on. Every change leaves a line in audit.log.

Examples:
  mantlet key create ci --role deploy
  mantlet key create ann --role admin --profile mantlet >> ~/.aws/credentials
  mantlet key rotate ci --keep-old 24h      both secrets work for a day
  mantlet key revoke ci                     nobody gets in with it any more
  mantlet key revoke AKIA…                  one id of a key, such as the old one of a rotation
  mantlet key list --json";

#[derive(Debug, Args)]
pub(crate) struct KeyDirectoryFlags {
    #[command(flatten)]
    pub(crate) directory: DataDirFlag,
    /// The key that seals secrets at rest, if it is not in the data directory. Needed where no process runs.
    #[arg(long, value_name = "FILE", env = "MANTLET_SEALING_KEY_FILE")]
    pub(crate) sealing_key_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct KeyListFlags {
    #[command(flatten)]
    pub(crate) directory: KeyDirectoryFlags,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct KeyCreateFlags {
    #[command(flatten)]
    pub(crate) directory: KeyDirectoryFlags,
    /// Who it is for: 1 to 64 letters, digits and _+=,.@-
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What its holder may do
    #[arg(long, value_name = "ROLE", value_parser = role)]
    pub(crate) role: Role,
    #[command(flatten)]
    pub(crate) form: KeyFormFlags,
}

#[derive(Debug, Args)]
pub(crate) struct KeyRotateFlags {
    #[command(flatten)]
    pub(crate) directory: KeyDirectoryFlags,
    /// Which key
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// How long the old secret still works: 24h, 7d, 30m; at most 90 days
    #[arg(long, value_name = "DURATION", value_parser = days_or_less)]
    pub(crate) keep_old: Option<Duration>,
    #[command(flatten)]
    pub(crate) form: KeyFormFlags,
}

#[derive(Debug, Args)]
pub(crate) struct KeyRevokeFlags {
    #[command(flatten)]
    pub(crate) directory: KeyDirectoryFlags,
    /// Which key, or which id of one
    #[arg(value_name = "NAME|ID")]
    pub(crate) name_or_id: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct KeyFormFlags {
    /// Print JSON
    #[arg(long, conflicts_with = "profile")]
    pub(crate) json: bool,
    /// Print a profile for ~/.aws/credentials and nothing else
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
}
