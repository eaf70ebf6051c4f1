//! The API as resources of every kind: listed, read, made, changed, removed, all in the same few ways.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use aws_api::cloudfront::OperationId;
use declaration::Kind;
use declaration::plan::Live;
use serde_json::{Value, json};

use crate::api_client::ApiClient;
use crate::deployed::wait_until_deployed;

/// A resource in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) kind: Kind,
    /// Its id; the ARN of a real-time log configuration.
    pub(crate) id: String,
    pub(crate) arn: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) domain_name: Option<String>,
    /// Whether it is everybody's, and nobody's to change.
    pub(crate) is_managed: bool,
}

/// A configuration with what a change of it must say.
struct Stored {
    config: Value,
    etag: Option<String>,
}

/// What the API keeps.
pub(crate) struct Resources<'a> {
    client: &'a ApiClient,
}

impl<'a> Resources<'a> {
    pub(crate) fn of(client: &'a ApiClient) -> Self {
        Self { client }
    }

    /// Every resource of a kind.
    pub(crate) async fn list(&self, kind: Kind) -> Result<Vec<Listed>> {
        let mut all = Vec::new();
        let mut input = json!({});
        loop {
            let answer = self.client.call_json(kind.operations().list, &input).await?;
            let page = &answer[kind.list_member()];
            let items = page["Items"].as_array().into_iter().flatten();
            all.extend(items.filter_map(|item| listed(kind, item)));
            match page["NextMarker"].as_str().filter(|marker| !marker.is_empty()) {
                Some(marker) => input = json!({"Marker": marker}),
                None => return Ok(all),
            }
        }
    }

    /// One resource, with its tags if they are asked for.
    pub(crate) async fn read(&self, listed: &Listed, with_tags: bool) -> Result<Live> {
        let Stored { config, .. } = self.stored(listed.kind, &listed.id).await?;
        let tags = match &listed.arn {
            Some(arn) if with_tags && listed.kind == Kind::Distribution => self.tags(arn).await?,
            _ => BTreeMap::new(),
        };
        Ok(Live { kind: listed.kind, id: listed.id.clone(), config, tags })
    }

    async fn stored(&self, kind: Kind, id: &str) -> Result<Stored> {
        let input = if kind == Kind::RealtimeLogConfig { json!({"ARN": id}) } else { json!({"Id": id}) };
        let mut answer = self.client.call_json(kind.operations().read, &input).await?;
        let etag = answer["ETag"].as_str().map(str::to_owned);
        let mut config = answer[kind.config_member()].take();
        if let Some(members) = config.as_object_mut().filter(|_| kind == Kind::RealtimeLogConfig) {
            members.remove("ARN");
        }
        Ok(Stored { config, etag })
    }

    async fn tags(&self, arn: &str) -> Result<BTreeMap<String, String>> {
        let input = json!({"Resource": arn});
        let answer = self.client.call_json(OperationId::ListTagsForResource, &input).await?;
        let items = answer["Tags"]["Items"].as_array().into_iter().flatten();
        let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
        Ok(items.map(|item| (text(item, "Key"), text(item, "Value"))).collect())
    }

    /// Makes one.
    pub(crate) async fn create(
        &self,
        kind: Kind,
        config: &Value,
        tags: Option<&BTreeMap<String, String>>,
    ) -> Result<Listed> {
        let (operation, input) = match (kind, tags) {
            (Kind::RealtimeLogConfig, _) => (kind.operations().create, config.clone()),
            (Kind::Distribution, Some(tags)) => {
                let with_tags = json!({"DistributionConfig": config, "Tags": {"Items": tag_items(tags)}});
                let operation = OperationId::CreateDistributionWithTags;
                (operation, json!({"DistributionConfigWithTags": with_tags}))
            }
            _ => (kind.operations().create, json!({kind.config_member(): config})),
        };
        let answer = self.client.call_json(operation, &input).await?;
        listed(kind, &answer[kind.name()]).context("the API's answer lacks what was made")
    }

