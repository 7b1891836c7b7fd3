//! The sections `archive`, `retention`, `retry`, `run` and `log`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::error::shown;
use crate::config::place::{Place, must_be_folder};
use crate::config::sections::{Archive, Compression, Log, LogFormat, LogLevel, Run};
use crate::config::walk::{Choice, Fault, Number, Section, Walk, quoted};
use crate::rules::alarm::Bounds;
use crate::rules::archive_name::ArchiveName;
use crate::rules::retention::keeping::Policy;
use crate::runtime::retry::RetryPolicy;

/// Year, day, month: the order of the names that already lie on the servers.
pub(super) const ARCHIVE_NAME: &str = "%Y%d%m";
/// Kept over a reboot, and made for large files.
pub(super) const WORK_DIRECTORY: &str = "/var/tmp";
pub(super) const REUSE: &str = "reuse";
pub(super) const LEVEL: Number<u32> = Number::new(1..=9, 6);

/// More archives than anybody has.
const MOST_KEPT: u32 = 100_000;
pub(super) const KEEP_DAYS: Number<u32> = Number::new(1..=36_500, 10);
pub(super) const KEEP_AT_LEAST: Number<u32> = Number::new(1..=MOST_KEPT, 3);
/// Of days, weeks, months or years.
pub(super) const KEEP_PERIODS: Number<u32> = Number::new(0..=MOST_KEPT, 0);

pub(super) const SMALLER_THAN_PERCENT: Number<u32> = Number::new(0..=100, 50);
pub(super) const LARGER_THAN_PERCENT: Number<u32> = Number::new(100..=1_000_000, 300);

pub(super) const ATTEMPTS: Number<u32> = Number::new(1..=20, 3);
pub(super) const FIRST_PAUSE_SECONDS: Number<u64> = Number::new(0..=3_600, 1);
pub(super) const MAX_PAUSE_SECONDS: Number<u64> = Number::new(0..=3_600, 30);

pub(super) const DEADLINE_MINUTES: Number<u64> = Number::new(1..=10_080, 360);

pub(super) const LOG_FILE: &str = "log.log";
pub(super) const FORMAT: Choice<LogFormat> =
    Choice { words: &[("text", LogFormat::Text), ("json", LogFormat::Json)], default: LogFormat::Text };
pub(super) const LEVELS: Choice<LogLevel> = Choice {
    words: &[
        ("debug", LogLevel::Debug),
        ("info", LogLevel::Info),
        ("warning", LogLevel::Warning),
        ("error", LogLevel::Error),
    ],
    default: LogLevel::Info,
};

pub(super) fn archive(top: &mut Section<'_>, walk: &mut Walk<'_>) -> Option<Archive> {
    let mut section = top.section(walk, "archive")?;
    let place = walk.place;
    let name = section.optional(walk, "name", archive_name).or_else(|| ArchiveName::new(ARCHIVE_NAME).ok());
    let compression = compression(&mut section, walk);
    let work_directory = if section.is_given("work_directory") {
        section.optional(walk, "work_directory", |text| place.folder(text))
    } else {
        section.ignore("work_directory");
        let default = PathBuf::from(WORK_DIRECTORY);
        walk.accept(section.path("work_directory"), must_be_folder(&default)).map(|()| default)
    };
    section.finish(walk);
    // Where it is a mistake, no command comes to use it.
    let work_directory = work_directory.unwrap_or_else(|| PathBuf::from(WORK_DIRECTORY));
    Some(Archive { name: name?, compression, work_directory })
}

/// The word `"reuse"`, or a number.
fn compression(section: &mut Section<'_>, walk: &mut Walk<'_>) -> Compression {
    const KEY: &str = "compression";
    if section.is_text(KEY) {
        section.one_of(walk, KEY, &Choice { words: &[(REUSE, Compression::Reuse)], default: Compression::Reuse })
    } else if section.is_given(KEY) {
        Compression::Level(section.integer(walk, KEY, &LEVEL))
    } else {
        section.ignore(KEY);
        Compression::Reuse
    }
}

fn archive_name(text: &str) -> Result<ArchiveName, Fault> {
    ArchiveName::new(text).map_err(|error| {
        Fault::new(
            format!("{} {error}", quoted(text)),
            "write a pattern with year, month and day, such as \"%Y%d%m\" or \"dump-%Y-%m-%d\"",
        )
    })
}

