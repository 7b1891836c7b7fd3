//! Checks the web server step by step, and the dump in the ZIP that it publishes.

use std::io;
use std::net::SocketAddr;

use chrono::TimeDelta;

use crate::archive::{ArchiveError, ZippedDump};
use crate::commands::check::checker::{Checker, Expected};
use crate::commands::check::findings::Finding;
use crate::commands::check::reach::{self, Trust};
use crate::disk::space;
use crate::rules::freshness::{Freshness, Judgement, Staleness, judge};
use crate::rules::redaction::printable;
use crate::rules::units;
use crate::runtime::error_chain::with_causes;
use crate::source::{self, SourceError, Zip};

/// A smaller difference between the clocks is fine.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// Connects to the web server and opens the ZIP; `None` on failure.
pub(super) fn open_zip(checker: &Checker<'_>) -> Option<Zip> {
    let source = &checker.context.config.source;
    if source.proxy.is_some() {
        checker.report(Finding::skipped("connection", "through source.proxy, which also looks up the name"));
    } else if let Err((what, error)) = connect(checker) {
        checker.report(Finding::failed(what, with_causes(&error)));
        checker.report(Finding::skipped("ZIP", "not requested: no connection"));
        return None;
    }
    let context = checker.context;
    let (folder, retry) = (&context.config.archive.work_directory, checker.single_attempt());
    let opened = checker.wait("requesting the ZIP", || {
        source::open(source, true, folder, &retry, &context.interrupt, &context.progress)
    });
    match opened {
        Ok(zip) => {
            checker.report(Finding::good("ZIP", traffic(&zip, &source.public_url()) + &zip.cache()));
            checker.report(clock(&zip, checker));
            Some(zip)
        }
        Err(error) => {
            checker.report(Finding::failed("ZIP", with_causes(&error)));
            None
        }
    }
}

/// Checks name, connection and TLS. Returns an error with the step that failed.
fn connect(checker: &Checker<'_>) -> Result<(), (&'static str, SourceError)> {
    let source = &checker.context.config.source;
    let host = source.url.host_str().unwrap_or_default();
    let unknown = |error| SourceError::UnknownHost { host: host.to_owned(), source: Some(error) };
    let failed = |error: io::Error| source::from_handshake(error, host);

    let addresses = checker
        .wait("looking up the web server's name", || reach::addresses(&source.url))
        .map_err(|error| ("name", unknown(error)))?;
    checker.report(Finding::good("name", named(host, &addresses)));

    let stream = checker
        .wait("connecting to the web server", || reach::connect(&addresses, source.timeout))
        .map_err(|error| ("connection", failed(error)))?;
    let port = source.url.port_or_known_default().unwrap_or_default();
    checker.report(Finding::good("connection", format!("port {port} answers")));
    if source.url.scheme() != "https" {
        checker.report(Finding::good("TLS", "none: plain HTTP, allowed on this machine only"));
        return Ok(());
    }
    let trust = Trust { ca_file: source.ca_file.as_deref(), identity: source.client_identity.as_ref() };
    let handshake = checker
        .wait("TLS with the web server", || reach::handshake(stream, &source.url, trust))
        .map_err(|error| ("TLS", failed(error)))?;
    let authorities = match &source.ca_file {
        Some(path) => format!("trusted by {}", path.display()),
        None => "trusted by the public authorities".to_owned(),
    };
    checker.report(Finding::good("TLS", format!("{}, {authorities}", handshake.protocol)));
    if let Some(certificate) = handshake.certificate {
        checker.report(certificate.finding(checker.context.started.to_utc()));
    }
    Ok(())
}

/// "host: address, address"; only the host if it is an address.
pub(super) fn named(host: &str, addresses: &[SocketAddr]) -> String {
    let mut list: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    list.dedup();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if list == [host] { host.to_owned() } else { format!("{host}: {}", list.join(", ")) }
}

/// Describes the ZIP, and how many bytes checking it costs.
fn traffic(zip: &Zip, url: &str) -> String {
    let size = units::size(zip.size);
    if zip.is_remote() {
        let received = units::size(zip.received());
        return format!("{url}: {size}; the server supports ranges: checking freshness costs {received}");
    }
    format!("{url}: {size}; the server does not support ranges: each run downloads all of it, fresh or stale")
}

