//! One view of the two shapes that the API has for a cache behavior.

use aws_api::cloudfront::{CacheBehavior, CacheBehaviors, DefaultCacheBehavior, DistributionConfig};

/// A cache behavior: the default one, which has no path pattern, or any other.
#[derive(Clone, Debug)]
pub(crate) struct AnyCacheBehavior {
    pub(crate) path_pattern: Option<String>,
    pub(crate) settings: DefaultCacheBehavior,
}

impl AnyCacheBehavior {
    /// How messages call it.
    pub(crate) fn label(&self) -> String {
        match &self.path_pattern {
            Some(path_pattern) => format!("The cache behavior {path_pattern:?}"),
            None => "The default cache behavior".to_owned(),
        }
    }
}

/// All cache behaviors in order of precedence, the default one last.
pub(crate) fn cache_behaviors(config: &DistributionConfig) -> Vec<AnyCacheBehavior> {
    let others = config.cache_behaviors.as_ref().map(CacheBehaviors::items).unwrap_or_default();
    let default = AnyCacheBehavior { path_pattern: None, settings: config.default_cache_behavior.clone() };
    others.iter().cloned().map(split).chain([default]).collect()
}

/// Changes the settings of every cache behavior in place.
pub(crate) fn for_each_settings(
    config: &mut DistributionConfig,
    mut change: impl FnMut(&mut DefaultCacheBehavior),
) {
    change(&mut config.default_cache_behavior);
    let others = config.cache_behaviors.as_mut().and_then(|others| others.items.as_mut());
    for other in others.into_iter().flatten() {
        let mut taken = split(std::mem::take(other));
        change(&mut taken.settings);
        *other = join(taken);
    }
}

fn split(other: CacheBehavior) -> AnyCacheBehavior {
    AnyCacheBehavior {
        path_pattern: Some(other.path_pattern),
        settings: DefaultCacheBehavior {
            target_origin_id: other.target_origin_id,
            trusted_signers: other.trusted_signers,
            trusted_key_groups: other.trusted_key_groups,
            viewer_protocol_policy: other.viewer_protocol_policy,
            allowed_methods: other.allowed_methods,
            smooth_streaming: other.smooth_streaming,
            compress: other.compress,
            lambda_function_associations: other.lambda_function_associations,
            function_associations: other.function_associations,
            field_level_encryption_id: other.field_level_encryption_id,
            realtime_log_config_arn: other.realtime_log_config_arn,
            cache_policy_id: other.cache_policy_id,
            origin_request_policy_id: other.origin_request_policy_id,
            response_headers_policy_id: other.response_headers_policy_id,
            grpc_config: other.grpc_config,
            forwarded_values: other.forwarded_values,
            min_ttl: other.min_ttl,
            default_ttl: other.default_ttl,
            max_ttl: other.max_ttl,
        },
    }
}

fn join(any: AnyCacheBehavior) -> CacheBehavior {
    let AnyCacheBehavior { path_pattern, settings } = any;
    CacheBehavior {
        path_pattern: path_pattern.unwrap_or_default(),
        target_origin_id: settings.target_origin_id,
        trusted_signers: settings.trusted_signers,
        trusted_key_groups: settings.trusted_key_groups,
        viewer_protocol_policy: settings.viewer_protocol_policy,
        allowed_methods: settings.allowed_methods,
        smooth_streaming: settings.smooth_streaming,
        compress: settings.compress,
        lambda_function_associations: settings.lambda_function_associations,
        function_associations: settings.function_associations,
        field_level_encryption_id: settings.field_level_encryption_id,
        realtime_log_config_arn: settings.realtime_log_config_arn,
        cache_policy_id: settings.cache_policy_id,
        origin_request_policy_id: settings.origin_request_policy_id,
        response_headers_policy_id: settings.response_headers_policy_id,
        grpc_config: settings.grpc_config,
        forwarded_values: settings.forwarded_values,
        min_ttl: settings.min_ttl,
        default_ttl: settings.default_ttl,
        max_ttl: settings.max_ttl,
    }
}
