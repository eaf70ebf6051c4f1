//! What a viewer may make the edge *do* on an HTTP/2 connection: answer PINGs and SETTINGS, walk over windows, begin
//! requests at origins only to reset them. Each costs more than it is worth to anybody, so each is charged, and a viewer
//! that has spent its allowance is sent away.
//!
//! What a viewer can make the edge *remember* is bounded in `http2` and by the windows.

use std::cell::Cell;
use std::rc::Rc;

use http2::{FrameHead, FrameKind};
use tokio::time::Instant;

use crate::allowance::{Allowance, FrameAllowance};
use crate::limits::{HTTP2_RESETS_MAX, HTTP2_RESETS_PER_SECOND, VIEWER_HEAD_TIME_MAX};
use crate::load::{Held, Load};

/// What ends a connection before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Http2Misconduct {
    /// Streams reset by the viewer, faster than anybody changes their mind (CVE-2023-44487).
    Resets,
    /// Frames that carry nothing: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA, unknown ones; the pieces of
    /// a head that is in very many; trailers that are larger than a head may be.
    Frames,
    /// A frame or a head that does not end in time.
    SlowFrame,
    /// Many responses that the viewer asked for and does not read.
    Unread,
}

impl Http2Misconduct {
    pub(crate) const ALL: [Self; 4] = [Self::Resets, Self::Frames, Self::SlowFrame, Self::Unread];

    /// A word for metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Resets => "resets",
            Self::Frames => "frames",
            Self::SlowFrame => "slow-frame",
            Self::Unread => "unread",
        }
    }
}

/// How a viewer behaves on one connection.
#[derive(Debug)]
pub(super) struct Conduct {
    misconduct: Cell<Option<Http2Misconduct>>,
    /// Whether the connection is to end because of it, or has ended.
    is_over: Cell<bool>,
    /// Since when the viewer has owed the rest of a frame or of a head.
    incomplete_since: Cell<Option<Instant>>,
    frames: FrameAllowance,
    resets: Allowance,
    /// Bytes of bodies that have arrived and were not dealt with.
    pub(super) received: Held,
    /// What has come of something that means nothing before it is whole.
    kept: Held,
}

impl Conduct {
    pub(super) fn new(load: &Rc<Load>) -> Self {
        Self {
            misconduct: Cell::new(None),
            is_over: Cell::new(false),
            incomplete_since: Cell::new(Some(Instant::now())),
            frames: FrameAllowance::new(),
            resets: Allowance::new(HTTP2_RESETS_MAX, HTTP2_RESETS_PER_SECOND),
            received: Held::new(load),
            kept: Held::new(load),
        }
    }

    /// What the viewer did, once.
    pub(super) fn take_misconduct(&self) -> Option<Http2Misconduct> {
        self.misconduct.take()
    }

    /// Ends the connection; what was found first counts.
    pub(super) fn condemn(&self, misconduct: Http2Misconduct) {
        if !self.is_over.replace(true) {
            self.misconduct.set(Some(misconduct));
        }
    }

    /// The connection ends, whatever the viewer does.
    pub(super) fn conclude(&self) {
        self.is_over.set(true);
    }

    /// Whether the connection is to end.
    pub(super) fn is_condemned(&self) -> bool {
        self.is_over.get()
    }

    /// Until when what has begun to arrive must be complete.
    pub(super) fn complete_by(&self) -> Option<Instant> {
        self.incomplete_since.get().map(|since| since + VIEWER_HEAD_TIME_MAX)
    }

    /// Notes how far everything has come that has arrived.
    pub(super) fn has_read(&self, owes_the_rest: bool, kept_bytes: usize) {
        let since = self.incomplete_since.get();
        if owes_the_rest != since.is_some() {
            self.incomplete_since.set(owes_the_rest.then(Instant::now));
        }
        self.kept.hold(kept_bytes);
    }

