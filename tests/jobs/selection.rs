//! Which files are jobs, and which of them a command is for.

use std::fs;

use serde_json::json;

use crate::site::Site;

#[test]
fn only_visible_json_files_without_an_underscore_are_jobs() {
    let site = Site::new(&["a", "b"]);
    for file in [".hidden.json", "_other.json", "c.json~", "d.txt"] {
        site.write_text(file, "no JSON");
    }
    fs::create_dir(site.folder().join("folder.json")).unwrap();
    site.call("run", &[]).exited_with(0);
    assert!(site.has_delivered("a") && site.has_delivered("b"));
}

#[test]
fn a_job_is_selected_by_its_name() {
    let site = Site::new(&["a", "b", "c"]);
    site.write_job("c", json!({"name": "the third"}));
    site.call("run", &["--job", "the third", "--job", "a"]).exited_with(0);
    assert!(site.has_delivered("a") && !site.has_delivered("b") && site.has_delivered("c"));
    let unknown = site.call("run", &["--job", "the fird"]);
    unknown.exited_with(2);
    assert!(unknown.stderr.contains("no such job; did you mean \"the third\"?"), "{}", unknown.stderr);
}

#[test]
fn the_shards_deliver_each_job_exactly_once() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let site = Site::new(&names);
    let run = |shard: usize| site.command("run", &["--shard", &format!("{shard}/4")]).spawn().unwrap();
    for mut process in [0, 1, 2, 3].map(run) {
        assert_eq!(process.wait().unwrap().code(), Some(0));
    }
    assert!(names.iter().all(|name| site.has_delivered(name)));
    let log = fs::read_to_string(site.setup.path("log.log")).unwrap();
    assert_eq!(log.matches("Verify archive: ").count(), names.len(), "{log}");
    // sha256("a") begins with ca978112ca1bbdca, which leaves 2 when divided by 4.
    let other = Site::new(&["a"]);
    for shard in ["0/4", "1/4", "3/4"] {
        other.call("run", &["--shard", shard]).exited_with(0);
        assert!(!other.has_delivered("a"), "{shard}");
    }
    other.call("run", &["--shard", "2/4"]).exited_with(0);
    assert!(other.has_delivered("a"));
}

#[test]
fn the_jobs_of_a_shard_that_died_are_caught_up_by_a_second_run_of_it() {
    let site = Site::new(&["a", "b", "c", "d", "e", "f"]);
    let mut process = site.command("run", &["--shard", "0/2"]).spawn().unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    site.call("run", &["--shard", "1/2"]).exited_with(0);
    let delivered = |site: &Site| ["a", "b", "c", "d", "e", "f"].iter().filter(|name| site.has_delivered(name)).count();
    let others = delivered(&site);
    assert!(others > 0 && others < 6, "{others}");
    site.call("run", &["--shard", "0/2"]).exited_with(0);
    assert_eq!(delivered(&site), 6);
}

#[test]
fn a_folder_without_jobs_and_a_wrong_shard_are_mistakes() {
    let site = Site::new(&[]);
    let empty = site.call("run", &[]);
    empty.exited_with(3);
    assert!(empty.stderr.contains("the folder has no job"), "{}", empty.stderr);
    for shard in ["4/4", "1", "-1/2", "0/0", "a/b"] {
        site.call("run", &["--shard", shard]).exited_with(2);
    }
}

#[test]
fn two_jobs_with_one_destination_are_refused_also_in_another_spelling() {
    let site = Site::new(&["a", "b", "c"]);
    let directory = site.directory("a");
    let spelled = format!("{}/.///", directory.display());
    site.write_job("b", json!({"sftp": {"directory": spelled, "host": "127.0.0.1."}, "archive": {"name": "%Y%d%m"}}));
    let outcome = site.call("run", &[]);
    outcome.exited_with(3);
    assert!(site.has_delivered("c") && !site.has_delivered("a"), "{}", outcome.all());
    for (job, other) in [("a", "b"), ("b", "a")] {
        let mistake = format!("jobs/{job}.json: sftp.directory: receives archives with the same names from");
        let line =
            outcome.stderr.lines().find(|line| line.contains(&mistake)).unwrap_or_else(|| panic!("{}", outcome.stderr));
        assert!(line.contains(&format!("/jobs/{other}.json; give one of them another")), "{line}");
    }
    // The whole folder counts, even if only one of them is selected.
    site.call("run", &["--job", "b"]).exited_with(3);
    site.write_job("b", json!({"sftp": {"directory": spelled}, "archive": {"name": "b-%Y%d%m"}}));
    site.call("run", &["--job", "b"]).exited_with(0);
}

#[test]
fn equal_names_are_refused() {
    let site = Site::new(&["a", "b"]);
    site.write_job("b", json!({"name": "a"}));
    let outcome = site.call("run", &[]);
    outcome.exited_with(3);
    assert!(outcome.stderr.contains("name: is also the name of"), "{}", outcome.stderr);
}

#[test]
fn a_command_for_one_job_asks_which() {
    let site = Site::new(&["a", "b"]);
    site.call("run", &[]).exited_with(0);
    let output = site.setup.path("out");
    let restore =
        |arguments: &[&str]| site.call("restore", &[&["--output", output.to_str().unwrap()], arguments].concat());
    let several = restore(&[]);
    several.exited_with(2);
    assert!(several.stderr.contains("name it with --job: a, b"), "{}", several.stderr);
    let drill = site.call("drill", &[]);
    drill.exited_with(2);
    assert!(drill.stderr.contains("name it with --job: a, b"), "{}", drill.stderr);
    restore(&["--job", "b"]).exited_with(0);
}

#[test]
fn without_config_the_variable_names_the_configuration() {
    let site = Site::new(&["a"]);
    let mut command = std::process::Command::new(testkit::program());
    command.arg("run").env("TZ", "UTC").env_remove("SSH_AUTH_SOCK").env("SCRIPTING_SYSTEM_CONFIG", site.folder());
    assert_eq!(command.output().unwrap().status.code(), Some(0));
    assert!(site.has_delivered("a"));
}
