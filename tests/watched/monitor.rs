//! Pings to a monitor, and monitors that fail.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::servers::listener::closed_address;
use testkit::servers::pings::{Builder, Ping};
use testkit::servers::{Authority, HttpsServer, PingServer};
use testkit::{Night, Outcome, wait_until};

use crate::{start, terminate};

/// The maximum time of a run on a busy machine, without the wait for the monitor.
const MAX_RUN_TIME: Duration = Duration::from_secs(4);

/// Makes `night` ping `server`, with `suffix` at the end of the address.
fn set_monitor(night: &mut Night, server: &PingServer, suffix: &str) {
    let ca = Authority::shared().write(&night.path(""));
    night.set("monitor", json!({"ping_url": format!("{}{suffix}", server.url()), "ca_file": ca}));
}

fn monitored_night(configure: impl FnOnce(Builder) -> Builder) -> (Night, PingServer) {
    let mut night = Night::around_midnight();
    let server = configure(PingServer::builder()).start();
    set_monitor(&mut night, &server, "");
    (night, server)
}

/// The paths of all pings, relative to the check.
fn paths(server: &PingServer) -> Vec<String> {
    server.pings().into_iter().map(|ping| ping.path).collect()
}

/// Asserts that there was one ping after the one at the start, to `path`.
#[track_caller]
fn last_ping(server: &PingServer, path: &str) -> Ping {
    assert_eq!(paths(server), ["/start", path]);
    server.pings().remove(1)
}

/// Asserts that the archive was delivered, and that a warning gives the `reason` for the missing ping.
#[track_caller]
fn assert_delivered_without_ping(night: &Night, outcome: &Outcome, reason: &str) {
    outcome.exited_with(1).logged("WARNING").logged(&format!("Report: the monitor was not pinged: {reason}"));
    assert!(night.archive().exists(), "{}", outcome.all());
}

#[test]
fn a_successful_run_pings_at_the_start_and_with_its_report_at_the_end() {
    Night::on_each_server(|night| {
        night.set("source.max_age_days", json!(1));
        let server = PingServer::builder().start();
        set_monitor(night, &server, "");
        let outcome = night.run();
        outcome.exited_with(0).logged("Report: pinged the monitor: success");
        let ping = last_ping(&server, "");
        assert!(server.pings().iter().all(|ping| ping.method == "POST"), "{:?}", server.pings());
        assert_eq!(ping.content_type, "text/plain; charset=utf-8");
        assert!(ping.body.starts_with("The dump was delivered and verified.\n"), "{}", ping.body);
        assert!(ping.body.contains(&night.archive_name()), "{}", ping.body);
    });
}

#[test]
fn a_stale_or_failed_run_pings_the_failure_address_with_its_report() {
    let (mut night, server) = monitored_night(|server| server);
    night.make_stale();
    night.run().exited_with(1);
    assert!(last_ping(&server, "/fail").body.starts_with("Nothing new was delivered: the dump is stale.\n"));

    let (mut night, server) = monitored_night(|server| server);
    night.set("source.dump", json!("other.sql"));
    night.run().exited_with(4);
    let ping = last_ping(&server, "/fail");
    assert!(ping.body.starts_with("FAILED at Find dump") && ping.body.contains("other.sql"), "{}", ping.body);
}

#[test]
fn a_delivery_with_warnings_pings_the_success_address_and_lists_them() {
    let (mut night, server) = monitored_night(|server| server);
    night.set("log.file", json!("missing/log.log"));
    night.run().exited_with(1);
    let ping = last_ping(&server, "");
    assert!(ping.body.contains("Warnings\n- Report: cannot open the log file"), "{}", ping.body);
}

#[test]
fn a_stalled_mail_server_does_not_delay_the_ping() {
    let (mut night, server) = monitored_night(|server| server);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    night.set("email.server.port", json!(silent.local_addr().unwrap().port()));
    let run = start(&night);
    wait_until("the ping", || server.pings().len() == 2);
    assert_eq!(last_ping(&server, "").path, "");
    terminate(&night, run).exited_with(1).logged("not all reports could be sent");
}

#[test]
fn an_interrupted_run_pings_the_failure_address() {
    let (mut night, server) = monitored_night(|server| server);
    let web = HttpsServer::builder(&night.path("web")).silent().start();
    night.set("source.url", json!(web.url("/my_zip.zip")));
    let run = start(&night);
    wait_until("the run's request", || web.requests() > 0 && !server.pings().is_empty());
    terminate(&night, run).exited_with(143);
    let ping = last_ping(&server, "/fail");
    assert!(ping.body.starts_with("Interrupted: SIGTERM ended the run"), "{}", ping.body);
}

