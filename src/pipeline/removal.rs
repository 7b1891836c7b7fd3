//! Task 9: what is removed from the server.

use chrono::{DateTime, TimeDelta, Utc};

use crate::destination::{self, Connection, DestinationError};
use crate::pipeline::to_destination::goodbye;
use crate::pipeline::{Delivered, Job, failpoint};
use crate::record::run_record::Delivery;
use crate::record::task::Task;
use crate::rules::alarm;
use crate::rules::freshness::Freshness;
use crate::rules::listing::{self, Entry, Kind};
use crate::rules::redaction::printable;
use crate::rules::retention::reason::{Reason, RemovalHold};
use crate::rules::retention::server_clock;
use crate::rules::retention::{self, Action, Circumstances, Decision, Plan};
use crate::runtime::error_chain::with_causes;
use crate::runtime::retry::Retryable as _;

/// How many files that are none of ours are named in the log.
const FOREIGN_NAMES_TOLD: usize = 100;

/// Of so many archives that are to be removed the beginning is read, to see whose they are.
const ARCHIVES_READ: usize = 16;

/// Another job has stopped delivering, or this one's source was changed for good, once so many archives are this job's.
const RECENT: usize = 7;

impl Job {
    /// Removal is the last task and fails no run: what cannot be removed tonight is a warning.
    pub(super) fn remove_expired(&self, delivered: Delivered) {
        let task = self.journal.begin(Task::RemoveExpired);
        failpoint("removing");
        let plan = match self.plan_removal(&delivered) {
            Ok(plan) => plan,
            Err(error) => {
                task.warned(&format!("nothing was removed: {}", with_causes(&error)));
                return;
            }
        };
        let connection = delivered.connection;
        self.tell(&plan);
        if let Some(why) = &plan.held_back {
            self.journal.warn(Task::RemoveExpired, &format!("removal is held back tonight: {why}"));
        }
        let planned = plan.removals().count();
        let mut removed = 0;
        if !self.dry_run {
            for decision in plan.removals() {
                if self.interrupt.check().is_err() {
                    break;
                }
                let name = printable(&decision.name);
                match connection.remove(&decision.name) {
                    Ok(()) => {
                        removed += 1;
                        self.note_removed(&decision.name);
                        self.journal.info(Task::RemoveExpired, &format!("removed {name}: {}", decision.reason));
                    }
                    Err(error) => {
                        let text =
                            format!("{name} ({}) could not be removed: {}", decision.reason, with_causes(&error));
                        self.journal.warn(Task::RemoveExpired, &text);
                        if error.is_transient() {
                            // The link is broken, for the rest too; the next run removes it.
                            break;
                        }
                    }
                }
            }
        }
        if removed > 0 && removed as usize == planned {
            self.note_free_space(&connection);
        }
        let kept = match plan.archives_kept() {
            1 => "1 archive stays".to_owned(),
            several => format!("{several} archives stay"),
        };
        let held_back = if plan.held_back.is_some() { "; removal is held back" } else { "" };
        let text = if self.dry_run {
            format!("dry run: {planned} would be removed, {kept}{held_back}")
        } else {
            format!("{removed} removed, {kept}{held_back}")
        };
        {
            let mut record = self.journal.record().lock();
            record.removed = removed;
            record.retention = Some(plan);
        }
        match self.interrupt.check() {
            Ok(()) => task.done(&text),
            Err(interrupted) => task.stopped(&format!("{interrupted}; {text}")),
        }
        goodbye(connection);
    }

