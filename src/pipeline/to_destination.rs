//! Tasks 6 to 9: from this machine to the SFTP server, and what lies there.

use indicatif::HumanBytes;

use super::{Delivered, Job, Stop, at_rate, fault_point};
use crate::destination::{self, Connection, DestinationError, Published, ReadBack, Server, Standing, Upload};
use crate::error_chain::told;
use crate::retry::Fault as _;
use crate::rules::alarm;
use crate::rules::freshness::Freshness;
use crate::rules::history;
use crate::rules::redaction::printable;
use crate::rules::retention::{self, Action, Circumstances, Entry, Kind, Plan, Reason};
use crate::run_record::{Delivery, NOT_KNOWN_YET, Task};
use crate::spool::Spool;

/// How many files that are none of ours are named in the log.
const FOREIGN_NAMES_TOLD: usize = 100;

/// How the archive stands on the server after task 7.
pub(super) enum Sent {
    /// All of it lies under its temporary name.
    Part {
        /// Whether that took several links. What the server confirmed over a broken one it may have lost since.
        is_resumed: bool,
    },
    /// The same bytes already had the final name; the connection that proved it.
    AlreadyThere(Connection),
}

impl Job {
    pub(super) fn connect(&self, server: &Server) -> Result<Connection, Stop> {
        let task = self.journal.begin(Task::ConnectToSftp);
        let sftp = &self.config.sftp;
        match server.connect() {
            Ok(connection) => {
                self.tell_first_contact(server);
                task.done(&format!("{} at {}:{}", sftp.username, sftp.host, sftp.port));
                Ok(connection)
            }
            Err(error) => Err(self.give_up(task, &error)),
        }
    }

    /// Tells the fingerprint of a host key that this run is the first to meet, once.
    pub(super) fn tell_first_contact(&self, server: &Server) {
        let Some(fingerprint) = server.new_fingerprint() else { return };
        if self.journal.record().lock().new_host_key.replace(fingerprint.to_owned()).is_some() {
            return;
        }
        let trust = if self.dry_run { NOT_KNOWN_YET } else { "is trusted from now on" };
        self.journal.info(
            Task::ConnectToSftp,
            &format!("first contact: the host key {fingerprint} {trust}; compare it with the server's own"),
        );
    }

    /// What sending would do, told instead of done.
    pub(super) fn rehearse_sending(&self, connection: &Connection) -> Result<(), Stop> {
        let name = self.archive_name();
        let there = match self.list_as_if_put_back(connection) {
            Ok(listing) => listing.into_iter().find(|entry| entry.name == name),
            Err(error) => return Err(self.give_up(self.journal.begin(Task::SendArchive), &error)),
        };
        let standing = match there {
            None => "nothing has that name yet".to_owned(),
            Some(Entry { kind: Kind::File, size, .. }) => {
                let size = size.map(|size| format!(" of {}", HumanBytes(size))).unwrap_or_default();
                format!("an archive{size} has that name already: the same bytes would stay, others be replaced")
            }
            Some(entry) => {
                let error = DestinationError::NotAFile(entry.name);
                return Err(self.give_up(self.journal.begin(Task::SendArchive), &error));
            }
        };
        let directory = &self.config.sftp.directory;
        self.journal.skip(Task::SendArchive, &format!("{name} would be sent to {directory}, where {standing}"));
        Ok(())
    }

    /// Sends the archive, which may still grow meanwhile, to about `expected_size` bytes.
    pub(super) fn send_archive(
        &self,
        server: &Server,
        connection: Connection,
        archive: &Spool,
        expected_size: Option<u64>,
    ) -> Result<Sent, Stop> {
        let task = self.journal.begin(Task::SendArchive);
        fault_point("sending");
        let (naming, name) = (self.config.naming(), self.archive_name());
        let part = naming.part(&name);
        let mut upload = Upload::new(server, archive, expected_size, &part);
        let sent = server.with_connection("sending the archive", Some(connection), |connection| {
            let listing = destination::put_back(connection, &naming)?;
            let bar = self.progress.bar("Compare", expected_size);
            if destination::standing(server, connection, &listing, &name, archive, &bar)? == Standing::Same {
                return Ok(true);
            }
            upload.run(server, connection, &listing, &self.progress.bar("Send", expected_size))?;
            Ok(false)
        });
        match sent {
            Ok((true, connection)) => {
                task.done(&format!("{name} is already there, with the same bytes"));
                Ok(Sent::AlreadyThere(connection))
            }
            Ok((false, connection)) => {
                let over = match upload.connections() {
                    1 => String::new(),
                    several => format!(" over {several} connections"),
                };
                let size = self.size_of(archive);
                let rate = at_rate(size, task.elapsed());
                task.done(&format!("{} as {part}{rate}{over}", HumanBytes(size)));
                goodbye(connection);
                Ok(Sent::Part { is_resumed: upload.is_resumed() })
            }
            Err(_) if archive.is_abandoned() => {
                // Packing it has ended, and tells why.
                task.leave();
                Err(Stop)
            }
            Err(error) => Err(self.give_up(task, &error)),
        }
    }

