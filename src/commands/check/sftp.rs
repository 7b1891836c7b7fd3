//! The SFTP server, from its name to a small file that is written, renamed and removed there.

use std::path::Path;
use std::time::Duration;

use indicatif::HumanBytes;

use super::source::named;
use super::{Check, Expected};
use crate::archive::origin;
use crate::destination::{self, Connection, DestinationError, Durability, Login, Server, Trust};
use crate::disk;
use crate::error_chain::told;
use crate::lock::{Lock, LockError};
use crate::report::message::findings::Finding;
use crate::report::message::shell_word;
use crate::rules::dump::base_name;
use crate::rules::history;
use crate::rules::inventory;
use crate::rules::other_pattern::{self, OtherPattern};
use crate::rules::redaction::printable;
use crate::rules::retention::{self, Action, Circumstances, Entry, Plan, Reason};
use crate::run_record::NOT_KNOWN_YET;

/// The steps to the directory, in their order, as findings name them.
const STEPS: [&str; 5] = ["name", "connection", "host key", "login", "directory"];

/// Looks at all of it.
pub(super) fn look(check: &Check<'_>, expected: Expected) {
    let site = check.site;
    // known_hosts stays as it is.
    let server = Server::new(&site.config.sftp, &site.interrupt, &check.once(), false);
    let waiting = check.waiting("connecting to the SFTP server");
    let connected = server.connect();
    drop(waiting);
    let failed_at = connected.as_ref().err().map(step);
    for what in STEPS.iter().take_while(|what| Some(**what) != failed_at) {
        reached(check, &server, what);
    }
    match connected {
        Ok(connection) => in_directory(check, &server, &connection, expected),
        Err(error) => {
            // Where it is a folder or a login that is wrong, the key is known by now.
            check.tell(Finding::failed(step(&error), told(&error)));
            check.tell(Finding::skipped("writing", "not tried: the directory was not reached"));
        }
    }
}

/// At which step `error` ended the way to the directory.
fn step(error: &DestinationError) -> &'static str {
    match error {
        DestinationError::UnknownHost { .. } => "name",
        DestinationError::Connection { .. } | DestinationError::Handshake { .. } => "connection",
        DestinationError::KnownHosts { .. } | DestinationError::HostKey(_) => "host key",
        DestinationError::Authentication { .. }
        | DestinationError::NoCredential { .. }
        | DestinationError::NoSftp { .. } => "login",
        _ => "directory",
    }
}

/// Tells of a step that went well.
fn reached(check: &Check<'_>, server: &Server, what: &'static str) {
    let sftp = &check.site.config.sftp;
    match what {
        "name" => match server.addresses() {
            Ok(addresses) => check.tell(Finding::good(what, named(&sftp.host, &addresses))),
            Err(error) => check.tell(Finding::failed(what, told(&error))),
        },
        "connection" => check.tell(Finding::good(what, format!("port {} answers", sftp.port))),
        "host key" => host_key(check, server),
        "login" => {
            let how = match server.login() {
                Some(Login::Key) => "with sftp.private_key",
                Some(Login::Agent) => {
                    let text = format!("{}, with a key of the running agent", sftp.username);
                    let fix = "set sftp.private_key if cron starts the runs: it has no agent";
                    return check.tell(Finding::warning(what, text, fix));
                }
                Some(Login::Password) => "with sftp.password",
                Some(Login::KeyAndPassword) => "with sftp.private_key and sftp.password",
                None => "without a proof",
            };
            check.tell(Finding::good(what, format!("{}, {how}", sftp.username)));
        }
        _ => {}
    }
}

fn host_key(check: &Check<'_>, server: &Server) {
    let sftp = &check.site.config.sftp;
    let Some(key) = server.host_key() else { return };
    let shown = format!("{} {}", key.algorithm, key.fingerprint);
    let file = &sftp.known_hosts;
    let is_first = key.trust == Trust::First;
    check.tell(match key.trust {
        Trust::Known(place) => {
            Finding::good("host key", format!("{shown}, known from line {} of {}", place.line, place.file.display()))
        }
        Trust::Pinned => Finding::good("host key", format!("{shown}, the one that sftp.host_key pins")),
        Trust::First => Finding::warning(
            "host key",
            format!("{shown} {NOT_KNOWN_YET}"),
            "compare it with the server's own, and best set sftp.host_key to it",
        ),
    });
    if is_first && let Err(error) = disk::check_writable(&nearest(file)) {
        let text = format!("known_hosts ({}) cannot be written: {error}", file.display());
        check.tell(Finding::failed("host key", text).with_fix("make it writable: the first run adds the key to it"));
    }
}

