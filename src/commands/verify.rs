//! `verify`: reads archives back from the server and tells which of them would give the dump.

use std::io;
use std::time::{Duration, Instant};

use crate::archive::{PackedDump, unpack};
use crate::cli;
use crate::commands::foreground::{self, Site, Surroundings, Work};
use crate::commands::recovery::report::{Looked, Verdict, all_looked, looked};
use crate::commands::recovery::{look, told_dump};
use crate::config::{self, Environment, JobZone};
use crate::destination::fetch;
use crate::destination::{Connection, Server};
use crate::exit_code::ExitCode;
use crate::rules::dump::base_name;
use crate::rules::recovery::{NoArchive, Stored, Wanted, choose};
use crate::rules::redaction::Redaction;
use crate::runtime::clock::Clock;
use crate::runtime::error_chain::with_causes;

/// Reads the archives back that `arguments` ask for; `verbose` counts the `-v`.
pub fn verify(arguments: &cli::Verify, verbose: u8, clock: &Clock, environment: &Environment) -> ExitCode {
    let surroundings =
        Surroundings { config: &arguments.config, load: config::load_to_read_back, verbose, clock, environment };
    let (date, all) = (arguments.date, arguments.all);
    let other_name = arguments.dump.clone();
    foreground::conclude(foreground::run(&surroundings, move |site| {
        let (server, connection, _, stored) = look(site)?;
        let stored = match date {
            // An empty one is there, and bad.
            Some(date) => match stored.iter().find(|archive| archive.date == date) {
                Some(archive) => std::slice::from_ref(archive),
                None => std::slice::from_ref(choose(&stored, Wanted::Of(date))?),
            },
            None if all => &stored[..],
            None => &stored[stored.len().saturating_sub(1)..],
        };
        if stored.is_empty() {
            return Err(NoArchive::None.into());
        }
        let named = site.config.dump.iter().chain(&other_name);
        let names: Vec<&str> = named.map(|path| base_name(path)).collect();
        verify_each(site, &server, connection, stored, &names)
    }))
}

/// Continues after a bad one, and after one that could not be read as long as there is a server. The dump may have any of
/// `names`; any name at all where none is known.
fn verify_each(site: &Site, server: &Server, connection: Connection, stored: &[Stored], names: &[&str]) -> Work {
    let mut connection = Some(connection);
    let mut verdicts: Vec<Verdict> = Vec::with_capacity(stored.len());
    for archive in stored {
        let begun = Instant::now();
        let verdict = match verdicts.last() {
            // A login that was refused is not tried again: accounts get locked.
            Some(Verdict::Unread(why)) if server.has_turned_away() => Verdict::Unread(why.clone()),
            _ => match connection.take().map_or_else(|| server.connect(), Ok) {
                Ok(first) => {
                    let (verdict, left) = verify_one(site, server, first, archive, names);
                    connection = left;
                    verdict
                }
                Err(error) => Verdict::Unread(clean(site, &with_causes(&error))),
            },
        };
        // What a signal has cut short says nothing of the archive.
        site.interrupt.check()?;
        tell(site, archive, &verdict, begun.elapsed());
        verdicts.push(verdict);
    }
    if verdicts.len() > 1 {
        site.progress.print(&all_looked(verdicts.iter()));
    }
    let are_intact = verdicts.iter().all(|verdict| matches!(verdict, Verdict::Good(_) | Verdict::OtherName { .. }));
    let are_good = verdicts.iter().all(|verdict| matches!(verdict, Verdict::Good(_)));
    Ok(match (are_intact, are_good) {
        (true, true) => ExitCode::Success,
        (true, false) => ExitCode::Warnings,
        (false, _) => ExitCode::Failed,
    })
}

/// What one archive is, and a connection for the next.
fn verify_one(
    site: &Site,
    server: &Server,
    first: Connection,
    archive: &Stored,
    names: &[&str],
) -> (Verdict, Option<Connection>) {
    let fetched = fetch(server, first, &archive.file, (&site.progress, "Verify"), |reader| {
        unpack(reader, None, &site.interrupt, |_| Ok(io::sink())).map(|(dump, _)| dump)
    });
    match fetched {
        Ok(fetched) => match fetched.value {
            Ok(dump) => (verdict(&dump, names, &site.config.zone), fetched.connection),
            Err(error) if error.is_of_the_archive() => {
                (Verdict::Bad(clean(site, &error.to_string())), fetched.connection)
            }
            Err(error) => (Verdict::Unread(clean(site, &with_causes(&error))), fetched.connection),
        },
        Err(error) => (Verdict::Unread(clean(site, &with_causes(&error))), None),
    }
}

/// What an intact archive is that holds `dump`, which should have one of `names`.
fn verdict(dump: &PackedDump, names: &[&str], zone: &JobZone) -> Verdict {
    let told = told_dump(dump, zone);
    if names.is_empty() || names.contains(&dump.name.as_str()) {
        return Verdict::Good(told);
    }
    let expected = names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" or ");
    Verdict::OtherName { dump: told, name: dump.name.clone(), expected }
}

fn tell(site: &Site, archive: &Stored, verdict: &Verdict, took: Duration) {
    let line = Looked { name: &archive.name, date: archive.date, size: archive.file.size, verdict, took };
    site.progress.print(&looked(&line));
}

/// What a server or an archive says may hold anything.
fn clean(site: &Site, text: &str) -> String {
    Redaction::new(&site.config.secrets()).clean(text)
}
