//! What a server leaves in its directory, and finds there.

use std::time::Duration;

use super::{
    Redis,
    data::Snapshot,
    resp::{self, Read, Words},
};

/// A copy of all data.
const DUMP: &str = "dump.rdb";

/// A copy of all data, and all that has changed since.
const LOG: &str = "appendonly.aof";

/// How long it takes at most to write a log anew.
const REWRITE: Duration = Duration::from_millis(120);

impl Redis {
    /// Takes in what is there at the start.
    pub(super) fn load(&mut self) {
        if self.settings.is_on("appendonly") {
            if let Some(bytes) = self.volume.read(LOG) {
                self.replay(&bytes);
            } else {
                self.begin_log();
            }
            return;
        }
        let Some((snapshot, _)) = self.volume.read(DUMP).and_then(|bytes| Snapshot::read(&bytes)) else {
            return;
        };
        self.data = snapshot.data;
        if let Some((id, offset)) = snapshot.at {
            if self.master.is_some() {
                self.history.become_of(id, offset);
                self.resumes = true;
            } else {
                self.history.before = Some((id, offset + 1));
                self.history.offset = offset;
                self.history.keep();
            }
        }
    }

    fn replay(&mut self, bytes: &[u8]) {
        let Some((snapshot, mut at)) = Snapshot::read(bytes) else { return };
        self.data = snapshot.data;
        // The end may have been lost.
        while let Read::Whole(words, length) = resp::command(bytes.get(at..).unwrap_or_default()) {
            if let Some((name, arguments)) = words.split_first() {
                self.data.run(&String::from_utf8_lossy(name).to_lowercase(), arguments);
            }
            at += length;
        }
    }

    fn whole(&self, at: Option<(String, u64)>) -> Vec<u8> {
        Snapshot { data: self.data.clone(), at }.to_bytes()
    }

    /// Writes all down that is known, as the beginning of the log.
    fn begin_log(&mut self) {
        self.log_at = None;
        self.volume.write(LOG, self.whole(None));
    }

    /// Begins a log with what is known, which takes a while: as long there is the one that
    /// was there before, if there was one, and nothing is added to it.
    pub(super) fn rewrite_log(&mut self) {
        let share = self.chance.share();
        self.log_at = Some(self.now + REWRITE.mul_f64(share));
    }

    /// Puts a log that is written in place of the one before.
    pub(super) fn end_rewrite(&mut self) {
        if self.log_at.is_some_and(|at| at <= self.now) {
            self.begin_log();
        }
    }

    /// Writes down what was done.
    pub(super) fn log(&mut self, words: &Words) {
        self.changes += 1;
        if words.first().is_some_and(|name| name.eq_ignore_ascii_case(b"flushall")) {
            self.save_nothing();
        }
        if self.settings.is_on("appendonly") && self.log_at.is_none() {
            self.volume.append(LOG, &resp::encode(words));
            if self.settings.text("appendfsync") == "always" {
                self.volume.sync(LOG);
            }
        }
    }

    /// A copy of all data came from the primary.
    pub(super) fn copied(&mut self, copy: &[u8]) {
        self.volume.write(DUMP, copy.to_vec());
        if self.settings.is_on("appendonly") {
            self.rewrite_log();
        }
    }

    /// Writes a copy of all data.
    pub(super) fn save(&mut self) {
        let is_known = match self.master {
            None => self.history.keeps(),
            Some(_) => self.resumes || self.link.as_ref().is_some_and(super::Link::is_up),
        };
        let at = is_known.then(|| (self.history.id.clone(), self.history.offset));
        self.volume.write(DUMP, self.whole(at));
        (self.changes, self.saved_at) = (0, self.now);
    }

    /// Saves when enough has changed for long enough.
    pub(super) fn look_after_files(&mut self) {
        if self.settings.text("appendfsync") == "everysec" {
            self.volume.sync(LOG);
        }
        let passed = self.now.saturating_sub(self.saved_at);
        if self.points().any(|(time, changes)| self.changes >= changes && passed > time) {
            self.save();
        }
    }

    /// Everything is gone, also from the file.
    pub(super) fn save_nothing(&mut self) {
        if self.points().next().is_some() {
            self.save();
            self.changes = 1;
        }
    }

    /// After how long it saves, if so much has changed.
    fn points(&self) -> impl Iterator<Item = (Duration, u64)> {
        let numbers: Vec<u64> =
            self.settings.text("save").split(' ').filter_map(|word| word.parse().ok()).collect();
        let pairs: Vec<_> = numbers
            .chunks_exact(2)
            .filter_map(|pair| match pair {
                [seconds, changes] => Some((Duration::from_secs(*seconds), *changes)),
                _ => None,
            })
            .collect();
        pairs.into_iter()
    }

    /// What is done when it is asked to end.
    pub(super) fn save_at_end(&mut self) {
        self.volume.sync(LOG);
        if self.points().next().is_some() {
            self.save();
        }
    }
}
