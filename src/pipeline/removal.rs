//! Task 9, and `prune`: removes expired files from the server.

use chrono::{DateTime, FixedOffset, TimeDelta, Utc};

use crate::destination::{self, Connection, DestinationError, Server};
use crate::pipeline::job::{Arrival, Delivered, Job, origin};
use crate::pipeline::to_destination::report_first_contact;
use crate::record::journal::{Journal, OpenTask};
use crate::record::run_record::Delivery;
use crate::record::task::Task;
use crate::rules::alarm::{self, Bounds};
use crate::rules::archive_name::Naming;
use crate::rules::checksum::ChecksumFile;
use crate::rules::dump_pattern::DumpPattern;
use crate::rules::freshness::Freshness;
use crate::rules::listing::{self, Entry, Kind};
use crate::rules::origin::Mark;
use crate::rules::redaction::printable;
use crate::rules::retention::keeping::{Policy, Remover};
use crate::rules::retention::reason::{Reason, RemovalHold};
use crate::rules::retention::{self, Action, Circumstances, Decision, Plan, server_clock};
use crate::rules::units;
use crate::runtime::error_chain::with_causes;
use crate::runtime::failpoint::failpoint;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::retry::Retryable as _;

/// Number of files not created by this program that are named in the log.
const MAX_FOREIGN_NAMES: usize = 100;

/// Number of expired archives that are read to identify their job.
const MAX_ARCHIVES_READ: usize = 16;

/// If this many recent archives belong to this job, the other job no longer delivers, or the source was changed permanently.
const RECENT: usize = 7;

const NO_PERMISSION: &str = ". The account may not remove files: use one that may, see docs/security.md";

/// Removes expired files: for task 9 of a run, and for `prune`.
pub struct Removal {
    pub journal: Journal,
    pub interrupt: Interrupt,
    pub naming: Naming,
    pub policy: Policy,
    /// The mark of this job and the name of its dump. If unknown, every archive counts as this job's.
    pub origin: Option<(Mark, DumpPattern)>,
    pub dry_run: bool,
}

impl Removal {
    /// Applies retention without a run. `alarm` judges the newest archive.
    ///
    /// Without a delivery and a web server, `now`, by this machine's clock, is used as the server's. That is safe: ages are those
    /// of the names, relative to the newest archive, so no clock can expire an archive; it decides only how long a later
    /// modification time protects one, and an upload of another machine. A clock that is a day behind these times holds
    /// removal back.
    pub fn prune(&self, server: &Server, alarm: Option<Bounds>, now: DateTime<FixedOffset>) {
        let task = self.journal.begin(Task::ConnectToSftp);
        let listed = server.with_connection("listing the archives", None, |connection| connection.list());
        report_first_contact(&self.journal, server, self.dry_run);
        let (listing, connection) = match listed {
            Ok(listed) => listed,
            Err(error) if self.interrupt.check().is_err() => return task.stopped(&with_causes(&error)),
            Err(error) => return task.failed(&with_causes(&error)),
        };
        task.done(&server.address());
        let task = self.journal.begin(Task::RemoveExpired);
        let archives = listing::archives(&listing, &self.naming, now.date_naive());
        let newest = archives.last();
        let ahead = archives.iter().filter_map(|archive| archive.modified).max().map(|latest| latest - now.to_utc());
        let circumstances = Circumstances {
            clock_difference: ahead.filter(|ahead| *ahead > TimeDelta::zero()),
            suspicion: alarm
                .zip(newest)
                .and_then(|(bounds, newest)| alarm::compare_with_earlier(bounds, newest.date, newest.size?, &archives)),
            delivered: newest.map(|newest| newest.date),
            server_now: Some(now.to_utc()),
            ..Circumstances::on(now.date_naive())
        };
        match self.plan(&connection, &listing, circumstances) {
            Ok(plan) => self.carry_out(task, connection, plan),
            Err(error) => task.failed(&format!("nothing was removed: {}", with_causes(&error))),
        }
    }

    /// If expired archives belong to another job, and so does a recent one, removal is held back. An archive that the server
    /// refuses to open counts as this job's.
    fn plan(&self, connection: &Connection, listing: &[Entry], facts: Circumstances) -> Result<Plan, DestinationError> {
        let plan = retention::plan(listing, &self.naming, self.policy, facts);
        let Some((mark, dump)) = &self.origin else { return Ok(plan) };
        let find_foreign = |names: &mut dyn Iterator<Item = String>| {
            for name in names {
                let dump = dump.on(self.naming.date_of(&name).unwrap_or(facts.today));
                match origin(connection, &self.naming, &name) {
                    Ok(origin) if origin.belongs_to_another_job(mark, &dump) => return Ok(Some(name)),
                    Err(error) if error.is_transient() => return Err(error),
                    _ => {}
                }
            }
            Ok(None)
        };
        let is_archive = |decision: &&Decision| matches!(decision.reason, Reason::Expired { .. } | Reason::Replaced);
        let removals = plan.removals().filter(is_archive).take(MAX_ARCHIVES_READ);
        if find_foreign(&mut removals.map(|decision| decision.name.clone()))?.is_none() {
            return Ok(plan);
        }
        let archives = listing::archives(listing, &self.naming, facts.today);
        let recent = archives.into_iter().rev().take(RECENT);
        Ok(match find_foreign(&mut recent.map(|archive| archive.name))? {
            Some(example) => plan.hold_back(RemovalHold::OtherJob { example }),
            None => plan,
        })
    }

