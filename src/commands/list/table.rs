//! The listing for people: a line for each archive, with bars and gaps, and a summary.

use std::cmp::Ordering;

use chrono::{DateTime, FixedOffset, NaiveDate};
use console::{Alignment, Style, measure_text_width, pad_str};

use crate::rules::archive_name::restore_option;
use crate::rules::drill_history::DrillHistory;
use crate::rules::inventory::{Gap, Inventory, PlannedArchive, PlannedFile};
use crate::rules::redaction::printable;
use crate::rules::retention::Action;
use crate::rules::retention::keeping::Remover;
use crate::rules::retention::reason::Reason;
use crate::rules::units;

#[derive(Debug, Clone)]
pub(super) struct Listing {
    pub inventory: Inventory,
    /// Folder and server.
    pub folder: String,
    /// In the job's zone.
    pub as_of: DateTime<FixedOffset>,
    /// Free bytes on the server, if it reports them.
    pub free: Option<u64>,
    pub drills: DrillHistory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Canvas {
    /// The width of the terminal; `None` if the output is not a terminal.
    pub columns: Option<usize>,
    pub has_colour: bool,
    /// Whether to list the names of files that are not archives.
    pub shows_all_names: bool,
}

const MAX_BAR: usize = 32;
const MIN_BAR: usize = 5;
/// Longer reasons may be wrapped to make space for a bar.
const MIN_REASON_BESIDE_BAR: usize = 20;
/// With less space, the terminal wraps the line.
const MIN_REASON: usize = 12;

/// Each line ends with a newline.
pub(super) fn listing(listing: &Listing, canvas: Canvas) -> String {
    let inventory = &listing.inventory;
    let as_of = listing.as_of.format("%a %Y-%m-%d %H:%M %:z");
    let mut lines = vec![format!("{}, as of {as_of}", printable(&listing.folder))];
    lines.extend(table(listing, canvas));
    lines.extend(summary(listing));
    let (awaiting, unfinished): (Vec<_>, Vec<_>) = inventory.leftovers.iter().partition(|file| awaits_its_name(file));
    lines.extend(labelled("leftover", awaiting.into_iter().map(with_reason)));
    lines.extend(labelled("replaced", inventory.replaced.iter().map(|it| replaced(it, inventory.policy.remover))));
    if canvas.shows_all_names {
        lines.extend(labelled("leftover", unfinished.into_iter().map(with_reason)));
        lines.extend(labelled("no file", inventory.irregular.iter().map(|name| printable(name))));
        lines.extend(labelled("unrelated", inventory.foreign.iter().map(|name| printable(name))));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The width of each column.
struct Columns {
    name: usize,
    size: usize,
    bar: Option<usize>,
    age: usize,
    /// `None` if reasons are not wrapped.
    reason: Option<usize>,
    /// The width of all columns to its left.
    before_reason: usize,
}

impl Columns {
    fn of(rows: &[Row], canvas: Canvas) -> Columns {
        let widest = |text: fn(&Row) -> &str| rows.iter().map(|row| measure_text_width(text(row))).max().unwrap_or(0);
        let (name, size, age) = (widest(|row| &row.name), widest(|row| &row.size), widest(|row| &row.age));
        let longest_reason = widest(|row| &row.reason);
        let [date, action] = [14, 6];
        let before_reason = date + 1 + name + 2 + size + 2 + age + 2 + action + 1;
        let space = canvas.columns.map(|columns| columns.saturating_sub(before_reason));
        let (bar, reason) = match space {
            None => (None, None),
            Some(space) if space > longest_reason + MIN_BAR => (Some((space - longest_reason - 1).min(MAX_BAR)), None),
            Some(space) if space > MIN_REASON_BESIDE_BAR + MIN_BAR => {
                let bar = (space - MIN_REASON_BESIDE_BAR - 1).min(MAX_BAR / 2);
                (Some(bar), Some(space - bar - 1))
            }
            Some(space) => (None, (space >= MIN_REASON).then_some(space)),
        };
        let before_reason = before_reason + bar.map_or(0, |bar| bar + 1);
        Columns { name, size, bar, age, reason, before_reason }
    }
}

/// The texts of an archive's line.
struct Row {
    date: String,
    name: String,
    size: String,
    bytes: u64,
    age: String,
    action: Action,
    counts: bool,
    reason: String,
}

impl Row {
    fn of(archive: &PlannedArchive, today: NaiveDate) -> Row {
        let file = &archive.file;
        let age = match archive.age_days(today) {
            days if days >= 0 => format!("{days} d"),
            _ => "-".to_owned(),
        };
        Row {
            date: day(archive.date),
            name: printable(&file.name),
            size: file.size.map_or_else(|| "?".to_owned(), units::size),
            bytes: file.size.unwrap_or(0),
            age,
            action: file.action,
            counts: archive.counts,
            reason: file.reason.to_string(),
        }
    }
}

fn table(listing: &Listing, canvas: Canvas) -> Vec<String> {
    let inventory = &listing.inventory;
    let rows: Vec<Row> = inventory.archives.iter().map(|archive| Row::of(archive, inventory.today)).collect();
    let columns = Columns::of(&rows, canvas);
    let largest = rows.iter().map(|row| row.bytes).max().unwrap_or(0);
    let mut gaps = inventory.gaps.iter().peekable();
    let mut lines = Vec::new();
    for (archive, row) in inventory.archives.iter().zip(&rows) {
        while let Some(gap) = gaps.next_if(|gap| gap.last < archive.date) {
            lines.push(gap_line(gap, canvas));
        }
        lines.push(row_line(row, &columns, largest, canvas));
    }
    lines.extend(gaps.map(|gap| gap_line(gap, canvas)));
    lines
}

fn row_line(row: &Row, columns: &Columns, largest: u64, canvas: Canvas) -> String {
    let pad = |text: &str, width: usize, side: Alignment| pad_str(text, width, side, None).into_owned();
    let bar = columns.bar.map_or_else(String::new, |width| {
        let bar = pad(&bar(row.bytes, largest, width), width, Alignment::Left);
        format!(" {}", style(canvas).cyan().apply_to(bar))
    });
    let action = match row.action {
        Action::Keep => "keep",
        Action::Remove => "remove",
    };
    let reason = match columns.reason {
        Some(width) => {
            let next_line = format!("\n{}", " ".repeat(columns.before_reason));
            wrap(&row.reason, width).join(&next_line)
        }
        None => row.reason.clone(),
    };
    let emphasis = match row.action {
        Action::Remove => style(canvas).red(),
        Action::Keep if !row.counts => style(canvas).yellow(),
        Action::Keep => style(canvas),
    };
    format!(
        "{} {}  {}{bar}  {}  {}",
        row.date,
        pad(&row.name, columns.name, Alignment::Left),
        pad(&row.size, columns.size, Alignment::Right),
        pad(&row.age, columns.age, Alignment::Right),
        emphasis.apply_to(format!("{} {reason}", pad(action, 6, Alignment::Left))),
    )
}

/// Breaks `text` between words, into lines of up to `width` columns.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if measure_text_width(line) + 1 + measure_text_width(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn gap_line(gap: &Gap, canvas: Canvas) -> String {
    let nights = units::count(gap.nights(), "night");
    if gap.is_thinned {
        return style(canvas).dim().apply_to(format!("— {nights} thinned out by retention")).to_string();
    }
    let dates = match gap.first.cmp(&gap.last) {
        Ordering::Equal => day(gap.first),
        _ => format!("{} to {}", day(gap.first), day(gap.last)),
    };
    style(canvas).yellow().apply_to(format!("— {nights} without an archive: {dates}")).to_string()
}

fn summary(listing: &Listing) -> Vec<String> {
    let inventory = &listing.inventory;
    let is_folder_empty = inventory.archives.is_empty()
        && inventory.leftovers.is_empty()
        && inventory.irregular.is_empty()
        && inventory.foreign.is_empty();
    let mut lines = vec![if is_folder_empty {
        "The folder is empty.".to_owned()
    } else if inventory.archives.is_empty() {
        "There is no archive.".to_owned()
    } else {
        totals(inventory)
    }];
    if let Some(newest) = inventory.newest() {
        let age = newest.file.modified.map_or_else(
            || format!("of {}", day(newest.date)),
            |modified| format!("{} old", units::age(listing.as_of.signed_duration_since(modified))),
        );
        lines.push(line("newest", &format!("{}, {age}", printable(&newest.file.name))));
    }
    if !inventory.archives.is_empty() || !inventory.leftovers.is_empty() {
        let label = if inventory.policy.remover == Remover::Run { "next run" } else { "prune" };
        lines.push(line(label, &next_removals(inventory)));
    }
    if !inventory.leftovers.is_empty() {
        lines.push(line("leftovers", &leftovers(&inventory.leftovers)));
    }
    let mut others = Vec::new();
    if !inventory.irregular.is_empty() {
        others.push(format!("{} named like an archive, but not a regular file", inventory.irregular.len()));
    }
    if !inventory.foreign.is_empty() {
        others.push(units::count(inventory.foreign.len(), "unrelated file"));
    }
    if !others.is_empty() {
        lines.push(line("others", &format!("{}; never touched (-v names them)", others.join(", "))));
    }
    lines.push(line("drill", &printable(&listing.drills.text(listing.as_of))));
    lines.push(line("free", &listing.free.map_or_else(|| "unknown".to_owned(), units::size)));
    lines
}

fn totals(inventory: &Inventory) -> String {
    let sizes = inventory.archives.iter().map(|archive| archive.file.size);
    let at_least = if sizes.clone().all(|size| size.is_some()) { "" } else { "at least " };
    let total = sizes.flatten().fold(0, u64::saturating_add);
    let archives = units::count(inventory.archives.len(), "archive");
    let missing = match inventory.archives.iter().find(|archive| archive.counts) {
        Some(oldest) if inventory.count_missing_nights() > 0 => {
            let nights = units::count(usize::try_from(inventory.count_missing_nights()).unwrap_or(0), "night");
            format!("; {nights} without one since {}", day(oldest.date))
        }
        _ => String::new(),
    };
    format!("{archives}, {at_least}{}{missing}", units::size(total))
}

fn next_removals(inventory: &Inventory) -> String {
    if let Some(cause) = &inventory.held_back {
        return format!("removes nothing, removal is held back: {}", printable(&cause.to_string()));
    }
    let archives = inventory.archives.iter().chain(&inventory.replaced).map(|archive| &archive.file);
    let files = archives.chain(&inventory.leftovers);
    let removals = match files.filter(|file| file.action == Action::Remove).count() {
        0 => "nothing".to_owned(),
        count if inventory.policy.remover == Remover::Prune => units::count(count, "file"),
        count => format!("{}, unless it fails", units::count(count, "file")),
    };
    format!("removes {removals}; ages are as of {}", day(inventory.next_run))
}

fn leftovers(files: &[PlannedFile]) -> String {
    let awaiting = files.iter().filter(|file| awaits_its_name(file)).count();
    let unfinished = files.len() - awaiting;
    let mut parts = Vec::new();
    if unfinished > 0 {
        parts.push(format!("{} (one may be in progress)", units::count(unfinished, "unfinished upload")));
    }
    if awaiting > 0 {
        parts.push(format!(
            "{} whose replacement never arrived (the next run puts it back)",
            units::count(awaiting, "replaced archive")
        ));
    }
    parts.join(", ")
}

fn awaits_its_name(file: &PlannedFile) -> bool {
    file.reason == Reason::UnfinishedReplacement
}

fn replaced(archive: &PlannedArchive, remover: Remover) -> String {
    let PlannedArchive { date, file, .. } = archive;
    let size = file.size.map_or_else(|| "size unknown".to_owned(), units::size);
    let action = match file.action {
        Action::Keep => file.reason.to_string(),
        Action::Remove if remover == Remover::Prune => "prune removes it".to_owned(),
        Action::Remove => "the next run removes it, unless it fails".to_owned(),
    };
    let option = restore_option(&file.name);
    format!("{}, {size}: {action}; restore {option} --date {date} restores it", printable(&file.name))
}

fn with_reason(file: &PlannedFile) -> String {
    format!("{}: {}", printable(&file.name), file.reason)
}

fn labelled(label: &str, names: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    names.map(move |name| line(label, &name))
}

fn line(label: &str, text: &str) -> String {
    format!("  {label:<9}  {text}")
}

/// "Mon 2026-11-23".
fn day(date: NaiveDate) -> String {
    date.format("%a %Y-%m-%d").to_string()
}

/// A style that depends only on `canvas`.
fn style(canvas: Canvas) -> Style {
    Style::new().force_styling(canvas.has_colour)
}

/// `bytes` of `largest` as a bar of up to `width` characters, in eighths of a character. Only 0 bytes have no bar.
fn bar(bytes: u64, largest: u64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if bytes == 0 {
        return String::new();
    }
    let scaled = u128::from(bytes) * (width as u128 * 8) / u128::from(largest.max(bytes));
    let eighths = usize::try_from(scaled).unwrap_or(usize::MAX).clamp(1, width * 8);
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

#[cfg(test)]
mod tests;
