//! Sorts the errors of a database's client: those that do not hurt the data, and the first one that does.

use crate::rules::drill_facts::{Engine, Notice};
use crate::rules::redaction::printable;

/// In bytes, of one error with its statement.
const MAX_RECORD: usize = 4 * 1024;
/// In characters, of an error in a message.
const MAX_SHOWN: usize = 600;
const MAX_NOTICES: usize = 100;

/// PostgreSQL's messages of errors that do not hurt the data: what is between beginning and end is a name. An error that did
/// cost data would make a later statement fail.
const HARMLESS: [(&str, &str); 7] = [
    ("role \"", "\" does not exist"),
    ("unrecognized configuration parameter \"", "\""),
    ("tablespace \"", "\" does not exist"),
    ("invalid value for parameter \"default_tablespace\": \"", "\""),
    // From CREATE TABLESPACE.
    ("directory \"", "\" does not exist"),
    ("could not set permissions on directory \"", ""),
    // From pg_dumpall: the throwaway server has this role.
    (PRESENT_ROLE, ""),
];
const PRESENT_ROLE: &str = "role \"postgres\" already exists";

/// MariaDB's and MySQL's codes likewise: no such definer, unknown system variable.
const HARMLESS_CODES: [&str; 2] = ["1449", "1193"];

/// The errors that a client printed.
#[derive(Debug)]
pub struct ErrorLog {
    engine: Engine,
    /// The lines of the current error.
    record: String,
    /// Whether it begins as this client's errors do.
    is_record: bool,
    notices: Vec<Notice>,
    ignored: u64,
    fatal: Option<String>,
}

impl ErrorLog {
    pub fn new(engine: Engine) -> ErrorLog {
        ErrorLog { engine, record: String::new(), is_record: false, notices: Vec::new(), ignored: 0, fatal: None }
    }

    /// Adds a line of the client's standard error.
    pub fn add(&mut self, line: &str) {
        let begins = match self.engine {
            Engine::PostgreSql => {
                (line.starts_with("psql:") || line.starts_with("pg_restore:")) && !line.contains(": STATEMENT:  ")
            }
            Engine::MariaDb | Engine::MySql => line.starts_with("ERROR "),
            // sqlite3 ends at its first error.
            Engine::Sqlite => false,
        };
        if begins {
            self.finish();
            self.record.clear();
        }
        self.is_record = begins || self.is_record && !self.record.is_empty();
        // The beginning of an error and the end of a server's log say most.
        if !self.is_record && self.record.len() > MAX_RECORD {
            self.record = self.record.chars().skip(MAX_RECORD / 2).collect();
        }
        let left = MAX_RECORD.saturating_sub(if self.is_record { self.record.len() } else { 0 });
        self.record.extend(line.chars().take(left));
        self.record.push('\n');
    }

    /// Sorts the last error.
    pub fn finish(&mut self) {
        let record = &self.record;
        let first = record.lines().next().unwrap_or_default();
        let (is_error, message, is_harmless) = match self.engine {
            Engine::PostgreSql => {
                let kinds = ["ERROR:", "FATAL:", "PANIC:", "error:", "WARNING:", "NOTICE:", "INFO:", "warning:"];
                let found = kinds.iter().filter_map(|kind| first.find(kind).map(|at| (at, *kind))).min();
                let message = first.split_once("ERROR:  ").map_or(first, |(_, message)| message);
                let is_error = found.is_some_and(|(_, kind)| kinds[..4].contains(&kind));
                (is_error, message, is_harmless(message, record))
            }
            Engine::MariaDb | Engine::MySql => {
                let code = first.strip_prefix("ERROR ").and_then(|rest| rest.split(' ').next());
                let message = first.split_once(": ").map_or(first, |(_, message)| message);
                (code.is_some(), message, code.is_some_and(|code| HARMLESS_CODES.contains(&code)))
            }
            // Its exit code decides.
            Engine::Sqlite => return,
        };
        if is_error && is_harmless {
            let text = printable(message).chars().take(MAX_SHOWN).collect();
            self.ignored += 1;
            if message != PRESENT_ROLE {
                self.notice(text, 1);
            }
        } else if is_error && self.fatal.is_none() {
            self.fatal = Some(shown(record));
        }
        // Another record is kept until the next one: if the client fails, it may say why.
        if is_error {
            self.record.clear();
        }
    }

    pub fn notice(&mut self, text: String, count: u64) {
        if let Some(notice) = self.notices.iter_mut().find(|notice| notice.text == text) {
            notice.count += count;
        } else if self.notices.len() < MAX_NOTICES {
            self.notices.push(Notice { text, count });
        }
    }

    /// Whether an error that hurts the data has been seen.
    pub fn has_failed(&self) -> bool {
        self.fatal.is_some()
    }

    /// The error that makes the call of a client fail that exited with `code`; `None` if it succeeded.
    pub fn failure(&self, code: Option<i32>) -> Option<String> {
        let is_fine = code == Some(0) || code == Some(1) && self.ignored > 0;
        self.fatal.clone().or_else(|| (!is_fine).then(|| self.last_message()))
    }

    pub fn last_message(&self) -> String {
        let text = shown(&self.record);
        if text.is_empty() { "it ended without a message".to_owned() } else { text }
    }

    pub fn into_notices(self) -> Vec<Notice> {
        self.notices
    }
}

fn is_harmless(message: &str, record: &str) -> bool {
    let known =
        HARMLESS.iter().any(|(beginning, end)| message.strip_prefix(beginning).is_some_and(|rest| rest.ends_with(end)));
    // From pg_dump --clean.
    let statement =
        ["STATEMENT:  ", "Command was: "].iter().find_map(|label| record.split_once(label)).map(|(_, it)| it);
    let is_drop = |statement: &str| {
        let line = statement.lines().next().unwrap_or_default();
        line.starts_with("DROP ") || line.starts_with("ALTER ") && line.contains(" DROP ")
    };
    known || message.ends_with(" does not exist") && statement.is_some_and(is_drop)
}

/// `record` as one printable line.
fn shown(record: &str) -> String {
    let lines =
        record.lines().map(str::trim).filter(|line| line.trim_matches(['^', '-']) != "" && !line.contains("[Note]"));
    let line = lines.collect::<Vec<_>>().join("; ").replace("psql:<stdin>:", "line ");
    let text = printable(&line);
    if text.chars().count() <= MAX_SHOWN { text } else { text.chars().take(MAX_SHOWN).chain("…".chars()).collect() }
}

/// Whether a check passes whose query returned `value`: true, a number other than 0, or at least `at_least`.
pub fn passes(value: &str, at_least: Option<f64>) -> bool {
    let number = value.trim().parse::<f64>().ok().filter(|number| !number.is_nan());
    match at_least {
        Some(least) => number.is_some_and(|number| number >= least),
        None => ["t", "true"].contains(&value.to_lowercase().as_str()) || number.is_some_and(|number| number != 0.0),
    }
}
