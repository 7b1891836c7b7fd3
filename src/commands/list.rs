//! `list`: the archives on the server, and what retention will do with each.

mod document;
mod table;

use console::Term;

use crate::commands::foreground::{self, CommandError, Context};
use crate::commands::invocation::Invocation;
use crate::commands::jobs::for_each;
use crate::commands::json::{print, print_documents, print_schema};
use crate::commands::list::document::{Document, document};
use crate::commands::list::table::{Canvas, Listing};
use crate::commands::recovery::{last_drill, list_once};
use crate::config::JobFile;
use crate::destination::DestinationError;
use crate::exit_code::ExitCode;
use crate::rules::inventory::Inventory;
use crate::{cli, config};

pub fn list(arguments: &cli::List, invocation: &Invocation<'_>) -> ExitCode {
    if arguments.json_schema {
        return foreground::conclude(print_schema::<Document>("scripting-system list --json"));
    }
    if arguments.json {
        return print_documents(&arguments.jobs, invocation, |job| {
            Ok((ExitCode::Success, document(&job.name, &fetch_job(job, invocation)?)))
        });
    }
    for_each(&arguments.jobs, invocation, true, |job| {
        print(&table::listing(&fetch_job(job, invocation)?, canvas(invocation.verbose))).map(|()| ExitCode::Success)
    })
}

fn fetch_job(job: &JobFile, invocation: &Invocation<'_>) -> Result<Listing, CommandError> {
    let file = job.without_conflicts().map_err(CommandError::Configuration)?;
    foreground::run(file, invocation, config::load_to_read_back, |context| {
        for mistake in &context.config.retention_mistakes {
            context.progress.eprint(&format!("scripting-system: {mistake}; its default is used"));
        }
        Ok(fetch(context)?)
    })
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
