//! The run as metrics for Prometheus, in the text format 0.0.4 that node_exporter's textfile collector reads.
//!
//! The crate writes OpenMetrics. Of gauges, which are all that there is here, the two formats say the same; the last
//! line, `# EOF`, is a comment in the older one (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::borrow::Cow;
use std::fmt;
use std::iter;
use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::record::run_record::{Outcome, RunRecord};

/// Each metric's name begins so.
const PREFIX: &str = "scripting_system";

/// What the next run finds again in the file: the only memory there is.
const LAST_SUCCESS: &str = "last_success_timestamp_seconds";

/// What each outcome is called.
const OUTCOMES: [&str; 4] = ["success", "warnings", "failed", "interrupted"];

/// What of a run its record does not tell.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    /// Tells several jobs on one machine apart: the label `textfile` of every sample.
    pub name: &'a str,
    /// When the run ended.
    pub at: DateTime<FixedOffset>,
    /// The program's exit code.
    pub exit_code: u8,
    /// The metrics of the run before, if there are any. What is not ours counts as none.
    pub previous: Option<&'a str>,
}

/// The metrics of the run of `record`, which ended as `ending` says.
///
/// # Errors
/// None that is known: text is written into a text.
pub fn metrics(record: &RunRecord, ending: Ending<'_>) -> Result<String, fmt::Error> {
    let label = (Cow::from("textfile"), Cow::from(ending.name.to_owned()));
    let mut registry = Registry::with_prefix_and_labels(PREFIX, iter::once(label));
    registry.register_collector(Box::new(Families(families(record, ending))));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

/// A metric with its samples.
#[derive(Debug)]
struct Family {
    name: &'static str,
    help: &'static str,
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Sample {
    label: Option<(&'static str, &'static str)>,
    value: Value,
}

#[derive(Debug, Clone, Copy)]
enum Value {
    Whole(u64),
    Seconds(Duration),
}

/// All metrics, in the order in which they are written.
#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.0 {
            let mut encoder = encoder.encode_descriptor(family.name, family.help, None, MetricType::Gauge)?;
            for sample in &family.samples {
                let labels: Vec<(&str, &str)> = sample.label.into_iter().collect();
                let encoder = encoder.encode_family(&labels)?;
                match sample.value {
                    Value::Whole(number) => ConstGauge::new(number).encode(encoder)?,
                    Value::Seconds(time) => ConstGauge::new(time.as_secs_f64()).encode(encoder)?,
                }
            }
        }
        Ok(())
    }
}

fn families(record: &RunRecord, ending: Ending<'_>) -> Vec<Family> {
    let now = u64::try_from(ending.at.timestamp()).unwrap_or_default();
    let last_success = if record.is_delivered() { Some(now) } else { last_success(ending.previous, now) };
    let archive_size = record.archive.as_ref().map(|archive| archive.size);
    let kept = record.retention.as_ref().map(|plan| plan.archives_kept() as u64);
    let whole = |name, help, number: Option<u64>| {
        let samples = number.map(|number| Sample { label: None, value: Value::Whole(number) });
        Family { name, help, samples: samples.into_iter().collect() }
    };
    let mut families = vec![
        whole("last_run_timestamp_seconds", "When the last run ended, in Unix time.", Some(now)),
        whole(
            LAST_SUCCESS,
            "When the last run ended that left a verified archive of its date on the server, in Unix time.",
            last_success,
        ),
        Family {
            name: "last_run_outcome",
            help: "1 for how the last run ended, 0 for the others.",
            samples: outcome(record.outcome()),
        },
        whole(
            "last_run_delivered",
            "Whether the last run left a verified archive of its date on the server.",
            Some(u64::from(record.is_delivered())),
        ),
        whole("last_run_exit_code", "The last run's exit code.", Some(u64::from(ending.exit_code))),
        Family {
            name: "last_run_duration_seconds",
            help: "How long the last run took, its reports aside.",
            samples: vec![Sample { label: None, value: Value::Seconds(record.duration) }],
        },
        Family {
            name: "last_run_task_duration_seconds",
            help: "How long each task of the last run took; tasks overlap.",
            samples: tasks(record),
        },
        whole("last_run_zip_bytes", "The size of the ZIP on the web server.", record.zip_size),
        whole("last_run_received_bytes", "How much of the ZIP was received.", record.received),
        whole("last_run_dump_bytes", "The size of the dump.", record.dump.as_ref().map(|dump| dump.size)),
        whole("last_run_archive_bytes", "The size of the archive.", archive_size),
        whole("last_run_archives_kept", "How many archives the last run left on the server.", kept),
        whole("last_run_files_removed", "How many files the last run removed there.", Some(record.removed.into())),
        whole("last_run_errors", "How many errors the last run told of.", Some(record.errors() as u64)),
        whole("last_run_warnings", "How many warnings the last run told of.", Some(record.warnings() as u64)),
        whole("last_run_retries", "How often the last run tried something again.", Some(record.retries.into())),
    ];
    families.retain(|family| !family.samples.is_empty());
    families
}