pub(super) fn retention(top: &mut Section<'_>, walk: &mut Walk<'_>) -> Option<Policy> {
    let mut section = top.section(walk, "retention")?;
    let keep_days = section.integer(walk, "keep_days", &KEEP_DAYS);
    let keep_at_least = section.integer(walk, "keep_at_least", &KEEP_AT_LEAST);
    let [keep_daily, keep_weekly, keep_monthly, keep_yearly] =
        ["keep_daily", "keep_weekly", "keep_monthly", "keep_yearly"]
            .map(|key| section.integer(walk, key, &KEEP_PERIODS));
    section.finish(walk);
    Some(Policy { keep_days, keep_at_least, keep_daily, keep_weekly, keep_monthly, keep_yearly })
}

pub(super) fn alarm(top: &mut Section<'_>, walk: &mut Walk<'_>) -> Option<Bounds> {
    let mut section = top.optional_section(walk, "alarm")?;
    let smaller_than_percent = section.integer(walk, "smaller_than_percent", &SMALLER_THAN_PERCENT);
    let larger_than_percent = section.integer(walk, "larger_than_percent", &LARGER_THAN_PERCENT);
    section.finish(walk);
    Some(Bounds { smaller_than_percent, larger_than_percent })
}

pub(super) fn retry(top: &mut Section<'_>, walk: &mut Walk<'_>) -> Option<RetryPolicy> {
    let mut section = top.section(walk, "retry")?;
    let attempts = section.integer(walk, "attempts", &ATTEMPTS);
    let first = section.integer(walk, "first_pause_seconds", &FIRST_PAUSE_SECONDS);
    let longest = section.integer(walk, "max_pause_seconds", &MAX_PAUSE_SECONDS);
    if first > longest {
        let problem = format!("{longest} is less than {} ({first})", section.path("first_pause_seconds"));
        walk.mistake(section.path("max_pause_seconds"), Fault::new(problem, "raise this one or lower that one"));
    }
    section.finish(walk);
    Some(RetryPolicy { attempts, first_pause: Duration::from_secs(first), max_pause: Duration::from_secs(longest) })
}

pub(super) fn run(top: &mut Section<'_>, walk: &mut Walk<'_>) -> Option<Run> {
    let mut section = top.section(walk, "run")?;
    let minutes = section.integer(walk, "deadline_minutes", &DEADLINE_MINUTES);
    section.finish(walk);
    Some(Run { deadline: Duration::from_secs(minutes * 60) })
}

/// The section `log` of the configuration file `configuration`.
pub(super) fn log(top: &mut Section<'_>, walk: &mut Walk<'_>, configuration: &Path) -> Option<Log> {
    let mut section = top.section(walk, "log")?;
    let place = walk.place;
    let file = if section.is_given("file") {
        section.optional(walk, "file", |text| log_path(place, text, configuration))
    } else {
        section.ignore("file");
        walk.accept(section.path("file"), log_path(place, LOG_FILE, configuration))
    };
    let format = section.one_of(walk, "format", &FORMAT);
    let level = section.one_of(walk, "level", &LEVELS);
    section.finish(walk);
    Some(Log { file: file?, format, level })
}

/// The log file `text` of the configuration file `configuration`. It need not exist, nor its folder: a job that
/// cannot write its log goes on. What does exist must be a regular file: a pipe would block the job for ever.
pub(super) fn log_path(place: Place<'_>, text: &str, configuration: &Path) -> Result<PathBuf, Fault> {
    let path = place.path(text)?;
    let names_folder = matches!(text.rsplit('/').next(), Some("" | "." | ".."));
    if names_folder || path.is_dir() {
        return Err(Fault::new(format!("{} is a folder", shown(&path)), "name a file in it"));
    }
    if std::fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
        return Err(Fault::new(format!("{} is not a regular file", shown(&path)), "name a regular file"));
    }
    let is_configuration = match (path.canonicalize(), configuration.canonicalize()) {
        (Ok(log), Ok(configuration)) => log == configuration,
        _ => false,
    };
    if is_configuration {
        return Err(Fault::new(format!("{} is this configuration itself", shown(&path)), "name another file"));
    }
    Ok(path)
}
