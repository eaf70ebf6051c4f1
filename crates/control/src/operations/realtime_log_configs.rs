//! Real-time log configurations. Stored; edges send no such logs yet.
//!
//! They have no versions, and their names serve as ids.

use aws_api::ApiError;
use aws_api::cloudfront::{
    CreateRealtimeLogConfigRequest, CreateRealtimeLogConfigResult, DeleteRealtimeLogConfigRequest, EndPoint,
    ErrorCode, GetRealtimeLogConfigRequest, GetRealtimeLogConfigResult, ListRealtimeLogConfigsRequest,
    ListRealtimeLogConfigsResult, RealtimeLogConfig, RealtimeLogConfigs as RealtimeLogConfigList,
    UpdateRealtimeLogConfigRequest, UpdateRealtimeLogConfigResult,
};

use crate::control::{Caller, Control};
use crate::errors::invalid_argument;
use crate::identifier::{parse_realtime_log_config_arn, realtime_log_config_arn};
use crate::kind::Kind;
use crate::paging::count;
use crate::quotas::{Quotas, REALTIME_LOG_CONFIG_NAME_BYTES_MAX, SAMPLING_RATE};
use crate::resource::{self, Family, Listed, Stored};
use crate::validate::{duplicate, is_id, is_visible};

/// The fields that a record can have ("Use real-time access logs", Fields).
pub(super) const FIELDS: [&str; 71] = [
    "timestamp",
    "c-ip",
    "s-ip",
    "time-to-first-byte",
    "sc-status",
    "sc-bytes",
    "cs-method",
    "cs-protocol",
    "cs-host",
    "cs-uri-stem",
    "cs-bytes",
    "x-edge-location",
    "x-edge-request-id",
    "x-host-header",
    "time-taken",
    "cs-protocol-version",
    "c-ip-version",
    "cs-user-agent",
    "cs-referer",
    "cs-cookie",
    "cs-uri-query",
    "x-edge-response-result-type",
    "x-forwarded-for",
    "ssl-protocol",
    "ssl-cipher",
    "x-edge-result-type",
    "fle-encrypted-fields",
    "fle-status",
    "sc-content-type",
    "sc-content-len",
    "sc-range-start",
    "sc-range-end",
    "c-port",
    "x-edge-detailed-result-type",
    "c-country",
    "cs-accept-encoding",
    "cs-accept",
    "cache-behavior-path-pattern",
    "cs-headers",
    "cs-header-names",
    "cs-headers-count",
    "primary-distribution-id",
    "primary-distribution-dns-name",
    "origin-fbl",
    "origin-lbl",
    "asn",
    "cmcd-encoded-bitrate",
    "cmcd-buffer-length",
    "cmcd-buffer-starvation",
    "cmcd-content-id",
    "cmcd-object-duration",
    "cmcd-deadline",
    "cmcd-measured-throughput",
    "cmcd-next-object-request",
    "cmcd-next-range-request",
    "cmcd-object-type",
    "cmcd-playback-rate",
    "cmcd-requested-maximum-throughput",
    "cmcd-streaming-format",
    "cmcd-session-id",
    "cmcd-stream-type",
    "cmcd-startup",
    "cmcd-top-bitrate",
    "cmcd-version",
    "r-host",
    "sr-reason",
    "x-edge-mqcs",
    "distribution-tenant-id",
    "connection-id",
    "viewer-request-log-data",
    "viewer-response-log-data",
];

/// The family of real-time log configurations.
pub(crate) struct RealtimeLogConfigs;

impl Family for RealtimeLogConfigs {
    type Config = RealtimeLogConfig;

    const KIND: Kind = Kind::RealtimeLogConfig;

    fn new_id(config: &RealtimeLogConfig) -> String {
        config.name.clone()
    }

    fn unique_texts(config: &RealtimeLogConfig) -> Vec<(&'static str, &str)> {
        vec![("name", &config.name)]
    }

