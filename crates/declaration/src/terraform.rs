//! What is there as a configuration for Terraform's provider `hashicorp/aws`, 5.x and 6.x.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::conform::remove_deprecated;
use crate::difference::is_nothing;
use crate::export::{Export, ExportedFile};
use crate::kind::Kind;
use crate::plan::Live;

/// `main.tf` with every resource, and `imports.tf` with the ids that they have here.
pub fn configuration(export: &Export<'_>) -> Vec<ExportedFile> {
    let names = export.names();
    let addresses: BTreeMap<&str, String> =
        export.resources.iter().map(|live| (live.id.as_str(), address(live, &names))).collect();
    let mut main = HEAD.to_owned();
    let mut imports = IMPORTS_HEAD.to_owned();
    for live in export.resources {
        let mut writer = Writer { text: String::new(), export, addresses: &addresses };
        writer.resource(live, &names);
        main.push_str(&writer.text);
        imports.push_str(&import_block(live, &names));
    }
    vec![
        ExportedFile { name: "main.tf".to_owned(), text: main },
        ExportedFile { name: "imports.tf".to_owned(), text: imports },
    ]
}

const HEAD: &str = "\
terraform {
  required_providers {
    aws = { source = \"hashicorp/aws\" }
  }
}
";

const IMPORTS_HEAD: &str = "\
# The ids of what is there already, where this was exported. To make everything anew, on AWS for one, remove this file.
";

fn resource_type(kind: Kind) -> &'static str {
    match kind {
        Kind::CachePolicy => "aws_cloudfront_cache_policy",
        Kind::OriginRequestPolicy => "aws_cloudfront_origin_request_policy",
        Kind::ResponseHeadersPolicy => "aws_cloudfront_response_headers_policy",
        Kind::PublicKey => "aws_cloudfront_public_key",
        Kind::KeyGroup => "aws_cloudfront_key_group",
        Kind::OriginAccessControl => "aws_cloudfront_origin_access_control",
        Kind::RealtimeLogConfig => "aws_cloudfront_realtime_log_config",
        Kind::ContinuousDeploymentPolicy => "aws_cloudfront_continuous_deployment_policy",
        Kind::Distribution => "aws_cloudfront_distribution",
    }
}

/// Names begin with a letter or an underscore ("Identifiers" in the Terraform language).
fn identifier(name: &str) -> String {
    let fit = |character: char| {
        if character.is_ascii_alphanumeric() || matches!(character, '-' | '_') { character } else { '_' }
    };
    let name: String = name.chars().map(fit).collect();
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) { name } else { format!("_{name}") }
}

fn label(live: &Live, names: &BTreeMap<String, String>) -> String {
    identifier(names.get(&live.id).map_or(live.id.as_str(), String::as_str))
}

fn address(live: &Live, names: &BTreeMap<String, String>) -> String {
    format!("{}.{}", resource_type(live.kind), label(live, names))
}

fn import_block(live: &Live, names: &BTreeMap<String, String>) -> String {
    format!("\nimport {{\n  to = {}\n  id = {}\n}}\n", address(live, names), quoted(&live.id))
}

struct Writer<'a> {
    text: String,
    export: &'a Export<'a>,
    addresses: &'a BTreeMap<&'a str, String>,
}

/// How a member of the API is written.
enum Form {
    /// The provider has nothing of the sort.
    Unknown,
    /// It goes without saying.
    Left,
    /// A value, or the items of a listing.
    Attribute(String),
    /// One block, or one for each item.
    Block(String),
    /// A block whose items are an attribute of its own.
    ItemsBlock(String),
    /// A block with a block for each item.
    BlocksBlock(String),
}

