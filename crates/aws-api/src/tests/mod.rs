//! What the codecs and the routing promise, over every operation of the models.

mod answers;
mod client;
mod distribution_config;
mod hostile_json;
mod hostile_xml;
mod random;
mod requests;
mod round_trip;
mod routing;

use crate::cloudfront;
use crate::route::AnyOperation;
use crate::{acm, wafv2};

/// Every operation of the generated services.
fn every_operation() -> Vec<AnyOperation> {
    let cloudfront = cloudfront::OperationId::ALL.iter().copied().map(AnyOperation::CloudFront);
    let wafv2 = wafv2::OperationId::ALL.iter().copied().map(AnyOperation::Wafv2);
    let acm = acm::OperationId::ALL.iter().copied().map(AnyOperation::Acm);
    cloudfront.chain(wafv2).chain(acm).collect()
}