    fn already_exists(_index: &str, name: &str, _owner: &str) -> ApiError {
        ErrorCode::RealtimeLogConfigAlreadyExists.with_message(format!(
            "There is a real-time log configuration {name:?} already. Choose another name, or update that one."
        ))
    }

    fn in_use(id: &str, user: &str) -> ApiError {
        ErrorCode::RealtimeLogConfigInUse.with_message(format!(
            "The real-time log configuration {id} is used by the {user}. Remove its ARN from the cache \
             behaviors there first."
        ))
    }

    fn quota(quotas: &Quotas) -> (usize, ErrorCode) {
        (quotas.realtime_log_configs, ErrorCode::TooManyRealtimeLogConfigs)
    }

    fn validate(_quotas: &Quotas, config: &RealtimeLogConfig) -> Result<(), ApiError> {
        if !is_id(&config.name) || config.name.len() > REALTIME_LOG_CONFIG_NAME_BYTES_MAX {
            return Err(invalid_argument(format!(
                "Name must have 1 to {REALTIME_LOG_CONFIG_NAME_BYTES_MAX} letters, digits, hyphens and \
                 underscores. Choose another."
            )));
        }
        if !SAMPLING_RATE.contains(&config.sampling_rate) {
            return Err(invalid_argument(format!(
                "SamplingRate must be from {} to {} percent.",
                SAMPLING_RATE.start(),
                SAMPLING_RATE.end()
            )));
        }
        validate_fields(&config.fields)?;
        validate_end_points(&config.end_points)
    }
}

/// `CreateRealtimeLogConfig`
pub(crate) async fn create(
    control: &Control,
    _caller: &Caller,
    input: CreateRealtimeLogConfigRequest,
) -> Result<CreateRealtimeLogConfigResult, ApiError> {
    let config = RealtimeLogConfig {
        arn: realtime_log_config_arn(control.account_id(), &input.name),
        name: input.name,
        sampling_rate: input.sampling_rate,
        end_points: input.end_points,
        fields: input.fields,
    };
    let created = resource::create::<RealtimeLogConfigs>(control, config).await?;
    Ok(CreateRealtimeLogConfigResult { realtime_log_config: Some(created.config) })
}

/// `GetRealtimeLogConfig`
pub(crate) async fn get(
    control: &Control,
    _caller: &Caller,
    input: GetRealtimeLogConfigRequest,
) -> Result<GetRealtimeLogConfigResult, ApiError> {
    let stored = read(control, input.name.as_deref(), input.arn.as_deref()).await?;
    Ok(GetRealtimeLogConfigResult { realtime_log_config: Some(stored.config) })
}

/// `UpdateRealtimeLogConfig`: everything but the name is replaced. "You cannot update some parameters
/// independent of others" (API reference).
pub(crate) async fn update(
    control: &Control,
    _caller: &Caller,
    input: UpdateRealtimeLogConfigRequest,
) -> Result<UpdateRealtimeLogConfigResult, ApiError> {
    let present = read(control, input.name.as_deref(), input.arn.as_deref()).await?;
    let (Some(end_points), Some(fields), Some(sampling_rate)) =
        (input.end_points, input.fields, input.sampling_rate)
    else {
        return Err(invalid_argument(
            "An update replaces the whole configuration. Send EndPoints, Fields and SamplingRate.",
        ));
    };
    let config = RealtimeLogConfig { end_points, fields, sampling_rate, ..present.config };
    let updated = resource::update::<RealtimeLogConfigs>(control, &present.id, None, config).await?;
    Ok(UpdateRealtimeLogConfigResult { realtime_log_config: Some(updated.config) })
}

/// `DeleteRealtimeLogConfig`
pub(crate) async fn delete(
    control: &Control,
    _caller: &Caller,
    input: DeleteRealtimeLogConfigRequest,
) -> Result<(), ApiError> {
    let present = read(control, input.name.as_deref(), input.arn.as_deref()).await?;
    resource::delete::<RealtimeLogConfigs>(control, &present.id, None).await
}