    pub(super) fn verify_archive(&self, server: &Server, sent: Sent, archive: &Spool) -> Result<Connection, Stop> {
        let task = self.journal.begin(Task::VerifyArchive);
        let name = self.archive_name();
        let (delivery, connection) = match sent {
            Sent::AlreadyThere(connection) => (Delivery::AlreadyThere, connection),
            Sent::Part { is_resumed } => {
                let published = match self.verify_and_publish(server, &name, archive) {
                    Err(error @ DestinationError::Different { .. }) if is_resumed => {
                        tracing::info!(
                            "not all that was sent before the link broke is there, sending it again: {error}"
                        );
                        self.send_again(server, &name, archive)
                            .and_then(|()| self.verify_and_publish(server, &name, archive))
                    }
                    other => other,
                };
                match published {
                    Ok(published) => published,
                    Err(error) => {
                        self.journal.info(Task::VerifyArchive, "sent, but not verified: the archive is not published");
                        return Err(self.give_up(task, &error));
                    }
                }
            }
        };
        self.journal.record().lock().delivery = Some(delivery);
        let how = match delivery {
            Delivery::Sent => "read back over a new connection and published",
            Delivery::Replaced => "read back over a new connection; it has replaced an archive with other bytes",
            Delivery::AlreadyThere => "read back where it lies",
        };
        let rate = at_rate(self.size_of(archive), task.elapsed());
        task.done(&format!("{name}: {how}{rate}"));
        Ok(connection)
    }

    fn verify_and_publish(
        &self,
        server: &Server,
        name: &str,
        archive: &Spool,
    ) -> Result<(Delivery, Connection), DestinationError> {
        let naming = self.config.naming();
        let part = naming.part(name);
        let bar = || self.progress.bar("Verify", Some(self.size_of(archive)));
        let read_back = ReadBack::new(server, archive, &part)?;
        server.expect_transfer(self.size_of(archive));
        let ((), connection) = server.with_connection("verifying the archive", None, |connection| {
            read_back.run(server, connection, &bar()).inspect_err(|error| {
                if matches!(error, DestinationError::Different { .. })
                    && let Err(error) = connection.remove(&part)
                {
                    tracing::debug!("{part:?} could not be removed at once ({error}); the next run does it");
                }
            })
        })?;
        let (published, connection) =
            server.with_connection("publishing the archive", Some(connection), |connection| {
                destination::publish(server, connection, &naming, name, archive, &bar())
            })?;
        let delivery = match published {
            Published::New => Delivery::Sent,
            Published::Replacement => Delivery::Replaced,
        };
        Ok((delivery, connection))
    }

    fn send_again(&self, server: &Server, name: &str, archive: &Spool) -> Result<(), DestinationError> {
        let (part, size) = (self.config.naming().part(name), self.size_of(archive));
        let mut upload = Upload::new(server, archive, Some(size), &part);
        let ((), connection) = server.with_connection("sending the archive", None, |connection| {
            upload.run(server, connection, &connection.list()?, &self.progress.bar("Send", Some(size)))
        })?;
        goodbye(connection);
        Ok(())
    }

    pub(super) fn size_of(&self, archive: &Spool) -> u64 {
        archive.extent().map_or(0, |extent| extent.written)
    }

    /// Removal is the last task and fails no run: what cannot be removed tonight is a warning.
    pub(super) fn remove_expired(&self, delivered: Delivered) {
        let task = self.journal.begin(Task::RemoveExpired);
        fault_point("removing");
        let plan = match self.plan_removal(&delivered) {
            Ok(plan) => plan,
            Err(error) => {
                task.warned(&format!("nothing was removed: {}", told(&error)));
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
                        let text = format!("{name} ({}) could not be removed: {}", decision.reason, told(&error));
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
        let Delivered { freshness, clock_difference, archive_size, connection } = delivered;
        let naming = self.config.naming();
        let listing = if self.dry_run {
            for (old, archive) in retention::to_put_back(&connection.list()?, &naming) {
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
            let listing = destination::put_back(connection, &naming)?;
            self.note_folder(connection, &listing);
            listing
        };
        let suspicion = self.config.alarm.zip(*archive_size).and_then(|(bounds, size)| {
            let history = history::archives(&listing, &naming, self.today);
            alarm::suspicion(bounds, self.today, size, &history)
        });
        let circumstances = Circumstances { today: self.today, clock_difference: *clock_difference, suspicion };
        Ok(retention::plan(&listing, &naming, self.config.retention, circumstances))
    }

    /// The directory as it would be once every replaced archive without successor had its name back.
    fn list_as_if_put_back(&self, connection: &Connection) -> Result<Vec<Entry>, DestinationError> {
        let mut listing = connection.list()?;
        for (old, archive) in retention::to_put_back(&listing, &self.config.naming()) {
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

/// Ends a connection politely; if that fails, it ends all the same.
fn goodbye(connection: Connection) {
    if let Err(error) = connection.close() {
        tracing::debug!("{}", told(&error));
    }
}
