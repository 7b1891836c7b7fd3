//! Facts about a run, for both parts of the mail.

use crate::record::run_record::{Delivery, RunRecord};
use crate::report::message::figures::{Figure, list};
use crate::report::message::{drill, headline};
use crate::rules::retention::reason::Reason;
use crate::rules::retention::{Action, Decision, Plan};
use crate::rules::units;

pub(crate) fn facts(record: &RunRecord) -> Vec<Figure> {
    let mut facts = Vec::new();
    let mut add = |label, value: String, notes: Vec<String>| {
        let notes = notes.iter().map(|note| record.clean(note)).collect();
        facts.push(Figure { label, value: record.clean(&value), notes });
    };
    if let Some(bytes) = record.received {
        let rest = record.zip_size.and_then(|size| size.checked_sub(bytes)).filter(|rest| *rest > 0);
        let rest =
            rest.map(|rest| format!("{} of the ZIP were not needed and not downloaded", units::exact_size(rest)));
        add("Received", units::exact_size(bytes), rest.into_iter().collect());
    }
    if let Some(dump) = &record.dump {
        let modified = dump.modified.map(headline::moment);
        add("Dump", dump.name.clone(), vec![]);
        add("Dump size", units::exact_size(dump.size), vec![]);
        add(
            "Dump modified",
            modified.unwrap_or_else(|| "unknown: the ZIP has no valid time for it".to_owned()),
            vec![],
        );
    }
    if let Some(archive) = &record.archive {
        let delivery = match record.delivery {
            Some(Delivery::Sent) => "uploaded and verified",
            Some(Delivery::Replaced) => "replaced an archive with the same name but different content, verified",
            Some(Delivery::AlreadyThere) => "the same bytes were already on the server",
            None => "not delivered",
        };
        add("Archive", archive.name.clone(), vec![]);
        add("Archive size", units::exact_size(archive.size), vec![]);
        add("Archive SHA-256", archive.sha256.clone(), vec![]);
        add("Delivery", delivery.to_owned(), vec![]);
    }
    if let Some(fingerprint) = &record.new_host_key {
        let note = "First connection to this SFTP server: verify this fingerprint on the server.";
        add("New host key", fingerprint.clone(), vec![note.to_owned()]);
    }
    if let Some(plan) = &record.retention {
        let archives = units::count(plan.archives_kept(), "archive");
        let newest = plan.reference.map(|newest| format!(", the newest from {}", headline::date(newest)));
        add("Kept", archives + &newest.unwrap_or_default(), unusual(plan));
    }
    for Figure { label, value, notes } in record.drill.iter().flat_map(drill::figures) {
        add(label, value, notes);
    }
    if let Some(text) = &record.last_drill {
        add("Drill", text.clone(), vec![]);
    }
    if record.retries > 0 {
        add("Retries", record.retries.to_string(), vec![]);
    }
    add("Duration", units::duration(record.duration), vec![]);
    facts
}

/// Kept archives that are not recent, and the number of files that are not archives.
fn unusual(plan: &Plan) -> Vec<String> {
    let kept = plan.decisions.iter().filter(|decision| decision.action == Action::Keep);
    let (others, archives): (Vec<&Decision>, Vec<&Decision>) =
        kept.partition(|decision| decision.reason == Reason::Foreign);
    let archives: Vec<&Decision> = archives.into_iter().filter(|decision| !decision.reason.is_recent()).collect();
    let others = (!others.is_empty()).then(|| format!("{}, never touched", units::count(others.len(), "other file")));
    list(&archives).into_iter().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::message::samples;

    #[test]
    fn a_file_name_cannot_forge_a_line() {
        let mut record = samples::delivered();
        record.retention.as_mut().unwrap().decisions[3].name = "a\nDelivery: forged".to_owned();
        let lines: Vec<String> = facts(&record).iter().flat_map(Figure::lines).cloned().collect();
        assert!(lines.iter().any(|line| line.starts_with("a\\nDelivery: forged")), "{lines:?}");
    }
}
