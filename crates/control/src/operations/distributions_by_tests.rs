use aws_api::ApiError;
use aws_api::cloudfront::{
    AssociateDistributionWebACLRequest, CachePolicyConfig, ConnectionMode,
    DisassociateDistributionWebACLRequest, DistributionConfig, DistributionIdList, DistributionList,
    ListDistributionsByCachePolicyIdRequest, ListDistributionsByConnectionModeRequest,
    ListDistributionsByKeyGroupRequest, ListDistributionsByOriginRequestPolicyIdRequest,
    ListDistributionsByRealtimeLogConfigRequest, ListDistributionsByResponseHeadersPolicyIdRequest,
    ListDistributionsByVpcOriginIdRequest, ListDistributionsByWebACLIdRequest,
};

use crate::commit::Change;
use crate::kind::Kind;
use crate::managed::{ALL_VIEWER_ID, CACHING_DISABLED_ID};
use crate::operations::cache_policies::CachePolicies;
use crate::operations::{distributions_by, web_acl_association};
use crate::records::{distribution_key, resource_key};
use crate::resource::create;
use crate::test_support::{ACCOUNT, TestControl, distribution_config};

const SECURITY_HEADERS_ID: &str = "67f7725c-6f97-4210-82d7-5512b31e9d03";
const WEB_ACL: &str =
    "arn:aws:wafv2:us-east-1:123456789012:global/webacl/acl/473e64fd-f30b-4765-81a0-62ad96dd167a";
/// A well-formed ETag that no resource has.
const OTHER_ETAG: &str = "E2QWRUHAPOMQZL";

fn check<T: std::fmt::Debug>(result: Result<T, ApiError>, expect: (u16, &str)) {
    let error = result.unwrap_err();
    assert_eq!((error.status, error.code), expect, "{}", error.message);
}

impl TestControl {
    /// The id of a distribution whose default cache behavior or else was changed.
    async fn user(&self, reference: &str, change: impl FnOnce(&mut DistributionConfig)) -> String {
        let mut config = distribution_config(reference);
        change(&mut config);
        self.create_distribution(config).await
    }

    async fn by_cache_policy(
        &self,
        id: &str,
        marker: Option<&str>,
        wanted: Option<&str>,
    ) -> Result<DistributionIdList, ApiError> {
        let input = ListDistributionsByCachePolicyIdRequest {
            marker: marker.map(str::to_owned),
            max_items: wanted.map(str::to_owned),
            cache_policy_id: id.to_owned(),
        };
        let listed = distributions_by::cache_policy(&self.control, &self.caller, input).await?;
        Ok(listed.distribution_id_list.unwrap())
    }

    async fn by_web_acl(
        &self,
        id: &str,
        marker: Option<&str>,
        wanted: Option<&str>,
    ) -> Result<DistributionList, ApiError> {
        let input = ListDistributionsByWebACLIdRequest {
            marker: marker.map(str::to_owned),
            max_items: wanted.map(str::to_owned),
            web_acl_id: id.to_owned(),
        };
        let listed = distributions_by::web_acl(&self.control, &self.caller, input).await?;
        Ok(listed.distribution_list.unwrap())
    }

    async fn put_web_acl_on(&self, id: &str, arn: &str, etag: Option<&str>) -> Result<String, ApiError> {
        let input = AssociateDistributionWebACLRequest {
            id: id.to_owned(),
            web_acl_arn: arn.to_owned(),
            if_match: etag.map(str::to_owned),
        };
        let associated = web_acl_association::associate(&self.control, &self.caller, input).await?;
        assert_eq!((associated.id.as_deref(), associated.web_acl_arn.as_deref()), (Some(id), Some(arn)));
        Ok(associated.etag.unwrap())
    }

    async fn take_web_acl_off(&self, id: &str, etag: Option<&str>) -> Result<String, ApiError> {
        let input =
            DisassociateDistributionWebACLRequest { id: id.to_owned(), if_match: etag.map(str::to_owned) };
        let disassociated = web_acl_association::disassociate(&self.control, &self.caller, input).await?;
        Ok(disassociated.etag.unwrap())
    }
}

fn ids(list: &DistributionList) -> Vec<String> {
    list.items().iter().map(|summary| summary.id.clone()).collect()
}

