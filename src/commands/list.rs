//! `list`: the archives on the server, and what retention will do with each.

mod document;
mod table;

use console::Term;

use crate::commands::foreground::{self, Context};
use crate::commands::invocation::Invocation;
use crate::commands::json::{print, print_document, print_schema};
use crate::commands::list::document::Document;
use crate::commands::list::table::{Canvas, Listing};
use crate::commands::recovery::{last_drill, list_once};
use crate::destination::DestinationError;
use crate::exit_code::ExitCode;
use crate::rules::inventory::Inventory;
use crate::{cli, config};

pub fn list(arguments: &cli::List, invocation: &Invocation<'_>) -> ExitCode {
    let Some(file) = &arguments.config else {
        return foreground::conclude(print_schema::<Document>());
    };
    let (as_json, verbose) = (arguments.json, invocation.verbose);
    foreground::conclude(foreground::run(file, invocation, config::load_to_read_back, move |context| {
        for mistake in &context.config.retention_mistakes {
            context.progress.eprint(&format!("scripting-system: {mistake}; its default is used"));
        }
        let listing = fetch(context)?;
        match as_json {
            true => print_document(&document::document(&listing))?,
            false => print(&table::listing(&listing, canvas(verbose)))?,
        }
        Ok(ExitCode::Success)
    }))
}

fn fetch(context: &Context) -> Result<Listing, DestinationError> {
    let Context { config, started, .. } = context;
    let _waiting = context.progress.spinner("querying the SFTP server");
    let (server, entries, free) = list_once(context, "listing the archives")?;
    context.report_new_host_key(&server);
    let sftp = &config.sftp;
    Ok(Listing {
        inventory: Inventory::new(&entries, &config.naming, config.retention, *started),
        folder: format!("{} at {}:{}", sftp.directory, sftp.host, sftp.port),
        as_of: *started,
        free,
        drills: last_drill(config),
    })
}

fn canvas(verbose: u8) -> Canvas {
    let output = Term::stdout();
    Canvas {
        columns: output.size_checked().map(|(_, columns)| columns.into()),
        has_colour: output.features().colors_supported(),
        shows_all_names: verbose > 0,
    }
}
