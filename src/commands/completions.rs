//! `completions`: the script with which a shell completes commands and options.

use std::io::Write;

use crate::cli;
use crate::exit_code::ExitCode;
use crate::runtime::error_chain::with_causes;

/// Prints to `stdout` the script for the shell that `arguments` name.
pub fn completions(arguments: &cli::Completions, stdout: &mut dyn Write) -> ExitCode {
    let mut definition = cli::definition();
    let name = definition.get_name().to_owned();
    // clap_complete panics where it cannot write, so it writes into memory.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut definition, &name, &mut script);
    let script = under_one_name(&String::from_utf8_lossy(&script), &name);
    match stdout.write_all(script.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::Success,
        Err(error) => {
            eprintln!("scripting-system: cannot print the script: {}", with_causes(&error));
            ExitCode::Failed
        }
    }
}

/// `script` with the program's name written in one way. In bash's script a name with a hyphen is written in two, so that no
/// command's options are found (github.com/clap-rs/clap/issues/6421; seen with clap_complete 4.6.11).
fn under_one_name(script: &str, name: &str) -> String {
    script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))
}
