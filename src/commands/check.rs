//! `check`: tests whether the next run will work. It connects to every server that a run uses, and sends no dump.

mod certificate;
mod checker;
mod findings;
mod local;
mod reach;
mod reports;
mod sftp;
mod source;

use std::io::{self, IsTerminal as _};

use crate::cli;
use crate::commands::check::checker::Checker;
use crate::commands::foreground::{self, Context, Work};
use crate::commands::invocation::Invocation;
use crate::commands::jobs::select_one;
use crate::config::{self, Config};
use crate::exit_code::ExitCode;

pub fn check(arguments: &cli::Check, invocation: &Invocation<'_>) -> ExitCode {
    let notify = arguments.notify;
    let path = match select_one(&arguments.jobs, invocation) {
        Ok(file) => file,
        Err(error) => return error.report(),
    };
    let file = path.clone();
    // https://no-color.org: set and not empty.
    let is_colour_off = invocation.environment.variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let coloured = io::stdout().is_terminal() && !is_colour_off;
    let work = move |context: &Context<Config>| check_all(&Checker::new(context, file, coloured), notify);
    foreground::conclude(foreground::run(&path, invocation, config::load, work))
}

fn check_all(checker: &Checker<'_>, notify: bool) -> Work {
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
    Ok(if checker.conclude() { ExitCode::Success } else { ExitCode::Failed })
}
