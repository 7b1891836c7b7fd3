//! The command line.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{ArgAction, Args, Parser, Subcommand};

/// Ships a nightly database dump from a web server to an SFTP server, proves that it arrived, and reports.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Say more on stderr; twice for even more.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Do a night's work: get the ZIP, send the archive, prove it, remove what has expired, report.
    Run(Run),
    /// List the archives on the server, and what retention will do to each.
    List(List),
    /// Write a configuration to start from.
    GenConfig(GenConfig),
}

/// The arguments of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,

    /// The date to do the work for instead of today, to repeat a missed night.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub date: Option<NaiveDate>,

    /// Change nothing: decide, connect, list, and print what would be sent and removed.
    #[arg(long)]
    pub dry_run: bool,
}

/// The arguments of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// The configuration file.
    #[arg(long, value_name = "FILE", required_unless_present = "json_schema")]
    pub config: Option<PathBuf>,

    /// Print one JSON document, for programs.
    #[arg(long)]
    pub json: bool,

    /// Print the JSON Schema of that document, and ask no server.
    #[arg(long, exclusive = true)]
    pub json_schema: bool,
}

/// The arguments of `gen-config`.
#[derive(Debug, Args)]
pub struct GenConfig {
    /// The file to write instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Overwrite the file if it exists.
    #[arg(long, requires = "output")]
    pub force: bool,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    delivered and verified, or already there; no warning
  1    finished with warnings
  2    wrong command line
  3    the configuration cannot be used
  4    the job failed: nothing new was delivered
  5    another run with the same configuration is under way
  130, 143  interrupted";
