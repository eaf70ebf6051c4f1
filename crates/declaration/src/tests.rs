//! Whole files, each with what is read of it beside it. `BLESS=1` writes the golden files anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::plan::unmet;
use crate::reference::readable;
use crate::resource::{File, Reading, external_names, read_foreign};

/// What was read, for people: resources, what is wanting, what was left.
fn show(reading: &Reading) -> String {
    let mut text = String::new();
    let names = reading.resources.iter().map(|resource| resource.name.clone()).collect();
    for resource in &reading.resources {
        writeln!(text, "== {} {} ({})", resource.kind, resource.name, resource.source).unwrap();
        if let Some(tags) = &resource.tags {
            writeln!(text, "tags: {tags:?}").unwrap();
        }
        let config = serde_json::to_string_pretty(&resource.config).unwrap();
        writeln!(text, "{}", readable(&config.replace("\\u0001", "\u{1}").replace("\\u0002", "\u{2}")))
            .unwrap();
        for one in unmet(resource, &BTreeMap::new(), &names) {
            writeln!(text, "needs {} for {}", one.name, one.path).unwrap();
        }
        for (name, what) in external_names(resource) {
            writeln!(text, "{name} is {what}").unwrap();
        }
        resource.notes.iter().for_each(|note| writeln!(text, "note: {note}").unwrap());
    }
    for one in &reading.unmet {
        writeln!(text, "needs {} for {} ({})", one.name, one.path, one.source).unwrap();
    }
    for one in &reading.skipped {
        writeln!(text, "skipped: {} ({}): {}", one.what, one.source, one.why).unwrap();
    }
    text
}

fn check(name: &str, values: &[(&str, &str)]) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/fixtures");
    let bytes = std::fs::read(directory.join(name)).unwrap();
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let reading = read_foreign(&[File { name, bytes: &bytes }], &values).unwrap();
    let golden = directory.join(format!("{name}.golden"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&golden, show(&reading)).unwrap();
    }
    assert_eq!(show(&reading), std::fs::read_to_string(&golden).unwrap());
}

fn refused(text: &str, expected: &str) {
    let error = read_foreign(&[File { name: "t.yaml", bytes: text.as_bytes() }], &BTreeMap::new());
    assert_eq!(error.unwrap_err().to_string(), expected);
}

#[test]
fn a_distribution_as_aws_cli_prints_it() {
    check("get-distribution-config.json", &[]);
}

#[test]
fn a_page_of_distributions() {
    check("list-distributions.json", &[]);
}

#[test]
fn policies_and_keys_in_every_form() {
    check("policies.json", &[]);
}

#[test]
fn a_template_with_parameters_and_functions() {
    check("template.yaml", &[]);
}

#[test]
fn a_template_with_what_is_not_cloudfronts() {
    check("sam.json", &[("web-acl", ""), ("AWS::Region", "eu-central-1")]);
}

#[test]
fn faults_of_templates_name_their_place() {
    let template = |properties: &str| {
        format!(
            "Resources:\n  A:\n    Type: AWS::CloudFront::CachePolicy\n    Properties:\n      CachePolicyConfig: {properties}\n"
        )
    };
    refused(
        &template("{Name: a}"),
        "t.yaml: line 5, column 26: CachePolicyConfig.MinTTL: it is required; add it",
    );
    refused(
        &template("{Name: !Cidr [a], MinTTL: 1}"),
        "t.yaml: line 5, column 33: A.CachePolicyConfig.Name: the function Cidr is not worked out; write its value here",
    );
    refused(
        &template("!Select [2, [a]]"),
        "t.yaml: line 5, column 26: A.CachePolicyConfig: the list has no such item",
    );
    refused(
        "Conditions:\n  C: !Condition C\nResources:\n  A: {Type: AWS::CloudFront::CachePolicy, Condition: C}\n",
        "t.yaml: line 2, column 6: Conditions.C: conditions that lead to themselves",
    );
    refused(
        "Resources:\n  A: {Type: AWS::CloudFront::CachePolicy}\n",
        "t.yaml: line 2, column 6: A.Properties.CachePolicyConfig: it is required; add it",
    );
}

#[test]
fn a_template_does_not_grow_without_end() {
    let default = "x".repeat(1 << 20);
    let uses = "!Ref P, ".repeat(100);
    refused(
        &format!(
            "Parameters:\n  P: {{Type: String, Default: {default}}}\nResources:\n  A:\n    Type: AWS::CloudFront::KeyGroup\n    Properties: {{KeyGroupConfig: {{Name: a, Items: [{uses}]}}}}\n"
        ),
        "t.yaml: line 6, column 300: A.KeyGroupConfig.Items[31]: the template grows beyond 32 MiB once it is worked out",
    );
}

#[test]
fn one_name_is_one_resource() {
    let text = "Kind: CachePolicy\nName: a\nConfig: {MinTTL: 1}\n---\nKind: CachePolicy\nName: a\nConfig: {MinTTL: 2}\n";
    refused(text, "t.yaml:1 and t.yaml:5 both declare a; rename one");
}

#[test]
fn other_documents_are_left() {
    let text = "hello: world\n";
    let reading = read_foreign(&[File { name: "t.yaml", bytes: text.as_bytes() }], &BTreeMap::new()).unwrap();
    assert_eq!(reading.resources, []);
    assert_eq!(reading.skipped.len(), 1);
}

#[test]
fn faults_of_declarations_say_what_to_write() {
    refused(
        "Kind: Cache\nName: a\nConfig: {}\n",
        "t.yaml: line 1, column 7: Kind: write one of CachePolicy, \
        OriginRequestPolicy, ResponseHeadersPolicy, PublicKey, KeyGroup, OriginAccessControl, RealtimeLogConfig, \
        ContinuousDeploymentPolicy, Distribution",
    );
    refused(
        "Kind: CachePolicy\nName: a b\nConfig: {}\n",
        "t.yaml: line 2, column 7: Name: write a name of letters, \
        digits, hyphens and underscores",
    );
    refused(
        "Kind: CachePolicy\nName: a\n",
        "t.yaml: line 1, column 1: Config: a resource has Kind, Name and Config; \
        add what is missing",
    );
    refused(
        "Kind: CachePolicy\nName: a\nMinTTL: 0\nConfig: {}\n",
        "t.yaml: line 3, column 9: MinTTL: beside Kind, \
        Name, Config and Tags nothing stands here; move it into Config",
    );
}
