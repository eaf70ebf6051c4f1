//! Whether a request costs more where there is more of everything: connections, distributions.
//!
//! Requests come one at a time, so that their number at once is the same whatever the size; each is for the
//! next connection, or the next distribution.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use super::Micros;
use super::certificate::Certificate;
use super::http::{Connection, get};
use super::process::cpu_time;
use super::proxy::{Api, HAPROXY, MANTLET, Proxies, Proxy};

/// Connections at once.
const CONNECTIONS: [usize; 3] = [1, 100, 10_000];
/// Distributions.
const DISTRIBUTIONS: [usize; 3] = [1, 1_000, 100_000];
/// Clients that create distributions.
const WRITERS: usize = 4;
/// How long each size is measured at once.
const TURN: Duration = Duration::from_secs(2);
/// Turns of each number of distributions, which cannot be interleaved.
const TURNS: u32 = 5;

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
    pub(super) fn by_connections(proxies: &Proxies, rounds: u32) -> Result<Self> {
        let mut grown = Vec::new();
        // HAProxy wants two descriptors for each of them, which is more than most systems let a process have.
        for proxy in proxies.plain().filter(|proxy| proxy.name != HAPROXY) {
            let request = get(&proxy.host);
            let mut by_size = Vec::new();
            for size in CONNECTIONS {
                let mut connections = (0..size)
                    .map(|_| Connection::open(proxy.http))
                    .collect::<Result<Vec<_>>>()
                    .context("that many connections are not possible; `ulimit -n` may be too low")?;
                ask_in_turn(&mut connections, [request.as_str()].into_iter().cycle(), size.try_into()?)?;
                let mut turn = || per_request(proxy, &mut connections, std::slice::from_ref(&request));
                by_size.push((0..rounds).map(|_| turn()).collect::<Result<_>>()?);
            }
            grown.push(GrowthOf { proxy: proxy.name, rounds: by_size });
        }
        Ok(Self { of: "connections", sizes: CONNECTIONS.to_vec(), proxies: grown })
    }

    pub(super) fn by_distributions(
        directory: &Path,
        mantlet: &Path,
        certificate: &Certificate,
        origin: SocketAddr,
    ) -> Result<Self> {
        let (proxy, api) = Proxy::mantlet(directory, mantlet, certificate, origin, None)?;
        let mut requests = vec![get(&proxy.host)];
        let mut by_size = Vec::new();
        for size in DISTRIBUTIONS {
            requests.extend(create(&api, requests.len(), size)?);
            // One from before would have waited for too long.
            let mut connections = [Connection::open(proxy.http)?];
            let mut turn = || per_request(&proxy, &mut connections, &requests);
            by_size.push((0..TURNS).map(|_| turn()).collect::<Result<_>>()?);
        }
        let proxies = vec![GrowthOf { proxy: MANTLET, rounds: by_size }];
        Ok(Self { of: "distributions", sizes: DISTRIBUTIONS.to_vec(), proxies })
    }
}

/// Creates distributions until there are `wanted`; returns requests for the new ones.
fn create(api: &Api, present: usize, wanted: usize) -> Result<Vec<String>> {
    let next = AtomicUsize::new(present);
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

/// Asks for a while, and returns what a request cost.
fn per_request(proxy: &Proxy, connections: &mut [Connection], requests: &[String]) -> Result<Micros> {
    let (begun_at, before) = (Instant::now(), cpu_time(proxy.id())?);
    let (mut asked, mut requests) = (0, requests.iter().map(String::as_str).cycle());
    // A whole turn of the connections at a time, so that all of them are asked equally often.
    let at_once = u64::try_from(connections.len())?.max(1000);
    while begun_at.elapsed() < TURN {
        ask_in_turn(connections, &mut requests, at_once)?;
        asked += at_once;
    }
    Micros::per_request(cpu_time(proxy.id())?.saturating_sub(before), asked)
}

fn ask_in_turn<'r>(
    connections: &mut [Connection],
    mut requests: impl Iterator<Item = &'r str>,
    count: u64,
) -> Result<()> {
    let mut asked = 0;
    while asked < count {
        for (connection, request) in connections.iter_mut().zip(&mut requests) {
            connection.ask(request.as_bytes())?;
            asked += 1;
        }
    }
    Ok(())
}