/// `ListRealtimeLogConfigs`, in the order of their names.
pub(crate) async fn list(
    control: &Control,
    _caller: &Caller,
    input: ListRealtimeLogConfigsRequest,
) -> Result<ListRealtimeLogConfigsResult, ApiError> {
    let (marker, wanted) = (input.marker.as_deref(), input.max_items.as_deref());
    let page = resource::list::<RealtimeLogConfigs>(control, Listed::All, marker, wanted).await?;
    let items: Vec<RealtimeLogConfig> = page.items.into_iter().map(|stored| stored.config).collect();
    let list = RealtimeLogConfigList {
        marker: input.marker.clone().unwrap_or_default(),
        is_truncated: page.next_marker.is_some(),
        next_marker: page.next_marker,
        max_items: count(page.max_items),
        items: (!items.is_empty()).then_some(items),
    };
    Ok(ListRealtimeLogConfigsResult { realtime_log_configs: Some(list) })
}

/// The one of a name or an ARN. "If you provide both, CloudFront uses the name" (API reference).
async fn read(
    control: &Control,
    name: Option<&str>,
    arn: Option<&str>,
) -> Result<Stored<RealtimeLogConfig>, ApiError> {
    let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let name = match (given(name), given(arn)) {
        (Some(name), _) => name,
        (None, Some(arn)) => match parse_realtime_log_config_arn(&arn) {
            Some((owner, name)) if owner == control.account_id() => name.to_owned(),
            Some(_) => return Err(RealtimeLogConfigs::missing(&arn)),
            None => {
                return Err(invalid_argument(format!(
                    "ARN must be of the form {}.",
                    realtime_log_config_arn(control.account_id(), "NAME")
                )));
            }
        },
        (None, None) => {
            return Err(invalid_argument("Send the Name or the ARN of a real-time log configuration."));
        }
    };
    resource::read::<RealtimeLogConfigs>(control, &name).await
}

fn validate_fields(fields: &[String]) -> Result<(), ApiError> {
    if fields.is_empty() {
        return Err(invalid_argument("Fields must have at least one field, such as timestamp."));
    }
    if let Some(unknown) = fields.iter().find(|field| !FIELDS.contains(&field.as_str())) {
        return Err(invalid_argument(format!(
            "Fields has {unknown:?}, which is no field of a real-time log. The fields are: {}.",
            FIELDS.join(", ")
        )));
    }
    match duplicate(fields) {
        Some(field) => Err(invalid_argument(format!("Fields has {field:?} twice. Remove one."))),
        None => Ok(()),
    }
}

fn validate_end_points(end_points: &[EndPoint]) -> Result<(), ApiError> {
    // "Understand real-time log configurations": one data stream.
    let [end_point] = end_points else {
        return Err(invalid_argument("EndPoints must have exactly one end point."));
    };
    if end_point.stream_type != "Kinesis" {
        return Err(invalid_argument("StreamType must be Kinesis."));
    }
    let Some(stream) = &end_point.kinesis_stream_config else {
        return Err(invalid_argument(
            "An end point must have a KinesisStreamConfig with RoleARN and StreamARN.",
        ));
    };
    if !is_arn(&stream.role_arn, "iam", "role/") {
        return Err(invalid_argument(
            "RoleARN must be the ARN of a role, such as arn:aws:iam::111122223333:role/NAME.",
        ));
    }
    if !is_arn(&stream.stream_arn, "kinesis", "stream/") {
        return Err(invalid_argument(
            "StreamARN must be the ARN of a data stream, such as \
             arn:aws:kinesis:us-east-1:111122223333:stream/NAME.",
        ));
    }
    Ok(())
}

/// `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`.
fn is_arn(text: &str, service: &str, resource: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, found, _region, account_id, rest] = parts[..] else { return false };
    arn == "arn"
        && partition.starts_with("aws")
        && found == service
        && account_id.len() == 12
        && account_id.bytes().all(|byte| byte.is_ascii_digit())
        && rest.strip_prefix(resource).is_some_and(|name| !name.is_empty())
        && is_visible(text)
        && text.len() <= crate::limits::ARN_BYTES_MAX
}
