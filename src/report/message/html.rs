//! The mail's HTML part: tables with inline styles, as mail readers drop style sheets; nothing is loaded from
//! elsewhere, and colours work on light and dark grounds. The widest reader is a browser, the narrowest a phone; Outlook
//! for Windows lays out like Word, which knows tables with `bgcolor` and `height`, and little else.

mod bars;

use maud::{DOCTYPE, Markup, html};

use crate::report::message::colour::{self, AMBER, RED};
use crate::report::message::facts::facts;
use crate::report::message::figures::{self, Figure};
use crate::report::message::plain::origin;
use crate::report::message::words;
use crate::run_record::{Level, Note, RunRecord, State, TaskReport};

const PAGE: &str = "margin:0 auto;padding:16px;max-width:680px;font-size:15px;line-height:1.45;\
                    font-family:Segoe UI,Roboto,Helvetica,Arial,sans-serif";
const TABLE: &str = "border-collapse:collapse;width:100%";
const CELL: &str = "padding:5px 12px 5px 0;border-bottom:1px solid #8883;text-align:left;vertical-align:top;\
                    overflow-wrap:anywhere;word-break:break-word";
const LABEL: &str = "padding:5px 14px 5px 0;border-bottom:1px solid #8883;text-align:left;vertical-align:top;\
                     font-weight:normal;opacity:0.7;white-space:nowrap;width:1%";
const TITLE: &str = "font-size:16px;margin:30px 0 6px";
const QUIET: &str = "font-size:13px;opacity:0.7;overflow-wrap:anywhere";
// A column where there is room; on a narrow screen what happened goes below it.
const TASK: &str = "display:inline-block;width:10.5em";
const TEXT: &str = "display:inline-block";
// Figures stand side by side where there is room, else below each other in full width: what calc gives is negative or far
// too much, so that min-width or max-width holds. A reader without calc takes the width before it.
const FIGURE: &str = "display:inline-block;vertical-align:top;box-sizing:border-box;margin-top:20px;padding-right:16px;\
                      width:212px;width:calc((520px - 100%)*500);min-width:212px;max-width:100%";

/// The run as an HTML document that says the same as [`plain_text`](super::plain_text).
pub fn html(record: &RunRecord) -> String {
    let headline = words::headline(record);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="supported-color-schemes" content="light dark";
                title { (headline) }
            }
            body style=(format!("color-scheme:light dark;{PAGE}")) {
                (outcome(record, &headline))
                (list(record, Level::Error, "Errors", RED))
                (list(record, Level::Warning, "Warnings", AMBER))
                @if let Some(sent) = figures::sent(record) {
                    div style="margin-top:24px" { (figure(&sent, 22)) }
                }
                (bars::chart(record))
                (figures_in_a_row(record))
                h2 style=(TITLE) { "Facts" }
                (facts_table(record))
                h2 style=(TITLE) { "Tasks" }
                (tasks_table(record))
                p style=(format!("{QUIET};margin:20px 0 0")) { (origin(record)) }
            }
        }
    };
    page.into_string()
}

/// How the run ended, beside a bar in its colour.
fn outcome(record: &RunRecord, headline: &str) -> Markup {
    let colour = colour::of_outcome(record);
    html! {
        table cellpadding="0" cellspacing="0" border="0" style=(TABLE) {
            tr {
                td width="6" bgcolor=(colour) style=(format!("width:6px;background:{colour};border-radius:3px")) {}
                td style="padding:2px 0 2px 16px" {
                    h1 style="font-size:22px;line-height:1.25;margin:0" { (headline) }
                    @if let Some(sentence) = figures::last_good(record) {
                        p style="font-size:16px;margin:6px 0 0;overflow-wrap:anywhere" { (sentence) }
                    }
                    p style=(format!("{QUIET};margin:6px 0 0")) { (words::place_and_counts(record)) }
                }
            }
        }
    }
}

fn figures_in_a_row(record: &RunRecord) -> Markup {
    let row = [figures::removed(record), figures::nights_without(record), figures::free(record)];
    html! {
        @for it in row.iter().flatten() {
            div style=(FIGURE) { (figure(it, 20)) }
        }
    }
}

/// A figure, its value `size` pixels high.
fn figure(figure: &Figure, size: u32) -> Markup {
    html! {
        div style=(QUIET) { (figure.label) }
        div style=(format!("font-size:{size}px;line-height:1.3;font-weight:600")) { (figure.value) }
        @for note in &figure.notes {
            div style=(QUIET) { (note) }
        }
    }
}

fn facts_table(record: &RunRecord) -> Markup {
    html! {
        table style=(TABLE) {
            @for fact in facts(record) {
                tr {
                    th scope="row" style=(LABEL) { (fact.label) }
                    td style=(CELL) {
                        @for (index, line) in fact.lines.iter().enumerate() {
                            @if index > 0 { br; }
                            (line)
                        }
                    }
                }
            }
        }
    }
}

