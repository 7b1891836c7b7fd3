//! The run as metrics for Prometheus, in the text format 0.0.4 that node_exporter's textfile collector reads
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::time::Duration;

use chrono::{DateTime, FixedOffset};

use crate::record::run_record::{DrillFacts, Outcome, RunRecord};

const PREFIX: &str = "scripting_system";

/// The next run reads it back from the file; it is stored nowhere else.
const LAST_SUCCESS: &str = "last_success_timestamp_seconds";
const DRILL_SUCCESS: &str = "drill_last_success_timestamp_seconds";

/// Run facts that the record lacks.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    /// The label `textfile` of every sample, which distinguishes the jobs on one machine.
    pub name: &'a str,
    pub ended_at: DateTime<FixedOffset>,
    pub exit_code: u8,
    /// The content of the file from the previous run, unchecked.
    pub previous: Option<&'a str>,
}

/// Labels and value of each sample.
type Samples = Vec<(String, String)>;

/// The last line, `# EOF`, is a comment in this format and the end of the text in OpenMetrics.
pub fn metrics(record: &RunRecord, ending: Ending<'_>) -> String {
    let mut text = String::new();
    let families = match &record.drill {
        Some(drill) => drill_families(record, drill, ending),
        None => families(record, ending).into(),
    };
    for (name, help, samples) in families {
        if !samples.is_empty() {
            text.push_str(&format!("# HELP {PREFIX}_{name} {help}\n# TYPE {PREFIX}_{name} gauge\n"));
        }
        for (labels, value) in samples {
            text.push_str(&format!("{PREFIX}_{name}{{textfile=\"{}\"{labels}}} {value}\n", escape_label(ending.name)));
        }
    }
    text + "# EOF\n"
}

fn escape_label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Name, help and samples.
type Family = (&'static str, &'static str, Samples);

/// In file order.
fn families(record: &RunRecord, ending: Ending<'_>) -> [Family; 16] {
    let now = u64::try_from(ending.ended_at.timestamp()).unwrap_or_default();
    let last_success = if record.is_delivered() { Some(now) } else { last_success(ending.previous, LAST_SUCCESS, now) };
    let (dump, archive) = (record.dump.as_ref(), record.archive.as_ref());
    let kept = record.retention.as_ref().map(|plan| plan.archives_kept() as u64);
    [
        ("last_run_timestamp_seconds", "When the last run ended, in Unix time.", unlabelled(now)),
        (
            LAST_SUCCESS,
            "When the last run ended that left a verified archive of its date on the server, in Unix time.",
            if_known(last_success),
        ),
        ("last_run_outcome", "1 for how the last run ended, 0 for the others.", outcomes(record.outcome())),
        (
            "last_run_delivered",
            "Whether the last run left a verified archive of its date on the server.",
            unlabelled(u8::from(record.is_delivered())),
        ),
        ("last_run_exit_code", "The last run's exit code.", unlabelled(ending.exit_code)),
        (
            "last_run_duration_seconds",
            "How long the last run took, its reports aside.",
            unlabelled(seconds(record.duration)),
        ),
        (
            "last_run_task_duration_seconds",
            "How long each task of the last run took; tasks overlap.",
            task_durations(record),
        ),
        ("last_run_zip_bytes", "The size of the ZIP on the web server.", if_known(record.zip_size)),
        ("last_run_received_bytes", "How much of the ZIP was received.", if_known(record.received)),
        ("last_run_dump_bytes", "The size of the dump.", if_known(dump.map(|dump| dump.size))),
        ("last_run_archive_bytes", "The size of the archive.", if_known(archive.map(|archive| archive.size))),
        ("last_run_archives_kept", "How many archives the last run left on the server.", if_known(kept)),
        ("last_run_files_removed", "How many files the last run removed there.", unlabelled(record.removed)),
        ("last_run_errors", "How many errors the last run told of.", unlabelled(record.errors())),
        ("last_run_warnings", "How many warnings the last run told of.", unlabelled(record.warnings())),
        ("last_run_retries", "How often the last run tried something again.", unlabelled(record.retries)),
    ]
}

fn drill_families(record: &RunRecord, drill: &DrillFacts, ending: Ending<'_>) -> Vec<Family> {
    let now = u64::try_from(ending.ended_at.timestamp()).unwrap_or_default();
    let last_success = if drill.has_passed { Some(now) } else { last_success(ending.previous, DRILL_SUCCESS, now) };
    let findings = drill.findings.as_ref();
    vec![
        ("drill_timestamp_seconds", "When the last drill ended, in Unix time.", unlabelled(now)),
        ("drill_success", "Whether the last drill passed.", unlabelled(u8::from(drill.has_passed))),
        (DRILL_SUCCESS, "When the last drill ended that passed, in Unix time.", if_known(last_success)),
        ("drill_duration_seconds", "How long the last drill took.", unlabelled(seconds(record.duration))),
        ("drill_tables", "How many tables the last drill restored.", if_known(findings.map(|found| found.tables))),
        ("drill_rows", "How many rows the last drill restored.", if_known(findings.map(|found| found.rows))),
    ]
}

