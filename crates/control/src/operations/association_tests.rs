//! Public keys, key groups, origin access controls, real-time log configurations and monitoring
//! subscriptions: what each refuses, and what they are to distributions.

use aws_api::ApiError;
use aws_api::cloudfront::{
    CreateMonitoringSubscriptionRequest, CreateRealtimeLogConfigRequest, DeleteDistributionRequest,
    DeleteMonitoringSubscriptionRequest, DeleteRealtimeLogConfigRequest, DistributionConfig, EndPoint,
    GetMonitoringSubscriptionRequest, GetRealtimeLogConfigRequest, KeyGroupConfig, KinesisStreamConfig,
    ListOriginAccessControlsRequest, ListRealtimeLogConfigsRequest, MonitoringSubscription, Origin,
    OriginAccessControlConfig, OriginAccessControlSigningProtocols, PublicKeyConfig,
    RealtimeMetricsSubscriptionConfig, RealtimeMetricsSubscriptionStatus, S3OriginConfig, TrustedKeyGroups,
    UpdateRealtimeLogConfigRequest,
};

use crate::entity_tag::EntityTag;
use crate::operations::key_groups::KeyGroups;
use crate::operations::origin_access_controls::OriginAccessControls;
use crate::operations::public_keys::PublicKeys;
use crate::operations::{
    distributions, monitoring_subscriptions, origin_access_controls, realtime_log_configs,
};
use crate::resource::{Family, Stored, create, delete, read, update};
use crate::test_support::{ACCOUNT, P256_KEY, TestControl, check, distribution_config, public_key};

impl TestControl {
    async fn made<F: Family>(&self, config: F::Config) -> Stored<F::Config> {
        create::<F>(&self.control, config).await.unwrap()
    }

    async fn changed<F: Family>(
        &self,
        present: &Stored<F::Config>,
        config: F::Config,
    ) -> Result<Stored<F::Config>, ApiError> {
        let if_match = EntityTag::required(Some(&present.etag()))?;
        update::<F>(&self.control, &present.id, Some(if_match), config).await
    }

    async fn gone<F: Family>(&self, present: &Stored<F::Config>) -> Result<(), ApiError> {
        let if_match = EntityTag::required(Some(&present.etag()))?;
        delete::<F>(&self.control, &present.id, Some(if_match)).await
    }

    async fn refused_key(&self, change: impl FnOnce(&mut PublicKeyConfig)) -> Result<(), ApiError> {
        let mut config = public_key("new");
        change(&mut config);
        create::<PublicKeys>(&self.control, config).await.map(drop)
    }

    async fn refused_group(&self, change: impl FnOnce(&mut KeyGroupConfig)) -> Result<(), ApiError> {
        let mut config = key_group("new", &["K0000000000000"]);
        change(&mut config);
        create::<KeyGroups>(&self.control, config).await.map(drop)
    }

    async fn refused_control(
        &self,
        change: impl FnOnce(&mut OriginAccessControlConfig),
    ) -> Result<(), ApiError> {
        let mut config = origin_access_control("new");
        change(&mut config);
        create::<OriginAccessControls>(&self.control, config).await.map(drop)
    }

    async fn log_config(
        &self,
        change: impl FnOnce(&mut CreateRealtimeLogConfigRequest),
    ) -> Result<String, ApiError> {
        let mut input = log_config("logs");
        change(&mut input);
        let created = realtime_log_configs::create(&self.control, &self.caller, input).await?;
        Ok(created.realtime_log_config.unwrap().arn)
    }

    async fn update_log_config(&self, name: &str, sampling_rate: Option<i64>) -> Result<i64, ApiError> {
        let CreateRealtimeLogConfigRequest { end_points, fields, .. } = log_config(name);
        let input = UpdateRealtimeLogConfigRequest {
            end_points: Some(end_points),
            fields: Some(fields),
            name: Some(name.to_owned()),
            arn: None,
            sampling_rate,
        };
        let updated = realtime_log_configs::update(&self.control, &self.caller, input).await?;
        Ok(updated.realtime_log_config.unwrap().sampling_rate)
    }

    async fn get_log_config(&self, name: Option<&str>, arn: Option<&str>) -> Result<String, ApiError> {
        let input =
            GetRealtimeLogConfigRequest { name: name.map(str::to_owned), arn: arn.map(str::to_owned) };
        let got = realtime_log_configs::get(&self.control, &self.caller, input).await?;
        Ok(got.realtime_log_config.unwrap().name)
    }

