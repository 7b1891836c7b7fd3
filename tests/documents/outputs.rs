//! The outputs in the documents are those that other tests record as snapshots.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use super::assert_no_problem;
use super::document::{Block, top};

/// What recorded outputs hold in the place of values that differ from run to run; a document may show any value there.
const VARIABLE: [&str; 4] = ["…", "127.0.0.1", "localhost", "Authority of the embedded servers"];

/// Everything that tests record: snapshot files, and snapshots in sources.
#[derive(Default)]
struct Recorded {
    /// Without indentation.
    lines: HashSet<String>,
    /// The fixed parts of each line that has variable ones.
    patterns: Vec<Vec<String>>,
}

impl Recorded {
    fn read() -> Recorded {
        let mut recorded = Recorded::default();
        for folder in ["src", "tests"] {
            recorded.read_folder(&top().join(folder));
        }
        recorded
    }

    fn read_folder(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_record = path.extension().is_some_and(|extension| extension == "snap" || extension == "rs");
            if path.is_dir() && !path.ends_with("tests/documents") {
                self.read_folder(&path);
            } else if is_record {
                fs::read_to_string(&path).unwrap().lines().for_each(|line| self.add(line.trim()));
            }
        }
    }

    fn add(&mut self, line: &str) {
        // A snapshot in a source may be one line: @"…"
        let inline = line.split_once("@\"").and_then(|(_, rest)| rest.strip_suffix("\");"));
        self.lines.extend(inline.map(str::to_owned));
        let parts = fixed_parts(line);
        // A line that is nearly all variable would agree with anything.
        if parts.len() > 1 && parts.iter().map(String::len).sum::<usize>() >= 12 {
            self.patterns.push(parts);
        }
        self.lines.insert(line.to_owned());
    }

    fn has(&self, shown: &str) -> bool {
        self.lines.contains(shown) || self.patterns.iter().any(|parts| agrees(shown, parts))
    }
}

/// The parts of a recorded line between variable values and placeholders such as `[sftp]`.
fn fixed_parts(recorded: &str) -> Vec<String> {
    let mut pieces = recorded.split('[');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once(']') {
            Some((name, rest)) if name.chars().all(|letter| letter.is_ascii_lowercase()) => {
                text.push_str(&format!("\0{rest}"));
            }
            _ => text.push_str(&format!("[{piece}")),
        }
    }
    for variable in VARIABLE {
        text = text.replace(variable, "\0");
    }
    text.split('\0').map(str::to_owned).collect()
}

/// Whether `shown` has all `parts` in order, and other text only between them.
fn agrees(shown: &str, parts: &[String]) -> bool {
    let Some(mut rest) = shown.strip_prefix(parts[0].as_str()) else { return false };
    let (last, middle) = parts[1..].split_last().unwrap();
    for part in middle {
        let Some(at) = rest.find(part.as_str()) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last.as_str())
}

/// The lines of an output; a line `…` stands for lines that are omitted.
fn lines(block: &Block) -> impl Iterator<Item = &str> {
    block.text.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "…")
}

/// Blocks that other tests check, or that are no output: mistakes of a configuration, crontab lines, the tree of sources.
fn is_checked_elsewhere(block: &Block) -> bool {
    block.text.starts_with("scripting-system: ")
        || block.text.contains("/bin/scripting-system ")
        || block.text.starts_with("src/")
}

#[test]
fn each_output_is_recorded_by_a_test() {
    let recorded = Recorded::read();
    assert_no_problem(|document| {
        let outputs = document.blocks(&["text"]).filter(|block| !is_checked_elsewhere(block));
        let unknown = outputs.flat_map(lines).filter(|shown| !recorded.has(shown));
        unknown.map(|shown| format!("no test records {shown:?}")).collect()
    });
}

#[test]
fn the_metrics_that_are_named_exist() {
    let recorded = Recorded::read();
    assert_no_problem(|document| {
        let text = document.blocks.iter().map(|block| block.text.as_str()).chain(document.code_spans());
        let words = text.flat_map(|text| text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_'));
        let metrics = words.filter(|word| word.starts_with("scripting_system_last_"));
        let missing = metrics.filter(|name| !recorded.lines.contains(&format!("# TYPE {name} gauge")));
        missing.map(|name| format!("there is no metric {name}")).collect()
    });
}

#[test]
fn an_output_that_no_test_records_is_found() {
    let mut recorded = Recorded::default();
    ["✓ name            127.0.0.1", "  ✓ connection      port [sftp] answers", "…", "insta(x, @\"one line\");"]
        .into_iter()
        .for_each(|line| recorded.add(line.trim()));
    for shown in ["✓ name            www.example.com", "✓ connection      port 22 answers", "one line"] {
        assert!(recorded.has(shown), "{shown}");
    }
    for shown in ["✓ connection      port 22 replies", "✓ connection      port [sftp] replies", "anything"] {
        assert!(!recorded.has(shown), "{shown}");
    }
}
