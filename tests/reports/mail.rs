//! Mail that arrives: each transport, and the content.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use chrono::Utc;
use serde_json::json;
use testkit::Setup;
use testkit::servers::SmtpServer;
use testkit::servers::smtp::Security;
use testkit::setup::{DUMP, MAIL_LOGIN};

use crate::decoded_mail::DecodedMail;
use crate::{host_name, use_mail_server};

/// Runs `night`, which succeeds, and returns the only mail that `server` accepted.
#[track_caller]
fn mail_to(server: &SmtpServer, setup: &Setup) -> DecodedMail {
    setup.run().exited_with(0).logged("mailed to operator@example.org");
    let mails = server.messages();
    assert_eq!(mails.len(), 1);
    assert_eq!((mails[0].from.as_str(), mails[0].to.join(" ")), ("reports@example.org", "operator@example.org".into()));
    DecodedMail::decode(&mails[0].raw)
}

#[test]
fn a_mail_over_tls_with_a_login_has_text_and_html() {
    let setup = Setup::around_midnight();
    let before = Utc::now().timestamp();
    let mail = mail_to(&setup.mail, &setup);
    let after = Utc::now().timestamp();
    let (mails, host) = (setup.mail.messages(), host_name());
    assert!(mails[0].is_encrypted);
    assert_eq!(mails[0].username.as_deref(), Some(MAIL_LOGIN.0));

    assert!(mail.subject.starts_with("My daily report: delivered, "), "{}", mail.subject);
    assert!(mail.subject.contains(&host), "no {host} in {}", mail.subject);
    assert_eq!((mail.from.join(" "), mail.to.join(" ")), (MAIL_LOGIN.0.into(), "operator@example.org".into()));
    assert!((before..=after).contains(&mail.date), "{} is not between {before} and {after}", mail.date);
    let (id, domain) = mail.message_id.split_once('@').expect("a Message-ID has a domain");
    assert!(!id.is_empty() && !domain.is_empty() && setup.run_id() == id, "{}", mail.message_id);

    assert!(mail.text.starts_with("The dump was delivered and verified.\r\n"), "{}", mail.text);
    for part in [&mail.text, &mail.html] {
        for text in ["The dump was delivered and verified.", DUMP, "Verify archive", &setup.sshd.fingerprint("ed25519")]
        {
            assert!(part.contains(text), "no {text:?} in {part}");
        }
    }
    assert!(mail.html.starts_with("<!DOCTYPE html>"), "{}", mail.html);
    assert!(mail.everything.contains("Auto-Submitted:"), "{}", mail.everything);
}

#[test]
fn a_mail_is_sent_over_starttls_with_a_login() {
    let mut setup = Setup::around_midnight();
    let server = SmtpServer::builder(Security::StartTls).login(MAIL_LOGIN.0, MAIL_LOGIN.1).start();
    use_mail_server(&mut setup, &server, Security::StartTls);
    setup.set("email.server.username", json!(MAIL_LOGIN.0)).set("email.server.password", json!(MAIL_LOGIN.1));
    mail_to(&server, &setup);
    assert!(server.messages()[0].is_encrypted);
    assert_eq!(server.logins(), [(MAIL_LOGIN.0.to_owned(), true)]);
}

#[test]
fn a_mail_can_be_sent_without_tls_and_login() {
    let mut setup = Setup::around_midnight();
    let server = SmtpServer::builder(Security::None).start();
    use_mail_server(&mut setup, &server, Security::None);
    mail_to(&server, &setup);
    assert!(!server.messages()[0].is_encrypted);
    assert_eq!(server.logins(), []);
}

#[test]
fn missing_starttls_is_an_error() {
    let mut setup = Setup::around_midnight();
    let server = SmtpServer::builder(Security::None).login(MAIL_LOGIN.0, MAIL_LOGIN.1).start();
    use_mail_server(&mut setup, &server, Security::StartTls);
    setup.set("email.server.username", json!(MAIL_LOGIN.0)).set("email.server.password", json!(MAIL_LOGIN.1));
    setup.run().exited_with(1).logged("does not offer STARTTLS");
    assert_eq!((server.messages().len(), server.logins().len()), (0, 0));
}

