//! `mantlet lint`.

use clap::Args;

use super::DataDirFlag;

#[derive(Debug, Args)]
#[command(after_long_help = LINT_EXAMPLES)]
pub(crate) struct LintFlags {
    /// What to look at: files with the JSON of the AWS clients, `-` for standard input, or ids of distributions.
    ///
    /// A file holds a DistributionConfig, or the output of get-distribution-config or get-distribution. Ids are asked
    /// of the running process. With neither, all its distributions are looked at.
    #[arg(value_name = "FILE|ID")]
    pub(crate) targets: Vec<String>,
    #[command(flatten)]
    pub(crate) directory: DataDirFlag,
    /// A rule to leave out, by its code. Repeat it for several.
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub(crate) ignore: Vec<String>,
    /// Print the warnings as JSON
    #[arg(long, conflicts_with_all = ["patch", "fix"])]
    pub(crate) json: bool,
    /// Print one JSON Patch (RFC 6902) with all fixes that leave no choice
    #[arg(long, conflicts_with = "fix")]
    pub(crate) patch: bool,
    /// Print the DistributionConfig with these fixes applied
    #[arg(long)]
    pub(crate) fix: bool,
}

const LINT_EXAMPLES: &str = "\
Exit status: 0 no warning, 1 warnings, 2 the command line is wrong or something could not be looked at. With --patch and
--fix it counts what is left for you to decide, and that is told on standard error.

Examples:
  mantlet lint                       every distribution of the running process
  mantlet lint config.json --json
  aws cloudfront get-distribution-config --id E… | mantlet lint -
  mantlet lint E… --fix > fixed.json && aws cloudfront update-distribution --id E… --if-match ETAG \\
    --distribution-config file://fixed.json

docs/guide/lint.md lists the rules.";
