//! A check without problems changes nothing; `--notify` sends one test message through each channel.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use serde_json::json;
use testkit::Setup;
use testkit::servers::zips::noise;
use testkit::servers::{Entry, Zip};
use testkit::setup::DUMP;

use super::{check, files, must_end_with, must_show, prepare, scrubbed, setup};

#[test]
fn a_check_connects_to_everything_a_run_needs_and_changes_nothing() {
    let mut setup = setup();
    setup.publish(&Zip::new().with(Entry::new(DUMP, noise(200_000)).extended_time(setup.modified)));
    setup.config["monitor"] = json!({"ping_url": setup.webhook.url(), "ca_file": "ca.pem"});
    setup.config["metrics"] = json!({"textfile": "backup.prom"});
    fs::write(setup.sshd.directory.join("20200101.tgz"), "old").unwrap();
    fs::write(setup.sshd.directory.join("notes.txt"), "foreign").unwrap();
    let (before, known_hosts) = (files(&setup.sshd.directory), fs::read(setup.path("known_hosts")).unwrap());
    let outcome = must_end_with(&setup, 0);
    insta::assert_snapshot!("all_is_well", scrubbed(&setup, &outcome));
    assert_eq!(outcome.stderr, "");
    assert_eq!(files(&setup.sshd.directory), before);
    assert_eq!(fs::read(setup.path("known_hosts")).unwrap(), known_hosts);
    assert!(!setup.path("log.log").exists() && !setup.path("backup.prom").exists());
    assert!(setup.work_directory_is_empty());
    assert_eq!(setup.mail.messages().len(), 0);
    assert_eq!(setup.webhook.requests(), 0, "no request to Mattermost or the monitor");
}

#[test]
fn a_run_succeeds_after_a_good_check_on_each_server() {
    Setup::on_each_server(|setup| {
        prepare(setup);
        let before = files(&setup.sshd.directory);
        let outcome = must_end_with(setup, 0);
        must_show(&outcome, "  ✓ writing ");
        must_show(&outcome, "is not known yet; the first run will trust it");
        assert!(!setup.path("known_hosts").exists());
        assert_eq!(files(&setup.sshd.directory), before);
        setup.run().exited_with(0);
        let again = must_end_with(setup, 0);
        must_show(&again, "matches line 1 of ");
        must_show(&again, "1 archive, ");
    });
}

#[test]
fn missing_and_disabled_channels_are_skipped() {
    let mut setup = setup();
    setup.set("email.send", json!("never"));
    setup.config["mattermost"] = json!(null);
    let outcome = setup.call("check", &["--notify"]);
    outcome.exited_with(0);
    must_show(&outcome, "  - mail            off: email.send is \"never\"\n");
    must_show(&outcome, "  - Mattermost      not configured (mattermost)\n");
    assert_eq!(setup.mail.connections(), 0);
}

#[test]
fn notify_sends_a_test_message_through_each_channel() {
    let mut setup = setup();
    setup.set("email.to", json!(["operator@example.org", "B <b@example.org>"]));
    let outcome = setup.call("check", &["--notify"]);
    outcome.exited_with(0);
    let tests: String =
        outcome.stdout.lines().filter(|line| line.contains("test m")).map(|line| format!("{line}\n")).collect();
    insta::assert_snapshot!(tests, @r"
      ✓ test mail       accepted for operator@example.org; check that it arrives
      ✓ test mail       accepted for b@example.org; check that it arrives
      ✓ test message    posted to Mattermost; check that it is in the right channel
    ");
    let mails = setup.mail.messages();
    assert_eq!(
        mails.iter().map(|mail| mail.to.join(" ")).collect::<Vec<_>>(),
        ["operator@example.org", "b@example.org"]
    );
    let mail = String::from_utf8(mails[0].raw.clone()).unwrap();
    assert!(mail.contains("Subject: My daily report: TEST, reports from "), "{mail}");
    assert!(mail.contains("TEST: this is not a report. "), "{mail}");
    let posts = setup.webhook.posts();
    assert_eq!(posts.len(), 1);
    assert!(posts[0].text.starts_with("TEST: this is not a report. "), "{}", posts[0].text);
    assert!(!setup.sshd.directory.join(setup.archive_name()).exists());
}

#[test]
fn the_local_sendmail_is_found_but_not_run() {
    let mut setup = setup();
    setup.set("email.server", json!(null));
    fs::create_dir(setup.path("bin")).unwrap();
    let program = setup.path("bin/sendmail");
    fs::write(&program, "#!/bin/sh\ntouch \"$(dirname \"$0\")/was-run\"\n").unwrap();
    let with_path = |setup: &Setup| {
        let output = setup.command_of("check", &[]).env("PATH", setup.path("bin")).output().unwrap();
        setup.outcome(output)
    };
    let outcome = with_path(&setup);
    outcome.exited_with(4);
    let error = "cannot run sendmail: no executable file /usr/sbin/sendmail, and none in PATH; install a local mail \
                system, or set email.server";
    must_show(&outcome, error);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let outcome = with_path(&setup);
    outcome.exited_with(0);
    must_show(&outcome, &format!("will be sent with {}\n", program.display()));
    assert!(!setup.path("bin/was-run").exists());
}

/// The output on a terminal, simulated by script(1).
fn on_terminal(setup: &Setup, no_color: &str) -> String {
    let check = setup.command_of("check", &[]);
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
fn a_terminal_shows_progress_and_colours_unless_no_color_is_set() {
    let setup = setup();
    let shown = on_terminal(&setup, "");
    assert!(shown.contains("\u{1b}[32m✓\u{1b}[0m file") && shown.contains("\u{1b}[1mSource\u{1b}[0m"), "{shown}");
    assert!(shown.contains("connecting to the SFTP server"), "{shown}");
    let plain = on_terminal(&setup, "1");
    assert!(plain.contains("  ✓ file") && !plain.contains("\u{1b}[32m") && !plain.contains("\u{1b}[1m"), "{plain}");
    let piped = check(&setup);
    assert!(!piped.stdout.contains('\u{1b}') && piped.stderr.is_empty(), "{}", piped.all());
}

#[test]
fn check_and_a_dry_run_report_a_new_host_key_in_the_same_words() {
    let mut setup = setup();
    fs::remove_file(setup.path("known_hosts")).unwrap();
    setup.set("log.level", json!("info"));
    let words = "is not known yet; the first run will trust it";
    must_show(&setup.call("check", &[]), words);
    let dry = setup.run_with(&["--dry-run", "--verbose"]);
    assert!(dry.stdout.contains(words) && dry.stderr.contains(words), "{}", dry.all());
    assert!(!dry.all().contains("is trusted") && !dry.all().contains("would be trusted"), "{}", dry.all());
    assert!(!setup.path("known_hosts").exists());
    setup.run().exited_with(0).logged("is trusted from now on");
}
