//! `man`: prints or writes the manual pages, generated from the definition of the command line.

use std::fs;
use std::io::{self, Write};

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::{self, help};
use crate::exit_code::ExitCode;
use crate::runtime::error_chain::with_causes;

/// The headings of [`help`], and those of a manual page, in its order (man-pages(7)).
const SECTIONS: [(&str, &str); 4] =
    [("Exit codes:", "EXIT STATUS"), ("Environment:", "ENVIRONMENT"), ("Files:", "FILES"), ("Examples:", "EXAMPLES")];

/// Prints the main page to `stdout`, or writes the pages of the program and its commands to the folder in `arguments`,
/// overwriting existing pages.
pub fn man(arguments: &cli::Man, stdout: &mut dyn Write) -> ExitCode {
    let (action, result) = match &arguments.output {
        Some(folder) => (
            format!("write the pages to {}; check that the folder exists and is writable", folder.display()),
            pages().and_then(|pages| pages.iter().try_for_each(|(name, page)| fs::write(folder.join(name), page))),
        ),
        None => ("print the page".to_owned(), pages().and_then(|pages| stdout.write_all(&pages[0].1))),
    };
    match result.and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::Success,
        Err(error) => {
            eprintln!("scripting-system: cannot {action}: {}", with_causes(&error));
            ExitCode::Failed
        }
    }
}

/// Names and texts of all pages, the program's own page first.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    // A manual needs no page about `help`.
    let mut program = cli::definition().disable_help_subcommand(true);
    program.build();
    let source = format!("{} {}", program.get_name(), program.get_version().unwrap_or_default());
    let commands: Vec<_> = [program.clone()].into_iter().chain(program.get_subcommands().cloned()).collect();
    let names: Vec<_> = commands.iter().map(|it| it.get_display_name().unwrap_or(it.get_name()).to_owned()).collect();
    let mut pages = Vec::new();
    for command in commands {
        let mut page = Vec::new();
        // groff needs the quotes around the empty date.
        let man = Man::new(command.clone()).date("\"\"").source(source.clone()).manual("User Commands");
        man.render_title(&mut page)?;
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
        if command.has_subcommands() {
            man.render_subcommands_section(&mut page)?;
        }
        let own = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let needs_files = command.has_subcommands() || command.get_arguments().any(|it| it.get_id() == "config");
        let mut roff = extra_sections(&[&own, if needs_files { help::MANUAL } else { "" }, help::PROGRAM]);
        let name = command.get_display_name().unwrap_or(command.get_name());
        let others: Vec<_> = names.iter().filter(|it| *it != name).map(|it| [bold(it), roman("(1)")]).collect();
        // Neither hyphenated nor justified.
        roff.control("SH", ["SEE ALSO"]).control("nh", []).control("ad", ["l"]).text(others.join(&roman(", ")));
        roff.to_writer(&mut page)?;
        pages.push((man.get_filename(), page));
    }
    Ok(pages)
}

/// The sections after the options, each from the first of `texts` that has it.
fn extra_sections(texts: &[&str]) -> Roff {
    let mut roff = Roff::new();
    for (heading, title) in SECTIONS {
        if let Some(lines) = texts.iter().map(|text| section(text, heading)).find(|lines| !lines.is_empty()) {
            render_lines(roff.control("SH", [title]), &lines);
        }
    }
    roff
}

/// The lines of `text` below `heading`.
fn section<'a>(text: &'a str, heading: &str) -> Vec<&'a str> {
    text.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| line.starts_with(' ')).collect()
}

/// Renders `lines`, whose form [`help`] describes.
fn render_lines(roff: &mut Roff, lines: &[&str]) {
    for line in lines {
        let text = line.trim_start();
        match (line.len() - text.len(), text.split_once("  ")) {
            (indent @ (4 | 6), _) => {
                let indent = indent.to_string();
                roff.control("RS", [&*indent]).control("nf", []).text([bold(text)]).control("fi", []).control("RE", []);
            }
            (5.., _) => _ = roff.text([roman(text)]),
            (_, Some((term, meaning))) => {
                roff.control("TP", []).text([bold(term)]).text([roman(meaning.trim_start())]);
            }
            (_, None) => _ = roff.control("PP", []).text([roman(text)]),
        }
    }
}
