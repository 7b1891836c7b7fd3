//! `completions`: prints a shell script that completes commands and options.

use std::io::Write;

use crate::cli;
use crate::exit_code::ExitCode;
use crate::runtime::error_chain::with_causes;

pub fn completions(arguments: &cli::Completions, stdout: &mut dyn Write) -> ExitCode {
    let mut definition = cli::definition();
    let name = definition.get_name().to_owned();
    // clap_complete panics if it cannot write, so it writes into memory.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut definition, &name, &mut script);
    let script = unify_name(&String::from_utf8_lossy(&script), &name);
    match stdout.write_all(script.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::Success,
        Err(error) => {
            eprintln!("scripting-system: cannot print the script: {}", with_causes(&error));
            ExitCode::Failed
        }
    }
}

/// Unifies the spelling of the program's name: the bash script spells a hyphen in two ways, and therefore completes no command's options (github.com/clap-rs/clap/issues/6421; seen with clap_complete 4.6.11).
fn unify_name(script: &str, name: &str) -> String {
    script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))
}
