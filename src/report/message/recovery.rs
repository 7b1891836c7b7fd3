//! What `verify` and `restore` tell.

use std::time::Duration;

use chrono::{DateTime, FixedOffset, NaiveDate};

use super::words::{count, exact_size, moment, rate, size, time_taken};
use crate::rules::loading::{Loading, Place};
use crate::rules::redaction::printable;

/// An archive that was looked at.
#[derive(Debug)]
pub struct Looked<'a> {
    /// Its name.
    pub name: &'a str,
    /// The date in its name.
    pub date: NaiveDate,
    /// Its size in bytes, where the server tells.
    pub size: Option<u64>,
    /// What it is.
    pub verdict: &'a Verdict,
    /// How long that took.
    pub took: Duration,
}

/// What an archive proved to be.
#[derive(Debug)]
pub enum Verdict {
    /// All of it is right, and it holds this dump.
    Good(Dump),
    /// All of it is right, but the dump in it has another name.
    OtherName {
        /// The dump.
        dump: Dump,
        /// Its name.
        name: String,
        /// The name that it should have, in quotes.
        expected: String,
    },
    /// It is damaged, or holds something else: why.
    Bad(String),
    /// It could not be read to its end: why.
    Unread(String),
}

/// A dump that an archive holds.
#[derive(Debug)]
pub struct Dump {
    /// Its size in bytes.
    pub size: u64,
    /// When it was modified, where that is known.
    pub modified: Option<DateTime<FixedOffset>>,
}

/// What was restored.
#[derive(Debug)]
pub struct Restored<'a> {
    /// The file that has it.
    pub path: &'a str,
    /// The archive's name.
    pub archive: &'a str,
    /// The archive's size in bytes.
    pub archive_size: u64,
    /// How many connections it came over.
    pub connections: usize,
    /// How long it took.
    pub took: Duration,
    /// The dump.
    pub dump: Dump,
    /// SHA-256 of the dump.
    pub sha256: [u8; 32],
    /// What comes next.
    pub next: Next<'a>,
}

