//! The command line: commands, options, and their help texts.

pub mod help;

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use chrono::NaiveDate;
use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::cli::help::{CHECK, DRILL, PROGRAM, RESTORE, RUN, STATUS, VERIFY};

/// Ship a nightly database dump from a web server to an SFTP server, verify it there, and send a report.
#[derive(Debug, Parser)]
#[command(version, after_help = PROGRAM)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,

    /// Print more details on standard error; repeat for more.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the nightly job: download, pack, upload, verify, prune and report.
    Run(Run),
    /// Check everything that the next run needs, and print how to fix each problem; no dump is sent.
    Check(Check),
    /// List the archives on the server, and whether the next run keeps or removes each.
    List(List),
    /// Remove expired archives without a run, for runs with credentials that may not remove files.
    Prune(Prune),
    /// Check for a recent archive, as a monitoring plugin.
    ///
    /// Print one line with performance data on standard output.
    Status(Status),
    /// Read archives back from the server, and check that each can be restored.
    Verify(Verify),
    /// Restore the dump from an archive on the server.
    Restore(Restore),
    /// Restore an archive into a throwaway database server, and check what it contains.
    Drill(Drill),
    /// Write a configuration template.
    GenConfig(GenConfig),
    /// Print the completion script for a shell.
    Completions(Completions),
    /// Print the manual page, or write the pages of all commands.
    Man(Man),
}

/// The jobs that a command is for.
#[derive(Debug, Clone, Default, Args)]
pub struct Jobs {
    /// The configuration file, or a folder of them. Without this option: $SCRIPTING_SYSTEM_CONFIG, /etc/scripting-system/jobs if
    /// that folder exists, or /etc/scripting-system/config.json.
    #[arg(long, value_name = "PATH")]
    pub config: Option<PathBuf>,

    /// Only the job of this name; repeat it for more.
    #[arg(long, value_name = "NAME")]
    pub job: Vec<String>,

    /// Only the jobs of machine I, counted from 0, of N machines that share the folder.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<Shard>,
}

/// One of several machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Less than `count`.
    pub index: u64,
    pub count: u64,
}

#[derive(Debug, Args)]
#[command(after_help = RUN)]
pub struct Run {
    #[command(flatten)]
    pub jobs: Jobs,

    /// The number of jobs that run at the same time, from 1 to 64.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub parallel: u8,

    /// Run for this date instead of today, to make up for a missed night.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    pub date: Option<NaiveDate>,

    /// Connect and print what would be sent and removed, without changing anything.
    #[arg(long)]
    pub dry_run: bool,

    /// Print the run's record as a JSON document instead of the summary; for a folder, an array of them.
    #[arg(long)]
    pub json: bool,

    /// Print the JSON Schema of a document of --json, without a run.
    #[arg(long, exclusive = true)]
    pub json_schema: bool,
}

#[derive(Debug, Args)]
#[command(after_help = CHECK)]
pub struct Check {
    #[command(flatten)]
    pub jobs: Jobs,

    /// Also send a test mail and a test message.
    #[arg(long)]
    pub notify: bool,

    /// Print the findings, or the mistakes in the configuration, as a JSON document.
    #[arg(long)]
    pub json: bool,

    /// Print the merged configuration as JSON, and the file that sets each value. Secrets are withheld; nothing is checked.
    #[arg(long, conflicts_with_all = ["notify", "json"])]
    pub effective: bool,

    /// Print the JSON Schema of the --json output, without connecting.
    #[arg(long, exclusive = true)]
    pub json_schema: bool,
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    pub jobs: Jobs,

    /// Print the list as a JSON document.
    #[arg(long)]
    pub json: bool,

    /// Print the JSON Schema of the --json output, without connecting.
    #[arg(long, exclusive = true)]
    pub json_schema: bool,
}

#[derive(Debug, Args)]
pub struct Prune {
    #[command(flatten)]
    pub jobs: Jobs,

    /// Print what would be removed and kept, without changing anything.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
#[command(after_help = STATUS)]
pub struct Status {
    #[command(flatten)]
    pub jobs: Jobs,

    /// Maximum age of the newest archive, such as 90m, 26h or 2d.
    #[arg(long, value_name = "AGE", default_value = "26h", value_parser = duration)]
    pub max_age: Duration,

    /// Maximum age of the last drill that passed, such as 8d.
    #[arg(long, value_name = "AGE", value_parser = duration)]
    pub max_drill_age: Option<Duration>,

