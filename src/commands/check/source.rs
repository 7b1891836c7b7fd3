//! The web server, step by step, and the dump in the ZIP that it publishes.

use std::io;
use std::net::SocketAddr;

use chrono::TimeDelta;

use crate::archive::{ArchiveError, ZippedDump};
use crate::commands::check::findings::Finding;
use crate::commands::check::reach::{self, Trust};
use crate::commands::check::{Check, Expected};
use crate::disk::space;
use crate::rules::freshness::{Freshness, Judgement, Staleness, judge};
use crate::rules::redaction::printable;
use crate::rules::units;
use crate::runtime::error_chain::with_causes;
use crate::source::{self, SourceError, Zip};

/// Clocks that differ by no more are as good as the same.
const SAME: TimeDelta = TimeDelta::minutes(5);

/// What a look into a ZIP fetches at once, in bytes: the longest end of one. Not all servers send parts of less.
const SMALL: u64 = 65_633;

/// Reaches the web server and asks for the ZIP; gives it where that went well.
pub(super) fn reach(check: &Check<'_>) -> Option<Zip> {
    let source = &check.site.config.source;
    if source.proxy.is_some() {
        check.tell(Finding::skipped("connection", "made by source.proxy, which looks up the name too"));
    } else if let Err((what, error)) = by_hand(check) {
        check.tell(Finding::failed(what, with_causes(&error)));
        check.tell(Finding::skipped("ZIP", "not asked for: there is no connection"));
        return None;
    }
    let folder = &check.site.config.archive.work_directory;
    let waiting = check.waiting("asking for the ZIP");
    let opened = source::open(source, true, folder, &check.once(), &check.site.interrupt, &check.site.progress);
    drop(waiting);
    match opened {
        Ok(zip) => {
            check.tell(Finding::good("ZIP", traffic(&zip, &source.public_url())));
            check.tell(clock(&zip, check));
            Some(zip)
        }
        Err(error) => {
            check.tell(Finding::failed("ZIP", with_causes(&error)));
            None
        }
    }
}

/// Name, connection and TLS; else at which step it failed.
fn by_hand(check: &Check<'_>) -> Result<(), (&'static str, SourceError)> {
    let source = &check.site.config.source;
    let host = source.url.host_str().unwrap_or_default();
    let unknown = |error| SourceError::UnknownHost { host: host.to_owned(), source: Some(error) };
    let failed = |error: io::Error| source::from_handshake(error, host);

    let waiting = check.waiting("looking up the web server's name");
    let addresses = reach::addresses(&source.url).map_err(|error| ("name", unknown(error)))?;
    drop(waiting);
    check.tell(Finding::good("name", named(host, &addresses)));

    let waiting = check.waiting("connecting to the web server");
    let stream = reach::connect(&addresses, source.timeout).map_err(|error| ("connection", failed(error)))?;
    drop(waiting);
    let port = source.url.port_or_known_default().unwrap_or_default();
    check.tell(Finding::good("connection", format!("port {port} answers")));
    if source.url.scheme() != "https" {
        check.tell(Finding::good("TLS", "none: plain HTTP, which is for this machine alone"));
        return Ok(());
    }
    let waiting = check.waiting("TLS with the web server");
    let trust = Trust { ca_file: source.ca_file.as_deref(), identity: source.client_identity.as_ref() };
    let shown = reach::shake_hands(stream, &source.url, trust).map_err(|error| ("TLS", failed(error)))?;
    drop(waiting);
    let authorities = match &source.ca_file {
        Some(path) => format!("trusted by {}", path.display()),
        None => "trusted by the public web's authorities".to_owned(),
    };
    check.tell(Finding::good("TLS", format!("{}, {authorities}", shown.protocol)));
    if let Some(certificate) = shown.certificate {
        check.tell(certificate.finding("certificate", check.site.started.to_utc()));
    }
    Ok(())
}

/// "host: address, address"; one address where that is the host's name.
pub(super) fn named(host: &str, addresses: &[SocketAddr]) -> String {
    let mut list: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    list.dedup();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if list == [host] { host.to_owned() } else { format!("{host}: {}", list.join(", ")) }
}

