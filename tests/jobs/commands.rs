//! The other commands with a folder: each job is shown, and one job's mistake or failure does not stop the others.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use testkit::Outcome;
use testkit::servers::listener::closed_address;

use crate::site::Site;

/// Jobs after a run: `blog` is good, `shop` cannot reach its server, `wiki` has a mistake, `www` is good.
fn mixed() -> Site {
    let site = Site::new(&["blog", "shop", "wiki", "www"]);
    site.call("run", &[]).exited_with(0);
    site.write_job("shop", json!({"sftp": {"port": closed_address().port()}}));
    site.write_job("wiki", json!({"sftp": {"port": 0}}));
    site
}

/// The printed document, which must match the schema of `command`.
#[track_caller]
fn document(command: &str, outcome: &Outcome) -> Vec<Value> {
    let schema = fs::read_to_string(format!("docs/{command}.schema.json")).unwrap();
    let schema = jsonschema::options().should_validate_formats(true).build(&serde_json::from_str(&schema).unwrap());
    let document = serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {}", outcome.all()));
    schema.unwrap().validate(&document).unwrap_or_else(|error| panic!("{error} at {}", error.instance_path()));
    document.as_array().unwrap().clone()
}

/// Name and exit code of each job in `document`; 0 for a job without an exit code.
fn codes(document: &[Value]) -> Vec<(&str, u64)> {
    document.iter().map(|it| (it["job"].as_str().unwrap(), it["exit_code"].as_u64().unwrap_or(0))).collect()
}

fn headings(outcome: &Outcome) -> Vec<&str> {
    outcome.stdout.lines().filter(|line| line.starts_with("== ")).collect()
}

#[test]
fn list_shows_each_job_below_its_name() {
    let site = mixed();
    let listed = site.call("list", &[]);
    listed.exited_with(4);
    assert_eq!(headings(&listed), ["== blog ==", "== shop ==", "== wiki ==", "== www =="]);
    assert_eq!(listed.stdout.matches(&site.setup.archive_name()).count(), 4, "{}", listed.all());
    for words in ["scripting-system: shop: no connection to 127.0.0.1", "jobs/wiki.json: sftp.port: 0 is out of bounds"]
    {
        assert!(listed.stderr.contains(words), "{words:?}: {}", listed.all());
    }
    let last = listed.stdout.lines().last().unwrap();
    assert_eq!(last, "4 jobs; exit codes other than 0: shop (4), wiki (3)");
    let good = site.call("list", &["--job", "www", "--job", "blog"]);
    good.exited_with(0);
    assert!(good.stdout.ends_with("\n2 jobs, all successful\n"), "{}", good.all());
}

#[test]
fn list_as_json_is_a_list_with_each_job() {
    let site = mixed();
    let listed = site.call("list", &["--json"]);
    listed.exited_with(4);
    let document = document("list", &listed);
    assert_eq!(codes(&document), [("blog", 0), ("shop", 4), ("wiki", 3), ("www", 0)]);
    assert_eq!(document[3]["archives"][0]["name"], site.setup.archive_name());
    let errors = document[1]["errors"][0].as_str().unwrap();
    assert!(errors.contains("no connection to"), "{errors}");
    let one = site.call("list", &["--json", "--job", "blog"]);
    one.exited_with(0);
    assert_eq!(codes(&self::document("list", &one)), [("blog", 0)]);
    let without_a_job = site.call("list", &["--json", "--shard", "0/1000"]);
    without_a_job.exited_with(0);
    assert_eq!(without_a_job.stdout, "[]\n");
}

#[test]
fn check_continues_after_a_mistake_and_reports_two_jobs_with_one_destination() {
    let site = Site::new(&["a", "b", "c"]);
    site.write_job("b", json!({"sftp": {"directory": format!("{}/", site.directory("a").display())}}));
    let checked = site.call("check", &[]);
    checked.exited_with(3);
    assert_eq!(headings(&checked), ["== a ==", "== b ==", "== c =="]);
    assert!(checked.stdout.contains("a test file was created"), "{}", checked.all());
    assert!(checked.stdout.ends_with("\n3 jobs; exit codes other than 0: a (3), b (3)\n"));
    let checked = site.call("check", &["--json"]);
    checked.exited_with(3);
    let document = document("check", &checked);
    assert_eq!(codes(&document), [("a", 3), ("b", 3), ("c", 0)]);
    for (index, other) in [(0, "b.json"), (1, "a.json")] {
        let finding = &document[index]["findings"][0];
        assert_eq!((&finding["subject"], &finding["status"]), (&json!("sftp.directory"), &json!("problem")));
        assert!(finding["text"].as_str().unwrap().ends_with(other), "{finding}");
    }
    assert_eq!(document[2]["totals"]["problems"], 0);
}

