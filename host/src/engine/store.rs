//! What the host keeps for one call: its memory limit and its log.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use super::bindings::v0_1_0::operlet::operator::diagnostics::Level;
use crate::model::{Digest, Limits};

/// On whose behalf a component is called; marks its lines in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallContext {
    /// The operlet's name.
    pub operlet: Arc<str>,
    /// The resource, as `namespace/name`.
    pub resource: Arc<str>,
}

/// One call's side of the host.
pub(super) struct StoreData {
    pub(super) memory: MemoryLimiter,
    context: CallContext,
    digest: Digest,
    lines_left: u32,
    lines_dropped: u32,
    last_error: Option<String>,
}

/// A line of a component's log; longer ones are cut.
const LINE_BYTES_MAX: usize = 4 * 1024;

const CUT_MARK: &str = " [cut]";

impl StoreData {
    pub(super) fn new(
        limits: &Limits,
        memory_bytes_max: usize,
        context: CallContext,
        digest: Digest,
    ) -> Self {
        let memory = MemoryLimiter::new(limits.memory_bytes.min(memory_bytes_max));
        let lines_left = limits.log_lines;
        Self { memory, context, digest, lines_left, lines_dropped: 0, last_error: None }
    }

    /// Writes a line to the host's log, if the call has any left. The last error
    /// is kept in any case, since it may be the message of a panic.
    pub(super) fn log(&mut self, level: Level, line: String) {
        if let Some(left) = self.lines_left.checked_sub(1) {
            self.lines_left = left;
            self.write(level, &line);
        } else {
            self.lines_dropped = self.lines_dropped.saturating_add(1);
        }
        if level == Level::Error {
            self.last_error = Some(line);
        }
    }

    fn write(&self, level: Level, line: &str) {
        let CallContext { operlet, resource } = &self.context;
        let digest = self.digest.short();
        match level {
            Level::Debug => tracing::debug!(target: "guest", %operlet, digest, %resource, "{line}"),
            Level::Info => tracing::info!(target: "guest", %operlet, digest, %resource, "{line}"),
            Level::Warn => tracing::warn!(target: "guest", %operlet, digest, %resource, "{line}"),
            Level::Error => tracing::error!(target: "guest", %operlet, digest, %resource, "{line}"),
        }
    }

    /// The last line at level error: the message, if it panicked.
    pub(super) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }
}

impl Drop for StoreData {
    fn drop(&mut self) {
        if self.lines_dropped > 0 {
            let CallContext { operlet, resource } = &self.context;
            let (digest, dropped) = (self.digest.short(), self.lines_dropped);
            tracing::warn!(
                %operlet, digest, %resource, dropped,
                "the component wrote too many lines in one call; the rest was dropped"
            );
        }
    }
}

/// One line of the log: cut to its bound, and without control characters, with
/// which a component could forge lines or colours.
pub(super) fn cut_line(message: &str) -> String {
    let end = message.floor_char_boundary(LINE_BYTES_MAX);
    let (kept, rest) = message.split_at_checked(end).unwrap_or((message, ""));
    let mut line: String = kept.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if !rest.is_empty() {
        line.push_str(CUT_MARK);
    }
    line
}

/// Refuses memory beyond the limit, ends the call then, and remembers it, so that
/// the error can say so.
pub(super) struct MemoryLimiter {
    limit: usize,
    used: usize,
    wanted: Option<usize>,
}

impl MemoryLimiter {
    fn new(limit: usize) -> Self {
        Self { limit, used: 0, wanted: None }
    }

    /// The limit and how much was wanted, if that was more.
    pub(super) fn exceeded(&self) -> Option<(usize, usize)> {
        self.wanted.map(|wanted| (self.limit, wanted))
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self.used.saturating_sub(current).saturating_add(desired);
        if wanted > self.limit || maximum.is_some_and(|maximum| desired > maximum) {
            self.wanted = Some(wanted);
            // An error ends the call here; a mere refusal would be the
            // component's to report, and few report it well.
            return Err(wasmtime::Error::msg("the memory limit was reached"));
        }
        self.used = wanted;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(error)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // The pool's tables are bounded themselves.
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_between_characters_and_marked() {
        let line = cut_line(&"é".repeat(LINE_BYTES_MAX));
        assert!(line.ends_with(CUT_MARK));
        assert!(line.len() <= LINE_BYTES_MAX + CUT_MARK.len());
    }

    #[test]
    fn a_line_cannot_break_out_of_its_line() {
        assert_eq!(cut_line("one\ntwo\u{1b}[31m\n"), "one two [31m");
    }

    #[test]
    fn growth_is_summed_and_refused_beyond_the_limit() {
        let mut limiter = MemoryLimiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.memory_growing(60, 90, None).unwrap());
        assert!(limiter.memory_growing(0, 20, None).is_err());
        assert_eq!(limiter.exceeded(), Some((100, 110)));
    }
}
