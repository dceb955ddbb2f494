//! Who holds the Lease and what is to be done about it: no I/O, no clock.

use std::time::Duration;

use tokio::time::Instant;

use super::DURATION;

/// What matters of a Lease that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its resource version: another one after every write.
    pub(super) version: String,
    /// Who has it; nobody after it was released.
    pub(super) holder: Option<String>,
    /// How long its holder keeps others out; none if it does not say.
    pub(super) duration: Option<Duration>,
}

/// What follows from what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It is somebody else's: look again later.
    Wait,
    /// There is none: make it.
    Create,
    /// It is free or one's own: write oneself into this version of it.
    Write,
    /// It was one's own, and is not any more. What is known is stale.
    Lost { holder: Option<String> },
}

/// One host's view of the Lease.
#[derive(Debug)]
pub(super) struct State {
    identity: String,
    tenure: Tenure,
}

#[derive(Debug)]
enum Tenure {
    /// Held by others, as far as is known.
    None {
        seen: Option<Seen>,
        /// Until when its holder is left alone, if it stays as it is.
        until: Option<Instant>,
    },
    /// Held, by a write that was sent then.
    Held { sent: Instant },
}

impl State {
    pub(super) fn new(identity: String) -> Self {
        Self { identity, tenure: Tenure::None { seen: None, until: None } }
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    /// When the last successful write was sent, if the Lease is one's own.
    pub(super) fn held_since(&self) -> Option<Instant> {
        match &self.tenure {
            Tenure::None { .. } => None,
            Tenure::Held { sent } => Some(*sent),
        }
    }

    /// A write succeeded. It counts from its sending: whoever sees it sees it later.
    pub(super) fn written(&mut self, sent: Instant) {
        self.tenure = Tenure::Held { sent };
    }

    /// The Lease was read, or is not there; the answer was received at this time.
    pub(super) fn read(&mut self, found: Option<Seen>, received: Instant) -> Next {
        let own = found.as_ref().is_some_and(|found| found.holder.as_deref() == Some(&self.identity));
        if own {
            // Held already: it was changed by a write whose answer was lost, or by the
            // hand of a person. Not held: this process wrote it without getting the
            // answer, or an earlier one of the same pod did, which is dead. In no case
            // did anybody else have it meanwhile.
            return Next::Write;
        }
        match &mut self.tenure {
            // Absent or free counts too: others may have come and gone.
            Tenure::Held { .. } => Next::Lost { holder: found.and_then(|found| found.holder) },
            Tenure::None { seen, until } => {
                let next = challenge(seen.as_ref(), until, found.as_ref(), received);
                *seen = found;
                next
            }
        }
    }
}

/// What a host does that does not hold the Lease and is not named in it.
fn challenge(
    before: Option<&Seen>,
    until: &mut Option<Instant>,
    found: Option<&Seen>,
    received: Instant,
) -> Next {
    if before != found {
        // It is left alone for as long as the one of both allows that had a holder;
        // a Lease that was removed by hand is no sign that its holder has stopped.
        let holding = match found {
            Some(found) => Some(found).filter(|found| found.holder.is_some()),
            None => before.filter(|before| before.holder.is_some()),
        };
        *until = holding.map(|holding| received + holding.duration.unwrap_or(DURATION));
    }
    if until.is_some_and(|until| received < until) {
        return Next::Wait;
    }
    match found {
        None => Next::Create,
        Some(_) => Next::Write,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lease(version: &str, holder: Option<&str>) -> Option<Seen> {
        let (version, holder) = (version.to_owned(), holder.map(str::to_owned));
        Some(Seen { version, holder, duration: Some(DURATION) })
    }

    /// Reads at these seconds and what follows from each.
    fn check(mut state: State, start: Instant, reads: &[(f64, Option<Seen>, Next)]) {
        for (at, found, expected) in reads {
            let next = state.read(found.clone(), start + Duration::from_secs_f64(*at));
            assert_eq!(next, *expected, "at {at} s, with {found:?}");
        }
    }

    fn waiting() -> State {
        State::new("me".to_owned())
    }

    fn holding(start: Instant) -> State {
        let mut state = waiting();
        state.written(start);
        state
    }

    #[test]
    fn another_ones_lease_is_taken_only_after_its_whole_duration_of_silence() {
        let theirs = |version| lease(version, Some("them"));
        let reads = [
            (0.0, theirs("1"), Next::Wait),
            (9.9, theirs("1"), Next::Wait),
            (10.0, theirs("2"), Next::Wait),
            (19.9, theirs("2"), Next::Wait),
            (20.0, theirs("2"), Next::Write),
        ];
        check(waiting(), Instant::now(), &reads);
    }

    #[test]
    fn the_silence_lasts_as_long_as_the_lease_itself_says() {
        let long = |version: &str| {
            Some(Seen {
                version: version.to_owned(),
                holder: Some("them".to_owned()),
                duration: Some(30 * SECOND),
            })
        };
        check(waiting(), Instant::now(), &[(0.0, long("1"), Next::Wait), (29.9, long("1"), Next::Wait)]);
        check(waiting(), Instant::now(), &[(0.0, long("1"), Next::Wait), (30.0, long("1"), Next::Write)]);
        let silent = Some(Seen { duration: None, ..lease("1", Some("them")).unwrap() });
        check(
            waiting(),
            Instant::now(),
            &[
                (0.0, silent.clone(), Next::Wait),
                (9.9, silent.clone(), Next::Wait),
                (10.0, silent, Next::Write),
            ],
        );
    }

    #[test]
    fn a_change_of_the_holder_begins_the_silence_anew() {
        let reads = [
            (0.0, lease("1", Some("them")), Next::Wait),
            (9.0, lease("2", Some("others")), Next::Wait),
            (18.9, lease("2", Some("others")), Next::Wait),
            (19.0, lease("2", Some("others")), Next::Write),
        ];
        check(waiting(), Instant::now(), &reads);
    }

    #[test]
    fn a_released_lease_is_taken_at_once() {
        let reads = [(0.0, lease("1", Some("them")), Next::Wait), (0.5, lease("2", None), Next::Write)];
        check(waiting(), Instant::now(), &reads);
        check(waiting(), Instant::now(), &[(0.0, lease("1", None), Next::Write)]);
    }

    #[test]
    fn a_lease_is_made_where_there_was_none() {
        check(waiting(), Instant::now(), &[(0.0, None, Next::Create)]);
        check(waiting(), Instant::now(), &[(0.0, lease("1", None), Next::Write), (0.5, None, Next::Create)]);
    }

    #[test]
    fn the_holder_of_a_lease_that_was_removed_is_still_left_alone() {
        let reads = [
            (0.0, lease("1", Some("them")), Next::Wait),
            (5.0, None, Next::Wait),
            (14.9, None, Next::Wait),
            (15.0, None, Next::Create),
        ];
        check(waiting(), Instant::now(), &reads);
    }

    #[test]
    fn a_restarted_container_takes_its_pods_lease_back_at_once() {
        check(waiting(), Instant::now(), &[(0.0, lease("1", Some("me")), Next::Write)]);
    }

    #[test]
    fn a_renewal_counts_from_its_sending() {
        let start = Instant::now();
        let mut state = holding(start);
        assert_eq!(state.held_since(), Some(start));
        state.written(start + 2 * SECOND);
        assert_eq!(state.held_since(), Some(start + 2 * SECOND));
        state.read(lease("3", Some("me")), start + 4 * SECOND);
        assert_eq!(state.held_since(), Some(start + 2 * SECOND), "reading renews nothing");
    }

    #[test]
    fn a_holder_goes_on_if_nobody_took_the_lease_however_late_it_is() {
        let start = Instant::now();
        check(holding(start), start, &[(3600.0, lease("7", Some("me")), Next::Write)]);
    }

    #[test]
    fn a_holder_has_lost_what_it_does_not_find_as_its_own() {
        let start = Instant::now();
        let lost = |holder: Option<&str>| Next::Lost { holder: holder.map(str::to_owned) };
        check(holding(start), start, &[(1.0, lease("2", Some("them")), lost(Some("them")))]);
        check(holding(start), start, &[(1.0, lease("3", None), lost(None))]);
        check(holding(start), start, &[(1.0, None, lost(None))]);
    }

    #[test]
    fn a_holder_stops_before_the_earliest_moment_at_which_another_may_begin() {
        let sent = Instant::now();
        // No answer can be received before it is caused.
        let mut challenger = State::new("them".to_owned());
        let mut at = sent;
        while challenger.read(lease("1", Some("me")), at) == Next::Wait {
            at += Duration::from_millis(10);
        }
        assert!(at >= sent + super::super::HOLD + 3 * SECOND);
    }
}
