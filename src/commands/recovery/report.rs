//! What `verify` and `restore` tell.

use std::time::Duration;

use chrono::{DateTime, FixedOffset, NaiveDate};

use crate::report::message::headline::moment;
use crate::rules::loading::{Loading, Place};
use crate::rules::redaction::printable;
use crate::rules::units::{at_rate, count, duration, exact_size, size};

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
            format!(
                "good: a dump of {}, {}{}",
                size(dump.size),
                modified(dump),
                looked.size.map_or_else(String::new, |size| at_rate(size, looked.took))
            )
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
    let took = duration(restored.took);
    let rate = at_rate(restored.archive_size, restored.took);
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
