//! Continuous deployment: staging distributions, policies, and aliases that move.

use aws_api::ApiError;
use aws_api::cloudfront::{
    Aliases, AssociateAliasRequest, ContinuousDeploymentPolicyConfig, ContinuousDeploymentPolicyType,
    ContinuousDeploymentSingleHeaderConfig, ContinuousDeploymentSingleWeightConfig, CopyDistributionRequest,
    DeleteDistributionRequest, Distribution, DistributionConfig, ErrorCode, HttpVersion,
    ListConflictingAliasesRequest, SessionStickinessConfig, StagingDistributionDnsNames, TrafficConfig,
    UpdateDistributionWithStagingConfigRequest,
};

use crate::entity_tag::EntityTag;
use crate::operations::continuous_deployment_policies::ContinuousDeploymentPolicies;
use crate::operations::{aliases, distributions, staging};
use crate::resource::{Stored, create, delete, read, update};
use crate::test_support::{TestControl, check, distribution_config};

type Policy = Stored<ContinuousDeploymentPolicyConfig>;

impl TestControl {
    /// A distribution and a staging copy of it.
    async fn pair(&self) -> (Distribution, Distribution) {
        let id = self.create_distribution(distribution_config("primary")).await;
        let copy = self.copy(&id, |_| ()).await.unwrap();
        (self.distribution(&id).await, copy)
    }

    async fn copy(
        &self,
        id: &str,
        change: impl FnOnce(&mut CopyDistributionRequest),
    ) -> Result<Distribution, ApiError> {
        let mut input = CopyDistributionRequest {
            primary_distribution_id: id.to_owned(),
            staging: Some(true),
            if_match: self.distribution_etag(id).await,
            caller_reference: "copy".to_owned(),
            enabled: None,
        };
        change(&mut input);
        let copied = staging::copy(&self.control, &self.caller, input).await?;
        assert!(copied.etag.is_some());
        Ok(copied.distribution.unwrap())
    }

    async fn deployment_policy(
        &self,
        staging: &Distribution,
        change: impl FnOnce(&mut ContinuousDeploymentPolicyConfig),
    ) -> Result<Policy, ApiError> {
        let mut config = policy(&staging.domain_name);
        change(&mut config);
        create::<ContinuousDeploymentPolicies>(&self.control, config).await
    }

    async fn attach(&self, primary: &Distribution, policy_id: &str) -> Result<(), ApiError> {
        let config = DistributionConfig {
            continuous_deployment_policy_id: Some(policy_id.to_owned()),
            ..primary.distribution_config.clone()
        };
        self.try_update_distribution(&primary.id, config).await
    }

    async fn delete_policy(&self, policy: &Policy) -> Result<(), ApiError> {
        let present = read::<ContinuousDeploymentPolicies>(&self.control, &policy.id).await?;
        let if_match = EntityTag::required(Some(&present.etag()))?;
        delete::<ContinuousDeploymentPolicies>(&self.control, &policy.id, Some(if_match)).await
    }

    async fn promote(
        &self,
        primary: &str,
        staging: Option<&str>,
        if_match: Option<String>,
    ) -> Result<Distribution, ApiError> {
        let input = UpdateDistributionWithStagingConfigRequest {
            id: primary.to_owned(),
            staging_distribution_id: staging.map(str::to_owned),
            if_match,
        };
        let promoted = staging::promote(&self.control, &self.caller, input).await?;
        Ok(promoted.distribution.unwrap())
    }

    async fn etags(&self, primary: &str, staging: &str) -> Option<String> {
        let [primary, staging] =
            [self.distribution_etag(primary).await?, self.distribution_etag(staging).await?];
        Some(format!("{primary}, {staging}"))
    }

    async fn delete_disabled(&self, id: &str) -> Result<(), ApiError> {
        let config = self.distribution(id).await.distribution_config;
        self.try_update_distribution(id, DistributionConfig { enabled: false, ..config }).await?;
        let input =
            DeleteDistributionRequest { id: id.to_owned(), if_match: self.distribution_etag(id).await };
        distributions::delete(&self.control, &self.caller, input).await
    }

    async fn associate(&self, id: &str, alias: &str) -> Result<(), ApiError> {
        let input = AssociateAliasRequest { target_distribution_id: id.to_owned(), alias: alias.to_owned() };
        aliases::associate(&self.control, &self.caller, input).await
    }
}

fn policy(name: &str) -> ContinuousDeploymentPolicyConfig {
    ContinuousDeploymentPolicyConfig {
        staging_distribution_dns_names: StagingDistributionDnsNames::from_items(vec![name.to_owned()]),
        enabled: true,
        traffic_config: Some(TrafficConfig {
            r#type: ContinuousDeploymentPolicyType::SingleWeight,
            single_weight_config: Some(ContinuousDeploymentSingleWeightConfig {
                weight: 0.1,
                session_stickiness_config: None,
            }),
            single_header_config: None,
        }),
    }
}

