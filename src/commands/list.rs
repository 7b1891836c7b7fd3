//! `list`: the archives on the server, and what retention will do to each.

mod document;
mod table;

use std::io::{self, Write as _};

use console::Term;

use crate::cli;
use crate::commands::foreground::{self, Fault, Site, Surroundings};
use crate::commands::list::table::{Canvas, Listing};
use crate::config::{self, Environment};
use crate::destination::{DestinationError, Server};
use crate::exit_code::ExitCode;
use crate::rules::inventory::Inventory;
use crate::runtime::clock::Clock;

/// Lists what lies on the server as `arguments` ask for it; `verbose` counts the `-v`. Changes nothing there.
pub fn list(arguments: &cli::List, verbose: u8, clock: &Clock, environment: &Environment) -> ExitCode {
    let Some(config) = &arguments.config else {
        return foreground::conclude(print_schema());
    };
    let surroundings = Surroundings { config, load: config::load_to_read_back, verbose, clock, environment };
    let as_json = arguments.json;
    foreground::conclude(foreground::run(&surroundings, move |site| {
        for mistake in &site.config.retention_mistakes {
            site.progress.show(&format!("scripting-system: {mistake}; its default is used"));
        }
        let listing = ask(site)?;
        let text = if as_json { document::listing_json(&listing)? } else { table::listing(&listing, canvas(verbose)) };
        print(&text)?;
        Ok(ExitCode::Success)
    }))
}

fn ask(site: &Site) -> Result<Listing, DestinationError> {
    let Site { config, interrupt, retry, progress, .. } = site;
    let _waiting = progress.waiting("asking the SFTP server");
    let server = Server::new(&config.sftp, interrupt, retry, false);
    let ((entries, free), connection) = server.with_connection("listing the archives", None, |connection| {
        Ok((connection.list()?, connection.free_space()))
    })?;
    // Everything is known: how the connection ends no longer matters.
    let _ = connection.close();
    site.tell_first_contact(&server);
    Ok(Listing {
        inventory: Inventory::of(&entries, &config.naming, config.retention, site.started),
        place: format!("{} at {}", config.sftp.directory, server.address()),
        asked: site.started,
        free,
    })
}

/// Standard output, as it is.
fn canvas(verbose: u8) -> Canvas {
    let output = Term::stdout();
    Canvas {
        columns: output.size_checked().map(|(_, columns)| columns.into()),
        has_colour: output.features().colors_supported(),
        names_all: verbose > 0,
    }
}

fn print_schema() -> Result<ExitCode, Fault> {
    let printed = document::listing_schema().map_err(io::Error::from).and_then(|schema| print(&schema));
    printed.map(|()| ExitCode::Success).map_err(|error| Fault::Failed(error.to_string()))
}

/// Prints all of `text` on standard output.
fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(io::Error::new(error.kind(), format!("writing to standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}