    async fn delete_log_config(&self, arn: &str) -> Result<(), ApiError> {
        let input = DeleteRealtimeLogConfigRequest { name: None, arn: Some(arn.to_owned()) };
        realtime_log_configs::delete(&self.control, &self.caller, input).await
    }

    async fn subscribe(&self, id: &str, is_enabled: bool) -> Result<(), ApiError> {
        let input = CreateMonitoringSubscriptionRequest {
            distribution_id: id.to_owned(),
            monitoring_subscription: subscription(is_enabled),
        };
        monitoring_subscriptions::create(&self.control, &self.caller, input).await.map(drop)
    }

    async fn subscription(&self, id: &str) -> Result<MonitoringSubscription, ApiError> {
        let input = GetMonitoringSubscriptionRequest { distribution_id: id.to_owned() };
        let got = monitoring_subscriptions::get(&self.control, &self.caller, input).await?;
        Ok(got.monitoring_subscription.unwrap())
    }

    async fn unsubscribe(&self, id: &str) -> Result<(), ApiError> {
        let input = DeleteMonitoringSubscriptionRequest { distribution_id: id.to_owned() };
        monitoring_subscriptions::delete(&self.control, &self.caller, input).await.map(drop)
    }
}

fn key_group(name: &str, items: &[&str]) -> KeyGroupConfig {
    let items = items.iter().map(|&id| id.to_owned()).collect();
    KeyGroupConfig { name: name.to_owned(), items, comment: None }
}

fn origin_access_control(name: &str) -> OriginAccessControlConfig {
    OriginAccessControlConfig { name: name.to_owned(), ..OriginAccessControlConfig::default() }
}

fn log_config(name: &str) -> CreateRealtimeLogConfigRequest {
    CreateRealtimeLogConfigRequest {
        end_points: vec![EndPoint {
            stream_type: "Kinesis".to_owned(),
            kinesis_stream_config: Some(KinesisStreamConfig {
                role_arn: "arn:aws:iam::111122223333:role/logs".to_owned(),
                stream_arn: "arn:aws:kinesis:us-east-1:111122223333:stream/logs".to_owned(),
            }),
        }],
        fields: vec!["timestamp".to_owned(), "sc-status".to_owned()],
        name: name.to_owned(),
        sampling_rate: 100,
    }
}

fn subscription(is_enabled: bool) -> MonitoringSubscription {
    let realtime_metrics_subscription_status = if is_enabled {
        RealtimeMetricsSubscriptionStatus::Enabled
    } else {
        RealtimeMetricsSubscriptionStatus::Disabled
    };
    MonitoringSubscription {
        realtime_metrics_subscription_config: Some(RealtimeMetricsSubscriptionConfig {
            realtime_metrics_subscription_status,
        }),
    }
}

fn trusting(groups: &[&str]) -> DistributionConfig {
    let mut config = distribution_config("trusting");
    let items = groups.iter().map(|&id| id.to_owned()).collect();
    config.default_cache_behavior.trusted_key_groups =
        Some(TrustedKeyGroups { enabled: !groups.is_empty(), ..TrustedKeyGroups::from_items(items) });
    config
}

fn logging(arn: &str) -> DistributionConfig {
    let mut config = distribution_config("logging");
    config.default_cache_behavior.realtime_log_config_arn = Some(arn.to_owned());
    config
}

fn controlled(id: &str, domain_name: &str, identity: &str) -> DistributionConfig {
    let mut config = distribution_config("controlled");
    config.origins.items = vec![Origin {
        id: "api".to_owned(),
        domain_name: domain_name.to_owned(),
        origin_access_control_id: Some(id.to_owned()),
        s3_origin_config: Some(S3OriginConfig {
            origin_access_identity: identity.to_owned(),
            ..S3OriginConfig::default()
        }),
        ..Origin::default()
    }];
    config
}

const BUCKET: &str = "bucket.s3.us-east-1.amazonaws.com";

#[tokio::test]
async fn a_public_key_has_an_id_of_its_own_form() {
    let test = TestControl::new().await;
    let key = test.made::<PublicKeys>(public_key("a")).await;
    assert!(key.id.len() == 14 && key.id.starts_with('K'), "{}", key.id);
}

