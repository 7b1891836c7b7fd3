//! The output at the end of a run or a drill: a summary on a terminal, or the errors for cron.

use crate::record::run_record::{Level, NOT_KNOWN_YET, Outcome, RunRecord, State};
use crate::record::task::Task;
use crate::report::message::{drill, figures, headline, overview, tasks};
use crate::rules::redaction::printable;
use crate::rules::retention::{Action, Decision};
use crate::rules::units;

/// Lines for a terminal, each with a newline. A dry run lists what would be sent, and whether each file on the server would
/// be removed or kept, and why.
pub(super) fn summary(record: &RunRecord) -> String {
    let mut lines = vec![headline::headline(record)];
    if let Some(dump) = &record.dump {
        let modified = dump.modified.map_or_else(|| "at an unknown time".to_owned(), headline::moment);
        lines.push(format!("  dump     {}, {}, modified {modified}", dump.name, units::size(dump.size)));
    }
    if let Some(archive) = &record.archive {
        lines.push(format!("  archive  {}, {}", archive.name, units::size(archive.size)));
    }
    for figure in record.drill.iter().flat_map(drill::figures) {
        lines.extend(figure.lines().map(|line| format!("  {:<8} {line}", figure.label)));
    }
    if let Some(fingerprint) = &record.new_host_key {
        let trust = if record.dry_run { NOT_KNOWN_YET } else { "is trusted from now on" };
        lines.push(format!("  new host key  {fingerprint} {trust}; verify it on the server"));
    }
    if record.dry_run {
        lines.extend(dry_run(record));
    } else if let Some(plan) = &record.retention {
        let kept = units::count(plan.archives_kept(), "archive");
        lines.push(format!("  removed  {}; {kept} kept", units::count(record.removed, "file")));
    }
    lines.extend(figures::last_good(record).map(|sentence| format!("  {sentence}")));
    if let Some(free) = figures::free(record) {
        lines.push(format!("  free     {}", [free.value].into_iter().chain(free.notes).collect::<Vec<_>>().join(", ")));
    }
    let retries = match record.retries {
        0 => String::new(),
        retries => format!(", retried {}", units::count(retries, "time")),
    };
    lines.push(format!("  took     {}{retries}", units::duration(record.duration)));
    lines.extend(notes(record, Level::Error));
    lines.extend(notes(record, Level::Warning));
    finish(record, &lines)
}

/// Omits no file.
fn dry_run(record: &RunRecord) -> Vec<String> {
    let mut lines = Vec::new();
    let sending = record.task(Task::SendArchive);
    if sending.state == State::Skipped {
        let nothing = if headline::is_stale(record) { "nothing would be sent: " } else { "" };
        lines.push(format!("  archive  {nothing}{}", sending.text));
    }
    let removing = record.task(Task::RemoveExpired);
    let put_back = tasks::notes(record, Level::Info)
        .filter(|note| note.task == removing.task && note.text != removing.text)
        .map(|note| format!("  leftover {}", note.text));
    lines.extend(put_back);
    lines.extend(planned(record));
    lines
}

fn planned(record: &RunRecord) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(plan) = &record.retention {
        let (removed, kept): (Vec<&Decision>, Vec<&Decision>) =
            plan.decisions.iter().partition(|decision| decision.action == Action::Remove);
        let named = |decision: &&Decision| format!("      {}: {}", decision.name, decision.reason);
        lines.push(format!("  would be removed: {}", units::count(removed.len(), "file")));
        lines.extend(removed.iter().map(named));
        let others = kept.len().saturating_sub(plan.archives_kept());
        let archives = units::count(plan.archives_kept(), "archive");
        lines.push(format!("  would be kept: {archives}, {}", units::count(others, "other")));
        lines.extend(kept.iter().map(named));
    }
    lines
}

/// Lines after `prune`: errors and warnings, and for a person before them each file with its reason.
pub(super) fn pruning(record: &RunRecord, is_for_person: bool) -> String {
    let removing = record.task(Task::RemoveExpired);
    let files =
        tasks::notes(record, Level::Info).filter(|note| note.task == removing.task).map(|note| note.text.clone());
    let planned = planned(record).into_iter().filter(|_| record.dry_run);
    let mut lines: Vec<String> = files.chain(planned).filter(|_| is_for_person).collect();
    let problems = notes(record, Level::Error).chain(notes(record, Level::Warning));
    lines.extend(problems.map(|problem| format!("scripting-system: {problem}")));
    finish(record, &lines)
}

