//! Mail that does not arrive: the job still succeeds, and the other channels report the mail.

use serde_json::json;
use testkit::servers::listener::closed_address;
use testkit::servers::smtp::Security;
use testkit::servers::{Authority, SmtpServer};
use testkit::setup::MAIL_LOGIN;
use testkit::{Outcome, Setup};

use crate::{only_post, use_mail_server};

/// Runs `night`, in which no mail can arrive. Asserts that the archive was delivered, and that the log and Mattermost contain
/// `why`.
#[track_caller]
pub(crate) fn run_undelivered(setup: &Setup, why: &str) -> Outcome {
    let outcome = setup.run();
    outcome.exited_with(1).logged(why).logged("WARNING");
    assert_eq!(setup.sshd.names().len(), 1, "no archive: {}", outcome.all());
    let post = only_post(&setup.webhook);
    let row = post.lines().find(|line| line.starts_with("| :no_entry: | Report | the mail did not reach "));
    assert!(row.is_some_and(|row| row.contains(why)), "no row says {why:?} in {post}");
    outcome
}

#[test]
fn a_refused_recipient_does_not_stop_the_others() {
    let mut setup = Setup::around_midnight();
    let server = SmtpServer::builder(Security::Tls).refuse_recipient("gone@example.org").start();
    use_mail_server(&mut setup, &server, Security::Tls);
    setup.set("email.to", json!(["a@example.org", "gone@example.org", "b@example.org"]));
    let outcome = run_undelivered(&setup, "the mail did not reach 1 of 3 recipients: ");
    outcome.logged("mailed to a@example.org").logged("mailed to b@example.org").logged("550");
    let recipients: Vec<String> = server.messages().into_iter().flat_map(|mail| mail.to).collect();
    assert_eq!(recipients, ["a@example.org", "b@example.org"]);
    assert!(only_post(&setup.webhook).contains("gone"));
}

#[test]
fn an_unreachable_mail_server_is_retried_as_configured() {
    let mut setup = Setup::around_midnight();
    setup.set("email.server.port", json!(closed_address().port()));
    let outcome = run_undelivered(&setup, "cannot reach the mail server");
    outcome.logged("sending the mail failed, trying again in 0.0 s (2 of 2)");
}

#[test]
fn an_unknown_host_is_reported_as_unreachable() {
    let mut setup = Setup::around_midnight();
    setup.set("email.server.host", json!("no-such-host.invalid"));
    setup.set("mattermost.webhook_url", json!("https://no-such-host.invalid/hooks/s3cr3thook"));
    setup.config["monitor"] = json!({"ping_url": "https://no-such-host.invalid/p1ng-s3cr3t"});
    let outcome = setup.run();
    outcome.exited_with(1);
    outcome.logged("cannot reach the mail server no-such-host.invalid:");
    outcome.logged(
        "cannot reach the Mattermost server: its name cannot be resolved; check the host in mattermost.webhook_url",
    );
    outcome
        .logged("cannot reach the monitoring service: its name cannot be resolved; check the host in monitor.ping_url");
    for wrong in ["may have been posted", "may have arrived"] {
        assert!(!outcome.all().contains(wrong), "{wrong:?}: {}", outcome.all());
    }
    outcome.logged("posting to Mattermost failed, trying again");
}

#[test]
fn a_wrong_password_is_tried_once_for_all_recipients() {
    let mut setup = Setup::around_midnight();
    setup.set("email.server.password", json!("not the one"));
    setup.set("email.to", json!(["a@example.org", "b@example.org"]));
    run_undelivered(&setup, "refused the login of reports");
    assert_eq!(setup.mail.logins(), [(MAIL_LOGIN.0.to_owned(), false)]);
    assert_eq!(setup.mail.messages().len(), 0);
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_at_once() {
    let mut setup = Setup::around_midnight();
    let identity = Authority::new("Somebody else").server(&["localhost", "127.0.0.1"]);
    let server = SmtpServer::builder(Security::Tls).identity(identity).login(MAIL_LOGIN.0, MAIL_LOGIN.1).start();
    setup.set("email.server.port", json!(server.port()));
    run_undelivered(&setup, "no trusted TLS connection to the mail server");
    assert_eq!((server.connections(), server.logins().len(), server.messages().len()), (1, 0, 0));
}

#[test]
fn a_message_refused_after_data_is_retried_only_after_a_transient_error() {
    for (status, connections) in [(554, 1), (452, 2)] {
        let mut setup = Setup::around_midnight();
        let server = SmtpServer::builder(Security::None).refuse_messages(status).start();
        use_mail_server(&mut setup, &server, Security::None);
        run_undelivered(&setup, &format!("{status} Message refused"));
        assert_eq!((server.connections(), server.messages().len()), (connections, 0), "{status}");
    }
}

#[test]
fn a_failed_run_keeps_its_exit_code_if_the_mail_fails_too() {
    let mut setup = Setup::around_midnight();
    setup.set("email.server.port", json!(closed_address().port())).set("source.dump", json!("other.sql"));
    setup.run().exited_with(4);
    let post = only_post(&setup.webhook);
    assert!(post.contains("| :no_entry: | Find dump |") && post.contains("| :no_entry: | Report |"), "{post}");
}