#[tokio::test]
async fn public_keys_that_cannot_be_are_refused() {
    let test = TestControl::with(|settings| settings.quotas.public_keys = 1).await;
    let invalid = (400, "InvalidArgument");
    check(test.refused_key(|key| key.encoded_key = "key".to_owned()).await, invalid);
    check(test.refused_key(|key| key.name = String::new()).await, invalid);
    check(test.refused_key(|key| key.name = "a\u{7}".to_owned()).await, invalid);
    check(test.refused_key(|key| key.caller_reference = String::new()).await, invalid);
    check(test.refused_key(|key| key.comment = Some("c".repeat(129))).await, invalid);
    test.made::<PublicKeys>(public_key("a")).await;
    check(test.refused_key(|_| ()).await, (400, "TooManyPublicKeys"));
}

#[tokio::test]
async fn names_and_caller_references_of_public_keys_are_used_once() {
    let test = TestControl::new().await;
    test.made::<PublicKeys>(public_key("a")).await;
    check(test.refused_key(|key| key.name = "a".to_owned()).await, (409, "PublicKeyAlreadyExists"));
    check(
        test.refused_key(|key| key.caller_reference = "a".to_owned()).await,
        (409, "PublicKeyAlreadyExists"),
    );
}

#[tokio::test]
async fn only_the_comment_of_a_public_key_changes() {
    let test = TestControl::new().await;
    let key = test.made::<PublicKeys>(public_key("a")).await;
    let expect = (400, "CannotChangeImmutablePublicKeyFields");
    let renamed = PublicKeyConfig { name: "b".to_owned(), ..key.config.clone() };
    check(test.changed::<PublicKeys>(&key, renamed).await, expect);
    let referred = PublicKeyConfig { caller_reference: "b".to_owned(), ..key.config.clone() };
    check(test.changed::<PublicKeys>(&key, referred).await, expect);
    let exchanged = PublicKeyConfig { encoded_key: P256_KEY.to_owned(), ..key.config.clone() };
    check(test.changed::<PublicKeys>(&key, exchanged).await, expect);
    let commented = PublicKeyConfig {
        comment: Some("new".to_owned()),
        encoded_key: key.config.encoded_key.trim().to_owned(),
        ..key.config.clone()
    };
    assert_eq!(test.changed::<PublicKeys>(&key, commented.clone()).await.unwrap().config, commented);
}

#[tokio::test]
async fn a_public_key_in_a_key_group_stays() {
    let test = TestControl::new().await;
    let [one, other] =
        [test.made::<PublicKeys>(public_key("a")).await, test.made::<PublicKeys>(public_key("b")).await];
    let group = test.made::<KeyGroups>(key_group("group", &[&one.id])).await;
    check(test.gone::<PublicKeys>(&one).await, (409, "PublicKeyInUse"));
    let group = test.changed::<KeyGroups>(&group, key_group("group", &[&other.id])).await.unwrap();
    test.gone::<PublicKeys>(&one).await.unwrap();
    check(read::<PublicKeys>(&test.control, &one.id).await, (404, "NoSuchPublicKey"));
    test.gone::<KeyGroups>(&group).await.unwrap();
    test.gone::<PublicKeys>(&other).await.unwrap();
}

#[tokio::test]
async fn key_groups_that_cannot_be_are_refused() {
    let test = TestControl::with(|settings| settings.quotas.key_groups = 1).await;
    let key = test.made::<PublicKeys>(public_key("a")).await;
    let invalid = (400, "InvalidArgument");
    check(test.refused_group(|_| ()).await, invalid);
    check(test.refused_group(|group| group.items = vec!["../key".to_owned()]).await, invalid);
    check(test.refused_group(|group| group.items.clear()).await, invalid);
    check(test.refused_group(|group| group.items = vec![key.id.clone(); 2]).await, invalid);
    check(test.refused_group(|group| group.name = "n".repeat(129)).await, invalid);
    let six = |group: &mut KeyGroupConfig| group.items = (0..6).map(|number| format!("K{number}")).collect();
    check(test.refused_group(six).await, (400, "TooManyPublicKeysInKeyGroup"));
    test.made::<KeyGroups>(key_group("a", &[&key.id])).await;
    let good = |group: &mut KeyGroupConfig| group.items = vec![key.id.clone()];
    check(test.refused_group(good).await, (400, "TooManyKeyGroups"));
    check(read::<KeyGroups>(&test.control, "other").await, (404, "NoSuchResource"));
}

