//! The Mattermost message: one post with a table that untrusted text cannot break; servers that refuse it.

use serde_json::json;
use testkit::Setup;
use testkit::servers::{Authority, Entry, WebhookServer, Zip};

use crate::{host_name, only_post, use_webhook};

/// The cells of each row of the table in `post`, without the header; an invalid row fails the test.
#[track_caller]
fn rows(post: &str) -> Vec<[String; 3]> {
    let (_, table) = post.split_once("\n\n").expect("an empty line before the table");
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("| State | Task | What happened |"), "{post}");
    assert_eq!(lines.next(), Some("|:---|:---|:---|"), "{post}");
    lines
        .map(|line| {
            let mut cells = vec![String::new()];
            let mut is_escaped = false;
            for character in line.chars() {
                if character == '|' && !is_escaped {
                    cells.push(String::new());
                } else {
                    cells.last_mut().unwrap().push(character);
                }
                is_escaped = character == '\\' && !is_escaped;
            }
            let trimmed: Vec<String> = cells.iter().map(|cell| cell.trim().to_owned()).collect();
            let [before, state, task, text, after] = trimmed.as_slice() else { panic!("{line:?} in {post}") };
            assert!(before.is_empty() && after.is_empty(), "{line:?}");
            [state.clone(), task.clone(), text.clone()]
        })
        .collect()
}

#[test]
fn a_successful_run_is_one_post_with_a_row_for_each_task() {
    let mut setup = Setup::around_midnight();
    setup.set("mattermost.username", json!("Nightly dump")).set("mattermost.icon_url", json!("https://e.org/i.png"));
    setup.run().exited_with(0).logged("posted to Mattermost");
    let post = only_post(&setup.webhook);
    let head: Vec<&str> = post.lines().take(2).collect();
    assert_eq!(head[0], "**The dump was delivered and verified.**");
    assert!(head[1].starts_with(&host_name()) && head[1].ends_with(": 0 errors, 0 warnings"), "{post}");
    let tasks: Vec<String> = rows(&post)
        .into_iter()
        .map(|[state, task, _]| {
            assert_eq!(state, ":white_check_mark:", "{post}");
            task
        })
        .collect();
    let expected = [
        "Read configuration",
        "Request zip",
        "Find dump",
        "Compare dates",
        "Pack archive",
        "Connect to SFTP",
        "Send archive",
        "Verify archive",
        "Remove expired",
        "Clean up",
    ];
    assert_eq!(tasks, expected);
    let posted = &setup.webhook.posts()[0];
    assert_eq!(posted.username.as_deref(), Some("Nightly dump"));
    assert_eq!(posted.icon_url.as_deref(), Some("https://e.org/i.png"));
}

#[test]
fn a_warning_is_counted_and_has_no_row() {
    let mut setup = Setup::around_midnight();
    setup.make_stale();
    setup.run().exited_with(1);
    let post = only_post(&setup.webhook);
    assert!(post.lines().nth(1).unwrap().ends_with(": 0 errors, 1 warning"), "{post}");
    let states: Vec<String> = rows(&post).into_iter().map(|[state, ..]| state).collect();
    assert!(states.iter().all(|state| state == ":white_check_mark:"), "{post}");
    assert!(!post.contains("Compare dates"), "{post}");
}

#[test]
fn hostile_names_can_forge_neither_rows_nor_mentions() {
    let hostile =
        "a|b\n| :white_check_mark: | Verify archive | `forged` |\n@all <!channel> [x](http://e.org) ~town :+1:";
    // As the dump's name, and as the name of another entry while the dump is missing.
    for (dump, code) in [(hostile, 0), ("missing.sql", 4)] {
        let mut setup = Setup::around_midnight();
        setup.publish(&Zip::new().with(Entry::new(hostile, setup.dump.clone()).extended_time(setup.modified)));
        setup.set("source.dump", json!(dump));
        setup.run().exited_with(code);
        let post = only_post(&setup.webhook);
        let rows = rows(&post);
        let [_, _, text] = rows.iter().find(|[_, task, _]| task == "Find dump").expect("a row for the dump");
        assert!(text.contains("a\\|b") && text.contains("forged"), "{post}");
        assert_eq!(
            rows.iter().filter(|[_, task, _]| task == "Verify archive").count(),
            usize::from(code == 0),
            "{post}"
        );
        for markup in ["@all", "<!channel", "](http", "http://", " `forged`", " ~town", ":+1:"] {
            assert!(!text.contains(markup), "{markup:?} in {text:?}");
        }
    }
}

#[test]
fn a_very_long_error_is_truncated_to_fit_one_post() {
    let setup = Setup::around_midnight();
    let mut zip = Zip::new();
    for number in 0..300 {
        zip = zip.with(Entry::new(&format!("{number}-{}", "|@`é".repeat(60)), "x"));
    }
    setup.publish(&zip);
    setup.run().exited_with(4);
    let post = only_post(&setup.webhook);
    let rows = rows(&post);
    let [state, _, text] = rows.iter().find(|[_, task, _]| task == "Find dump").expect("a row for the error");
    assert_eq!(state, ":no_entry:");
    assert!(text.contains('…') && text.chars().count() < 4_000, "{text}");
}

#[test]
fn the_status_decides_whether_a_post_is_retried() {
    // Mattermost responds with 501 while webhooks are disabled.
    for (status, requests) in [(400, 1), (403, 1), (404, 1), (501, 1), (429, 2), (500, 2), (503, 2)] {
        let mut setup = Setup::around_midnight();
        let server = WebhookServer::builder().status(status).start();
        use_webhook(&mut setup, &server);
        let outcome = setup.run();
        outcome.exited_with(1).logged(&format!(
            "posting to Mattermost failed: the Mattermost server did not post the message: status {status}"
        ));
        assert_eq!(server.requests(), requests, "status {status}: {}", outcome.all());
        assert_eq!(setup.mail.messages().len(), 1, "the mail was not sent: {}", outcome.all());
    }
}

#[test]
fn a_temporarily_busy_server_gets_the_message_once() {
    let mut setup = Setup::around_midnight();
    let server = WebhookServer::builder().status_for(503, 1).retry_after(3_600).start();
    use_webhook(&mut setup, &server);
    // retry.max_pause_seconds, which is 0 here, limits the pause that the server asks for.
    setup.run().exited_with(0).logged("posting to Mattermost failed, trying again in 0.0 s (2 of 2)");
    assert_eq!((server.requests(), server.posts().len()), (2, 1));
}

#[test]
fn a_failed_connection_is_retried_and_an_untrusted_one_is_not() {
    let mut setup = Setup::around_midnight();
    let server = WebhookServer::builder().start();
    use_webhook(&mut setup, &server);
    drop(server);
    setup.run().exited_with(1).logged("cannot reach the Mattermost server").logged("trying again in 0.0 s (2 of 2)");

    let identity = Authority::new("Somebody else").server(&["localhost", "127.0.0.1"]);
    let server = WebhookServer::builder().identity(identity).start();
    use_webhook(&mut setup, &server);
    let untrusted = setup.run();
    untrusted.exited_with(1).logged("no trusted TLS connection to the Mattermost server");
    assert!(!untrusted.log.lines().any(|line| line.contains(&setup.run_id()) && line.contains("trying again")));
    assert_eq!(server.requests(), 0);
}
