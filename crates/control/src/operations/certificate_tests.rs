use aws_api::ApiError;
use aws_api::acm::{
    AddTagsToCertificateRequest, CertificateDetail, CertificateStatus, DeleteCertificateRequest,
    DescribeCertificateRequest, Filters, GetCertificateRequest, ImportCertificateRequest, KeyAlgorithm,
    ListCertificatesRequest, ListTagsForCertificateRequest, RemoveTagsFromCertificateRequest, SortBy,
    SortOrder, Tag, TagResourceRequest, UntagResourceRequest,
};
use aws_api::cloudfront::{
    Aliases, CertificateSource, CreateDistributionRequest, DeleteDistributionRequest, Distribution,
    DistributionConfig, GetDistributionRequest, MinimumProtocolVersion, SSLSupportMethod,
    UpdateDistributionRequest, ViewerCertificate,
};
use rcgen::KeyPair;
use store::Range;

use crate::Quotas;
use crate::certificates::test_certificates::{TestAuthority, p384_key, rsa_key};
use crate::operations::{certificate_tags, certificates, distributions};
use crate::test_support::{ACCOUNT, TestControl, distribution_config};

const MISSING_ARN: &str =
    "arn:aws:acm:us-east-1:000000000000:certificate/0b7a2f0e-52a0-4c8c-9a53-8a2f5c6d7e8f";

impl TestControl {
    async fn import(&self, request: ImportCertificateRequest) -> Result<String, ApiError> {
        let answered = certificates::import(&self.control, &self.caller, request).await?;
        Ok(answered.certificate_arn.unwrap())
    }

    async fn imported(&self, names: &[&str]) -> String {
        self.import(TestAuthority::new().import(names)).await.unwrap()
    }

    async fn describe(&self, arn: &str) -> Result<CertificateDetail, ApiError> {
        let input = DescribeCertificateRequest { certificate_arn: arn.to_owned() };
        Ok(certificates::describe(&self.control, &self.caller, input).await?.certificate.unwrap())
    }

    async fn delete_certificate(&self, arn: &str) -> Result<(), ApiError> {
        let input = DeleteCertificateRequest { certificate_arn: arn.to_owned() };
        certificates::delete(&self.control, &self.caller, input).await
    }

    /// The ARNs of a page, and the next page's token.
    async fn page(&self, input: ListCertificatesRequest) -> Result<(Vec<String>, Option<String>), ApiError> {
        let listed = certificates::list(&self.control, &self.caller, input).await?;
        let summaries = listed.certificate_summary_list.unwrap();
        Ok((
            summaries.into_iter().map(|summary| summary.certificate_arn.unwrap()).collect(),
            listed.next_token,
        ))
    }

    async fn make(&self, config: DistributionConfig) -> Result<Distribution, ApiError> {
        let input = CreateDistributionRequest { distribution_config: config };
        let made = distributions::create(&self.control, &self.caller, input).await?;
        Ok(made.distribution.unwrap())
    }

    async fn got(&self, id: &str) -> (Distribution, String) {
        let input = GetDistributionRequest { id: id.to_owned() };
        let got = distributions::get(&self.control, &self.caller, input).await.unwrap();
        (got.distribution.unwrap(), got.etag.unwrap())
    }

    async fn reconfigure(
        &self,
        id: &str,
        change: impl FnOnce(&mut DistributionConfig),
    ) -> Result<(), ApiError> {
        let (distribution, etag) = self.got(id).await;
        let mut distribution_config = distribution.distribution_config;
        change(&mut distribution_config);
        let input =
            UpdateDistributionRequest { distribution_config, id: id.to_owned(), if_match: Some(etag) };
        distributions::update(&self.control, &self.caller, input).await.map(drop)
    }

    async fn tags_of(&self, arn: &str) -> Vec<(String, Option<String>)> {
        let input = ListTagsForCertificateRequest { certificate_arn: arn.to_owned() };
        let listed = certificate_tags::list(&self.control, &self.caller, input).await.unwrap();
        listed.tags.unwrap().into_iter().map(|tag| (tag.key, tag.value)).collect()
    }

    async fn add_tags(&self, arn: &str, tags: Vec<Tag>) -> Result<(), ApiError> {
        let input = AddTagsToCertificateRequest { certificate_arn: arn.to_owned(), tags };
        certificate_tags::add(&self.control, &self.caller, input).await
    }
}

