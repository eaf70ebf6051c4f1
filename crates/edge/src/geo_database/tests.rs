//! Databases that are made here, byte by byte.

use std::path::Path;

use proptest::prelude::*;

use super::*;

/// A value in MaxMind's form.
enum Made<'a> {
    Text(&'a str),
    Double(f64),
    Number(u32),
    Map(Vec<(&'a str, Made<'a>)>),
    Array(Vec<Made<'a>>),
    True,
    /// To a place in the section.
    Pointer(u32),
}

fn sized(kind: u8, size: usize) -> Vec<u8> {
    let (low, rest) = match size {
        0..29 => (u8::try_from(size).unwrap(), vec![]),
        29..285 => (29, vec![u8::try_from(size - 29).unwrap()]),
        _ => (30, u16::try_from(size - 285).unwrap().to_be_bytes().to_vec()),
    };
    let control = if kind > 7 { vec![low, kind - 7] } else { vec![kind << 5 | low] };
    [control, rest].concat()
}

impl Made<'_> {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => [&sized(2, text.len()), text.as_bytes()].concat(),
            Self::Double(number) => [&sized(3, 8)[..], &number.to_be_bytes()].concat(),
            Self::Number(number) => [&sized(6, 4)[..], &number.to_be_bytes()].concat(),
            Self::Map(members) => {
                let members =
                    members.iter().map(|(name, value)| [Self::Text(name).bytes(), value.bytes()].concat());
                [sized(7, members.len()), members.collect::<Vec<_>>().concat()].concat()
            }
            Self::Array(values) => {
                let elements: Vec<_> = values.iter().map(Self::bytes).collect();
                [sized(11, values.len()), elements.concat()].concat()
            }
            Self::True => sized(14, 1),
            Self::Pointer(target) => [&[1 << 5 | 3 << 3][..], &target.to_be_bytes()].concat(),
        }
    }
}

/// A database of one network each, `192.0.2.0/24` and so on, with a record in its section.
fn database(record_size: u16, ip_version: u16, networks: &[(IpAddr, usize)], section: &[u8]) -> Vec<u8> {
    let mut nodes: Vec<[Option<usize>; 2]> = vec![[None; 2]];
    let mut leaves = Vec::new();
    for (address, record_at) in networks {
        let octets = match (address, ip_version) {
            (IpAddr::V4(address), 4) => address.octets()[..3].to_vec(),
            (IpAddr::V4(address), _) => [&[0; 12][..], &address.octets()[..3]].concat(),
            (IpAddr::V6(address), _) => address.octets()[..6].to_vec(),
        };
        let bits: Vec<usize> = octets
            .iter()
            .flat_map(|octet| (0..8).rev().map(move |shift| usize::from(octet >> shift & 1)))
            .collect();
        let (last, before) = bits.split_last().unwrap();
        let mut node = 0;
        for bit in before {
            node = nodes[node][*bit].unwrap_or_else(|| {
                nodes.push([None; 2]);
                nodes[node][*bit] = Some(nodes.len() - 1);
                nodes.len() - 1
            });
        }
        leaves.push((node, *last, *record_at));
    }
    let count = nodes.len();
    for (node, bit, record_at) in leaves {
        nodes[node][bit] = Some(count + 16 + record_at);
    }
    let mut bytes = Vec::new();
    for node in &nodes {
        let [left, right] = node.map(|half| u32::try_from(half.unwrap_or(count)).unwrap().to_be_bytes());
        match record_size {
            24 => bytes.extend([&left[1..], &right[1..]].concat()),
            28 => bytes.extend([&left[1..], &[left[0] << 4 | right[0]], &right[1..]].concat()),
            _ => bytes.extend([left, right].concat()),
        }
    }
    bytes.extend([0; 16]);
    bytes.extend(section);
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    let number = |number: u16| Made::Number(number.into());
    let metadata = Made::Map(vec![
        ("description", Made::Map(vec![("en", Made::Text("of a test"))])),
        ("binary_format_major_version", number(2)),
        ("record_size", number(record_size)),
        ("ip_version", number(ip_version)),
        ("node_count", Made::Number(u32::try_from(count).unwrap())),
    ]);
    bytes.extend(metadata.bytes());
    bytes
}

fn zurich() -> Vec<u8> {
    let named = |name| ("names", Made::Map(vec![("de", Made::Text("anders")), ("en", Made::Text(name))]));
    let code = |code| ("iso_code", Made::Text(code));
    Made::Map(vec![
        ("city", Made::Map(vec![("geoname_id", Made::Number(1)), named("Zürich")])),
        ("is_anycast", Made::True),
        ("country", Made::Map(vec![code("CH"), named("Switzerland")])),
        (
            "location",
            Made::Map(vec![
                ("latitude", Made::Double(47.3682)),
                ("longitude", Made::Double(8.5671)),
                ("metro_code", Made::Number(505)),
                ("time_zone", Made::Text("Europe/Zurich")),
            ]),
        ),
        ("postal", Made::Map(vec![("code", Made::Text("8001"))])),
        (
            "subdivisions",
            Made::Array(vec![
                Made::Map(vec![code("ZH"), named("Zurich")]),
                Made::Map(vec![code("112"), named("Bezirk")]),
            ]),
        ),
    ])
    .bytes()
}

const HERE: &str = "192.0.2.9";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn opened(bytes: Vec<u8>) -> GeoDatabase {
    GeoDatabase::of(bytes).unwrap()
}

