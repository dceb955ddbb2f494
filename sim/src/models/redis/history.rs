//! Where a server stands in which history, and the latest part of it.

/// A history: its id, how far it is known, and what others can still be told of it.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) id: String,
    /// The history that this one goes on from, and up to where a replica of it may go on.
    pub(super) before: Option<(String, u64)>,
    pub(super) offset: u64,
    backlog: Option<Vec<u8>>,
    size: usize,
}

impl History {
    pub(super) fn new(id: String, size: u64) -> Self {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        Self { id, before: None, offset: 0, backlog: None, size }
    }

    /// From now on what comes is kept for others.
    pub(super) fn keep(&mut self) {
        self.backlog.get_or_insert_default();
    }

    pub(super) fn keeps(&self) -> bool {
        self.backlog.is_some()
    }

    /// Bytes are added to the history.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        if let Some(backlog) = &mut self.backlog {
            backlog.extend_from_slice(bytes);
            let surplus = backlog.len().saturating_sub(self.size);
            // Not each time, for it moves all that is kept.
            if surplus > self.size / 4 {
                backlog.drain(..surplus);
            }
        }
    }

    /// What is lacking to one that has so much of this history; none if it cannot go on.
    pub(super) fn since(&self, id: &str, next: u64) -> Option<&[u8]> {
        let known = self.id == id
            || self.before.as_ref().is_some_and(|(before, until)| before == id && next <= *until);
        let backlog = self.backlog.as_ref().filter(|_| known)?;
        let begin = self.first(backlog.len());
        backlog.get(usize::try_from(next.checked_sub(begin)?).ok()?..)
    }

    /// The offset of the first byte that is kept, of so many.
    fn first(&self, length: usize) -> u64 {
        self.offset + 1 - length as u64
    }

    /// Where the backlog begins, and how much there is.
    pub(super) fn kept(&self) -> (u64, usize) {
        self.backlog.as_ref().map_or((0, 0), |backlog| (self.first(backlog.len()), backlog.len()))
    }

    /// Begins a history of its own, which goes on from this one.
    pub(super) fn fork(&mut self, id: String) {
        self.before = Some((std::mem::replace(&mut self.id, id), self.offset + 1));
    }

    /// Is from now on another one, of which nothing is kept.
    pub(super) fn become_of(&mut self, id: String, offset: u64) {
        (self.id, self.offset, self.before) = (id, offset, None);
        self.backlog = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_is_told_as_long_as_it_is_kept() {
        let mut history = History::new("a".to_owned(), 8);
        history.add(b"xx");
        assert_eq!(history.since("a", 3), None, "nothing is kept");
        history.keep();
        history.add(b"1234");
        assert_eq!(history.since("a", 3), Some(b"1234".as_slice()));
        assert_eq!(history.since("a", 7), Some(b"".as_slice()));
        assert_eq!((history.since("a", 2), history.since("a", 8), history.since("b", 3)), (None, None, None));
        history.fork("b".to_owned());
        history.add(b"56");
        assert_eq!(history.since("a", 7), Some(b"56".as_slice()));
        assert_eq!(history.since("a", 8), None, "it has what only the old history has");
        history.add(b"7890");
        assert_eq!(history.since("b", 3), Some(b"1234567890".as_slice()), "some more than it must");
        history.add(b"!");
        assert_eq!(history.since("b", 3), None);
        assert_eq!(history.since("b", 6), Some(b"4567890!".as_slice()));
    }
}
