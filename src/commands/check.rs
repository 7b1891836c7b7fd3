//! `check`: tests whether the next run will work. It connects to every server that a run uses, and sends no dump.

mod certificate;
mod checker;
mod document;
mod findings;
mod local;
mod reach;
mod reports;
mod sftp;
mod source;

use std::io::{self, IsTerminal as _};

use crate::cli;
use crate::commands::check::checker::{Checker, Format};
use crate::commands::check::document::Document;
use crate::commands::check::findings::Finding;
use crate::commands::foreground::{self, CommandError, Context, Work};
use crate::commands::invocation::Invocation;
use crate::commands::jobs::Sequence;
use crate::commands::json::{Entry, print, print_schema};
use crate::config::{self, Config, JobFile};
use crate::exit_code::ExitCode;

pub fn check(arguments: &cli::Check, invocation: &Invocation<'_>) -> ExitCode {
    if arguments.json_schema {
        return foreground::conclude(print_schema::<Document>("scripting-system check --json"));
    }
    let jobs = match Sequence::select(&arguments.jobs, invocation) {
        Ok(jobs) => jobs,
        Err(error) => return error.report(),
    };
    if arguments.effective {
        return print_effective(&jobs, invocation);
    }
    // https://no-color.org: set and not empty.
    let is_colour_off = invocation.environment.variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let coloured = io::stdout().is_terminal() && !is_colour_off;
    let format = if arguments.json { Format::Json } else { Format::Text { coloured } };
    let mut entries = Vec::new();
    let code = jobs.for_each(!arguments.json, |job| {
        let started = (invocation.clock)();
        let document = match check_job(job, arguments.notify, format, invocation) {
            Ok(findings) => Document::of_findings(job, started, findings),
            Err(CommandError::Configuration(error)) if arguments.json => Document::of_mistakes(job, started, &error),
            Err(error) => {
                entries.push(Entry::failed(&job.name, &job.file, &error));
                return Err(error);
            }
        };
        let code = document.exit_code;
        entries.push(Entry::Done(document));
        Ok(code)
    });
    let printed = if arguments.json { Entry::print_all(jobs.is_folder, entries) } else { Ok(()) };
    foreground::conclude(printed.map(|()| code))
}

/// The findings, with their sections.
fn check_job(
    job: &JobFile,
    notify: bool,
    format: Format,
    invocation: &Invocation<'_>,
) -> Result<Vec<(&'static str, Finding)>, CommandError> {
    let file = job.without_conflicts().map_err(CommandError::Configuration)?;
    let owned = file.to_owned();
    let work = move |context: &Context<Config>| check_all(&Checker::new(context, owned, format), notify);
    foreground::run(file, invocation, config::load, work)
}

/// Prints the merged configuration of each job, with the origin of each value.
fn print_effective(jobs: &Sequence, invocation: &Invocation<'_>) -> ExitCode {
    let mut texts = Vec::new();
    let code = jobs.for_each(false, |job| {
        let keys = config::effective(&job.file, invocation.environment).map_err(CommandError::Configuration)?;
        texts.push(document::effective(job, &keys));
        Ok(ExitCode::Success)
    });
    let text = texts.join(",\n");
    let text = if jobs.is_folder { format!("[\n{text}\n]\n") } else { format!("{text}\n") };
    let printed = if texts.is_empty() { Ok(()) } else { print(&text) };
    foreground::conclude(printed.map(|()| code))
}

/// The findings, with their sections.
fn check_all(checker: &Checker<'_>, notify: bool) -> Work<Vec<(&'static str, Finding)>> {
    let interrupt = &checker.context.interrupt;
    checker.heading("Configuration");
    local::check_machine(checker);
    checker.heading("Source");
    let zip = source::open_zip(checker);
    interrupt.check()?;
    checker.heading("Dump");
    let expected = source::check_dump(checker, zip.as_ref());
    drop(zip);
    interrupt.check()?;
    checker.heading("SFTP");
    sftp::check_server(checker, expected);
    interrupt.check()?;
    checker.heading("Reports");
    reports::check_reports(checker, notify);
    interrupt.check()?;
    Ok(checker.conclude())
}