impl Writer<'_> {
    fn resource(&mut self, live: &Live, names: &BTreeMap<String, String>) {
        let mut config = live.config.clone();
        remove_deprecated(&mut config);
        remove_what_the_default_certificate_decides(&mut config);
        let head = format!("resource \"{}\" \"{}\" {{", resource_type(live.kind), label(live, names));
        self.line(0, "");
        self.line(0, &head);
        if let Value::Object(members) = &config {
            self.members(live.kind.name(), members, 1);
        }
        if !live.tags.is_empty() {
            self.line(1, "tags = {");
            for (key, value) in &live.tags {
                self.line(2, &format!("{} = {}", quoted(key), quoted(value)));
            }
            self.line(1, "}");
        }
        self.text.push_str("}\n");
    }

    fn members(&mut self, parent: &str, members: &Map<String, Value>, depth: usize) {
        for (name, value) in members.iter().filter(|(name, value)| is_said(name, value)) {
            match form(parent, name, value) {
                Form::Left => {}
                Form::Unknown => self.line(depth, &format!("# The provider does not know {name}.")),
                Form::Attribute(attribute) => {
                    self.attribute(&attribute, items_of(value).unwrap_or(value), depth);
                }
                Form::Block(block) => self.blocks(&block, name, value, depth),
                Form::ItemsBlock(block) => {
                    self.line(depth, &format!("{block} {{"));
                    if block == "staging_distribution_dns_names" {
                        self.attribute("quantity", &value["Quantity"], depth + 1);
                    }
                    self.attribute("items", &value["Items"], depth + 1);
                    self.line(depth, "}");
                }
                Form::BlocksBlock(block) => {
                    self.line(depth, &format!("{block} {{"));
                    self.blocks("items", name, value, depth + 1);
                    self.line(depth, "}");
                }
            }
            if name == "AllowedMethods" {
                self.attribute("cached_methods", &value["CachedMethods"]["Items"], depth);
            }
        }
    }

    fn blocks(&mut self, block: &str, name: &str, value: &Value, depth: usize) {
        let items = items_of(value)
            .filter(|items| items.as_array().is_some_and(|all| all.iter().all(Value::is_object)));
        match items.unwrap_or(value) {
            Value::Array(items) => items.iter().for_each(|item| self.block(block, name, item, depth)),
            single => self.block(block, name, single, depth),
        }
    }

    fn block(&mut self, block: &str, name: &str, value: &Value, depth: usize) {
        self.line(depth, &format!("{block} {{"));
        if let Value::Object(members) = value {
            self.members(name, members, depth + 1);
        }
        self.line(depth, "}");
    }

    fn attribute(&mut self, name: &str, value: &Value, depth: usize) {
        let managed = value.as_str().and_then(|id| self.export.managed.get(id));
        let comment = managed.map_or(String::new(), |name| format!(" # {name}"));
        let value = self.value(value);
        self.line(depth, &format!("{name} = {value}{comment}"));
    }

    fn value(&self, value: &Value) -> String {
        match value {
            Value::String(text) => match self.addresses.get(text.as_str()) {
                Some(address) if text.starts_with("arn:") => format!("{address}.arn"),
                Some(address) => format!("{address}.id"),
                None => quoted(text),
            },
            Value::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| self.value(item)).collect();
                format!("[{}]", items.join(", "))
            }
            other => other.to_string(),
        }
    }

    fn line(&mut self, depth: usize, line: &str) {
        self.text.push_str(&"  ".repeat(depth));
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// With CloudFront's own certificate nothing else can be chosen, and the provider plans a change if it is.
fn remove_what_the_default_certificate_decides(config: &mut Value) {
    if let Some(certificate) = config.get_mut("ViewerCertificate").and_then(Value::as_object_mut)
        && certificate.get("CloudFrontDefaultCertificate") == Some(&Value::Bool(true))
    {
        certificate.retain(|name, _| name == "CloudFrontDefaultCertificate");
    }
}

/// What is switched off goes without saying where the provider has a block for it.
fn is_said(name: &str, value: &Value) -> bool {
    let is_off = value["Enabled"] == false && !matches!(name, "StagingDistributionDnsNames");
    let is_no_bucket_identity = name == "S3OriginConfig" && is_nothing(&value["OriginAccessIdentity"]);
    !(is_nothing(value) || is_off || is_no_bucket_identity)
}

/// The items of a listing, or of anything that has items.
fn items_of(value: &Value) -> Option<&Value> {
    value.get("Items").filter(|items| items.is_array())
}

/// The provider's words, where they are not the API's in small letters (documentation of `aws_cloudfront_…`).
#[expect(clippy::match_same_arms, reason = "in the order of what they are about")]
fn form(parent: &str, name: &str, value: &Value) -> Form {
    let attribute = |text: &str| Form::Attribute(text.to_owned());
    let block = |text: &str| Form::Block(text.to_owned());
    match (parent, name) {
        (_, "CallerReference" | "Quantity") => Form::Left,
        (
            "Distribution",
            "TenantConfig"
            | "ConnectionMode"
            | "ViewerMtlsConfig"
            | "ConnectionFunctionAssociation"
            | "CacheTagConfig"
            | "AnycastIpListId",
        )
        | ("Origins", "ResponseCompletionTimeout")
        | ("CustomOriginConfig", "OriginMtlsConfig")
        | ("S3OriginConfig", "OriginReadTimeout")
        | ("VpcOriginConfig", "OwnerAccountId")
        | ("OriginGroups", "SelectionCriteria") => Form::Unknown,
        // The default; only newer providers have a word for it.
        ("CustomOriginConfig", "IpAddressType") if value == "ipv4" => Form::Left,
        ("CustomOriginConfig", "IpAddressType") => Form::Unknown,
        ("Distribution", "Origins") => block("origin"),
        ("Distribution", "OriginGroups") => block("origin_group"),
        ("Distribution", "CacheBehaviors") => block("ordered_cache_behavior"),
        ("Distribution", "CustomErrorResponses") => block("custom_error_response"),
        ("Distribution", "Logging") => block("logging_config"),
        ("Logging", "Enabled") => Form::Left,
        ("Origins" | "OriginGroups", "Id") => attribute("origin_id"),
        ("Origins", "CustomHeaders") => block("custom_header"),
        ("CustomHeaders", "HeaderName") => attribute("name"),
        ("CustomHeaders", "HeaderValue") => attribute("value"),
        ("OriginGroups", "Members") => block("member"),
        (_, "FunctionAssociations") => block("function_association"),
        (_, "LambdaFunctionAssociations") => block("lambda_function_association"),
        ("LambdaFunctionAssociations", "LambdaFunctionARN") => attribute("lambda_arn"),
        ("GeoRestriction", "Items") => attribute("locations"),
        ("Restrictions", "GeoRestriction") => Form::Block("geo_restriction".to_owned()),
        ("ViewerCertificate", "CloudFrontDefaultCertificate") if value == false => Form::Left,
        ("ViewerCertificate", "CloudFrontDefaultCertificate") => attribute("cloudfront_default_certificate"),
        ("RealtimeLogConfig", "EndPoints") => block("endpoint"),
        ("CustomHeadersConfig" | "RemoveHeadersConfig", "Items") => Form::Left,
        ("ResponseHeadersPolicy", "CustomHeadersConfig" | "RemoveHeadersConfig") => {
            Form::BlocksBlock(snake_case(name))
        }
        (
            "CookiesConfig" | "HeadersConfig" | "QueryStringsConfig",
            "Cookies" | "Headers" | "QueryStrings",
        )
        | ("ContinuousDeploymentPolicy", "StagingDistributionDnsNames") => Form::ItemsBlock(snake_case(name)),
        ("CorsConfig", name) if value.get("Items").is_some() => Form::ItemsBlock(snake_case(name)),
        (_, name) if value.is_object() && items_of(value).is_none() => Form::Block(snake_case(name)),
        (_, name) => Form::Attribute(snake_case(name)),
    }
}

/// `MinTTL` is `min_ttl`, `HTTPSPort` is `https_port`.
fn snake_case(name: &str) -> String {
    let characters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (index, character) in characters.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| characters[index]);
        let is_next_small = characters.get(index + 1).is_some_and(char::is_ascii_lowercase);
        let begins_word = character.is_ascii_uppercase()
            && before.is_some_and(|before| !before.is_ascii_uppercase() || is_next_small);
        if begins_word {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

/// A text in quotation marks, in which nothing is a template ("Strings and Templates").
fn quoted(text: &str) -> String {
    let json = Value::from(text).to_string();
    json.replace("\\b", "\\u0008").replace("\\f", "\\u000c").replace("${", "$${").replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_in_small_letters() {
        for (name, expected) in [
            ("MinTTL", "min_ttl"),
            ("HTTPSPort", "https_port"),
            ("IsIPV6Enabled", "is_ipv6_enabled"),
            ("WebACLId", "web_acl_id"),
            ("XSSProtection", "xss_protection"),
            ("ACMCertificateArn", "acm_certificate_arn"),
            ("OriginSslProtocols", "origin_ssl_protocols"),
        ] {
            assert_eq!(snake_case(name), expected);
        }
    }

    #[test]
    fn texts_are_no_templates() {
        assert_eq!(quoted("a\"${b}%{c}\n"), "\"a\\\"$${b}%%{c}\\n\"");
        assert_eq!(identifier("1 a.b"), "_1_a_b");
    }

    #[test]
    fn resources_refer_to_each_other() {
        let policy = Live {
            kind: Kind::CachePolicy,
            id: "p1".to_owned(),
            config: json!({"Name": "short", "MinTTL": 1, "ParametersInCacheKeyAndForwardedToOrigin": {
                "EnableAcceptEncodingGzip": false,
                "HeadersConfig": {"HeaderBehavior": "whitelist", "Headers": {"Quantity": 1, "Items": ["A"]}},
            }}),
            tags: BTreeMap::new(),
        };
        let distribution = Live {
            kind: Kind::Distribution,
            id: "E1".to_owned(),
            config: json!({"CallerReference": "r", "Comment": "", "Enabled": true, "Origins": {"Quantity": 1, "Items": [
                {"Id": "o", "DomainName": "o.example", "OriginShield": {"Enabled": false}, "CustomHeaders":
                    {"Quantity": 1, "Items": [{"HeaderName": "X", "HeaderValue": "y"}]}},
            ]}, "DefaultCacheBehavior": {"CachePolicyId": "p1", "OriginRequestPolicyId": "m1",
                "AllowedMethods": {"Quantity": 1, "Items": ["GET"], "CachedMethods": {"Quantity": 1, "Items": ["GET"]}}},
                "Restrictions": {"GeoRestriction": {"RestrictionType": "whitelist", "Quantity": 1, "Items": ["CH"]}}}),
            tags: BTreeMap::from([("stage".to_owned(), "prod".to_owned())]),
        };
        let managed = BTreeMap::from([("m1".to_owned(), "Managed-AllViewer".to_owned())]);
        let files = configuration(&Export { resources: &[policy, distribution], managed: &managed });
        let expected = "
resource \"aws_cloudfront_cache_policy\" \"short\" {
  min_ttl = 1
  name = \"short\"
  parameters_in_cache_key_and_forwarded_to_origin {
    enable_accept_encoding_gzip = false
    headers_config {
      header_behavior = \"whitelist\"
      headers {
        items = [\"A\"]
      }
    }
  }
}

resource \"aws_cloudfront_distribution\" \"E1\" {
  default_cache_behavior {
    allowed_methods = [\"GET\"]
    cached_methods = [\"GET\"]
    cache_policy_id = aws_cloudfront_cache_policy.short.id
    origin_request_policy_id = \"m1\" # Managed-AllViewer
  }
  enabled = true
  origin {
    custom_header {
      name = \"X\"
      value = \"y\"
    }
    domain_name = \"o.example\"
    origin_id = \"o\"
  }
  restrictions {
    geo_restriction {
      locations = [\"CH\"]
      restriction_type = \"whitelist\"
    }
  }
  tags = {
    \"stage\" = \"prod\"
  }
}
";
        assert_eq!(files[0].text, format!("{HEAD}{expected}"));
        assert!(
            files[1].text.ends_with("import {\n  to = aws_cloudfront_distribution.E1\n  id = \"E1\"\n}\n")
        );
    }
}
