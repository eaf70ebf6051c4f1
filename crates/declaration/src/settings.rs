//! What becomes of each setting that is taken over: enforced, enforced differently, or only kept.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::difference::is_nothing;
use crate::kind::Kind;

/// What becomes of the settings of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Those that are acted on as CloudFront does.
    pub enforced: Vec<String>,
    /// Those that are acted on in another way, with that way.
    pub differently: Vec<(String, &'static str)>,
    /// Those that are kept, and that nothing acts on.
    pub not_enforced: Vec<String>,
}

/// Settings that have another meaning on one's own machines. Each of them stands among those that are not enforced for
/// as long as nothing at all is done about it.
const DIFFERENT: [(&str, &str); 5] = [
    ("PriceClass", "every edge that runs serves, whatever the class"),
    ("GeoRestriction", "enforced where the process has a --geo-database, and refused where it has none"),
    ("IsIPV6Enabled", "the addresses that the edge listens on decide"),
    (
        "MinimumProtocolVersion older",
        "served as TLSv1.2_2021: without older protocols, CBC and RSA key exchange",
    ),
    ("OriginShield", "there is no region between edge and origin; requests go straight to the origin"),
];

/// What becomes of the settings of a resource. `unenforced` are the names that the control plane has for what it
/// stores and nothing acts on: of this distribution, or of [`probe`] for everything else.
pub fn settings(kind: Kind, config: &Value, unenforced: &[&str]) -> Settings {
    if kind != Kind::Distribution {
        return settings_of_part(kind, config, unenforced);
    }
    let mut settings = Settings::default();
    for name in unenforced {
        match DIFFERENT.iter().find(|(known, _)| known == name) {
            Some((_, how)) => settings.differently.push(((*name).to_owned(), how)),
            None => settings.not_enforced.push((*name).to_owned()),
        }
    }
    let mut names = BTreeSet::new();
    collect_names(config, &mut names);
    for name in names {
        let is_told = unenforced.iter().any(|told| told.split(' ').next() == Some(&name));
        match DIFFERENT.iter().find(|(known, _)| *known == name) {
            _ if is_told => {}
            Some((_, how)) => settings.differently.push((name, how)),
            None => settings.enforced.push(name),
        }
    }
    settings
}

/// Names of settings that say something: of the distribution, its origins and its cache behaviors.
fn collect_names(config: &Value, names: &mut BTreeSet<String>) {
    const CONTAINERS: [&str; 6] =
        ["Origins", "DefaultCacheBehavior", "CacheBehaviors", "Items", "CustomOriginConfig", "Restrictions"];
    const NOT_SETTINGS: [&str; 4] = ["CallerReference", "Comment", "Quantity", "Id"];
    match config {
        Value::Array(items) => items.iter().for_each(|item| collect_names(item, names)),
        Value::Object(members) => {
            for (name, value) in members.iter().filter(|(_, value)| !is_nothing(value)) {
                if CONTAINERS.contains(&name.as_str()) {
                    collect_names(value, names);
                } else if !NOT_SETTINGS.contains(&name.as_str()) && !is_off(value) {
                    names.insert(name.clone());
                }
            }
        }
        _ => {}
    }
}

fn is_off(value: &Value) -> bool {
    *value == false || value.get("Enabled") == Some(&Value::Bool(false))
}

/// A policy or a key is as good as the setting that refers to it.
fn settings_of_part(kind: Kind, config: &Value, unenforced: &[&str]) -> Settings {
    let setting = match kind {
        Kind::CachePolicy => "caching",
        Kind::ResponseHeadersPolicy => "ResponseHeadersPolicyId",
        Kind::PublicKey | Kind::KeyGroup => "TrustedKeyGroups",
        Kind::OriginAccessControl => "OriginAccessControlId",
        Kind::RealtimeLogConfig => "RealtimeLogConfigArn",
        Kind::ContinuousDeploymentPolicy => "ContinuousDeploymentPolicyId",
        Kind::OriginRequestPolicy | Kind::Distribution => "",
    };
    let names = config.as_object().into_iter().flatten();
    let names = names
        .filter(|(name, value)| {
            !is_nothing(value) && !matches!(name.as_str(), "Name" | "Comment" | "CallerReference")
        })
        .map(|(name, _)| name.clone());
    if unenforced.contains(&setting) {
        Settings { not_enforced: names.collect(), ..Settings::default() }
    } else {
        Settings { enforced: names.collect(), ..Settings::default() }
    }
}

/// A distribution that refers to one resource of every kind, to ask the control plane what comes of that.
pub fn probe() -> Value {
    json!({
        "CallerReference": "probe",
        "Comment": "",
        "Enabled": true,
        "ContinuousDeploymentPolicyId": "probe",
        "Origins": {"Quantity": 1, "Items": [{
            "Id": "probe", "DomainName": "probe.example", "OriginAccessControlId": "probe",
            "S3OriginConfig": {"OriginAccessIdentity": ""},
        }]},
        "DefaultCacheBehavior": {
            "TargetOriginId": "probe",
            "ViewerProtocolPolicy": "https-only",
            "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
            "ResponseHeadersPolicyId": "probe",
            "RealtimeLogConfigArn": "probe",
            "TrustedKeyGroups": {"Enabled": true, "Quantity": 1, "Items": ["probe"]},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_its_fate() {
        let mut config = probe();
        config["PriceClass"] = "PriceClass_100".into();
        config["IsIPV6Enabled"] = true.into();
        config["Staging"] = false.into();
        let told = ["OriginAccessControlId", "PriceClass", "TrustedKeyGroups", "caching"];
        let settings = settings(Kind::Distribution, &config, &told);
        assert_eq!(settings.not_enforced, ["OriginAccessControlId", "TrustedKeyGroups", "caching"]);
        let differently: Vec<_> = settings.differently.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(differently, ["PriceClass", "IsIPV6Enabled"]);
        assert!(settings.enforced.contains(&"ViewerProtocolPolicy".to_owned()), "{:?}", settings.enforced);
        assert!(!settings.enforced.contains(&"Staging".to_owned()), "{:?}", settings.enforced);
    }

    #[test]
    fn a_part_is_as_good_as_what_refers_to_it() {
        let config = json!({"Name": "k", "Items": ["a"]});
        let fate = |told: &[&str]| settings(Kind::KeyGroup, &config, told);
        assert_eq!(fate(&["TrustedKeyGroups"]).not_enforced, ["Items"]);
        assert_eq!(fate(&[]).enforced, ["Items"]);
    }
}
