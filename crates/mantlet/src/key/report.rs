//! What `mantlet key` prints.

use std::fmt::Write as _;

use anyhow::Result;
use control::{IssuedKey, KeyDescription, KeyState};
use serde::Serialize;

/// One JSON document.
pub(super) fn json(report: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

/// A line for each id, and one for each key without any.
pub(super) fn table(keys: &[KeyDescription]) -> String {
    let mut text = row(["NAME", "ROLE", "STATE", "ACCESS KEY ID", "CREATED", "ENDS"]);
    for key in keys {
        let state = match key.state {
            KeyState::Active => "active",
            KeyState::Revoked => "revoked",
        };
        for id in &key.access_key_ids {
            let ends = id.expires.as_deref().unwrap_or("-");
            text += &row([&key.name, key.role.as_str(), state, &id.id, &id.created, ends]);
        }
        if key.access_key_ids.is_empty() {
            let ended = key.revoked.as_deref().unwrap_or("-");
            text += &row([&key.name, key.role.as_str(), state, "-", &key.created, ended]);
        }
    }
    text
}

fn row([name, role, state, id, created, ends]: [&str; 6]) -> String {
    format!("{name:<20}  {role:<6}  {state:<7}  {id:<20}  {created:<24}  {ends}\n")
}

/// A new key, for a person.
pub(super) fn issued(key: &IssuedKey, done: &str) -> String {
    let mut text = format!(
        "\
{done} the key {name} with the role {role}. Its secret is shown this once:

  access key id      {id}
  secret access key  {secret}
",
        name = key.name,
        role = key.role,
        id = key.access_key_id,
        secret = *key.secret_access_key,
    );
    for older in &key.still_valid {
        let until = older.expires.as_deref().unwrap_or("it is revoked");
        // Writing to a String does not fail.
        let _ = write!(text, "\n{} still works until {until}.\n", older.id);
    }
    for older in &key.retired {
        let _ = write!(text, "\n{older} works no more.\n");
    }
    text
}

/// A key that was ended.
pub(super) fn revoked(asked: &str, left: &KeyDescription) -> String {
    match left.state {
        KeyState::Revoked => format!("Revoked the key {}. Nobody gets in with it any more.\n", left.name),
        KeyState::Active => format!("Revoked {asked}. Other ids of the key {} still work.\n", left.name),
    }
}

#[cfg(test)]
mod tests {
    use control::{KeyIdDescription, Role};

    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_id() {
        let id = |id: &str, expires: Option<&str>| KeyIdDescription {
            id: id.to_owned(),
            created: "2026-01-01T00:00:00.000Z".to_owned(),
            expires: expires.map(str::to_owned),
        };
        let key = KeyDescription {
            name: "ci".to_owned(),
            role: Role::Deploy,
            state: KeyState::Active,
            created: "2026-01-01T00:00:00.000Z".to_owned(),
            rotated: None,
            revoked: None,
            access_key_ids: vec![id("AKIAONE", Some("2026-01-02T00:00:00.000Z")), id("AKIATWO", None)],
        };
        let table =
            table(&[key.clone(), KeyDescription { state: KeyState::Revoked, access_key_ids: vec![], ..key }]);
        let words: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[1][..4], ["ci", "deploy", "active", "AKIAONE"]);
        assert_eq!(words[1][5], "2026-01-02T00:00:00.000Z");
        assert_eq!(words[2][5], "-");
        assert_eq!(words[3][..4], ["ci", "deploy", "revoked", "-"]);
    }
}