    /// A stretch of a response goes out, which the viewer may acknowledge for stream and connection.
    pub(super) fn response_data(&self) {
        self.frames.data_goes_out();
    }

    /// A frame has begun.
    pub(super) fn charge(&self, frame: FrameHead) {
        if frame.kind != FrameKind::Continuation {
            // So the one before is complete.
            self.incomplete_since.set(None);
        }
        if frame.kind == FrameKind::ResetStream && !self.resets.spend(1) {
            self.condemn(Http2Misconduct::Resets);
        }
        if !self.frames.charge(frame) {
            self.condemn(Http2Misconduct::Frames);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::HTTP2_FRAMES_MAX;

    fn conduct() -> Conduct {
        Conduct::new(&Rc::new(Load::new(usize::MAX)))
    }

    fn frame(kind: FrameKind, flags: u8, length: usize) -> FrameHead {
        FrameHead { length, kind, flags, stream: 1 }
    }

    fn check(frames: impl IntoIterator<Item = FrameHead>, expect: Option<Http2Misconduct>) {
        let conduct = conduct();
        frames.into_iter().for_each(|frame| conduct.charge(frame));
        assert_eq!(conduct.take_misconduct(), expect);
        assert_eq!(conduct.is_condemned(), expect.is_some());
    }

    #[tokio::test]
    async fn each_flood_spends_its_allowance() {
        let most = usize::try_from(HTTP2_FRAMES_MAX).unwrap();
        for (kind, length) in [
            (FrameKind::Ping, 8),
            (FrameKind::WindowUpdate, 4),
            (FrameKind::Priority, 5),
            (FrameKind::Unknown(0x77), 0),
            (FrameKind::Data, 0),
            (FrameKind::Continuation, 0),
        ] {
            check(vec![frame(kind, 0, length); most], None);
            check(vec![frame(kind, 0, length); most + 200], Some(Http2Misconduct::Frames));
        }
        let settings = frame(FrameKind::Settings, 0, 0);
        check(vec![settings; most / 16], None);
        check(vec![settings; most / 8], Some(Http2Misconduct::Frames));
        let resets = usize::try_from(HTTP2_RESETS_MAX).unwrap();
        let reset = frame(FrameKind::ResetStream, 0, 4);
        check(vec![reset; resets], None);
        check(vec![reset; 2 * resets], Some(Http2Misconduct::Resets));
    }

    #[tokio::test]
    async fn work_earns_what_belongs_to_it() {
        let request = [
            frame(FrameKind::Headers, 4, 3),
            frame(FrameKind::WindowUpdate, 0, 4),
            frame(FrameKind::Priority, 0, 5),
            frame(FrameKind::Data, 1, 0),
        ];
        check(std::iter::repeat_n(request, 10_000).flatten(), None);
        check(vec![frame(FrameKind::Data, 0, 1); 10_000], None);
    }

    #[tokio::test]
    async fn what_was_found_first_counts_and_is_told_once() {
        let conduct = conduct();
        conduct.condemn(Http2Misconduct::Unread);
        conduct.condemn(Http2Misconduct::Frames);
        assert_eq!(conduct.take_misconduct(), Some(Http2Misconduct::Unread));
        assert_eq!(conduct.take_misconduct(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_owed_is_owed_since_it_began() {
        let conduct = conduct();
        let first = conduct.complete_by();
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        conduct.has_read(true, 10);
        assert_eq!(conduct.complete_by(), first);
        conduct.charge(frame(FrameKind::Continuation, 0, 1));
        conduct.has_read(true, 11);
        assert_eq!(conduct.complete_by(), first);
        // A piece of the next head may come with the rest of this one.
        conduct.charge(frame(FrameKind::Headers, 0, 1));
        conduct.has_read(true, 10);
        assert!(conduct.complete_by() > first);
        conduct.has_read(false, 0);
        assert_eq!(conduct.complete_by(), None);
    }
}
