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
use crate::commands::check::checker::{Checker, Output};
use crate::commands::check::document::Document;
use crate::commands::check::findings::{Finding, Status};
use crate::commands::foreground::{self, CommandError, Context, Work};
use crate::commands::invocation::Invocation;
use crate::commands::json::{print_document, print_schema};
use crate::config::{self, Config};
use crate::exit_code::ExitCode;

pub fn check(arguments: &cli::Check, invocation: &Invocation<'_>) -> ExitCode {
    let Some(path) = &arguments.config else {
        return foreground::conclude(print_schema::<Document>());
    };
    let (file, notify, started) = (path.clone(), arguments.notify, (invocation.clock)());
    // https://no-color.org: set and not empty.
    let is_colour_off = invocation.environment.variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let coloured = io::stdout().is_terminal() && !is_colour_off;
    let output = if arguments.json { Output::Json } else { Output::Text { coloured } };
    let work = move |context: &Context<Config>| check_all(&Checker::new(context, file, output), notify);
    let (code, document) = match foreground::run(path, invocation, config::load, work) {
        Ok(findings) => {
            let has_failed = findings.iter().any(|(_, finding)| finding.status == Status::Failed);
            let code = if has_failed { ExitCode::Failed } else { ExitCode::Success };
            (code, Document::of_findings(path, started, code, findings))
        }
        Err(CommandError::Configuration(error)) if arguments.json => {
            (ExitCode::Configuration, Document::of_mistakes(path, started, &error))
        }
        Err(error) => return foreground::conclude(Err(error)),
    };
    let printed = if arguments.json { print_document(&document) } else { Ok(()) };
    foreground::conclude(printed.map(|()| code).map_err(|error| CommandError::Failed(error.to_string())))
}

/// Returns the findings with their sections.
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
