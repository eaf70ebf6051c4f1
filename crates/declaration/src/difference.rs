//! What is different between two configurations, setting by setting.

use serde_json::Value;

use crate::reference::readable;

/// One setting that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Its name with those around it; items are named by what identifies them: `Origins[api].DomainName`.
    pub path: String,
    /// What is there now; nothing where it is not set.
    pub before: Option<Value>,
    /// What will be there; nothing where it will not be set.
    pub after: Option<Value>,
}

impl Difference {
    /// Whether its values must not be shown: what Mantlet sends to origins as a header may be their password.
    pub fn is_secret(&self) -> bool {
        self.path.contains("CustomHeaders[") && self.path.contains("HeaderValue")
    }

    /// A value as a person reads it, on one line.
    pub fn shown(&self, value: Option<&Value>) -> String {
        match value {
            None => "nothing".to_owned(),
            Some(_) if self.is_secret() => "(hidden)".to_owned(),
            Some(Value::String(text)) => readable(text),
            Some(value) => {
                readable(&without_secrets(value).to_string().replace("\\u0001", "(").replace("\\u0002", ")"))
            }
        }
    }
}

/// A value whose headers to origins are hidden.
pub fn without_secrets(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_secrets).collect(),
        Value::Object(members) => {
            let shown = members.iter().map(|(name, value)| {
                let is_secret = name == "HeaderValue";
                (name.clone(), if is_secret { "(hidden)".into() } else { without_secrets(value) })
            });
            Value::Object(shown.collect())
        }
        value => value.clone(),
    }
}

/// The settings of one kind of resource in which two configurations differ. How it was first asked for does not count,
/// since it cannot change.
pub fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", before, after, &mut found);
    found
}

/// Whether a value says nothing: absent, empty, or a list without items. The API takes one for the other.
pub fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.iter().all(|(name, value)| match name.as_str() {
            "Quantity" => value == 0,
            "Enabled" => members.contains_key("Quantity") && value == false,
            _ => is_nothing(value),
        }),
        _ => false,
    }
}

fn compare(path: &str, before: &Value, after: &Value, found: &mut Vec<Difference>) {
    if before == after || (is_nothing(before) && is_nothing(after)) {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
            for name in names {
                if matches!(name.as_str(), "Quantity" | "CallerReference") {
                    continue;
                }
                let (old, new) =
                    (old.get(name).unwrap_or(&Value::Null), new.get(name).unwrap_or(&Value::Null));
                // Items of a listing stand under the listing's own name.
                let inner = match (path, name.as_str()) {
                    ("", name) => name.to_owned(),
                    (path, "Items") => path.to_owned(),
                    (path, name) => format!("{path}.{name}"),
                };
                compare(&inner, old, new, found);
            }
        }
        (Value::Array(old), Value::Array(new)) => compare_lists(path, old, new, found),
        _ => found.push(Difference { path: path.to_owned(), before: some(before), after: some(after) }),
    }
}

fn some(value: &Value) -> Option<Value> {
    (!is_nothing(value)).then(|| value.clone())
}

fn compare_lists(path: &str, old: &[Value], new: &[Value], found: &mut Vec<Difference>) {
    let Some((old_names, new_names)) = identities(old).zip(identities(new)) else {
        return compare_plain_lists(path, old, new, found);
    };
    for (name, item) in old_names.iter().zip(old) {
        let index = new_names.iter().position(|other| other == name);
        let other = index.map_or(&Value::Null, |index| &new[index]);
        compare(&format!("{path}[{name}]"), item, other, found);
    }
    for (name, item) in new_names.iter().zip(new).filter(|(name, _)| !old_names.contains(name)) {
        compare(&format!("{path}[{name}]"), &Value::Null, item, found);
    }
    let kept = |names: &[String], others: &[String]| -> Vec<String> {
        names.iter().filter(|name| others.contains(name)).cloned().collect()
    };
    // The order of cache behaviors decides which of them a path meets.
    if path.ends_with("CacheBehaviors") && kept(&old_names, &new_names) != kept(&new_names, &old_names) {
        let (before, after) = (Some(old_names.into()), Some(new_names.into()));
        found.push(Difference { path: format!("{path} (order)"), before, after });
    }
}

