//! What is allowed and still wrong: configurations that CloudFront takes, and that hurt whoever calls the API
//! behind them.
//!
//! [`lint`] is a pure function of a `DistributionConfig` and the policies that it names. Each [`Warning`] says
//! what happens, to whom, and how to fix it; where there is one right answer, with a JSON Patch (RFC 6902) on
//! the configuration as the AWS clients write it. [`fix`] applies all of them. [`RULES`] is the table of rules;
//! each stands in a file of its own under `rules/` and says when it stays silent.
//!
//! The preset of an API (CachingDisabled, AllViewer, all methods, redirect to HTTPS, an origin at a private
//! address) gives no warning, and no patch of one rule makes another one speak, but for
//! `redundant-cache-behavior`: two behaviors may become equal.
//!
//! Does not know about: stores, requests, edges, files, or what a name resolves to. An origin counts as public
//! unless its name says otherwise.

mod fix;
mod limits;
mod patterns;
mod place;
mod policies;
mod rule;
mod rules;
mod subject;
#[cfg(test)]
mod tests;
mod warning;

use aws_api::cloudfront::DistributionConfig;
// What the generator of random shapes, shared with `aws-api`'s tests, calls the crate of the shapes.
#[cfg(test)]
use aws_api::shape;

pub use fix::{FixError, Fixed, fix};
pub use json_patch::Patch;
pub use place::Place;
pub use policies::{ALL_VIEWER_EXCEPT_HOST_HEADER_ID, ALL_VIEWER_ID, CACHING_DISABLED_ID, Policies};
pub use rule::Rule;
pub use rules::RULES;
pub use warning::{Severity, Warning};

use crate::subject::Subject;

/// Every warning about a configuration, in the order of [`RULES`].
pub fn lint(config: &DistributionConfig, policies: &Policies) -> Vec<Warning> {
    let subject = Subject::new(config, policies);
    RULES.iter().flat_map(|rule| rule.check(&subject)).collect()
}
