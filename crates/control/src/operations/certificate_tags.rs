//! Tags of certificates, under both names that ACM's model has for each operation.

use aws_api::ApiError;
use aws_api::acm::{
    AddTagsToCertificateRequest, ErrorCode, ListTagsForCertificateRequest, ListTagsForCertificateResponse,
    ListTagsForResourceRequest, ListTagsForResourceResponse, RemoveTagsFromCertificateRequest, Tag,
    TagResourceRequest, UntagResourceRequest,
};
use aws_api::cloudfront;

use super::certificates::reference;
use crate::certificates::{invalid, no_such_certificate, read_certificate};
use crate::control::{Caller, Control};
use crate::errors::internal;
use crate::extension_tags::is_extension;
use crate::quotas::Quotas;
use crate::records::encode_tags;
use crate::tagged::{change_tags, tags_of};
use crate::validate::validate_tags;

/// `AddTagsToCertificate`
pub(crate) async fn add(
    control: &Control,
    _caller: &Caller,
    input: AddTagsToCertificateRequest,
) -> Result<(), ApiError> {
    add_tags(control, &input.certificate_arn, &input.tags).await
}

/// `RemoveTagsFromCertificate`: a tag with a value goes only if it has that value.
pub(crate) async fn remove(
    control: &Control,
    _caller: &Caller,
    input: RemoveTagsFromCertificateRequest,
) -> Result<(), ApiError> {
    let removed = input.tags;
    refuse_no_tags(removed.len())?;
    let is_removed = |tag: &Tag| {
        removed
            .iter()
            .any(|other| other.key == tag.key && (other.value.is_none() || other.value == tag.value))
    };
    change(control, &input.certificate_arn, |tags| tags.retain(|tag| !is_removed(tag))).await
}

/// `ListTagsForCertificate`
pub(crate) async fn list(
    control: &Control,
    _caller: &Caller,
    input: ListTagsForCertificateRequest,
) -> Result<ListTagsForCertificateResponse, ApiError> {
    let tags = Some(tags_of_arn(control, &input.certificate_arn).await?);
    Ok(ListTagsForCertificateResponse { tags })
}

/// `TagResource`
pub(crate) async fn tag_resource(
    control: &Control,
    _caller: &Caller,
    input: TagResourceRequest,
) -> Result<(), ApiError> {
    add_tags(control, &input.resource_arn, &input.tags).await.map_err(as_of_any_resource)
}

/// `UntagResource`
pub(crate) async fn untag_resource(
    control: &Control,
    _caller: &Caller,
    input: UntagResourceRequest,
) -> Result<(), ApiError> {
    let removed = input.tag_keys;
    refuse_no_tags(removed.len())?;
    change(control, &input.resource_arn, |tags| tags.retain(|tag| !removed.contains(&tag.key)))
        .await
        .map_err(as_of_any_resource)
}

/// `ListTagsForResource`
pub(crate) async fn list_of_resource(
    control: &Control,
    _caller: &Caller,
    input: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResponse, ApiError> {
    let tags = tags_of_arn(control, &input.resource_arn).await.map_err(as_of_any_resource)?;
    Ok(ListTagsForResourceResponse { tags: Some(tags) })
}

/// Checks all the tags that a certificate is to have.
pub(crate) fn validate_certificate_tags(tags: &[Tag], quotas: &Quotas) -> Result<(), ApiError> {
    let most = quotas.tags_per_resource;
    if tags.len() > most {
        return Err(ErrorCode::TooManyTagsException
            .with_message(format!("A certificate has at most {most} tags. Remove some.")));
    }
    // Tags of ours switch something of distributions. Here they would look as if they did.
    if let Some(tag) = tags.iter().find(|tag| is_extension(&tag.key)) {
        return Err(ErrorCode::InvalidTagException.with_message(format!(
            "The tag key {:?} begins with mantlet:, and no such tag means anything on a certificate. Remove it.",
            tag.key
        )));
    }
    validate_tags(&to_cloudfront(tags), quotas)
        .map_err(|error| ErrorCode::InvalidTagException.with_message(error.message))
}

/// The bytes of a new certificate's tags.
pub(crate) fn encode_new_tags(tags: &[Tag]) -> Result<Vec<u8>, ApiError> {
    encode_tags(&to_cloudfront(tags)).map_err(|error| internal(&error))
}

async fn add_tags(control: &Control, arn: &str, added: &[Tag]) -> Result<(), ApiError> {
    refuse_no_tags(added.len())?;
    validate_certificate_tags(added, &control.settings().quotas)?;
    change(control, arn, |tags| {
        tags.retain(|tag| added.iter().all(|other| other.key != tag.key));
        tags.extend(added.iter().cloned());
    })
    .await
}

async fn tags_of_arn(control: &Control, arn: &str) -> Result<Vec<Tag>, ApiError> {
    let certificate = read_certificate(control, arn).await?;
    tags_of(control, &reference(&certificate.id)).await.map(from_cloudfront)
}

/// Changes the tags of a certificate that still exists.
async fn change(control: &Control, arn: &str, change: impl Fn(&mut Vec<Tag>)) -> Result<(), ApiError> {
    let tagged = reference(&read_certificate(control, arn).await?.id);
    let changed = |tags| {
        let mut tags = from_cloudfront(tags);
        change(&mut tags);
        validate_certificate_tags(&tags, &control.settings().quotas).map(|()| to_cloudfront(&tags))
    };
    change_tags(control, &tagged, changed, || no_such_certificate(arn)).await
}

fn refuse_no_tags(count: usize) -> Result<(), ApiError> {
    if count > 0 { Ok(()) } else { Err(invalid("Tags must name at least one tag.")) }
}

/// The operations on any resource have fewer errors in their model.
fn as_of_any_resource(error: ApiError) -> ApiError {
    let codes = [
        (ErrorCode::TooManyTagsException, ErrorCode::ServiceQuotaExceededException),
        (ErrorCode::InvalidTagException, ErrorCode::ValidationException),
        (ErrorCode::InvalidArnException, ErrorCode::ValidationException),
    ];
    match codes.into_iter().find(|(code, _)| code.as_str() == error.code) {
        Some((_, code)) => code.with_message(error.message),
        None => error,
    }
}

fn from_cloudfront(tags: Vec<cloudfront::Tag>) -> Vec<Tag> {
    tags.into_iter().map(|tag| Tag { key: tag.key, value: tag.value }).collect()
}

fn to_cloudfront(tags: &[Tag]) -> Vec<cloudfront::Tag> {
    tags.iter().map(|tag| cloudfront::Tag { key: tag.key.clone(), value: tag.value.clone() }).collect()
}
