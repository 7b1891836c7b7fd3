//! Records of runs with a history of archives on the server, or without one.

use chrono::{Days, NaiveDate};

use crate::record::run_record::{ArchiveFacts, FolderFacts, Level, RunRecord, State};
use crate::record::task::Task;
use crate::report::message::samples;
use crate::report::message::samples::{decision, delivered, done, recent, stale};
use crate::rules::listing::DatedArchive;
use crate::rules::retention::reason::Reason;
use crate::rules::retention::{Action, Decision, Plan};

const MIB: u64 = 1024 * 1024;

fn archived(date: NaiveDate, size: u64) -> DatedArchive {
    DatedArchive { date, name: date.format("%Y%d%m.tgz").to_string(), size: Some(size), modified: None }
}

/// The archives of the 36 nights up to `newest` days before the run. Four are missing, and one has more than twice the
/// usual size.
fn folder(newest: u64) -> FolderFacts {
    let today = samples::started().today;
    let sizes = |age: u64| {
        let growth = 11 * MIB + (36 - age) * MIB / 24;
        let variation = [0, 310_000, 520_000, 190_000, 700_000, 40_000, 95_000][age as usize % 7];
        if age == 13 { 27 * MIB + 400_000 } else { growth + variation }
    };
    let exists = |age: &u64| !matches!(age, 9 | 20..=22);
    let archives: Vec<DatedArchive> =
        (newest..36).rev().filter(exists).map(|age| archived(today - Days::new(age), sizes(age))).collect();
    let complete_since = archives.first().map(|archive| archive.date);
    FolderFacts { archives, complete_since, free: Some(44_238_315_520) }
}

/// A plan that keeps all archives of `folder`, followed by the decisions `others`.
fn plan(folder: &FolderFacts, others: Vec<Decision>) -> Plan {
    let newest = folder.archives.last().unwrap().date;
    let kept = folder.archives.iter().map(|archive| {
        let age = (newest - archive.date).num_days();
        decision(&archive.name, Action::Keep, recent(age))
    });
    Plan { reference: Some(newest), held_back: None, decisions: kept.chain(others).collect() }
}

pub(crate) fn delivered_with_history() -> RunRecord {
    let mut record = delivered();
    let folder = folder(0);
    let newest = folder.archives.last().unwrap();
    record.archive =
        Some(ArchiveFacts { name: newest.name.clone(), size: newest.size.unwrap(), ..record.archive.take().unwrap() });
    record.received = newest.size.map(|size| size + 71_204);
    record.zip_size = Some(20_411_904);
    let expired = decision("20261810.tgz", Action::Remove, Reason::Expired { age: 36 });
    record.retention = Some(plan(&folder, vec![expired]));
    record.end(Task::RemoveExpired, State::Done, "1 removed, 32 archives kept", None);
    record.folder = Some(folder);
    record
}

/// As [`delivered_with_history`], but an expired archive could not be removed, and there were two retries.
pub(crate) fn warned() -> RunRecord {
    let mut record = delivered_with_history();
    record.begin(Task::RemoveExpired);
    let text = "20261810.tgz (expired, 36 days old) could not be removed: the server refused to remove \
                \"20261810.tgz\": permission denied";
    record.note(Level::Warning, Task::RemoveExpired, text);
    record.end(Task::RemoveExpired, State::Done, "0 removed, 32 archives kept", None);
    record.removed = 0;
    record.retries = 2;
    record
}

/// The dump is from yesterday and was delivered then.
pub(crate) fn stale_with_history() -> RunRecord {
    let mut record = stale();
    let folder = folder(1);
    let removals =
        record.retention.take().unwrap().decisions.into_iter().filter(|file| file.action == Action::Remove).collect();
    record.retention = Some(plan(&folder, removals));
    record.end(Task::RemoveExpired, State::Done, "1 removed, 31 archives kept", None);
    record.folder = Some(folder);
    record
}

/// The web server did not answer; the folder on the SFTP server was listed.
pub(crate) fn unreachable_web_server() -> RunRecord {
    let mut record = samples::started();
    record.duration = std::time::Duration::from_millis(94_210);
    done(&mut record, Task::ReadConfiguration, "/etc/scripting-system/config.json", 3);
    record.begin(Task::RequestZip);
    let text =
        "no answer from www.example.org within 30 s (source.timeout_seconds). Check that the web server is running";
    record.end(Task::RequestZip, State::Failed, text, Some(record.duration));
    stop_the_rest(&mut record, Task::FindDump);
    record.retries = 2;
    record.folder = Some(folder(3));
    record
}

/// The SFTP server refused the login, so that its folder is unknown.
pub(crate) fn refused_login() -> RunRecord {
    let mut record = delivered();
    record.begin(Task::ConnectToSftp);
    let text = "sftp.example.org:22 refused the login of \"backup\": the key is not accepted. Add the public key to \
                authorized_keys on the server";
    record.end(Task::ConnectToSftp, State::Failed, text, None);
    stop_the_rest(&mut record, Task::SendArchive);
    record.delivery = None;
    record.retention = None;
    record.removed = 0;
    record.folder = None;
    record.listing_error = Some("connecting to the SFTP server failed".to_owned());
    record
}

fn stop_the_rest(record: &mut RunRecord, first: Task) {
    for task in Task::ALL.into_iter().filter(|task| (first..Task::CleanUp).contains(task)) {
        record.end(task, State::Stopped, "an earlier task failed", None);
    }
    done(record, Task::CleanUp, "removed temporary files and closed connections", 0);
}

/// As [`delivered_with_history`], but with four archives, one much larger than the others.
pub(crate) fn fourth() -> RunRecord {
    let mut record = delivered_with_history();
    let folder = record.folder.as_mut().unwrap();
    folder.archives.drain(..folder.archives.len() - 4);
    folder.archives[1].size = Some(700 * MIB);
    folder.complete_since = folder.archives.first().map(|archive| archive.date);
    record.retention = Some(plan(folder, Vec::new()));
    record.removed = 0;
    record.end(Task::RemoveExpired, State::Done, "0 removed, 4 archives kept", None);
    record
}

/// The first archive on a server with an unknown host key.
pub(crate) fn first() -> RunRecord {
    let mut record = delivered();
    record.new_host_key = Some("SHA256:uNiVztksCsDhcc0u9e8BrwxXzXJ1cXH0Xz0oVZ0kzqE".to_owned());
    let archives = vec![archived(record.today, 13_107_200)];
    record.retention = Some(Plan {
        reference: Some(record.today),
        held_back: None,
        decisions: vec![decision("20262311.tgz", Action::Keep, recent(0))],
    });
    record.removed = 0;
    record.folder = Some(FolderFacts { archives, complete_since: Some(record.today), free: None });
    record
}