#[tokio::test]
async fn users_of_policies_are_listed_whatever_behavior_uses_them() {
    let test = TestControl::new().await;
    let one = test
        .user("a", |config| {
            config.default_cache_behavior.response_headers_policy_id = Some(SECURITY_HEADERS_ID.to_owned());
        })
        .await;
    let other = test.user("b", |config| config.default_cache_behavior.origin_request_policy_id = None).await;
    let mut both = vec![one.clone(), other];
    both.sort();
    let by_cache_policy = test.by_cache_policy(CACHING_DISABLED_ID, None, None).await.unwrap();
    assert_eq!(
        by_cache_policy,
        DistributionIdList { max_items: 100, ..DistributionIdList::from_items(both) }
    );
    let input = ListDistributionsByOriginRequestPolicyIdRequest {
        origin_request_policy_id: ALL_VIEWER_ID.to_owned(),
        ..ListDistributionsByOriginRequestPolicyIdRequest::default()
    };
    let listed = distributions_by::origin_request_policy(&test.control, &test.caller, input).await.unwrap();
    assert_eq!(listed.distribution_id_list.unwrap().items(), [one.as_str()]);
    let input = ListDistributionsByResponseHeadersPolicyIdRequest {
        response_headers_policy_id: SECURITY_HEADERS_ID.to_owned(),
        ..ListDistributionsByResponseHeadersPolicyIdRequest::default()
    };
    let listed = distributions_by::response_headers_policy(&test.control, &test.caller, input).await.unwrap();
    assert_eq!(listed.distribution_id_list.unwrap().items(), [one.as_str()]);
}

#[tokio::test]
async fn a_resource_without_users_is_told_from_none() {
    let test = TestControl::new().await;
    let config = CachePolicyConfig { name: "a".to_owned(), ..CachePolicyConfig::default() };
    let policy = create::<CachePolicies>(&test.control, config).await.unwrap();
    let list = test.by_cache_policy(&policy.id, None, None).await.unwrap();
    assert_eq!((list.quantity, list.items, list.is_truncated), (0, None, false));
    for id in ["00000000-0000-4000-8000-000000000000", "../other", "\0"] {
        check(test.by_cache_policy(id, None, None).await, (404, "NoSuchCachePolicy"));
        let input = ListDistributionsByKeyGroupRequest {
            key_group_id: id.to_owned(),
            ..ListDistributionsByKeyGroupRequest::default()
        };
        let listed = distributions_by::key_group(&test.control, &test.caller, input).await;
        check(listed, (404, "NoSuchResource"));
    }
    let input = ListDistributionsByVpcOriginIdRequest::default();
    check(distributions_by::vpc_origin(&test.control, &test.caller, input).await, (404, "EntityNotFound"));
}

#[tokio::test]
async fn pages_hold_what_is_there_throughout_once_whatever_comes_and_goes() {
    let test = TestControl::new().await;
    let mut made = Vec::new();
    for number in 0..7 {
        made.push(test.user(&number.to_string(), |_| {}).await);
    }
    made.sort();
    let first = test.by_cache_policy(CACHING_DISABLED_ID, None, Some("3")).await.unwrap();
    assert_eq!((first.items(), first.is_truncated, first.max_items), (&made[..3], true, 3));
    assert_eq!(first.next_marker.as_ref(), first.items().last());
    // The marker's own distribution stops using the policy, and others begin to.
    test.update_distribution(&made[2], {
        let mut config = distribution_config("");
        config.caller_reference = test.caller_reference(&made[2]).await;
        config.default_cache_behavior.cache_policy_id =
            Some("658327ea-f89d-4fab-a63d-7e88639e58f6".to_owned());
        config
    })
    .await;
    let added = test.user("added", |_| {}).await;
    let mut shown = first.items().to_vec();
    let mut marker = first.next_marker;
    while let Some(after) = marker {
        let page = test.by_cache_policy(CACHING_DISABLED_ID, Some(&after), Some("3")).await.unwrap();
        assert_eq!(page.marker, after);
        shown.extend(page.items().to_vec());
        marker = page.next_marker;
    }
    shown.retain(|id| *id != added);
    assert_eq!(shown, made);
    check(test.by_cache_policy(CACHING_DISABLED_ID, Some("a/b"), None).await, (400, "InvalidArgument"));
    check(test.by_cache_policy(CACHING_DISABLED_ID, None, Some("0")).await, (400, "InvalidArgument"));
}

impl TestControl {
    async fn caller_reference(&self, id: &str) -> String {
        let record = self.store.get(&distribution_key(ACCOUNT, id)).await.unwrap().unwrap();
        crate::records::DistributionRecord::decode(&record.value).unwrap().config.caller_reference
    }
}

#[tokio::test]
async fn real_time_log_configurations_are_named_or_their_arn_is_given() {
    let test = TestControl::new().await;
    let arn = format!("arn:aws:cloudfront::{ACCOUNT}:realtime-log-config/logs");
    // Before there is a way to make one: the record alone counts.
    let key = resource_key(ACCOUNT, Kind::RealtimeLogConfig, "logs");
    test.control.commit(Change::default().put(key, b"{}".to_vec())).await.unwrap();
    let id = test
        .user("a", |config| config.default_cache_behavior.realtime_log_config_arn = Some(arn.clone()))
        .await;
    let by = async |name: Option<&str>, arn: Option<&str>| {
        let input = ListDistributionsByRealtimeLogConfigRequest {
            realtime_log_config_name: name.map(str::to_owned),
            realtime_log_config_arn: arn.map(str::to_owned),
            ..ListDistributionsByRealtimeLogConfigRequest::default()
        };
        let listed = distributions_by::realtime_log_config(&test.control, &test.caller, input).await;
        listed.map(|listed| ids(&listed.distribution_list.unwrap()))
    };
    assert_eq!(by(Some("logs"), None).await.unwrap(), [id.as_str()]);
    assert_eq!(by(None, Some(&arn)).await.unwrap(), [id.as_str()]);
    assert_eq!(by(Some("logs"), Some("arn:other/other")).await.unwrap(), [id.as_str()]);
    check(by(Some("other"), Some(&arn)).await, (400, "InvalidArgument"));
    check(by(None, None).await, (400, "InvalidArgument"));
    check(by(Some(""), None).await, (400, "InvalidArgument"));
}