#[test]
fn verify_and_prune_go_through_the_jobs() {
    let site = mixed();
    let verified = site.call("verify", &["--all"]);
    verified.exited_with(4);
    assert_eq!(headings(&verified), ["== blog ==", "== shop ==", "== wiki ==", "== www =="]);
    assert_eq!(verified.stdout.matches(&site.setup.archive_name()).count(), 2, "{}", verified.all());
    for name in ["blog", "www"] {
        let mut old = File::create(site.directory(name).join("20200101.tgz")).unwrap();
        old.write_all(b"old").unwrap();
        old.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }
    site.change_common(|common| common["retention"] = json!({"remove": "prune", "keep_days": 1, "keep_at_least": 1}));
    let pruned = site.call("prune", &["--job", "blog", "--job", "www"]);
    pruned.exited_with(0);
    assert_eq!((pruned.stdout.as_str(), pruned.stderr.as_str()), ("", ""), "silent for cron");
    assert!(site.has_delivered("blog") && site.has_delivered("www"));
    site.call("prune", &["--dry-run"]).exited_with(4);
}

/// Without values that vary.
fn scrubbed(site: &Site, text: &str) -> String {
    let folder = format!("{}/", site.folder().display());
    let text = text.replace(&site.setup.archive_name(), "…").replace(&folder, "/etc/scripting-system/jobs/");
    let mut scrubbed = String::new();
    for line in text.lines() {
        let mut line = format!("{line}\n");
        for (start, end) in [("127.0.0.1:", " "), (" is ", " old"), (" old, ", " KiB"), ("'=", ";")] {
            if let Some(from) = line.find(start).filter(|_| !line.contains("archives")).map(|at| at + start.len())
                && let Some(length) = line[from..].find(end)
            {
                line.replace_range(from..from + length, "…");
            }
        }
        scrubbed += &line;
    }
    scrubbed
}

#[test]
fn status_shows_the_worst_state_first_and_a_line_for_each_job() {
    let site = mixed();
    let status = site.call("status", &[]);
    status.exited_with(2);
    insta::assert_snapshot!(scrubbed(&site, &status.stdout), @r"
    SCRIPTING-SYSTEM CRITICAL - 4 jobs: 1 CRITICAL, 1 UNKNOWN, 2 OK | critical=1;;;0 unknown=1;;;0 warning=0;;;0 ok=2;;;0
    CRITICAL shop: no connection to 127.0.0.1:… Check sftp.host and sftp.port, that the server is running, and firewalls: Connection refused (os error 111)
    UNKNOWN wiki: /etc/scripting-system/jobs/wiki.json: sftp.port: 0 is out of bounds; write a number from 1 to 65535
    OK blog: … is … old, … KiB
    OK www: … is … old, … KiB | 'blog age'=…;;93600;0
    'blog size'=…;;;0
    'blog archives'=1;;;0
    'blog free'=…;;;0
    'www age'=…;;93600;0
    'www size'=…;;;0
    'www archives'=1;;;0
    'www free'=…;;;0
    ");
    assert_eq!(status.stderr, "");

    site.call("status", &["--job", "wiki"]).exited_with(3);
    site.call("status", &["--job", "blog", "--job", "www"]).exited_with(0);
    let unknown = site.call("status", &["--job", "x"]);
    unknown.exited_with(3);
    assert!(unknown.stdout.starts_with("SCRIPTING-SYSTEM UNKNOWN - --job x: "), "{}", unknown.all());
}

#[test]
fn status_examines_many_jobs_within_one_time_limit() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let names: Vec<String> = (0..20).map(|number| format!("job{number:02}")).collect();
    let site = Site::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &names {
        site.write_job(name, json!({"sftp": {"port": silent.local_addr().unwrap().port()}}));
    }
    let begun = Instant::now();
    let status = site.call("status", &["--timeout", "2s"]);
    // With the grace period of a connection that does not end at once.
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    status.exited_with(2);
    assert!(status.stdout.starts_with("SCRIPTING-SYSTEM CRITICAL - 20 jobs: 20 CRITICAL | "), "{}", status.stdout);
    assert_eq!(status.stdout.matches("CRITICAL job").count(), 20, "{}", status.stdout);
}