    fn plan_removal(&self, delivered: &Delivered) -> Result<Plan, DestinationError> {
        let Delivered { freshness, clock_difference, archive_size, connection, cleared, replaced, is_unsynced } =
            delivered;
        let naming = self.config.naming();
        let listing = if self.dry_run {
            for (old, archive) in listing::to_put_back(&connection.list()?, &naming) {
                self.journal.info(
                    Task::RemoveExpired,
                    &format!("{} would be put back as {}", printable(&old), printable(&archive)),
                );
            }
            let mut listing = self.list_as_if_put_back(connection)?;
            self.note_folder(connection, &listing);
            if *freshness == Freshness::Fresh {
                // What would be removed after tonight's archive had arrived.
                let tonight = self.archive_name();
                listing.retain(|entry| entry.name != tonight);
                listing.push(Entry { name: tonight, kind: Kind::File, size: None, modified: None });
            }
            listing
        } else {
            let mut listing = destination::put_back(connection, &naming)?;
            self.note_folder(connection, &listing);
            let entry = |name: &String| Entry { name: name.clone(), kind: Kind::File, size: None, modified: None };
            listing.extend(cleared.iter().map(entry));
            listing
        };
        let suspicion = self.config.alarm.zip(*archive_size).and_then(|(bounds, size)| {
            let mut history = listing::archives(&listing, &naming, self.today);
            history.retain(|archive| archive.date < self.today);
            let against_replaced = || alarm::against_replaced(bounds, size, replaced.as_ref()?.size?, &history);
            alarm::suspicion(bounds, self.today, size, &history).or_else(against_replaced)
        });
        let circumstances = Circumstances {
            clock_difference: *clock_difference,
            suspicion,
            delivered: (*freshness == Freshness::Fresh).then_some(self.today),
            is_unsynced: *is_unsynced,
            server_now: Some(self.server_now(&listing, *clock_difference)),
            ..Circumstances::on(self.today)
        };
        let plan = retention::plan(&listing, &naming, self.config.retention, circumstances);
        Ok(match self.another_jobs_archive(connection, &listing, &plan)? {
            Some(example) => plan.hold_back(RemovalHold::OtherJob { example }),
            None => plan,
        })
    }

    /// An archive of another job among the last ones in `listing`, where `plan` removes archives that are not this job's. One
    /// that the server does not let be read is of no other job.
    fn another_jobs_archive(
        &self,
        connection: &Connection,
        listing: &[Entry],
        plan: &Plan,
    ) -> Result<Option<String>, DestinationError> {
        let first_of_theirs = |names: &mut dyn Iterator<Item = String>| {
            for name in names {
                match connection.beginning(&name) {
                    Ok(beginning) if self.is_of_another_job(&beginning) => return Ok(Some(name)),
                    Err(error) if error.is_transient() => return Err(error),
                    _ => {}
                }
            }
            Ok(None)
        };
        let is_archive = |decision: &&Decision| matches!(decision.reason, Reason::Expired { .. } | Reason::Replaced);
        let mut removals = plan.removals().filter(is_archive).take(ARCHIVES_READ).map(|decision| decision.name.clone());
        if first_of_theirs(&mut removals)?.is_none() {
            return Ok(None);
        }
        let archives = listing::archives(listing, &self.config.naming(), self.today);
        first_of_theirs(&mut archives.into_iter().rev().take(RECENT).map(|archive| archive.name))
    }

    /// The time by the server's clock, where this run wrote an archive that is in `listing`; else as the other clocks have
    /// it.
    fn server_now(&self, listing: &[Entry], clock_difference: Option<TimeDelta>) -> DateTime<Utc> {
        let has_written = matches!(self.journal.record().lock().delivery, Some(Delivery::Sent | Delivery::Replaced));
        let name = self.archive_name();
        let delivered = listing.iter().find(|entry| has_written && entry.name == name);
        server_clock::server_now(delivered.and_then(|entry| entry.modified), (self.clock)().to_utc(), clock_difference)
    }

    /// The directory as it would be once every replaced archive without successor had its name back.
    fn list_as_if_put_back(&self, connection: &Connection) -> Result<Vec<Entry>, DestinationError> {
        let mut listing = connection.list()?;
        for (old, archive) in listing::to_put_back(&listing, &self.config.naming()) {
            if let Some(entry) = listing.iter_mut().find(|entry| entry.name == old) {
                entry.name = archive;
            }
        }
        Ok(listing)
    }

    /// Tells the reason of every decision, in the log alone; of a removal when it is done.
    fn tell(&self, plan: &Plan) {
        let (foreign, ours): (Vec<_>, Vec<_>) =
            plan.decisions.iter().partition(|decision| decision.reason == Reason::Foreign);
        for decision in ours.into_iter().chain(foreign.iter().copied().take(FOREIGN_NAMES_TOLD)) {
            let (name, reason) = (printable(&decision.name), &decision.reason);
            match decision.action {
                Action::Keep => tracing::info!("kept {name}: {reason}"),
                Action::Remove if self.dry_run => tracing::info!("would be removed: {name}: {reason}"),
                Action::Remove => {}
            }
        }
        if foreign.len() > FOREIGN_NAMES_TOLD {
            tracing::info!("kept {} more files that are none of ours", foreign.len() - FOREIGN_NAMES_TOLD);
        }
    }
}
