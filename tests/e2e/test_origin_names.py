"""Names of origins, as the machine resolves them."""

import pytest

from harness.config import api_distribution, origin_at
from harness.mantlet import Mantlet
from harness.origin import RecordingOrigin
from harness.programs import with_hosts


@pytest.mark.parametrize(
    ("hosts", "family", "status"),
    [
        ("::1 origin.test", "ipv6", 200),
        ("::1 origin.test", "dualstack", 200),
        ("::1 origin.test", "ipv4", 502),
        # Nobody listens at the first: the next one is tried.
        ("127.0.0.1 origin.test\n::1 origin.test", "dualstack", 200),
        ("127.0.0.1 origin.test\n::1 origin.test", "ipv6", 200),
        ("127.0.0.1 origin.test\n::1 origin.test", "ipv4", 502),
        ("fe80::1 origin.test", "dualstack", 502),
        # This machine in both families: Node listens on ::1 alone where it is told to listen on localhost.
        ("127.0.0.1 api.localhost\n::1 api.localhost", "ipv4", 200),
    ],
)
def test_c15_an_origin_whose_name_resolves_to(tmp_path, hosts, family, status):
    file = tmp_path / "hosts"
    file.write_text(f"127.0.0.1 localhost\n{hosts}\n")
    origin = RecordingOrigin(host="::1")
    mantlet = Mantlet(tmp_path / "data")
    mantlet.arguments = with_hosts(file, mantlet.arguments)
    name = hosts.rpartition(" ")[2]
    settings = {"IpAddressType": family, "ConnectionAttempts": 1}
    try:
        with mantlet:
            viewer = mantlet.create(api_distribution(origin_at(origin.port, name, **settings))).viewer
            assert viewer.get("/").status == status
            assert len(origin.requests) == (status == 200)
    finally:
        origin.close()
