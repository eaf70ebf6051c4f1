//! Patterns with `*` and `?`, as path patterns and names of cookies have them.

/// Whether a text is what a pattern describes: `*` is any text, the empty one included, `?` is any one
/// byte; every other byte is itself.
///
/// Without memory, and backtracking to the last `*` only, so in at most pattern times text steps.
pub fn matches_wildcards(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some(b'*') => {
                last_star = Some((at_pattern, at_text));
                at_pattern += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[at_text] => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => match last_star {
                Some((star, eaten)) => {
                    at_pattern = star + 1;
                    at_text = eaten + 1;
                    last_star = Some((star, eaten + 1));
                }
                None => return false,
            },
        }
    }
    pattern[at_pattern..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The obvious exponential definition of the same language.
    fn matches_by_definition(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|eaten| matches_by_definition(rest, &text[eaten..])),
            Some((&byte, rest)) => text.split_first().is_some_and(|(&first, others)| {
                (byte == b'?' || byte == first) && matches_by_definition(rest, others)
            }),
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_its_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let expect = matches_by_definition(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(matches_wildcards(&pattern, &text), expect);
        }
    }
}
