//! Names of web ACLs.

use crate::limits::ARN_BYTES_MAX;

/// The ARN of a web ACL for CloudFront, in any account: configurations come from elsewhere, too.
pub(crate) fn is_web_acl_arn(text: &str) -> bool {
    let is_word = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let parts = text
        .strip_prefix("arn:aws:wafv2:us-east-1:")
        .and_then(|rest| rest.split_once(":global/webacl/"))
        .and_then(|(account, name)| Some((account, name.split_once('/')?)));
    parts.is_some_and(|(account, (name, id))| {
        account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit())
            && is_word(name)
            && is_word(id)
            && text.len() <= ARN_BYTES_MAX
    })
}

/// What `WebACLId` may be: such an ARN, or the id of a web ACL of WAF Classic, which is a UUID.
pub(crate) fn is_web_acl_id(text: &str) -> bool {
    let is_uuid = || text.len() == 36 && uuid::Uuid::try_parse(text).is_ok();
    is_web_acl_arn(text) || is_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_web_acl_is_an_arn_or_a_classic_id() {
        let arn = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/Example_ACL/473e64fd-f30b-4765-81a0-62ad96dd167a";
        assert!(is_web_acl_arn(arn) && is_web_acl_id(arn));
        let classic = "473e64fd-f30b-4765-81a0-62ad96dd167a";
        assert!(is_web_acl_id(classic) && !is_web_acl_arn(classic));
        for text in [
            "",
            "null",
            "acl",
            "arn:aws:wafv2:acl",
            "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/a/b",
            "arn:aws:wafv2:eu-west-1:123456789012:global/webacl/a/b",
            "arn:aws:wafv2:us-east-1:1:global/webacl/a/b",
            "arn:aws:wafv2:us-east-1:123456789012:global/webacl/a",
            "arn:aws:wafv2:us-east-1:123456789012:global/webacl/a/b/c",
            "arn:aws:wafv2:us-east-1:123456789012:global/webacl//b",
        ] {
            assert!(!is_web_acl_id(text), "{text}");
        }
        let long = format!("arn:aws:wafv2:us-east-1:123456789012:global/webacl/{}/b", "a".repeat(400));
        assert!(!is_web_acl_id(&long));
    }
}
