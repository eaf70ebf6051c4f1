"""Databases of addresses in MaxMind's format, written by a library that is not ours."""

from mmdb_writer import MMDBWriter
from netaddr import IPSet

# Loopback addresses stand for the world; who connects from which is up to the test.
ZURICH, ANN_ARBOR, NOWHERE = "127.0.0.1", "127.0.0.2", "127.0.0.3"


def named(name, code=None):
    return {"names": {"de": "anders", "en": name}, **({"iso_code": code} if code else {})}


CITIES = {
    ZURICH: {
        "city": named("Zürich"),
        "country": named("Switzerland", "CH"),
        "location": {"latitude": 47.3682, "longitude": 8.5671, "time_zone": "Europe/Zurich"},
        "postal": {"code": "8001"},
        "subdivisions": [named("Zurich", "ZH"), named("Bezirk", "112")],
    },
    ANN_ARBOR: {
        "city": named("Ann Arbor"),
        "country": named("United States", "US"),
        "location": {
            "latitude": 42.3068,
            "longitude": -83.7059,
            "metro_code": 505,
            "time_zone": "America/Detroit",
        },
        "postal": {"code": "48105"},
        "subdivisions": [named("Michigan", "MI")],
    },
}
COUNTRIES = {address: {"country": record["country"]} for address, record in CITIES.items()}
ASNS = {ZURICH: {"autonomous_system_number": 64500, "autonomous_system_organization": "A test"}}


def write_database(path, records, ip_version=6):
    writer = MMDBWriter(ip_version=ip_version, ipv4_compatible=ip_version == 6)
    for address, record in records.items():
        writer.insert_network(IPSet([address]), record)
    writer.to_db_file(str(path))
    return path
