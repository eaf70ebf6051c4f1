//! Connection ids that say which thread of this process they belong to, to nobody but this process.
//!
//! An id is a random nonce, and behind it the thread's number under a mask that a secret key makes of the nonce: as
//! QUIC itself hides what is in its packets' headers (RFC 9001 section 5.4). So two ids of a connection have nothing in
//! common for who watches (RFC 9000 section 5.1). Zeros beside the number tell ids of this process from those of one
//! before it, or from what a viewer made up: the key is the process's generation.

use std::sync::Arc;

use aws_lc_rs::aead::quic::{AES_128, HeaderProtectionKey};
use aws_lc_rs::rand;
use quinn::{ConnectionId, ConnectionIdGenerator};
use quinn_proto::InvalidCid;

const NONCE_BYTES: usize = 8;
const THREAD_BYTES: usize = 2;
const MASKED_BYTES: usize = 5;

/// Every id that is given here has this length.
const BYTES: usize = NONCE_BYTES + MASKED_BYTES;

/// What the mask is made of: the nonce, and zeros.
const SAMPLE_BYTES: usize = 16;

/// The process's key.
pub(super) struct ConnectionIds(HeaderProtectionKey);

impl ConnectionIds {
    /// A new generation; none without random numbers.
    pub(super) fn new() -> Option<Self> {
        let mut key = [0; 16];
        rand::fill(&mut key).ok()?;
        HeaderProtectionKey::new(&AES_128, &key).ok().map(Self)
    }

    /// Makes ids of a thread.
    pub(super) fn of_thread(self: &Arc<Self>, thread: usize) -> ThreadConnectionIds {
        ThreadConnectionIds { ids: Arc::clone(self), thread, made: 0 }
    }

    /// The thread whose connection the first of these datagrams belongs to; none where it has no id of this process,
    /// as the first ones of a connection have not.
    pub(super) fn thread_of(&self, datagrams: &[u8]) -> Option<usize> {
        self.thread(destination(datagrams)?)
    }

    fn thread(&self, id: &[u8]) -> Option<usize> {
        let id: &[u8; BYTES] = id.try_into().ok()?;
        let (nonce, masked) = id.split_first_chunk()?;
        let plain = self.masked(*nonce, masked.try_into().ok()?)?;
        let (thread, zeros) = plain.split_first_chunk()?;
        (zeros == [0; MASKED_BYTES - THREAD_BYTES]).then_some(u16::from_be_bytes(*thread).into())
    }

    /// Puts the mask on, or takes it off.
    fn masked(&self, nonce: [u8; NONCE_BYTES], bytes: [u8; MASKED_BYTES]) -> Option<[u8; MASKED_BYTES]> {
        let mut sample = [0; SAMPLE_BYTES];
        let (front, _) = sample.split_first_chunk_mut()?;
        *front = nonce;
        let mask = self.0.new_mask(&sample).ok()?;
        Some(std::array::from_fn(|index| bytes[index] ^ mask[index]))
    }
}

/// The destination's id of a packet (RFC 9000 sections 17.2 and 17.3.1).
fn destination(packet: &[u8]) -> Option<&[u8]> {
    const LONG_FORM: u8 = 0x80;
    const VERSION_BYTES: usize = 4;
    let (first, rest) = packet.split_first()?;
    if first & LONG_FORM == 0 {
        return rest.get(..BYTES);
    }
    let (length, rest) = rest.get(VERSION_BYTES..)?.split_first()?;
    rest.get(..usize::from(*length))
}

/// A thread's maker of ids.
pub(super) struct ThreadConnectionIds {
    ids: Arc<ConnectionIds>,
    thread: usize,
    made: u64,
}

impl ConnectionIdGenerator for ThreadConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        // Where random numbers end, ids at least stay apart.
        self.made += 1;
        let mut nonce = self.made.to_be_bytes();
        let _: Result<(), _> = rand::fill(&mut nonce);
        let mut bytes = [0; BYTES];
        let thread = u16::try_from(self.thread).unwrap_or_default().to_be_bytes();
        let mut plain = [0; MASKED_BYTES];
        plain[..THREAD_BYTES].copy_from_slice(&thread);
        bytes[..NONCE_BYTES].copy_from_slice(&nonce);
        bytes[NONCE_BYTES..].copy_from_slice(&self.ids.masked(nonce, plain).unwrap_or(plain));
        ConnectionId::new(&bytes)
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        self.ids.thread(id).map(drop).ok_or(InvalidCid)
    }

    fn cid_len(&self) -> usize {
        BYTES
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short_header(id: &[u8]) -> Vec<u8> {
        [&[0x40], id, &[1, 2, 3]].concat()
    }

    fn long_header(id: &[u8]) -> Vec<u8> {
        let length = u8::try_from(id.len()).unwrap();
        [&[0xc0, 0, 0, 0, 1, length], id, &[0, 1, 2]].concat()
    }

    #[test]
    fn an_id_names_its_thread_in_every_packet() {
        let ids = Arc::new(ConnectionIds::new().unwrap());
        for thread in [0, 1, 1023] {
            let mut made = ids.of_thread(thread);
            let (one, other) = (made.generate_cid(), made.generate_cid());
            assert_ne!(one, other);
            for packet in [short_header(&one), long_header(&other)] {
                assert_eq!(ids.thread_of(&packet), Some(thread));
            }
            made.validate(&one).unwrap();
        }
    }

    #[test]
    fn what_another_process_or_a_viewer_made_up_names_nobody() {
        let (ids, others) = (ConnectionIds::new().unwrap(), Arc::new(ConnectionIds::new().unwrap()));
        let foreign = others.of_thread(1).generate_cid();
        assert_eq!(ids.thread_of(&short_header(&foreign)), None);
        assert_eq!(ids.thread_of(&long_header(&[7; 8])), None);
        for packet in
            [&[][..], &[0x40], &[0x40, 1, 2], &[0xc0], &[0xc0, 0, 0, 0, 1], &[0xc0, 0, 0, 0, 1, 13, 1]]
        {
            assert_eq!(ids.thread_of(packet), None, "{packet:?}");
        }
    }
}