    /// Carries out `plan` and ends `task`. Failures to remove a file are warnings.
    fn carry_out(&self, task: OpenTask<'_>, connection: Connection, plan: Plan) {
        self.log_decisions(&plan);
        if let Some(why) = &plan.held_back {
            self.journal.warn(Task::RemoveExpired, &format!("removal is held back: {why}"));
        }
        let planned = plan.removals().count();
        let removed = if self.dry_run { 0 } else { self.remove(&connection, &plan) };
        if removed > 0 && removed as usize == planned {
            self.journal.set_free_space(connection.free_space());
        }
        let kept = units::count(plan.archives_kept(), "archive");
        let held_back = if plan.held_back.is_some() { "; removal is held back" } else { "" };
        let done = match plan.count_left_to_prune() {
            0 if self.dry_run => format!("{planned} would be removed"),
            0 => format!("{removed} removed"),
            1 => "1 expired archive is left to \"prune\"".to_owned(),
            several => format!("{several} expired archives are left to \"prune\""),
        };
        let text = format!("{}{done}, {kept} kept{held_back}", if self.dry_run { "dry run: " } else { "" });
        self.journal.set_removal(plan, removed);
        match self.interrupt.check() {
            Ok(()) => task.done(&text),
            Err(interrupted) => task.stopped(&format!("{interrupted}; {text}")),
        }
        connection.close_quietly();
    }

    /// Removes the files that `plan` names, and returns how many are gone.
    fn remove(&self, connection: &Connection, plan: &Plan) -> u32 {
        let (mut removed, mut is_broken, mut kept) = (Vec::new(), false, Vec::new());
        for decision in plan.removals() {
            if self.interrupt.check().is_err() {
                break;
            }
            // An archive that could not be removed keeps its checksum file.
            let is_paired = self.naming.checksum_of(&decision.name).is_some_and(|archive| kept.contains(&archive));
            if is_paired || !self.is_own(connection, &decision.name) {
                continue;
            }
            match connection.remove(&decision.name) {
                Ok(()) => removed.push(decision),
                Err(error) => {
                    let (name, reason) = (printable(&decision.name), &decision.reason);
                    let fix = if matches!(error, DestinationError::Refused { .. }) { NO_PERMISSION } else { "" };
                    let text = format!("{name} ({reason}) could not be removed: {}{fix}", with_causes(&error));
                    self.journal.warn(Task::RemoveExpired, &text);
                    kept.push(decision.name.as_str());
                    is_broken = error.is_transient();
                    if is_broken {
                        // The next run removes the rest.
                        break;
                    }
                }
            }
        }
        let is_checked = !removed.is_empty() && !is_broken;
        let still_there = if is_checked { still_there(connection, &removed) } else { Vec::new() };
        let mut gone = 0;
        for decision in removed {
            let (name, reason) = (printable(&decision.name), &decision.reason);
            if still_there.contains(&decision.name) {
                let text = format!(
                    "{name} ({reason}) is still there, although the server reported its removal. Check that the server \
                     lets this user remove files"
                );
                self.journal.warn(Task::RemoveExpired, &text);
            } else {
                gone += 1;
                self.journal.forget_archive(&decision.name);
                self.journal.info(Task::RemoveExpired, &format!("removed {name}: {reason}"));
            }
        }
        gone
    }

    /// Whether the file `name`, if it has the name of a checksum file, was written by this program.
    fn is_own(&self, connection: &Connection, name: &str) -> bool {
        if self.naming.any_checksum_of(name).is_none() {
            return true;
        }
        match connection.checksum_named(&self.naming, name) {
            Ok(Some(ChecksumFile::Foreign)) => {
                tracing::info!("kept {}: another program has written it", printable(name));
            }
            Ok(_) => return true,
            Err(error) => {
                let (name, error) = (printable(name), with_causes(&error));
                let text = format!("{name} is kept, because it cannot be checked who has written it: {error}");
                self.journal.warn(Task::RemoveExpired, &text);
            }
        }
        false
    }

    /// Logs the reason for every decision, except for actual removals, which are logged when they are done.
    fn log_decisions(&self, plan: &Plan) {
        let (foreign, own): (Vec<_>, Vec<_>) =
            plan.decisions.iter().partition(|decision| decision.reason == Reason::Foreign);
        for decision in own.into_iter().chain(foreign.iter().copied().take(MAX_FOREIGN_NAMES)) {
            let (name, reason) = (printable(&decision.name), &decision.reason);
            match decision.action {
                Action::Keep => tracing::info!("kept {name}: {reason}"),
                Action::Remove if self.dry_run => tracing::info!("would be removed: {name}: {reason}"),
                Action::Remove => {}
            }
        }
        if foreign.len() > MAX_FOREIGN_NAMES {
            tracing::info!("kept {} more files that this program did not create", foreign.len() - MAX_FOREIGN_NAMES);
        }
    }
}

