//! Warnings as people read them.

use std::fmt::Write as _;

use lint::Warning;

/// All of them, below what they are about.
pub(super) fn text(linted: &[(&str, Vec<Warning>)]) -> String {
    let mut text = String::new();
    for (name, warnings) in linted {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name}: {}", number(warnings.len()));
        for warning in warnings {
            let Warning { code, severity, place, what, whom, fix, patch } = warning;
            let _ = writeln!(text, "\n  {code} ({severity}) at {place}");
            let _ = writeln!(text, "    what   {what}\n    whom   {whom}\n    fix    {fix}");
            if let Some(patch) = patch {
                let _ = writeln!(text, "    patch  {}", serde_json::to_string(patch).unwrap_or_default());
            }
        }
        if !warnings.is_empty() {
            text.push('\n');
        }
    }
    text
}

/// What no patch decides, a line each.
pub(super) fn left_over(warnings: &[Warning]) -> String {
    warnings.iter().fold(String::new(), |mut text, warning| {
        let _ = writeln!(text, "left to decide: {} at {}: {}", warning.code, warning.place, warning.fix);
        text
    })
}

fn number(warnings: usize) -> String {
    match warnings {
        0 => "no warnings".to_owned(),
        1 => "1 warning".to_owned(),
        more => format!("{more} warnings"),
    }
}
