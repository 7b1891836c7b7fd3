//! Records of runs, for tests.

mod history;

use std::time::Duration;

use chrono::{DateTime, NaiveDate};
pub(crate) use history::{delivered_with_history, stale_with_history, unreachable_web_server};

use crate::record::run_record::{ArchiveFacts, Delivery, DumpFacts, Level, NotBegun, RunRecord, State};
use crate::record::task::Task;
use crate::rules::redaction::Redaction;
use crate::rules::retention::keeping::Rule;
use crate::rules::retention::reason::{Reason, RemovalHold};
use crate::rules::retention::{Action, Decision, Plan};

/// Each kind of run, with the name of its snapshot and picture.
pub(crate) fn all() -> [(&'static str, RunRecord); 9] {
    [
        ("good", delivered_with_history()),
        ("warned", history::warned()),
        ("held_back", held_back_removal()),
        ("stale", stale_with_history()),
        ("failed", unreachable_web_server()),
        ("refused_login", history::refused_login()),
        ("first", history::first()),
        ("fourth", history::fourth()),
        ("hostile", hostile()),
    ]
}

pub(crate) fn started() -> RunRecord {
    let mut record = RunRecord::new(
        "20261123-230000-4711".to_owned(),
        "db1".to_owned(),
        NaiveDate::from_ymd_opt(2026, 11, 23).unwrap(),
        DateTime::parse_from_rfc3339("2026-11-23T23:00:00+01:00").unwrap(),
        Redaction::default(),
    );
    record.name = "backup".to_owned();
    record
}

fn done(record: &mut RunRecord, task: Task, text: &str, milliseconds: u64) {
    record.begin(task);
    record.end(task, State::Done, text, Some(Duration::from_millis(milliseconds)));
}

fn connected() -> RunRecord {
    let mut record = started();
    record.duration = Duration::from_millis(2_449);
    done(&mut record, Task::ReadConfiguration, "/etc/scripting-system/config.json", 3);
    done(&mut record, Task::RequestZip, "12.60 MiB at https://www.example.org/dump.zip, read in parts", 812);
    record.received = Some(13_212_057);
    done(&mut record, Task::FindDump, "backup/dump.sql, 62.00 MiB", 4);
    record.dump = Some(DumpFacts {
        name: "backup/dump.sql".to_owned(),
        size: 65_011_712,
        modified: Some(DateTime::parse_from_rfc3339("2026-11-23T22:58:04+01:00").unwrap()),
    });
    record
}

fn decision(name: &str, action: Action, reason: Reason) -> Decision {
    Decision { name: name.to_owned(), action, reason }
}

fn recent(age: i64) -> Reason {
    Reason::Kept { age, rules: vec![Rule::Age] }
}

/// Delivered; one archive was removed.
pub(crate) fn delivered() -> RunRecord {
    let mut record = connected();
    done(&mut record, Task::CompareDates, "fresh: modified 23 Nov 2026", 0);
    done(&mut record, Task::PackArchive, "20262311.tgz, 12.50 MiB", 540);
    record.archive = Some(ArchiveFacts {
        name: "20262311.tgz".to_owned(),
        size: 13_107_200,
        sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
    });
    done(&mut record, Task::ConnectToSftp, "backup at sftp.example.org:22", 95);
    done(&mut record, Task::SendArchive, "12.50 MiB as .20262311.tgz.4be1c2f0.part", 610);
    done(&mut record, Task::VerifyArchive, "20262311.tgz: read back and published", 322);
    record.delivery = Some(Delivery::Sent);
    done(&mut record, Task::RemoveExpired, "1 removed, 3 archives kept", 20);
    record.removed = 1;
    record.retention = Some(Plan {
        reference: NaiveDate::from_ymd_opt(2026, 11, 23),
        held_back: None,
        decisions: vec![
            decision("20261211.tgz", Action::Remove, Reason::Expired { age: 11 }),
            decision("20262111.tgz", Action::Keep, recent(2)),
            decision("20262311.tgz", Action::Keep, recent(0)),
            decision("20262411.tgz", Action::Keep, Reason::Future),
            decision("notes.txt", Action::Keep, Reason::Foreign),
        ],
    });
    done(&mut record, Task::CleanUp, "removed temporary files and closed connections", 1);
    record.begin(Task::Report);
    record
}

/// The dump is from yesterday, and an expired archive could not be removed.
pub(crate) fn stale() -> RunRecord {
    let mut record = connected();
    let yesterday = DateTime::parse_from_rfc3339("2026-11-22T22:58:04+01:00").unwrap();
    record.dump.as_mut().unwrap().modified = Some(yesterday);
    record.begin(Task::CompareDates);
    let stale = "stale: modified 22 Nov 2026, which is 1 day before today";
    record.end(Task::CompareDates, State::Warned, stale, Some(Duration::ZERO));
    record.end(Task::PackArchive, State::Skipped, "the dump is stale", None);
    done(&mut record, Task::ConnectToSftp, "backup at sftp.example.org:22", 95);
    record.end(Task::SendArchive, State::Skipped, "the dump is stale", None);
    record.end(Task::VerifyArchive, State::Skipped, "the dump is stale", None);
    record.begin(Task::RemoveExpired);
    record.note(Level::Warning, Task::RemoveExpired, "20261111.tgz could not be removed: permission denied");
    done(&mut record, Task::RemoveExpired, "1 removed, 1 archive kept", 20);
    record.removed = 1;
    record.retries = 2;
    record.retention = Some(Plan {
        reference: NaiveDate::from_ymd_opt(2026, 11, 22),
        held_back: None,
        decisions: vec![
            decision(".20260711.tgz.part", Action::Remove, Reason::UnfinishedUpload),
            decision("20261111.tgz", Action::Remove, Reason::Expired { age: 11 }),
            decision("20262211.tgz", Action::Keep, recent(0)),
        ],
    });
    done(&mut record, Task::CleanUp, "removed temporary files and closed connections", 1);
    record.begin(Task::Report);
    record
}

/// The ZIP holds hostile names, but not the dump.
pub(crate) fn hostile() -> RunRecord {
    let mut record = started();
    record.duration = Duration::from_secs(185);
    done(&mut record, Task::ReadConfiguration, "/etc/scripting-system/config.json", 3);
    record.begin(Task::RequestZip);
    record.note(Level::Warning, Task::RequestZip, "the server calls itself <b>Apache</b> & co");
    done(&mut record, Task::RequestZip, "12.60 MiB at https://www.example.org/dump.zip, read in parts", 90_812);
    record.received = Some(13_212_057);
    record.begin(Task::FindDump);
    let hostile = "the ZIP does not contain \"backup/dump.sql\"; it contains \"a|b\n| :white_check_mark: | x |\", \"@all\", \
                   \"<script>alert(1)</script>\", \"[click](http://example.org)\", \"\u{202e}gpj.exe\"";
    record.end(Task::FindDump, State::Failed, hostile, Some(Duration::from_millis(4)));
    for task in [Task::CompareDates, Task::PackArchive, Task::ConnectToSftp, Task::SendArchive, Task::VerifyArchive] {
        record.end(task, State::Stopped, "the dump was not found", None);
    }
    record.end(Task::RemoveExpired, State::Stopped, "nothing new was delivered", None);
    done(&mut record, Task::CleanUp, "removed temporary files and closed connections", 1);
    record.begin(Task::Report);
    record
}

/// As [`delivered`], but removal is held back because the clocks differ.
pub(crate) fn held_back_removal() -> RunRecord {
    let mut record = delivered();
    let reason = RemovalHold::ClockDiffers { hours: 49 };
    record.removed = 0;
    record.end(Task::RemoveExpired, State::Done, "0 removed, 4 archives kept; removal is held back", None);
    record.note(Level::Warning, Task::RemoveExpired, &format!("removal is held back: {reason}"));
    let plan = record.retention.as_mut().unwrap();
    plan.held_back = Some(reason);
    plan.decisions[0] = decision("20261211.tgz", Action::Keep, Reason::HeldBack(Box::new(Reason::Expired { age: 11 })));
    record
}

/// As [`delivered`], with `--dry-run`.
pub(crate) fn dry_run() -> RunRecord {
    let mut record = connected();
    record.dry_run = true;
    done(&mut record, Task::CompareDates, "fresh: modified 23 Nov 2026", 0);
    record.end(Task::PackArchive, State::Skipped, "dry run", None);
    done(&mut record, Task::ConnectToSftp, "backup at sftp.example.org:22", 95);
    let sending = "20262311.tgz would be sent to TSE-INFORX, where nothing has that name yet";
    record.end(Task::SendArchive, State::Skipped, sending, None);
    record.end(Task::VerifyArchive, State::Skipped, "dry run", None);
    record.begin(Task::RemoveExpired);
    record.note(Level::Info, Task::RemoveExpired, ".20262111.tgz.old would be put back as 20262111.tgz");
    done(&mut record, Task::RemoveExpired, "dry run: 1 would be removed, 3 archives kept", 20);
    record.retention = delivered().retention;
    done(&mut record, Task::CleanUp, "removed temporary files and closed connections", 1);
    record.end(Task::Report, State::Skipped, "dry run", None);
    record
}

/// Twelve jobs of one morning: one with a mistake, one failed, one stale, one locked, the others delivered.
pub(crate) fn jobs() -> Vec<RunRecord> {
    let not_begun = |why, problem: &str| {
        let mut record = started();
        record.not_begun = Some(why);
        record.note(Level::Error, Task::ReadConfiguration, problem);
        record
    };
    let mut jobs = vec![("blog", delivered_with_history())];
    let mistake = "/etc/scripting-system/jobs/crm.json: sftp.directory: is missing; write the folder on the server";
    jobs.push(("crm", not_begun(NotBegun::Misconfigured, mistake)));
    jobs.push(("forum", unreachable_web_server()));
    let locked = "another run with /etc/scripting-system/jobs/intranet.json is under way; this one ends";
    jobs.push(("intranet", not_begun(NotBegun::AlreadyRunning, locked)));
    jobs.extend(["mail", "media", "news", "planner"].map(|name| (name, delivered_with_history())));
    jobs.push(("shop", stale_with_history()));
    jobs.extend(["tickets", "wiki", "zoo"].map(|name| (name, delivered_with_history())));
    let named = |(index, (name, mut record)): (u64, (&str, RunRecord))| {
        record.name = name.to_owned();
        if let Some(archive) = &mut record.archive {
            archive.size = archive.size * (60 + 11 * index) / 100;
        }
        record
    };
    (0..).zip(jobs).map(named).collect()
}
