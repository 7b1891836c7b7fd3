//! `verify`: reads archives back from the server and tells which of them would give the dump.

use std::io;
use std::time::{Duration, Instant};

use super::foreground::{self, Site, Surroundings, Work};
use super::recovery::{look, told_dump};
use crate::archive::unpack;
use crate::cli;
use crate::clock::Clock;
use crate::config::{self, Environment};
use crate::destination::{Connection, Server, fetch};
use crate::error_chain::told;
use crate::exit_code::ExitCode;
use crate::report::message::{Looked, Verdict, all_looked, looked};
use crate::rules::dump::base_name;
use crate::rules::recovery::{NoArchive, Stored, Wanted, choose};
use crate::rules::redaction::Redaction;

/// Reads the archives back that `arguments` ask for; `verbose` counts the `-v`.
pub fn verify(arguments: &cli::Verify, verbose: u8, clock: &Clock, environment: &Environment) -> ExitCode {
    let surroundings =
        Surroundings { config: &arguments.config, load: config::load_to_read_back, verbose, clock, environment };
    let (date, all) = (arguments.date, arguments.all);
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
        verify_each(site, &server, connection, stored)
    }))
}

/// Goes on after a bad one, and after one that could not be read as long as there is a server.
fn verify_each(site: &Site, server: &Server, connection: Connection, stored: &[Stored]) -> Work {
    let mut connection = Some(connection);
    let mut verdicts: Vec<Verdict> = Vec::with_capacity(stored.len());
    for archive in stored {
        let begun = Instant::now();
        let verdict = match verdicts.last() {
            // A login that was refused is not tried again: accounts get locked.
            Some(Verdict::Unread(why)) if server.has_turned_away() => Verdict::Unread(why.clone()),
            _ => match connection.take().map_or_else(|| server.connect(), Ok) {
                Ok(first) => {
                    let (verdict, left) = verify_one(site, server, first, archive);
                    connection = left;
                    verdict
                }
                Err(error) => Verdict::Unread(clean(site, &told(&error))),
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
    let are_good = verdicts.iter().all(|verdict| matches!(verdict, Verdict::Good(_)));
    Ok(if are_good { ExitCode::Success } else { ExitCode::Failed })
}

/// What one archive is, and a connection for the next.
fn verify_one(site: &Site, server: &Server, first: Connection, archive: &Stored) -> (Verdict, Option<Connection>) {
    let bar = site.progress.bar("Verify", archive.file.size);
    let wanted = base_name(&site.config.source.dump);
    let fetched = fetch(server, first, &archive.file, &bar, |reader| {
        unpack(reader, wanted, &site.interrupt, |_| Ok(io::sink())).map(|(dump, _)| dump)
    });
    match fetched {
        Ok(fetched) => match fetched.value {
            Ok(dump) => (Verdict::Good(told_dump(&dump)), fetched.connection),
            Err(error) if error.is_of_the_archive() => {
                (Verdict::Bad(clean(site, &error.to_string())), fetched.connection)
            }
            Err(error) => (Verdict::Unread(clean(site, &told(&error))), fetched.connection),
        },
        Err(error) => (Verdict::Unread(clean(site, &told(&error))), None),
    }
}

fn tell(site: &Site, archive: &Stored, verdict: &Verdict, took: Duration) {
    let line = Looked { name: &archive.name, date: archive.date, size: archive.file.size, verdict, took };
    site.progress.print(&looked(&line));
}

/// What a server or an archive says may hold anything.
fn clean(site: &Site, text: &str) -> String {
    Redaction::new(&site.config.secrets()).clean(text)
}