fn list(record: &RunRecord, level: Level, title: &str, colour: &str) -> Markup {
    let notes: Vec<&Note> = words::notes(record, level);
    html! {
        @if !notes.is_empty() {
            h2 style=(format!("{TITLE};color:{colour}")) { (title) }
            ul style="margin:0;padding-left:20px;overflow-wrap:anywhere" {
                @for note in notes {
                    li style="margin:0 0 4px" { b { (note.task) } ": " (note.text) }
                }
            }
        }
    }
}

fn tasks_table(record: &RunRecord) -> Markup {
    html! {
        table style=(TABLE) {
            @for alike in words::told_tasks(record).collect::<Vec<_>>().chunk_by(|one, next| are_alike(one, next)) {
                @let (first, state) = (alike[0], alike[0].state);
                tr {
                    td style=(format!("{CELL};color:{};white-space:nowrap;width:1%", colour::of_state(state))) {
                        b { (words::state(state)) }
                    }
                    td style=(CELL) {
                        @if alike.len() == 1 {
                            span style=(TASK) { (first.task) } " "
                        } @else {
                            (alike.iter().map(|report| report.task.title()).collect::<Vec<_>>().join(", ")) ": "
                        }
                        span style=(TEXT) { (words::ending(first)) }
                    }
                }
            }
        }
    }
}

/// Whether two tasks that never ran have the same to tell, so that one row does.
fn are_alike(one: &TaskReport, other: &TaskReport) -> bool {
    let never_ran = matches!(one.state, State::Stopped | State::Skipped);
    never_ran && (one.state, &one.text) == (other.state, &other.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::message::samples;

    /// One element a line, so that a snapshot's difference can be read.
    fn in_lines(page: &str) -> String {
        page.replace("><", ">\n<")
    }

    #[test]
    fn clean_night() {
        insta::assert_snapshot!(in_lines(&html(&samples::clean_night())));
    }

    #[test]
    fn stale_night() {
        insta::assert_snapshot!(in_lines(&html(&samples::stale_night())));
    }

    #[test]
    fn failed_night() {
        insta::assert_snapshot!(in_lines(&html(&samples::failed_night())));
    }

    #[test]
    fn good_night() {
        insta::assert_snapshot!(in_lines(&html(&samples::good_night())));
    }

    #[test]
    fn stale_after_many_nights() {
        insta::assert_snapshot!(in_lines(&html(&samples::stale_after_many_nights())));
    }

    #[test]
    fn unreachable_web_server() {
        insta::assert_snapshot!(in_lines(&html(&samples::unreachable_web_server())));
    }

    #[test]
    fn refused_login() {
        insta::assert_snapshot!(in_lines(&html(&samples::refused_login())));
    }

    #[test]
    fn fourth_night() {
        insta::assert_snapshot!(in_lines(&html(&samples::fourth_night())));
    }

    #[test]
    fn first_night() {
        insta::assert_snapshot!(in_lines(&html(&samples::first_night())));
    }

    #[test]
    fn a_mail_with_the_longest_chart_is_not_clipped() {
        // Gmail shows 102 KB of a mail, and a link to the rest.
        for record in [samples::warned_night(), samples::stale_after_many_nights()] {
            let length = html(&record).len();
            assert!(length < 60_000, "{length}");
        }
    }

    /// The mails that scripts/dev/mail_pictures.sh takes pictures of, written into the folder that it names.
    #[test]
    #[ignore = "scripts/dev/mail_pictures.sh runs it"]
    fn write_mails_for_pictures() {
        let folder = std::env::var("MAIL_PICTURES").expect("MAIL_PICTURES names a folder");
        for (name, record) in [
            ("good", samples::good_night()),
            ("warned", samples::warned_night()),
            ("stale", samples::stale_after_many_nights()),
            ("failed", samples::unreachable_web_server()),
            ("unseen", samples::refused_login()),
            ("first", samples::first_night()),
            ("fourth", samples::fourth_night()),
        ] {
            std::fs::write(format!("{folder}/{name}.html"), html(&record)).unwrap();
        }
    }

    #[test]
    fn text_from_outside_never_becomes_an_element() {
        let page = html(&samples::failed_night());
        assert!(page.contains("&lt;script&gt;"), "{page}");
        assert!(!page.contains("<script"), "{page}");
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        for record in [samples::good_night(), samples::failed_night()] {
            let page = html(&record);
            for reference in ["<script", "<style", " src=", " href=", "url(", "@import"] {
                assert!(!page.contains(reference), "{reference} in {page}");
            }
        }
    }
}
