//! Where configurations come from: files, standard input, the running process.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

use anyhow::{Context, Result, bail};
use aws_api::cloudfront::{
    CacheBehaviors, DistributionConfig, GetCachePolicyConfigRequest, GetDistributionConfigRequest,
    GetOriginRequestPolicyConfigRequest, GetResponseHeadersPolicyConfigRequest, ListDistributionsRequest,
    operation,
};
use aws_api::limits::REQUEST_BODY_BYTES_MAX;
use aws_api::{from_json, to_json};
use control::managed_policies;
use lint::Policies;
use serde_json::Value;

use super::Subject;
use crate::api_client::ApiClient;
use crate::data_dir::DataDir;

use crate::running::Running;

/// Everything that is meant; all distributions of the running process, if nothing is named.
pub(super) async fn subjects(targets: &[String], data_dir: &Path) -> Result<Vec<Subject>> {
    if targets.is_empty() {
        return Process::find(data_dir)?.all().await;
    }
    let mut subjects = Vec::new();
    for target in targets {
        subjects.push(if target == "-" {
            of_document(target, stdin())?
        } else if Path::new(target).exists() {
            let file = File::open(target).with_context(|| format!("cannot open {target}"))?;
            of_document(target, file)?
        } else if is_id(target) {
            Process::find(data_dir)?.distribution(target).await?
        } else {
            bail!("{target} is neither a file nor an id of a distribution, such as E1ABCDEFGHIJKL");
        });
    }
    Ok(subjects)
}

fn is_id(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// The typed form of a document.
pub(super) fn decode(document: &Value) -> Result<DistributionConfig> {
    from_json(document.to_string().as_bytes()).map_err(|error| {
        anyhow::anyhow!("this is no DistributionConfig as the AWS clients write it: {error}")
    })
}

fn of_document(name: &str, source: impl Read) -> Result<Subject> {
    let mut text = String::new();
    // What is longer, UpdateDistribution would not take either.
    let bytes_max = REQUEST_BODY_BYTES_MAX as u64;
    source.take(bytes_max + 1).read_to_string(&mut text).with_context(|| format!("cannot read {name}"))?;
    if text.len() as u64 > bytes_max {
        bail!("{name} is longer than {bytes_max} bytes, which no configuration is");
    }
    let document: Value = serde_json::from_str(&text).with_context(|| {
        format!("{name} is not JSON; give what `aws cloudfront get-distribution-config` prints")
    })?;
    let document = distribution_config(document)
        .with_context(|| format!("{name} holds no DistributionConfig; is it the JSON of an AWS client?"))?;
    let config = decode(&document).with_context(|| name.to_owned())?;
    let policies = managed_policies();
    let unknown: Vec<_> = unknown_policies(&config, &policies).map(|(_, id)| id).collect();
    if !unknown.is_empty() {
        tracing::warn!(
            file = name,
            policies = unknown.join(", "),
            "Rules that depend on the contents of these policies were left out; an id of a distribution has them"
        );
    }
    Ok(Subject { name: name.to_owned(), document, policies })
}

/// The configuration itself, inside whatever the AWS clients wrap around it.
fn distribution_config(mut document: Value) -> Option<Value> {
    for wrapper in ["Distribution", "DistributionConfigWithTags", "DistributionConfig"] {
        if let Some(inner) = document.get_mut(wrapper) {
            document = inner.take();
        }
    }
    document.get("DefaultCacheBehavior").is_some().then_some(document)
}

/// The sorts of policies that cache behaviors name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Cache,
    OriginRequest,
    ResponseHeaders,
}

fn unknown_policies(config: &DistributionConfig, known: &Policies) -> impl Iterator<Item = (Sort, String)> {
    let default = &config.default_cache_behavior;
    let others = config.cache_behaviors.as_ref().map(CacheBehaviors::items).unwrap_or_default();
    let mut named = BTreeSet::new();
    let mut add = |sort, id: Option<&String>| {
        named.extend(id.filter(|id| !id.is_empty()).map(|id| (sort, id.clone())));
    };
    add(Sort::Cache, default.cache_policy_id.as_ref());
    add(Sort::OriginRequest, default.origin_request_policy_id.as_ref());
    add(Sort::ResponseHeaders, default.response_headers_policy_id.as_ref());
    for other in others {
        add(Sort::Cache, other.cache_policy_id.as_ref());
        add(Sort::OriginRequest, other.origin_request_policy_id.as_ref());
        add(Sort::ResponseHeaders, other.response_headers_policy_id.as_ref());
    }
    named.into_iter().filter(|(sort, id)| match sort {
        Sort::Cache => !known.cache.contains_key(id),
        Sort::OriginRequest => !known.origin_request.contains_key(id),
        Sort::ResponseHeaders => !known.response_headers.contains_key(id),
    })
}

