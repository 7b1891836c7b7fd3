//! The run as metrics for Prometheus, in the text format 0.0.4 that node_exporter's textfile collector reads
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::time::Duration;

use chrono::{DateTime, FixedOffset};

use crate::record::run_record::{DrillFacts, Outcome, RunRecord};

const PREFIX: &str = "scripting_system";

/// The next run reads it back from the file; it is stored nowhere else.
const LAST_SUCCESS: &str = "last_success_timestamp_seconds";
const DRILL_SUCCESS: &str = "drill_last_success_timestamp_seconds";

/// A job that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    pub record: &'a RunRecord,
    pub exit_code: u8,
}

/// The file that gets the metrics.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// The label `textfile` of every sample.
    pub name: &'a str,
    pub now: DateTime<FixedOffset>,
    /// Its content from previous runs, unchecked.
    pub previous: Option<&'a str>,
    /// Whether the samples of other jobs are dropped.
    pub is_whole: bool,
}

/// Labels and value of each sample.
type Samples = Vec<(String, String)>;

/// Every sample has the labels `textfile` and `job`. The last line, `# EOF`, is a comment in this format and the end of the
/// text in OpenMetrics.
pub fn metrics(jobs: &[Ended<'_>], file: &File<'_>) -> String {
    let mut all: Vec<(&str, &str, Vec<String>)> = Vec::new();
    for job in jobs {
        for (name, help, samples) in families(job, file) {
            let first = labels(file.name, &job.record.name);
            let lines =
                samples.into_iter().map(|(labels, value)| format!("{PREFIX}_{name}{{{first}{labels}}} {value}\n"));
            match all.iter_mut().find(|(other, ..)| *other == name) {
                Some((.., known)) => known.extend(lines),
                None => all.push((name, help, lines.collect())),
            }
        }
    }
    let mut text = String::new();
    for (name, help, lines) in all {
        let others = others(jobs, file, name);
        if !(lines.is_empty() && others.is_empty()) {
            text.push_str(&format!("# HELP {PREFIX}_{name} {help}\n# TYPE {PREFIX}_{name} gauge\n"));
        }
        text.extend(others.into_iter().chain(lines));
    }
    text + "# EOF\n"
}

fn labels(textfile: &str, job: &str) -> String {
    format!("textfile=\"{}\",job=\"{}\"", escape_label(textfile), escape_label(job))
}

/// The previous samples `name` of other jobs, which did not run now.
fn others(jobs: &[Ended<'_>], file: &File<'_>, name: &str) -> Vec<String> {
    let own: Vec<String> = jobs.iter().map(|job| labels(file.name, &job.record.name)).collect();
    let start = format!("{PREFIX}_{name}{{");
    let is_other = |line: &&str| {
        let labels = line.strip_prefix(&start).filter(|labels| labels.contains(",job=\""));
        labels.is_some_and(|labels| !own.iter().any(|own| labels.starts_with(own)))
    };
    let previous = file.previous.filter(|_| !file.is_whole).into_iter().flat_map(str::lines);
    previous.filter(is_other).map(|line| format!("{line}\n")).collect()
}

fn escape_label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Name, help and samples.
type Family = (&'static str, &'static str, Samples);

/// In file order.
fn families(job: &Ended<'_>, file: &File<'_>) -> Vec<Family> {
    if let Some(drill) = &job.record.drill {
        return drill_families(job.record, drill, file);
    }
    let (record, now) = (job.record, unix_time(file.now));
    let last_success = if record.is_delivered() { Some(now) } else { last_success(file, LAST_SUCCESS, record) };
    let (dump, archive) = (record.dump.as_ref(), record.archive.as_ref());
    let kept = record.retention.as_ref().map(|plan| plan.archives_kept() as u64);
    vec![
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
        ("last_run_exit_code", "The last run's exit code.", unlabelled(job.exit_code)),
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
        ("last_run_errors", "How many errors the last run recorded.", unlabelled(record.errors())),
        ("last_run_warnings", "How many warnings the last run recorded.", unlabelled(record.warnings())),
        ("last_run_retries", "How often the last run tried something again.", unlabelled(record.retries)),
    ]
}

fn drill_families(record: &RunRecord, drill: &DrillFacts, file: &File<'_>) -> Vec<Family> {
    let now = unix_time(file.now);
    let last_success = if drill.has_passed { Some(now) } else { last_success(file, DRILL_SUCCESS, record) };
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
        Outcome::Failed | Outcome::NotBegun(_) => "failed",
        Outcome::Interrupted(_) => "interrupted",
    };
    let sample = |name| (format!(",outcome=\"{name}\""), u8::from(name == actual).to_string());
    ["success", "warnings", "failed", "interrupted"].map(sample).into()
}

fn task_durations(record: &RunRecord) -> Samples {
    let durations = record.tasks().filter_map(|report| Some((report.task, report.duration?)));
    durations.map(|(task, time)| (format!(",task=\"{task}\""), seconds(time))).collect()
}

/// The last success in the previous metrics, in Unix time, unless it is later than now: a time in the future would silence
/// every alarm. A file without the label `job`, as earlier versions wrote it, is about this job.
fn last_success(file: &File<'_>, name: &str, record: &RunRecord) -> Option<u64> {
    let (name, own) = (format!("{PREFIX}_{name}{{"), labels(file.name, &record.name));
    let is_own = |labels: &&str| labels.starts_with(&own) || !labels.contains(",job=\"");
    let sample = file.previous?.lines().filter_map(|line| line.strip_prefix(&name)).find(is_own)?;
    let (_, value) = sample.rsplit_once("} ")?;
    value.parse().ok().filter(|time| (1..=unix_time(file.now)).contains(time))
}

fn unix_time(time: DateTime<FixedOffset>) -> u64 {
    u64::try_from(time.timestamp()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::message::samples;

    fn metrics_after(record: &RunRecord, exit_code: u8, previous: Option<&str>) -> String {
        let now = record.started + Duration::from_secs(200);
        metrics(&[Ended { record, exit_code }], &File { name: "backup", now, previous, is_whole: false })
    }

    /// The last success in the metrics of a failed run after `previous`.
    fn kept_success(previous: &str) -> Option<String> {
        let text = metrics_after(&samples::hostile(), 4, Some(previous));
        let own = |line: &&str| line.starts_with("scripting_system_last_success") && line.contains(",job=\"backup\"");
        let line = text.lines().find(own)?;
        Some(line.rsplit_once(' ').unwrap().1.to_owned())
    }

    #[test]
    fn a_delivery_sets_all_metrics() {
        let mut record = samples::delivered();
        record.zip_size = Some(734_003_200);
        insta::assert_snapshot!("delivered", metrics_after(&record, 0, None));
    }

    #[test]
    fn a_failed_run_omits_unknown_metrics() {
        insta::assert_snapshot!("failed", metrics_after(&samples::hostile(), 4, None));
    }

    #[test]
    fn jobs_share_a_file_and_a_run_of_some_keeps_the_others() {
        let records = samples::jobs();
        let now = records[0].started;
        let jobs: Vec<Ended<'_>> = records.iter().map(|record| Ended { record, exit_code: 0 }).collect();
        let of =
            |jobs: &[Ended<'_>], previous, is_whole| metrics(jobs, &File { name: "jobs", now, previous, is_whole });
        let all = of(&jobs, None, true);
        let count = |text: &str, job: &str| text.matches(&format!(",job=\"{job}\"")).count();
        let again = of(&jobs[..2], Some(&all), false);
        assert_eq!((count(&again, "blog"), count(&again, "wiki")), (count(&all, "blog"), count(&all, "wiki")));
        assert_eq!(again.lines().count(), all.lines().count());
        assert_eq!(all.matches("# TYPE scripting_system_last_run_errors ").count(), 1);
        assert_eq!(count(&of(&jobs[..2], Some(&all), true), "wiki"), 0);
    }

    #[test]
    fn seconds_are_decimal_numbers() {
        let shown = [0, 420, 4_000, 322_000_000, 185_000_000_000].map(|nanos| seconds(Duration::from_nanos(nanos)));
        assert_eq!(shown, ["0.0", "4.2e-7", "0.000004", "0.322", "185.0"]);
    }

    #[test]
    fn later_runs_keep_the_last_success() {
        let success = metrics_after(&samples::delivered(), 0, None);
        assert_eq!(kept_success(&success).as_deref(), Some("1795471400"));
        let stale = samples::stale();
        let after = metrics_after(&stale, 1, Some(&success));
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
            "scripting_system_last_success_timestamp_seconds{textfile=\"backup\",job=\"other\"} 1795471400\n",
            "scripting_system_last_success_timestamp_seconds{textfile=\"back",
        ] {
            assert_eq!(kept_success(previous), None, "{previous}");
        }
    }

    #[test]
    fn a_file_name_cannot_forge_a_sample() {
        let mut record = samples::delivered();
        record.name = "a\"} 1\nnode_load1 99\\".to_owned();
        let text = metrics_after(&record, 0, None);
        assert!(text.contains(r#"{textfile="backup",job="a\"} 1\nnode_load1 99\\"}"#), "{text}");
        assert!(text.lines().all(|line| line.starts_with("# ") || line.starts_with(PREFIX)), "{text}");
    }
}
