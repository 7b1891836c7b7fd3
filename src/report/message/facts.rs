//! What is worth knowing of a run, as labelled lines that the mail's two parts share. (Of a dry run there is no mail.)

use crate::record::run_record::{Delivery, RunRecord};
use crate::report::message::headline;
use crate::rules::retention::reason::Reason;
use crate::rules::retention::{Action, Decision, Plan};

/// So many files are named in one list; the log names all.
const MAX_NAMED: usize = 20;

/// Something worth knowing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    /// What it is about.
    pub(crate) label: &'static str,
    /// One or more lines.
    pub(crate) lines: Vec<String>,
}

/// All facts of `record`, in the order of a run, without secrets and control characters.
pub(crate) fn facts(record: &RunRecord) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut tell = |label, lines: Vec<String>| {
        facts.push(Fact { label, lines: lines.iter().map(|line| record.clean(line)).collect() });
    };
    if let Some(bytes) = record.received {
        let not_downloaded = record.zip_size.and_then(|size| size.checked_sub(bytes)).filter(|rest| *rest > 0);
        let rest = not_downloaded.map(|rest| format!("{} of the zip were not downloaded", headline::exact_size(rest)));
        tell("Received", [Some(headline::exact_size(bytes)), rest].into_iter().flatten().collect());
    }
    if let Some(dump) = &record.dump {
        tell("Dump", vec![dump.name.clone()]);
        tell("Dump's size", vec![headline::exact_size(dump.size)]);
        let modified = dump.modified.map(headline::moment);
        tell("Dump modified", vec![modified.unwrap_or_else(|| "unknown: the zip holds no valid time".to_owned())]);
    }
    if let Some(archive) = &record.archive {
        tell("Archive", vec![archive.name.clone()]);
        tell("Archive's size", vec![headline::exact_size(archive.size)]);
        tell("Archive's SHA-256", vec![archive.sha256.clone()]);
        let how = match record.delivery {
            Some(Delivery::Sent) => "new on the server, verified",
            Some(Delivery::Replaced) => "took the place of an archive of the same name with other content, verified",
            Some(Delivery::AlreadyThere) => "the same bytes already lay on the server",
            None => "not delivered",
        };
        tell("Delivery", vec![how.to_owned()]);
    }
    if let Some(fingerprint) = &record.new_host_key {
        tell(
            "New host key",
            vec![
                fingerprint.clone(),
                "First contact with this SFTP server: compare this fingerprint with the server's own.".to_owned(),
            ],
        );
    }
    if let Some(plan) = &record.retention {
        tell("Kept", kept(plan));
    }
    if record.retries > 0 {
        tell("Tried again", vec![headline::count(record.retries as usize, "time")]);
    }
    tell("Took", vec![headline::time_taken(record.duration)]);
    facts
}

fn kept(plan: &Plan) -> Vec<String> {
    let archives = headline::count(plan.archives_kept(), "archive");
    let mut lines = vec![match plan.reference {
        Some(newest) => format!("{archives}, the newest of {}", headline::date(newest)),
        None => archives,
    }];
    let staying = plan.decisions.iter().filter(|decision| decision.action == Action::Keep);
    let (foreign, ours): (Vec<&Decision>, Vec<&Decision>) =
        staying.partition(|decision| decision.reason == Reason::Foreign);
    let unusual: Vec<&Decision> = ours.into_iter().filter(|decision| !decision.reason.is_recent()).collect();
    lines.extend(named(&unusual));
    if !foreign.is_empty() {
        lines.push(format!("{}, never touched", headline::count(foreign.len(), "other file")));
    }
    lines
}

/// Each file with its reason, up to [`MAX_NAMED`] of them.
pub(crate) fn named(decisions: &[&Decision]) -> Vec<String> {
    let mut lines: Vec<String> =
        decisions.iter().take(MAX_NAMED).map(|decision| format!("{}: {}", decision.name, decision.reason)).collect();
    if decisions.len() > MAX_NAMED {
        lines.push(format!("and {} more", decisions.len() - MAX_NAMED));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::message::samples;

    #[test]
    fn a_name_on_the_server_cannot_forge_a_line() {
        let mut record = samples::clean_night();
        record.retention.as_mut().unwrap().decisions[3].name = "a\nDelivery: forged".to_owned();
        let text = facts(&record).into_iter().flat_map(|fact| fact.lines).collect::<Vec<_>>().join("\n");
        assert!(text.contains("a\\nDelivery: forged"), "{text}");
    }
}
