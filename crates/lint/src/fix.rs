//! A configuration with every patch applied.

use aws_api::cloudfront::DistributionConfig;
use json_patch::{Patch, patch as apply};
use serde_json::Value;

use crate::limits::FIX_PATCHES_MAX;
use crate::lint;
use crate::place::Place;
use crate::policies::Policies;

/// What [`fix`] made.
#[derive(Clone, Debug, PartialEq)]
pub struct Fixed {
    /// All patches in one, to be applied to the configuration as it was.
    pub patch: Patch,
    /// The configuration with them applied.
    pub config: Value,
}

/// Why a document cannot be fixed.
#[derive(Debug, thiserror::Error)]
pub enum FixError {
    /// It is no configuration of a distribution.
    #[error("the document is no DistributionConfig: {0}")]
    Malformed(#[from] aws_api::DecodeError),
}

/// Applies the patch of every warning whose code is not ignored to a `DistributionConfig` as the AWS clients
/// write it. Members that are unknown here stay as they are.
pub fn fix(
    document: &Value,
    policies: &Policies,
    is_ignored: impl Fn(&str) -> bool,
) -> Result<Fixed, FixError> {
    let mut fixed = Fixed { patch: Patch(Vec::new()), config: document.clone() };
    // One that does not apply is not tried again.
    let mut tried: Vec<(&'static str, Place)> = Vec::new();
    while tried.len() < FIX_PATCHES_MAX {
        let config: DistributionConfig = aws_api::from_json(fixed.config.to_string().as_bytes())?;
        let next = lint(&config, policies).into_iter().find_map(|warning| {
            let is_new = !tried.iter().any(|(code, place)| (*code, place) == (warning.code, &warning.place));
            let patch = warning.patch.filter(|_| is_new && !is_ignored(warning.code))?;
            Some(((warning.code, warning.place), patch))
        });
        let Some((warning, patch)) = next else { break };
        tried.push(warning);
        // It leaves the document as it was if it does not apply.
        if apply(&mut fixed.config, &patch).is_ok() {
            fixed.patch.0.extend(patch.0);
        }
    }
    Ok(fixed)
}
