//! `mantlet run`: serve until told to stop.

use std::fmt::Write as _;

use anyhow::Result;
use tokio::time::{MissedTickBehavior, interval};

use crate::endpoints::reachable;
use crate::environment::shell_quoted;
use crate::limits::CERTIFICATE_LOOK;
use crate::server::Server;
use crate::settings::RunSettings;
use crate::signals::{Request, Signals};
use crate::stdout::announce;

/// Starts everything, prints `summary`, and serves until a signal ends it.
pub(crate) async fn run(settings: &RunSettings) -> Result<()> {
    let mut signals = Signals::catch()?;
    let server = tokio::select! {
        started = Server::start(settings) => started?,
        () = signals.stop() => return Ok(()),
    };
    announce(&summary(&server, settings));
    serve(server, settings, signals).await
}

/// Serves until a signal ends it; a second signal ends it at once.
pub(crate) async fn serve(mut server: Server, settings: &RunSettings, mut signals: Signals) -> Result<()> {
    tracing::info!("Serving");
    let mut looks = interval(CERTIFICATE_LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            error = server.failure() => return Err(error),
            _ = looks.tick() => server.look_after_certificates(),
            request = signals.next() => match request {
                Request::Stop => break,
                Request::Reload => {
                    server.reopen_logs();
                    server.look_after_certificates();
                    server.reread_geo_database(settings).await;
                }
            },
        }
    }
    tracing::info!(limit = ?settings.drain_limit, "Draining");
    tokio::select! {
        () = server.drain(settings.drain_limit) => tracing::info!("Stopped"),
        () = signals.stop() => tracing::warn!("Stopped at once, because of a second signal"),
    }
    Ok(())
}

fn summary(server: &Server, settings: &RunSettings) -> String {
    let endpoints = &server.running().endpoints;
    let directory = shell_quoted(&server.directory().path().display().to_string());
    let mut text = format!(
        "\
Mantlet serves. Ctrl-C stops it.

  API       {}
  viewers   http://{}  https://{}
  names     *.{}

Point AWS clients at it:  eval \"$(mantlet env --data-dir {directory})\"
",
        endpoints.api_url(),
        reachable(endpoints.http),
        reachable(endpoints.https),
        settings.domain_suffix,
    );
    if !endpoints.certificate_given {
        // Writing to a String does not fail.
        let _ = writeln!(text, "Let browsers trust it:    mantlet trust --data-dir {directory}");
    }
    text
}