#[tokio::test]
async fn names_of_key_groups_are_used_once() {
    let test = TestControl::new().await;
    let key = test.made::<PublicKeys>(public_key("a")).await;
    test.made::<KeyGroups>(key_group("group", &[&key.id])).await;
    let again = create::<KeyGroups>(&test.control, key_group("group", &[&key.id])).await;
    check(again, (409, "KeyGroupAlreadyExists"));
}

#[tokio::test]
async fn a_distribution_shows_the_keys_that_it_trusts_and_holds_them() {
    let test = TestControl::with(|settings| settings.accept_unenforced = true).await;
    let key = test.made::<PublicKeys>(public_key("a")).await;
    let group = test.made::<KeyGroups>(key_group("group", &[&key.id])).await;
    let id = test.create_distribution(trusting(&[&group.id])).await;
    let active = test.distribution(&id).await.active_trusted_key_groups.unwrap();
    assert!(active.enabled);
    let [shown] = active.items() else { panic!("{active:?}") };
    assert_eq!(shown.key_group_id.as_ref(), Some(&group.id));
    assert_eq!(shown.key_pair_ids.as_ref().unwrap().items(), [key.id]);
    check(test.gone::<KeyGroups>(&group).await, (409, "ResourceInUse"));
    test.update_distribution(&id, trusting(&[])).await;
    let active = test.distribution(&id).await.active_trusted_key_groups.unwrap();
    assert!(!active.enabled && active.items().is_empty());
    test.gone::<KeyGroups>(&group).await.unwrap();
}

#[tokio::test]
async fn key_groups_that_protect_nothing_are_refused() {
    let test = TestControl::with(|settings| settings.accept_unenforced = true).await;
    check(test.refused_distribution(trusting(&["other"])).await, (400, "TrustedKeyGroupDoesNotExist"));
    let five = ["a", "b", "c", "d", "e"];
    let too_many = (400, "TooManyKeyGroupsAssociatedToDistribution");
    check(test.refused_distribution(trusting(&five)).await, too_many);
    let mut named_only = trusting(&["a"]);
    named_only.default_cache_behavior.trusted_key_groups.as_mut().unwrap().enabled = false;
    check(test.refused_distribution(named_only).await, (400, "InvalidArgument"));
    let strict = TestControl::new().await;
    check(strict.refused_distribution(trusting(&["a"])).await, (400, "UnsupportedOperation"));
}

#[tokio::test]
async fn a_key_group_and_an_origin_access_control_have_so_many_distributions() {
    let test = TestControl::with(|settings| {
        settings.accept_unenforced = true;
        settings.quotas.distributions_per_key_group = 1;
        settings.quotas.distributions_per_origin_access_control = 1;
    })
    .await;
    let key = test.made::<PublicKeys>(public_key("a")).await;
    let group = test.made::<KeyGroups>(key_group("group", &[&key.id])).await;
    let id = test.create_distribution(trusting(&[&group.id])).await;
    test.update_distribution(&id, trusting(&[&group.id])).await;
    let more = DistributionConfig { caller_reference: "more".to_owned(), ..trusting(&[&group.id]) };
    check(test.refused_distribution(more).await, (400, "TooManyDistributionsAssociatedToKeyGroup"));
    let control = test.made::<OriginAccessControls>(origin_access_control("a")).await;
    test.create_distribution(controlled(&control.id, BUCKET, "")).await;
    let more =
        DistributionConfig { caller_reference: "more".to_owned(), ..controlled(&control.id, BUCKET, "") };
    let too_many = (400, "TooManyDistributionsAssociatedToOriginAccessControl");
    check(test.refused_distribution(more).await, too_many);
}

#[tokio::test]
async fn origin_access_controls_that_cannot_be_are_refused() {
    let test = TestControl::with(|settings| settings.quotas.origin_access_controls = 1).await;
    let invalid = (400, "InvalidArgument");
    check(test.refused_control(|control| control.name = "n".repeat(65)).await, invalid);
    check(test.refused_control(|control| control.description = Some("d".repeat(257))).await, invalid);
    let newer = OriginAccessControlSigningProtocols::Sigv4a;
    check(test.refused_control(|control| control.signing_protocol = newer).await, invalid);
    let made = test.made::<OriginAccessControls>(origin_access_control("a")).await;
    assert!(made.id.len() == 14 && made.id.starts_with('E'), "{}", made.id);
    check(test.refused_control(|_| ()).await, (400, "TooManyOriginAccessControls"));
}