fn weight(weight: f64, stickiness: Option<(i32, i32)>) -> impl FnOnce(&mut ContinuousDeploymentPolicyConfig) {
    move |config| {
        let traffic = config.traffic_config.as_mut().unwrap();
        traffic.single_weight_config = Some(ContinuousDeploymentSingleWeightConfig {
            weight,
            session_stickiness_config: stickiness
                .map(|(idle_ttl, maximum_ttl)| SessionStickinessConfig { idle_ttl, maximum_ttl }),
        });
    }
}

fn header(header: &str, value: &str) -> impl FnOnce(&mut ContinuousDeploymentPolicyConfig) {
    let config =
        ContinuousDeploymentSingleHeaderConfig { header: header.to_owned(), value: value.to_owned() };
    |policy| {
        policy.traffic_config = Some(TrafficConfig {
            r#type: ContinuousDeploymentPolicyType::SingleHeader,
            single_weight_config: None,
            single_header_config: Some(config),
        });
    }
}

#[tokio::test]
async fn a_copy_is_the_primary_distribution_as_a_staging_one() {
    let test = TestControl::new().await;
    let (primary, copy) = test.pair().await;
    assert_ne!((&copy.id, &copy.domain_name), (&primary.id, &primary.domain_name));
    let expected = DistributionConfig {
        caller_reference: "copy".to_owned(),
        staging: Some(true),
        ..primary.distribution_config
    };
    assert_eq!(copy.distribution_config, expected);
}

#[tokio::test]
async fn copies_that_cannot_be_are_refused() {
    let test = TestControl::new().await;
    let (primary, copy) = test.pair().await;
    let id = &primary.id;
    check(test.copy(id, |input| input.staging = None).await, (400, "InvalidArgument"));
    check(test.copy(id, |input| input.staging = Some(false)).await, (400, "InvalidArgument"));
    check(test.copy(id, |input| input.if_match = None).await, (400, "InvalidIfMatchVersion"));
    let stale = Some("E2QWRUHAPOMQZL".to_owned());
    check(test.copy(id, |input| input.if_match = stale).await, (412, "PreconditionFailed"));
    let missing = |input: &mut CopyDistributionRequest| {
        input.primary_distribution_id = "E00000000000AB".to_owned();
    };
    check(test.copy(id, missing).await, (404, "NoSuchDistribution"));
    check(test.copy(id, |_| ()).await, (409, "DistributionAlreadyExists"));
    let other = |input: &mut CopyDistributionRequest| input.caller_reference = "other".to_owned();
    check(test.copy(&copy.id, other).await, (400, "InvalidArgument"));
}

#[tokio::test]
async fn a_staging_distribution_serves_nobody_under_its_own_name() {
    let test = TestControl::new().await;
    let (primary, copy) = test.pair().await;
    test.apply().await;
    assert!(test.is_serving(&primary.id));
    assert!(copy.distribution_config.enabled && !test.is_serving(&copy.id));
}

#[tokio::test]
async fn what_a_staging_distribution_cannot_have_is_refused() {
    let test = TestControl::new().await;
    let staging = |change: fn(&mut DistributionConfig)| {
        let mut config = distribution_config("staging");
        config.staging = Some(true);
        change(&mut config);
        test.refused_distribution(config)
    };
    let invalid = (400, "InvalidArgument");
    check(staging(|config| config.http_version = Some(HttpVersion::Http2and3)).await, invalid);
    check(staging(|config| config.http_version = Some(HttpVersion::Http3)).await, invalid);
    check(staging(|config| config.origins.items[0].response_completion_timeout = Some(60)).await, invalid);
    check(staging(|config| config.continuous_deployment_policy_id = Some("p".to_owned())).await, invalid);
    let named = |config: &mut DistributionConfig| {
        config.aliases = Some(Aliases::from_items(vec!["api.example.com".to_owned()]));
    };
    check(staging(named).await, invalid);
}

#[tokio::test]
async fn staging_is_for_life() {
    let test = TestControl::new().await;
    let (primary, copy) = test.pair().await;
    for (distribution, other) in [(primary, true), (copy, false)] {
        let config = distribution.distribution_config;
        let changed = DistributionConfig { staging: Some(other), ..config.clone() };
        check(test.try_update_distribution(&distribution.id, changed).await, (400, "IllegalUpdate"));
        let silent = DistributionConfig { staging: None, ..config.clone() };
        test.try_update_distribution(&distribution.id, silent).await.unwrap();
        assert_eq!(test.distribution(&distribution.id).await.distribution_config, config);
    }
}

