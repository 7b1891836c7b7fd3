//! Checks the SFTP server: its name, the login, the folder, and writing, renaming and removing a small file.

use std::path::Path;
use std::time::Duration;

use crate::commands::check::checker::{Checker, Expected};
use crate::commands::check::findings::Finding;
use crate::commands::check::source::named;
use crate::destination::{self, Connection, DestinationError, Durability, Login, Server, Trust};
use crate::disk::lock::{Lock, LockError};
use crate::disk::space;
use crate::pipeline::origin;
use crate::record::run_record::NOT_KNOWN_YET;
use crate::rules::dump::base_name;
use crate::rules::dump_pattern::matches;
use crate::rules::listing::{self, Entry};
use crate::rules::other_pattern::{self, OtherPattern};
use crate::rules::redaction::{printable, shell_word};
use crate::rules::retention::keeping::Remover;
use crate::rules::retention::reason::Reason;
use crate::rules::retention::server_clock::server_now;
use crate::rules::retention::{Action, Circumstances, Plan};
use crate::rules::units::count;
use crate::rules::upload_method::Writing;
use crate::rules::{inventory, units};
use crate::runtime::error_chain::with_causes;

/// The steps to the folder, in order.
const STEPS: [&str; 5] = ["name", "connection", "host key", "login", "directory"];

pub(super) fn check_server(checker: &Checker<'_>, expected: Expected) {
    let context = checker.context;
    // known_hosts is not changed.
    let server = Server::new(
        &context.config.sftp,
        &context.interrupt,
        &checker.single_attempt(),
        (false, context.accounts.clone()),
    );
    let connected = checker.wait("connecting to the SFTP server", || server.connect());
    let failed_at = connected.as_ref().err().map(failed_step);
    for what in STEPS.iter().take_while(|what| Some(**what) != failed_at) {
        report_reached(checker, &server, what);
    }
    match connected {
        Ok(connection) => check_folder(checker, &server, &connection, expected),
        Err(error) => {
            checker.report(Finding::failed(failed_step(&error), with_causes(&error)));
            checker.report(Finding::skipped("writing", "not tested: the directory cannot be accessed"));
        }
    }
}

/// The step that failed with `error`.
fn failed_step(error: &DestinationError) -> &'static str {
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

fn report_reached(checker: &Checker<'_>, server: &Server, what: &'static str) {
    let sftp = &checker.context.config.sftp;
    match what {
        "name" => match server.addresses() {
            Ok(addresses) => checker.report(Finding::good(what, named(&sftp.host, &addresses))),
            Err(error) => checker.report(Finding::failed(what, with_causes(&error))),
        },
        "connection" => checker.report(Finding::good(what, format!("port {} answers", sftp.port))),
        "host key" => host_key(checker, server),
        "login" => {
            let how = match server.login() {
                Some(Login::Key) => "with sftp.private_key",
                Some(Login::Agent) => {
                    let text = format!("{}, with a key of the running agent", sftp.username);
                    let fix = "set sftp.private_key if cron starts the runs: it has no agent";
                    return checker.report(Finding::warning(what, text).with_fix(fix));
                }
                Some(Login::Password) => "with sftp.password",
                Some(Login::KeyAndPassword) => "with sftp.private_key and sftp.password",
                None => "without a credential",
            };
            checker.report(Finding::good(what, format!("{}, {how}", sftp.username)));
        }
        _ => {}
    }
}

fn host_key(checker: &Checker<'_>, server: &Server) {
    let sftp = &checker.context.config.sftp;
    let Some(key) = server.host_key() else { return };
    let shown = format!("{} {}", key.algorithm, key.fingerprint);
    let file = &sftp.known_hosts;
    let is_first = key.trust == Trust::First;
    checker.report(match key.trust {
        Trust::Known(place) => {
            Finding::good("host key", format!("{shown}, matches line {} of {}", place.line, place.file.display()))
        }
        Trust::Pinned => Finding::good("host key", format!("{shown}, pinned by sftp.host_key")),
        Trust::First => Finding::warning("host key", format!("{shown} {NOT_KNOWN_YET}"))
            .with_fix("verify it on the server; to be safe, set sftp.host_key to it"),
    });
    if is_first && let Err(error) = space::check_writable(&nearest_missing(file)) {
        let text = format!("known_hosts ({}) cannot be written: {error}", file.display());
        checker
            .report(Finding::failed("host key", text).with_fix("make it writable: the first run adds the key to it"));
    }
}

/// `file`, or the first folder above it that is missing.
fn nearest_missing(file: &Path) -> std::path::PathBuf {
    let missing = file.ancestors().take_while(|path| path.parent().is_some_and(|parent| !parent.exists()));
    missing.last().and_then(Path::parent).unwrap_or(file).to_owned()
}

