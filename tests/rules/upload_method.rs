//! How an upload writes, by server and after a failure.

use scripting_system::rules::upload_method::*;

const SHARED: FailedUpload = FailedUpload { was_shared: true, was_resumed: false, had_several_writes: true };

fn method(writing: Writing, resumes: bool) -> Method {
    Method { writing, resumes, is_openssh: false }
}

#[test]
fn known_services_begin_with_one_connection() {
    for banner in [
        "SSH-2.0-AWS_SFTP_1.1",
        "SSH-2.0-AzureSSH_1.0.0",
        "SSH-2.0-SFTPGo_2.6.0",
        "SSH-2.0-SFTPGo",
        "SSH-2.0-rclone/v1.60.1",
    ] {
        assert_eq!(Method::for_banner(banner), method(Writing::OneConnection, true), "{banner}");
    }
    for banner in ["SSH-2.0-mod_sftp", "SSH-2.0-", ""] {
        assert_eq!(Method::for_banner(banner), method(Writing::SeveralConnections, true), "{banner}");
    }
}

#[test]
fn each_failure_leads_to_a_method_that_demands_less() {
    use Writing::{OneConnection, OneWrite, SeveralConnections};
    let start = method(SeveralConnections, true);
    assert_eq!(start.after(FailedUpload { was_resumed: true, ..SHARED }), Some(method(SeveralConnections, false)));
    assert_eq!(start.after(SHARED), Some(method(OneConnection, true)));
    assert_eq!(start.after(FailedUpload { was_shared: false, ..SHARED }), Some(method(OneWrite, true)));
    assert_eq!(method(OneConnection, false).after(SHARED), Some(method(OneWrite, false)));
    assert_eq!(method(OneWrite, false).after(FailedUpload { was_resumed: true, ..SHARED }), None);
}

#[test]
fn a_method_that_cannot_be_the_cause_is_kept() {
    assert_eq!(method(Writing::OneConnection, true).after(FailedUpload { had_several_writes: false, ..SHARED }), None);
    let openssh = Method::for_banner("SSH-2.0-OpenSSH_9.2p1 Debian-2");
    assert_eq!(openssh.after(SHARED), None);
    assert!(openssh.after(FailedUpload { was_resumed: true, ..SHARED }).is_some_and(|method| !method.resumes));
}
