//! Sorts the errors of a database's client: those that do not hurt the data, and the first one that does.

use crate::rules::drill_facts::{Engine, Notice};
use crate::rules::redaction::printable;

/// In bytes, of one error with its statement.
const MAX_RECORD: usize = 4 * 1024;
/// In characters, of an error in a message.
const MAX_SHOWN: usize = 600;
const MAX_NOTICES: usize = 100;

/// PostgreSQL's messages of errors that do not hurt the data, unless the statement moves data; between beginning and end is a
/// name. An error that did hurt it makes a later statement fail.
const HARMLESS: [(&str, &str); 7] = [
    ("role \"", "\" does not exist"),
    ("unrecognized configuration parameter \"", "\""),
    ("tablespace \"", "\" does not exist"),
    ("invalid value for parameter \"default_tablespace\": \"", "\""),
    // From CREATE TABLESPACE.
    ("directory \"", "\" does not exist"),
    ("could not set permissions on directory \"", ""),
    (PRESENT_ROLE, ""),
];
/// Expected with a dump by pg_dumpall.
const PRESENT_ROLE: &str = "role \"postgres\" already exists";
/// PostgreSQL's statements that move data begin with these.
const MOVES_DATA: [&str; 5] = ["COPY ", "INSERT ", "UPDATE ", "REFRESH ", "CREATE TABLE "];
/// MariaDB's and MySQL's code likewise: unknown system variable. A missing definer (1449) is an error only when it is used, as by
/// an INSERT that fires a trigger.
const HARMLESS_CODES: [&str; 1] = ["1193"];

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
            Engine::PostgreSql => ["psql:", "pg_restore:"].iter().any(|program| line.starts_with(program)),
            Engine::MariaDb | Engine::MySql => line.starts_with("ERROR "),
            // sqlite3 ends at its first error.
            Engine::Sqlite => false,
        };
        if begins && !line.contains(": STATEMENT:  ") {
            self.finish();
            (self.is_record, self.record) = (true, String::new());
        }
        // The beginning of an error and the end of a server's log say most.
        if !self.is_record && self.record.len() > MAX_RECORD {
            self.record = self.record.chars().skip(MAX_RECORD / 2).collect();
        }
        self.record.extend(line.chars().take(MAX_RECORD.saturating_sub(self.record.len())).chain(['\n']));
    }

    /// Sorts the last error.
    pub fn finish(&mut self) {
        let first = self.record.lines().next().unwrap_or_default();
        let (is_error, message, is_harmless) = match self.engine {
            Engine::PostgreSql => {
                let kinds = ["ERROR:", "FATAL:", "PANIC:", "error:", "WARNING:", "NOTICE:", "INFO:", "warning:"];
                let found = kinds.iter().enumerate().filter_map(|(kind, name)| Some((first.find(name)?, kind))).min();
                let message = first.split_once("ERROR:  ").map_or(first, |(_, message)| message);
                (found.is_some_and(|(_, kind)| kind < 4), message, is_harmless(message, &self.record))
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
            self.ignored += 1;
            if message != PRESENT_ROLE {
                self.notice(printable(message).chars().take(MAX_SHOWN).collect(), 1);
            }
        } else if is_error && self.fatal.is_none() {
            self.fatal = Some(self.last_message());
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

    /// Why the client failed that exited with `code`; `None` if it succeeded.
    pub fn failure(&self, code: Option<i32>) -> Option<String> {
        let is_fine = code == Some(0) || code == Some(1) && self.ignored > 0;
        self.fatal.clone().or_else(|| (!is_fine).then(|| self.last_message()))
    }

    /// The last error, printable, in one line.
    pub fn last_message(&self) -> String {
        let lines = self.record.lines().map(str::trim);
        let lines = lines.filter(|line| !line.trim_matches(['^', '-']).is_empty() && !line.contains("[Note]"));
        let text = printable(&lines.collect::<Vec<_>>().join("; ").replace("psql:<stdin>:", "line "));
        match text.char_indices().nth(MAX_SHOWN) {
            _ if text.is_empty() => "it ended without a message".to_owned(),
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }

    pub fn into_notices(self) -> Vec<Notice> {
        self.notices
    }
}

fn is_harmless(message: &str, record: &str) -> bool {
    let fits = |(beginning, end): &(&str, &str)| message.starts_with(beginning) && message.ends_with(end);
    // From pg_dump --clean.
    let statement = ["STATEMENT:  ", "Command was: "].iter().find_map(|label| record.split_once(label));
    let lines = statement.map_or("", |(_, statement)| statement).lines().map(str::trim_start);
    let line = lines.clone().find(|line| !line.is_empty() && !line.starts_with("--")).unwrap_or_default();
    let is_drop = line.starts_with("DROP ") || line.starts_with("ALTER ") && line.contains(" DROP ");
    let moves_data = record.contains("CONTEXT:  COPY ") || MOVES_DATA.iter().any(|start| line.starts_with(start));
    HARMLESS.iter().any(fits) && !moves_data || is_drop && message.ends_with(" does not exist")
}

/// Whether a check passes whose query returned `value`: true, a number other than 0, or at least `at_least`.
pub fn passes(value: &str, at_least: Option<f64>) -> bool {
    let number = value.trim().parse::<f64>().ok().filter(|number| !number.is_nan());
    match at_least {
        Some(least) => number.is_some_and(|number| number >= least),
        None => ["t", "true"].contains(&value.to_lowercase().as_str()) || number.is_some_and(|number| number != 0.0),
    }
}
