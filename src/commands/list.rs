//! `list`: the archives on the server, and what retention will do to each.

use super::foreground::{self, Site, Surroundings, Work};
use crate::cli;
use crate::clock::Clock;
use crate::config::Environment;
use crate::destination::Server;
use crate::exit_code::ExitCode;
use crate::rules::redaction::printable;
use crate::rules::retention::{self, Circumstances};

/// Lists what lies on the server; `verbose` counts the `-v`.
pub fn list(arguments: &cli::List, verbose: u8, clock: &Clock, environment: &Environment) -> ExitCode {
    let surroundings = Surroundings { config: &arguments.config, verbose, clock, environment };
    foreground::conclude(foreground::run(&surroundings, look))
}

fn look(site: &Site) -> Work {
    let Site { config, interrupt, retry, .. } = site;
    let server = Server::new(&config.sftp, interrupt, retry, true);
    let (listing, _) = server.with_connection("listing the archives", None, |connection| connection.list())?;
    let today = Circumstances::on(site.started.date_naive());
    let plan = retention::plan(&listing, &config.naming(), config.retention, today);
    for decision in &plan.decisions {
        site.progress.print(&format!("{}: {}", printable(&decision.name), decision.reason));
    }
    Ok(ExitCode::Success)
}