    /// Changes one. How it was first asked for stays as it is.
    pub(crate) async fn update(
        &self,
        listed: &Listed,
        config: &Value,
        tags: Option<&BTreeMap<String, String>>,
    ) -> Result<()> {
        let Stored { config: stored, etag } = self.stored(listed.kind, &listed.id).await?;
        let mut config = config.clone();
        if let (Some(members), Some(reference)) = (config.as_object_mut(), stored.get("CallerReference")) {
            members.insert("CallerReference".to_owned(), reference.clone());
        }
        self.put(listed.kind, &listed.id, config, etag).await?;
        match (tags, &listed.arn) {
            (Some(tags), Some(arn)) => self.set_tags(arn, tags).await,
            _ => Ok(()),
        }
    }

    async fn put(&self, kind: Kind, id: &str, config: Value, etag: Option<String>) -> Result<()> {
        let input = if kind == Kind::RealtimeLogConfig {
            let mut input = config;
            input["ARN"] = id.into();
            input
        } else {
            json!({kind.config_member(): config, "Id": id, "IfMatch": etag})
        };
        self.client.call_json(kind.operations().update, &input).await?;
        Ok(())
    }

    async fn set_tags(&self, arn: &str, tags: &BTreeMap<String, String>) -> Result<()> {
        let before = self.tags(arn).await?;
        let gone: Vec<_> = before.keys().filter(|key| !tags.contains_key(*key)).collect();
        if !gone.is_empty() {
            let input = json!({"Resource": arn, "TagKeys": {"Items": gone}});
            self.client.call_json(OperationId::UntagResource, &input).await?;
        }
        if !tags.is_empty() {
            let input = json!({"Resource": arn, "Tags": {"Items": tag_items(tags)}});
            self.client.call_json(OperationId::TagResource, &input).await?;
        }
        Ok(())
    }

    /// Removes one. A distribution is switched off first, as the API wants it.
    pub(crate) async fn delete(&self, kind: Kind, id: &str) -> Result<()> {
        let mut stored = self.stored(kind, id).await?;
        if kind == Kind::Distribution && stored.config["Enabled"] == true {
            stored.config["Enabled"] = false.into();
            self.put(kind, id, stored.config, stored.etag).await?;
            wait_until_deployed(self.client, id).await?;
            stored = self.stored(kind, id).await?;
        }
        let input = match kind {
            Kind::RealtimeLogConfig => json!({"ARN": id}),
            _ => json!({"Id": id, "IfMatch": stored.etag}),
        };
        self.client.call_json(kind.operations().delete, &input).await?;
        Ok(())
    }

    /// Waits until a distribution serves everywhere.
    pub(crate) async fn wait_until_deployed(&self, id: &str) -> Result<()> {
        wait_until_deployed(self.client, id).await.map(drop)
    }
}

fn tag_items(tags: &BTreeMap<String, String>) -> Vec<Value> {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// What a list, or the answer to a creation, tells. Some kinds wrap it in a member of the kind's name.
fn listed(kind: Kind, item: &Value) -> Option<Listed> {
    let whole = if item[kind.name()].is_object() { &item[kind.name()] } else { item };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let arn = text(&whole["ARN"]);
    Some(Listed {
        kind,
        id: text(&whole["Id"]).or_else(|| arn.clone())?,
        name: text(&whole["Name"]).or_else(|| text(&whole[kind.config_member()]["Name"])),
        domain_name: text(&whole["DomainName"]),
        arn,
        is_managed: item["Type"] == "managed",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, item: &Value, id: &str, name: Option<&str>, is_managed: bool) {
        let listed = listed(kind, item).unwrap();
        let found = (listed.id.as_str(), listed.name.as_deref(), listed.is_managed);
        assert_eq!(found, (id, name, is_managed));
    }

    #[test]
    fn every_kind_of_list_is_understood() {
        let policy = json!({"Id": "1", "CachePolicyConfig": {"Name": "a"}});
        check(Kind::CachePolicy, &json!({"Type": "managed", "CachePolicy": policy}), "1", Some("a"), true);
        check(Kind::CachePolicy, &policy, "1", Some("a"), false);
        check(Kind::PublicKey, &json!({"Id": "K1", "Name": "k"}), "K1", Some("k"), false);
        let logs = json!({"ARN": "arn:1", "Name": "logs"});
        check(Kind::RealtimeLogConfig, &logs, "arn:1", Some("logs"), false);
        check(Kind::Distribution, &json!({"Id": "E1", "ARN": "arn:2"}), "E1", None, false);
        assert_eq!(super::listed(Kind::Distribution, &json!({})), None);
    }
}
