//! Alternate domain names, and the certificate that they need.

use aws_api::ApiError;
use aws_api::cloudfront::{Aliases, DistributionConfig, ErrorCode};
use edge_config::AliasName;

use super::{Surroundings, duplicate};
use crate::certificates::viewer_certificate::validate_viewer_certificate;
use crate::errors::invalid_argument;

pub(super) fn validate(config: &DistributionConfig, surroundings: Surroundings<'_>) -> Result<(), ApiError> {
    let aliases = parse_aliases(config)?;
    let most = surroundings.quotas.aliases_per_distribution;
    if aliases.len() > most {
        return Err(ErrorCode::TooManyDistributionCNAMEs.with_message(format!(
            "A distribution has at most {most} alternate domain names. Remove some."
        )));
    }
    if let Some(alias) = duplicate(&aliases) {
        return Err(invalid_argument(format!("The alternate domain name {alias} stands twice. Remove one.")));
    }
    for alias in &aliases {
        refuse_given_names(alias, surroundings)?;
        let owner = surroundings.snapshot.owner_of_name(alias.as_str());
        if owner.is_some_and(|owner| Some(owner) != surroundings.own_id) {
            return Err(cname_already_exists(alias));
        }
    }
    validate_viewer_certificate(config, &aliases, surroundings)
}

/// The alternate domain names of a distribution.
pub(crate) fn parse_aliases(config: &DistributionConfig) -> Result<Vec<AliasName>, ApiError> {
    let texts = config.aliases.as_ref().map(Aliases::items).unwrap_or_default();
    let parse = |text: &String| {
        AliasName::parse(text).map_err(|error| {
            invalid_argument(format!("The alternate domain name {text:?} cannot be used: {error}."))
        })
    };
    texts.iter().map(parse).collect()
}

/// Another distribution has the name.
pub(crate) fn cname_already_exists(alias: &AliasName) -> ApiError {
    ErrorCode::CNAMEAlreadyExists.with_message(format!(
        "The alternate domain name {alias} belongs to another distribution. Remove it there first."
    ))
}

/// Names under our suffix are given, not taken: whoever could take one could take another's.
fn refuse_given_names(alias: &AliasName, surroundings: Surroundings<'_>) -> Result<(), ApiError> {
    let suffix = surroundings.domain_suffix.as_str();
    let is_under_suffix =
        alias.as_str().strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if is_under_suffix {
        return Err(invalid_argument(format!(
            "The alternate domain name {alias} is under {suffix}, where distributions are given their names. \
             Use a name of your own."
        )));
    }
    Ok(())
}
