//! Sockets that a service manager has opened for the process: systemd's socket activation (sd_listen_fds(3)).
//!
//! `LISTEN_FDS` counts them, `LISTEN_FDNAMES` names them, and `LISTEN_PID` says whose they are. A socket that nobody can
//! place stops the start: it would listen, and never answer.

use std::net::TcpListener;
use std::sync::Arc;

use edge::{ListenOn, ListeningSocket, ListeningSocketError};
use listenfd::ListenFd;
use thiserror::Error;

use crate::limits::PASSED_SOCKETS_MAX;

/// The sockets of each listener; they replace the addresses of the flags.
#[derive(Debug, Default)]
pub(crate) struct PassedSockets {
    pub(crate) http: Vec<ListenOn>,
    pub(crate) https: Vec<ListenOn>,
    pub(crate) api: Option<ListenOn>,
}

/// A socket that nobody can place.
#[derive(Debug, Error)]
pub(crate) enum PassedSocketError {
    /// Absurd.
    #[error("LISTEN_FDS is {0}, and at most {PASSED_SOCKETS_MAX} sockets can be passed: pass fewer")]
    TooMany(usize),
    /// No name.
    #[error(
        "the passed socket {0} has no name: name it http, https or api, with FileDescriptorName= in its .socket unit \
         or in LISTEN_FDNAMES"
    )]
    Unnamed(usize),
    /// Another's name.
    #[error(
        "the passed socket {number} is named {name:?}, which is none of Mantlet's listeners: name it http, https or \
         api, with FileDescriptorName= in its .socket unit or in LISTEN_FDNAMES"
    )]
    UnknownName {
        /// Which, from 1.
        number: usize,
        /// As given.
        name: String,
    },
    /// Not for streams over IP.
    #[error(
        "the passed socket {number}, {name}, is not a TCP socket: pass one of ListenStream= with an address and a port"
    )]
    NotTcp {
        /// Which, from 1.
        number: usize,
        /// Its name.
        name: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A connection, or nothing yet.
    #[error(
        "the passed socket {number}, {name}, cannot be listened on: pass a listening one, with Accept=no"
    )]
    NotListening {
        /// Which, from 1.
        number: usize,
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: ListeningSocketError,
    },
    /// There is one API.
    #[error("several passed sockets are named api, and the API listens on one: pass one")]
    SecondApi,
}

impl PassedSockets {
    /// Those of this process; none where nobody passes any. It can be asked once, before there are threads.
    pub(crate) fn take() -> Result<Self, PassedSocketError> {
        let count = std::env::var("LISTEN_FDS").ok().and_then(|count| count.parse().ok());
        if let Some(count) = count.filter(|count| *count > PASSED_SOCKETS_MAX) {
            return Err(PassedSocketError::TooMany(count));
        }
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').map(str::to_owned);
        let mut passed = ListenFd::from_env();
        let mut sockets = Self::default();
        for index in 0..passed.len() {
            let number = index + 1;
            let name = given_name(names.next()).ok_or(PassedSocketError::Unnamed(number))?;
            let socket = passed.take_tcp_listener(index).transpose();
            if let Some(socket) = socket {
                sockets.add(number, name, socket)?;
            }
        }
        Ok(sockets)
    }

    fn add(
        &mut self,
        number: usize,
        name: String,
        socket: std::io::Result<TcpListener>,
    ) -> Result<(), PassedSocketError> {
        if !["http", "https", "api"].contains(&name.as_str()) {
            return Err(PassedSocketError::UnknownName { number, name });
        }
        let socket = match socket {
            Ok(socket) => ListeningSocket::new(socket),
            Err(source) => return Err(PassedSocketError::NotTcp { number, name, source }),
        };
        let socket = match socket {
            Ok(socket) => ListenOn::Socket(Arc::new(socket)),
            Err(source) => return Err(PassedSocketError::NotListening { number, name, source }),
        };
        match name.as_str() {
            "http" => self.http.push(socket),
            "https" => self.https.push(socket),
            _ if self.api.is_some() => return Err(PassedSocketError::SecondApi),
            _ => self.api = Some(socket),
        }
        Ok(())
    }
}

/// systemd writes `unknown` for a socket that was stored without a name (sd_listen_fds_with_names(3)).
fn given_name(name: Option<String>) -> Option<String> {
    name.filter(|name| !name.is_empty() && name != "unknown")
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};

    use super::*;

    fn listener() -> std::io::Result<TcpListener> {
        TcpListener::bind("127.0.0.1:0")
    }

    fn check_refused(sockets: Vec<(&str, std::io::Result<TcpListener>)>, expect: &str) {
        let mut passed = PassedSockets::default();
        let mut numbered = sockets.into_iter().zip(1..);
        let refused = numbered
            .find_map(|((name, socket), number)| passed.add(number, name.to_owned(), socket).err())
            .unwrap()
            .to_string();
        assert!(refused.contains(expect), "{refused}");
    }

    #[test]
    fn sockets_are_placed_by_name_and_a_listener_may_have_several() {
        let mut passed = PassedSockets::default();
        for (number, name) in [(1, "https"), (2, "api"), (3, "https")] {
            passed.add(number, name.to_owned(), listener()).unwrap();
        }
        assert_eq!((passed.http.len(), passed.https.len(), passed.api.is_some()), (0, 2, true));
    }

    #[test]
    fn what_cannot_be_placed_is_named() {
        check_refused(
            vec![("http", listener()), ("mantlet.socket", listener())],
            "socket 2 is named \"mantlet.socket\"",
        );
        check_refused(vec![("api", listener()), ("api", listener())], "several passed sockets are named api");
        check_refused(vec![("http", Err(std::io::ErrorKind::InvalidInput.into()))], "is not a TCP socket");
        let silent = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        check_refused(vec![("http", Ok(silent.into()))], "with Accept=no");
    }

    #[test]
    fn unknown_is_no_name() {
        assert_eq!(given_name(Some("unknown".to_owned())), None);
        assert_eq!(given_name(Some(String::new())), None);
        assert_eq!(given_name(None), None);
        assert_eq!(given_name(Some("api".to_owned())).as_deref(), Some("api"));
    }
}
