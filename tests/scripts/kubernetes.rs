//! The Kubernetes manifests: the command lines of their pods, run here.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::Parser as _;
use scripting_system::cli::Cli;
use serde_json::{Value, json};
use testkit::servers::{Authority, Entry, HttpsServer, PingServer, SftpServer, Zip, zips};
use testkit::setup::{DUMP, SFTP_PASSWORD};

const FOLDER: &str = "/etc/scripting-system/jobs";
const JOBS: usize = 12;

fn manifest(variant: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/kubernetes").join(variant).join("cronjob.yaml");
    fs::read_to_string(path).unwrap()
}

/// The value of a key that occurs once in a manifest.
fn value<'a>(manifest: &'a str, key: &str) -> &'a str {
    let mut values = manifest.lines().filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "));
    let value = values.next().unwrap_or_else(|| panic!("{key} is missing"));
    assert_eq!(values.next(), None, "{key} occurs twice");
    value
}

/// The pod's arguments. A list on one line is also JSON.
fn arguments(manifest: &str) -> Vec<String> {
    serde_json::from_str(value(manifest, "args")).unwrap()
}

fn write(path: &Path, value: &Value) {
    fs::write(path, value.to_string()).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn the_pods_of_all_indexes_together_run_each_job_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["web", "sftp", "jobs", "work"] {
        fs::create_dir(path(name)).unwrap();
    }
    let web = HttpsServer::builder(&path("web")).start();
    let sftp = SftpServer::builder(&path("sftp")).password(SFTP_PASSWORD).start();
    let ca = Authority::shared().write(folder.path());
    fs::write(path("known_hosts"), sftp.known_hosts()).unwrap();
    fs::set_permissions(path("known_hosts"), Permissions::from_mode(0o600)).unwrap();
    let common = json!({
        "source": {"dump": DUMP, "ca_file": ca, "max_age_days": 1},
        "archive": {"work_directory": path("work")},
        "sftp": {
            "host": sftp.host(), "port": sftp.port(), "username": sftp.username(), "password": SFTP_PASSWORD,
            "known_hosts": path("known_hosts"), "host_key": "strict", "connections": 1,
        },
        "monitor": {"ca_file": ca},
        "log": {"file": "-", "format": "json"},
    });
    write(&path("jobs/_common.json"), &common);
    let zip = Zip::new().with(Entry::new(DUMP, zips::sql_dump(20_000)).extended_time(chrono::Utc::now()));
    let monitors: Vec<PingServer> = (0..JOBS).map(|_| PingServer::builder().start()).collect();
    for (number, monitor) in monitors.iter().enumerate() {
        let name = format!("site-{number}");
        zip.write(&path("web").join(format!("{name}.zip")));
        fs::create_dir(path("sftp").join(&name)).unwrap();
        let job = json!({
            "extends": "_common.json",
            "source": {"url": web.url(&format!("/{name}.zip"))},
            "sftp": {"directory": name},
            "monitor": {"ping_url": monitor.url()},
        });
        write(&path("jobs").join(format!("{name}.json")), &job);
    }

    let manifest = manifest("sharded");
    let indexes: usize = value(&manifest, "completions").parse().unwrap();
    assert_eq!(value(&manifest, "parallelism"), indexes.to_string());
    let pods: Vec<_> = (0..indexes)
        .map(|index| {
            // Kubernetes replaces the variable; the volume is mounted elsewhere here.
            let arguments = arguments(&manifest).into_iter().map(|argument| {
                argument
                    .replace("$(JOB_COMPLETION_INDEX)", &index.to_string())
                    .replace(FOLDER, path("jobs").to_str().unwrap())
            });
            let mut command = Command::new("timeout");
            command
                .arg("120")
                .arg(testkit::program())
                .args(arguments)
                .env("HOME", folder.path())
                .env("TZ", "UTC")
                .env_remove("SSH_AUTH_SOCK");
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for pod in pods {
        let output = pod.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", crate::output_text(&output));
    }

    for (number, monitor) in monitors.iter().enumerate() {
        let pings: Vec<String> = monitor.pings().into_iter().map(|ping| ping.path).collect();
        assert_eq!(pings, ["/start", ""], "site-{number}");
        let archives = fs::read_dir(path("sftp").join(format!("site-{number}"))).unwrap().count();
        assert_eq!(archives, 1, "site-{number}");
    }
}

#[test]
fn the_single_pod_runs_the_folder() {
    let arguments = arguments(&manifest("single"));
    assert_eq!(arguments, ["run", "--config", FOLDER]);
    assert!(Cli::try_parse_from(std::iter::once("scripting-system".to_owned()).chain(arguments)).is_ok());
}

#[test]
fn final_exit_codes_are_not_retried() {
    for (variant, action, limit) in
        [("single", "FailJob", "backoffLimit"), ("sharded", "FailIndex", "backoffLimitPerIndex")]
    {
        let manifest = manifest(variant);
        assert_eq!(value(&manifest, limit), "1");
        assert_eq!(value(&manifest, "concurrencyPolicy"), "Forbid");
        assert_eq!(value(&manifest, "restartPolicy"), "Never");
        assert_eq!(value(&manifest, "readOnlyRootFilesystem"), "true");
        let rule = format!(
            "- action: {action}\n            onExitCodes: {{containerName: run, operator: In, values: [1, 2, 3, 5]}}"
        );
        assert!(manifest.contains(&rule), "{variant}");
    }
}
