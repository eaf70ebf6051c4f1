//! WebSocket: the origin's side of a handshake, and the relay after it (RFC 6455).
//!
//! Until the origin has switched protocols, and shown by its `Sec-WebSocket-Accept` that it read this very
//! handshake, nothing behind the viewer's request reaches it: such bytes would be a request that nobody
//! has checked. From then on bytes pass as they are; frames are between the two ends.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;

use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use behavior::names_websocket;
use http1::{KnownField, ResponseHead};
use tokio::time::Instant;

use super::OriginFailure;
use super::connection::OriginConnection;
use crate::buffer::Buffer;
use crate::failure::Failure;
use crate::limits::{WEBSOCKET_CLOSING_TIME_MAX, WEBSOCKET_IDLE_MAX};
use crate::pipeline::ViewerSide;
use crate::viewer::{RequestBody, ResponseWriter};

/// RFC 6455 section 1.3.
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether a 101 accepts the handshake with that key (RFC 6455 section 4.1, the client's checks).
pub(super) fn is_accepted(head: &ResponseHead, bytes: &[u8], key: &[u8]) -> bool {
    let response = head.view(bytes);
    let accepts = |expected: &[u8]| {
        let mut values =
            response.fields().filter(|field| field.name.eq_ignore_ascii_case(b"sec-websocket-accept"));
        values.next().is_some_and(|field| field.value == expected) && values.next().is_none()
    };
    head.connection().upgrade
        && response.value(KnownField::Upgrade).is_some_and(names_websocket)
        && accepts(accept_of(key).as_bytes())
}

fn accept_of(key: &[u8]) -> String {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(ACCEPT_GUID);
    BASE64_STANDARD.encode(context.finish())
}

/// Relays between viewer and origin until either ends.
pub(super) async fn relay<B: RequestBody, W: ResponseWriter>(
    origin: &OriginConnection,
    viewer: &mut ViewerSide<'_, B, W>,
) -> Result<(), Failure> {
    let ViewerSide { body, response, alarm } = viewer;
    body.begin_tunnel();
    let viewer_ended_at = Cell::new(None);
    let mut to_origin = pin!(async {
        // However the viewer ends, and when the origin takes no more: the other direction tells the rest.
        while let Ok(Some(part)) = body.next().await {
            if origin.transport.write(part).await.is_err() {
                return;
            }
        }
        let _ = origin.transport.shut_down().await;
        viewer_ended_at.set(Some(Instant::now()));
    });
    let mut to_viewer = pin!(async {
        loop {
            let begun_at = Instant::now();
            let deadline = || match viewer_ended_at.get() {
                Some(ended_at) => ended_at + WEBSOCKET_CLOSING_TIME_MAX,
                None => begun_at + WEBSOCKET_IDLE_MAX,
            };
            let reading = poll_fn(|context| origin.transport.poll_read_pooled(context, Buffer::large));
            let part = match alarm.until_moving(deadline, reading).await {
                Ok(read) => read.map_err(broken)?,
                Err(_) => Buffer::small(),
            };
            response.write(&part, part.is_empty(), alarm).await?;
            if part.is_empty() {
                return Ok(());
            }
        }
    });
    let mut is_sending = true;
    poll_fn(|context| {
        if is_sending && to_origin.as_mut().poll(context).is_ready() {
            is_sending = false;
        }
        to_viewer.as_mut().poll(context)
    })
    .await
}

fn broken(error: io::Error) -> Failure {
    OriginFailure::BodyBroken(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_key_is_that_of_rfc_6455_section_1_3() {
        assert_eq!(accept_of(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