fn check_folder(checker: &Checker<'_>, server: &Server, connection: &Connection, expected: Expected) {
    let listing = checker.wait("listing the archives", || connection.list());
    match &listing {
        Ok(listing) => {
            report_contents(checker, listing, expected);
            check_names(checker, listing, connection);
        }
        Err(error) => checker.report(Finding::failed("directory", with_causes(error))),
    }
    let trial = try_writing(checker, server);
    let (free, takes_several_writers) = trial.unwrap_or_default();
    checker.report(space(free.or_else(|| connection.free_space()), expected));
    if let Ok(round_trip) = connection.round_trip() {
        checker.report(connections(server, round_trip, expected, takes_several_writers));
    }
}

/// Writes, renames and removes a small file, as a run does with an archive. Returns the free bytes on the server, and whether
/// a file may have several writers, as far as they are known.
fn try_writing(checker: &Checker<'_>, server: &Server) -> Option<(Option<u64>, Option<bool>)> {
    let config = &checker.context.config;
    if matches!(Lock::probe(&checker.file, &config.id, &config.archive.work_directory), Err(LockError::Held(_))) {
        checker.report(Finding::skipped("writing", "not tried: a run is under way"));
        return None;
    }
    let naming = config.naming();
    let trial = checker.wait("writing a small file", || destination::try_writing(server, &naming));
    let trial = match trial {
        Ok(trial) => trial,
        Err(error) => {
            checker.report(Finding::failed("writing", with_causes(&error)));
            return None;
        }
    };
    checker.report(match (trial.written, trial.durability) {
        (Err(error), _) => Finding::failed("writing", with_causes(&error)),
        (Ok(()), Durability::Synced) => {
            Finding::good("writing", "a test file was created, written, synced to the disk and renamed")
        }
        (Ok(()), Durability::NotOffered) => Finding::good(
            "writing",
            "a test file was created, written and renamed; the server does not confirm that a file is on its disk",
        ),
        (Ok(()), Durability::Failed(why)) => Finding::warning(
            "writing",
            format!(
                "a test file was created, written and renamed, but the server failed to sync it to its disk: {why}"
            ),
        )
        .with_fix("check that disk and its free space: until then, each run warns and removes nothing"),
    });
    if let Some((name, error)) = trial.leftover {
        let text = format!("the small file {} could not be removed: {}", printable(&name), with_causes(&error));
        if config.retention.remover == Remover::Prune && matches!(error, DestinationError::Refused { .. }) {
            let text = format!("left to \"prune\", as this user may not remove files; {} remains", printable(&name));
            checker.report(Finding::good("removing", text));
            return Some((trial.free, trial.takes_several_writers));
        }
        let fix = "allow this user to remove files there: otherwise no run can remove expired archives, and each warns";
        checker.report(Finding::warning("removing", text).with_fix(fix));
    } else {
        checker.report(Finding::good("removing", "the test file was removed"));
    }
    Some((trial.free, trial.takes_several_writers))
}

/// Reports the contents of the folder, and whether they would hold removal back.
fn report_contents(checker: &Checker<'_>, listing: &[Entry], expected: Expected) {
    let config = &checker.context.config;
    let (naming, today) = (config.naming(), checker.today());
    let archives = listing::archives(listing, &naming, today);
    let clock_difference = expected.clock_difference;
    let server_now = Some(server_now(None, checker.context.started.to_utc(), clock_difference));
    let circumstances = Circumstances { clock_difference, server_now, ..Circumstances::on(today) };
    let plan = inventory::plan_next_run(listing, &naming, config.retention, circumstances);
    let mut text = format!("{}: {}", config.sftp.directory, units::count(archives.len(), "archive"));
    if let Some(newest) = archives.last() {
        let total = archives.iter().filter_map(|archive| archive.size).sum();
        text.push_str(&format!(", {}, newest {}", units::size(total), printable(&newest.name)));
    }
    text.push_str(&others(&plan));
    if config.retention.remover == Remover::Prune && plan.removals().next().is_some() {
        text.push_str("; what has expired is left to \"prune\"");
    }
    checker.report(Finding::good("directory", text));
    if let Some(why) = &plan.held_back {
        checker.report(Finding::warning("removal", format!("would be held back: {why}")));
    }
}