fn outcome(outcome: Outcome) -> Vec<Sample> {
    let met = match outcome {
        Outcome::Success => OUTCOMES[0],
        Outcome::Warnings => OUTCOMES[1],
        Outcome::Failed => OUTCOMES[2],
        Outcome::Interrupted(_) => OUTCOMES[3],
    };
    let sample = |name| Sample { label: Some(("outcome", name)), value: Value::Whole(u64::from(name == met)) };
    OUTCOMES.into_iter().map(sample).collect()
}

fn tasks(record: &RunRecord) -> Vec<Sample> {
    let ended = record.tasks().iter().filter_map(|report| Some((report.task, report.duration?)));
    ended.map(|(task, time)| Sample { label: Some(("task", task.title())), value: Value::Seconds(time) }).collect()
}

/// The last success that the metrics of the run before tell of, in Unix time, unless it is later than `now`: a time
/// that is yet to come would keep every alarm silent.
fn last_success(previous: Option<&str>, now: u64) -> Option<u64> {
    let name = format!("{PREFIX}_{LAST_SUCCESS}{{");
    let sample = previous?.lines().find_map(|line| line.strip_prefix(&name))?;
    let (_, value) = sample.rsplit_once("} ")?;
    value.parse().ok().filter(|time| (1..=now).contains(time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::message::samples;
    use crate::runtime::interrupt::Interruption;

    fn ending(record: &RunRecord) -> Ending<'static> {
        let at = record.started + Duration::from_secs(200);
        Ending { name: "backup", at, exit_code: 4, previous: None }
    }

    fn told(record: &RunRecord) -> String {
        metrics(record, ending(record)).unwrap()
    }

    /// What the run after a success keeps of `previous`, which ended in the second 1,795,471,400.
    fn kept(previous: &str) -> Option<String> {
        let record = samples::failed_night();
        let text = metrics(&record, Ending { previous: Some(previous), ..ending(&record) }).unwrap();
        let line = text.lines().find(|line| line.starts_with("scripting_system_last_success"))?;
        Some(line.rsplit_once(' ').unwrap().1.to_owned())
    }

    #[test]
    fn clean_night() {
        let mut record = samples::clean_night();
        record.zip_size = Some(734_003_200);
        let text = metrics(&record, Ending { exit_code: 0, ..ending(&record) }).unwrap();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn failed_night() {
        let text = told(&samples::failed_night());
        insta::assert_snapshot!(text);
    }

    #[test]
    fn the_outcome_is_one_of_four() {
        let mut interrupted = samples::begun();
        interrupted.interruption = Some(Interruption::Sigint);
        let nights = [samples::clean_night(), samples::stale_night(), samples::failed_night(), interrupted];
        for (record, met) in nights.iter().zip(OUTCOMES) {
            let text = told(record);
            let ones: Vec<&str> =
                text.lines().filter(|line| line.contains("_outcome{") && line.ends_with(" 1")).collect();
            assert_eq!(ones.len(), 1, "{text}");
            assert!(ones[0].contains(&format!("outcome=\"{met}\"")), "{text}");
        }
    }

    #[test]
    fn a_success_is_remembered_by_the_nights_after_it() {
        let success = told(&samples::clean_night());
        assert_eq!(kept(&success).as_deref(), Some("1795471400"));
        let stale = samples::stale_night();
        let after = metrics(&stale, Ending { previous: Some(&success), ..ending(&stale) }).unwrap();
        assert_eq!(kept(&after).as_deref(), Some("1795471400"));
    }

    #[test]
    fn what_is_not_a_past_success_is_not_remembered() {
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
            assert_eq!(kept(previous), None, "{previous}");
        }
    }

    #[test]
    fn a_name_cannot_forge_a_sample() {
        let record = samples::clean_night();
        let name = "a\"} 1\nnode_load1 99\\";
        let text = metrics(&record, Ending { name, ..ending(&record) }).unwrap();
        assert!(text.contains(r#"{textfile="a\"} 1\nnode_load1 99\\"}"#), "{text}");
        assert!(text.lines().all(|line| line.starts_with("# ") || line.starts_with(PREFIX)), "{text}");
        assert_eq!(kept(&text).as_deref(), Some("1795471400"), "and is no hindrance");
    }
}