/// A distribution with aliases and a certificate.
fn with_certificate(caller_reference: &str, arn: &str, aliases: &[&str]) -> DistributionConfig {
    DistributionConfig {
        aliases: Some(Aliases::from_items(aliases.iter().map(|alias| (*alias).to_owned()).collect())),
        viewer_certificate: Some(ViewerCertificate {
            acm_certificate_arn: Some(arn.to_owned()),
            ssl_support_method: Some(SSLSupportMethod::SniOnly),
            minimum_protocol_version: Some(MinimumProtocolVersion::TLSv1_2_2021),
            ..ViewerCertificate::default()
        }),
        ..distribution_config(caller_reference)
    }
}

fn tag(key: &str, value: Option<&str>) -> Tag {
    Tag { key: key.to_owned(), value: value.map(str::to_owned) }
}

#[track_caller]
fn check<T>(result: Result<T, ApiError>, code: &str, part: &str) {
    let error = result.err().expect(code);
    assert_eq!(error.code, code, "{}", error.message);
    assert!(error.message.contains(part), "{:?} lacks {part:?}", error.message);
}

#[tokio::test]
async fn an_imported_certificate_is_described_and_got_without_its_key() {
    let test = TestControl::new().await;
    let authority = TestAuthority::new();
    let request = authority.import(&["api.example", "www.example"]);
    let (certificate, chain) = (request.certificate.clone(), request.certificate_chain.clone().unwrap());
    let arn = test.import(request).await.unwrap();
    let detail = test.describe(&arn).await.unwrap();
    assert_eq!(detail.certificate_arn.as_ref(), Some(&arn));
    assert_eq!(detail.domain_name.as_deref(), Some("api.example"));
    assert_eq!(detail.subject_alternative_names.unwrap(), ["api.example", "www.example"]);
    assert_eq!(detail.status, Some(CertificateStatus::Issued));
    assert_eq!(detail.in_use_by, Some(Vec::new()));
    let input = GetCertificateRequest { certificate_arn: arn };
    let got = certificates::get(&test.control, &test.caller, input).await.unwrap();
    let unix = |pem: &[u8]| String::from_utf8(pem.to_vec()).unwrap().replace('\r', "");
    assert_eq!(got.certificate, Some(unix(&certificate)));
    assert_eq!(got.certificate_chain, Some(unix(&chain)));
}

#[tokio::test]
async fn the_store_holds_no_private_key_in_clear() {
    let test = TestControl::new().await;
    let key = KeyPair::generate().unwrap();
    test.import(TestAuthority::new().import_with(&key, &["api.example"], |_| {})).await.unwrap();
    let (der, pem) = (key.serialize_der(), key.serialize_pem());
    let scalar = &der[36..68];
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    for record in test.store.range(Range::of_kind_prefix("")).await.unwrap().records {
        let holds = |secret: &[u8]| record.value.windows(secret.len()).any(|window| window == secret);
        assert!(!holds(scalar) && !holds(&body.as_bytes()[..40]), "{}", record.key);
    }
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let test = TestControl::new().await;
    check(test.describe(MISSING_ARN).await, "ResourceNotFoundException", MISSING_ARN);
    check(test.delete_certificate(MISSING_ARN).await, "ResourceNotFoundException", MISSING_ARN);
    check(test.describe("arn:aws:acm:us-east-1:1:other/x").await, "InvalidArnException", "certificate/UUID");
    let authority = TestAuthority::new();
    let again = ImportCertificateRequest {
        certificate_arn: Some(MISSING_ARN.to_owned()),
        ..authority.import(&["api.example"])
    };
    check(test.import(again).await, "ResourceNotFoundException", MISSING_ARN);
}

#[tokio::test]
async fn there_are_as_many_certificates_as_the_quota() {
    let test = TestControl::with(|settings| {
        settings.quotas = Quotas { certificates: 1, ..Quotas::default() };
    })
    .await;
    let arn = test.imported(&["a.example"]).await;
    let more = test.import(TestAuthority::new().import(&["b.example"])).await;
    check(more, "LimitExceededException", "Delete one");
    test.delete_certificate(&arn).await.unwrap();
    test.imported(&["b.example"]).await;
}