/// Checks whether the archives, and the dump in the newest one, are named as configured.
fn check_names(checker: &Checker<'_>, listing: &[Entry], connection: &Connection) {
    let config = &checker.context.config;
    if let Some(OtherPattern { count: number, example, pattern }) = other_pattern::find(listing, &config.archive.name) {
        let example_pattern = pattern.as_ref().map(|pattern| format!(" ({pattern:?})")).unwrap_or_default();
        let text = format!(
            "archive.name seems to have been changed: {} named after another pattern{example_pattern}, such as {example:?}: retention \
             neither counts nor removes them, and list, verify and restore do not find them",
            units::count(number, "file")
        );
        let back = pattern.map(|pattern| format!("set archive.name to {pattern:?} again, or ")).unwrap_or_default();
        let fix = format!(
            "if another job delivers here, leave its files alone; else {back}rename those files to match archive.name, or \
             move them to another folder"
        );
        checker.report(Finding::warning("archive names", text).with_fix(fix));
    }
    let archives = listing::archives(listing, &config.naming(), checker.today());
    let Some(newest) = archives.last() else { return };
    let dump = config.source.dump.on(newest.date);
    let expected = base_name(&dump);
    // `verify` reports archives whose beginning cannot be read.
    let origin = origin(connection, &config.naming(), &newest.name).unwrap_or_default();
    if newest.date == checker.today() && origin.belongs_to_another_job(&config.source.mark(), &dump) {
        let error = DestinationError::OtherJobsArchive(newest.name.clone());
        return checker.report(Finding::failed("archive", error.to_string()));
    }
    const OTHER_JOB: &str =
        "if another job delivers to this folder, give one of them another archive.name or sftp.directory";
    if let Some(name) = origin.dump.filter(|name| !matches(expected, name)) {
        let text =
            format!("{}, the newest archive, contains {name:?}, but source.dump names {expected:?}", newest.name);
        let fix = format!(
            "if the dump was renamed, restore and verify read the older archives with --dump {}; {OTHER_JOB}; else correct \
             source.dump",
            shell_word(&name)
        );
        checker.report(Finding::warning("dump name", text).with_fix(fix));
    } else if origin.mark.is_some_and(|mark| mark != config.source.mark()) {
        let text = format!("{}, the newest archive, was made from another source.url or source.dump", newest.name);
        checker.report(Finding::warning("archive", text).with_fix(OTHER_JOB));
    }
}

/// ", 1 leftover, 2 unrelated files".
fn others(plan: &Plan) -> String {
    let mut numbers = [(0, "replaced archive"), (0, "expired archive"), (0, "leftover"), (0, "unrelated file")];
    for decision in &plan.decisions {
        let reason = if let Reason::HeldBack(reason) = &decision.reason { reason } else { &decision.reason };
        let group = match reason {
            Reason::Replaced | Reason::ReplacedRecently | Reason::SetAside { .. } => 0,
            Reason::UnfinishedUpload
            | Reason::OtherUpload
            | Reason::AbandonedUpload { .. }
            | Reason::UnfinishedReplacement => 2,
            Reason::NewChecksum | Reason::UselessChecksum => 2,
            Reason::Foreign => 3,
            Reason::Checksum => continue,
            _ if decision.action == Action::Remove => 1,
            _ => continue,
        };
        numbers[group].0 += 1;
    }
    let groups = numbers.into_iter().filter(|(number, _)| *number > 0);
    groups.map(|(number, thing)| format!(", {}", count(number, thing))).collect()
}

fn space(free: Option<u64>, expected: Expected) -> Finding {
    match (free, expected.size) {
        (None, _) => Finding::skipped("space", "the server does not report its free space"),
        (Some(free), Some(needed)) if free < needed => {
            let text = format!("{} free, the archive needs about {}", units::size(free), units::size(needed));
            Finding::failed("space", text).with_fix("free space on the server, or raise its quota")
        }
        (Some(free), Some(needed)) => {
            Finding::good("space", format!("{} free, about {} needed", units::size(free), units::size(needed)))
        }
        (Some(free), None) => Finding::good("space", format!("{} free", units::size(free))),
    }
}

fn connections(
    server: &Server,
    round_trip: Duration,
    expected: Expected,
    takes_several_writers: Option<bool>,
) -> Finding {
    let usual = server.connections_for(expected.size.unwrap_or(u64::MAX));
    let (number, why) = match (takes_several_writers, server.method().writing) {
        (Some(false), _) => {
            (1, ", as the server lets only one write a file; sftp.connections: 1 saves each run the attempt")
        }
        (_, Writing::SeveralConnections) => (usual, ""),
        _ => (usual, ", as services of this kind let only one write a file"),
    };
    let what = if expected.size.is_some() { "the next archive" } else { "a large archive" };
    let (over, milliseconds) = (count(number, "connection"), round_trip.as_secs_f64() * 1000.0);
    Finding::good("network", format!("round trip of {milliseconds:.1} ms: {what} will use {over}{why}"))
}