/// Lines for a terminal about several jobs: the summary of each below its name, and the outcome of all.
pub(super) fn several(records: &[RunRecord]) -> String {
    let summary = |record: &RunRecord| format!("{}: {}\n", printable(&record.name), summary(record));
    let all: String = records.iter().map(summary).collect();
    format!("{all}{}\n", overview::headline(records))
}

/// The text for cron to mail: empty after a success, otherwise the outcome and all errors, or all warnings if there was no
/// error. Each line ends with a newline. `is_named`: with the job's name.
pub(super) fn cron_errors(record: &RunRecord, is_named: bool) -> String {
    let outcome = record.outcome();
    if outcome == Outcome::Success {
        return String::new();
    }
    let name = if is_named { format!("{}: ", record.name) } else { String::new() };
    let mut lines = vec![format!("scripting-system: {name}{}", headline::headline(record))];
    lines.extend(figures::last_good(record));
    lines.extend(notes(record, Level::Error));
    if outcome == Outcome::Warnings {
        lines.extend(notes(record, Level::Warning));
    }
    finish(record, &lines)
}

fn notes(record: &RunRecord, level: Level) -> impl Iterator<Item = String> {
    let word = if level == Level::Error { "error" } else { "warning" };
    tasks::notes(record, level).map(move |note| format!("{word}: {}: {}", note.task, note.text))
}

/// The lines, safe for a terminal.
fn finish(record: &RunRecord, lines: &[String]) -> String {
    lines.iter().map(|line| record.clean(line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::message::samples;

    #[test]
    fn cron_mails_nothing_after_a_success_otherwise_errors_or_warnings() {
        assert_eq!(cron_errors(&samples::delivered(), false), "");
        let text = cron_errors(&samples::hostile(), false);
        assert!(text.contains("error: Find dump: ") && !text.contains("warning: "), "{text}");
        insta::assert_snapshot!(cron_errors(&samples::stale(), false), @r"
        scripting-system: Nothing new was delivered: the dump is stale.
        The last good archive is unknown: the folder on the server was not listed.
        warning: Compare dates: stale: modified 22 Nov 2026, which is 1 day before today
        warning: Remove expired: 20261111.tgz could not be removed: permission denied
        ");
    }

    #[test]
    fn a_terminal_shows_a_summary() {
        insta::assert_snapshot!(summary(&samples::delivered()), @r"
        The dump was delivered and verified.
          dump     backup/dump.sql, 62.00 MiB, modified 23 Nov 2026 22:58:04 +01:00
          archive  20262311.tgz, 12.50 MiB
          removed  1 file; 3 archives kept
          took     2.4 s
        ");
    }

    #[test]
    fn a_failed_run_shows_the_state_of_the_server() {
        insta::assert_snapshot!(summary(&samples::unreachable_web_server()), @r"
        FAILED at Request zip: nothing new was delivered.
          The last good archive is 3 days old: 20262011.tgz, dated 20 Nov 2026.
          free     41.20 GiB, room for 3,360 more archives of the latest size
          took     1 min 34 s, retried 2 times
        error: Request zip: no answer from www.example.org within 30 s (source.timeout_seconds). Check that the web server is running
        ");
    }

    #[test]
    fn a_dry_run_shows_what_would_be_sent_and_what_would_happen_to_every_file() {
        insta::assert_snapshot!(summary(&samples::dry_run()), @r"
        Dry run. Nothing was changed.
          dump     backup/dump.sql, 62.00 MiB, modified 23 Nov 2026 22:58:04 +01:00
          archive  20262311.tgz would be sent to TSE-INFORX, where nothing has that name yet
          leftover .20262111.tgz.old would be put back as 20262111.tgz
          would be removed: 1 file
              20261211.tgz: expired, 11 days old
          would be kept: 3 archives, 1 other
              20262111.tgz: 2 days old
              20262311.tgz: 0 days old
              20262411.tgz: dated after today
              notes.txt: not one of this configuration's archives
          took     2.4 s
        ");
    }

    #[test]
    fn a_dry_run_with_a_stale_dump_would_send_nothing() {
        let mut record = samples::stale();
        record.dry_run = true;
        let text = summary(&record);
        assert!(text.contains("  archive  nothing would be sent: the dump is stale\n"), "{text}");
    }

    #[test]
    fn a_dry_run_names_every_file_and_no_name_can_forge_a_line() {
        let mut record = samples::dry_run();
        let decisions = &mut record.retention.as_mut().unwrap().decisions;
        decisions[0].name = "a\n  would be kept: forged".to_owned();
        *decisions = decisions.iter().cycle().take(5_000).cloned().collect();
        let text = summary(&record);
        assert!(text.lines().count() > 5_000 && text.contains("      a\\n  would be kept: forged: "));
    }
}