fn unlabelled(value: impl ToString) -> Samples {
    vec![(String::new(), value.to_string())]
}

fn if_known(value: Option<u64>) -> Samples {
    value.map(unlabelled).unwrap_or_default()
}

/// In seconds: "185.0", "0.322", "4.2e-7".
fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match (time.as_nanos(), time.subsec_nanos()) {
        (1..1_000, _) => format!("{seconds:e}"),
        (_, 0) => format!("{seconds:.1}"),
        _ => seconds.to_string(),
    }
}

fn outcomes(outcome: Outcome) -> Samples {
    let actual = match outcome {
        Outcome::Success => "success",
        Outcome::Warnings => "warnings",
        Outcome::Failed => "failed",
        Outcome::Interrupted(_) => "interrupted",
    };
    let sample = |name| (format!(",outcome=\"{name}\""), u8::from(name == actual).to_string());
    ["success", "warnings", "failed", "interrupted"].map(sample).into()
}

fn task_durations(record: &RunRecord) -> Samples {
    let durations = record.tasks().filter_map(|report| Some((report.task, report.duration?)));
    durations.map(|(task, time)| (format!(",task=\"{task}\""), seconds(time))).collect()
}

/// The last success in the previous metrics, in Unix time, unless it is later than `now`: a time in the future would
/// silence every alarm.
fn last_success(previous: Option<&str>, name: &str, now: u64) -> Option<u64> {
    let name = format!("{PREFIX}_{name}{{");
    let sample = previous?.lines().find_map(|line| line.strip_prefix(&name))?;
    let (_, value) = sample.rsplit_once("} ")?;
    value.parse().ok().filter(|time| (1..=now).contains(time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::message::samples;

    fn ending(record: &RunRecord) -> Ending<'static> {
        let ended_at = record.started + Duration::from_secs(200);
        Ending { name: "backup", ended_at, exit_code: 4, previous: None }
    }

    fn metrics_of(record: &RunRecord) -> String {
        metrics(record, ending(record))
    }

    /// The last success in the metrics of a failed run after `previous`.
    fn kept_success(previous: &str) -> Option<String> {
        let record = samples::hostile();
        let text = metrics(&record, Ending { previous: Some(previous), ..ending(&record) });
        let line = text.lines().find(|line| line.starts_with("scripting_system_last_success"))?;
        Some(line.rsplit_once(' ').unwrap().1.to_owned())
    }

    #[test]
    fn a_delivery_sets_all_metrics() {
        let mut record = samples::delivered();
        record.zip_size = Some(734_003_200);
        insta::assert_snapshot!("delivered", metrics(&record, Ending { exit_code: 0, ..ending(&record) }));
    }

    #[test]
    fn a_failed_run_omits_unknown_metrics() {
        insta::assert_snapshot!("failed", metrics_of(&samples::hostile()));
    }

    #[test]
    fn seconds_are_decimal_numbers() {
        let shown = [0, 420, 4_000, 322_000_000, 185_000_000_000].map(|nanos| seconds(Duration::from_nanos(nanos)));
        assert_eq!(shown, ["0.0", "4.2e-7", "0.000004", "0.322", "185.0"]);
    }

    #[test]
    fn later_runs_keep_the_last_success() {
        let success = metrics_of(&samples::delivered());
        assert_eq!(kept_success(&success).as_deref(), Some("1795471400"));
        let stale = samples::stale();
        let after = metrics(&stale, Ending { previous: Some(&success), ..ending(&stale) });
        assert_eq!(kept_success(&after).as_deref(), Some("1795471400"));
    }

    #[test]
    fn anything_but_a_past_success_is_ignored() {
        for previous in [
            "",
            "node_load1 3\n",
            "scripting_system_last_success_timestamp_seconds 1795471400\n",
            "scripting_system_last_success_timestamp_seconds{textfile=\"backup\"} NaN\n",
            "scripting_system_last_success_timestamp_seconds{textfile=\"backup\"} -5\n",
            "scripting_system_last_success_timestamp_seconds{textfile=\"backup\"} 0\n",
            "scripting_system_last_success_timestamp_seconds{textfile=\"backup\"} 1795471401\n",
            "scripting_system_last_success_timestamp_seconds{textfile=\"back",
        ] {
            assert_eq!(kept_success(previous), None, "{previous}");
        }
    }

    #[test]
    fn a_file_name_cannot_forge_a_sample() {
        let record = samples::delivered();
        let name = "a\"} 1\nnode_load1 99\\";
        let text = metrics(&record, Ending { name, ..ending(&record) });
        assert!(text.contains(r#"{textfile="a\"} 1\nnode_load1 99\\"}"#), "{text}");
        assert!(text.lines().all(|line| line.starts_with("# ") || line.starts_with(PREFIX)), "{text}");
        assert_eq!(kept_success(&text).as_deref(), Some("1795471400"));
    }
}