impl Job {
    /// Failures to remove a file are warnings and never fail the run.
    pub(super) fn remove_expired(&self, mut delivered: Delivered) {
        let task = self.journal.begin(Task::RemoveExpired);
        failpoint("removing");
        let source = &self.config.source;
        let removal = Removal {
            journal: self.journal.clone(),
            interrupt: self.interrupt.clone(),
            naming: self.config.naming(),
            policy: self.config.retention,
            origin: Some((source.mark(), source.dump.clone())),
            dry_run: self.dry_run,
        };
        match self.plan_removal(&removal, &mut delivered) {
            Ok(plan) => removal.carry_out(task, delivered.arrival.connection, plan),
            Err(error) => task.warned(&format!("nothing was removed: {}", with_causes(&error))),
        }
    }

    fn plan_removal(&self, removal: &Removal, delivered: &mut Delivered) -> Result<Plan, DestinationError> {
        let Delivered { freshness, clock_difference, arrival } = delivered;
        let Arrival { connection, archive_size, cleared, replaced, is_unsynced, free, listing } = arrival;
        let (naming, policy) = (&removal.naming, removal.policy);
        let entry = |name: String| Entry { name, kind: Kind::File, size: None, modified: None };
        let listing = if self.dry_run {
            let mut listing = self.list_as_if_put_back(connection)?;
            self.record_folder(connection, &listing, *free);
            if *freshness == Freshness::Fresh {
                // Pretend that the new archive was delivered.
                let new = self.archive_name();
                listing.retain(|entry| entry.name != new);
                listing.push(entry(new));
            }
            listing
        } else {
            // The folder after the delivery: other jobs and machines may have changed it during the upload, and the new
            // archive's modification time shows the server's clock.
            let listing = listing.take().map_or_else(|| connection.list(), Ok)?;
            let mut listing = destination::put_back(connection, naming, listing)?;
            self.record_folder(connection, &listing, *free);
            if policy.remover == Remover::Run {
                listing.extend(cleared.iter().cloned().map(entry));
            }
            listing
        };
        let suspicion = self.config.alarm.zip(*archive_size).and_then(|(bounds, size)| {
            let mut history = listing::archives(&listing, naming, self.today);
            history.retain(|archive| archive.date < self.today);
            let compare_with_replaced =
                || alarm::compare_with_replaced(bounds, size, replaced.as_ref()?.size?, &history);
            alarm::compare_with_earlier(bounds, self.today, size, &history).or_else(compare_with_replaced)
        });
        let circumstances = Circumstances {
            clock_difference: *clock_difference,
            suspicion,
            delivered: (*freshness == Freshness::Fresh).then_some(self.today),
            is_unsynced: *is_unsynced,
            server_now: Some(self.server_now(&listing, *clock_difference)),
            ..Circumstances::on(self.today)
        };
        let plan = removal.plan(connection, &listing, circumstances)?;
        Ok(if policy.remover == Remover::Prune { plan.leave_to_prune() } else { plan })
    }

    /// The time according to the SFTP server if `listing` has an archive of this run, otherwise according to the other clocks.
    fn server_now(&self, listing: &[Entry], clock_difference: Option<TimeDelta>) -> DateTime<Utc> {
        let delivery = self.journal.read(|record| record.delivery);
        let has_written = matches!(delivery, Some(Delivery::Sent | Delivery::Replaced));
        let name = self.archive_name();
        let delivered = listing.iter().find(|entry| has_written && entry.name == name);
        server_clock::server_now(delivered.and_then(|entry| entry.modified), (self.clock)().to_utc(), clock_difference)
    }

    /// Lists the directory as if every set-aside archive that was not replaced had been put back.
    fn list_as_if_put_back(&self, connection: &Connection) -> Result<Vec<Entry>, DestinationError> {
        let mut listing = connection.list()?;
        for (old, archive) in listing::unfinished_replacements(&listing, &self.config.naming()) {
            let text = format!("{} would be put back as {}", printable(&old), printable(&archive));
            self.journal.info(Task::RemoveExpired, &text);
            if let Some(entry) = listing.iter_mut().find(|entry| entry.name == old) {
                entry.name = archive;
            }
        }
        Ok(listing)
    }
}

/// The names of the `removed` files that the server still has. If it does not reply, none: the removal was acknowledged.
fn still_there(connection: &Connection, removed: &[&Decision]) -> Vec<String> {
    let listing = connection.list().unwrap_or_else(|error| {
        tracing::info!("could not check that the removed files are gone: {}", with_causes(&error));
        Vec::new()
    });
    let is_removed = |entry: &Entry| removed.iter().any(|decision| decision.name == entry.name);
    let listed = listing.into_iter().filter(is_removed).map(|entry| entry.name);
    // Some servers list a file for a while after its removal.
    listed.filter(|name| connection.lookup(name).is_ok_and(|found| found.is_some())).collect()
}