#[tokio::test]
async fn a_distribution_shows_its_certificate_and_is_shown_by_it() {
    let test = TestControl::new().await;
    let arn = test.imported(&["api.example", "*.shop.example"]).await;
    let made = test.make(with_certificate("a", &arn, &["API.example", "*.shop.example"])).await.unwrap();
    let certificate = made.distribution_config.viewer_certificate.unwrap();
    assert_eq!(certificate.acm_certificate_arn.as_ref(), Some(&arn));
    assert_eq!(certificate.certificate.as_ref(), Some(&arn), "the deprecated member says the same");
    assert_eq!(certificate.certificate_source, Some(CertificateSource::Acm));
    assert_eq!(certificate.cloud_front_default_certificate, Some(false));
    let in_use_by = test.describe(&arn).await.unwrap().in_use_by.unwrap();
    assert_eq!(in_use_by, [format!("arn:aws:cloudfront::{ACCOUNT}:distribution/{}", made.id)]);
    check(test.delete_certificate(&arn).await, "ResourceInUseException", &made.id);
    test.reconfigure(&made.id, |config| {
        (config.viewer_certificate, config.aliases) = (None, None);
    })
    .await
    .unwrap();
    test.delete_certificate(&arn).await.unwrap();
    check(test.describe(&arn).await, "ResourceNotFoundException", &arn);
}

#[tokio::test]
async fn a_certificate_that_viewers_would_not_take_is_refused() {
    let test = TestControl::new().await;
    let arn = test.imported(&["*.example.com"]).await;
    let refused = async |aliases: &[&str], part: &str| {
        check(test.make(with_certificate("x", &arn, aliases)).await, "InvalidViewerCertificate", part);
    };
    refused(
        &["a.example.com", "a.b.example.com"],
        "does not cover the alternate domain name a.b.example.com",
    )
    .await;
    refused(&["example.com"], "it is for *.example.com").await;
    let missing = with_certificate("x", MISSING_ARN, &["a.example.com"]);
    check(test.make(missing).await, "InvalidViewerCertificate", "does not exist");
    let elsewhere = arn.replace("us-east-1", "eu-west-1");
    let elsewhere = with_certificate("x", &elsewhere, &["a.example.com"]);
    check(test.make(elsewhere).await, "InvalidViewerCertificate", "us-east-1");
    let with = |change: fn(&mut ViewerCertificate)| {
        let mut config = with_certificate("x", &arn, &["a.example.com"]);
        change(config.viewer_certificate.as_mut().unwrap());
        config
    };
    let both = with(|certificate| certificate.cloud_front_default_certificate = Some(true));
    check(test.make(both).await, "InvalidViewerCertificate", "Remove one of them");
    let silent = with(|certificate| certificate.ssl_support_method = None);
    check(test.make(silent).await, "InvalidViewerCertificate", "sni-only");
    let old = with(|certificate| certificate.minimum_protocol_version = Some(MinimumProtocolVersion::SSLv3));
    check(test.make(old).await, "InvalidMinimumProtocolVersion", "vip");
    let vip = with(|certificate| certificate.ssl_support_method = Some(SSLSupportMethod::Vip));
    check(test.make(vip).await, "InvalidMinimumProtocolVersion", "sni-only");
    let iam = with(|certificate| {
        (certificate.acm_certificate_arn, certificate.iam_certificate_id) = (None, Some("IAM".to_owned()));
    });
    check(test.make(iam).await, "InvalidViewerCertificate", "ImportCertificate");
    test.make(with_certificate("x", &arn, &["a.example.com", "*.example.com"])).await.unwrap();
    let taken = with_certificate("y", &arn, &["A.EXAMPLE.com"]);
    check(test.make(taken).await, "CNAMEAlreadyExists", "a.example.com");
}

#[tokio::test]
async fn a_client_of_the_deprecated_members_is_understood() {
    let test = TestControl::new().await;
    let arn = test.imported(&["api.example"]).await;
    let mut config = with_certificate("a", &arn, &["api.example"]);
    let certificate = config.viewer_certificate.as_mut().unwrap();
    certificate.certificate = certificate.acm_certificate_arn.take();
    certificate.certificate_source = Some(CertificateSource::Acm);
    let made = test.make(config).await.unwrap();
    let certificate = made.distribution_config.viewer_certificate.unwrap();
    assert_eq!(certificate.acm_certificate_arn, Some(arn));
}

