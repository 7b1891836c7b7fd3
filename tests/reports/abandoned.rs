//! Servers that accept a connection and then stop responding: they time out, and nothing is sent twice.
//!
//! These runs take 30 seconds. Tests start in alphabetical order, so this module's name makes them start first.

use std::thread;

use serde_json::json;
use testkit::Setup;
use testkit::servers::smtp::Security;
use testkit::servers::{SmtpServer, WebhookServer};

use crate::undelivered::run_undelivered;
use crate::{use_mail_server, use_webhook};

/// Each run waits for 30 seconds, so they run in parallel.
#[test]
fn silent_servers_time_out_and_nothing_is_sent_twice() {
    let from_the_start = thread::spawn(|| {
        let mut setup = Setup::around_midnight();
        let server = SmtpServer::builder(Security::Tls).silent().start();
        use_mail_server(&mut setup, &server, Security::Tls);
        setup.set("retry.attempts", json!(1)).set("email.to", json!(["a@example.org", "b@example.org"]));
        run_undelivered(&setup, "no answer within 30 s");
        assert_eq!(server.connections(), 1, "the second recipient was tried although the server is silent");
    });
    let after_data = thread::spawn(|| {
        let mut setup = Setup::around_midnight();
        let server = SmtpServer::builder(Security::None).silent_after_data().start();
        use_mail_server(&mut setup, &server, Security::None);
        run_undelivered(&setup, "the mail may have arrived, so it was not sent again");
        assert_eq!(server.messages().len(), 1);
    });
    let mattermost = thread::spawn(|| {
        let mut setup = Setup::around_midnight();
        let server = WebhookServer::builder().silent().start();
        use_webhook(&mut setup, &server);
        setup
            .run()
            .exited_with(1)
            .logged("posting to Mattermost failed: ")
            .logged("may have been posted, so it was not sent again");
        assert_eq!((server.requests(), server.posts().len()), (1, 1));
        assert_eq!(setup.mail.messages().len(), 1);
    });
    let started = std::time::Instant::now();
    for run in [from_the_start, after_data, mattermost] {
        if let Err(panic) = run.join() {
            std::panic::resume_unwind(panic);
        }
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(45), "{:?}", started.elapsed());
}
