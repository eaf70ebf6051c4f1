//! How values of flags are written.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use control::{Role, UnknownRole};
use ipnet::IpNet;

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "write an IP address and a port, as in 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:80".to_owned()
    })
}

pub(super) fn name_server(text: &str) -> Result<SocketAddr, String> {
    let with_port = text.parse().ok();
    with_port
        .or_else(|| text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, dns::PORT)))
        .ok_or_else(|| "write an IP address, as in 10.0.0.2, 10.0.0.2:5353 or fd00::53".to_owned())
}

pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse().ok();
    network
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
        .ok_or_else(|| "write a network, as in 10.0.0.0/8 or fd00::/8".to_owned())
}

pub(super) fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE, as in Stage=test; an ARN may be the name".to_owned()),
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: Option<u32> = number.parse().ok();
    match (number.map(u64::from), unit) {
        (Some(number), "ms") => Ok(Duration::from_millis(number)),
        (Some(number), "" | "s") => Ok(Duration::from_secs(number)),
        (Some(number), "m") => Ok(Duration::from_secs(number * 60)),
        _ => Err("write a number and ms, s or m, as in 30s".to_owned()),
    }
}

pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write NAME: VALUE, as in 'Accept: text/html'")?;
    if text.chars().any(|character| character.is_control() && character != '\t') {
        return Err(
            "it holds a line's end, which would be two headers; give each with a -H of its own".to_owned()
        );
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}

pub(super) fn viewer(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse().ok();
    address.or_else(|| text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 50_000))).ok_or_else(|| {
        "write an IP address, and perhaps a port, as in 192.0.2.1, 192.0.2.1:50000 or [2001:db8::1]:50000"
            .to_owned()
    })
}

pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let digits = text.len() - text.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let bytes = number
        .parse()
        .ok()
        .zip(factor)
        .and_then(|(number, factor): (usize, usize)| number.checked_mul(factor));
    bytes.filter(|&bytes| bytes > 0).ok_or_else(|| "write a number of bytes, as in 512MiB or 2GiB".to_owned())
}

pub(super) fn role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|error: UnknownRole| error.to_string())
}

pub(super) fn days_or_less(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and s, m, h or d, as in 24h".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = Some(number).filter(|_| is_number).and_then(|number| number.parse::<u32>().ok());
    number.map(|number| Duration::from_secs(u64::from(number) * seconds)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        for text in ["", "s", "-1s", "1h", "1.5s", "99999999999999999999s", "٣s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers_are_one_line() {
        assert_eq!(header("Accept:text/html "), Ok(("Accept".to_owned(), "text/html".to_owned())));
        assert_eq!(header("X-Empty:"), Ok(("X-Empty".to_owned(), String::new())));
        assert!(header("Accept").is_err());
        assert!(header("A: b\r\nC: d").is_err());
    }

    #[test]
    fn numbers_of_bytes() {
        assert_eq!(bytes("65536"), Ok(65_536));
        assert_eq!(bytes("512MiB"), Ok(512 << 20));
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        for text in ["", "0", "MiB", "-1", "1.5GiB", "2GB", "99999999999999999999", "99999999999999GiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn overlaps() {
        assert_eq!(days_or_less("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(days_or_less("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(days_or_less("24h"), Ok(Duration::from_hours(24)));
        assert_eq!(days_or_less("7d"), Ok(Duration::from_hours(168)));
        for text in ["", "7", "d", "-1d", "+1d", "1.5h", "7w", "99999999999d", "1ä"] {
            assert!(days_or_less(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks() {
        assert_eq!(network("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("192.0.2.1").unwrap().to_string(), "192.0.2.1/32");
        assert!(network("10.0.0.0/33").is_err());
    }
}