    /// Minimum size of the newest archive: 1M and 1MB are 1,000,000 bytes, 1MiB is 1,048,576.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub min_size: Option<u64>,

    /// Maximum time to wait for the server, from 1s to 1h.
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = duration_up_to_an_hour)]
    pub timeout: Duration,
}

#[derive(Debug, Args)]
#[command(after_help = VERIFY)]
pub struct Verify {
    #[command(flatten)]
    pub jobs: Jobs,

    /// Read the archive of this date instead of the newest.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date, conflicts_with = "all")]
    pub date: Option<NaiveDate>,

    /// Read every archive.
    #[arg(long)]
    pub all: bool,

    /// Also accept the dump under this name, for archives created before source.dump was changed.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub dump: Option<String>,

    /// A file with the private key (age identity) of encrypted archives; repeat it for more. Without one, they are compared
    /// with their checksum files. Asks for its passphrase on a terminal.
    #[arg(long, value_name = "FILE")]
    pub identity: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = RESTORE)]
pub struct Restore {
    #[command(flatten)]
    pub jobs: Jobs,

    /// Restore the archive of this date.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date, conflicts_with = "latest")]
    pub date: Option<NaiveDate>,

    /// Restore the newest archive (the default).
    #[arg(long)]
    pub latest: bool,

    /// Restore an archive of this date that a later run replaced: the first one, or the last one with --replaced=last.
    #[arg(
        long,
        value_name = "WHICH",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "first",
        requires = "date"
    )]
    pub replaced: Option<Replaced>,

    /// Write the dump to this folder, which is created if missing, or to standard output if it is "-": the exit code shows
    /// then whether it was complete.
    #[arg(long, value_name = "DIR")]
    pub output: PathBuf,

    /// The dump's name in the archive, if it differs from source.dump.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub dump: Option<String>,

    /// Overwrite the file if it exists.
    #[arg(long)]
    pub force: bool,

    /// Write the verified archive itself instead of extracting the dump.
    #[arg(long)]
    pub archive_only: bool,

    /// A file with the private key (age identity) of an encrypted archive; repeat it for more. Asks for its passphrase on a
    /// terminal.
    #[arg(long, value_name = "FILE")]
    pub identity: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = DRILL)]
pub struct Drill {
    #[command(flatten)]
    pub jobs: Jobs,

    /// Restore the archive of this date instead of the newest.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    pub date: Option<NaiveDate>,

    /// A file with the private key (age identity) of encrypted archives; repeat it for more. Asks for its passphrase on a
    /// terminal.
    #[arg(long, value_name = "FILE")]
    pub identity: Vec<PathBuf>,
}

/// Which replaced archive of a date to restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Replaced {
    /// The first replaced archive.
    First,
    /// The last replaced archive.
    Last,
}

#[derive(Debug, Args)]
pub struct GenConfig {
    /// Write to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Overwrite existing files.
    #[arg(long, requires = "output")]
    pub force: bool,

    /// Write the JSON Schema of the configuration instead; editors use it to complete and check the file.
    #[arg(long)]
    pub schema: bool,
}

#[derive(Debug, Args)]
pub struct Completions {
    /// The shell to generate the script for.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

#[derive(Debug, Args)]
pub struct Man {
    /// Write a page for every command to this folder instead of printing the main page.
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// The command line, for completion scripts and manual pages.
pub fn definition() -> clap::Command {
    Cli::command()
}

fn size(text: &str) -> Result<u64, String> {
    text.parse().map(|ByteSize(bytes)| bytes).map_err(|_| "give a size such as 500KiB, 1MB or 2GiB".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "give a number and a unit, such as 90m, 26h or 2d".to_owned())
}

fn duration_up_to_an_hour(text: &str) -> Result<Duration, String> {
    let bounds = Duration::from_secs(1)..=Duration::from_secs(3600);
    duration(text)
        .ok()
        .filter(|duration| bounds.contains(duration))
        .ok_or_else(|| "give a time from 1s to 1h, such as 8s".to_owned())
}

fn shard(text: &str) -> Result<Shard, String> {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let numbers = text.split_once('/').and_then(|(index, count)| number(index).zip(number(count)));
    numbers
        .filter(|(index, count)| index < count)
        .map(|(index, count)| Shard { index, count })
        .ok_or_else(|| "write the machine's number, counted from 0, and the number of machines, such as 0/4".to_owned())
}

fn date(text: &str) -> Result<NaiveDate, String> {
    text.parse().map_err(|_| "write it as year, month and day, such as 2026-11-23".to_owned())
}
