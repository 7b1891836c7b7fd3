//! A power failure during or after writing a local file leaves either the old or the new content. strace(1) shows the order
//! of system calls that guarantees this.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use testkit::Setup;

/// Runs `command` and returns its relevant system calls. Descriptors are shown with their paths.
fn calls(setup: &Setup, command: &Command) -> Vec<String> {
    let trace = setup.path("trace");
    let output = Command::new("strace")
        .args(["-f", "-y", "-s", "4096", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,linkat", "-o"])
        .arg(&trace)
        .arg(command.get_program())
        .args(command.get_args())
        .output()
        .expect("strace is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read_to_string(&trace).unwrap().lines().map(str::to_owned).collect()
}

/// Asserts that a file in the folder of `path` was synced before it was renamed to `path`, and the folder after that.
#[track_caller]
fn assert_safe(calls: &[String], path: &Path) {
    let folder = path.parent().unwrap().display();
    let position = |matches: &dyn Fn(&String) -> bool| calls.iter().position(matches);
    let named = position(&|call| !call.contains("sync(") && call.contains(&format!(", \"{}\"", path.display())));
    let file = position(&|call| call.contains("sync(") && call.contains(&format!("<{folder}/")));
    let last = calls.iter().rposition(|call| call.contains("fsync(") && call.contains(&format!("<{folder}>")));
    let order = [file, named, last];
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{order:?} of {}: {calls:#?}", path.display());
}

#[test]
fn a_new_configuration_survives_a_power_failure() {
    let setup = Setup::new();
    let path = setup.path(".").canonicalize().unwrap().join("new.json");
    let mut command = Command::new(testkit::program());
    command.args(["gen-config", "--output"]).arg(&path);
    assert_safe(&calls(&setup, &command), &path);
    command.arg("--force");
    assert_safe(&calls(&setup, &command), &path);
}

#[test]
fn metrics_host_keys_and_a_restored_dump_survive_a_power_failure() {
    let mut setup = Setup::new();
    fs::create_dir(setup.path("metrics")).unwrap();
    setup.config["metrics"] = json!({"textfile": "metrics/job.prom"});
    let folder = setup.path(".").canonicalize().unwrap();
    // known_hosts is appended to, and may be a link.
    std::os::unix::fs::symlink("metrics/known", setup.path("known_hosts")).unwrap();
    let run = calls(&setup, &setup.command(&[]));
    assert_safe(&run, &folder.join("metrics/job.prom"));
    let position = |path: &str| {
        let path = format!("<{}>", folder.join(path).display());
        run.iter().position(|call| call.contains("fsync(") && call.contains(&path))
    };
    assert!(position("metrics/known").is_some(), "{run:#?}");
    assert!(position("metrics/known") < position("metrics"), "{run:#?}");
    // An existing file is replaced just as safely.
    assert_safe(&calls(&setup, &setup.command(&[])), &folder.join("metrics/job.prom"));

    let output = folder.join("restored");
    let restore = setup.command_of("restore", &["--output", output.to_str().unwrap()]);
    assert_safe(&calls(&setup, &restore), &output.join(testkit::setup::DUMP));
}