/// `file`, or the first folder above it that would have to be made.
fn nearest(file: &Path) -> std::path::PathBuf {
    let missing = file.ancestors().take_while(|path| path.parent().is_some_and(|parent| !parent.exists()));
    missing.last().and_then(Path::parent).unwrap_or(file).to_owned()
}

fn in_directory(check: &Check<'_>, server: &Server, connection: &Connection, expected: Expected) {
    let waiting = check.waiting("listing the archives");
    let listing = connection.list();
    drop(waiting);
    match &listing {
        Ok(listing) => {
            contents(check, listing, expected);
            names(check, listing, connection);
        }
        Err(error) => check.tell(Finding::failed("directory", told(error))),
    }
    let free = write(check, server).or_else(|| connection.free_space());
    check.tell(space(free, expected));
    if let Ok(round_trip) = connection.round_trip() {
        check.tell(connections(server, round_trip, expected));
    }
}

/// Has a small file go through what an archive has to go through; gives how much is free there, if that came out.
fn write(check: &Check<'_>, server: &Server) -> Option<u64> {
    let config = &check.site.config;
    if matches!(Lock::probe(&check.file, &config.id, &config.archive.work_directory), Err(LockError::Held(_))) {
        check.tell(Finding::skipped("writing", "not tried: the run that is under way shows it"));
        return None;
    }
    let waiting = check.waiting("writing a small file");
    let trial = destination::try_writing(server, &config.naming());
    drop(waiting);
    let trial = match trial {
        Ok(trial) => trial,
        Err(error) => {
            check.tell(Finding::failed("writing", told(&error)));
            return None;
        }
    };
    check.tell(match (trial.written, trial.durability) {
        (Err(error), _) => Finding::failed("writing", told(&error)),
        (Ok(()), Durability::Synced) => {
            Finding::good("writing", "a small file was created, written, synced to the disk and renamed")
        }
        (Ok(()), Durability::NotOffered) => Finding::good(
            "writing",
            "a small file was created, written and renamed; the server does not say when a file is on its disk",
        ),
        (Ok(()), Durability::Failed(why)) => Finding::warning(
            "writing",
            format!(
                "a small file was created, written and renamed, but the server failed to sync it to its disk: {why}"
            ),
            "check that disk and its free space: while this lasts, each run warns and nothing is removed",
        ),
    });
    if let Some((name, error)) = trial.left {
        check.tell(Finding::warning(
            "removing",
            format!("the small file {} stays: {}", printable(&name), told(&error)),
            "let this user remove files there: else expired archives stay too, with a warning each night",
        ));
    } else {
        check.tell(Finding::good("removing", "the small file is gone again"));
    }
    trial.free
}

/// What lies in the directory, and whether it holds removal back.
fn contents(check: &Check<'_>, listing: &[Entry], expected: Expected) {
    let config = &check.site.config;
    let (naming, today) = (config.naming(), check.today());
    let archives = history::archives(listing, &naming, today);
    let clock_difference = expected.clock_difference;
    let server_now = Some(retention::server_now(None, check.site.started.to_utc(), clock_difference));
    let circumstances = Circumstances { clock_difference, server_now, ..Circumstances::on(today) };
    let plan = inventory::plan_of_next_run(listing, &naming, config.retention, circumstances);
    let mut text = format!("{}: {}", config.sftp.directory, count(archives.len(), "archive"));
    if let Some(newest) = archives.last() {
        let all = archives.iter().filter_map(|archive| archive.size).sum();
        text.push_str(&format!(", {}, the newest {}", HumanBytes(all), printable(&newest.name)));
    }
    text.push_str(&others(&plan));
    check.tell(Finding::good("directory", text));
    if let Some(why) = &plan.held_back {
        // The reason says what to do.
        let finding = Finding::warning("removal", format!("would be held back: {why}"), "");
        check.tell(Finding { fix: None, ..finding });
    }
}

