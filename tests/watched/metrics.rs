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
use testkit::{Outcome, Setup, SmallDisk, wait_until};

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
    fn of(setup: &Setup) -> Metrics {
        let mut metrics = BTreeMap::new();
        for family in read(&setup.path("metrics/job.prom")) {
            assert_eq!((family.kind.as_str(), family.help.is_empty()), ("gauge", false), "{family:?}");
            assert!(!family.samples.is_empty(), "{family:?}");
            for mut sample in family.samples {
                assert_eq!(sample.name, family.name);
                assert_eq!(sample.labels.remove("textfile").as_deref(), Some("job"), "{sample:?}");
                assert_eq!(sample.labels.remove("job").as_deref(), Some("config"), "{sample:?}");
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

fn enable_metrics(setup: &mut Setup) {
    fs::create_dir(setup.path("metrics")).unwrap();
    setup.set("metrics", json!({"textfile": "metrics/job.prom"}));
}

fn night_with_metrics() -> Setup {
    let mut setup = Setup::around_midnight();
    enable_metrics(&mut setup);
    setup
}

#[track_caller]
fn assert_no_other_file(setup: &Setup) {
    let names: Vec<_> = fs::read_dir(setup.path("metrics")).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names, ["job.prom"]);
}

/// Asserts that the archive was delivered, and that a warning gives the `reason` for missing updated.
#[track_caller]
fn assert_delivered_without_metrics(setup: &Setup, outcome: &Outcome, reason: &str) {
    outcome
        .exited_with(1)
        .logged("WARNING")
        .logged("Report: the metrics were not updated: cannot write ")
        .logged(reason);
    outcome.logged("errors 0, warnings 1");
    assert!(setup.archive().exists(), "{}", outcome.all());
}

#[test]
fn a_successful_run_writes_times_outcome_sizes_and_counts() {
    Setup::on_each_server(|setup| {
        setup.set("source.max_age_days", json!(1));
        enable_metrics(setup);
        fs::write(setup.sshd.directory.join("20200101.tgz"), "old").unwrap();
        times::set_from_names(&setup.sshd.directory);
        setup.set("retention", json!({"keep_at_least": 1}));
        let before = Utc::now().timestamp() as u64;
        setup.run().exited_with(0).logged("wrote the metrics to ");
        let (after, metrics) = (Utc::now().timestamp() as u64, Metrics::of(setup));
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
            ("last_run_zip_bytes", fs::metadata(setup.path("web/my_zip.zip")).unwrap().len()),
            ("last_run_dump_bytes", setup.dump.len() as u64),
            ("last_run_archive_bytes", fs::metadata(setup.archive()).unwrap().len()),
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
        assert_eq!(fs::metadata(setup.path("metrics/job.prom")).unwrap().permissions().mode() & 0o777, 0o644);
        assert_no_other_file(setup);
    });
}

#[test]
fn a_run_without_a_delivery_keeps_the_time_of_the_last_success() {
    let mut setup = night_with_metrics();
    setup.set("source.dump", json!("other.sql"));
    setup.run().exited_with(4);
    Metrics::of(&setup).assert_missing(&["last_success_timestamp_seconds", "last_run_archive_bytes"]).assert_values(&[
        ("last_run_outcome failed", 1),
        ("last_run_delivered", 0),
        ("last_run_exit_code", 4),
        ("last_run_errors", 1),
    ]);

    setup.set("source.dump", json!("dumpfile.sql"));
    setup.run().exited_with(0);
    let success = Metrics::of(&setup).last_success().unwrap();

    setup.make_stale();
    // Otherwise both runs could have the same time.
    thread::sleep(Duration::from_millis(1_100));
    setup.run().exited_with(1);
    let stale = Metrics::of(&setup);
    stale.assert_values(&[
        ("last_success_timestamp_seconds", success),
        ("last_run_outcome warnings", 1),
        ("last_run_delivered", 0),
        ("last_run_exit_code", 1),
        ("last_run_warnings", 1),
        ("last_run_archives_kept", 1),
    ]);
    assert!(stale.value("last_run_timestamp_seconds") as u64 > success);

    let web = HttpsServer::builder(&setup.path("web")).silent().start();
    setup.set("source.url", json!(web.url("/my_zip.zip")));
    let run = start(&setup);
    wait_until("the run's request", || web.requests() > 0);
    terminate(&setup, run).exited_with(143);
    Metrics::of(&setup).assert_missing(&["last_run_zip_bytes", "last_run_archives_kept"]).assert_values(&[
        ("last_success_timestamp_seconds", success),
        ("last_run_outcome interrupted", 1),
        ("last_run_exit_code", 143),
    ]);
    assert_no_other_file(&setup);
}

#[test]
fn a_foreign_file_is_replaced_and_its_content_ignored() {
    for foreign in
        [&b"scripting_system_last_success_timestamp_seconds{textfile=\"job\"} 99999999999\n"[..], b"\xff\xfe"]
    {
        let mut setup = night_with_metrics();
        setup.make_stale();
        fs::write(setup.path("metrics/job.prom"), foreign).unwrap();
        setup.run().exited_with(1);
        Metrics::of(&setup).assert_missing(&["last_success_timestamp_seconds"]);
    }
}

#[test]
fn undelivered_reports_count_as_warnings_in_the_metrics() {
    let mut setup = night_with_metrics();
    setup.set("email.server.password", json!("wrong"));
    setup.set("monitor", json!({"ping_url": "https://127.0.0.1:1/4f6b8c1e-check"}));
    setup.run().exited_with(1);
    let expected = [("last_run_outcome warnings", 1), ("last_run_delivered", 1), ("last_run_warnings", 2)];
    Metrics::of(&setup).assert_values(&expected);
}

#[test]
fn hanging_reports_do_not_prevent_the_metrics() {
    let mut setup = night_with_metrics();
    let server = PingServer::builder().silent_at("").start();
    let ca = setup.config["mattermost"]["ca_file"].clone();
    setup.set("monitor", json!({"ping_url": server.url(), "ca_file": ca}));
    let run = start(&setup);
    wait_until("the ping", || server.pings().len() == 2);
    let started = Instant::now();
    terminate(&setup, run).exited_with(1).logged("not all reports were sent");
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    Metrics::of(&setup).assert_values(&[("last_run_delivered", 1), ("last_run_warnings", 1)]);
}

#[test]
fn metrics_that_cannot_be_written_are_a_warning() {
    let mut setup = night_with_metrics();
    setup.set("metrics.textfile", json!("missing/job.prom"));
    let outcome = setup.run();
    assert_delivered_without_metrics(&setup, &outcome, "missing/job.prom; its folder must exist");
    outcome.logged("writable for this job's user: No such file or directory");

    let disk = SmallDisk::over(&setup.path("metrics"), "size=64k");
    setup.set("metrics.textfile", json!("metrics/job.prom"));
    setup.run().exited_with(0);
    let old = fs::read(setup.path("metrics/job.prom")).unwrap();
    fs::write(setup.path("metrics/filler"), vec![1; 128 * 1024]).unwrap_err();
    assert_delivered_without_metrics(&setup, &setup.run(), "No space left on device");
    assert!(fs::read(setup.path("metrics/job.prom")).unwrap() == old, "the old file was changed");
    assert_eq!(fs::read_dir(setup.path("metrics")).unwrap().count(), 2, "a temporary file is left");
    drop(disk);
}

#[test]
fn a_run_without_a_job_does_not_change_the_metrics() {
    let mut setup = night_with_metrics();
    setup.run().exited_with(0);
    let old = fs::read_to_string(setup.path("metrics/job.prom")).unwrap();
    let assert_unchanged = |setup: &Setup| assert_eq!(fs::read_to_string(setup.path("metrics/job.prom")).unwrap(), old);
    setup.run_with(&["--dry-run"]).exited_with(0);
    assert_unchanged(&setup);
    setup.set("sftp.port", json!(0));
    setup.run().exited_with(3);
    assert_unchanged(&setup);

    setup.set("sftp.port", json!(setup.sshd.port()));
    let web = HttpsServer::builder(&setup.path("web")).silent().start();
    setup.set("source.url", json!(web.url("/my_zip.zip")));
    let first = start(&setup);
    wait_until("the first run's request", || web.requests() > 0);
    setup.run().exited_with(5);
    assert_unchanged(&setup);
    terminate(&setup, first).exited_with(143);
}

#[test]
fn jobs_on_one_machine_have_different_labels() {
    let mut setup = night_with_metrics();
    setup.run().exited_with(0);
    setup.set("metrics.textfile", json!("metrics/the \"other\" job.prom"));
    setup.run().exited_with(0);
    let families = read(&setup.path("metrics/the \"other\" job.prom"));
    assert!(families.iter().flat_map(|it| &it.samples).all(|it| it.labels["textfile"] == "the \"other\" job"));
}
