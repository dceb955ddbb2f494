//! What a person sees while the lab works: steps with times on a terminal,
//! plain lines elsewhere. All of it goes to standard error, so that standard
//! output stays free for answers.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How often a long step says that it is alive where there is no terminal:
/// seldom enough for a CI log, often enough for its idle timeout.
const REMINDER: Duration = Duration::from_secs(30);

/// Reports steps, or keeps quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Steps, on standard error.
    Shown,
    /// Nothing but errors: for tests.
    Quiet,
}

impl Progress {
    /// Runs `work` as a step called `title`; it may name what it is at.
    pub fn step<T, E>(self, title: &str, work: impl FnOnce(&Step) -> Result<T, E>) -> Result<T, E> {
        let step = Step::new(self, title);
        let outcome = work(&step);
        step.finish(outcome.is_ok());
        outcome
    }

    /// Says one line.
    pub fn say(self, line: &str) {
        if self == Self::Shown {
            say(line);
        }
    }
}

/// One step under way.
#[derive(Clone, Debug)]
pub struct Step {
    title: String,
    since: Instant,
    shown: Shown,
}

#[derive(Clone, Debug)]
enum Shown {
    Bar(ProgressBar),
    Lines(Arc<Mutex<Instant>>),
    Nothing,
}

impl Step {
    fn new(progress: Progress, title: &str) -> Self {
        let shown = match progress {
            Progress::Quiet => Shown::Nothing,
            Progress::Shown if std::io::stderr().is_terminal() => Shown::Bar(bar(title)),
            Progress::Shown => Shown::Lines(Arc::new(Mutex::new(Instant::now()))),
        };
        Self { title: title.to_owned(), since: Instant::now(), shown }
    }

    /// Names what the step is at; cheap enough to be called for every line of output.
    pub fn at(&self, what: &str) {
        match &self.shown {
            Shown::Bar(bar) => bar.set_message(what.to_owned()),
            Shown::Lines(last) => {
                let Ok(mut last) = last.lock() else { return };
                if last.elapsed() >= REMINDER {
                    *last = Instant::now();
                    say(&format!("  ... {} ({} s): {what}", self.title, self.since.elapsed().as_secs()));
                }
            }
            Shown::Nothing => {}
        }
    }

    fn finish(&self, good: bool) {
        let mark = if good { "ok" } else { "FAILED" };
        let line = format!("{:>6.1} s  {mark}  {}", self.since.elapsed().as_secs_f32(), self.title);
        match &self.shown {
            Shown::Bar(bar) => {
                bar.finish_and_clear();
                say(&line);
            }
            Shown::Lines(_) => say(&line),
            Shown::Nothing => {}
        }
    }
}

fn bar(title: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_prefix(title.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{elapsed:>8} {spinner} {prefix}  {wide_msg:.dim}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn say(line: &str) {
    // Nobody listening is no reason to stop working.
    let _ = writeln!(std::io::stderr(), "{line}");
}