/// The texts that tell the items of a list apart, if every item has one of its own.
fn identities(items: &[Value]) -> Option<Vec<String>> {
    const IDENTIFIERS: [&str; 7] =
        ["Id", "PathPattern", "HeaderName", "Header", "ErrorCode", "EventType", "Key"];
    let identifier =
        IDENTIFIERS.into_iter().find(|name| items.first().is_none_or(|item| item.get(name).is_some()))?;
    let names: Vec<String> = items
        .iter()
        .map(|item| match item.get(identifier)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let is_distinct = names.iter().enumerate().all(|(index, name)| !names[..index].contains(name));
    (is_distinct && items.iter().all(Value::is_object)).then_some(names)
}

/// The order of single values means nothing: methods, names, aliases, countries.
fn compare_plain_lists(path: &str, old: &[Value], new: &[Value], found: &mut Vec<Difference>) {
    let is_plain = old.iter().chain(new).all(|item| !item.is_object());
    let sorted = |items: &[Value]| {
        let mut texts: Vec<String> = items.iter().map(Value::to_string).collect();
        texts.sort_unstable();
        texts
    };
    if is_plain && sorted(old) == sorted(new) {
        return;
    }
    let (before, after) = (Value::from(old.to_vec()), Value::from(new.to_vec()));
    found.push(Difference { path: path.to_owned(), before: some(&before), after: some(&after) });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "it is written where it is needed")]
    fn check(before: Value, after: Value, expected: &[&str]) {
        let found = differences(&before, &after);
        let shown: Vec<_> = found
            .iter()
            .map(|one| {
                let (before, after) = (one.shown(one.before.as_ref()), one.shown(one.after.as_ref()));
                format!("{}: {before} → {after}", one.path)
            })
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn nothing_is_nothing_in_every_form() {
        let empty =
            json!({"Aliases": {"Quantity": 0}, "Comment": "", "Groups": {"Enabled": false, "Quantity": 0}});
        check(empty, json!({"Aliases": {"Quantity": 0, "Items": []}, "WebACLId": ""}), &[]);
        check(json!({"CallerReference": "a"}), json!({"CallerReference": "b"}), &[]);
        check(
            json!({"GrpcConfig": {"Enabled": false}}),
            json!({}),
            &["GrpcConfig: {\"Enabled\":false} → nothing"],
        );
    }

    #[test]
    fn items_are_told_apart_by_their_names() {
        let list = |items: Value| json!({"Origins": {"Quantity": 2, "Items": items}});
        check(
            list(json!([{"Id": "a", "DomainName": "x"}, {"Id": "b", "DomainName": "y"}])),
            list(json!([{"Id": "b", "DomainName": "z"}, {"Id": "a", "DomainName": "x"}, {"Id": "c"}])),
            &["Origins[b].DomainName: y → z", "Origins[c]: nothing → {\"Id\":\"c\"}"],
        );
    }

    #[test]
    fn order_counts_where_it_decides() {
        let list = |items: Value| json!({"CacheBehaviors": {"Items": items}});
        check(
            list(json!([{"PathPattern": "/a"}, {"PathPattern": "/b"}])),
            list(json!([{"PathPattern": "/b"}, {"PathPattern": "/a"}])),
            &["CacheBehaviors (order): [\"/a\",\"/b\"] → [\"/b\",\"/a\"]"],
        );
        check(json!({"Aliases": {"Items": ["a", "b"]}}), json!({"Aliases": {"Items": ["b", "a"]}}), &[]);
        check(
            json!({"Aliases": {"Items": ["a"]}}),
            json!({"Aliases": {"Items": ["b"]}}),
            &["Aliases: [\"a\"] → [\"b\"]"],
        );
    }

    #[test]
    fn secrets_are_hidden() {
        let header = |value: &str| json!({"Items": [{"HeaderName": "X-Key", "HeaderValue": value}]});
        let origin =
            |value: &str| json!({"Origins": {"Items": [{"Id": "a", "CustomHeaders": header(value)}]}});
        check(
            origin("s3cret"),
            origin("s3cret2"),
            &["Origins[a].CustomHeaders[X-Key].HeaderValue: (hidden) → (hidden)"],
        );
        check(
            json!({}),
            origin("s3cret"),
            &["Origins: nothing → {\"Items\":[{\"CustomHeaders\":{\"Items\":[{\"HeaderName\":\"X-Key\",\
               \"HeaderValue\":\"(hidden)\"}]},\"Id\":\"a\"}]}"],
        );
    }
}
