//! `run`: the nightly job, or those of a folder.

mod folder;
mod job;

use std::time::Instant;

use crate::cli;
use crate::commands::foreground;
use crate::commands::invocation::Invocation;
use crate::commands::jobs::{Selected, select};
use crate::commands::json;
use crate::commands::recorded::{print_not_begun, refuse};
use crate::commands::run::job::{Night, prepare};
use crate::config::{self, JobFile};
use crate::exit_code::ExitCode;
use crate::record::run_record::NotBegun;
use crate::report::document::RunDocument;

pub fn run(arguments: &cli::Run, invocation: &Invocation<'_>) -> ExitCode {
    if arguments.json_schema {
        let schema = json::schema::<RunDocument>("scripting-system run --json");
        return foreground::conclude(json::print(&schema).map(|()| ExitCode::Success));
    }
    let (begun, started, dry_run) = (Instant::now(), (invocation.clock)(), arguments.dry_run);
    let today = arguments.date.unwrap_or(started.date_naive());
    if today > started.date_naive() {
        eprintln!("scripting-system: --date {today} is in the future; give a date up to {}", started.date_naive());
        return ExitCode::CommandLine;
    }
    let Selected { jobs, is_folder, is_whole } = match select(&arguments.jobs, invocation) {
        Ok(selected) => selected,
        Err(error) => return error.report(),
    };
    let night = Night { today, started, dry_run, as_json: arguments.json, is_folder };
    match jobs.as_slice() {
        [JobFile { file, name, .. }] if !is_folder => match config::load(file, invocation.environment) {
            Ok(config) => {
                let (recorded, lock, work) = prepare(file, &config, begun, &night, invocation);
                recorded.run(lock, work)
            }
            Err(error) => {
                if arguments.json {
                    print_not_begun(night.record(name, &[]), NotBegun::Misconfigured, &error.lines());
                }
                refuse(file, dry_run, &error, invocation)
            }
        },
        _ => folder::run(jobs, is_whole, usize::from(arguments.parallel), &night, invocation),
    }
}
