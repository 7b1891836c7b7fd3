//! Waits for a late dump (`source.wait_minutes`): it is stale at first, or its ZIP is missing.

use std::time::{Duration, Instant};

use chrono::{NaiveTime, TimeDelta};

use crate::archive::ArchiveError;
use crate::pipeline::job::Job;
use crate::record::task::Task;
use crate::rules::dump::DumpError;
use crate::rules::freshness::{Freshness, Staleness};
use crate::runtime::retry::Retryable as _;
use crate::source::{self, SourceError, Zip};

const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// A response to the request for the ZIP.
pub(super) type Answer = Result<Zip, SourceError>;

impl Job {
    /// When waiting for a late dump ends. A dry run does not wait, nor a run for an earlier day.
    pub(super) fn end_of_wait(&self) -> Instant {
        // A dump of the next day is for the next run.
        let midnight = self.today.and_time(NaiveTime::MIN) + TimeDelta::days(1);
        let rest_of_day = (midnight - (self.clock)().naive_local()).to_std().unwrap_or_default();
        Instant::now() + if self.dry_run { Duration::ZERO } else { self.config.source.wait.min(rest_of_day) }
    }

    /// Requests the ZIP again and again until its dump is not late any more, at the latest at `end`. Also returns how long that
    /// took, if the dump was late.
    pub(super) fn open_zip(&self, in_parts: bool, end: Instant) -> (Answer, Option<Duration>) {
        let (begin, mut answer) = (Instant::now(), self.open_now(in_parts));
        let lateness = if begin < end { self.lateness(&answer, false) } else { None };
        let Some(reason) = lateness else { return (answer, None) };
        let until = ((self.clock)() + end.saturating_duration_since(Instant::now())).format("%H:%M");
        self.journal.info(Task::RequestZip, &format!("{reason}; waiting for the dump until {until}"));
        let _spinner = self.progress.spinner(&format!("{reason}, waiting for the dump until {until}"));
        let mut pause = (2 * self.config.retry.max_pause).clamp(MIN_PAUSE, MAX_PAUSE);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if let Err(interrupted) = self.interrupt.pause(pause.min(left)) {
                return (Err(interrupted.into()), Some(begin.elapsed()));
            }
            let is_last = left <= pause;
            let is_unchanged = matches!(&answer, Ok(zip) if matches!(zip.is_unchanged(is_last), Ok(true)));
            if !is_unchanged {
                // Deletes a downloaded file.
                drop(answer);
                answer = self.open_now(in_parts);
            }
            if is_last || !(is_unchanged || self.lateness(&answer, true).is_some()) {
                return (answer, Some(begin.elapsed()));
            }
            let is_cheap = match &answer {
                Ok(zip) => is_unchanged || zip.is_remote(),
                Err(error) => matches!(error, SourceError::Status { .. }),
            };
            if !is_cheap {
                pause *= 2;
            }
        }
    }

    fn open_now(&self, in_parts: bool) -> Answer {
        let (source, folder) = (&self.config.source, &self.config.archive.work_directory);
        source::open(source, in_parts, folder, &self.retry, &self.interrupt, &self.progress)
    }

    /// Why the dump is late. `None` if it is fresh, or cannot become fresh. While the run waits, errors count as late too: the
    /// ZIP may be published at this moment.
    fn lateness(&self, answer: &Answer, is_waiting: bool) -> Option<String> {
        let error = match answer {
            Ok(zip) => match self.find_in(zip) {
                Ok(dump) => match self.judge(&dump).freshness {
                    Freshness::Stale(why @ (Staleness::Old { .. } | Staleness::Unknown)) => {
                        return Some(format!("the dump is stale: {why}"));
                    }
                    _ => return None,
                },
                // Until then, the ZIP holds the dump of an earlier date.
                Err(ArchiveError::Dump(error @ DumpError::Missing { .. })) if self.config.source.dump.has_date() => {
                    return Some(error.to_string());
                }
                Err(error) => error.to_string(),
            },
            Err(SourceError::Status { status: 404 | 410, .. }) => return Some("the ZIP is missing".to_owned()),
            Err(error) if error.is_transient() => error.to_string(),
            Err(_) => return None,
        };
        is_waiting.then_some(error)
    }
}
