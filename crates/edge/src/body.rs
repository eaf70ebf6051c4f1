//! Bodies on their way through: the bytes between the framing, in one piece.

use std::ops::Range;

use http1::{BodyDecoder, BodyError};

/// What a read held of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Where the body's bytes are now.
    pub(crate) body: Range<usize>,
    /// Up to where the input is dealt with: its end, or the message's.
    pub(crate) end: usize,
}

/// Decodes `input` from `from` on, and moves the bodies of chunks together so that they can leave in
/// one write, however small the sender made them.
pub(crate) fn compact(
    decoder: &mut BodyDecoder,
    input: &mut [u8],
    from: usize,
) -> Result<Stretch, BodyError> {
    let mut stretch = Stretch { body: from..from, end: from };
    while stretch.end < input.len() && !decoder.is_done() {
        let progress = decoder.decode(input.get(stretch.end..).unwrap_or_default())?;
        let found = stretch.end + progress.body.start..stretch.end + progress.body.end;
        stretch.end += progress.consumed;
        if stretch.body.is_empty() {
            stretch.body = found;
        } else if !found.is_empty() {
            let len = found.len();
            input.copy_within(found, stretch.body.end);
            stretch.body.end += len;
        }
    }
    Ok(stretch)
}

#[cfg(test)]
mod tests {
    use http1::BodyFraming;

    use super::*;

    #[test]
    fn small_chunks_come_out_in_one_piece() {
        let mut input = *b"HEAD3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET";
        let mut decoder = BodyDecoder::new(BodyFraming::Chunked);
        let stretch = compact(&mut decoder, &mut input, 4).unwrap();
        assert_eq!(&input[stretch.body], b"abcde");
        assert_eq!(&input[stretch.end..], b"GET");
        assert!(decoder.is_done());
    }

    #[test]
    fn what_follows_the_body_is_not_touched() {
        let mut input = *b"abcdef";
        let mut decoder = BodyDecoder::new(BodyFraming::Length(4));
        let stretch = compact(&mut decoder, &mut input, 1).unwrap();
        assert_eq!((stretch.body, stretch.end), (1..5, 5));
        let nothing = compact(&mut decoder, &mut input, 5).unwrap();
        assert_eq!((nothing.body, nothing.end), (5..5, 5));
    }
}
