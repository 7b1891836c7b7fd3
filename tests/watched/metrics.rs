//! The metrics of a run, parsed by Prometheus' own parser.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use chrono::Utc;
use serde::Deserialize;
use serde_json::json;
use testkit::servers::{HttpsServer, PingServer, times};
use testkit::{Night, Outcome, SmallDisk, wait_until};

use crate::{start, terminate};

const PREFIX: &str = "scripting_system_";

/// Prints the metrics of a file, its argument, as JSON.
const READER: &str = "
import json, sys
from prometheus_client.parser import text_string_to_metric_families
text = open(sys.argv[1], encoding='utf-8').read()
print(json.dumps([
    {'name': family.name, 'kind': family.type, 'help': family.documentation,
     'samples': [{'name': it.name, 'labels': it.labels, 'value': it.value} for it in family.samples]}
    for family in text_string_to_metric_families(text)]))
";

#[derive(Debug, Deserialize)]
struct Family {
    name: String,
    kind: String,
    help: String,
    samples: Vec<Sample>,
}

#[derive(Debug, Deserialize)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

#[track_caller]
fn read(path: &Path) -> Vec<Family> {
    // scripts/test.sh installs the parser into cargo's target folder.
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("prometheus_client/bin/python");
    let output = Command::new(&python).args(["-c", READER]).arg(path).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}; run scripts/test.sh once", python.display()));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: run scripts/test.sh once to install it\n{stderr}", python.display());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The values by name without prefix, and label: `last_run_outcome failed`.
struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Reads the metrics of `night`, and checks the type, help and labels of each.
    #[track_caller]
    fn of(night: &Night) -> Metrics {
        let mut metrics = BTreeMap::new();
        for family in read(&night.path("metrics/job.prom")) {
            assert_eq!((family.kind.as_str(), family.help.is_empty()), ("gauge", false), "{family:?}");
            assert!(!family.samples.is_empty(), "{family:?}");
            for mut sample in family.samples {
                assert_eq!(sample.name, family.name);
                assert_eq!(sample.labels.remove("textfile").as_deref(), Some("job"), "{sample:?}");
                let mut key = sample.name.strip_prefix(PREFIX).expect("the prefix").to_owned();
                for (label, value) in sample.labels {
                    assert!(["outcome", "task"].contains(&label.as_str()), "{label}");
                    key = format!("{key} {value}");
                }
                assert!(metrics.insert(key, sample.value).is_none(), "a duplicate");
            }
        }
        Metrics(metrics)
    }

    #[track_caller]
    fn value(&self, key: &str) -> f64 {
        *self.0.get(key).unwrap_or_else(|| panic!("no {key} in {:?}", self.0))
    }

    #[track_caller]
    fn assert_values(&self, keys: &[(&str, u64)]) -> &Metrics {
        for (key, value) in keys {
            assert!((self.value(key) - *value as f64).abs() < 0.5, "{key} is {}, not {value}", self.value(key));
        }
        self
    }

    #[track_caller]
    fn assert_missing(&self, keys: &[&str]) -> &Metrics {
        for key in keys {
            assert!(!self.0.contains_key(*key), "{key} is {}", self.0[*key]);
        }
        self
    }

    /// A Unix time.
    fn last_success(&self) -> Option<u64> {
        self.0.get("last_success_timestamp_seconds").map(|seconds| *seconds as u64)
    }
}

fn enable_metrics(night: &mut Night) {
    fs::create_dir(night.path("metrics")).unwrap();
    night.set("metrics", json!({"textfile": "metrics/job.prom"}));
}

fn night_with_metrics() -> Night {
    let mut night = Night::around_midnight();
    enable_metrics(&mut night);
    night
}

#[track_caller]
fn assert_no_other_file(night: &Night) {
    let names: Vec<_> = fs::read_dir(night.path("metrics")).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names, ["job.prom"]);
}

/// Asserts that the archive was delivered, and that a warning gives the `reason` for missing metrics.
#[track_caller]
fn assert_delivered_without_metrics(night: &Night, outcome: &Outcome, reason: &str) {
    outcome.exited_with(1).logged("WARNING").logged("Report: no new metrics: cannot write ").logged(reason);
    outcome.logged("errors 0, warnings 1");
    assert!(night.archive().exists(), "{}", outcome.all());
}

