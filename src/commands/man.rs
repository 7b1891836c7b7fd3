//! `man`: prints or writes the manual pages, generated from the definition of the command line.

use std::io::{self, Write};
use std::path::Path;

use clap_mangen::Man;

use crate::cli;
use crate::exit_code::ExitCode;
use crate::runtime::error_chain::with_causes;

/// Prints the main page to `stdout`, or writes the pages of the program and its commands to the folder in `arguments`,
/// overwriting existing pages.
pub fn man(arguments: &cli::Man, stdout: &mut dyn Write) -> ExitCode {
    let pages = pages();
    let (action, result) = match &arguments.output {
        Some(folder) => (
            format!("write the pages to {}; check that the folder exists and is writable", folder.display()),
            write_all(&pages, folder),
        ),
        None => ("print the page".to_owned(), pages.iter().take(1).try_for_each(|page| page.render(stdout))),
    };
    match result.and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::Success,
        Err(error) => {
            eprintln!("scripting-system: cannot {action}: {}", with_causes(&error));
            ExitCode::Failed
        }
    }
}

/// All pages, the program's own page first.
fn pages() -> Vec<Man> {
    // A manual needs no page about `help`.
    let mut program = cli::definition().disable_help_subcommand(true);
    program.build();
    let source = format!("{} {}", program.get_name(), program.get_version().unwrap_or_default());
    let commands: Vec<_> = program.get_subcommands().cloned().collect();
    [program].into_iter().chain(commands).map(|command| Man::new(command).source(source.clone())).collect()
}

fn write_all(pages: &[Man], folder: &Path) -> io::Result<()> {
    pages.iter().try_for_each(|page| page.generate_to(folder).map(drop))
}
