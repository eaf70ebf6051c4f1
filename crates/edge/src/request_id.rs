//! Request ids: opaque, unguessable, and cheap.

use std::cell::RefCell;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

/// An id's characters: 320 bits in URL-safe base64, of which CloudFront's ids look to be made too.
const ID_CHARACTERS: usize = 56;
/// Its random characters, the rest is padding: 53 of six bits and one of two.
const ID_RANDOM_CHARACTERS: usize = 54;
/// Ids whose randomness is fetched at once; one by one each would cost half a microsecond.
const IDS_PER_FETCH: usize = 64;

/// `X-Amz-Cf-Id`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId([u8; ID_CHARACTERS]);

impl RequestId {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// A random number that goes with the request.
    pub(crate) fn sample(&self) -> u32 {
        let mut random = [0; 6];
        // Eight characters are exactly six bytes.
        let _: Result<usize, _> = URL_SAFE.decode_slice(&self.0[..8], &mut random);
        let [first, second, third, fourth, ..] = random;
        u32::from_le_bytes([first, second, third, fourth])
    }
}

/// A thread's source of ids.
#[derive(Debug)]
pub(crate) struct RequestIds {
    unused: RefCell<Vec<[u8; ID_RANDOM_CHARACTERS]>>,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        Self { unused: RefCell::new(Vec::with_capacity(IDS_PER_FETCH)) }
    }

    /// The next id.
    pub(crate) fn next(&self) -> RequestId {
        RequestId(characters(&self.next_random()))
    }

    fn next_random(&self) -> [u8; ID_RANDOM_CHARACTERS] {
        let mut unused = self.unused.borrow_mut();
        if let Some(random) = unused.pop() {
            return random;
        }
        let mut fetched = [[0; ID_RANDOM_CHARACTERS]; IDS_PER_FETCH];
        // The generator cannot fail once the process runs; ids are no secrets that protect anything.
        let _: Result<(), _> = rand::fill(fetched.as_flattened_mut());
        unused.extend_from_slice(&fetched[1..]);
        fetched[0]
    }
}

/// The id that a random byte for each character makes.
fn characters(random: &[u8; ID_RANDOM_CHARACTERS]) -> [u8; ID_CHARACTERS] {
    const LAST: usize = ID_RANDOM_CHARACTERS - 1;
    let mut id = [b'='; ID_CHARACTERS];
    // Of two iterators the compiler makes no vector instructions.
    for at in 0..LAST {
        id[at] = character(random[at] & 0x3f);
    }
    id[LAST] = character(random[LAST] & 0x30);
    id
}

/// The character of six bits (RFC 4648 section 5).
fn character(bits: u8) -> u8 {
    let letters_start = if bits < 26 { b'A' } else { b'a' - 26 };
    let others_start = match bits {
        62 => b'-'.wrapping_sub(62),
        63 => b'_' - 63,
        _ => b'0'.wrapping_sub(52),
    };
    bits.wrapping_add(if bits < 52 { letters_start } else { others_start })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_long_and_never_the_same() {
        let ids = RequestIds::new();
        let made: HashSet<String> = (0..1000).map(|_| ids.next().as_str().to_owned()).collect();
        assert_eq!(made.len(), 1000);
        assert!(made.iter().all(|id| id.len() == ID_CHARACTERS && id.ends_with("==")));
    }

    #[test]
    fn ids_are_the_base64_of_320_bits() {
        let ids = RequestIds::new();
        let seen: HashSet<u8> = (0..1000)
            .flat_map(|_| {
                let id = ids.next();
                assert_eq!(URL_SAFE.decode(id.as_bytes()).unwrap().len(), 40);
                id.0
            })
            .collect();
        assert_eq!(seen.len(), 65);
    }

    #[test]
    fn characters_are_those_of_rfc_4648() {
        let alphabet: Vec<u8> = (0..64).map(character).collect();
        assert_eq!(alphabet, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    }

    #[test]
    fn samples_spread_over_all_numbers() {
        let ids = RequestIds::new();
        let below_half = (0..1000).filter(|_| ids.next().sample() < u32::MAX / 2).count();
        assert!((400..600).contains(&below_half), "{below_half} of 1000, six deviations away");
    }
}
