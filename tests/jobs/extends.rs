//! Jobs that extend a shared file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::site::Site;

#[test]
fn a_job_is_merged_over_the_file_that_it_extends() {
    let site = Site::new(&["a"]);
    // Relative paths start at the folder of the file that they are written in.
    fs::create_dir(site.setup.path("shared")).unwrap();
    let mut common = site.setup.config.clone();
    common["email"]["to"] = json!(["first@example.org", "second@example.org"]);
    common["sftp"]["private_key"] = json!("key");
    common["source"]["headers"] = json!({"X-Token": "abc", "X-Other": "def"});
    fs::copy(site.setup.sshd.user_key(), site.setup.path("shared/key")).unwrap();
    let path = site.setup.path("shared/all.json");
    fs::write(&path, common.to_string()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    site.write_job(
        "a",
        json!({
            "extends": "../shared/all.json",
            // A list is replaced, null removes, other keys remain.
            "email": {"to": ["own@example.org"]},
            "mattermost": null,
            "source": {"headers": {"X-Token": null}},
        }),
    );
    site.call("run", &[]).exited_with(0);
    assert!(site.has_delivered("a"));
    assert_eq!(site.setup.mail.messages()[0].to, ["own@example.org"]);
    assert_eq!(site.setup.webhook.posts().len(), 0);
    let requests = site.setup.web.recorded_requests();
    let header = |name: &str| requests[0].header(name).is_some();
    assert!(header("x-other") && !header("x-token"));
}

#[test]
fn an_extended_file_that_cannot_be_used_stops_only_its_jobs() {
    let site = Site::new(&["a", "b"]);
    let refused = |problem: &str| {
        let outcome = site.call("run", &[]);
        outcome.exited_with(3);
        assert!(outcome.stderr.contains(problem), "{problem}: {}", outcome.stderr);
        assert!(site.has_delivered("a"), "{}", outcome.all());
    };
    site.write_job("b", json!({"extends": "_missing.json"}));
    refused("_missing.json cannot be read: No such file");
    let mut common = site.setup.config.clone();
    common["extends"] = json!("_other.json");
    site.write("_other.json", &common);
    site.write_job("b", json!({"extends": "_other.json"}));
    refused("_other.json has the key extends, which only a job can have; remove it there");
    site.write_job("b", json!({"extends": "b.json"}));
    refused("b.json has the key extends");
    common["extends"] = json!(null);
    common.as_object_mut().unwrap().remove("extends");
    common["name"] = json!("x");
    site.write("_other.json", &common);
    site.write_job("b", json!({"extends": "_other.json"}));
    refused("_other.json has the key name");
    site.write_text("_other.json", "{\"sftp\": ");
    refused("_other.json is not JSON at line 1");
    site.write("_other.json", &site.setup.config);
    fs::set_permissions(site.folder().join("_other.json"), fs::Permissions::from_mode(0o666)).unwrap();
    refused("_other.json can be written by others");
}

#[test]
fn a_mistake_in_the_extended_file_is_reported_with_that_file() {
    let site = Site::new(&["a", "b"]);
    site.change_common(|common| common["retry"]["attempts"] = json!("many"));
    site.write_job("b", json!({"retry": {"attempts": 2}}));
    let outcome = site.call("run", &[]);
    outcome.exited_with(3);
    let line = outcome.stderr.lines().find(|line| line.contains("retry.attempts")).unwrap();
    assert!(
        line.contains("jobs/a.json: ") && line.contains("(written in ") && line.contains("_common.json)"),
        "{line}"
    );
    assert!(site.has_delivered("b"));
}

#[test]
fn a_section_with_one_key_is_merged_like_any_other() {
    let site = Site::new(&["a"]);
    site.change_common(|common| common["log"] = json!({"format": "json"}));
    site.write_job("a", json!({"log": {"file": "../log.log"}}));
    let outcome = site.call("run", &[]);
    outcome.exited_with(0);
    assert!(outcome.log.lines().all(|line| line.starts_with('{')), "{}", outcome.log);
}

#[test]
fn a_job_whose_extended_file_is_missing_is_reported_to_its_own_address() {
    let site = Site::new(&["a", "b"]);
    let mut email = site.setup.config["email"].clone();
    email["to"] = json!(["customer@example.org"]);
    site.write_job("b", json!({"extends": "_missing.json", "email": email}));
    site.call("run", &[]).exited_with(3);
    let mails = site.setup.mail.messages();
    let to = |address: &str| mails.iter().filter(|mail| mail.to == [address]).count();
    assert_eq!((mails.len(), to("operator@example.org"), to("customer@example.org")), (2, 1, 1));
}
