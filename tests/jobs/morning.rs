//! One report about twelve jobs.

use std::fs;

use chrono::TimeDelta;
use scripting_system::disk::job_id::JobId;
use scripting_system::disk::lock::Lock;
use serde_json::json;
use testkit::servers::{Entry, PingServer, Zip};
use testkit::setup::DUMP;

use crate::site::Site;

const NAMES: [&str; 12] =
    ["blog", "crm", "forum", "intranet", "mail", "media", "news", "planner", "shop", "tickets", "wiki", "zoo"];

#[test]
fn of_twelve_jobs_one_misconfigured_one_failed_one_stale_and_one_locked_the_others_deliver_with_one_report() {
    let site = Site::new(&NAMES);
    let pings = PingServer::builder().start();
    let textfile = site.watch(&pings);
    site.write_job("crm", json!({"sftp": {"direktory": "x"}}));
    site.write_job("forum", json!({"source": {"url": site.setup.web.url("/missing.zip")}}));
    let old = Entry::new(DUMP, site.setup.dump.clone()).extended_time(site.setup.modified - TimeDelta::days(3));
    Zip::new().with(old).write(&site.setup.path("web/old.zip"));
    site.write_job("shop", json!({"source": {"url": site.setup.web.url("/old.zip")}}));
    let locked = site.folder().join("intranet.json");
    let lock = Lock::acquire(&locked, &JobId::new(&locked), &site.setup.path("work")).unwrap();

    let outcome = site.call("run", &["--parallel", "3"]);
    drop(lock);
    outcome.exited_with(4);
    let delivered: Vec<&str> = NAMES.into_iter().filter(|name| site.has_delivered(name)).collect();
    assert_eq!(delivered, ["blog", "mail", "media", "news", "planner", "tickets", "wiki", "zoo"], "{}", outcome.all());
    for name in ["crm", "forum", "intranet", "shop"] {
        assert_eq!(site.archives(name), Vec::<String>::new());
    }

    let mails = site.setup.mail.messages();
    assert_eq!(mails.len(), 1, "{}", outcome.all());
    let mail = mail_parser::MessageParser::default().parse(&mails[0].raw).unwrap();
    assert_eq!(mail.subject(), Some("2 of 12 failed: crm, forum · My daily report"));
    let posts = site.setup.webhook.posts();
    assert_eq!((posts.len(), site.setup.webhook.refusals()), (1, vec![]));
    let (text, html) = (mail.body_text(0).unwrap(), mail.body_html(0).unwrap());
    for report in [&*text, &*html, &posts[0].text] {
        for name in NAMES {
            assert!(report.contains(name), "{name} is missing: {report}");
        }
        for fact in ["8 delivered, 1 nothing new, 2 failed, 1 not begun", "direktory", "404", "under way"] {
            assert!(report.replace('\\', "").contains(fact), "{fact}: {report}");
        }
    }

    let kinds: Vec<String> =
        pings.pings().iter().map(|ping| ping.path.rsplit('/').next().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["start", "fail"]);
    let metrics = fs::read_to_string(textfile).unwrap();
    for name in NAMES {
        let code = match name {
            "forum" => 4,
            "shop" => 1,
            "crm" => 3,
            _ => 0,
        };
        let line = format!("last_run_exit_code{{textfile=\"jobs\",job=\"{name}\"}} {code}\n");
        // The run that is under way writes its own.
        assert_eq!(metrics.contains(&line), name != "intranet", "{line}: {metrics}");
    }
    // Under cron, only what went wrong is printed.
    assert_eq!(outcome.stdout, "");
    for name in ["crm", "forum", "intranet", "shop"] {
        assert!(outcome.stderr.contains(&format!("scripting-system: {name}: ")), "{}", outcome.stderr);
    }
    assert!(!outcome.stderr.contains("blog"), "{}", outcome.stderr);
}