#[tokio::test]
async fn a_renewal_counts_for_deployed_and_changes_no_etag() {
    let test = TestControl::new().await;
    let authority = TestAuthority::new();
    let arn = test.import(authority.import(&["api.example"])).await.unwrap();
    let made = test.make(with_certificate("a", &arn, &["api.example"])).await.unwrap();
    test.apply().await;
    let (before, etag) = test.got(&made.id).await;
    assert_eq!(before.status, "Deployed");

    let again = ImportCertificateRequest {
        certificate_arn: Some(arn.clone()),
        ..authority.import(&["api.example", "more.example"])
    };
    let renewed = test.import(again).await.unwrap();
    assert_eq!(renewed, arn);
    // Waits for the snapshot that shows the renewal.
    assert_eq!(test.describe(&arn).await.unwrap().in_use_by.unwrap().len(), 1);
    test.control.current_snapshot().await.unwrap();
    let (after, same_etag) = test.got(&made.id).await;
    assert_eq!((after.status.as_str(), &same_etag), ("InProgress", &etag));
    test.apply().await;
    assert_eq!(test.got(&made.id).await.0.status, "Deployed");
}

#[tokio::test]
async fn a_renewal_may_not_leave_a_name_without_a_certificate() {
    let test = TestControl::new().await;
    let authority = TestAuthority::new();
    let arn = test.import(authority.import(&["api.example"])).await.unwrap();
    let made = test.make(with_certificate("a", &arn, &["api.example"])).await.unwrap();
    let again = |request: ImportCertificateRequest| ImportCertificateRequest {
        certificate_arn: Some(arn.clone()),
        ..request
    };
    check(test.import(again(authority.import(&["other.example"]))).await, "ValidationException", &made.id);
    let other_key = authority.import_with(&rsa_key(), &["api.example"], |_| {});
    check(test.import(again(other_key)).await, "ValidationException", "type and size");
    let tagged = ImportCertificateRequest {
        tags: Some(vec![tag("a", None)]),
        ..again(authority.import(&["api.example"]))
    };
    check(test.import(tagged).await, "ValidationException", "AddTagsToCertificate");
    test.import(again(authority.import(&["*.example", "api.example"]))).await.unwrap();
}

#[tokio::test]
async fn deleting_a_distribution_frees_its_certificate() {
    let test = TestControl::new().await;
    let arn = test.imported(&["api.example"]).await;
    let mut config = with_certificate("a", &arn, &["api.example"]);
    config.enabled = false;
    let made = test.make(config).await.unwrap();
    let (_, etag) = test.got(&made.id).await;
    let input = DeleteDistributionRequest { id: made.id, if_match: Some(etag) };
    distributions::delete(&test.control, &test.caller, input).await.unwrap();
    test.delete_certificate(&arn).await.unwrap();
}

/// Whoever is first wins, and nobody is left with a certificate that is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_a_certificate_never_races_a_distribution_that_begins_to_use_it() {
    let test = TestControl::new().await;
    let authority = TestAuthority::new();
    for number in 0..40 {
        let name = format!("n{number}.example");
        let arn = test.import(authority.import(&[&name])).await.unwrap();
        let made = test.make(distribution_config(&format!("own{number}"))).await.unwrap();
        let use_it = test.reconfigure(&made.id, |config| {
            let with = with_certificate("", &arn, &[&name]);
            (config.aliases, config.viewer_certificate) = (with.aliases, with.viewer_certificate);
        });
        let (used, deleted) = tokio::join!(use_it, test.delete_certificate(&arn));
        match (used, deleted) {
            (Ok(()), Err(error)) => assert_eq!(error.code, "ResourceInUseException"),
            (Err(error), Ok(())) => assert_eq!(error.code, "InvalidViewerCertificate"),
            both => panic!("{both:?}"),
        }
    }
}

