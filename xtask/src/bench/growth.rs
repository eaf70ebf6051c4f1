//! Whether a request costs more where there is more of everything: connections, distributions.
//!
//! Each size has a process of its own, and they take turns, so that what the machine does besides hits all sizes. The
//! number of requests at once is the same whatever the size; each is for the next connection, or the next distribution.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use super::http::{Connection, get};
use super::proxy::{Api, MANTLET, NGINX, Proxies, Proxy};
use super::{Micros, Setup, turn};

/// Connections at once.
const CONNECTIONS: [usize; 3] = [1, 100, 10_000];
/// Distributions.
const DISTRIBUTIONS: [usize; 3] = [1, 1_000, 100_000];
/// Clients that create distributions.
const WRITERS: usize = 4;
/// Connections on which distributions are asked for, all at once: where one request comes at a time, the sleep between
/// them makes most of the cost.
const ASKED_AT_ONCE: usize = 16;
/// How long each size is measured at once.
const TURN: Duration = Duration::from_secs(2);

/// Cost by a size, for one or more proxies.
#[derive(Serialize)]
pub(super) struct Growth {
    pub(super) of: &'static str,
    pub(super) sizes: Vec<usize>,
    pub(super) proxies: Vec<GrowthOf>,
}

#[derive(Serialize)]
pub(super) struct GrowthOf {
    pub(super) proxy: &'static str,
    /// For each size, the figures of all rounds.
    pub(super) rounds: Vec<Vec<Micros>>,
}

impl Growth {
    pub(super) fn by_connections(setup: &Setup, rounds: u32) -> Result<Self> {
        let sets = CONNECTIONS.map(|size| Proxies::start(setup).map(|proxies| (size, proxies)));
        let sets = sets.into_iter().collect::<Result<Vec<_>>>()?;
        let mut grown = Vec::new();
        // HAProxy wants two descriptors for each of them, which is more than most systems let a process have.
        for name in [MANTLET, NGINX] {
            let subjects = sets.iter().filter_map(|(size, proxies)| Some((*size, proxies.named(name)?)));
            let mut subjects = subjects
                .map(|(size, proxy)| Subject::new(proxy, size, 1, vec![get(&proxy.host)]))
                .collect::<Result<Vec<_>>>()?;
            grown.push(GrowthOf { proxy: name, rounds: take_turns(&mut subjects, rounds)? });
        }
        Ok(Self { of: "connections", sizes: CONNECTIONS.to_vec(), proxies: grown })
    }

    pub(super) fn by_distributions(setup: &Setup, rounds: u32) -> Result<Self> {
        let started = DISTRIBUTIONS.map(|size| {
            let (proxy, api) = Proxy::mantlet(setup, None)?;
            let mut requests = vec![get(&proxy.host)];
            requests.extend(create(&api, size)?);
            Ok((proxy, requests))
        });
        let (proxies, requests): (Vec<_>, Vec<_>) = started.into_iter().collect::<Result<_>>()?;
        let subjects = proxies
            .iter()
            .zip(requests)
            .map(|(proxy, requests)| Subject::new(proxy, ASKED_AT_ONCE, ASKED_AT_ONCE, requests));
        let mut subjects = subjects.collect::<Result<Vec<_>>>()?;
        let grown = vec![GrowthOf { proxy: MANTLET, rounds: take_turns(&mut subjects, rounds)? }];
        Ok(Self { of: "distributions", sizes: DISTRIBUTIONS.to_vec(), proxies: grown })
    }
}

/// Creates distributions until there are `wanted`, of which one is there; returns requests for the new ones.
fn create(api: &Api, wanted: usize) -> Result<Vec<String>> {
    let next = AtomicUsize::new(1);
    let write = || -> Result<Vec<String>> {
        let (mut client, mut requests, mut last) = (api.another(), Vec::new(), None);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= wanted {
                break;
            }
            let made = client.create_distribution(&format!("bench-{number}"), "http2")?;
            requests.push(get(&made.domain_name));
            last = Some(made);
        }
        last.iter().try_for_each(|last| client.wait_until_deployed(last))?;
        Ok(requests)
    };
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(write)).collect();
        let mut requests = Vec::new();
        for writer in writers {
            requests.extend(writer.join().map_err(|_| anyhow::anyhow!("a writer panicked"))??);
        }
        Ok(requests)
    })
}

/// The figures of all rounds, for each of them.
fn take_turns(subjects: &mut [Subject<'_>], rounds: u32) -> Result<Vec<Vec<Micros>>> {
    let mut by_subject = vec![Vec::new(); subjects.len()];
    for _ in 0..rounds {
        for (subject, figures) in subjects.iter_mut().zip(&mut by_subject) {
            figures.push(subject.turn()?);
        }
    }
    Ok(by_subject)
}

/// One size of one proxy.
struct Subject<'p> {
    proxy: &'p Proxy,
    connections: Vec<Connection>,
    /// How many of them are asked before the first answer is read.
    at_once: usize,
    requests: Vec<String>,
    /// The next of those.
    next: usize,
}

impl<'p> Subject<'p> {
    /// Every connection has asked once then.
    fn new(proxy: &'p Proxy, connections: usize, at_once: usize, requests: Vec<String>) -> Result<Self> {
        let connections = (0..connections)
            .map(|_| Connection::open(proxy.http))
            .collect::<Result<Vec<_>>>()
            .context("that many connections are not possible; `ulimit -n` may be too low")?;
        let mut subject = Self { proxy, connections, at_once, requests, next: 0 };
        subject.ask_all()?;
        Ok(subject)
    }

    /// Asks for a while, and returns what a request cost.
    fn turn(&mut self) -> Result<Micros> {
        turn(self.proxy, || {
            let (begun_at, mut asked) = (Instant::now(), 0);
            // All of the connections at a time, so that all of them are asked equally often.
            while begun_at.elapsed() < TURN {
                self.ask_all()?;
                asked += self.connections.len();
            }
            Ok(asked.try_into()?)
        })
    }

    fn ask_all(&mut self) -> Result<()> {
        for connections in self.connections.chunks_mut(self.at_once) {
            for connection in &mut *connections {
                let request = self.requests.get(self.next).context("no requests")?;
                self.next = (self.next + 1) % self.requests.len();
                connection.send(request.as_bytes())?;
            }
            connections.iter_mut().try_for_each(|connection| connection.receive().map(drop))?;
        }
        Ok(())
    }
}