/// The ZIP, and what a look at it costs.
fn traffic(zip: &Zip, url: &str) -> String {
    let size = units::size(zip.size);
    if zip.is_remote() {
        let received = units::size(zip.received());
        return format!("{url}: {size}, sent in parts: {received} tell whether the dump is fresh");
    }
    if zip.size <= SMALL {
        return format!("{url}: {size}, so small that a look at it is all of it");
    }
    format!("{url}: {size}, not sent in parts: each run downloads all of it, fresh or stale")
}

fn clock(zip: &Zip, check: &Check<'_>) -> Finding {
    let Some(difference) = difference(zip, check) else {
        return Finding::skipped("clock", "the web server does not tell its time");
    };
    let text = format!("the web server's is {}", apart(difference));
    if difference.abs() <= SAME {
        return Finding::good("clock", text);
    }
    Finding::warning("clock", text, "set the clock that is wrong: which dump is fresh depends on it")
}

fn difference(zip: &Zip, check: &Check<'_>) -> Option<TimeDelta> {
    zip.server_time.map(|theirs| theirs.signed_duration_since(check.site.started))
}

/// How far a clock is from ours.
fn apart(difference: TimeDelta) -> String {
    let minutes = difference.abs().num_minutes();
    let far = match minutes {
        0..5 => return "as good as ours".to_owned(),
        5..120 => format!("{minutes} minutes"),
        _ => format!("{} hours", minutes / 60),
    };
    format!("{far} {} ours", if difference > TimeDelta::zero() { "ahead of" } else { "behind" })
}

/// Looks for the dump in `zip`, and tells what a run that started now would do.
pub(super) fn find_dump(check: &Check<'_>, zip: Option<&Zip>) -> Expected {
    let Some(zip) = zip else {
        check.tell(Finding::skipped("entry", "not looked for: there is no ZIP"));
        return Expected::default();
    };
    let source = &check.site.config.source;
    let mut expected = Expected { size: None, clock_difference: difference(zip, check) };
    let waiting = check.waiting("looking into the ZIP");
    let found = zip
        .reader()
        .map_err(ArchiveError::Read)
        .and_then(|reader| ZippedDump::find(reader, &source.dump, source.max_dump_bytes));
    drop(waiting);
    let dump = match found {
        Ok(dump) => dump,
        Err(error) => {
            check.tell(Finding::failed("entry", with_causes(&error)));
            return expected;
        }
    };
    let entry = dump.entry();
    check.tell(Finding::good("entry", format!("{}, {}", printable(&entry.name), units::size(entry.size))));
    if let Some(others) = dump.unsent() {
        let fix = format!("give each its own job if it must be kept: this one sends only {}", printable(&entry.name));
        check.tell(Finding::warning("other dumps", format!("the ZIP also holds {others}"), fix));
    }
    let judgement = judge(entry.time, source.timezone, &check.site.config.zone, check.today(), source.max_age_days);
    let advice = judgement.advice(entry.time, source.timezone, check.today(), check.site.started);
    check.tell(freshness(check, judgement, &advice));
    expected.size = dump.expected_archive_size(check.site.config.archive.compression);
    check.tell(archive(check, expected.size));
    expected
}

fn freshness(check: &Check<'_>, judgement: Judgement, advice: &str) -> Finding {
    let modified = judgement.modified.map(|time| time.format("%F %T %:z").to_string());
    let Freshness::Stale(why) = judgement.freshness else {
        let modified = modified.unwrap_or_default();
        return Finding::good("freshness", format!("modified {modified}: a run now would send it"));
    };
    let modified = modified.map(|modified| format!("modified {modified}; ")).unwrap_or_default();
    Finding::warning(
        "freshness",
        format!("{modified}a run now would find it stale and send nothing for {}: {why}", check.today()),
        match why {
            Staleness::Old { .. } => format!("nothing to do if today's dump is not made yet. Otherwise: {advice}"),
            _ => advice.to_owned(),
        },
    )
}

/// What will be packed, and whether this machine has room for it.
fn archive(check: &Check<'_>, size: Option<u64>) -> Finding {
    let archive = &check.site.config.archive;
    let name = archive.name.file_name(check.today());
    let Some(size) = size else {
        return Finding::good("archive", format!("{name}; how large it is shows when it is packed"));
    };
    match space::check_space(&archive.work_directory, size) {
        Ok(()) => Finding::good("archive", format!("{name}, about {}: there is room for it here", units::size(size))),
        Err(error) => Finding::failed("archive", format!("no room for {name} here: {error}"))
            .with_fix("make room in archive.work_directory, or name another folder"),
    }
}
