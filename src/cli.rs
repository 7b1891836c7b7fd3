//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use chrono::NaiveDate;
use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

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
    /// Look whether tonight's run will work: reach all that it needs, and send and change nothing.
    Check(Check),
    /// List the archives on the server, and what retention will do to each.
    List(List),
    /// Check for a monitoring system whether there is a recent archive of a good size.
    #[command(after_help = STATES)]
    Status(Status),
    /// Read archives back from the server, and tell whether they would give the dump.
    Verify(Verify),
    /// Get the dump back out of an archive on the server.
    Restore(Restore),
    /// Write a configuration to start from.
    GenConfig(GenConfig),
    /// Print the script with which a shell completes commands and options.
    Completions(Completions),
    /// Print the manual page, or write those of all commands.
    Man(Man),
}

/// The arguments of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,

    /// The date to do the work for instead of today, to repeat a missed night.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    pub date: Option<NaiveDate>,

    /// Change nothing: decide, connect, list, and print what would be sent and removed.
    #[arg(long)]
    pub dry_run: bool,
}

/// The arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = CHECK_EXIT_CODES)]
pub struct Check {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,

    /// Send a test mail and a test message too.
    #[arg(long)]
    pub notify: bool,
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

/// The arguments of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,

    /// How old the newest archive may be: 90m, 26h, 2d.
    #[arg(long, value_name = "AGE", default_value = "26h", value_parser = time)]
    pub max_age: Duration,

    /// How small the newest archive may be: 1M and 1MB are 1,000,000 bytes, 1MiB is 1,048,576.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub min_size: Option<u64>,

    /// How long to wait for the server.
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = seconds_to_an_hour)]
    pub timeout: Duration,
}

/// The arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_EXIT_CODES)]
pub struct Verify {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,

    /// The date of the archive to look at instead of the newest.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date, conflicts_with = "all")]
    pub date: Option<NaiveDate>,

    /// Look at every archive.
    #[arg(long)]
    pub all: bool,

    /// Another name, beside that in source.dump, that the dump may have in an archive, as before it was renamed.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub dump: Option<String>,
}

/// The arguments of `restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,

    /// The date of the archive to restore.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date, conflicts_with = "latest")]
    pub date: Option<NaiveDate>,

    /// Restore the newest archive, as without --date.
    #[arg(long)]
    pub latest: bool,

    /// Restore an archive that a later run of that date replaced: the first one, or with `=last` the latest.
    #[arg(
        long,
        value_name = "WHICH",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "first",
        requires = "date"
    )]
    pub replaced: Option<Replaced>,

    /// The folder for the dump; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub output: PathBuf,

    /// The dump's name in the archive instead of that in source.dump, as before it was renamed.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub dump: Option<String>,

    /// Overwrite the file if it exists.
    #[arg(long)]
    pub force: bool,

    /// Keep the archive itself, checked just the same, instead of the dump in it.
    #[arg(long)]
    pub archive_only: bool,
}

/// Which of the replaced archives of a date is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Replaced {
    /// The one that was replaced first.
    First,
    /// The one that was replaced last.
    Last,
}

/// The arguments of `gen-config`.
#[derive(Debug, Args)]
pub struct GenConfig {
    /// The file to write instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Overwrite files that exist.
    #[arg(long, requires = "output")]
    pub force: bool,

    /// Write the JSON Schema of configurations instead, with which editors complete and check them.
    #[arg(long)]
    pub schema: bool,
}

/// The arguments of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell that reads the script.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// The arguments of `man`.
#[derive(Debug, Args)]
pub struct Man {
    /// Write the pages of all commands into this folder instead of printing the main one.
    #[arg(long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
}

/// The whole command line, for what is made of it: completion scripts and manual pages.
pub fn definition() -> clap::Command {
    Cli::command()
}

fn bytes(text: &str) -> Result<u64, String> {
    text.parse().map(|ByteSize(bytes)| bytes).map_err(|_| "give a size such as 500KiB, 1MB or 2GiB".to_owned())
}

fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "give a number and a unit, such as 90m, 26h or 2d".to_owned())
}

fn seconds_to_an_hour(text: &str) -> Result<Duration, String> {
    let is_within = |time: &Duration| (Duration::from_secs(1)..=Duration::from_secs(3600)).contains(time);
    time(text).ok().filter(is_within).ok_or_else(|| "give a time from 1s to 1h, such as 8s".to_owned())
}

fn date(text: &str) -> Result<NaiveDate, String> {
    text.parse().map_err(|_| "write it as year, month and day, such as 2026-11-23".to_owned())
}

const STATES: &str = "\
One line on standard output, and an exit code:
  0    OK
  1    WARNING: removal is held back, leftovers of interrupted runs
       stayed, a clock is wrong, or the size is not told
  2    CRITICAL: no archive, the newest one is too old or too small,
       or the server cannot be reached or used
  3    UNKNOWN: the command line, the configuration or known_hosts
       cannot be used";

const EXIT_CODES: &str = "\
Exit codes:
  0    done; of a run: delivered and verified, or already there, no warning
  1    the run finished with warnings
  2    wrong command line
  3    the configuration cannot be used
  4    the run failed: nothing new was delivered; or what another
       command was to look at or to restore is bad, missing or not reached
  5    another run with the same configuration is under way
  130, 143  interrupted
The command status has the codes of monitoring plugins instead.";

const VERIFY_EXIT_CODES: &str = "\
Exit codes:
  0    every archive that was read is good
  1    all are intact, but the dump in one has another name than
       source.dump and --dump say
  2    wrong command line
  3    the configuration cannot be used
  4    an archive is bad, missing, or could not be read
  130, 143  interrupted";

const CHECK_EXIT_CODES: &str = "\
Exit codes:
  0    nothing stands in the way of a run
  2    wrong command line
  3    the configuration cannot be used
  4    something has to be mended
  130, 143  interrupted";