/// Writes a sendmail into `folder` that runs `commands`, then stores its arguments and its input in files named after the
/// recipient.
fn write_sendmail(folder: &Path, commands: &str) {
    let script = format!(
        "#!/bin/sh\n{commands}\nfor to; do :; done\necho \"$@\" > '{0}'/arguments-$to\ncat > '{0}'/mail-$to\n",
        folder.display()
    );
    let path = folder.join("sendmail");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The program would prefer a real sendmail to the one in PATH, and send the test's mail from this machine.
fn require_no_real_sendmail() {
    let exists = Path::new("/usr/sbin/sendmail").exists();
    assert!(!exists, "/usr/sbin/sendmail would be used: run this test on a machine without a mail system");
}

#[test]
fn without_a_mail_server_the_local_sendmail_gets_a_mail_for_each_recipient() {
    require_no_real_sendmail();
    let mut setup = Setup::around_midnight();
    setup.set("email.server", json!(null)).set("email.to", json!(["a@example.org", "B <b@example.org>"]));
    fs::create_dir(setup.path("bin")).unwrap();
    write_sendmail(&setup.path("bin"), "");
    let path = format!("{}:/usr/bin:/bin", setup.path("bin").display());
    setup.outcome(setup.command(&[]).env("PATH", path).output().unwrap()).exited_with(0);
    for to in ["a@example.org", "b@example.org"] {
        let arguments = fs::read_to_string(setup.path(&format!("bin/arguments-{to}"))).unwrap();
        assert_eq!(arguments, format!("-i -f reports@example.org -- {to}\n"));
        let mail = DecodedMail::decode(&fs::read(setup.path(&format!("bin/mail-{to}"))).unwrap());
        assert_eq!(mail.to, ["a@example.org", "b@example.org"]);
        assert!(mail.text.contains("The dump was delivered and verified."), "{}", mail.text);
    }
}

#[test]
fn the_stderr_of_the_local_sendmail_is_reported() {
    require_no_real_sendmail();
    let mut setup = Setup::around_midnight();
    setup.set("email.server", json!(null));
    fs::create_dir(setup.path("bin")).unwrap();
    write_sendmail(&setup.path("bin"), "echo 'no account \"default\"' >&2; exit 78");
    let path = format!("{}:/usr/bin:/bin", setup.path("bin").display());
    let outcome = setup.outcome(setup.command(&[]).env("PATH", path).output().unwrap());
    outcome.exited_with(1).logged("no account \"default\" (exit status: 78)");
    assert!(crate::only_post(&setup.webhook).contains("no account \"default\""));
}

#[test]
fn the_local_sendmail_runs_with_a_clean_environment_and_no_inherited_files() {
    require_no_real_sendmail();
    let mut setup = Setup::around_midnight();
    setup.set("email.server", json!(null)).set("log.level", json!("debug"));
    fs::create_dir(setup.path("bin")).unwrap();
    let bin = setup.path("bin");
    let record = format!("env > '{0}/environment'; ls -l /proc/$$/fd > '{0}/files'", bin.display());
    write_sendmail(&bin, &record);
    let run = setup.command(&[]);
    // Makes the program inherit an open file.
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$@\" 7< \"$0\""]).arg(setup.path("config.json"));
    let output = shell
        .arg(run.get_program())
        .args(run.get_args())
        .env_clear()
        .envs([("PATH", format!("{}:/usr/bin:/bin", bin.display())), ("HOME", setup.path("").display().to_string())])
        .envs([("SFTP_PASSWORD", "hunter22"), ("LC_TIME", "C"), ("TZ", "UTC"), ("LD_LIBRARY_PATH", "/nowhere")])
        .output()
        .unwrap();
    setup.outcome(output).exited_with(0);
    let environment = fs::read_to_string(bin.join("environment")).unwrap();
    // The shell that runs this sendmail adds these.
    let shell_variables = ["PWD", "OLDPWD", "SHLVL", "_"];
    let mut names: Vec<_> = environment.lines().map(|line| line.split('=').next().unwrap()).collect();
    names.retain(|name| !shell_variables.contains(name));
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LC_TIME", "PATH", "TZ"], "{environment}");
    let files = fs::read_to_string(bin.join("files")).unwrap();
    let open: Vec<_> = files.lines().filter_map(|line| line.split_once(" -> ")).map(|(_, target)| target).collect();
    // The shell opens the script itself.
    let is_expected =
        |file: &&str| file.starts_with("pipe:") || *file == "/dev/null" || file.starts_with(&*bin.to_string_lossy());
    assert!(open.len() >= 3 && open.iter().all(is_expected), "{files}");
}

