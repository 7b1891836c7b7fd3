//! Progress bars, only on a terminal; they disappear when the work is done.

use std::io::{self, Read, Write as _};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows progress, or nothing. Cheap to clone; all clones draw in the same place.
#[derive(Debug, Clone)]
pub struct Progress {
    bars: MultiProgress,
}

/// The progress of one transfer, in bytes; it disappears when dropped.
#[derive(Debug)]
pub struct Bar(ProgressBar);

/// A spinner; it disappears when dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the spinner"]
pub struct Waiting(ProgressBar);

const STYLE: &str = "{prefix:>14} [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
const STYLE_OF_UNKNOWN_LENGTH: &str = "{prefix:>14} {spinner} {bytes}, {bytes_per_sec}";

impl Progress {
    /// Draws on stderr if that is a terminal.
    pub fn on_terminal() -> Progress {
        Progress { bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()) }
    }

    /// Prints `line` on stderr, above any bars.
    pub fn show(&self, line: &str) {
        // If stderr is closed, nobody reads it.
        let _ = self.bars.suspend(|| writeln!(io::stderr(), "{line}"));
    }

    /// Prints `line` on standard output, above any bars.
    pub fn print(&self, line: &str) {
        // If the output is closed, nobody reads it.
        let _ = self.bars.suspend(|| writeln!(io::stdout(), "{line}"));
    }

    /// Shows `what` with a spinner until the result is dropped.
    pub fn waiting(&self, what: &str) -> Waiting {
        let bar = self.bars.add(ProgressBar::new_spinner().with_message(what.to_owned()));
        bar.enable_steady_tick(Duration::from_millis(100));
        Waiting(bar)
    }

    /// A bar for a transfer of `total` bytes, if known.
    pub fn bar(&self, label: &'static str, total: Option<u64>) -> Bar {
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        let template = if total.is_some() { STYLE } else { STYLE_OF_UNKNOWN_LENGTH };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Bar(self.bars.add(bar.with_style(style).with_prefix(label)))
    }
}

impl Bar {
    pub fn advance(&self, bytes: usize) {
        self.0.inc(bytes as u64);
    }

    /// A reader whose bytes advance this bar.
    pub fn watching<R: Read>(self, reader: R) -> impl Read {
        Watched { reader, bar: self }
    }
}

struct Watched<R> {
    reader: R,
    bar: Bar,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).inspect(|count| self.bar.advance(*count))
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
