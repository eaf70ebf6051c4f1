//! Monitoring subscriptions: whether a distribution has additional metrics. Stored; the edge's own
//! metrics are the same either way.

use std::time::SystemTime;

use aws_api::ApiError;
use aws_api::cloudfront::{
    CreateMonitoringSubscriptionRequest, CreateMonitoringSubscriptionResult,
    DeleteMonitoringSubscriptionRequest, DeleteMonitoringSubscriptionResult, ErrorCode,
    GetMonitoringSubscriptionRequest, GetMonitoringSubscriptionResult, MonitoringSubscription,
};
use store::Condition;

use super::distributions;
use crate::commit::{Change, Expectation, Refusal, storage};
use crate::control::{Caller, Control};
use crate::errors::{internal, invalid_argument, no_such_distribution, unavailable};
use crate::kind::Kind;
use crate::limits::COMMIT_ATTEMPTS_MAX;
use crate::records::{ConfigRecord, distribution_key, resource_key};
use crate::reference::Reference;

/// `CreateMonitoringSubscription`. "Enables or disables" (API reference): one with another status is
/// replaced, and only one with the same status exists already.
pub(crate) async fn create(
    control: &Control,
    _caller: &Caller,
    input: CreateMonitoringSubscriptionRequest,
) -> Result<CreateMonitoringSubscriptionResult, ApiError> {
    let (id, subscription) = (input.distribution_id, input.monitoring_subscription);
    distributions::read(control, &id).await?;
    if subscription.realtime_metrics_subscription_config.is_none() {
        return Err(invalid_argument(
            "MonitoringSubscription must have a RealtimeMetricsSubscriptionConfig. Send one.",
        ));
    }
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        let present = read(control, &id).await?;
        let unchanged = match &present {
            Some((revision, record)) if record.config != subscription => Condition::AtRevision(*revision),
            Some(_) => return Err(already_exists(&id)),
            None => Condition::Absent,
        };
        let now = SystemTime::now().into();
        let created_time = present.map_or(now, |(_, record)| record.created_time);
        let record = ConfigRecord { created_time, last_modified_time: now, config: subscription.clone() };
        let key = resource_key(control.account_id(), Kind::MonitoringSubscription, &id);
        let change = expect_distribution(control, &id)
            .expect(Expectation::Record, key.clone(), unchanged)
            .put(key, record.encode().map_err(|error| internal(&error))?);
        match control.commit(change).await {
            Ok(revision) => {
                tracing::info!(distribution = id, %revision, "Subscribed to additional metrics");
                return Ok(CreateMonitoringSubscriptionResult {
                    monitoring_subscription: Some(subscription),
                });
            }
            Err(Refusal::Unmet(Expectation::Record)) => {}
            Err(Refusal::Unmet(_)) => return Err(no_such_distribution()),
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(unavailable())
}

/// `GetMonitoringSubscription`
pub(crate) async fn get(
    control: &Control,
    _caller: &Caller,
    input: GetMonitoringSubscriptionRequest,
) -> Result<GetMonitoringSubscriptionResult, ApiError> {
    distributions::read(control, &input.distribution_id).await?;
    let present = read(control, &input.distribution_id).await?;
    let (_, record) = present.ok_or_else(|| missing(&input.distribution_id))?;
    Ok(GetMonitoringSubscriptionResult { monitoring_subscription: Some(record.config) })
}

/// `DeleteMonitoringSubscription`
pub(crate) async fn delete(
    control: &Control,
    _caller: &Caller,
    input: DeleteMonitoringSubscriptionRequest,
) -> Result<DeleteMonitoringSubscriptionResult, ApiError> {
    let id = input.distribution_id;
    distributions::read(control, &id).await?;
    let key = resource_key(control.account_id(), Kind::MonitoringSubscription, &id);
    let change = Change::default().expect(Expectation::Record, key.clone(), Condition::Exists).delete(key);
    match control.commit(change).await {
        Ok(revision) => {
            tracing::info!(distribution = id, %revision, "Ended the subscription to additional metrics");
            Ok(DeleteMonitoringSubscriptionResult::default())
        }
        Err(Refusal::Unmet(_)) => Err(missing(&id)),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Takes a distribution's subscription away with it.
pub(super) fn delete_with_distribution(change: Change, account_id: &str, id: &str) -> Change {
    change.delete(resource_key(account_id, Kind::MonitoringSubscription, id))
}

async fn read(
    control: &Control,
    id: &str,
) -> Result<Option<(store::Revision, ConfigRecord<MonitoringSubscription>)>, ApiError> {
    let key = resource_key(control.account_id(), Kind::MonitoringSubscription, id);
    let Some(record) = control.store().get(&key).await.map_err(storage)? else { return Ok(None) };
    let decoded = ConfigRecord::decode(&record.value).map_err(|error| internal(&error))?;
    Ok(Some((record.revision, decoded)))
}

fn expect_distribution(control: &Control, id: &str) -> Change {
    let distribution = Expectation::Reference(Reference::new(Kind::Distribution, id));
    Change::default().expect(distribution, distribution_key(control.account_id(), id), Condition::Exists)
}

fn already_exists(id: &str) -> ApiError {
    ErrorCode::MonitoringSubscriptionAlreadyExists.with_message(format!(
        "The distribution {id} has a monitoring subscription of that status already. There is nothing to change."
    ))
}

fn missing(id: &str) -> ApiError {
    ErrorCode::NoSuchMonitoringSubscription.with_message(format!(
        "The distribution {id} has no monitoring subscription. Create one with CreateMonitoringSubscription."
    ))
}
