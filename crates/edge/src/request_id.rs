//! Request ids: opaque, unguessable, and cheap.

use std::cell::RefCell;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

/// Random bytes of one id: 320 bits, of which CloudFront's ids look to be made too.
const ID_RANDOM_BYTES: usize = 40;
/// An id's characters, two of padding included.
const ID_CHARACTERS: usize = 56;
/// Ids whose randomness is fetched at once; one by one each would cost half a microsecond.
const IDS_PER_FETCH: usize = 64;

/// `X-Amz-Cf-Id`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId([u8; ID_CHARACTERS]);

impl RequestId {
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
    unused: RefCell<Vec<[u8; ID_RANDOM_BYTES]>>,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        Self { unused: RefCell::new(Vec::with_capacity(IDS_PER_FETCH)) }
    }

    /// The next id.
    pub(crate) fn next(&self) -> RequestId {
        let random = self.next_random();
        let mut id = RequestId([b'='; ID_CHARACTERS]);
        // 40 bytes are exactly 56 characters.
        let _: Result<usize, _> = URL_SAFE.encode_slice(random, &mut id.0);
        id
    }

    fn next_random(&self) -> [u8; ID_RANDOM_BYTES] {
        let mut unused = self.unused.borrow_mut();
        if let Some(random) = unused.pop() {
            return random;
        }
        let mut fetched = [[0; ID_RANDOM_BYTES]; IDS_PER_FETCH];
        // The generator cannot fail once the process runs; ids are no secrets that protect anything.
        let _: Result<(), _> = rand::fill(fetched.as_flattened_mut());
        unused.extend_from_slice(&fetched[1..]);
        fetched[0]
    }
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
    fn samples_spread_over_all_numbers() {
        let ids = RequestIds::new();
        let below_half = (0..1000).filter(|_| ids.next().sample() < u32::MAX / 2).count();
        assert!((400..600).contains(&below_half), "{below_half} of 1000, six deviations away");
    }
}