#[tokio::test]
async fn names_of_origin_access_controls_are_used_once() {
    let test = TestControl::new().await;
    test.made::<OriginAccessControls>(origin_access_control("a")).await;
    let again = test.refused_control(|control| control.name = "a".to_owned()).await;
    check(again, (409, "OriginAccessControlAlreadyExists"));
}

#[tokio::test]
async fn an_origin_access_control_is_for_aws_origins_and_held_by_them() {
    let test = TestControl::new().await;
    let made = test.made::<OriginAccessControls>(origin_access_control("a")).await;
    let missing = test.refused_distribution(controlled("E00000000000AB", BUCKET, "")).await;
    check(missing, (404, "NoSuchOriginAccessControl"));
    let elsewhere = test.refused_distribution(controlled(&made.id, "api.example.com", "")).await;
    check(elsewhere, (400, "InvalidDomainNameForOriginAccessControl"));
    let both = controlled(&made.id, BUCKET, "origin-access-identity/cloudfront/E1");
    check(test.refused_distribution(both).await, (400, "IllegalOriginAccessConfiguration"));
    let id = test.create_distribution(controlled(&made.id, BUCKET, "")).await;
    check(test.gone::<OriginAccessControls>(&made).await, (409, "OriginAccessControlInUse"));
    test.update_distribution(&id, controlled("", BUCKET, "")).await;
    test.gone::<OriginAccessControls>(&made).await.unwrap();
}

#[tokio::test]
async fn origin_access_controls_are_listed_in_pages_of_the_older_kind() {
    let test = TestControl::new().await;
    for name in ["a", "b", "c"] {
        test.made::<OriginAccessControls>(origin_access_control(name)).await;
    }
    let page = |marker: Option<String>| {
        let input = ListOriginAccessControlsRequest { marker, max_items: Some("2".to_owned()) };
        origin_access_controls::list(&test.control, &test.caller, input)
    };
    let first = page(None).await.unwrap().origin_access_control_list.unwrap();
    assert_eq!((first.quantity, first.is_truncated, first.max_items), (2, true, 2));
    let second = page(first.next_marker.clone()).await.unwrap().origin_access_control_list.unwrap();
    assert_eq!((second.quantity, second.is_truncated, &second.next_marker), (1, false, &None));
    assert_eq!(Some(second.marker), first.next_marker);
}

#[tokio::test]
async fn realtime_log_configs_that_cannot_be_are_refused() {
    let test = TestControl::with(|settings| settings.quotas.realtime_log_configs = 1).await;
    let invalid = (400, "InvalidArgument");
    for rate in [0, 101, -1, i64::MAX] {
        check(test.log_config(|input| input.sampling_rate = rate).await, invalid);
    }
    for name in ["", "a b", "a/b", &"n".repeat(65)] {
        check(test.log_config(|input| input.name = name.to_owned()).await, invalid);
    }
    check(test.log_config(|input| input.fields.clear()).await, invalid);
    check(test.log_config(|input| input.fields.push("cookie".to_owned())).await, invalid);
    check(test.log_config(|input| input.fields.push("timestamp".to_owned())).await, invalid);
    check(test.log_config(|input| input.end_points.clear()).await, invalid);
    check(test.log_config(|input| input.end_points[0].stream_type = "S3".to_owned()).await, invalid);
    check(test.log_config(|input| input.end_points[0].kinesis_stream_config = None).await, invalid);
    for arn in ["", "arn:aws:kinesis:us-east-1:1:stream/a", "arn:aws:s3:::111122223333:stream/a"] {
        check(test.log_config(|input| stream(input).stream_arn = arn.to_owned()).await, invalid);
        check(test.log_config(|input| stream(input).role_arn = arn.to_owned()).await, invalid);
    }
    test.log_config(|_| ()).await.unwrap();
    check(test.log_config(|input| input.name = "other".to_owned()).await, (400, "TooManyRealtimeLogConfigs"));
}

fn stream(input: &mut CreateRealtimeLogConfigRequest) -> &mut KinesisStreamConfig {
    input.end_points[0].kinesis_stream_config.as_mut().unwrap()
}

