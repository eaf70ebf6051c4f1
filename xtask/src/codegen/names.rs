//! Rust names for the models' names.

/// `IsIPV6Enabled` → `is_ipv6_enabled`, `WebACLId` → `web_acl_id`, `ETag` → `etag`.
pub(crate) fn field(name: &str) -> String {
    let snake = match name {
        "ETag" => "etag".to_owned(),
        _ => words(name).join("_"),
    };
    match snake.as_str() {
        "type" | "match" | "use" | "ref" | "move" | "static" | "enum" | "struct" | "where" | "in" | "for"
        | "loop" | "mod" | "impl" | "trait" | "fn" | "let" | "if" | "else" | "return" | "final"
        | "override" => {
            format!("r#{snake}")
        }
        _ => snake,
    }
}

/// A structure's or an enumeration's name; some models begin theirs in lower case.
pub(crate) fn shape(name: &str) -> String {
    capitalized(name)
}

/// `redirect-to-https` → `RedirectToHttps`, `SAMEORIGIN` → `Sameorigin`, `TLSv1.2_2021` → `TLSv1_2_2021`.
pub(crate) fn variant(wire: &str) -> String {
    let mut name = String::new();
    for word in
        wire.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
    {
        if ends_in_digit(&name) && word.starts_with(|first: char| first.is_ascii_digit()) {
            name.push('_');
        }
        let shouted = !word.contains(|character: char| character.is_ascii_lowercase());
        name.push_str(&if shouted { capitalized(&word.to_ascii_lowercase()) } else { capitalized(word) });
    }
    match name.as_str() {
        "Self" => "SelfValue".to_owned(),
        "" => "Empty".to_owned(),
        _ if name.starts_with(|first: char| first.is_ascii_digit()) => format!("V{name}"),
        _ => name,
    }
}

fn ends_in_digit(text: &str) -> bool {
    text.ends_with(|last: char| last.is_ascii_digit())
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + characters.as_str())
}

/// Splits camel case into lower-case words; a run of capitals is one word, with its plural `s`.
fn words(name: &str) -> Vec<String> {
    let characters: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = Vec::new();
    for (index, &character) in characters.iter().enumerate() {
        if index == 0 || starts_word(&characters, index) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| character.is_ascii_alphanumeric()) {
            word.push(character.to_ascii_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn starts_word(characters: &[char], index: usize) -> bool {
    let previous = characters[index - 1];
    if !previous.is_ascii_alphanumeric() {
        return true;
    }
    let (current, next) = (characters[index], characters.get(index + 1));
    if !current.is_ascii_uppercase() {
        return false;
    }
    let plural = next == Some(&'s') && characters.get(index + 2).is_none_or(char::is_ascii_uppercase);
    !previous.is_ascii_uppercase() || (next.is_some_and(char::is_ascii_lowercase) && !plural)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_whole_words() {
        let check = |name, expected| assert_eq!(field(name), expected);
        check("CallerReference", "caller_reference");
        check("HTTPSPort", "https_port");
        check("IsIPV6Enabled", "is_ipv6_enabled");
        check("WebACLId", "web_acl_id");
        check("WebACLs", "web_acls");
        check("S3OriginConfig", "s3_origin_config");
        check("JA3Fingerprint", "ja3_fingerprint");
        check("ETag", "etag");
        check("Type", "r#type");
        check("ResourceARNs", "resource_arns");
        check("MinTTL", "min_ttl");
    }

    #[test]
    fn variants_are_camel_case() {
        let check = |wire, expected| assert_eq!(variant(wire), expected);
        check("redirect-to-https", "RedirectToHttps");
        check("SAMEORIGIN", "Sameorigin");
        check("TLSv1.2_2021", "TLSv1_2_2021");
        check("http1.1", "Http1_1");
        check("PriceClass_100", "PriceClass100");
        check("allExcept", "AllExcept");
        check("RSA_2048", "Rsa2048");
    }
}
