//! `mantlet lint`: what is allowed and still wrong with configurations in files, or with distributions of the running
//! process. The rules are the crate `lint`'s.

mod report;
mod source;

use anyhow::{Result, bail};
use lint::{Policies, RULES, Warning};
use serde_json::{Value, json};

use self::report::{left_over, text};
use crate::command_line::LintFlags;
use crate::stdout::print;

/// Something could not be looked at, which says nothing about it.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not everything could be looked at")]
pub(crate) struct NotChecked;

/// A configuration to look at.
struct Subject {
    /// How the user called it.
    name: String,
    /// The DistributionConfig as the AWS clients write it.
    document: Value,
    policies: Policies,
}

/// Looks, prints, and says whether all is well.
pub(crate) async fn run(flags: &LintFlags) -> Result<bool> {
    if let Some(unknown) = flags.ignore.iter().find(|code| RULES.iter().all(|rule| rule.code != **code)) {
        bail!("--ignore {unknown}: there is no such rule; docs/guide/lint.md lists them");
    }
    let subjects = source::subjects(&flags.targets, &flags.directory.data_dir).await?;
    if flags.patch || flags.fix {
        return print_fixed(flags, &subjects);
    }
    let mut linted = Vec::new();
    for subject in &subjects {
        linted.push((subject.name.as_str(), warnings(flags, &subject.document, &subject.policies)?));
    }
    let is_clean = linted.iter().all(|(_, warnings)| warnings.is_empty());
    if flags.json {
        print(&(serde_json::to_string_pretty(&to_json(&linted))? + "\n"))?;
    } else {
        print(&text(&linted))?;
    }
    Ok(is_clean)
}

fn warnings(flags: &LintFlags, document: &Value, policies: &Policies) -> Result<Vec<Warning>> {
    let config = source::decode(document)?;
    let mut warnings = lint::lint(&config, policies);
    warnings.retain(|warning| !is_ignored(flags, warning.code));
    Ok(warnings)
}

fn is_ignored(flags: &LintFlags, code: &str) -> bool {
    flags.ignore.iter().any(|ignored| ignored == code)
}

fn to_json(linted: &[(&str, Vec<Warning>)]) -> Value {
    let one = |(name, warnings): &(&str, Vec<Warning>)| json!({ "name": name, "warnings": warnings.iter().map(Warning::to_json).collect::<Vec<_>>() });
    linted.iter().map(one).collect()
}

fn print_fixed(flags: &LintFlags, subjects: &[Subject]) -> Result<bool> {
    let [subject] = subjects else {
        bail!("--patch and --fix take one FILE or ID, and there are {}", subjects.len());
    };
    let fixed = lint::fix(&subject.document, &subject.policies, |code| is_ignored(flags, code))?;
    let printed =
        if flags.fix { serde_json::to_string_pretty(&fixed.config)? } else { patch_text(&fixed.patch)? };
    print(&(printed + "\n"))?;
    let left = warnings(flags, &fixed.config, &subject.policies)?;
    eprint!("{}", left_over(&left));
    Ok(left.is_empty())
}

fn patch_text(patch: &lint::Patch) -> Result<String> {
    Ok(serde_json::to_string_pretty(patch)?)
}
