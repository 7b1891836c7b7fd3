//! Arguments → command → exit code, and the only wall clock of the program.

use std::sync::Arc;
use std::{env, io, process};

use chrono::Utc;
use clap::Parser as _;
use scripting_system::cli::{Cli, Command};
use scripting_system::commands::check::check;
use scripting_system::commands::completions::completions;
use scripting_system::commands::drill::drill;
use scripting_system::commands::gen_config::gen_config;
use scripting_system::commands::invocation::Invocation;
use scripting_system::commands::list::list;
use scripting_system::commands::man::man;
use scripting_system::commands::prune::prune;
use scripting_system::commands::restore::restore;
use scripting_system::commands::run::run;
use scripting_system::commands::status::{refuse_command_line, status};
use scripting_system::commands::verify::verify;
use scripting_system::config::Environment;
use scripting_system::exit_code::ExitCode;
use scripting_system::runtime::allocator::restart_with_fixed_threshold;
use scripting_system::runtime::clock::Clock;

fn main() -> process::ExitCode {
    let environment = Environment::capture();
    let zone = environment.zone();
    let clock: Clock = Arc::new(move || Utc::now().with_timezone(&zone).fixed_offset());
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // The usual exit code for a wrong command line, 2, means CRITICAL to a monitoring system.
        Err(error) if error.use_stderr() && is_for_status() => return refuse_command_line(&error.to_string()).into(),
        Err(error) => error.exit(),
    };
    if let Command::Run(arguments) = &cli.command
        && arguments.parallel > 1
    {
        restart_with_fixed_threshold();
    }
    let invocation = Invocation::new(cli.verbose, &clock, &environment);
    let code = match &cli.command {
        Command::Run(arguments) => run(arguments, &invocation),
        Command::Check(arguments) => check(arguments, &invocation),
        Command::List(arguments) => list(arguments, &invocation),
        Command::Prune(arguments) => prune(arguments, &invocation),
        Command::Verify(arguments) => verify(arguments, &invocation),
        Command::Restore(arguments) => restore(arguments, &invocation),
        Command::Drill(arguments) => drill(arguments, &invocation),
        Command::Status(arguments) => return status(arguments, &invocation).into(),
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

/// Whether the command line, which could not be parsed, names `status`. No option before the command takes a value.
fn is_for_status() -> bool {
    env::args_os()
        .skip(1)
        .find(|argument| !argument.as_encoded_bytes().starts_with(b"-"))
        .is_some_and(|it| it == "status")
}
