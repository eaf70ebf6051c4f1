"""Each statement about what CloudFront does that a first release must keep, and each invariant of a shield,
has a test that carries its id, in Rust or here: `a2_…`, `invariant_4_…`. What it says stands in those tests.
"""

import re

from harness.programs import ROOT

# Viewers, what origins get, origins' connections, what viewers get, TLS.
STATEMENTS = {
    "a": [*range(1, 12), 15],
    "b": [*range(1, 13), 14],
    "c": [*range(1, 10), 12, 13],
    "d": [1, 2, 3, 5, 6, 7, 9, 10],
    "f": [3, 4, 5, 6],
    "invariant_": range(1, 13),
}
A_TEST = re.compile(r"#\[(?:tokio::)?test[^]]*\]\s+(?:async )?fn (\w+)|def (test_\w+)")


def test_every_statement_has_a_test_of_its_name():
    files = [*ROOT.glob("crates/*/src/**/*.rs"), *ROOT.glob("crates/*/tests/**/*.rs")]
    files += ROOT.glob("tests/e2e/test_*.py")
    names = " ".join(name for file in files for match in A_TEST.findall(file.read_text()) for name in match)
    ids = [f"{letter}{number}" for letter, numbers in STATEMENTS.items() for number in numbers]
    assert [name for name in ids if not re.search(rf"(?<![^_ ]){name}_", names)] == []
