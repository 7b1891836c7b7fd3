//! The attachment of the Mattermost message: the key figures, next to a bar in the outcome's colour.

use serde::Serialize;

use crate::record::run_record::RunRecord;
use crate::report::mattermost::markdown::{escape, truncate};
use crate::report::message::facts::facts;
use crate::report::message::figures::{self, Figure};
use crate::report::message::{colour, headline};
use crate::rules::redaction::printable;

/// In characters before escaping. Mattermost allows 760,000 for all attachments together.
const MAX_VALUE: usize = 600;

/// The field names are those of Mattermost's message attachments.
#[derive(Debug, Serialize)]
pub(super) struct Attachment {
    /// `#rrggbb`.
    color: &'static str,
    /// For clients that don't show attachments.
    fallback: String,
    /// Markdown; untrusted text is escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    fields: Vec<Field>,
}

#[derive(Debug, Serialize)]
struct Field {
    title: &'static str,
    /// Markdown; untrusted text is escaped.
    value: String,
    /// Whether it may share a line with another field.
    short: bool,
}

/// `job` is a name for the title, if the message is about several jobs.
pub(super) fn attachment(record: &RunRecord, job: Option<&str>) -> Attachment {
    let last_good =
        figures::last_good(record).map(|value| Figure { label: "Last good archive", value, notes: Vec::new() });
    let figures = figures::sent(record).into_iter().chain(figures::folder_figures(record));
    let fields = last_good
        .iter()
        .map(|figure| field(figure, false))
        .chain(figures.map(|figure| field(&figure, true)))
        .chain(figures::last_archives(record).map(|figure| field(&figure, false)))
        .chain(record.drill.iter().flat_map(|_| facts(record)).map(|figure| field(&figure, true)))
        .collect();
    let headline = escape(&headline::headline(record));
    let title = job.map(|job| format!("{}: {headline}", escape(&printable(job))));
    Attachment { color: colour::for_outcome(record), fallback: headline, title, fields }
}

fn field(figure: &Figure, short: bool) -> Field {
    let mut remaining = MAX_VALUE;
    let mut lines = Vec::new();
    for line in figure.lines() {
        if remaining == 0 {
            break;
        }
        lines.push(escape(&truncate(line, remaining)));
        remaining = remaining.saturating_sub(line.chars().count());
    }
    Field { title: figure.label, value: lines.join("\n"), short }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::message::samples;

    proptest! {
        #[test]
        fn file_names_cannot_create_mentions_or_links_or_exceed_the_limit(
            name in ".{0,40}@(all|here).{0,40}<!channel> \\[a\\]\\(http://x\\)|.{5000}",
        ) {
            let mut record = samples::stale_with_history();
            record.retention.as_mut().unwrap().decisions.iter_mut().for_each(|file| file.name.clone_from(&name));
            record.folder.as_mut().unwrap().archives.iter_mut().for_each(|file| file.name.clone_from(&name));
            for field in attachment(&record, None).fields {
                for markup in ["@all", "@here", "<!", "](", "http://"] {
                    prop_assert!(!field.value.contains(markup), "{:?}", field.value);
                }
                // Escaping turns some characters into six.
                prop_assert!(field.value.chars().count() < 7 * MAX_VALUE, "{}", field.value.chars().count());
            }
        }
    }
}
