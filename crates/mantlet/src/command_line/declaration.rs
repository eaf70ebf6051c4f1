//! `mantlet import`, `mantlet apply` and `mantlet export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::DataDirFlag;
use super::value::assignment;

#[derive(Debug, Args)]
#[command(after_long_help = IMPORT_EXAMPLES)]
pub(crate) struct ImportFlags {
    /// Files, or directories of them: what aws-cli prints, CloudFormation templates, declarations.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) directory: DataDirFlag,
    /// The value of a parameter, or what stands here for an id or ARN of there; nothing after = leaves it out.
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    pub(crate) set: Vec<(String, String)>,
    /// Only report what would be made
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

const IMPORT_EXAMPLES: &str = "\
What is there already, by its name or caller reference, is neither made twice nor changed.

Examples:
  aws cloudfront get-distribution-config --id E1 >distribution.json
  aws cloudfront list-cache-policies --type custom >policies.json
  mantlet import distribution.json policies.json --dry-run
  mantlet import distribution.json policies.json \\
    --set arn:aws:acm:us-east-1:111122223333:certificate/a=arn:aws:acm:us-east-1:000000000000:certificate/b

  mantlet import template.yaml --set CertificateArn= --set Stage=test";

#[derive(Debug, Args)]
#[command(after_long_help = APPLY_EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct ApplyFlags {
    /// A file, or a directory with .yaml, .yml and .json files. Repeat it for several.
    #[arg(short = 'f', long = "file", value_name = "PATH", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) directory: DataDirFlag,
    /// What these files are called together; the name of the directory unless given.
    ///
    /// It tells whose a resource is: --prune deletes what an earlier apply of the same project made, and no project
    /// changes what another one made.
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    /// Delete what an earlier apply of this project made and the files no longer declare
    #[arg(long)]
    pub(crate) prune: bool,
    /// Do not ask
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
    /// Only show the plan
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print plan and outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

const APPLY_EXAMPLES: &str = "\
A file holds one or more resources, each with Kind, Name and Config; Config has the settings of the CloudFront API,
lists with or without their Quantity. `!Ref NAME` stands for the id of another resource, or of a managed policy.

Examples:
  mantlet apply -f config/                 show the plan, ask, do it
  mantlet apply -f config/ --yes --prune   without asking, and delete what the files no longer declare
  mantlet apply -f config/ --dry-run       only show the plan
  mantlet export --format mantlet --output config/";

#[derive(Debug, Args)]
#[command(after_long_help = EXPORT_EXAMPLES)]
pub(crate) struct ExportFlags {
    /// What to export, with all that it refers to; everything unless given.
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) directory: DataDirFlag,
    /// For which tool
    #[arg(long, value_enum, default_value_t = ExportFormat::Mantlet)]
    pub(crate) format: ExportFormat,
    /// The directory to write to; standard output unless given. Nothing in it is written over.
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
}

const EXPORT_EXAMPLES: &str = "\
Examples:
  mantlet export E1ABCDEF --format aws-cli >distribution.json
  aws cloudfront create-distribution --distribution-config file://distribution.json

  mantlet export --format terraform --output terraform/
  mantlet export --format mantlet --output config/ && mantlet apply -f config/";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// JSON that `aws cloudfront create-…` takes
    AwsCli,
    /// HCL for the provider hashicorp/aws
    Terraform,
    /// YAML that `mantlet apply` takes
    Mantlet,
}
