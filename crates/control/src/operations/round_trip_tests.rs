//! Any valid configuration goes in and comes back equal, and again after it was sent back unchanged.

use aws_api::cloudfront::{
    ContinuousDeploymentPolicyConfig, ContinuousDeploymentPolicyType, ContinuousDeploymentSingleHeaderConfig,
    ContinuousDeploymentSingleWeightConfig, EndPoint, KeyGroupConfig, KinesisStreamConfig,
    OriginAccessControlConfig, OriginAccessControlOriginTypes, OriginAccessControlSigningBehaviors,
    PublicKeyConfig, RealtimeLogConfig, SessionStickinessConfig, StagingDistributionDnsNames, TrafficConfig,
};
use proptest::prelude::*;

use crate::entity_tag::EntityTag;
use crate::operations::continuous_deployment_policies::ContinuousDeploymentPolicies;
use crate::operations::key_groups::KeyGroups;
use crate::operations::origin_access_controls::OriginAccessControls;
use crate::operations::public_keys::PublicKeys;
use crate::operations::realtime_log_configs::RealtimeLogConfigs;
use crate::resource::{Family, create, read, update};
use crate::test_support::{P256_KEY, RSA_2048_KEY, TestControl, distribution_config, public_key};

/// Creates, reads and sends back what was read.
async fn round_trip<F: Family>(test: &TestControl, config: F::Config) {
    let mut expected = config.clone();
    F::complete(&mut expected);
    let created = create::<F>(&test.control, config).await.unwrap();
    assert_eq!(created.config, expected);
    let got = read::<F>(&test.control, &created.id).await.unwrap();
    assert_eq!(got, created);
    let if_match = EntityTag::required(Some(&got.etag())).unwrap();
    let updated = update::<F>(&test.control, &got.id, Some(if_match), got.config).await.unwrap();
    assert_eq!(updated.config, expected);
    assert_eq!(updated.created_time, created.created_time);
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

/// What XML, JSON and the store's keys must keep as it is.
fn text(most: usize) -> impl Strategy<Value = String> {
    prop::string::string_regex(&format!("[ -~äß€😀]{{1,{most}}}")).unwrap()
}

fn public_keys() -> impl Strategy<Value = PublicKeyConfig> {
    let key = prop_oneof![Just(RSA_2048_KEY), Just(P256_KEY)];
    (text(128), text(64), prop::option::of(text(128)), key).prop_map(
        |(caller_reference, name, comment, encoded_key)| PublicKeyConfig {
            caller_reference,
            name,
            encoded_key: encoded_key.to_owned(),
            comment,
        },
    )
}

fn origin_access_controls() -> impl Strategy<Value = OriginAccessControlConfig> {
    let types = prop::sample::select(OriginAccessControlOriginTypes::ALL);
    let behaviors = prop::sample::select(OriginAccessControlSigningBehaviors::ALL);
    (text(64), prop::option::of(text(256)), types, behaviors).prop_map(
        |(name, description, origin_access_control_origin_type, signing_behavior)| {
            OriginAccessControlConfig {
                name,
                description,
                signing_behavior,
                origin_access_control_origin_type,
                ..OriginAccessControlConfig::default()
            }
        },
    )
}

fn realtime_log_configs() -> impl Strategy<Value = RealtimeLogConfig> {
    let fields = prop::sample::subsequence(crate::operations::realtime_log_configs::FIELDS.to_vec(), 1..=71);
    ("[A-Za-z0-9_-]{1,64}", 1_i64..=100, fields.prop_shuffle()).prop_map(|(name, sampling_rate, fields)| {
        RealtimeLogConfig {
            arn: format!("arn:aws:cloudfront::000000000000:realtime-log-config/{name}"),
            name,
            sampling_rate,
            fields: fields.into_iter().map(str::to_owned).collect(),
            end_points: vec![end_point()],
        }
    })
}

fn end_point() -> EndPoint {
    EndPoint {
        stream_type: "Kinesis".to_owned(),
        kinesis_stream_config: Some(KinesisStreamConfig {
            role_arn: "arn:aws:iam::111122223333:role/service/logs".to_owned(),
            stream_arn: "arn:aws:kinesis:us-east-1:111122223333:stream/logs".to_owned(),
        }),
    }
}

fn traffic() -> impl Strategy<Value = TrafficConfig> {
    let stickiness = (300_i32..=3600, 300_i32..=3600).prop_map(|(one, other)| SessionStickinessConfig {
        idle_ttl: one.min(other),
        maximum_ttl: one.max(other),
    });
    let weight =
        (0_u32..=150, prop::option::of(stickiness)).prop_map(|(thousandths, stickiness)| TrafficConfig {
            r#type: ContinuousDeploymentPolicyType::SingleWeight,
            single_weight_config: Some(ContinuousDeploymentSingleWeightConfig {
                weight: f64::from(thousandths) / 1000.0,
                session_stickiness_config: stickiness,
            }),
            single_header_config: None,
        });
    let header = ("aws-cf-cd-[a-z0-9-]{1,40}", "[!-~]{1,80}").prop_map(|(header, value)| TrafficConfig {
        r#type: ContinuousDeploymentPolicyType::SingleHeader,
        single_weight_config: None,
        single_header_config: Some(ContinuousDeploymentSingleHeaderConfig { header, value }),
    });
    prop_oneof![weight, header]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn public_keys_come_back_equal(config in public_keys()) {
        run(async { round_trip::<PublicKeys>(&TestControl::new().await, config).await });
    }

    #[test]
    fn key_groups_come_back_equal(name in text(128), comment in prop::option::of(text(128)), keys in 1_usize..=5) {
        run(async {
            let test = TestControl::new().await;
            let mut items = Vec::new();
            for number in 0..keys {
                items.push(create::<PublicKeys>(&test.control, public_key(&format!("{number}"))).await.unwrap().id);
            }
            round_trip::<KeyGroups>(&test, KeyGroupConfig { name, items, comment }).await;
        });
    }

    #[test]
    fn origin_access_controls_come_back_equal(config in origin_access_controls()) {
        run(async { round_trip::<OriginAccessControls>(&TestControl::new().await, config).await });
    }

    #[test]
    fn realtime_log_configs_come_back_equal(config in realtime_log_configs()) {
        run(async { round_trip::<RealtimeLogConfigs>(&TestControl::new().await, config).await });
    }

    #[test]
    fn continuous_deployment_policies_come_back_equal(traffic in traffic(), enabled in any::<bool>()) {
        run(async {
            let test = TestControl::new().await;
            let mut staging = distribution_config("staging");
            staging.staging = Some(true);
            let name = test.create_distribution_named(staging).await;
            let config = ContinuousDeploymentPolicyConfig {
                staging_distribution_dns_names: StagingDistributionDnsNames::from_items(vec![name]),
                enabled,
                traffic_config: Some(traffic),
            };
            round_trip::<ContinuousDeploymentPolicies>(&test, config).await;
        });
    }
}
