//! Tasks 6 to 8: send the archive to the SFTP server.

use crate::destination::{
    Connection, Delivery, DestinationError, Durability, Published, Replaced, Sent, SentState, Server, Verified,
};
use crate::pipeline::job::{Arrival, Job, Stop};
use crate::record::journal::Journal;
use crate::record::run_record::{Delivery as Outcome, NOT_KNOWN_YET};
use crate::record::task::Task;
use crate::rules::archive_name::{is_encrypted, restore_option};
use crate::rules::listing::{Entry, Kind, unfinished_replacements};
use crate::rules::units;
use crate::runtime::failpoint::failpoint;

impl Job {
    pub(super) fn connect(&self, server: &Server) -> Result<Connection, Stop> {
        let task = self.journal.begin(Task::ConnectToSftp);
        let connected = server.connect();
        // Even if connecting failed, known_hosts may now contain the key, so later runs would not report it.
        report_first_contact(&self.journal, server, self.dry_run);
        match connected {
            Ok(connection) => {
                task.done(&format!("{} at {}", self.config.sftp.username, server.address()));
                Ok(connection)
            }
            Err(error) => Err(self.fail(task, &error)),
        }
    }

    /// Reports the effect of sending, without changing anything.
    pub(super) fn dry_run_send(&self, connection: &Connection) -> Result<(), Stop> {
        let (name, directory) = (self.archive_name(), &self.config.sftp.directory);
        let occupant = self
            .describe_occupant(connection, &name)
            .map_err(|error| self.fail(self.journal.begin(Task::SendArchive), &error))?;
        self.journal.skip(Task::SendArchive, &format!("{name} would be sent to {directory}, where {occupant}"));
        Ok(())
    }

    /// Describes the file that has the final name `name`, or would be put back under it.
    fn describe_occupant(&self, connection: &Connection, name: &str) -> Result<String, DestinationError> {
        let listing = connection.list()?;
        let naming = self.config.naming();
        let put_back = unfinished_replacements(&listing, &naming)
            .into_iter()
            .find(|(_, archive)| naming.archive.date_of(archive) == Some(self.today));
        let names = put_back.map_or(naming.file_names(self.today), |(old, _)| vec![old]);
        let entry = names.iter().find_map(|name| listing.iter().find(|entry| entry.name == *name));
        let Some(Entry { name: current, kind, size, .. }) = entry else {
            return Ok("nothing has that name yet".to_owned());
        };
        if *kind != Kind::File {
            return Err(DestinationError::NotAFile(current.clone()));
        }
        if self.belongs_to_other_job(connection, current)? {
            return Err(DestinationError::OtherJobsArchive(current.clone()));
        }
        let size = of_size(*size);
        if is_encrypted(current) != is_encrypted(name) {
            return Ok(format!("an archive{size} of the same date would be set aside and replaced: {current}"));
        }
        Ok(format!(
            "an archive{size} already has that name: it would be kept if it has the same content, otherwise set aside and \
             replaced"
        ))
    }

    pub(super) fn send_archive(
        &self,
        delivery: &Delivery<'_>,
        connection: Connection,
        expected_size: Option<u64>,
    ) -> Result<Sent, Stop> {
        let task = self.journal.begin(Task::SendArchive);
        failpoint("sending");
        match delivery.send(connection, expected_size) {
            Ok(sent) => {
                match &sent.state {
                    SentState::AlreadyThere(_) => {
                        let same = if is_encrypted(delivery.name) { "content" } else { "bytes" };
                        task.done(&format!("{} is already there, with the same {same}", delivery.name));
                    }
                    SentState::Uploaded { upload, .. } => {
                        let (size, over) = (delivery.size(), units::count(upload.connections(), "connection"));
                        let rate = units::rate_suffix(size, task.elapsed());
                        task.done(&format!("{} as {}{rate} over {over}", units::size(size), upload.name()));
                    }
                }
                Ok(sent)
            }
            Err(_) if delivery.spool.is_abandoned() => {
                // Packing has failed and reports the error.
                task.leave_unfinished();
                Err(Stop)
            }
            Err(error) => {
                if matches!(error, DestinationError::OtherJobsArchive(_)) {
                    self.journal.set_name_taken();
                }
                Err(self.fail(task, &error))
            }
        }
    }

    pub(super) fn verify_archive(&self, delivery: &Delivery<'_>, sent: Sent) -> Result<Arrival, Stop> {
        let task = self.journal.begin(Task::VerifyArchive);
        let Verified { published, connection, durability, free, has_foreign_checksum, listing } =
            match delivery.verify_and_publish(sent.state) {
                Ok(verified) => verified,
                Err(error) => {
                    self.journal.info(Task::VerifyArchive, "sent, but not verified: the archive is not published");
                    return Err(self.fail(task, &error));
                }
            };
        let (outcome, how, replaced) = match published {
            Published::New => (Outcome::Sent, "read back and published", None),
            Published::Replacement(replaced) => {
                let how = "read back; it replaced an archive with different bytes";
                (Outcome::Replaced, how, Some(replaced))
            }
            Published::AlreadyThere => (Outcome::AlreadyThere, "read back under its final name", None),
        };
        self.journal.set_delivery(outcome);
        let (name, size) = (delivery.name, delivery.size());
        if let Some(replaced) = &replaced {
            self.report_replaced(replaced);
        }
        if has_foreign_checksum {
            let text = format!(
                "{name} has no checksum file, because another program has written the file with its name; move that file away"
            );
            self.journal.warn(Task::VerifyArchive, &text);
        }
        let is_unsynced = durability.is_some_and(|durability| self.report_durability(name, &durability));
        task.done(&format!("{name}: {how}"));
        let (archive_size, cleared) = (Some(size), sent.cleared);
        Ok(Arrival { connection, archive_size, cleared, replaced, is_unsynced, free, listing })
    }

    fn report_replaced(&self, Replaced { name, set_aside_as, size }: &Replaced) {
        let (size, date) = (of_size(*size), self.today);
        let is_same_form = *name == self.archive_name();
        let what = if is_same_form { "different content already had" } else { "the same date had" };
        self.journal.warn(
            Task::VerifyArchive,
            &format!(
                "an archive{size} with {what} the name {name}: it is kept as {set_aside_as}. To restore its dump, use restore \
                 {} --date {date}",
                restore_option(set_aside_as)
            ),
        );
    }

    /// Reports whether the archive `name` is on the server's disk. Returns whether the server failed to sync it.
    fn report_durability(&self, name: &str, durability: &Durability) -> bool {
        match durability {
            Durability::Synced => {}
            Durability::NotOffered => {
                tracing::info!("the server cannot confirm that {name} is on its disk (no fsync@openssh.com)");
            }
            Durability::Failed(why) => self.journal.warn(
                Task::VerifyArchive,
                &format!("the server failed to sync {name} to its disk ({why}); check that disk and its free space"),
            ),
        }
        matches!(durability, Durability::Failed(_))
    }
}

/// Reports the fingerprint of a new host key, once.
pub(super) fn report_first_contact(journal: &Journal, server: &Server, dry_run: bool) {
    let Some(fingerprint) = server.new_fingerprint() else { return };
    if !journal.set_new_host_key(fingerprint) {
        return;
    }
    let trust = if dry_run { NOT_KNOWN_YET } else { "is trusted from now on" };
    let text = format!("first contact: the host key {fingerprint} {trust}; verify it on the server");
    journal.info(Task::ConnectToSftp, &text);
}

/// " of 12 MiB", if the size is known.
fn of_size(size: Option<u64>) -> String {
    size.map(|size| format!(" of {}", units::size(size))).unwrap_or_default()
}
