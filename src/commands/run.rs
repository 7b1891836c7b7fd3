//! `run`: the nightly job, or those of a folder.

mod folder;
mod job;

use std::io::{self, Write as _};
use std::time::Instant;

use crate::cli;
use crate::commands::invocation::Invocation;
use crate::commands::jobs::{Selected, select};
use crate::commands::recorded::{print_not_begun, refuse};
use crate::commands::run::job::{Night, prepare};
use crate::config;
use crate::destination::Accounts;
use crate::exit_code::ExitCode;
use crate::record::run_record::NotBegun;
use crate::report::document;

pub fn run(arguments: &cli::Run, invocation: &Invocation<'_>) -> ExitCode {
    if arguments.json_schema {
        let printed = io::stdout().write_all(document::schema().as_bytes());
        let failed = |error: io::Error| eprintln!("scripting-system: writing to standard output: {error}");
        return printed.map_err(failed).map_or(ExitCode::Failed, |()| ExitCode::Success);
    }
    let (begun, started, dry_run) = (Instant::now(), (invocation.clock)(), arguments.dry_run);
    let today = arguments.date.unwrap_or(started.date_naive());
    if today > started.date_naive() {
        eprintln!("scripting-system: --date {today} is in the future; give a date up to {}", started.date_naive());
        return ExitCode::CommandLine;
    }
    let selected = select(&arguments.jobs, invocation);
    let is_folder = matches!(selected, Ok(Selected::Folder { .. }));
    let night = Night { today, started, dry_run, as_json: arguments.json, is_folder, accounts: Accounts::default() };
    match selected {
        Ok(Selected::File(file)) => match config::load(&file, invocation.environment) {
            Ok(config) => {
                let (recorded, lock, work) = prepare(&file, &config, begun, &night, invocation);
                recorded.run(lock, work)
            }
            Err(error) => {
                if arguments.json {
                    let name = file.file_stem().unwrap_or_default().to_string_lossy();
                    print_not_begun(night.record(&name, &[]), NotBegun::Misconfigured, &error.lines());
                }
                refuse(&file, dry_run, &error, invocation)
            }
        },
        Ok(Selected::Folder { jobs, is_whole }) => {
            folder::run(jobs, is_whole, usize::from(arguments.parallel), &night, invocation)
        }
        Err(error) => error.report(),
    }
}
