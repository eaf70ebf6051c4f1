//! The PROXY protocol's header.

use proxy_protocol::limits::VERSION2_BYTES_MAX;
use proxy_protocol::{Header, Progress, parse};

/// A header means the same however it arrives and whatever is behind it, and ends where it says.
pub fn proxy_header(input: &[u8]) {
    let outcome = parse(input);
    // As it arrives: partial up to its end, or to where it is refused.
    let settling = (0..=input.len())
        .map(|end| (end, parse(&input[..end])))
        .find(|(_, outcome)| *outcome != Ok(Progress::Partial));
    let (end, settled) = settling.unwrap_or((input.len(), outcome));
    assert_eq!(settled, outcome, "it matters how it arrives");
    assert!(end <= VERSION2_BYTES_MAX, "it is read for too long");
    let Ok(Progress::Complete { header, length }) = outcome else { return };
    assert_eq!(end, length);
    let Header::Relayed(ends) = header else { return };

    let written = ends.header();
    let Ok(Progress::Complete { header: Header::Relayed(again), length }) = parse(written.as_ref()) else {
        panic!("what is written is no header");
    };
    assert_eq!(length, written.as_ref().len());
    for (read, meant) in [(again.source, ends.source), (again.destination, ends.destination)] {
        assert_eq!((read.ip().to_canonical(), read.port()), (meant.ip().to_canonical(), meant.port()));
    }
}
