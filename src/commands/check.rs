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
use crate::commands::check::checker::Checker;
use crate::commands::check::document::Document;
use crate::commands::check::findings::{Finding, Status};
use crate::commands::foreground::{self, CommandError, Context, Work};
use crate::commands::invocation::Invocation;
use crate::commands::jobs::for_each;
use crate::commands::json::{print, print_documents, print_schema};
use crate::config::{self, Config, JobFile};
use crate::exit_code::ExitCode;

pub fn check(arguments: &cli::Check, invocation: &Invocation<'_>) -> ExitCode {
    if arguments.json_schema {
        return foreground::conclude(print_schema::<Document>("scripting-system check --json"));
    }
    if arguments.effective {
        return for_each(&arguments.jobs, invocation, false, |job| {
            let keys = config::effective(&job.file, invocation.environment).map_err(CommandError::Configuration)?;
            print(&document::effective(job, &keys)).map(|()| ExitCode::Success)
        });
    }
    let notify = arguments.notify;
    if arguments.json {
        return print_documents(&arguments.jobs, invocation, |job| {
            let started = (invocation.clock)();
            let (code, findings) = match check_job(job, notify, None, invocation) {
                Err(CommandError::Configuration(error)) => (ExitCode::Configuration, document::mistakes(&error)),
                result => result.map(|findings| (code(&findings), findings))?,
            };
            Ok((code, Document::new(job, started, code, findings)))
        });
    }
    // https://no-color.org: set and not empty.
    let is_colour_off = invocation.environment.variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let coloured = Some(io::stdout().is_terminal() && !is_colour_off);
    for_each(&arguments.jobs, invocation, true, |job| {
        check_job(job, notify, coloured, invocation).map(|findings| code(&findings))
    })
}

fn code(findings: &[Finding]) -> ExitCode {
    let has_problem = findings.iter().any(|finding| finding.status == Status::Failed);
    if has_problem { ExitCode::Failed } else { ExitCode::Success }
}

fn check_job(
    job: &JobFile,
    notify: bool,
    coloured: Option<bool>,
    invocation: &Invocation<'_>,
) -> Result<Vec<Finding>, CommandError> {
    let file = job.without_conflicts().map_err(CommandError::Configuration)?;
    let owned = file.to_owned();
    let work = move |context: &Context<Config>| check_all(&Checker::new(context, owned, coloured), notify);
    foreground::run(file, invocation, config::load, work)
}

fn check_all(checker: &Checker<'_>, notify: bool) -> Work<Vec<Finding>> {
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
