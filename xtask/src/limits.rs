//! The tables of docs/limits.md, from the `limits.rs` that the code is built with.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::repository;

/// Where the tables stand.
const PAGE: &str = "docs/limits.md";

/// The tables: the crate whose limits each one is of.
const CRATES: [&str; 5] = ["http1", "http2", "http3", "dns", "edge"];

/// Writes the tables, or compares them.
pub(crate) fn run(check: bool) -> Result<()> {
    let root = repository::root();
    let page = root.join(PAGE);
    let before = fs::read_to_string(&page).with_context(|| format!("cannot read {PAGE}"))?;
    let mut after = before.clone();
    for name in CRATES {
        let source = root.join("crates").join(name).join("src/limits.rs");
        after = with_table(&after, name, &table(&source)?)?;
    }
    if check {
        ensure!(after == before, "{PAGE} differs from the code; run `cargo run -p xtask -- limits`");
        return Ok(());
    }
    fs::write(page, after).with_context(|| format!("cannot write {PAGE}"))
}

/// The page with what stands between the marks of a crate replaced.
fn with_table(page: &str, name: &str, table: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- limits of {name}: generated -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = page.split_once(&begin).with_context(|| format!("{PAGE} lacks {}", begin.trim()))?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("{PAGE} lacks {end}"))?;
    Ok(format!("{before}{begin}{table}{end}{after}"))
}

/// A limit as it stands in the source.
#[derive(Debug, PartialEq, Eq)]
struct Limit {
    name: String,
    value: String,
    reason: String,
}

fn table(source: &Path) -> Result<String> {
    let text = fs::read_to_string(source).with_context(|| format!("cannot read {}", source.display()))?;
    let mut table = String::from("| limit | value | reason |\n|---|---|---|\n");
    for limit in limits(&text).with_context(|| format!("in {}", source.display()))? {
        writeln!(table, "| `{}` | {} | {} |", limit.name, limit.value, limit.reason)?;
    }
    Ok(table)
}

fn limits(source: &str) -> Result<Vec<Limit>> {
    let (mut limits, mut reason, mut known) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        if let Some(text) = line.strip_prefix("///") {
            reason.push(text.trim());
            continue;
        }
        if let Some(declaration) = line.strip_prefix("pub const ") {
            let mut declaration = declaration.to_owned();
            while !declaration.ends_with(';') {
                let next = lines.next().context("a constant does not end")?;
                declaration.push_str(next.trim());
            }
            let (name, value) = split(&declaration)?;
            ensure!(!reason.is_empty(), "{name} has no reason");
            let shown = shown(name, value, &mut known).with_context(|| format!("{name} = {value}"))?;
            // Links to its neighbours are names here.
            let reason = reason.join(" ").replace("[`", "`").replace("`]", "`").replace('|', "\\|");
            limits.push(Limit { name: name.to_owned(), value: shown, reason });
        }
        reason.clear();
    }
    Ok(limits)
}

/// `NAME: TYPE = VALUE;`
fn split(declaration: &str) -> Result<(&str, &str)> {
    let (name, rest) = declaration.split_once(':').context("a constant has no type")?;
    let (_, value) = rest.split_once('=').context("a constant has no value")?;
    Ok((name, value.trim().trim_end_matches(';')))
}

/// A value as people read it: times with their unit, bytes in powers of two where they are that.
fn shown(name: &str, value: &str, known: &mut BTreeMap<String, u64>) -> Result<String> {
    if let Some(call) = value.strip_prefix("Duration::from_") {
        let (unit, number) = call.trim_end_matches(')').split_once('(').context("no number")?;
        let unit = match unit {
            "millis" => "ms",
            "secs" => "s",
            "mins" => "min",
            "hours" => "h",
            other => bail!("a unit of time is new: {other}"),
        };
        return Ok(format!("{} {unit}", grouped(evaluate(number, known)?)));
    }
    let number = evaluate(value, known)?;
    known.insert(name.to_owned(), number);
    if !name.contains("BYTES") {
        return Ok(grouped(number));
    }
    Ok(match number {
        0 => "0".to_owned(),
        _ if number.is_multiple_of(1 << 30) => format!("{} GiB", number >> 30),
        _ if number.is_multiple_of(1 << 20) => format!("{} MiB", number >> 20),
        _ if number.is_multiple_of(1 << 10) && number >= 1 << 16 => format!("{} KiB", number >> 10),
        _ => format!("{} bytes", grouped(number)),
    })
}

/// Sums of products of numbers and of constants above.
fn evaluate(expression: &str, known: &BTreeMap<String, u64>) -> Result<u64> {
    let factor = |text: &str| -> Result<u64> {
        let text = text.trim();
        known
            .get(text)
            .copied()
            .or_else(|| text.replace('_', "").parse().ok())
            .with_context(|| format!("{text:?} is neither a number nor a limit above"))
    };
    expression
        .split('+')
        .map(|term| term.split('*').try_fold(1, |product: u64, text| Ok(product * factor(text)?)))
        .sum()
}

/// A number with a comma every three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_with_value_and_reason() {
        let source = "//! Bounds.\n\nuse x;\n\n/// Why\n/// so [`B`].\npub const A_BYTES: usize = 2 * 1024;\n\n\
                      /// Else.\npub const B: u32 =\n    A_BYTES + 1_000;\n\n/// Time.\npub const T: Duration = \
                      Duration::from_secs(58);\n";
        let limit = |name: &str, value: &str, reason: &str| Limit {
            name: name.to_owned(),
            value: value.to_owned(),
            reason: reason.to_owned(),
        };
        assert_eq!(
            limits(source).unwrap(),
            [
                limit("A_BYTES", "2,048 bytes", "Why so `B`."),
                limit("B", "3,048", "Else."),
                limit("T", "58 s", "Time."),
            ]
        );
    }

    #[test]
    fn a_limit_without_a_reason_is_none() {
        assert!(limits("pub const A: usize = 1;\n").is_err());
        assert!(limits("/// Why.\n\npub const A: usize = 1;\n").is_err());
        assert!(limits("/// Why.\npub const A: usize = unknown();\n").is_err());
    }

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let page = "a\n<!-- limits of x: generated -->\nold\n<!-- end of x -->\nb\n";
        let expect = "a\n<!-- limits of x: generated -->\nnew\n<!-- end of x -->\nb\n";
        assert_eq!(with_table(page, "x", "new\n").unwrap(), expect);
        assert!(with_table("no marks", "x", "new\n").is_err());
    }
}
