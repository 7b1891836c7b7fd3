//! Arguments → command → exit code, and the only wall clock of the program.

use std::io;
use std::process;
use std::sync::Arc;

use chrono::Local;
use clap::Parser as _;
use scripting_system::cli::{Cli, Command};
use scripting_system::clock::Clock;
use scripting_system::commands::gen_config::gen_config;
use scripting_system::commands::list::list;
use scripting_system::commands::run::run;
use scripting_system::config::Environment;
use scripting_system::error_chain::told;
use scripting_system::exit_code::ExitCode;

fn main() -> process::ExitCode {
    let clock: Clock = Arc::new(|| Local::now().fixed_offset());
    let cli = Cli::parse();
    let code = match &cli.command {
        Command::Run(arguments) => run(arguments, cli.verbose, &clock, &Environment::capture()),
        Command::List(arguments) => list(arguments, cli.verbose, &clock, &Environment::capture()),
        Command::GenConfig(arguments) => {
            match gen_config(arguments.output.as_deref(), arguments.force, &mut io::stdout()) {
                Ok(()) => ExitCode::Success,
                Err(error) => {
                    eprintln!("scripting-system: {}", told(&error));
                    ExitCode::Configuration
                }
            }
        }
    };
    code.into()
}