#[test]
fn a_record_is_found_in_trees_of_every_form() {
    for (record_size, ip_version) in [(24, 4), (28, 4), (32, 4), (24, 6), (28, 6), (32, 6)] {
        let networks = [(address(HERE), 0), (address("198.51.100.1"), 0)];
        let database = opened(database(record_size, ip_version, &networks, &zurich()));
        let found = database.location(address(HERE));
        let expect = ViewerLocation {
            asn: None,
            country: Some("CH"),
            country_name: Some("Switzerland"),
            region: Some("ZH"),
            region_name: Some("Zurich"),
            city: Some("Zürich"),
            latitude: Some(47.3682),
            longitude: Some(8.5671),
            metro_code: Some(505),
            postal_code: Some("8001"),
            time_zone: Some("Europe/Zurich"),
        };
        assert_eq!(found, expect, "{record_size} {ip_version}");
        assert_eq!(
            database.location(address("::ffff:192.0.2.9")),
            expect,
            "mapped, {record_size} {ip_version}"
        );
        assert_eq!(database.country(address("198.51.100.200")), CountryCode::parse("CH").ok());
        for elsewhere in ["192.0.3.1", "203.0.113.1", "2001:db8::1"] {
            assert_eq!(database.location(address(elsewhere)), ViewerLocation::default(), "{elsewhere}");
        }
    }
}

#[test]
fn ipv6_is_found_where_the_tree_has_it() {
    let networks = [(address(HERE), 0), (address("2001:db8:1::"), 0)];
    let database = opened(database(28, 6, &networks, &zurich()));
    assert_eq!(database.location(address("2001:db8:1::7")).city, Some("Zürich"));
    assert_eq!(database.location(address("2001:db8:2::7")).city, None);
}

#[test]
fn values_are_shared_by_pointers() {
    let country = Made::Map(vec![("iso_code", Made::Text("CH"))]).bytes();
    let record = Made::Map(vec![("other", Made::Pointer(0)), ("country", Made::Pointer(0))]).bytes();
    let section = [country.clone(), record].concat();
    let database = opened(database(24, 4, &[(address(HERE), country.len())], &section));
    assert_eq!(database.location(address(HERE)).country, Some("CH"));
}

#[test]
fn several_databases_complete_each_other() {
    let asn = Made::Map(vec![("autonomous_system_number", Made::Number(64_500))]).bytes();
    let mut both = opened(database(24, 4, &[(address(HERE), 0)], &asn));
    assert_eq!(both.tells(), CloudFrontHeaders::OF_ASNS);
    assert!(!both.tells_countries());
    let cities = opened(database(24, 4, &[(address(HERE), 0)], &zurich()));
    assert_eq!(cities.tells(), CloudFrontHeaders::OF_COUNTRIES.union(CloudFrontHeaders::OF_CITIES));
    both.databases.extend(cities.databases);
    let found = both.location(address(HERE));
    assert_eq!((found.asn, found.city), (Some(64_500), Some("Zürich")));
    assert_eq!(both.country(address(HERE)), CountryCode::parse("CH").ok());
}

fn check_refused(contents: &[u8], expect: &str) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.mmdb");
    fs::write(&path, contents).unwrap();
    let error = GeoDatabase::open(std::slice::from_ref(&path)).unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    let message = format!("{error}: {source}");
    assert!(message.contains(expect) && message.contains(&*path.to_string_lossy()), "{message}");
}

#[test]
fn what_is_no_database_is_refused_by_name() {
    let whole = database(24, 4, &[(address(HERE), 0)], &zurich());
    check_refused(b"", "has no metadata");
    check_refused(&whole[..whole.len() - 200], "has no metadata");
    check_refused(&whole[whole.len() - 170..], "tree is longer than the file");
    check_refused(&database(20, 4, &[(address(HERE), 0)], &zurich()), "record_size");
    check_refused(&database(24, 5, &[(address(HERE), 0)], &zurich()), "ip_version");
    let other = Made::Map(vec![("is_anonymous", Made::True)]).bytes();
    check_refused(&database(24, 4, &[(address(HERE), 0)], &other), "tells neither");
    let missing = GeoDatabase::open(&[Path::new("/nowhere/a.mmdb").to_owned()]).unwrap_err().to_string();
    assert!(missing.contains("/nowhere/a.mmdb cannot be read"), "{missing}");
}

/// Maps of maps, whose members are walked over again and again in search of what is not there.
#[test]
fn a_record_of_many_values_takes_no_time() {
    let within = Made::Map((0..900).map(|_| ("x", Made::True)).collect()).bytes();
    let members = (0..900_u16).map(|_| [Made::Text("y").bytes(), within.clone()].concat());
    let section = [sized(7, 900), members.collect::<Vec<_>>().concat()].concat();
    let database = Mmdb::new(database(24, 4, &[(address(HERE), 0)], &section)).unwrap();
    let begun_at = std::time::Instant::now();
    for _ in 0..1000 {
        let record = database.find(address(HERE)).unwrap();
        assert_eq!(location(&record), ViewerLocation::default());
    }
    assert!(begun_at.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun_at.elapsed());
}

proptest! {
    #[test]
    fn no_damage_is_too_odd(hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = database(28, 6, &[(address(HERE), 0)], &zurich());
        for (at, byte) in hits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(database) = GeoDatabase::of(bytes) {
            let _ = database.location(address(HERE));
            let _ = database.country(address("2001:db8::1"));
        }
    }

    #[test]
    fn no_file_is_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Mmdb::new(bytes.clone());
        let _ = Mmdb::new([b"\xab\xcd\xefMaxMind.com".as_slice(), &bytes].concat());
    }
}
