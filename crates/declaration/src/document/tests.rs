use super::*;

/// A node as compact text: scalars in quotes if they had some.
fn show(node: &Node) -> String {
    match &node.value {
        NodeValue::Scalar { text, is_quoted: true } => format!("{text:?}"),
        NodeValue::Scalar { text, .. } => text.clone(),
        NodeValue::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
        NodeValue::Map(entries) => {
            let entries: Vec<_> = entries.iter().map(|(key, node)| format!("{key}:{}", show(node))).collect();
            format!("{{{}}}", entries.join(" "))
        }
    }
}

fn check(text: &str, expected: &str) {
    let documents = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(documents.iter().map(show).collect::<Vec<_>>().join("\n"), expected);
}

fn refused(text: impl AsRef<[u8]>, expected: &str) {
    let text = text.as_ref();
    let error = parse(text).expect_err(&String::from_utf8_lossy(text)).to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn yaml_and_json_are_the_same() {
    let expected = "{A:[1 true \"x\"] B:{C:null D:\"\"}}";
    check("{\"A\": [1, true, \"x\"], \"B\": {\"C\": null, \"D\": \"\"}}", expected);
    check("A: [1, true, 'x']\nB:\n  C: null\n  D: \"\"\n", expected);
    check("# nothing\n", "");
    check("a: 1\n---\nb: 2\n---\n", "{a:1}\n{b:2}");
}

#[test]
fn short_forms_become_long_ones() {
    check(
        "a: !Ref B\nc: !GetAtt d.e\nf: !Sub '${g}'\n",
        "{a:{Ref:B} c:{Fn::GetAtt:d.e} f:{Fn::Sub:\"${g}\"}}",
    );
    check("a: !Join [',', [b, !Ref c]]\n", "{a:{Fn::Join:[\",\" [b {Ref:c}]]}}");
    check("a: !!str 5\n", "{a:5}");
}

#[test]
fn aliases_are_copies() {
    check("a: &x {b: 1}\nc: *x\n", "{a:{b:1} c:{b:1}}");
}

#[test]
fn bombs_are_defused() {
    let bomb: String = std::iter::once("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned())
        .chain((1..12).map(|level| {
            let alias = format!("*a{}", level - 1);
            format!("a{level}: &a{level} [{}]\n", [alias.as_str(); 10].join(", "))
        }))
        .collect();
    refused(bomb, "values, those of aliases included");
    refused("a: &a [*a]\n", "line 1");
    refused("[".repeat(100_000), "line 1");
    refused("[".repeat(70) + &"]".repeat(70), "64 levels deep");
    refused("- ".repeat(2000) + "a", "64 levels deep");
    refused("a: [".to_owned() + &"[".repeat(100_000), "line 1");
}

#[test]
fn faults_name_their_place() {
    refused("{\"a\": 1,\n \"a\": 2}", "line 2, column 7: a is given twice");
    refused("a: 1\nb: 2\na: 3\n", "line 3, column 1: a is given twice");
    refused("{\"a\": }", "line 1, column 7: not JSON");
    refused("a: [1\nb: }", "not YAML");
    refused("a: 1\n<<: {b: 1}\n", "line 2, column 1: merge keys");
    refused(b"a: \xff", "line 1, column 4: the file is not UTF-8");
    refused("a: \u{1}", "line 1, column 4: a control character");
    refused("{\"a\": \"\\u0001\"}", "line 1, column 7: a control character");
    refused("a: \"\\x01\"", "line 1, column 4: a control character");
    refused(vec![b' '; FILE_BYTES_MAX + 1], "larger than 8 MiB");
}
