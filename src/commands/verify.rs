//! `verify`: reads archives back from the server and reports which of them can be restored.

mod report;

use std::time::Instant;
use std::{io, slice};

use age::x25519::Identity;

use crate::archive::{PackedDump, Stored, unpack};
use crate::commands::foreground::{self, CommandError, Context, Work};
use crate::commands::invocation::Invocation;
use crate::commands::jobs::for_each;
use crate::commands::recovery::{connect_and_list, identities, stored_sha256};
use crate::commands::verify::report::Condition;
use crate::destination::{Connection, Server, fetch};
use crate::exit_code::ExitCode;
use crate::rules::archive_name::is_encrypted;
use crate::rules::dump::base_name;
use crate::rules::dump_pattern::matches;
use crate::rules::recovery::{NoArchive, StoredArchive, choose};
use crate::rules::redaction::Redaction;
use crate::runtime::error_chain::with_causes;
use crate::{cli, config};

pub fn verify(arguments: &cli::Verify, invocation: &Invocation<'_>) -> ExitCode {
    let (date, all, other_name) = (arguments.date, arguments.all, arguments.dump.clone());
    let identities = match identities(&arguments.identity) {
        Ok(identities) => identities,
        Err(code) => return code,
    };
    for_each(&arguments.jobs, invocation, true, |job| {
        let (other_name, identities) = (other_name.clone(), identities.clone());
        let file = job.without_conflicts().map_err(CommandError::Configuration)?;
        foreground::run(file, invocation, config::load_to_read_back, move |context| {
            let (server, connection, _, stored) = connect_and_list(context)?;
            let stored = match date {
                // `choose` skips an empty archive, which is bad.
                Some(date) => match stored.iter().rfind(|archive| archive.date == date) {
                    Some(archive) => slice::from_ref(archive),
                    None => slice::from_ref(choose(&stored, Some(date))?),
                },
                None if all => &stored[..],
                None => &stored[stored.len().saturating_sub(1)..],
            };
            if stored.is_empty() {
                return Err(NoArchive::None.into());
            }
            let redaction = Redaction::new(&context.config.secrets());
            Verification { context, server: &server, other_name, identities, redaction }.verify_all(connection, stored)
        })
    })
}

struct Verification<'a> {
    context: &'a Context,
    server: &'a Server,
    /// A name of the dump that is accepted in addition to that in the configuration.
    other_name: Option<String>,
    /// Private keys.
    identities: Vec<Identity>,
    redaction: Redaction,
}

impl Verification<'_> {
    /// Continues after a bad archive, and after an unreadable one unless the server refused the login.
    fn verify_all(&self, connection: Connection, stored: &[StoredArchive]) -> Work {
        let mut connection = Some(connection);
        let mut conditions: Vec<Condition> = Vec::with_capacity(stored.len());
        for archive in stored {
            let begun = Instant::now();
            let condition = match conditions.last() {
                // A refused login is not retried: the server may lock the account.
                Some(Condition::Unread(why)) if self.server.was_refused() => Condition::Unread(why.clone()),
                _ => match connection.take().map_or_else(|| self.server.connect(), Ok) {
                    Ok(first) => {
                        let (condition, left) = self.verify_one(first, archive);
                        connection = left;
                        condition
                    }
                    Err(error) => Condition::Unread(self.redaction.clean(&with_causes(&error))),
                },
            };
            // An interrupted check says nothing about the archive.
            self.context.interrupt.check()?;
            let zone = &self.context.config.zone;
            self.context.progress.print(&report::line(archive, &condition, begun.elapsed(), zone));
            conditions.push(condition);
        }
        if conditions.len() > 1 {
            self.context.progress.print(&report::total(&conditions));
        }
        let all_are = |is_fine: fn(&Condition) -> bool| conditions.iter().all(is_fine);
        Ok(if all_are(|condition| matches!(condition, Condition::Good(_) | Condition::Unchanged)) {
            ExitCode::Success
        } else if all_are(|condition| !matches!(condition, Condition::Bad(_) | Condition::Unread(_))) {
            ExitCode::Warnings
        } else {
            ExitCode::Failed
        })
    }

    /// The condition of `archive`, and a connection for the next one.
    fn verify_one(&self, first: Connection, archive: &StoredArchive) -> (Condition, Option<Connection>) {
        let Context { interrupt, progress, config, .. } = self.context;
        let (sha256, first) = match stored_sha256(self.server, first, (&config.naming, archive)) {
            Ok((Ok(sha256), connection)) => (sha256, connection),
            Ok((Err(error), connection)) => return (Condition::Bad(error.to_string()), Some(connection)),
            Err(error) => return (Condition::Unread(self.redaction.clean(&with_causes(&error))), None),
        };
        let (is_encrypted, identities) = (is_encrypted(&archive.name), &*self.identities);
        let stored = Stored { is_encrypted, identities, sha256: sha256.as_ref() };
        let fetched = fetch(self.server, first, &archive.file, (progress, "Verify"), |reader| {
            stored.read(reader, |content| unpack(content, None, interrupt, |_| Ok(io::sink())).map(|(dump, _)| dump))
        });
        let fetched = match fetched {
            Ok(fetched) => fetched,
            Err(error) => return (Condition::Unread(self.redaction.clean(&with_causes(&error))), None),
        };
        let condition = match fetched.value {
            Ok(Some(dump)) => self.intact(dump, archive),
            Ok(None) => Condition::Unchanged,
            Err(error) if error.is_bad_archive() => Condition::Bad(self.redaction.clean(&error.to_string())),
            Err(error) => Condition::Unread(self.redaction.clean(&with_causes(&error))),
        };
        (condition, fetched.connection)
    }

    fn intact(&self, dump: PackedDump, archive: &StoredArchive) -> Condition {
        let configured = self.context.config.dump.as_ref().map(|dump| dump.on(archive.date));
        let names: Vec<&str> = configured.iter().chain(&self.other_name).map(|path| base_name(path)).collect();
        if names.is_empty() || names.iter().any(|name| matches(name, &dump.name)) {
            return Condition::Good(dump);
        }
        let expected = names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" or ");
        Condition::OtherName { dump, expected }
    }
}