#[tokio::test]
async fn lists_have_pages_filters_and_orders() {
    let test = TestControl::new().await;
    let authority = TestAuthority::new();
    let mut rsa = Vec::new();
    for key in [rsa_key(), rsa_key(), rsa_key()] {
        rsa.push(test.import(authority.import_with(&key, &["rsa.example"], |_| {})).await.unwrap());
    }
    let p384 = test.import(authority.import_with(&p384_key(), &["ec.example"], |_| {})).await.unwrap();
    let list = |change: fn(&mut ListCertificatesRequest)| {
        let mut input = ListCertificatesRequest::default();
        change(&mut input);
        test.page(input)
    };

    let (all, none) = list(|_| {}).await.unwrap();
    let mut by_id = rsa.clone();
    by_id.sort_unstable();
    assert_eq!((all, none), (by_id.clone(), None), "RSA_2048 alone, unless others are asked for");
    let (other, _) = list(|input| {
        let key_types = Some(vec![KeyAlgorithm::EcSecp384r1]);
        input.includes = Some(Filters { key_types, ..Filters::default() });
    })
    .await
    .unwrap();
    assert_eq!(other, [p384]);
    let (expired, _) =
        list(|input| input.certificate_statuses = Some(vec![CertificateStatus::Expired])).await.unwrap();
    assert_eq!(expired, [""; 0]);

    let (first, token) = list(|input| input.max_items = Some(2)).await.unwrap();
    assert_eq!(first, by_id[..2]);
    let next = ListCertificatesRequest { next_token: token, ..ListCertificatesRequest::default() };
    assert_eq!(test.page(next).await.unwrap(), (by_id[2..].to_vec(), None));

    for (order, mut expect) in [(SortOrder::Ascending, rsa.clone()), (SortOrder::Descending, rsa.clone())] {
        if order == SortOrder::Descending {
            expect.reverse();
        }
        let mut input = ListCertificatesRequest {
            sort_by: Some(SortBy::CreatedAt),
            sort_order: Some(order),
            max_items: Some(2),
            ..ListCertificatesRequest::default()
        };
        let (mut found, token) = test.page(input.clone()).await.unwrap();
        input.next_token = token;
        found.extend(test.page(input).await.unwrap().0);
        // Made within one millisecond, they are in the order of their ids.
        assert_eq!(found.len(), expect.len());
        assert!(expect.iter().all(|arn| found.contains(arn)));
    }

    check(list(|input| input.max_items = Some(0)).await, "ValidationException", "1 to 1000");
    check(list(|input| input.max_items = Some(1001)).await, "ValidationException", "1 to 1000");
    check(list(|input| input.next_token = Some("?".into())).await, "InvalidArgsException", "NextToken");
    check(list(|input| input.sort_by = Some(SortBy::CreatedAt)).await, "InvalidArgsException", "SortOrder");
}

#[tokio::test]
async fn tags_are_added_replaced_and_removed_by_key_or_by_value() {
    let test = TestControl::new().await;
    let request = ImportCertificateRequest {
        tags: Some(vec![tag("team", Some("skin"))]),
        ..TestAuthority::new().import(&["api.example"])
    };
    let arn = test.import(request).await.unwrap();
    test.add_tags(&arn, vec![tag("team", Some("bone")), tag("stage", Some("prod"))]).await.unwrap();
    let pair = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
    assert_eq!(test.tags_of(&arn).await, [pair("team", "bone"), pair("stage", "prod")]);
    let remove = async |tags: Vec<Tag>| {
        let input = RemoveTagsFromCertificateRequest { certificate_arn: arn.clone(), tags };
        certificate_tags::remove(&test.control, &test.caller, input).await.unwrap();
    };
    remove(vec![tag("team", Some("skin")), tag("gone", None)]).await;
    assert_eq!(test.tags_of(&arn).await.len(), 2, "another value");
    remove(vec![tag("team", None), tag("stage", Some("prod"))]).await;
    assert_eq!(test.tags_of(&arn).await, []);
}

#[tokio::test]
async fn tags_have_the_errors_of_both_families_of_operations() {
    let test = TestControl::new().await;
    let arn = test.imported(&["api.example"]).await;
    let many: Vec<Tag> = (0..51).map(|number| tag(&format!("key{number}"), None)).collect();
    check(test.add_tags(&arn, many.clone()).await, "TooManyTagsException", "at most 50");
    test.add_tags(&arn, many[..50].to_vec()).await.unwrap();
    check(test.add_tags(&arn, vec![tag("one more", None)]).await, "TooManyTagsException", "at most 50");
    check(test.add_tags(&arn, vec![tag("aws:x", None)]).await, "InvalidTagException", "aws:");
    check(test.add_tags(&arn, Vec::new()).await, "ValidationException", "at least one");
    check(test.add_tags(MISSING_ARN, vec![tag("a", None)]).await, "ResourceNotFoundException", MISSING_ARN);

    let add = async |arn: &str, tags: Vec<Tag>| {
        let input = TagResourceRequest { resource_arn: arn.to_owned(), tags };
        certificate_tags::tag_resource(&test.control, &test.caller, input).await
    };
    check(add(&arn, many).await, "ServiceQuotaExceededException", "at most 50");
    check(add(&arn, vec![tag("aws:x", None)]).await, "ValidationException", "aws:");
    check(add("arn:aws:acm:us-east-1:1:x/y", vec![tag("a", None)]).await, "ValidationException", "UUID");
    let tag_keys = (0..50).map(|number| format!("key{number}")).collect();
    let input = UntagResourceRequest { resource_arn: arn.clone(), tag_keys };
    certificate_tags::untag_resource(&test.control, &test.caller, input).await.unwrap();
    assert_eq!(test.tags_of(&arn).await, []);
}
