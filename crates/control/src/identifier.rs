//! Names that the control plane gives: ids, domain names, ARNs.

use std::time::{SystemTime, UNIX_EPOCH};

use edge_config::{HostName, HostNameError};
use uuid::Uuid;

use crate::validate::is_id;

pub(crate) const UPPER: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Characters after the first of an id, a domain name's label or an ETag. 36^13 exceeds 2^64.
const CHARACTERS: usize = 13;

/// When the microseconds of invalidations' ids end: in the year 2112.
const INVALIDATION_MICROSECONDS_END: u128 = 1 << 52;

/// A new id of a distribution: `E` and 13 upper-case letters and digits.
pub(crate) fn new_distribution_id() -> String {
    format!("E{}", base36(random(), UPPER))
}

/// A new id of an origin access control: of the same form as a distribution's.
pub(crate) fn new_origin_access_control_id() -> String {
    new_distribution_id()
}

/// A new id of a public key: `K` and 13 upper-case letters and digits.
pub(crate) fn new_public_key_id() -> String {
    format!("K{}", base36(random(), UPPER))
}

/// A new domain name: `d`, 13 lower-case letters and digits, and the suffix. It cannot be guessed.
pub(crate) fn new_domain_name(suffix: &HostName) -> Result<HostName, HostNameError> {
    HostName::parse(&format!("d{}.{suffix}", base36(random(), LOWER)))
}

/// A new id of a policy or a key group.
pub(crate) fn new_uuid() -> String {
    Uuid::new_v4().to_string()
}

/// A new id of an invalidation: `I` and 13 upper-case letters and digits. The later it is made, the
/// earlier it stands among others: microseconds backwards, 52 bits of them, and 14 bits of chance.
pub(crate) fn new_invalidation_id(now: SystemTime) -> String {
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let backwards = (INVALIDATION_MICROSECONDS_END - 1).saturating_sub(since_epoch);
    format!("I{}", base36((backwards << 14) | (random() & 0x3fff), UPPER))
}

/// A new id of an answer.
pub(crate) fn new_request_id() -> String {
    Uuid::new_v4().to_string()
}

/// The ARN of a distribution.
pub(crate) fn distribution_arn(account_id: &str, id: &str) -> String {
    format!("arn:aws:cloudfront::{account_id}:distribution/{id}")
}

/// The id of the distribution that an ARN of this account names.
pub(crate) fn distribution_id_of_arn<'a>(account_id: &str, arn: &'a str) -> Option<&'a str> {
    let id =
        arn.strip_prefix("arn:aws:cloudfront::")?.strip_prefix(account_id)?.strip_prefix(":distribution/")?;
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_id.then_some(id)
}

/// The ARN of a real-time log configuration.
pub(crate) fn realtime_log_config_arn(account_id: &str, name: &str) -> String {
    format!("arn:aws:cloudfront::{account_id}:realtime-log-config/{name}")
}

/// The account and the name that the ARN of a real-time log configuration holds.
pub(crate) fn parse_realtime_log_config_arn(arn: &str) -> Option<(&str, &str)> {
    let (account_id, name) = arn.strip_prefix("arn:aws:cloudfront::")?.split_once(":realtime-log-config/")?;
    let is_account = account_id.len() == 12 && account_id.bytes().all(|byte| byte.is_ascii_digit());
    (is_account && is_id(name)).then_some((account_id, name))
}

/// The last 13 digits of a number to the base of 36.
pub(crate) fn base36(mut number: u128, digits: &[u8; 36]) -> String {
    let mut text = [b'0'; CHARACTERS];
    for place in text.iter_mut().rev() {
        let digit = usize::try_from(number % 36).unwrap_or_default();
        *place = digits[digit];
        number /= 36;
    }
    text.into_iter().map(char::from).collect()
}

/// The random bits of a version 4 UUID, which come from the system's generator.
fn random() -> u128 {
    Uuid::new_v4().as_u128()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_with_leading_zeros() {
        assert_eq!(base36(0, UPPER), "0000000000000");
        assert_eq!(base36(35, LOWER), "000000000000z");
        assert_eq!(base36(u64::MAX.into(), UPPER), "3W5E11264SGSF");
    }

    #[test]
    fn ids_of_invalidations_are_in_the_order_of_newest_first() {
        let at =
            |microseconds| new_invalidation_id(UNIX_EPOCH + std::time::Duration::from_micros(microseconds));
        let ids = [at(4_600_000_000_000_000), at(1_800_000_000_000_001), at(1_800_000_000_000_000), at(0)];
        assert!(ids.is_sorted(), "{ids:?}");
        assert!(ids.iter().all(|id| id.len() == 14 && id.starts_with('I')), "{ids:?}");
    }

    #[test]
    fn an_arn_names_a_distribution_of_its_account_alone() {
        let arn = distribution_arn("000000000000", "E1");
        assert_eq!(distribution_id_of_arn("000000000000", &arn), Some("E1"));
        for other in
            ["arn:aws:cloudfront::1:distribution/E1", "arn:aws:cloudfront::000000000000:function/E1", "E1"]
        {
            assert_eq!(distribution_id_of_arn("000000000000", other), None, "{other}");
        }
        assert_eq!(
            distribution_id_of_arn("000000000000", "arn:aws:cloudfront::000000000000:distribution/"),
            None
        );
        assert_eq!(
            distribution_id_of_arn("000000000000", "arn:aws:cloudfront::000000000000:distribution/a/b"),
            None
        );
    }
}
