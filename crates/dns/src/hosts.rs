//! hosts(5): addresses that need no server.

use std::net::IpAddr;

/// The addresses that a hosts file has for a name, in its order.
pub fn addresses_in_hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let lines = text.lines().map(|line| line.split_once('#').map_or(line, |(before, _)| before));
    lines
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let address = words.next()?.parse().ok()?;
            words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_addresses_of_all_its_lines() {
        let text = "127.0.0.1\tlocalhost\n\n192.0.2.1 db API.test # api.test\n2001:db8::1 api.test\n\
                    # 192.0.2.2 api.test\n192.0.2.3 api.test.other\nnonsense api.test\nfe80::1%lo0 api.test\n";
        let found: Vec<String> =
            addresses_in_hosts(text, "api.test").iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.1", "2001:db8::1"]);
        assert!(addresses_in_hosts(text, "test").is_empty());
    }
}