#[test]
fn only_the_log_lines_of_the_run_are_attached() {
    let setup = Setup::around_midnight();
    setup.run().exited_with(0);
    let first = setup.run_id();
    // A run's ID consists of the time in whole seconds and the process ID.
    setup.run().exited_with(0);
    let second = setup.run_id();
    assert_ne!(first, second);
    let mails = setup.mail.messages();
    for (mail, run) in mails.iter().zip([&first, &second]) {
        let mail = DecodedMail::decode(&mail.raw);
        let [(name, attached)] = mail.attachments.as_slice() else { panic!("{:?}", mail.attachments) };
        assert_eq!(name, &format!("scripting-system-{run}.log"));
        let log = fs::read_to_string(setup.path("log.log")).unwrap();
        let run_lines: Vec<&str> = log.lines().filter(|line| line.contains(&format!("[{run}]"))).collect();
        let attached: Vec<&str> = attached.lines().collect();
        // The lines about the reports are logged after the mail is built.
        assert!(
            attached.len() > 10 && run_lines.starts_with(&attached),
            "attached: {attached:#?}\nlog: {run_lines:#?}"
        );
        let clean_up = attached.iter().find(|line| line.contains("Clean up"));
        assert!(clean_up.is_some(), "{attached:#?}");
    }
}

#[test]
fn the_log_is_not_attached_if_attach_log_is_false() {
    let mut setup = Setup::around_midnight();
    setup.set("email.attach_log", json!(false));
    let mail = mail_to(&setup.mail, &setup);
    assert!(mail.attachments.is_empty(), "{:?}", mail.attachments);
}

#[test]
fn a_failed_run_is_mailed_with_its_cause() {
    let mut setup = Setup::around_midnight();
    setup.set("source.dump", json!("other.sql"));
    setup.run().exited_with(4);
    let mail = DecodedMail::decode(&setup.mail.messages()[0].raw);
    assert!(mail.subject.starts_with("My daily report: FAILED at Find dump, "), "{}", mail.subject);
    for part in [&mail.text, &mail.html] {
        assert!(part.contains("nothing new was delivered") && part.contains(DUMP), "{part}");
    }
}

#[test]
fn names_in_the_zip_are_escaped_in_the_html_part() {
    use testkit::servers::{Entry, Zip};
    let setup = Setup::around_midnight();
    setup.publish(&Zip::new().with(Entry::new("<img src=x>&amp;\n<h1>delivered</h1>", "x")));
    setup.run().exited_with(4);
    let mail = DecodedMail::decode(&setup.mail.messages()[0].raw);
    assert!(mail.html.contains("&lt;img src=x&gt;&amp;amp;"), "{}", mail.html);
    assert!(!mail.html.contains("<img") && !mail.html.contains("<h1>delivered"), "{}", mail.html);
    assert!(!mail.text.contains("\n<h1>"), "{}", mail.text);
}
