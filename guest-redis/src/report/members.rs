use std::collections::BTreeSet;

use super::Report;
use crate::{
    protocol::{
        facts::{Answer, Link, Role, Upstream},
        record::{Incarnation, Ordinal},
    },
    status::Member,
};

impl Report<'_> {
    /// The pods as they answer, in the order of their ordinals.
    pub(super) fn members(&self, in_sync: &BTreeSet<Incarnation>) -> Vec<Member> {
        let member = |(ordinal, pod): (&Ordinal, &crate::observed::Pod<'_>)| {
            let answer = self.answer(*ordinal);
            let synced = in_sync.iter().any(|who| who.pod == *ordinal);
            let replica = answer.filter(|answer| answer.role != Role::Primary);
            Member {
                pod: pod.metadata.name.to_string(),
                role: match answer.map(|answer| answer.role) {
                    None => "unknown",
                    Some(Role::Primary) => "primary",
                    Some(Role::Replica(_)) => "replica",
                }
                .to_owned(),
                link: replica.map(|answer| if is_up(answer) { "up" } else { "down" }.to_owned()),
                sync: replica.map(|answer| self.sync(answer, synced).to_owned()),
                ready: pod.is_ready(),
            }
        };
        self.observed.pods.iter().map(member).collect()
    }

    fn sync(&self, answer: &Answer, synced: bool) -> &'static str {
        let follows = matches!(answer.role, Role::Replica(Upstream::Address(_)));
        let at_primary = self.record.primary.as_ref().and_then(|primary| self.answer(primary.who.pod));
        let known = at_primary.is_some_and(|primary| primary.members.contains_key(&answer.run));
        match (synced, follows) {
            (true, _) => "inSync",
            (false, true) if known && is_up(answer) => "lagging",
            (false, true) => "syncing",
            (false, false) => "down",
        }
    }
}

fn is_up(answer: &Answer) -> bool {
    matches!(answer.link, Link::Up { .. })
}
