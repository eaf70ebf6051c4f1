//! The web ACL of a distribution, without the rest of its configuration.

use aws_api::ApiError;
use aws_api::cloudfront::{
    AssociateDistributionWebACLRequest, AssociateDistributionWebACLResult,
    DisassociateDistributionWebACLRequest, DisassociateDistributionWebACLResult, ErrorCode,
};

use super::distributions::{StoredDistribution, read, update_distribution, without_web_acl};
use crate::commit::Change;
use crate::control::{Caller, Control};
use crate::entity_tag::EntityTag;
use crate::errors::invalid_argument;
use crate::web_acl::is_web_acl_arn;

/// `AssociateDistributionWebACL`: refused as in any change, until something enforces web ACLs.
pub(crate) async fn associate(
    control: &Control,
    _caller: &Caller,
    input: AssociateDistributionWebACLRequest,
) -> Result<AssociateDistributionWebACLResult, ApiError> {
    let present = read_at(control, &input.id, input.if_match.as_deref()).await?;
    if !is_web_acl_arn(&input.web_acl_arn) {
        return Err(invalid_argument(format!(
            "The WebACLArn {:?} is not the ARN of a web ACL for CloudFront. Give \
             arn:aws:wafv2:us-east-1:ACCOUNT:global/webacl/NAME/ID.",
            input.web_acl_arn
        )));
    }
    let mut config = present.record.config.clone();
    config.web_acl_id = Some(input.web_acl_arn.clone());
    let updated = update_distribution(control, present, config, Change::default).await?;
    Ok(AssociateDistributionWebACLResult {
        etag: Some(updated.etag()),
        id: Some(updated.id),
        web_acl_arn: Some(input.web_acl_arn),
    })
}

/// `DisassociateDistributionWebACL`
pub(crate) async fn disassociate(
    control: &Control,
    _caller: &Caller,
    input: DisassociateDistributionWebACLRequest,
) -> Result<DisassociateDistributionWebACLResult, ApiError> {
    let present = read_at(control, &input.id, input.if_match.as_deref()).await?;
    let updated = without_web_acl(control, present).await?;
    Ok(DisassociateDistributionWebACLResult { etag: Some(updated.etag()), id: Some(updated.id) })
}

/// The version that the caller means. These operations have a name of their own for none.
async fn read_at(
    control: &Control,
    id: &str,
    if_match: Option<&str>,
) -> Result<StoredDistribution, ApiError> {
    let if_match = EntityTag::required(if_match)?;
    let present = read(control, id).await.map_err(|error| match error.code {
        "NoSuchDistribution" => ErrorCode::EntityNotFound.with_message(error.message),
        _ => error,
    })?;
    if_match.check(present.revision)?;
    Ok(present)
}
