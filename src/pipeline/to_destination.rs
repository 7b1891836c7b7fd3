//! Tasks 6 to 9: from this machine to the SFTP server, and what lies there.

use chrono::TimeDelta;
use indicatif::HumanBytes;

use super::from_source::Packed;
use super::{Job, Stop};
use crate::destination::{self, Connection, DestinationError, Published, Server, Standing};
use crate::error_chain::told;
use crate::rules::freshness::Freshness;
use crate::rules::redaction::printable;
use crate::rules::retention::{self, Action, Entry, Kind, Plan, Reason};
use crate::run_record::{Delivery, Task};

/// How many files that are none of ours are named in the log.
const FOREIGN_NAMES_TOLD: usize = 100;

/// How the archive stands on the server after task 7.
pub(super) enum Sent {
    /// All of it lies under its temporary name.
    Part,
    /// The same bytes already had the final name; the connection that proved it.
    AlreadyThere(Connection),
}

impl Job {
    pub(super) fn connect(&self, server: &Server<'_>) -> Result<Connection, Stop> {
        let task = self.journal.begin(Task::ConnectToSftp);
        let sftp = &self.config.sftp;
        match server.connect() {
            Ok(connection) => {
                if let Some(fingerprint) = server.new_fingerprint() {
                    self.journal.record().lock().new_host_key = Some(fingerprint.to_owned());
                    self.journal.info(
                        Task::ConnectToSftp,
                        &format!(
                            "first contact: the host key {fingerprint} is trusted from now on; compare it with the \
                             server's own"
                        ),
                    );
                }
                task.done(&format!("{} at {}:{}", sftp.username, sftp.host, sftp.port));
                Ok(connection)
            }
            Err(error) => Err(self.give_up(task, &error)),
        }
    }

    pub(super) fn send_archive(
        &self,
        server: &Server<'_>,
        connection: Connection,
        archive: &Packed,
    ) -> Result<Sent, Stop> {
        let task = self.journal.begin(Task::SendArchive);
        let naming = self.naming();
        let part = naming.part(&archive.name);
        let sent = server.with_connection("sending the archive", Some(connection), |connection| {
            for name in destination::put_back(connection, &naming)? {
                tracing::info!("{name:?} was put back: an earlier run had moved it aside and did not replace it");
            }
            let bar = self.progress.bar("Compare", Some(archive.content.size));
            if destination::standing(connection, &archive.name, &archive.content, &bar)? == Standing::Same {
                return Ok(true);
            }
            let bar = self.progress.bar("Send", Some(archive.content.size));
            destination::upload(connection, &archive.spool, &part, &bar)?;
            Ok(false)
        });
        match sent {
            Ok((true, connection)) => {
                task.done(&format!("{} is already there, with the same bytes", archive.name));
                Ok(Sent::AlreadyThere(connection))
            }
            Ok((false, connection)) => {
                task.done(&format!("{} as {part}", HumanBytes(archive.content.size)));
                goodbye(connection);
                Ok(Sent::Part)
            }
            Err(error) => Err(self.give_up(task, &error)),
        }
    }

    pub(super) fn verify_archive(&self, server: &Server<'_>, sent: Sent, archive: &Packed) -> Result<Connection, Stop> {
        let task = self.journal.begin(Task::VerifyArchive);
        let (delivery, connection) = match sent {
            Sent::AlreadyThere(connection) => (Delivery::AlreadyThere, connection),
            Sent::Part => match self.verify_and_publish(server, archive) {
                Ok(published) => published,
                Err(error) => {
                    self.journal.info(Task::VerifyArchive, "sent, but not verified: the archive is not published");
                    return Err(self.give_up(task, &error));
                }
            },
        };
        self.journal.record().lock().delivery = Some(delivery);
        let how = match delivery {
            Delivery::Sent => "read back over a new connection and published",
            Delivery::Replaced => "read back over a new connection; it has replaced an archive with other bytes",
            Delivery::AlreadyThere => "read back where it lies",
        };
        task.done(&format!("{}: {how}", archive.name));
        Ok(connection)
    }

    fn verify_and_publish(
        &self,
        server: &Server<'_>,
        archive: &Packed,
    ) -> Result<(Delivery, Connection), DestinationError> {
        let naming = self.naming();
        let part = naming.part(&archive.name);
        let bar = || self.progress.bar("Verify", Some(archive.content.size));
        let ((), connection) = server.with_connection("verifying the archive", None, |connection| {
            destination::verify(connection, &part, &archive.content, &bar()).inspect_err(|error| {
                if matches!(error, DestinationError::Different { .. })
                    && let Err(error) = connection.remove(&part)
                {
                    tracing::debug!("{part:?} could not be removed at once ({error}); the next run does it");
                }
            })
        })?;
        let (published, connection) =
            server.with_connection("publishing the archive", Some(connection), |connection| {
                destination::publish(connection, &naming, &archive.name, &archive.content, &bar())
            })?;
        let delivery = match published {
            Published::New => Delivery::Sent,
            Published::Replacement => Delivery::Replaced,
        };
        Ok((delivery, connection))
    }

    /// Removal is the last task and fails no run: what cannot be removed tonight is a warning.
    pub(super) fn remove_expired(
        &self,
        connection: Connection,
        freshness: Freshness,
        clock_difference: Option<TimeDelta>,
    ) {
        let task = self.journal.begin(Task::RemoveExpired);
        let plan = match self.plan_removal(&connection, freshness, clock_difference) {
            Ok(plan) => plan,
            Err(error) => {
                task.warned(&format!("nothing was removed: {}", told(&error)));
                return;
            }
        };
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
                        self.journal.info(Task::RemoveExpired, &format!("removed {name}: {}", decision.reason));
                    }
                    Err(error) => self.journal.warn(
                        Task::RemoveExpired,
                        &format!("{name} ({}) could not be removed: {}", decision.reason, told(&error)),
                    ),
                }
            }
        }
        let kept = plan.archives_kept();
        let text = if self.dry_run {
            format!("dry run: {planned} would be removed, {kept} archives stay")
        } else {
            format!("{removed} removed, {kept} archives stay")
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

    fn plan_removal(
        &self,
        connection: &Connection,
        freshness: Freshness,
        clock_difference: Option<TimeDelta>,
    ) -> Result<Plan, DestinationError> {
        let naming = self.naming();
        if !self.dry_run {
            for name in destination::put_back(connection, &naming)? {
                tracing::info!("{name:?} was put back: an earlier run had moved it aside and did not replace it");
            }
        }
        let mut listing = connection.list()?;
        let tonight = self.archive_name();
        if self.dry_run && freshness == Freshness::Fresh && !listing.iter().any(|entry| entry.name == tonight) {
            // What would be removed after tonight's archive had arrived.
            listing.push(Entry { name: tonight, kind: Kind::File, size: None });
        }
        Ok(retention::plan(&listing, &naming, self.config.retention, self.today, clock_difference))
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

/// Ends a connection politely; if that fails, it ends all the same.
fn goodbye(connection: Connection) {
    if let Err(error) = connection.close() {
        tracing::debug!("{}", told(&error));
    }
}
