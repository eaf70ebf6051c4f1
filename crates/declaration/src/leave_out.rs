//! Leaving references out: what the user gave an empty value for.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::reference::mark;

/// A configuration without the settings that consist of one of these names. An item of a list goes as a whole if what
/// it is about goes: an association with a function without the function is none.
pub fn leave_out(config: &Value, names: &BTreeSet<String>) -> Value {
    let marks: BTreeSet<String> = names.iter().map(|name| mark(name)).collect();
    let mut config = config.clone();
    if !marks.is_empty() {
        prune(&mut config, &marks);
    }
    config
}

fn prune(value: &mut Value, marks: &BTreeSet<String>) {
    match value {
        Value::Array(items) => {
            items.retain(|item| !is_left_out(item, marks) && !is_about(item, marks));
            for item in items {
                prune(item, marks);
            }
        }
        Value::Object(members) => {
            // CloudFront requires this one, and takes an empty one for none ("S3OriginConfig").
            if members.get("OriginAccessIdentity").is_some_and(|identity| is_left_out(identity, marks)) {
                members.insert("OriginAccessIdentity".to_owned(), "".into());
            }
            let certificates = count_certificates(members);
            members.retain(|_, value| !is_left_out(value, marks));
            if count_certificates(members) < certificates {
                *value = json!({"CloudFrontDefaultCertificate": true});
                return;
            }
            members.values_mut().for_each(|value| prune(value, marks));
            count_again(members);
        }
        _ => {}
    }
}

fn count_certificates(members: &serde_json::Map<String, Value>) -> usize {
    ["ACMCertificateArn", "IAMCertificateId"].iter().filter(|name| members.contains_key(**name)).count()
}

fn is_left_out(value: &Value, marks: &BTreeSet<String>) -> bool {
    value.as_str().is_some_and(|text| marks.contains(text))
}

fn is_about(item: &Value, marks: &BTreeSet<String>) -> bool {
    ["FunctionARN", "LambdaFunctionARN"].iter().any(|name| is_left_out(&item[*name], marks))
}

fn count_again(members: &mut serde_json::Map<String, Value>) {
    let Some(count) = members.get("Items").and_then(Value::as_array).map(Vec::len) else { return };
    if !members.contains_key("Quantity") {
        return;
    }
    members.insert("Quantity".to_owned(), count.into());
    if count == 0 {
        members.remove("Items");
        if members.contains_key("Enabled") {
            members.insert("Enabled".to_owned(), false.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: &Value, expected: &Value) {
        assert_eq!(leave_out(config, &BTreeSet::from(["gone".to_owned()])), *expected);
    }

    #[test]
    fn what_is_about_it_goes_too() {
        let gone = mark("gone");
        check(&json!({"WebACLId": gone, "Comment": "c"}), &json!({"Comment": "c"}));
        check(
            &json!({"FunctionAssociations": {"Quantity": 2, "Items": [
                {"EventType": "viewer-request", "FunctionARN": gone}, {"EventType": "viewer-response", "FunctionARN": "a"},
            ]}}),
            &json!({"FunctionAssociations": {"Quantity": 1, "Items": [
                {"EventType": "viewer-response", "FunctionARN": "a"},
            ]}}),
        );
        check(
            &json!({"TrustedKeyGroups": {"Enabled": true, "Quantity": 1, "Items": [gone]}}),
            &json!({"TrustedKeyGroups": {"Enabled": false, "Quantity": 0}}),
        );
        check(
            &json!({"ViewerCertificate": {"ACMCertificateArn": gone, "SSLSupportMethod": "sni-only"}}),
            &json!({"ViewerCertificate": {"CloudFrontDefaultCertificate": true}}),
        );
        check(
            &json!({"S3OriginConfig": {"OriginAccessIdentity": gone}}),
            &json!({"S3OriginConfig": {"OriginAccessIdentity": ""}}),
        );
    }
}