fn clock(zip: &Zip, checker: &Checker<'_>) -> Finding {
    let Some(difference) = difference(zip, checker) else {
        return Finding::skipped("clock", "the web server does not report its time");
    };
    let text = format!("the web server's {}", clock_text(difference));
    if difference.abs() <= CLOCK_TOLERANCE {
        return Finding::good("clock", text);
    }
    Finding::warning("clock", text).with_fix("set the clock that is wrong: it decides which dump is fresh")
}

fn difference(zip: &Zip, checker: &Checker<'_>) -> Option<TimeDelta> {
    zip.server_time.map(|theirs| theirs.signed_duration_since(checker.context.started))
}

fn clock_text(difference: TimeDelta) -> String {
    let minutes = difference.abs().num_minutes();
    let amount = match minutes {
        0..5 => return "agrees with this machine's".to_owned(),
        5..120 => format!("{minutes} minutes"),
        _ => format!("{} hours", minutes / 60),
    };
    format!("is {amount} {} this machine's", if difference > TimeDelta::zero() { "ahead of" } else { "behind" })
}

/// Finds the dump in `zip`, and reports what a run would do now.
pub(super) fn check_dump(checker: &Checker<'_>, zip: Option<&Zip>) -> Expected {
    let Some(zip) = zip else {
        checker.report(Finding::skipped("entry", "not checked: the ZIP cannot be read"));
        return Expected::default();
    };
    let source = &checker.context.config.source;
    let mut expected = Expected { size: None, clock_difference: difference(zip, checker) };
    let dump = checker.wait("reading the ZIP", || {
        zip.reader()
            .map_err(ArchiveError::Read)
            .and_then(|reader| ZippedDump::find(reader, &source.dump.on(checker.today()), source.max_dump_bytes))
    });
    let dump = match dump {
        Ok(dump) => dump,
        Err(error) => {
            checker.report(Finding::failed("entry", with_causes(&error)));
            return expected;
        }
    };
    let entry = dump.entry();
    checker.report(Finding::good("entry", format!("{}, {}", printable(&entry.name), units::size(entry.size))));
    if let Some(others) = dump.unsent() {
        let fix = format!("create a job for each that must be kept: this one sends only {}", printable(&entry.name));
        checker.report(Finding::warning("other dumps", format!("the ZIP also contains {others}")).with_fix(fix));
    }
    let judgement =
        judge(entry.time, source.timezone, &checker.context.config.zone, checker.today(), source.max_age_days);
    let advice = judgement.advice(entry.time, source.timezone, checker.today(), checker.context.started);
    checker.report(freshness(checker, judgement, &advice));
    expected.size = dump.expected_archive_size(checker.context.config.archive.compression);
    checker.report(archive(checker, expected.size));
    expected
}

fn freshness(checker: &Checker<'_>, judgement: Judgement, advice: &str) -> Finding {
    let modified = judgement.modified.map(|time| time.format("%F %T %:z").to_string());
    let Freshness::Stale(why) = judgement.freshness else {
        let modified = modified.unwrap_or_default();
        return Finding::good("freshness", format!("modified {modified}: a run now would send it"));
    };
    let modified = modified.map(|modified| format!("modified {modified}; ")).unwrap_or_default();
    let text = format!("{modified}a run now would find it stale and send nothing for {}: {why}", checker.today());
    Finding::warning("freshness", text).with_fix(match why {
        Staleness::Old { .. } => format!(
            "nothing to do if today's dump is not ready yet; with source.wait_minutes, a run waits for a late one. {advice}"
        ),
        _ => advice.to_owned(),
    })
}

/// The archive of the next run, and whether this machine has enough space for it.
fn archive(checker: &Checker<'_>, size: Option<u64>) -> Finding {
    let archive = &checker.context.config.archive;
    let name = checker.context.config.naming().file_name(checker.today());
    let Some(size) = size else {
        return Finding::good("archive", format!("{name}; its size is known once it is packed"));
    };
    match space::check_space(&archive.work_directory, size) {
        Ok(()) => Finding::good(
            "archive",
            format!("{name}, about {}: enough space in archive.work_directory", units::size(size)),
        ),
        Err(error) => Finding::failed("archive", format!("not enough space for {name}: {error}"))
            .with_fix("free space in archive.work_directory, or choose another folder"),
    }
}