#[tokio::test]
async fn policies_that_cannot_be_are_refused() {
    let test = TestControl::with(|settings| settings.quotas.continuous_deployment_policies = 1).await;
    let (primary, copy) = test.pair().await;
    let invalid = (400, "InvalidArgument");
    check(test.deployment_policy(&primary, |_| ()).await, invalid);
    for name in ["", "nonsense", "d1.mantlet.localhost", "a b/../c"] {
        let other = Distribution { domain_name: name.to_owned(), ..copy.clone() };
        check(test.deployment_policy(&other, |_| ()).await, invalid);
    }
    let none = |config: &mut ContinuousDeploymentPolicyConfig| {
        config.staging_distribution_dns_names = StagingDistributionDnsNames::default();
    };
    check(test.deployment_policy(&copy, none).await, invalid);
    let claimed = |config: &mut ContinuousDeploymentPolicyConfig| {
        config.staging_distribution_dns_names.quantity = 2;
    };
    check(test.deployment_policy(&copy, claimed).await, (400, "InconsistentQuantities"));
    check(test.deployment_policy(&copy, |config| config.traffic_config = None).await, invalid);
    for share in [-0.01, 0.151, 1.0, f64::NAN, f64::INFINITY] {
        check(test.deployment_policy(&copy, weight(share, None)).await, invalid);
    }
    for stickiness in [(299, 300), (300, 3601), (600, 300)] {
        check(test.deployment_policy(&copy, weight(0.1, Some(stickiness))).await, invalid);
    }
    for name in ["", "x-staging", "aws-cf-cd-", "aws-cf-cd-a b", "aws-cf-cd-ä"] {
        check(test.deployment_policy(&copy, header(name, "on")).await, invalid);
    }
    check(test.deployment_policy(&copy, header("aws-cf-cd-a", "")).await, invalid);
    check(test.deployment_policy(&copy, header("aws-cf-cd-a", "o\nn")).await, invalid);
    let mixed = |config: &mut ContinuousDeploymentPolicyConfig| {
        config.traffic_config.as_mut().unwrap().r#type = ContinuousDeploymentPolicyType::SingleHeader;
    };
    check(test.deployment_policy(&copy, mixed).await, invalid);
    let made = test.deployment_policy(&copy, |_| ()).await.unwrap();
    check(test.deployment_policy(&copy, |_| ()).await, (400, "TooManyContinuousDeploymentPolicies"));
    check(
        read::<ContinuousDeploymentPolicies>(&test.control, "other").await,
        (404, "NoSuchContinuousDeploymentPolicy"),
    );
    let if_match = EntityTag::required(Some(&made.etag())).unwrap();
    let other = policy("d1.mantlet.localhost");
    check(
        update::<ContinuousDeploymentPolicies>(&test.control, &made.id, Some(if_match), other).await,
        invalid,
    );
}

#[tokio::test]
async fn a_staging_distribution_has_one_policy_which_holds_it() {
    let test = TestControl::new().await;
    let (_, copy) = test.pair().await;
    let made = test.deployment_policy(&copy, |_| ()).await.unwrap();
    check(test.deployment_policy(&copy, |_| ()).await, (409, "StagingDistributionInUse"));
    check(test.delete_disabled(&copy.id).await, (409, "ResourceInUse"));
    test.delete_policy(&made).await.unwrap();
    test.delete_disabled(&copy.id).await.unwrap();
    check(test.deployment_policy(&copy, |_| ()).await, (400, "InvalidArgument"));
}

#[tokio::test]
async fn a_policy_has_one_primary_distribution_which_holds_it() {
    let test = TestControl::new().await;
    let (primary, copy) = test.pair().await;
    let made = test.deployment_policy(&copy, |_| ()).await.unwrap();
    let mut with_policy = distribution_config("new");
    with_policy.continuous_deployment_policy_id = Some(made.id.clone());
    check(test.refused_distribution(with_policy).await, (400, "InvalidArgument"));
    check(test.attach(&primary, "other").await, (404, "NoSuchContinuousDeploymentPolicy"));
    check(test.attach(&copy, &made.id).await, (400, "InvalidArgument"));
    test.attach(&primary, &made.id).await.unwrap();
    test.attach(&primary, &made.id).await.unwrap();
    let other = test.create_distribution(distribution_config("other")).await;
    let other = test.distribution(&other).await;
    check(test.attach(&other, &made.id).await, (409, "ContinuousDeploymentPolicyInUse"));
    check(test.delete_policy(&made).await, (409, "ContinuousDeploymentPolicyInUse"));
    test.attach(&primary, "").await.unwrap();
    test.attach(&other, &made.id).await.unwrap();
    test.delete_disabled(&other.id).await.unwrap();
    test.attach(&primary, &made.id).await.unwrap();
    test.attach(&primary, "").await.unwrap();
    test.delete_policy(&made).await.unwrap();
}

