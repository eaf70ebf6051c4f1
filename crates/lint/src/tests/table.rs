//! The guide has the table as the code has it.

use std::fmt::Write as _;

use crate::RULES;

/// The table of docs/guide/lint.md.
fn table() -> String {
    let mut table = "| code | severity | warns | stays silent | patch |\n|---|---|---|---|---|\n".to_owned();
    for rule in RULES {
        let patch = if rule.patches.is_empty() { "none: the owner has to choose" } else { rule.patches };
        writeln!(
            table,
            "| `{}` | {} | {} | {} | {} |",
            rule.code, rule.severity, rule.warns, rule.silent, patch
        )
        .unwrap();
    }
    table
}

#[test]
fn the_guide_has_every_rule() {
    let guide = include_str!("../../../../docs/guide/lint.md");
    let table = table();
    assert!(guide.contains(&table), "docs/guide/lint.md lacks this table:\n{table}");
}

#[test]
fn codes_are_unique_and_words() {
    for (index, rule) in RULES.iter().enumerate() {
        assert!(RULES[..index].iter().all(|other| other.code != rule.code), "{}", rule.code);
        assert!(rule.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", rule.code);
    }
}
