"""Names of origins, as the machine resolves them."""

import pytest

from harness.config import api_distribution, origin_at
from harness.mantlet import Mantlet
from harness.origin import RecordingOrigin
from harness.programs import with_hosts


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        ("::1 origin.test", 200),
        # Nobody listens at the first: the next one is tried.
        ("127.0.0.1 origin.test\n::1 origin.test", 200),
        ("fe80::1 origin.test", 502),
    ],
    ids=["only-ipv6", "both", "link-local"],
)
def test_an_origin_whose_name_resolves_to(tmp_path, hosts, status):
    file = tmp_path / "hosts"
    file.write_text(f"127.0.0.1 localhost\n{hosts}\n")
    origin = RecordingOrigin(host="::1")
    mantlet = Mantlet(tmp_path / "data")
    mantlet.arguments = with_hosts(file, mantlet.arguments)
    try:
        with mantlet:
            viewer = mantlet.create(api_distribution(origin_at(origin.port, "origin.test"))).viewer
            assert viewer.get("/").status == status
            assert len(origin.requests) == (status == 200)
    finally:
        origin.close()