#[test]
fn a_successful_run_writes_times_outcome_sizes_and_counts() {
    Night::on_each_server(|night| {
        night.set("source.max_age_days", json!(1));
        enable_metrics(night);
        fs::write(night.sshd.directory.join("20200101.tgz"), "old").unwrap();
        times::set_as_named(&night.sshd.directory);
        night.set("retention", json!({"keep_at_least": 1}));
        let before = Utc::now().timestamp() as u64;
        night.run().exited_with(0).logged("wrote the metrics to ");
        let (after, metrics) = (Utc::now().timestamp() as u64, Metrics::of(night));
        let success = metrics.last_success().unwrap();
        assert!((before..=after).contains(&success), "{before} {success} {after}");
        metrics.assert_values(&[
            ("last_run_timestamp_seconds", success),
            ("last_run_outcome success", 1),
            ("last_run_outcome warnings", 0),
            ("last_run_outcome failed", 0),
            ("last_run_outcome interrupted", 0),
            ("last_run_delivered", 1),
            ("last_run_exit_code", 0),
            ("last_run_zip_bytes", fs::metadata(night.path("web/my_zip.zip")).unwrap().len()),
            ("last_run_dump_bytes", night.dump.len() as u64),
            ("last_run_archive_bytes", fs::metadata(night.archive()).unwrap().len()),
            ("last_run_archives_kept", 1),
            ("last_run_files_removed", 1),
            ("last_run_errors", 0),
            ("last_run_warnings", 0),
            ("last_run_retries", 0),
        ]);
        assert!(metrics.value("last_run_received_bytes") > 1000.0);
        let total = metrics.value("last_run_duration_seconds");
        let upload = metrics.value("last_run_task_duration_seconds Send archive");
        assert!(0.0 < upload && upload < total && total < 60.0, "{upload} {total}");
        for task in ["Request zip", "Verify archive", "Remove expired", "Report"] {
            metrics.value(&format!("last_run_task_duration_seconds {task}"));
        }
        assert_eq!(fs::metadata(night.path("metrics/job.prom")).unwrap().permissions().mode() & 0o777, 0o644);
        assert_no_other_file(night);
    });
}

#[test]
fn a_run_without_a_delivery_keeps_the_time_of_the_last_success() {
    let mut night = night_with_metrics();
    night.set("source.dump", json!("other.sql"));
    night.run().exited_with(4);
    Metrics::of(&night).assert_missing(&["last_success_timestamp_seconds", "last_run_archive_bytes"]).assert_values(&[
        ("last_run_outcome failed", 1),
        ("last_run_delivered", 0),
        ("last_run_exit_code", 4),
        ("last_run_errors", 1),
    ]);

    night.set("source.dump", json!("dumpfile.sql"));
    night.run().exited_with(0);
    let success = Metrics::of(&night).last_success().unwrap();

    night.make_stale();
    // Otherwise both runs could have the same time.
    thread::sleep(Duration::from_millis(1_100));
    night.run().exited_with(1);
    let stale = Metrics::of(&night);
    stale.assert_values(&[
        ("last_success_timestamp_seconds", success),
        ("last_run_outcome warnings", 1),
        ("last_run_delivered", 0),
        ("last_run_exit_code", 1),
        ("last_run_warnings", 1),
        ("last_run_archives_kept", 1),
    ]);
    assert!(stale.value("last_run_timestamp_seconds") as u64 > success);

    let web = HttpsServer::builder(&night.path("web")).silent().start();
    night.set("source.url", json!(web.url("/my_zip.zip")));
    let run = start(&night);
    wait_until("the run's request", || web.requests() > 0);
    terminate(&night, run).exited_with(143);
    Metrics::of(&night).assert_missing(&["last_run_zip_bytes", "last_run_archives_kept"]).assert_values(&[
        ("last_success_timestamp_seconds", success),
        ("last_run_outcome interrupted", 1),
        ("last_run_exit_code", 143),
    ]);
    assert_no_other_file(&night);
}