/// What comes after a restoration.
#[derive(Debug)]
pub enum Next<'a> {
    /// The archive was kept as it is: the command that unpacks it.
    Unpack(&'a str),
    /// How the dump is loaded, where that is known, and where.
    Load(Option<Loading>, Place<'a>),
}

/// One line about an archive.
pub fn looked(looked: &Looked<'_>) -> String {
    let size_told = looked.size.map_or_else(|| "? B".to_owned(), size);
    let verdict = match looked.verdict {
        Verdict::Good(dump) => {
            format!("good: a dump of {}, {}{}", size(dump.size), modified(dump), at_rate(looked.size, looked.took))
        }
        Verdict::OtherName { dump, name, expected } => printable(&format!(
            "intact, but it holds {name:?} instead of {expected}: a dump of {}, {}; reach it with --dump {}",
            size(dump.size),
            modified(dump),
            shell_word(name)
        )),
        Verdict::Bad(why) => format!("BAD: {why}"),
        Verdict::Unread(why) => format!("NOT READ: {why}"),
    };
    format!("{}  {}  {size_told:>10}  {verdict}", looked.name, looked.date)
}

/// `text` as one word of a shell's command line.
pub fn shell_word(text: &str) -> String {
    // Only NUL cannot be quoted, which no argument holds.
    shlex::try_quote(text).unwrap_or_default().into_owned()
}

/// The last line, about all of `verdicts`, of archives that were looked at.
pub fn all_looked<'a>(verdicts: impl Iterator<Item = &'a Verdict>) -> String {
    let (mut good, mut renamed, mut bad, mut unread) = (0, 0, 0, 0);
    for verdict in verdicts {
        match verdict {
            Verdict::Good(_) => good += 1,
            Verdict::OtherName { .. } => renamed += 1,
            Verdict::Bad(_) => bad += 1,
            Verdict::Unread(_) => unread += 1,
        }
    }
    let told: Vec<String> = [(good, "good"), (renamed, "with another name"), (bad, "BAD"), (unread, "NOT READ")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    format!("{}: {}", count(good + renamed + bad + unread, "archive"), told.join(", "))
}

/// Some lines about what was restored.
pub fn restored(restored: &Restored<'_>) -> String {
    let over =
        if restored.connections > 1 { format!(", over {} connections", restored.connections) } else { String::new() };
    let took = time_taken(restored.took);
    let rate = at_rate(Some(restored.archive_size), restored.took);
    let sha256: String = restored.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    let next = match restored.next {
        Next::Unpack(command) => format!("to unpack it   {command}"),
        Next::Load(Some(loading), place) => {
            let note = loading.note().map(|note| format!("\nnote           {note}")).unwrap_or_default();
            format!("made by        {}\nto load it     {}{note}", loading.maker(), loading.command(place))
        }
        Next::Load(None, _) => "made by        unknown: it begins like no dump that this program knows".to_owned(),
    };
    format!(
        "restored       {}\nfrom           {}, {} in {took}{rate}{over}\nthe dump       {}, {}\ndump's SHA-256 {sha256}\n{next}",
        restored.path,
        restored.archive,
        size(restored.archive_size),
        exact_size(restored.dump.size),
        modified(&restored.dump),
    )
}

fn modified(dump: &Dump) -> String {
    dump.modified.map_or_else(|| "without a time".to_owned(), |time| format!("modified {}", moment(time)))
}

/// ", 20.49 MiB/s", where that can be told.
fn at_rate(bytes: Option<u64>, took: Duration) -> String {
    bytes.and_then(|bytes| rate(bytes, took)).map(|rate| format!(", {rate}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump() -> Dump {
        Dump { size: 12_582_912, modified: Some(DateTime::parse_from_rfc3339("2026-11-23T22:54:11+01:00").unwrap()) }
    }

    #[test]
    fn an_archive_has_a_line_with_its_verdict() {
        let date = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
        let verdicts = [
            Verdict::Good(dump()),
            Verdict::Good(Dump { size: 3, modified: None }),
            Verdict::Bad("it breaks off after 17 bytes".to_owned()),
            Verdict::Unread("the server refused to open it".to_owned()),
            Verdict::OtherName { dump: dump(), name: "old\n.sql".to_owned(), expected: "\"new.sql\"".to_owned() },
        ];
        let lines: Vec<String> = verdicts
            .iter()
            .zip([(Some(3_400_000), 100), (Some(90), 1), (Some(17), 1), (None, 1), (Some(90), 1)])
            .map(|(verdict, (size, milliseconds))| {
                let took = Duration::from_millis(milliseconds);
                looked(&Looked { name: "20262311.tgz", date, size, verdict, took })
            })
            .chain([all_looked(verdicts.iter()), all_looked(verdicts[..1].iter())])
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        20262311.tgz  2026-11-23    3.24 MiB  good: a dump of 12.00 MiB, modified 23 Nov 2026 22:54:11 +01:00, 32.42 MiB/s
        20262311.tgz  2026-11-23        90 B  good: a dump of 3 B, without a time
        20262311.tgz  2026-11-23        17 B  BAD: it breaks off after 17 bytes
        20262311.tgz  2026-11-23         ? B  NOT READ: the server refused to open it
        4 archives: 2 good, 1 BAD, 1 NOT READ
        1 archive: 1 good
        ");
    }

    #[test]
    fn what_was_restored_is_told_with_what_comes_next() {
        let told = |connections, next| {
            restored(&Restored {
                path: "/srv/r/dumpfile.sql",
                archive: "20262311.tgz",
                archive_size: 3_400_000,
                connections,
                took: Duration::from_millis(1_250),
                dump: dump(),
                sha256: [0xa5; 32],
                next,
            })
        };
        let loading = Loading::of(b"-- MySQL dump 10.13\n");
        let place = Place { file: "/r/dump.sql", database: "new", database_file: "/r/new.db", is_root: true };
        let texts = [
            told(4, Next::Load(loading, place)),
            told(1, Next::Load(None, place)),
            told(1, Next::Unpack("tar -xzf /srv/r/20262311.tgz")),
        ];
        insta::assert_snapshot!(texts.join("\n\n"), @r"
        restored       /srv/r/dumpfile.sql
        from           20262311.tgz, 3.24 MiB in 1.2 s, 2.59 MiB/s, over 4 connections
        the dump       12.00 MiB (12,582,912 bytes), modified 23 Nov 2026 22:54:11 +01:00
        dump's SHA-256 a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5
        made by        MySQL
        to load it     mysql -e 'CREATE DATABASE new' && mysql new < /r/dump.sql
        note           add -u USER -p where a user with a password loads it

        restored       /srv/r/dumpfile.sql
        from           20262311.tgz, 3.24 MiB in 1.2 s, 2.59 MiB/s
        the dump       12.00 MiB (12,582,912 bytes), modified 23 Nov 2026 22:54:11 +01:00
        dump's SHA-256 a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5
        made by        unknown: it begins like no dump that this program knows

        restored       /srv/r/dumpfile.sql
        from           20262311.tgz, 3.24 MiB in 1.2 s, 2.59 MiB/s
        the dump       12.00 MiB (12,582,912 bytes), modified 23 Nov 2026 22:54:11 +01:00
        dump's SHA-256 a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5
        to unpack it   tar -xzf /srv/r/20262311.tgz
        ");
    }
}
