//! `prune`: applies retention by itself, for runs whose credentials may not remove files.

use chrono::{DateTime, FixedOffset, TimeDelta};

use crate::archive;
use crate::config::ReadBack;
use crate::destination::{Connection, Server};
use crate::pipeline::removal::Removal;
use crate::pipeline::to_destination::report_first_contact;
use crate::record::journal::Journal;
use crate::record::task::Task;
use crate::rules::alarm;
use crate::rules::listing::{self, Entry};
use crate::rules::retention::Circumstances;
use crate::rules::retention::reason::RemovalHold;
use crate::rules::retention::server_clock::server_now;
use crate::runtime::error_chain::with_causes;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::retry::Retry;

pub struct Prune {
    pub config: ReadBack,
    /// In the job's zone.
    pub started: DateTime<FixedOffset>,
    pub dry_run: bool,
    pub journal: Journal,
    pub interrupt: Interrupt,
    pub retry: Retry,
}

impl Prune {
    /// Connects, and removes what the same plan as that of task 9 of a run names. Its results are in the record.
    ///
    /// Without a delivery and a web server, this machine's clock stands for the server's. That is safe: ages are those in the
    /// names, relative to the newest archive, so this clock expires none; it only decides how long a later modification time
    /// protects an archive, and an upload of another machine. A clock that is behind would ignore such a time as one of the
    /// future: an archive written more than a day ahead holds removal back.
    pub fn run(&self) {
        let task = self.journal.begin(Task::ConnectToSftp);
        let server = Server::new(&self.config.sftp, &self.interrupt, &self.retry, !self.dry_run);
        let listed = server.with_connection("listing the archives", None, |connection| connection.list());
        report_first_contact(&self.journal, &server, self.dry_run);
        match listed {
            Ok((listing, connection)) => {
                task.done(&format!("{} at {}", self.config.sftp.username, server.address()));
                self.remove(connection, &listing);
            }
            Err(error) if self.interrupt.check().is_err() => task.stopped(&with_causes(&error)),
            Err(error) => task.failed(&with_causes(&error)),
        }
    }

    fn remove(&self, connection: Connection, listing: &[Entry]) {
        let task = self.journal.begin(Task::RemoveExpired);
        let (config, today, now) = (&self.config, self.started.date_naive(), self.started.to_utc());
        let belongs_to_other_job = |beginning: &[u8]| {
            let is_foreign = |(mark, dump): &(_, String)| archive::origin(beginning).belongs_to_another_job(mark, dump);
            config.origin.as_ref().is_some_and(is_foreign)
        };
        let removal = Removal {
            journal: &self.journal,
            interrupt: &self.interrupt,
            naming: &config.naming,
            policy: config.retention,
            belongs_to_other_job: &belongs_to_other_job,
            dry_run: self.dry_run,
        };
        let archives = listing::archives(listing, &config.naming, today);
        let newest = archives.last();
        let suspicion = config
            .alarm
            .zip(newest)
            .and_then(|(bounds, newest)| alarm::compare_with_earlier(bounds, newest.date, newest.size?, &archives));
        let circumstances = Circumstances {
            suspicion,
            delivered: newest.map(|newest| newest.date),
            server_now: Some(server_now(None, now, None)),
            ..Circumstances::on(today)
        };
        let ahead = archives.iter().filter_map(|archive| archive.modified).max().map(|latest| latest - now);
        match removal.plan(&connection, listing, circumstances) {
            Ok(plan) => {
                let plan = match ahead.filter(|ahead| *ahead > TimeDelta::days(1)) {
                    Some(ahead) => plan.hold_back(RemovalHold::WrittenAhead { hours: ahead.num_hours() }),
                    None => plan,
                };
                removal.carry_out(task, connection, plan);
            }
            Err(error) => task.failed(&format!("nothing was removed: {}", with_causes(&error))),
        }
    }
}