/// Whether the archives and the dump in the newest one have the names that the configuration gives them now.
fn names(check: &Check<'_>, listing: &[Entry], connection: &Connection) {
    let config = &check.site.config;
    if let Some(OtherPattern { count: number, example, pattern }) = other_pattern::find(listing, &config.archive.name) {
        let such = pattern.as_ref().map(|pattern| format!(" ({pattern:?})")).unwrap_or_default();
        let text = format!(
            "archive.name seems to have been changed: {} named after another pattern{such}, such as {example:?}: retention \
             neither counts nor removes them, and list, verify and restore do not find them",
            count(number, "file")
        );
        let back = pattern.map(|pattern| format!("set archive.name to {pattern:?} again, or ")).unwrap_or_default();
        let fix = format!(
            "if another job delivers here, leave its files alone; else {back}rename those files as archive.name says, or \
             move them away"
        );
        check.tell(Finding::warning("archive names", text, fix));
    }
    let archives = history::archives(listing, &config.naming(), check.today());
    let Some(newest) = archives.last() else { return };
    let wanted = base_name(&config.source.dump);
    let beginning = connection.beginning(&newest.name);
    // `verify` reports what is wrong with an archive that does not show a name.
    let origin = beginning.map(|bytes| origin(&bytes)).unwrap_or_default();
    if newest.date == check.today() && origin.is_of_another_job(&config.source.mark(), &config.source.dump) {
        check.tell(Finding::failed("archive", DestinationError::OfAnotherJob(newest.name.clone()).to_string()));
    }
    const OTHER_JOB: &str =
        "if another job delivers to this folder, give one of them another archive.name or sftp.directory";
    if let Some(held) = origin.dump.filter(|held| held != wanted) {
        let text = format!("{}, the newest archive, holds {held:?}, and source.dump names {wanted:?}", newest.name);
        let fix = format!(
            "if the dump was renamed, restore and verify reach the older archives with --dump {}; {OTHER_JOB}; else correct \
             source.dump",
            shell_word(&held)
        );
        check.tell(Finding::warning("dump name", text, fix));
    } else if origin.mark.is_some_and(|mark| mark != config.source.mark()) {
        let text = format!("{}, the newest archive, was made from another source.url or source.dump", newest.name);
        check.tell(Finding::warning("archive", text, OTHER_JOB));
    }
}

/// ", 1 leftover, 2 other files": what else lies there.
fn others(plan: &Plan) -> String {
    let reason = |reason: &Reason| match reason {
        Reason::HeldBack(reason) => (**reason).clone(),
        other => other.clone(),
    };
    let is_leftover = |it: &Reason| {
        matches!(
            reason(it),
            Reason::UnfinishedUpload | Reason::OtherUpload | Reason::AbandonedUpload { .. } | Reason::AwaitsItsName
        )
    };
    let is_replaced =
        |it: &Reason| matches!(reason(it), Reason::Replaced | Reason::ReplacedLately | Reason::SetAside { .. });
    let leftovers = plan.decisions.iter().filter(|decision| is_leftover(&decision.reason)).count();
    let foreign = plan.decisions.iter().filter(|decision| decision.reason == Reason::Foreign).count();
    let replaced = plan.decisions.iter().filter(|decision| is_replaced(&decision.reason)).count();
    let is_expired = |reason: &Reason| !is_leftover(reason) && !is_replaced(reason);
    let expired = plan.decisions.iter().filter(|it| it.action == Action::Remove && is_expired(&it.reason)).count();
    [
        (replaced, "replaced archive"),
        (expired, "expired archive"),
        (leftovers, "leftover of an earlier run"),
        (foreign, "other name"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, thing)| format!(", {}", count(number, thing)))
    .collect()
}

fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    match thing.split_once(' ') {
        Some((first, rest)) if first == "leftover" => format!("{number} {first}{plural} {rest}"),
        _ => format!("{number} {thing}{plural}"),
    }
}

fn space(free: Option<u64>, expected: Expected) -> Finding {
    match (free, expected.size) {
        (None, _) => Finding::skipped("space", "the server does not tell how much is free"),
        (Some(free), Some(needed)) if free < needed => {
            let text = format!("{} free, the archive needs about {}", HumanBytes(free), HumanBytes(needed));
            Finding::failed("space", text).with_fix("make room on the server, or raise the quota there")
        }
        (Some(free), Some(needed)) => {
            Finding::good("space", format!("{} free, about {} needed", HumanBytes(free), HumanBytes(needed)))
        }
        (Some(free), None) => Finding::good("space", format!("{} free", HumanBytes(free))),
    }
}

fn connections(server: &Server, round_trip: Duration, expected: Expected) -> Finding {
    let number = server.connections_for(expected.size.unwrap_or(u64::MAX));
    let what = if expected.size.is_some() { "tonight's archive" } else { "a large archive" };
    let over = if number == 1 { "one connection".to_owned() } else { format!("{number} connections") };
    let milliseconds = round_trip.as_secs_f64() * 1000.0;
    Finding::good("line", format!("round trip of {milliseconds:.1} ms: {what} goes over {over}"))
}