#[tokio::test]
async fn a_realtime_log_config_is_found_by_name_and_by_arn() {
    let test = TestControl::new().await;
    let arn = test.log_config(|_| ()).await.unwrap();
    assert_eq!(arn, format!("arn:aws:cloudfront::{ACCOUNT}:realtime-log-config/logs"));
    check(test.log_config(|_| ()).await, (409, "RealtimeLogConfigAlreadyExists"));
    assert_eq!(test.get_log_config(Some("logs"), None).await.unwrap(), "logs");
    assert_eq!(test.get_log_config(None, Some(&arn)).await.unwrap(), "logs");
    assert_eq!(test.get_log_config(Some("logs"), Some("arn:nonsense")).await.unwrap(), "logs");
    check(test.get_log_config(Some("other"), Some(&arn)).await, (404, "NoSuchRealtimeLogConfig"));
    let foreign = arn.replace(ACCOUNT, "111122223333");
    check(test.get_log_config(None, Some(&foreign)).await, (404, "NoSuchRealtimeLogConfig"));
    check(test.get_log_config(None, Some("logs")).await, (400, "InvalidArgument"));
    check(test.get_log_config(None, None).await, (400, "InvalidArgument"));
    assert_eq!(test.update_log_config("logs", Some(7)).await.unwrap(), 7);
    check(test.update_log_config("logs", None).await, (400, "InvalidArgument"));
    check(test.update_log_config("other", Some(7)).await, (404, "NoSuchRealtimeLogConfig"));
    test.delete_log_config(&arn).await.unwrap();
    check(test.delete_log_config(&arn).await, (404, "NoSuchRealtimeLogConfig"));
    let input = ListRealtimeLogConfigsRequest::default();
    let listed = realtime_log_configs::list(&test.control, &test.caller, input).await.unwrap();
    assert_eq!(listed.realtime_log_configs.unwrap().items, None);
}

#[tokio::test]
async fn a_cache_behavior_names_a_log_config_of_this_account_exactly() {
    let test = TestControl::new().await;
    let arn = test.log_config(|_| ()).await.unwrap();
    check(test.refused_distribution(logging("logs")).await, (400, "InvalidArgument"));
    let other_kind = arn.replace("realtime-log-config", "distribution");
    check(test.refused_distribution(logging(&other_kind)).await, (400, "InvalidArgument"));
    check(test.refused_distribution(logging(&format!("x/{arn}"))).await, (400, "InvalidArgument"));
    let foreign = arn.replace(ACCOUNT, "111122223333");
    check(test.refused_distribution(logging(&foreign)).await, (401, "RealtimeLogConfigOwnerMismatch"));
    let missing = test.refused_distribution(logging(&format!("{arn}2"))).await;
    check(missing, (404, "NoSuchRealtimeLogConfig"));
    let id = test.create_distribution(logging(&arn)).await;
    check(test.delete_log_config(&arn).await, (400, "RealtimeLogConfigInUse"));
    test.update_distribution(&id, logging("")).await;
    test.delete_log_config(&arn).await.unwrap();
}

#[tokio::test]
async fn a_monitoring_subscription_is_of_a_distribution_and_goes_with_it() {
    let test = TestControl::new().await;
    let missing = (404, "NoSuchDistribution");
    check(test.subscribe("E00000000000AB", true).await, missing);
    check(test.subscription("E00000000000AB").await, missing);
    check(test.unsubscribe("E00000000000AB").await, missing);
    let mut config = distribution_config("a");
    config.enabled = false;
    let id = test.create_distribution(config).await;
    check(test.subscription(&id).await, (404, "NoSuchMonitoringSubscription"));
    check(test.unsubscribe(&id).await, (404, "NoSuchMonitoringSubscription"));
    test.subscribe(&id, true).await.unwrap();
    check(test.subscribe(&id, true).await, (409, "MonitoringSubscriptionAlreadyExists"));
    test.subscribe(&id, false).await.unwrap();
    assert_eq!(test.subscription(&id).await.unwrap(), subscription(false));
    test.unsubscribe(&id).await.unwrap();
    test.subscribe(&id, true).await.unwrap();
    let input = DeleteDistributionRequest { id: id.clone(), if_match: test.distribution_etag(&id).await };
    distributions::delete(&test.control, &test.caller, input).await.unwrap();
    let left = store::Store::range(&*test.store, store::Range::of_kind_prefix("")).await.unwrap().records;
    assert!(left.iter().all(|record| record.key.id != id), "{left:?}");
}
