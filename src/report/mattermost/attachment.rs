//! The Mattermost message's attachment: beside a bar in the outcome's colour, the figures that are read first.

use serde::Serialize;

use crate::record::run_record::RunRecord;
use crate::report::mattermost::markdown::{cut, escape};
use crate::report::message::chart::Chart;
use crate::report::message::figures::{self, Figure};
use crate::report::message::{colour, headline};

/// Longest text of a field, in characters before escaping: an attachment is a summary. Mattermost itself takes 760,000
/// for all attachments together.
const MAX_VALUE: usize = 600;

/// A message attachment, with the keys of Mattermost's page of that name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attachment {
    /// The colour of its bar, as `#rrggbb`.
    pub color: &'static str,
    /// What is shown where attachments are not.
    pub fallback: String,
    /// The figures.
    pub fields: Vec<Field>,
}

/// One figure of an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// What it is about.
    pub title: &'static str,
    /// Markdown, in which text from outside is escaped.
    pub value: String,
    /// Whether it may stand beside another one.
    pub short: bool,
}

/// What stands beside the text of the Mattermost message of `record`.
pub fn mattermost_attachment(record: &RunRecord) -> Attachment {
    let mut fields = Vec::new();
    fields.extend(figures::last_good(record).map(|sentence| field("Last good archive", &[sentence], false)));
    let of = |figure: Figure| {
        let lines: Vec<String> = [figure.value].into_iter().chain(figure.notes).collect();
        field(figure.label, &lines, true)
    };
    fields.extend(figures::sent(record).map(of));
    fields.extend(figures::free(record).map(of));
    fields.extend(figures::removed(record).map(of));
    fields.extend(figures::nights_without(record).map(of));
    if let Some(chart) = Chart::of(record) {
        let lines: Vec<String> =
            [Some(chart.sparkline()), chart.sizes(), chart.cut_off()].into_iter().flatten().collect();
        fields.push(field("Sizes of the last archives", &lines, false));
    }
    Attachment { color: colour::of_outcome(record), fallback: escape(&headline::headline(record)), fields }
}

fn field(title: &'static str, lines: &[String], short: bool) -> Field {
    let mut left = MAX_VALUE;
    let mut told = Vec::new();
    for line in lines {
        if left == 0 {
            break;
        }
        told.push(escape(&cut(line, left)));
        left = left.saturating_sub(line.chars().count());
    }
    Field { title, value: told.join("\n"), short }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::message::samples;

    /// The attachment, a line for each key, so that a snapshot's difference can be read.
    fn in_lines(record: &RunRecord) -> String {
        serde_json::to_string_pretty(&mattermost_attachment(record)).unwrap()
    }

    #[test]
    fn good_night() {
        insta::assert_snapshot!(in_lines(&samples::good_night()));
    }

    #[test]
    fn stale_after_many_nights() {
        insta::assert_snapshot!(in_lines(&samples::stale_after_many_nights()));
    }

    #[test]
    fn unreachable_web_server() {
        insta::assert_snapshot!(in_lines(&samples::unreachable_web_server()));
    }

    #[test]
    fn refused_login() {
        insta::assert_snapshot!(in_lines(&samples::refused_login()));
    }

    #[test]
    fn first_night() {
        insta::assert_snapshot!(in_lines(&samples::first_night()));
    }

    proptest! {
        #[test]
        fn nothing_from_outside_mentions_anybody_links_or_grows_beyond_its_field(
            name in ".{0,40}@(all|here).{0,40}<!channel> \\[a\\]\\(http://x\\)|.{5000}",
        ) {
            let mut record = samples::stale_after_many_nights();
            record.retention.as_mut().unwrap().decisions.iter_mut().for_each(|it| it.name.clone_from(&name));
            record.folder.as_mut().unwrap().archives.iter_mut().for_each(|it| it.name.clone_from(&name));
            for field in mattermost_attachment(&record).fields {
                for markup in ["@all", "@here", "<!", "](", "http://"] {
                    prop_assert!(!field.value.contains(markup), "{:?}", field.value);
                }
                // Escaping makes some characters six.
                prop_assert!(field.value.chars().count() < 7 * MAX_VALUE, "{}", field.value.chars().count());
            }
        }
    }
}