#[test]
fn a_foreign_file_is_replaced_and_its_content_ignored() {
    for foreign in
        [&b"scripting_system_last_success_timestamp_seconds{textfile=\"job\"} 99999999999\n"[..], b"\xff\xfe"]
    {
        let mut night = night_with_metrics();
        night.make_stale();
        fs::write(night.path("metrics/job.prom"), foreign).unwrap();
        night.run().exited_with(1);
        Metrics::of(&night).assert_missing(&["last_success_timestamp_seconds"]);
    }
}

#[test]
fn undelivered_reports_count_as_warnings_in_the_metrics() {
    let mut night = night_with_metrics();
    night.set("email.server.password", json!("wrong"));
    night.set("monitor", json!({"ping_url": "https://127.0.0.1:1/4f6b8c1e-check"}));
    night.run().exited_with(1);
    let expected = [("last_run_outcome warnings", 1), ("last_run_delivered", 1), ("last_run_warnings", 2)];
    Metrics::of(&night).assert_values(&expected);
}

#[test]
fn hanging_reports_do_not_prevent_the_metrics() {
    let mut night = night_with_metrics();
    let server = PingServer::builder().silent_at("").start();
    let ca = night.config["mattermost"]["ca_file"].clone();
    night.set("monitor", json!({"ping_url": server.url(), "ca_file": ca}));
    let run = start(&night);
    wait_until("the ping", || server.pings().len() == 2);
    let started = Instant::now();
    terminate(&night, run).exited_with(1).logged("not all reports could be sent");
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    Metrics::of(&night).assert_values(&[("last_run_delivered", 1), ("last_run_warnings", 1)]);
}

#[test]
fn metrics_that_cannot_be_written_are_a_warning() {
    let mut night = night_with_metrics();
    night.set("metrics.textfile", json!("missing/job.prom"));
    let outcome = night.run();
    assert_delivered_without_metrics(&night, &outcome, "missing/job.prom; its folder must exist");
    outcome.logged("this job's user must be able to write in it: No such file or directory");

    let disk = SmallDisk::over(&night.path("metrics"), "size=64k");
    night.set("metrics.textfile", json!("metrics/job.prom"));
    night.run().exited_with(0);
    let old = fs::read(night.path("metrics/job.prom")).unwrap();
    fs::write(night.path("metrics/filler"), vec![1; 128 * 1024]).unwrap_err();
    assert_delivered_without_metrics(&night, &night.run(), "No space left on device");
    assert!(fs::read(night.path("metrics/job.prom")).unwrap() == old, "the old file was changed");
    assert_eq!(fs::read_dir(night.path("metrics")).unwrap().count(), 2, "a temporary file is left");
    drop(disk);
}

#[test]
fn a_run_without_a_job_does_not_change_the_metrics() {
    let mut night = night_with_metrics();
    night.run().exited_with(0);
    let old = fs::read_to_string(night.path("metrics/job.prom")).unwrap();
    let assert_unchanged = |night: &Night| assert_eq!(fs::read_to_string(night.path("metrics/job.prom")).unwrap(), old);
    night.run_with(&["--dry-run"]).exited_with(0);
    assert_unchanged(&night);
    night.set("sftp.port", json!(0));
    night.run().exited_with(3);
    assert_unchanged(&night);

    night.set("sftp.port", json!(night.sshd.port()));
    let web = HttpsServer::builder(&night.path("web")).silent().start();
    night.set("source.url", json!(web.url("/my_zip.zip")));
    let first = start(&night);
    wait_until("the first run's request", || web.requests() > 0);
    night.run().exited_with(5);
    assert_unchanged(&night);
    terminate(&night, first).exited_with(143);
}

#[test]
fn jobs_on_one_machine_have_different_labels() {
    let mut night = night_with_metrics();
    night.run().exited_with(0);
    night.set("metrics.textfile", json!("metrics/the \"other\" job.prom"));
    night.run().exited_with(0);
    let families = read(&night.path("metrics/the \"other\" job.prom"));
    assert!(families.iter().flat_map(|it| &it.samples).all(|it| it.labels["textfile"] == "the \"other\" job"));
}
