//! Pings to a monitor, and monitors that fail.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::servers::listener::closed_address;
use testkit::servers::pings::{Builder, Ping};
use testkit::servers::{Authority, HttpsServer, PingServer};
use testkit::{Outcome, Setup, wait_until};

use crate::{start, terminate};

/// The maximum time of a run on a busy machine, without the wait for the monitor.
const MAX_RUN_TIME: Duration = Duration::from_secs(4);

/// Makes `night` ping `server`, with `suffix` at the end of the address.
fn set_monitor(setup: &mut Setup, server: &PingServer, suffix: &str) {
    let ca = Authority::shared().write(&setup.path(""));
    setup.set("monitor", json!({"ping_url": format!("{}{suffix}", server.url()), "ca_file": ca}));
}

fn monitored_night(configure: impl FnOnce(Builder) -> Builder) -> (Setup, PingServer) {
    let mut setup = Setup::around_midnight();
    let server = configure(PingServer::builder()).start();
    set_monitor(&mut setup, &server, "");
    (setup, server)
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
fn assert_delivered_without_ping(setup: &Setup, outcome: &Outcome, reason: &str) {
    outcome.exited_with(1).logged("WARNING").logged(&format!("Report: the monitor was not pinged: {reason}"));
    assert!(setup.archive().exists(), "{}", outcome.all());
}

#[test]
fn a_successful_run_pings_at_the_start_and_with_its_report_at_the_end() {
    Setup::on_each_server(|setup| {
        setup.set("source.max_age_days", json!(1));
        let server = PingServer::builder().start();
        set_monitor(setup, &server, "");
        let outcome = setup.run();
        outcome.exited_with(0).logged("Report: pinged the monitor: success");
        let ping = last_ping(&server, "");
        assert!(server.pings().iter().all(|ping| ping.method == "POST"), "{:?}", server.pings());
        assert_eq!(ping.content_type, "text/plain; charset=utf-8");
        assert!(ping.body.starts_with("The dump was delivered and verified.\n"), "{}", ping.body);
        assert!(ping.body.contains(&setup.archive_name()), "{}", ping.body);
    });
}

#[test]
fn a_stale_or_failed_run_pings_the_failure_address_with_its_report() {
    let (mut setup, server) = monitored_night(|server| server);
    setup.make_stale();
    setup.run().exited_with(1);
    assert!(last_ping(&server, "/fail").body.starts_with("Nothing new was delivered: the dump is stale.\n"));

    let (mut setup, server) = monitored_night(|server| server);
    setup.set("source.dump", json!("other.sql"));
    setup.run().exited_with(4);
    let ping = last_ping(&server, "/fail");
    assert!(ping.body.starts_with("FAILED at Find dump") && ping.body.contains("other.sql"), "{}", ping.body);
}

#[test]
fn a_delivery_with_warnings_pings_the_success_address_and_lists_them() {
    let (mut setup, server) = monitored_night(|server| server);
    setup.set("log.file", json!("missing/log.log"));
    setup.run().exited_with(1);
    let ping = last_ping(&server, "");
    assert!(ping.body.contains("Warnings\n- Report: cannot open the log file"), "{}", ping.body);
}

#[test]
fn a_stalled_mail_server_does_not_delay_the_ping() {
    let (mut setup, server) = monitored_night(|server| server);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    setup.set("email.server.port", json!(silent.local_addr().unwrap().port()));
    let run = start(&setup);
    wait_until("the ping", || server.pings().len() == 2);
    assert_eq!(last_ping(&server, "").path, "");
    terminate(&setup, run).exited_with(1).logged("not all reports were sent");
}

#[test]
fn an_interrupted_run_pings_the_failure_address() {
    let (mut setup, server) = monitored_night(|server| server);
    let web = HttpsServer::builder(&setup.path("web")).silent().start();
    setup.set("source.url", json!(web.url("/my_zip.zip")));
    let run = start(&setup);
    wait_until("the run's request", || web.requests() > 0 && !server.pings().is_empty());
    terminate(&setup, run).exited_with(143);
    let ping = last_ping(&server, "/fail");
    assert!(ping.body.starts_with("Interrupted: SIGTERM ended the run"), "{}", ping.body);
}

#[test]
fn the_query_of_the_address_is_kept() {
    let mut setup = Setup::around_midnight();
    let server = PingServer::builder().id("ping-key-of-22-characters/nightly-dump").start();
    set_monitor(&mut setup, &server, "?create=1");
    setup.run().exited_with(0);
    let requests: Vec<(String, Option<String>)> =
        server.pings().into_iter().map(|ping| (ping.path, ping.query)).collect();
    let query = Some("create=1".to_owned());
    assert_eq!(requests, [("/start".to_owned(), query.clone()), (String::new(), query)]);
}

#[test]
fn an_unreachable_monitor_is_a_warning() {
    let (mut setup, server) = monitored_night(|server| server);
    drop(server);
    let port = closed_address().port();
    setup.set("monitor.ping_url", json!(format!("https://127.0.0.1:{port}/4f6b8c1e-check")));
    let outcome = setup.run();
    assert_delivered_without_ping(&setup, &outcome, "cannot reach the monitoring service: ");
    outcome.logged("INFO").logged("the monitor was not pinged at the start: cannot reach the monitoring service");
    outcome.logged("pinging the monitor failed, trying again in 0.0 s (2 of 2)");
    outcome.logged("errors 0, warnings 1");
    assert_eq!(setup.mail.messages().len(), 1, "the mail is still sent");
}

#[test]
fn a_failing_monitor_is_retried_as_configured() {
    let (setup, server) = monitored_night(|server| server.status(503, "", Some(2)));
    setup.run().exited_with(0);
    assert_eq!(paths(&server), ["/start", "", ""]);

    let (setup, server) = monitored_night(|server| server.status(500, "", None));
    assert_delivered_without_ping(&setup, &setup.run(), "the monitoring service did not accept the ping: status 500");
    assert_eq!(paths(&server), ["/start", "", ""]);
}

#[test]
fn an_unknown_check_is_not_retried() {
    let (setup, server) = monitored_night(|server| server.status(404, "", None));
    assert_delivered_without_ping(&setup, &setup.run(), "the monitoring service did not accept the ping: status 404");
    assert_eq!(paths(&server), ["/start", ""]);

    let (mut setup, server) = monitored_night(|server| server);
    let url = server.url().replace("5bf6", "5bf7");
    setup.set("monitor.ping_url", json!(url));
    let outcome = setup.run();
    assert_delivered_without_ping(
        &setup,
        &outcome,
        "the monitoring service did not accept the ping: status 200: OK (not found)",
    );
    outcome.logged("check monitor.ping_url");
}

#[test]
fn a_redirect_is_not_followed() {
    let (setup, server) = monitored_night(|server| server.status(302, "", None));
    assert_delivered_without_ping(&setup, &setup.run(), "the monitoring service did not accept the ping: status 302");
    assert_eq!(paths(&server), ["/start", ""]);
}

#[test]
fn a_server_with_an_untrusted_certificate_gets_no_ping() {
    let (mut setup, server) = monitored_night(|server| server);
    let folder = tempfile::tempdir().unwrap();
    setup.set("monitor.ca_file", json!(Authority::new("Somebody else").write(folder.path())));
    let outcome = setup.run();
    assert_delivered_without_ping(&setup, &outcome, "no trusted TLS connection to the monitoring service: ");
    assert_eq!(server.pings(), []);
}

#[test]
fn a_silent_monitor_at_the_start_does_not_delay_the_job() {
    let (setup, server) = monitored_night(|server| server.silent_at("/start"));
    let started = Instant::now();
    let run = start(&setup);
    wait_until("the archive", || setup.archive().exists());
    let delivered = started.elapsed();
    let outcome = setup.outcome(run.wait_with_output().unwrap());
    let total = started.elapsed();
    println!("delivered after {delivered:.1?}, ended after {total:.1?}, limit 5 s");
    assert!(delivered < Duration::from_secs(5), "the job waited {delivered:?}");
    assert!(total < Duration::from_secs(5) + MAX_RUN_TIME, "{total:?}");
    outcome.exited_with(0).logged("the monitor was not pinged at the start: no answer from the monitoring service");
    assert_eq!(paths(&server), ["/start", ""]);
}

#[test]
fn a_run_without_a_job_sends_no_ping() {
    let (mut setup, server) = monitored_night(|server| server);
    setup.run_with(&["--dry-run"]).exited_with(0);
    setup.set("sftp.port", json!(0));
    setup.run().exited_with(3);
    assert_eq!(server.pings(), []);
}

#[test]
fn a_run_that_ends_because_of_another_one_sends_no_ping() {
    let (mut setup, server) = monitored_night(|server| server);
    let web = HttpsServer::builder(&setup.path("web")).silent().start();
    setup.set("source.url", json!(web.url("/my_zip.zip")));
    let first = start(&setup);
    wait_until("the first run's request", || web.requests() > 0 && !server.pings().is_empty());
    setup.run().exited_with(5);
    assert_eq!(paths(&server), ["/start"]);
    terminate(&setup, first).exited_with(143);
    assert_eq!(paths(&server), ["/start", "/fail"]);
    assert!(fs::metadata(setup.path("log.log")).unwrap().len() > 0);
}