/// The running process.
struct Process {
    client: ApiClient,
}

impl Process {
    fn find(data_dir: &Path) -> Result<Self> {
        let running = Running::find(&DataDir::look_into(data_dir)?)?;
        Ok(Self { client: ApiClient::of(&running)? })
    }

    async fn all(&self) -> Result<Vec<Subject>> {
        let (mut subjects, mut marker) = (Vec::new(), None);
        loop {
            let input = ListDistributionsRequest { marker: marker.take(), max_items: None };
            let page = self.client.call::<operation::ListDistributions>(&input).await?;
            let page = page.distribution_list.unwrap_or_default();
            for summary in page.items() {
                subjects.push(self.distribution(&summary.id).await?);
            }
            marker = page.next_marker.filter(|next| page.is_truncated && !next.is_empty());
            if marker.is_none() {
                return Ok(subjects);
            }
        }
    }

    async fn distribution(&self, id: &str) -> Result<Subject> {
        let input = GetDistributionConfigRequest { id: id.to_owned() };
        let got = self.client.call::<operation::GetDistributionConfig>(&input).await?;
        let config = got.distribution_config.with_context(|| format!("the distribution {id} is empty"))?;
        let mut policies = managed_policies();
        for (sort, policy) in unknown_policies(&config, &policies).collect::<Vec<_>>() {
            self.add_policy(&mut policies, sort, policy).await?;
        }
        let document = serde_json::from_slice(&to_json(&config))?;
        Ok(Subject { name: id.to_owned(), document, policies })
    }

    async fn add_policy(&self, policies: &mut Policies, sort: Sort, id: String) -> Result<()> {
        match sort {
            Sort::Cache => {
                let input = GetCachePolicyConfigRequest { id: id.clone() };
                let got = self.client.call::<operation::GetCachePolicyConfig>(&input).await?;
                policies.cache.extend(got.cache_policy_config.map(|config| (id, config)));
            }
            Sort::OriginRequest => {
                let input = GetOriginRequestPolicyConfigRequest { id: id.clone() };
                let got = self.client.call::<operation::GetOriginRequestPolicyConfig>(&input).await?;
                policies.origin_request.extend(got.origin_request_policy_config.map(|config| (id, config)));
            }
            Sort::ResponseHeaders => {
                let input = GetResponseHeadersPolicyConfigRequest { id: id.clone() };
                let got = self.client.call::<operation::GetResponseHeadersPolicyConfig>(&input).await?;
                let config = got.response_headers_policy_config;
                policies.response_headers.extend(config.map(|config| (id, config)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{
        "CallerReference": "r", "Comment": "", "Enabled": true,
        "Origins": {"Quantity": 1, "Items": [{"Id": "api", "DomainName": "10.0.0.5"}]},
        "DefaultCacheBehavior": {"TargetOriginId": "api", "ViewerProtocolPolicy": "https-only"}
    }"#;

    fn check(text: &str, expect: Result<&str, &str>) {
        let outcome = of_document("file", text.as_bytes()).and_then(|subject| decode(&subject.document));
        let outcome = outcome.map(|config| config.caller_reference).map_err(|error| format!("{error:#}"));
        match (&outcome, expect) {
            (Ok(reference), Ok(expect)) => assert_eq!(reference, expect),
            (Err(message), Err(expect)) => assert!(message.contains(expect), "{message}"),
            _ => panic!("{outcome:?}"),
        }
    }

    #[test]
    fn documents_of_aws_clients() {
        check(CONFIG, Ok("r"));
        check(&format!(r#"{{"ETag": "E1", "DistributionConfig": {CONFIG}}}"#), Ok("r"));
        check(&format!(r#"{{"ETag": "E1", "Distribution": {{"DistributionConfig": {CONFIG}}}}}"#), Ok("r"));
        check(&format!(r#"{{"DistributionConfigWithTags": {{"DistributionConfig": {CONFIG}}}}}"#), Ok("r"));
    }

    #[test]
    fn other_documents_are_refused_by_name() {
        check("", Err("file is not JSON"));
        check("<DistributionConfig/>", Err("file is not JSON"));
        check("[]", Err("file holds no DistributionConfig"));
        check(r#"{"DistributionConfig": null}"#, Err("file holds no DistributionConfig"));
        check(&CONFIG.replace("https-only", "https"), Err("ViewerProtocolPolicy"));
        check(&" ".repeat(REQUEST_BODY_BYTES_MAX + 1), Err("file is longer"));
        check(&"[".repeat(100_000), Err("file is not JSON"));
    }
}
