//! What the command prints when it is done: a summary on a terminal, and for cron what is wrong.

use crate::report::message::facts::facts;
use crate::report::message::words;
use crate::run_record::{Level, Outcome, RunRecord};

/// The run in a few lines for a terminal, each ended by a newline.
///
/// A dry run lists what would be removed and what is kept, with the reasons.
pub fn summary(record: &RunRecord) -> String {
    let mut lines = vec![words::headline(record)];
    if let Some(dump) = &record.dump {
        let modified = dump.modified.map_or_else(|| "at an unknown time".to_owned(), words::moment);
        lines.push(format!("  dump     {}, {}, modified {modified}", dump.name, words::size(dump.size)));
    }
    if let Some(archive) = &record.archive {
        lines.push(format!("  archive  {}, {}", archive.name, words::size(archive.size)));
    }
    if let Some(fingerprint) = &record.new_host_key {
        lines.push(format!("  new host key  {fingerprint}; compare it with the server's own"));
    }
    if record.dry_run {
        for fact in facts(record).iter().filter(|fact| matches!(fact.label, "Would be removed" | "Kept")) {
            let (first, others) = fact.lines.split_first().map_or(("", &[][..]), |(first, others)| (first, others));
            lines.push(format!("  {}: {first}", fact.label.to_lowercase()));
            lines.extend(others.iter().map(|line| format!("      {line}")));
        }
    } else if let Some(plan) = &record.retention {
        let kept = words::count(plan.archives_kept(), "archive");
        lines.push(format!("  removed  {}; {kept} kept", words::count(record.removed as usize, "file")));
    }
    let retries = match record.retries {
        0 => String::new(),
        retries => format!(", tried again {}", words::count(retries as usize, "time")),
    };
    lines.push(format!("  took     {}{retries}", words::time_taken(record.duration)));
    lines.extend(notes(record, Level::Error));
    lines.extend(notes(record, Level::Warning));
    finish(record, &lines)
}

/// What cron should mail: nothing after a success, else the outcome and each error; the warnings too where they are
/// what kept the run from being a success. Each line is ended by a newline.
pub fn cron_errors(record: &RunRecord) -> String {
    let outcome = record.outcome();
    if outcome == Outcome::Success {
        return String::new();
    }
    let mut lines = vec![format!("scripting-system: {}", words::headline(record))];
    lines.extend(notes(record, Level::Error));
    if outcome == Outcome::Warnings {
        lines.extend(notes(record, Level::Warning));
    }
    finish(record, &lines)
}

fn notes(record: &RunRecord, level: Level) -> impl Iterator<Item = String> {
    let word = if level == Level::Error { "error" } else { "warning" };
    words::notes(record, level).into_iter().map(move |note| format!("{word}: {}: {}", note.task, note.text))
}

/// The lines, without what could move the terminal's cursor.
fn finish(record: &RunRecord, lines: &[String]) -> String {
    lines.iter().map(|line| record.clean(line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::message::samples;

    #[test]
    fn cron_hears_nothing_of_a_success() {
        assert_eq!(cron_errors(&samples::clean_night()), "");
    }

    #[test]
    fn cron_hears_the_warnings_of_a_night_that_ended_with_them() {
        insta::assert_snapshot!(cron_errors(&samples::stale_night()), @r"
        scripting-system: Nothing new was delivered: the dump is stale.
        warning: Compare dates: stale: modified 22 Nov 2026, which is 1 day before today
        warning: Remove expired: 20261111.tgz could not be removed: permission denied
        ");
    }

    #[test]
    fn cron_hears_the_errors_of_a_failed_night() {
        let told = cron_errors(&samples::failed_night());
        assert!(told.contains("error: Find dump: "), "{told}");
        assert!(!told.contains("warning: "), "{told}");
    }

    #[test]
    fn a_terminal_gets_a_few_lines() {
        insta::assert_snapshot!(summary(&samples::clean_night()), @r"
        The dump was delivered and verified.
          dump     backup/dump.sql, 62.00 MiB, modified 23 Nov 2026 22:58:04 +01:00
          archive  20262311.tgz, 12.50 MiB
          removed  1 file; 3 archives kept
          took     2.4 s
        ");
    }

    #[test]
    fn a_dry_run_names_what_would_go_and_why() {
        let mut record = samples::begun();
        record.dry_run = true;
        record.retention = samples::clean_night().retention;
        let told = summary(&record);
        assert!(told.contains("  would be removed: 1 file\n      20261211.tgz: expired, 11 days old\n"), "{told}");
    }
}