#[test]
fn a_signal_ends_the_command_and_not_only_its_job() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let site = Site::new(&["a", "b"]);
    for name in ["a", "b"] {
        site.write_job(name, json!({"sftp": {"port": silent.local_addr().unwrap().port()}}));
    }
    let child = site.command("list", &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _socket = silent.accept().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    let outcome = site.setup.outcome(child.wait_with_output().unwrap());
    outcome.exited_with(143);
    assert_eq!(headings(&outcome), ["== a =="], "{}", outcome.all());
}

#[test]
fn a_refused_password_is_offered_once_by_each_command() {
    let mut site = Site::new(&["a", "b", "c"]);
    let server = site.refuse_passwords(&["a", "b", "c"]);
    let passwords = || server.auth_attempts().into_iter().filter(|attempt| attempt.method == "password").count();
    for (number, (command, code)) in [("status", 2), ("list", 4), ("check", 4), ("verify", 4)].into_iter().enumerate() {
        let outcome = site.call(command, &[]);
        outcome.exited_with(code);
        assert_eq!(passwords(), number + 1, "{command}: {}", outcome.all());
    }
}

#[test]
fn the_effective_configuration_shows_each_value_and_its_file_but_no_secret() {
    let site = Site::new(&["a"]);
    site.change_common(|common| {
        common["source"]["url"] = json!("https://www.example.com/dump.zip?token=s3cr3t-query");
        common["source"]["headers"] = json!({"file": "s3cr3t-header"});
        common["email"]["server"]["passwort"] = json!("s3cr3t-typo");
        common["retention"] = json!({"keep_days": 20, "keep_at_least": 5});
    });
    let retention = json!({"keep_days": 30, "keep_at_least": null});
    site.write_job("a", json!({"retention": retention, "drill": {"ping_url": {"file": "ping"}}}));
    let shown = site.call("check", &["--effective"]);
    shown.exited_with(0);
    let document: Value = serde_json::from_str(&shown.stdout).unwrap();
    let keys = &document["keys"];
    let (own, base) = (site.folder().join("a.json"), site.folder().join("_common.json"));
    for (key, value, from) in [
        ("source.url", json!("https://www.example.com/dump.zip?…"), base.to_str().unwrap()),
        ("source.headers.file", json!("[withheld]"), base.to_str().unwrap()),
        ("sftp.directory", json!(site.directory("a")), own.to_str().unwrap()),
        ("sftp.connections", json!(8), "default"),
        ("retention.keep_days", json!(30), own.to_str().unwrap()),
        ("retention.keep_at_least", json!(3), "default"),
        ("email.server.password", json!("[withheld]"), base.to_str().unwrap()),
        ("email.to", json!(["operator@example.org"]), base.to_str().unwrap()),
        ("mattermost.webhook_url", json!("[withheld]"), base.to_str().unwrap()),
        ("drill.ping_url", json!({"file": "ping"}), own.to_str().unwrap()),
        ("metrics", json!(null), "default"),
    ] {
        assert_eq!(keys[key], json!({"value": value, "from": from}), "{key}: {}", shown.stdout);
    }
    for secret in ["s3cr3t", testkit::setup::MAIL_LOGIN.1] {
        assert!(!shown.all().contains(secret), "{}", shown.all());
    }
    assert_eq!((&document["job"], site.setup.web.requests()), (&json!("a"), 0));
    // A line for each key.
    assert!(
        shown.stdout.contains("\n    \"sftp.connections\": {\"from\":\"default\",\"value\":8},\n"),
        "{}",
        shown.stdout
    );

    site.write_text("_common.json", "{");
    let broken = site.call("check", &["--effective"]);
    broken.exited_with(3);
    assert!(broken.stderr.contains("_common.json is not JSON at line 1"), "{}", broken.stderr);
}