#[tokio::test]
async fn promoting_copies_the_staging_configuration_and_ends_the_deployment() {
    let test = TestControl::new().await;
    let (primary, copy) = test.pair().await;
    let made = test.deployment_policy(&copy, |_| ()).await.unwrap();
    test.attach(&primary, &made.id).await.unwrap();
    let changed = DistributionConfig { comment: "new".to_owned().into(), ..copy.distribution_config.clone() };
    test.try_update_distribution(&copy.id, changed.clone()).await.unwrap();
    let promoted = test.promote(&primary.id, Some(&copy.id), test.etags(&primary.id, &copy.id).await).await;
    let expected = DistributionConfig {
        caller_reference: "primary".to_owned(),
        staging: Some(false),
        continuous_deployment_policy_id: Some(made.id.clone()),
        ..changed
    };
    assert_eq!(promoted.unwrap().distribution_config, expected);
    assert!(!read::<ContinuousDeploymentPolicies>(&test.control, &made.id).await.unwrap().config.enabled);
    // Again, with the policy disabled and its staging distribution left to find.
    let again = test.promote(&primary.id, None, test.etags(&primary.id, &copy.id).await).await;
    assert_eq!(again.unwrap().distribution_config, expected);
}

#[tokio::test]
async fn promotions_that_cannot_be_are_refused() {
    let test = TestControl::new().await;
    let (primary, copy) = test.pair().await;
    let etags = test.etags(&primary.id, &copy.id).await;
    check(test.promote(&primary.id, Some(&copy.id), etags).await, (400, "IllegalUpdate"));
    let made = test.deployment_policy(&copy, |_| ()).await.unwrap();
    test.attach(&primary, &made.id).await.unwrap();
    let etags = test.etags(&primary.id, &copy.id).await.unwrap();
    let (of_primary, of_staging) = etags.split_once(", ").unwrap();
    for if_match in [None, Some(of_primary.to_owned()), Some(format!("{of_primary} {of_staging}"))] {
        check(test.promote(&primary.id, Some(&copy.id), if_match).await, (400, "InvalidIfMatchVersion"));
    }
    for if_match in [format!("{of_staging},{of_staging}"), format!("{of_primary},{of_primary}")] {
        check(test.promote(&primary.id, Some(&copy.id), Some(if_match)).await, (412, "PreconditionFailed"));
    }
    let etags = Some(etags.clone());
    check(test.promote("E00000000000AB", Some(&copy.id), etags.clone()).await, (404, "NoSuchDistribution"));
    let missing = test.promote(&primary.id, Some("E00000000000AB"), etags.clone()).await;
    check(missing, (404, "NoSuchDistribution"));
    check(test.promote(&primary.id, Some(&primary.id), etags).await, (400, "IllegalUpdate"));
}

#[tokio::test]
async fn an_alias_needs_a_certificate_at_its_target() {
    let test = TestControl::new().await;
    let id = test.create_distribution(distribution_config("a")).await;
    check(test.associate(&id, "api.example.com").await, (400, "IllegalUpdate"));
    check(test.associate(&id, "not a name").await, (400, "InvalidArgument"));
    check(test.associate(&id, "mantlet.localhost").await, (400, "InvalidArgument"));
    check(test.associate("E00000000000AB", "api.example.com").await, (404, "NoSuchDistribution"));
}

#[tokio::test]
async fn conflicts_are_looked_for_at_a_distribution_that_exists() {
    let test = TestControl::new().await;
    let id = test.create_distribution(distribution_config("a")).await;
    let list = |id: &str, alias: &str, max_items: Option<i32>| {
        let input = ListConflictingAliasesRequest {
            distribution_id: id.to_owned(),
            alias: alias.to_owned(),
            marker: None,
            max_items,
        };
        aliases::list_conflicting(&test.control, &test.caller, input)
    };
    let listed = list(&id, "*.example.com", Some(7)).await.unwrap().conflicting_aliases_list.unwrap();
    assert_eq!((listed.quantity, listed.max_items, listed.items), (Some(0), Some(7), None));
    check(list("E00000000000AB", "a.example.com", None).await, (404, ErrorCode::NoSuchDistribution.as_str()));
    check(list(&id, "not a name", None).await, (400, "InvalidArgument"));
    check(list(&id, "a.example.com", Some(0)).await, (400, "InvalidArgument"));
}
