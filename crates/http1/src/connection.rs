//! The `Connection` field: what it says about the connection, and which fields it claims for this hop.

use crate::ascii::{self, is_in_any_case};
use crate::field::{FieldError, Fields, is_framing, names_equal_folding_underscore};
use crate::known_field::KnownField;

/// What all `Connection` fields of a head say together (RFC 9110 §7.6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent words of one field, any of which may be there"
)]
pub struct ConnectionOptions {
    /// `close`: no further message follows on the connection.
    pub close: bool,
    /// `keep-alive`: HTTP/1.0's wish to go on.
    pub keep_alive: bool,
    /// `upgrade`: the `Upgrade` field is meant for this hop.
    pub upgrade: bool,
    /// Any other option: the name of a field that must not be forwarded.
    pub nominates: bool,
}

impl ConnectionOptions {
    /// Adds the options of one more `Connection` field.
    pub(crate) fn read(&mut self, value: &[u8]) -> Result<(), FieldError> {
        // Nearly always there is one option, and it is one of those with a meaning of their own.
        if self.read_own(value) {
            return Ok(());
        }
        for option in options_of(value) {
            if !ascii::is_token(option) {
                return Err(FieldError::ConnectionOptionNotToken);
            }
            self.nominates |= !self.read_own(option);
        }
        Ok(())
    }

    /// Reads an option with a meaning of its own; tells whether it is one.
    fn read_own(&mut self, option: &[u8]) -> bool {
        let found = if is_in_any_case(option, b"keep-alive") {
            &mut self.keep_alive
        } else if is_in_any_case(option, b"close") {
            &mut self.close
        } else if is_in_any_case(option, b"upgrade") {
            &mut self.upgrade
        } else {
            return false;
        };
        *found = true;
        true
    }

    /// RFC 9112 §9.3: whether the connection outlives the message. `close` wins over `keep-alive`.
    pub(crate) fn persists(self, is_http11: bool) -> bool {
        !self.close && (is_http11 || self.keep_alive)
    }
}

/// The options of every `Connection` field, in order.
pub(crate) fn connection_options(fields: Fields<'_>) -> impl Iterator<Item = &[u8]> {
    fields.values_of(KnownField::Connection).flat_map(options_of)
}

/// Whether a `Connection` field nominates Host, Content-Length or Transfer-Encoding.
///
/// RFC 9110 §7.6.1 forbids it. A viewer that does so hopes for an intermediary that obeys; some CDNs' edges do it in
/// their responses without harm, since what leaves us is framed anew.
pub(crate) fn nominates_framing(fields: Fields<'_>) -> bool {
    connection_options(fields).any(|option| is_framing(KnownField::from_name_folding_underscore(option)))
}

/// Whether a `Connection` field nominates `name`, however it spells it.
pub(crate) fn is_nominated(fields: Fields<'_>, name: &[u8]) -> bool {
    connection_options(fields).any(|option| names_equal_folding_underscore(option, name))
}

/// RFC 9110 §5.6.1.2: a recipient ignores empty elements of a list.
fn options_of(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(ascii::trim_whitespace).filter(|option| !option.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_recognised_in_any_case_and_any_place() {
        let check = |value: &str, expected| {
            let mut options = ConnectionOptions::default();
            assert_eq!(options.read(value.as_bytes()).map(|()| options), Ok(expected), "{value:?}");
        };
        let none = ConnectionOptions::default();
        check("", none);
        check(" , ,", none);
        check("CLOSE", ConnectionOptions { close: true, ..none });
        check("keep-alive, Upgrade", ConnectionOptions { keep_alive: true, upgrade: true, ..none });
        check("x-a ,close", ConnectionOptions { close: true, nominates: true, ..none });
    }

    #[test]
    fn options_are_tokens() {
        for value in ["a b", "close;", "close, \"a\"", "\u{e9}"] {
            let refused = ConnectionOptions::default().read(value.as_bytes());
            assert_eq!(refused, Err(FieldError::ConnectionOptionNotToken), "{value:?}");
        }
    }
}