#[tokio::test]
async fn distributions_are_listed_by_their_web_acl_and_by_having_none() {
    let test = TestControl::with(|settings| settings.accept_unenforced = true).await;
    let with = test.user("a", |config| config.web_acl_id = Some(WEB_ACL.to_owned())).await;
    let mut without = Vec::new();
    for number in 0..5 {
        without.push(test.user(&number.to_string(), |_| {}).await);
    }
    without.sort();
    assert_eq!(ids(&test.by_web_acl(WEB_ACL, None, None).await.unwrap()), [with]);
    let unknown = WEB_ACL.replace("473e64fd", "00000000");
    assert_eq!(test.by_web_acl(&unknown, None, None).await.unwrap().quantity, 0);
    let mut shown = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let page = test.by_web_acl("null", marker.as_deref(), Some("2")).await.unwrap();
        assert!(page.items().len() <= 2);
        assert_eq!(page.is_truncated, page.next_marker.is_some());
        shown.extend(ids(&page));
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(shown, without);
    check(test.by_web_acl("acl", None, None).await, (400, "InvalidWebACLId"));
}

#[tokio::test]
async fn distributions_are_listed_by_their_connection_mode() {
    let test = TestControl::with(|settings| settings.accept_unenforced = true).await;
    let direct = test.user("a", |_| {}).await;
    let tenants = test.user("b", |config| config.connection_mode = Some(ConnectionMode::TenantOnly)).await;
    for (mode, expect) in [(ConnectionMode::Direct, direct), (ConnectionMode::TenantOnly, tenants)] {
        let input = ListDistributionsByConnectionModeRequest {
            connection_mode: mode,
            max_items: Some(10),
            ..ListDistributionsByConnectionModeRequest::default()
        };
        let listed = distributions_by::connection_mode(&test.control, &test.caller, input).await.unwrap();
        let list = listed.distribution_list.unwrap();
        assert_eq!((ids(&list), list.max_items, list.is_truncated), (vec![expect], 10, false));
    }
}

#[tokio::test]
async fn a_web_acl_is_put_on_and_taken_off() {
    let test = TestControl::with(|settings| settings.accept_unenforced = true).await;
    let id = test.user("a", |_| {}).await;
    let etag = test.etag(&id).await;
    check(test.put_web_acl_on(&id, WEB_ACL, None).await, (400, "InvalidIfMatchVersion"));
    check(test.put_web_acl_on("E00000000000AB", WEB_ACL, Some(&etag)).await, (404, "EntityNotFound"));
    check(test.put_web_acl_on(&id, WEB_ACL, Some(OTHER_ETAG)).await, (412, "PreconditionFailed"));
    check(test.put_web_acl_on(&id, "acl", Some(&etag)).await, (400, "InvalidArgument"));
    let on = test.put_web_acl_on(&id, WEB_ACL, Some(&etag)).await.unwrap();
    assert_eq!((test.etag(&id).await, test.web_acl(&id).await.as_str()), (on.clone(), WEB_ACL));
    check(test.take_web_acl_off(&id, Some(&etag)).await, (412, "PreconditionFailed"));
    check(test.take_web_acl_off("E00000000000AB", Some(&on)).await, (404, "EntityNotFound"));
    let off = test.take_web_acl_off(&id, Some(&on)).await.unwrap();
    assert_eq!((test.etag(&id).await, test.web_acl(&id).await.as_str()), (off, ""));
    assert_eq!(test.by_web_acl(WEB_ACL, None, None).await.unwrap().quantity, 0);
}

#[tokio::test]
async fn a_web_acl_that_nothing_enforces_is_refused_and_can_always_be_taken_off() {
    let mut test = TestControl::with(|settings| settings.accept_unenforced = true).await;
    let id = test
        .user("a", |config| {
            config.web_acl_id = Some(WEB_ACL.to_owned());
            config.connection_mode = Some(ConnectionMode::TenantOnly);
        })
        .await;
    test.no_longer_accept_unenforced();
    let etag = test.etag(&id).await;
    check(test.put_web_acl_on(&id, WEB_ACL, Some(&etag)).await, (400, "UnsupportedOperation"));
    test.take_web_acl_off(&id, Some(&etag)).await.unwrap();
    assert_eq!(test.web_acl(&id).await, "");
}
