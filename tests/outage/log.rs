//! What a client was promised.

use std::{
    collections::BTreeSet,
    fmt,
    time::{Duration, Instant},
};

/// An acknowledged write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ack {
    /// Which one.
    pub(crate) number: u64,
    /// When, since the client began.
    pub(crate) at: Duration,
    /// How many replicas had it by then: what WAIT said, 0 without it.
    pub(crate) replicas: u64,
}

/// All that a client was told.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) began: Instant,
    pub(crate) ended: Duration,
    pub(crate) acks: Vec<Ack>,
    /// Errors, each kind once until another one came: when, and how often in a row.
    pub(crate) troubles: Vec<(Duration, String, u64)>,
}

/// Acknowledged writes that are not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Those that WAIT confirmed.
    pub(crate) confirmed: Vec<u64>,
    /// Those of which only the primary was known to have them.
    pub(crate) plain: Vec<u64>,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), ended: Duration::ZERO, acks: Vec::new(), troubles: Vec::new() }
    }

    /// Notes a write that was not acknowledged.
    pub(crate) fn trouble(&mut self, error: String) {
        let at = self.began.elapsed();
        match self.troubles.last_mut() {
            Some((_, last, times)) if *last == error => *times += 1,
            _ => self.troubles.push((at, error, 1)),
        }
    }

    /// The longest time without an acknowledged write, and when it began.
    pub(crate) fn longest_gap(&self) -> (Duration, Duration) {
        let mut times: Vec<Duration> = self.acks.iter().map(|ack| ack.at).collect();
        times.insert(0, Duration::ZERO);
        times.push(self.ended);
        let gaps = times.windows(2).filter_map(|pair| match pair {
            [from, to] => Some((to.saturating_sub(*from), *from)),
            _ => None,
        });
        gaps.max().unwrap_or_default()
    }

    /// All times of at least this length without an acknowledged write, together.
    pub(crate) fn gaps_together(&self, least: Duration) -> Duration {
        let pairs = self.acks.windows(2);
        let gaps = pairs.filter_map(|pair| match pair {
            [from, to] => Some(to.at.saturating_sub(from.at)),
            _ => None,
        });
        gaps.filter(|gap| *gap >= least).sum()
    }

    /// How many were confirmed by so many replicas.
    pub(crate) fn confirmed(&self, quorum: u64) -> usize {
        self.acks.iter().filter(|ack| ack.replicas >= quorum).count()
    }

    /// What is missing from what is there.
    pub(crate) fn lost(&self, present: &BTreeSet<u64>, quorum: u64) -> Lost {
        let mut lost = Lost::default();
        for ack in self.acks.iter().filter(|ack| !present.contains(&ack.number)) {
            let list = if ack.replicas >= quorum { &mut lost.confirmed } else { &mut lost.plain };
            list.push(ack.number);
        }
        lost
    }
}

impl fmt::Display for Log {
    /// For a person who wants to know what went wrong.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (gap, from) = self.longest_gap();
        writeln!(
            formatter,
            "{} writes were acknowledged in {} ms; none for {} ms from {} ms on",
            self.acks.len(),
            self.ended.as_millis(),
            gap.as_millis(),
            from.as_millis()
        )?;
        for (at, error, times) in &self.troubles {
            writeln!(formatter, "{:>8} ms: {times} times {error}", at.as_millis())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of writes at these milliseconds, with so many replicas each.
    fn log(acks: &[(u64, u64)], ended: u64) -> Log {
        let ack = |(number, (at, replicas)): (u64, &(u64, u64))| Ack {
            number,
            at: Duration::from_millis(*at),
            replicas: *replicas,
        };
        Log { acks: (0..).zip(acks).map(ack).collect(), ended: Duration::from_millis(ended), ..Log::new() }
    }

    fn check(acks: &[(u64, u64)], ended: u64, expected: (u64, u64)) {
        let (gap, from) = log(acks, ended).longest_gap();
        assert_eq!((gap, from), (Duration::from_millis(expected.0), Duration::from_millis(expected.1)));
    }

    #[test]
    fn the_longest_gap_may_be_the_first_or_the_last_or_all() {
        check(&[(20, 0), (40, 0), (90, 0), (100, 0)], 110, (50, 40));
        check(&[(60, 0), (80, 0)], 100, (60, 0));
        check(&[(20, 0), (40, 0)], 1000, (960, 40));
        check(&[], 500, (500, 0));
    }

    #[test]
    fn pauses_of_a_busy_machine_are_no_gaps_of_an_update() {
        let log = log(&[(0, 0), (300, 0), (320, 0), (360, 0), (560, 0)], 600);
        assert_eq!(log.gaps_together(Duration::from_millis(100)), Duration::from_millis(500));
    }

    #[test]
    fn lost_writes_are_told_apart_by_who_confirmed_them() {
        let log = log(&[(0, 1), (20, 0), (40, 2), (60, 0)], 80);
        let lost = log.lost(&BTreeSet::from([0, 1]), 1);
        assert_eq!(lost, Lost { confirmed: vec![2], plain: vec![3] });
        assert_eq!(log.confirmed(1), 2);
    }

    #[test]
    fn the_same_trouble_is_told_once() {
        let mut log = log(&[], 0);
        for error in ["a", "a", "b", "a"] {
            log.trouble(error.to_owned());
        }
        let told: Vec<_> = log.troubles.iter().map(|(_, error, times)| (error.as_str(), *times)).collect();
        assert_eq!(told, [("a", 2), ("b", 1), ("a", 1)]);
    }
}