#[test]
fn a_job_that_cannot_begin_counts_in_the_shared_ping_and_keeps_its_metrics() {
    let site = Site::new(&["a", "b", "c"]);
    let pings = PingServer::builder().start();
    let textfile = site.watch(&pings);
    site.call("run", &[]).exited_with(0);
    site.write_job("b", json!({"sftp": {"port": 0}}));
    site.call("run", &[]).exited_with(3);
    assert!(pings.pings().last().unwrap().path.ends_with("/fail"));
    let metrics = fs::read_to_string(&textfile).unwrap();
    assert!(metrics.contains("last_success_timestamp_seconds{textfile=\"jobs\",job=\"b\"}"), "{metrics}");

    // The run that is under way reports by itself.
    site.write_job("b", json!({}));
    let locked = site.folder().join("a.json");
    let _lock = Lock::acquire(&locked, &JobId::new(&locked), &site.setup.path("work")).unwrap();
    site.call("run", &[]).exited_with(5);
    assert!(!pings.pings().last().unwrap().path.ends_with("/fail"));
    let metrics = fs::read_to_string(&textfile).unwrap();
    assert!(metrics.contains("last_run_exit_code{textfile=\"jobs\",job=\"a\"} 0\n"), "{metrics}");
}

#[test]
fn a_mail_server_that_does_not_answer_delays_only_its_own_jobs() {
    let site = Site::new(&["a", "b"]);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = json!({"host": "127.0.0.1", "port": silent.local_addr().unwrap().port(), "security": "none",
                        "username": null, "password": null});
    site.write_job("a", json!({"email": {"server": server, "to": ["other@example.org"]}}));
    let mut process = site.command("run", &[]).spawn().unwrap();
    testkit::wait_until("the mail about b", || site.setup.mail.messages().len() == 1);
    process.kill().unwrap();
    process.wait().unwrap();
}

#[test]
fn a_quiet_morning_prints_nothing_and_a_second_run_says_that_all_is_delivered() {
    let site = Site::new(&["a", "b"]);
    for _ in 0..2 {
        let outcome = site.call("run", &[]);
        outcome.exited_with(0);
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
    }
    let subjects: Vec<String> = site.setup.mail.messages().iter().map(|mail| subject(&mail.raw)).collect();
    assert_eq!(subjects, ["All 2 jobs delivered · My daily report"; 2]);
}

#[test]
fn jobs_with_other_reports_are_reported_separately() {
    let site = Site::new(&["a", "b", "c"]);
    site.write_job("c", json!({"email": {"to": ["customer@example.org"]}, "mattermost": null}));
    site.call("run", &[]).exited_with(0);
    let mails = site.setup.mail.messages();
    let mut subjects: Vec<(String, String)> =
        mails.iter().map(|mail| (mail.to.join(" "), subject(&mail.raw))).collect();
    subjects.sort();
    assert!(subjects[0].1.starts_with("My daily report: delivered"), "{subjects:?}");
    assert_eq!(subjects[1], ("operator@example.org".to_owned(), "All 2 jobs delivered · My daily report".to_owned()));
    assert_eq!(site.setup.webhook.posts().len(), 1);
}

#[test]
fn a_password_refused_for_one_job_is_not_offered_again_by_another() {
    let mut site = Site::new(&["a", "b", "c"]);
    let server = site.refuse_passwords(&["a", "b", "c"]);
    site.call("run", &["--parallel", "3"]).exited_with(4).logged("refused for another job");
    let passwords = server.auth_attempts().into_iter().filter(|attempt| attempt.method == "password").count();
    assert_eq!(passwords, 1);
}

fn subject(raw: &[u8]) -> String {
    mail_parser::MessageParser::default().parse(raw).unwrap().subject().unwrap().to_owned()
}

#[test]
fn the_log_names_the_job_of_each_line() {
    let site = Site::new(&["a", "b"]);
    let outcome = site.call("run", &["--parallel", "2"]);
    outcome.exited_with(0);
    assert!(outcome.log.lines().all(|line| line.contains("-a] ") || line.contains("-b] ")), "{}", outcome.log);
    // Either of them may be the first to contact the server.
    let lines = || outcome.log.lines().filter(|line| !line.contains("first contact"));
    let of = |name: &str| lines().filter(|line| line.contains(&format!("-{name}] "))).count();
    assert!(of("a") > 5 && of("a") == of("b"), "{}", outcome.log);
}
