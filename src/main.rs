//! Arguments → command → exit code, and the only wall clock of the program.

use std::env;
use std::io;
use std::process;
use std::sync::Arc;

use chrono::Utc;
use clap::Parser as _;
use scripting_system::cli::{Cli, Command};
use scripting_system::clock::Clock;
use scripting_system::commands::check::check;
use scripting_system::commands::completions::completions;
use scripting_system::commands::gen_config::gen_config;
use scripting_system::commands::list::list;
use scripting_system::commands::man::man;
use scripting_system::commands::restore::restore;
use scripting_system::commands::run::run;
use scripting_system::commands::status::{refuse_command_line, status};
use scripting_system::commands::verify::verify;
use scripting_system::config::Environment;
use scripting_system::exit_code::ExitCode;

fn main() -> process::ExitCode {
    let environment = Environment::capture();
    let zone = environment.zone();
    let clock: Clock = Arc::new(move || Utc::now().with_timezone(&zone).fixed_offset());
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // The usual code for a wrong command line is CRITICAL to a monitoring system.
        Err(error) if error.use_stderr() && is_for_status() => return refuse_command_line(&error.to_string()).into(),
        Err(error) => error.exit(),
    };
    let verbose = cli.verbose;
    let code = match &cli.command {
        Command::Run(arguments) => run(arguments, verbose, &clock, &environment),
        Command::Check(arguments) => check(arguments, verbose, &clock, &environment),
        Command::List(arguments) => list(arguments, verbose, &clock, &environment),
        Command::Verify(arguments) => verify(arguments, verbose, &clock, &environment),
        Command::Restore(arguments) => restore(arguments, verbose, &clock, &environment),
        Command::Status(arguments) => return status(arguments, verbose, &clock, &environment).into(),
        Command::GenConfig(arguments) => match gen_config(arguments, &mut io::stdout()) {
            Ok(()) => ExitCode::Success,
            Err(error) => {
                eprintln!("scripting-system: {error}");
                ExitCode::Configuration
            }
        },
        Command::Completions(arguments) => completions(arguments, &mut io::stdout()),
        Command::Man(arguments) => man(arguments, &mut io::stdout()),
    };
    code.into()
}

/// Whether the command line, which could not be read, names `status`: no option before a command takes a value.
fn is_for_status() -> bool {
    env::args_os()
        .skip(1)
        .find(|argument| !argument.as_encoded_bytes().starts_with(b"-"))
        .is_some_and(|it| it == "status")
}
