//! All is well: everything is told, and nothing is changed; and `--notify` sends one test of each report.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use serde_json::json;

use super::{check, files, must_end_with, night, prepare, scrubbed};
use testkit::Night;
use testkit::night::DUMP;
use testkit::servers::zips::noise;
use testkit::servers::{Entry, Zip};

#[test]
fn all_that_a_run_needs_is_reached_and_nothing_is_sent_or_changed() {
    let mut night = night();
    night.publish(&Zip::new().with(Entry::new(DUMP, noise(200_000)).extended_time(night.modified)));
    night.config["monitor"] = json!({"ping_url": night.webhook.url(), "ca_file": "ca.pem"});
    night.config["metrics"] = json!({"textfile": "backup.prom"});
    fs::write(night.sshd.directory.join("20200101.tgz"), "old").unwrap();
    fs::write(night.sshd.directory.join("notes.txt"), "not ours").unwrap();
    let (before, known_hosts) = (files(&night.sshd.directory), fs::read(night.path("known_hosts")).unwrap());
    let outcome = must_end_with(&night, 0);
    insta::assert_snapshot!("all_is_well", scrubbed(&night, &outcome));
    assert_eq!(outcome.stderr, "");
    assert_eq!(files(&night.sshd.directory), before);
    assert_eq!(fs::read(night.path("known_hosts")).unwrap(), known_hosts);
    assert!(!night.path("log.log").exists() && !night.path("backup.prom").exists());
    assert!(night.work_directory_is_empty());
    assert_eq!(night.mail.messages().len(), 0);
    assert_eq!(night.webhook.requests(), 0, "neither Mattermost nor the monitor is asked for anything");
}

#[test]
fn a_night_that_is_checked_goes_well_on_each_server() {
    Night::on_each_server(|night| {
        prepare(night);
        let before = files(&night.sshd.directory);
        let outcome = must_end_with(night, 0);
        assert!(outcome.stdout.contains("  ✓ writing "), "{}", outcome.all());
        assert!(outcome.stdout.contains("is not known yet; the first run will trust it"), "{}", outcome.all());
        assert!(!night.path("known_hosts").exists());
        assert_eq!(files(&night.sshd.directory), before);
        night.run().exited_with(0);
        let again = must_end_with(night, 0);
        assert!(again.stdout.contains("known from line 1 of "), "{}", again.all());
        assert!(again.stdout.contains("1 archive, "), "{}", again.all());
    });
}

#[test]
fn what_is_not_configured_is_named_and_not_missed() {
    let mut night = night();
    night.set("email.send", json!("never"));
    night.config["mattermost"] = json!(null);
    let outcome = night.call("check", &["--notify"]);
    outcome.exited_with(0);
    assert!(
        outcome.stdout.contains("  - mail            none is sent: email.send is \"never\"\n"),
        "{}",
        outcome.all()
    );
    assert!(outcome.stdout.contains("  - Mattermost      not configured (mattermost)\n"), "{}", outcome.all());
    assert_eq!(night.mail.connections(), 0);
}

#[test]
fn a_test_of_each_report_is_sent_where_it_is_asked_for() {
    let mut night = night();
    night.set("email.to", json!(["operator@example.org", "B <b@example.org>"]));
    let outcome = night.call("check", &["--notify"]);
    outcome.exited_with(0);
    let tests: String =
        outcome.stdout.lines().filter(|line| line.contains("test m")).map(|line| format!("{line}\n")).collect();
    insta::assert_snapshot!(tests, @r"
      ✓ test mail       taken for operator@example.org; look whether it arrives
      ✓ test mail       taken for b@example.org; look whether it arrives
      ✓ test message    posted to Mattermost; look whether it is in the right channel
    ");
    let mails = night.mail.messages();
    assert_eq!(
        mails.iter().map(|mail| mail.to.join(" ")).collect::<Vec<_>>(),
        ["operator@example.org", "b@example.org"]
    );
    let mail = String::from_utf8(mails[0].raw.clone()).unwrap();
    assert!(mail.contains("Subject: My daily report: TEST, reports from "), "{mail}");
    assert!(mail.contains("TEST. This is no report: "), "{mail}");
    let posts = night.webhook.posts();
    assert_eq!(posts.len(), 1);
    assert!(posts[0].text.starts_with("TEST. This is no report: "), "{}", posts[0].text);
    assert!(!night.sshd.directory.join(night.archive_name()).exists());
}

#[test]
fn the_local_sendmail_is_looked_for_and_not_run() {
    let mut night = night();
    night.set("email.server", json!(null));
    fs::create_dir(night.path("bin")).unwrap();
    let program = night.path("bin/sendmail");
    fs::write(&program, "#!/bin/sh\ntouch \"$(dirname \"$0\")/was-run\"\n").unwrap();
    let with_path = |night: &Night| {
        let output = night.command_of("check", &[]).env("PATH", night.path("bin")).output().unwrap();
        night.outcome(output)
    };
    let outcome = with_path(&night);
    outcome.exited_with(4);
    let said = "cannot run sendmail: it is neither /usr/sbin/sendmail nor in PATH, or not executable; install a local mail \
                system, or set email.server";
    assert!(outcome.stdout.contains(said), "{}", outcome.all());
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let outcome = with_path(&night);
    outcome.exited_with(0);
    assert!(outcome.stdout.contains("bin/sendmail is there to take it"), "{}", outcome.all());
    assert!(!night.path("bin/was-run").exists());
}

/// What the check shows on a terminal, which script(1) pretends to be.
fn on_terminal(night: &Night, no_color: &str) -> String {
    let check = night.command_of("check", &[]);
    let words: Vec<String> = std::iter::once(check.get_program())
        .chain(check.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let mut terminal = Command::new("script");
    terminal.args(["-q", "-e", "-c", &words.join(" "), "/dev/null"]).stdin(Stdio::null());
    terminal.env("TZ", "UTC").env("TERM", "xterm").env("NO_COLOR", no_color).env_remove("SSH_AUTH_SOCK");
    let output = terminal.output().expect("script is missing: install the Debian package bsdutils");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{shown}");
    shown
}

#[test]
fn a_terminal_gets_colours_unless_none_are_wanted_and_sees_what_is_waited_for() {
    let night = night();
    let shown = on_terminal(&night, "");
    assert!(shown.contains("\u{1b}[32m✓\u{1b}[0m file") && shown.contains("\u{1b}[1mSource\u{1b}[0m"), "{shown}");
    assert!(shown.contains("connecting to the SFTP server"), "{shown}");
    let plain = on_terminal(&night, "1");
    assert!(plain.contains("  ✓ file") && !plain.contains("\u{1b}[32m") && !plain.contains("\u{1b}[1m"), "{plain}");
    let elsewhere = check(&night);
    assert!(!elsewhere.stdout.contains('\u{1b}') && elsewhere.stderr.is_empty(), "{}", elsewhere.all());
}

#[test]
fn a_host_that_is_not_known_is_called_so_in_the_same_words_by_check_and_a_dry_run() {
    let mut night = night();
    fs::remove_file(night.path("known_hosts")).unwrap();
    night.set("log.level", json!("info"));
    let words = "is not known yet; the first run will trust it";
    assert!(night.call("check", &[]).stdout.contains(words));
    let dry = night.run_with(&["--dry-run", "--verbose"]);
    assert!(dry.stdout.contains(words) && dry.stderr.contains(words), "{}", dry.all());
    assert!(!dry.all().contains("is trusted") && !dry.all().contains("would be trusted"), "{}", dry.all());
    assert!(!night.path("known_hosts").exists());
    night.run().exited_with(0).logged("is trusted from now on");
}
