//! `list`: the archives on the server, and what retention will do with each.

mod document;
mod table;

use std::io::{self, Write as _};

use console::Term;

use crate::commands::foreground::{self, CommandError, Context};
use crate::commands::invocation::Invocation;
use crate::commands::jobs::select_one;
use crate::commands::list::table::{Canvas, Listing};
use crate::commands::recovery::{last_drill, list_once};
use crate::destination::DestinationError;
use crate::exit_code::ExitCode;
use crate::rules::inventory::Inventory;
use crate::{cli, config};

pub fn list(arguments: &cli::List, invocation: &Invocation<'_>) -> ExitCode {
    if arguments.json_schema {
        return foreground::conclude(print_schema());
    }
    let file = &match select_one(&arguments.jobs, invocation) {
        Ok(file) => file,
        Err(error) => return error.report(),
    };
    let (as_json, verbose) = (arguments.json, invocation.verbose);
    foreground::conclude(foreground::run(file, invocation, config::load_to_read_back, move |context| {
        for mistake in &context.config.retention_mistakes {
            context.progress.eprint(&format!("scripting-system: {mistake}; its default is used"));
        }
        let listing = fetch(context)?;
        let text = if as_json { document::listing_json(&listing)? } else { table::listing(&listing, canvas(verbose)) };
        print(&text)?;
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

fn print_schema() -> Result<ExitCode, CommandError> {
    let printed = document::listing_schema().map_err(io::Error::from).and_then(|schema| print(&schema));
    printed.map(|()| ExitCode::Success).map_err(|error| CommandError::Failed(error.to_string()))
}

fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        // The reader, such as `head`, has closed the pipe.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(io::Error::new(error.kind(), format!("writing to standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}