#[test]
fn the_query_of_the_address_is_kept() {
    let mut night = Night::around_midnight();
    let server = PingServer::builder().id("ping-key-of-22-characters/nightly-dump").start();
    set_monitor(&mut night, &server, "?create=1");
    night.run().exited_with(0);
    let requests: Vec<(String, Option<String>)> =
        server.pings().into_iter().map(|ping| (ping.path, ping.query)).collect();
    let query = Some("create=1".to_owned());
    assert_eq!(requests, [("/start".to_owned(), query.clone()), (String::new(), query)]);
}

#[test]
fn an_unreachable_monitor_is_a_warning() {
    let (mut night, server) = monitored_night(|server| server);
    drop(server);
    let port = closed_address().port();
    night.set("monitor.ping_url", json!(format!("https://127.0.0.1:{port}/4f6b8c1e-check")));
    let outcome = night.run();
    assert_delivered_without_ping(&night, &outcome, "cannot reach the monitoring service: ");
    outcome.logged("INFO").logged("the monitor was not pinged at the start: cannot reach the monitoring service");
    outcome.logged("pinging the monitor failed, trying again in 0.0 s (2 of 2)");
    outcome.logged("errors 0, warnings 1");
    assert_eq!(night.mail.messages().len(), 1, "the mail is still sent");
}

#[test]
fn a_failing_monitor_is_retried_as_configured() {
    let (night, server) = monitored_night(|server| server.status(503, "", Some(2)));
    night.run().exited_with(0);
    assert_eq!(paths(&server), ["/start", "", ""]);

    let (night, server) = monitored_night(|server| server.status(500, "", None));
    assert_delivered_without_ping(&night, &night.run(), "the monitoring service did not accept the ping: status 500");
    assert_eq!(paths(&server), ["/start", "", ""]);
}

#[test]
fn an_unknown_check_is_not_retried() {
    let (night, server) = monitored_night(|server| server.status(404, "", None));
    assert_delivered_without_ping(&night, &night.run(), "the monitoring service did not accept the ping: status 404");
    assert_eq!(paths(&server), ["/start", ""]);

    let (mut night, server) = monitored_night(|server| server);
    let url = server.url().replace("5bf6", "5bf7");
    night.set("monitor.ping_url", json!(url));
    let outcome = night.run();
    assert_delivered_without_ping(
        &night,
        &outcome,
        "the monitoring service did not accept the ping: status 200: OK (not found)",
    );
    outcome.logged("check monitor.ping_url");
}

#[test]
fn a_redirect_is_not_followed() {
    let (night, server) = monitored_night(|server| server.status(302, "", None));
    assert_delivered_without_ping(&night, &night.run(), "the monitoring service did not accept the ping: status 302");
    assert_eq!(paths(&server), ["/start", ""]);
}

#[test]
fn a_server_with_an_untrusted_certificate_gets_no_ping() {
    let (mut night, server) = monitored_night(|server| server);
    let folder = tempfile::tempdir().unwrap();
    night.set("monitor.ca_file", json!(Authority::new("Somebody else").write(folder.path())));
    let outcome = night.run();
    assert_delivered_without_ping(&night, &outcome, "no trusted TLS connection to the monitoring service: ");
    assert_eq!(server.pings(), []);
}

#[test]
fn a_silent_monitor_at_the_start_does_not_delay_the_job() {
    let (night, server) = monitored_night(|server| server.silent_at("/start"));
    let started = Instant::now();
    let run = start(&night);
    wait_until("the archive", || night.archive().exists());
    let delivered = started.elapsed();
    let outcome = night.outcome(run.wait_with_output().unwrap());
    let total = started.elapsed();
    println!("delivered after {delivered:.1?}, ended after {total:.1?}, limit 5 s");
    assert!(delivered < Duration::from_secs(5), "the job waited {delivered:?}");
    assert!(total < Duration::from_secs(5) + MAX_RUN_TIME, "{total:?}");
    outcome.exited_with(0).logged("the monitor was not pinged at the start: no answer from the monitoring service");
    assert_eq!(paths(&server), ["/start", ""]);
}

#[test]
fn a_run_without_a_job_sends_no_ping() {
    let (mut night, server) = monitored_night(|server| server);
    night.run_with(&["--dry-run"]).exited_with(0);
    night.set("sftp.port", json!(0));
    night.run().exited_with(3);
    assert_eq!(server.pings(), []);
}

#[test]
fn a_run_that_ends_because_of_another_one_sends_no_ping() {
    let (mut night, server) = monitored_night(|server| server);
    let web = HttpsServer::builder(&night.path("web")).silent().start();
    night.set("source.url", json!(web.url("/my_zip.zip")));
    let first = start(&night);
    wait_until("the first run's request", || web.requests() > 0 && !server.pings().is_empty());
    night.run().exited_with(5);
    assert_eq!(paths(&server), ["/start"]);
    terminate(&night, first).exited_with(143);
    assert_eq!(paths(&server), ["/start", "/fail"]);
    assert!(fs::metadata(night.path("log.log")).unwrap().len() > 0);
}
