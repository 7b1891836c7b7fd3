//! Signals while some jobs run and others wait.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::servers::HttpsServer;
use testkit::wait_until;

use crate::site::Site;

#[test]
fn a_signal_ends_all_jobs_within_five_seconds_and_the_report_lists_those_that_did_not_run() {
    let site = Site::new(&["a", "b", "c", "d"]);
    let stalling = HttpsServer::builder(&site.setup.path("web")).stall_after(10_000, 9).start();
    site.change_common(|common| common["source"]["url"] = json!(stalling.url("/my_zip.zip")));
    let mut command = site.command("run", &["--parallel", "2"]);
    let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the downloads", || stalling.requests() >= 4);
    let begun = Instant::now();
    assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap().success());
    let outcome = site.setup.outcome(process.wait_with_output().unwrap());
    outcome.exited_with(143);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let mails = site.setup.mail.messages();
    assert_eq!(mails.len(), 1, "{}", outcome.all());
    let mail = mail_parser::MessageParser::default().parse(&mails[0].raw).unwrap();
    assert_eq!(mail.subject(), Some("4 of 4 failed: a, b, c, d · My daily report"));
    let text = mail.body_text(0).unwrap();
    assert!(text.contains("not started: interrupted (SIGTERM)"), "{text}");
}
