//! Waits for a late dump (`source.wait_minutes`): it is stale at first, or its ZIP is missing.

use std::time::{Duration, Instant};

use chrono::TimeDelta;

use crate::pipeline::job::Job;
use crate::record::task::Task;
use crate::rules::freshness::{Freshness, Staleness};
use crate::rules::units;
use crate::runtime::retry::Retryable as _;
use crate::source::{self, SourceError, Zip};

const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// A response to the request for the ZIP.
pub(super) type Answer = Result<Zip, SourceError>;

impl Job {
    /// When waiting for a late dump ends. A dry run does not wait.
    pub(super) fn end_of_wait(&self) -> Instant {
        Instant::now() + if self.dry_run { Duration::ZERO } else { self.config.source.wait }
    }

    /// Requests the ZIP again and again until its dump is not late any more, at the latest at `end`. Also returns how long that
    /// took, if the dump was late.
    pub(super) fn open_zip(&self, in_parts: bool, end: Instant) -> (Answer, Option<Duration>) {
        let (begin, mut answer) = (Instant::now(), self.open_now(in_parts));
        let lateness = if begin < end { self.lateness(&answer) } else { None };
        let Some(reason) = lateness else { return (answer, None) };
        let limit = units::age(TimeDelta::minutes(self.config.source.wait.as_secs() as i64 / 60));
        self.journal.info(Task::RequestZip, &format!("{reason}; waiting up to {limit} for the dump"));
        let _spinner = self.progress.spinner(&format!("{reason}, waiting up to {limit} for the dump"));
        let pause = (2 * self.config.retry.max_pause).clamp(MIN_PAUSE, MAX_PAUSE);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if let Err(interrupted) = self.interrupt.pause(pause.min(left)) {
                return (Err(interrupted.into()), Some(begin.elapsed()));
            }
            let is_last = left <= pause;
            let is_late;
            (answer, is_late) = self.check_again(answer, in_parts, is_last);
            if is_last || !is_late {
                return (answer, Some(begin.elapsed()));
            }
        }
    }

    /// Requests the ZIP again unless it is still the same. Returns whether the dump is still late.
    fn check_again(&self, earlier: Answer, in_parts: bool, is_last: bool) -> (Answer, bool) {
        if let Ok(zip) = &earlier
            && matches!(zip.is_unchanged(is_last), Ok(true))
        {
            return (earlier, true);
        }
        // Deletes a downloaded file.
        drop(earlier);
        let answer = self.open_now(in_parts);
        let is_late = match &answer {
            // It may be published at this moment.
            Ok(zip) => self.find_in(zip).is_err() || self.lateness(&answer).is_some(),
            Err(error) => error.is_transient() || self.lateness(&answer).is_some(),
        };
        (answer, is_late)
    }

    fn open_now(&self, in_parts: bool) -> Answer {
        let (source, folder) = (&self.config.source, &self.config.archive.work_directory);
        source::open(source, in_parts, folder, &self.retry, &self.interrupt, &self.progress)
    }

    /// Why the dump is late. `None` if it is fresh, or cannot become fresh.
    fn lateness(&self, answer: &Answer) -> Option<String> {
        match answer {
            Ok(zip) => match self.judge(&self.find_in(zip).ok()?).freshness {
                Freshness::Stale(why @ (Staleness::Old { .. } | Staleness::Unknown)) => {
                    Some(format!("the dump is stale: {why}"))
                }
                _ => None,
            },
            Err(SourceError::Status { status: 404 | 410, .. }) => Some("the ZIP is missing".to_owned()),
            Err(_) => None,
        }
    }
}
