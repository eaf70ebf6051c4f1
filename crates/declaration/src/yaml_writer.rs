//! Values as YAML that every reader of YAML takes for the same.

use serde_json::Value;

use crate::reference::{is_marked, names};

/// A map as a block of lines.
pub(crate) fn write(value: &Value) -> String {
    let mut text = String::new();
    write_block(&mut text, value, 0);
    text
}

fn write_block(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                text.push_str(&" ".repeat(indent));
                text.push_str(&scalar_text(name));
                text.push(':');
                write_after_key(text, value, indent + 2);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                text.push_str(&" ".repeat(indent));
                text.push('-');
                write_item(text, item, indent + 2);
            }
        }
        value => {
            text.push_str(&" ".repeat(indent));
            text.push_str(&single(value));
            text.push('\n');
        }
    }
}

fn write_after_key(text: &mut String, value: &Value, indent: usize) {
    if is_block(value) {
        text.push('\n');
        write_block(text, value, indent);
    } else {
        text.push(' ');
        text.push_str(&single(value));
        text.push('\n');
    }
}

/// A map begins on the line of its dash.
fn write_item(text: &mut String, item: &Value, indent: usize) {
    if !is_block(item) {
        text.push(' ');
        text.push_str(&single(item));
        text.push('\n');
        return;
    }
    let mut block = String::new();
    write_block(&mut block, item, indent);
    text.push(' ');
    text.push_str(block.trim_start_matches(' '));
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty() && !is_short(items),
        _ => false,
    }
}

/// A list of a few single values stands on one line.
fn is_short(items: &[Value]) -> bool {
    let is_single = items.iter().all(|item| !item.is_object() && !item.is_array());
    is_single && items.iter().map(|item| single(item).len() + 2).sum::<usize>() < 90
}

fn single(value: &Value) -> String {
    match value {
        Value::String(text) if is_marked(text) => {
            names(text).next().map_or_else(String::new, |name| format!("!Ref {name}"))
        }
        Value::String(text) => scalar_text(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(single).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(_) => "{}".to_owned(),
        value => value.to_string(),
    }
}

/// What YAML 1.1 or 1.2 reads as a boolean, as nothing or as a number.
const WORDS: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan"];

/// A text without quotation marks where nobody can take it for anything else; else as JSON, which is YAML too.
fn scalar_text(text: &str) -> String {
    let is_plain_start = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/');
    let is_plain =
        text.chars().all(|character| character.is_ascii_alphanumeric() || "-_./".contains(character));
    let is_word = WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_plain_start && is_plain && !is_word { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document::{Node, NodeValue, parse};
    use crate::reference::mark;

    #[test]
    fn it_reads_like_written_by_hand() {
        let value = json!({"Kind": "A", "Config": {
            "Methods": ["GET", "HEAD"], "Origins": [{"Id": "a", "Port": 80, "More": {"x": "*"}}], "Policy": mark("p"),
            "Empty": [], "None": {}, "Off": "off",
        }});
        let expected = "Config:\n  Empty: []\n  Methods: [GET, HEAD]\n  None: {}\n  \"Off\": \"off\"\n  Origins:\n    - Id: \
                        a\n      More:\n        x: \"*\"\n      Port: 80\n  Policy: !Ref p\nKind: A\n";
        assert_eq!(write(&value), expected);
    }

    fn read_back(node: &Node) -> Value {
        match &node.value {
            NodeValue::Scalar { text, is_quoted: false } if text == "true" => true.into(),
            NodeValue::Scalar { text, is_quoted: false } if text == "null" => Value::Null,
            NodeValue::Scalar { text, is_quoted: false } if text.parse::<i64>().is_ok() => {
                text.parse::<i64>().unwrap().into()
            }
            NodeValue::Scalar { text, .. } => text.as_str().into(),
            NodeValue::List(items) => items.iter().map(read_back).collect(),
            NodeValue::Map(entries) => {
                Value::Object(entries.iter().map(|(name, node)| (name.clone(), read_back(node))).collect())
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_survives(key in "\\PC{1,12}", text in "\\PC{0,40}", items in proptest::collection::vec("[a-z:# -]{0,9}", 0..30)) {
            let value = json!({"k": {key.as_str(): [{"a": text, "b": [1, true, null, {"c": items}]}, text]}});
            let written = write(&value);
            let nodes = parse(written.as_bytes()).map_err(|error| proptest::test_runner::TestCaseError::fail(format!("{error}\n{written}")))?;
            proptest::prop_assert_eq!(read_back(&nodes[0]), value, "{}", written);
        }
    }
}
