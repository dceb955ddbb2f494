//! What no facts, however strange, make a single decision do.

use std::collections::{BTreeMap, BTreeSet};

use operlet_redis::protocol::facts::{Answer, Link, Proof, Role, Service, Upstream};
use operlet_redis::protocol::policy::{Mode, Request};
use operlet_redis::protocol::record::{
    Cause, Doubt, Effective, Failover, Follower, Followers, Incarnation, Phase, Primary, Record, ReplId,
    Target,
};
use operlet_redis::protocol::step::{Order, Selection, Step};
use proptest::prelude::*;

use crate::case::{CURRENT, Case, NOW, OTHER, address, run, uid};

fn incarnations() -> impl Strategy<Value = Incarnation> {
    (0..4_u8, 1..3_u8).prop_map(|(pod, count)| Incarnation { pod, uid: uid(pod), run: run(pod, count) })
}

fn followers() -> impl Strategy<Value = Followers> {
    let follower = (proptest::option::of(NOW - 60_000..NOW), proptest::option::of(NOW - 60_000..NOW));
    let follower = follower.prop_map(|(dead, told)| Follower { dead, told });
    proptest::collection::btree_map(incarnations(), follower, 0..4)
}

fn ids() -> impl Strategy<Value = ReplId> {
    proptest::sample::select(vec![CURRENT, OTHER, ReplId([1; 20])])
}

fn roles() -> impl Strategy<Value = Role> {
    prop_oneof![
        2 => Just(Role::Primary),
        3 => (1..5_u32).prop_map(|epoch| Role::Replica(Upstream::Dead(epoch))),
        4 => (0..4_u8).prop_map(|pod| Role::Replica(Upstream::Address(address(pod)))),
        1 => Just(Role::Replica(Upstream::Other)),
    ]
}

fn links() -> impl Strategy<Value = Link> {
    prop_oneof![
        (0..4_u32).prop_map(|io_age_s| Link::Up { io_age_s }),
        proptest::option::of(0..30_u32).prop_map(|since_s| Link::Down { since_s }),
    ]
}

fn answers() -> impl Strategy<Value = Answer> {
    let runs =
        || proptest::collection::btree_set((0..4_u8, 1..3_u8).prop_map(|(pod, count)| run(pod, count)), 0..5);
    let members = (runs(), any::<bool>());
    (
        (0..1_u8, 1..3_u8, roles(), links(), ids(), ids()),
        (8..13_u64, prop::bool::weighted(0.1), 0..3_u64, members, runs(), 0..3_u8),
    )
        .prop_map(
            |((_, count, role, link, replid, replid2), (offset, loading, data, members, users, min))| {
                Answer {
                    run: run(0, count),
                    role,
                    link,
                    replid,
                    replid2,
                    offset,
                    loading,
                    data,
                    members: members.0.into_iter().map(|member| (member, members.1)).collect(),
                    users,
                    min_replicas: min,
                    max_lag_s: 5,
                }
            },
        )
}

fn failovers() -> impl Strategy<Value = Failover> {
    let phases = vec![Phase::HandOver, Phase::Fence, Phase::Promote, Phase::Open, Phase::Kick];
    let causes = vec![Cause::Bootstrap, Cause::Lost, Cause::Planned, Cause::Hibernate];
    let target =
        (incarnations(), ids(), 8..13_u64).prop_map(|(who, replid, offset)| Target { who, replid, offset });
    (
        proptest::sample::select(phases),
        proptest::sample::select(causes),
        proptest::option::of(incarnations()),
        proptest::option::of(target),
        followers(),
    )
        .prop_map(|(phase, cause, from, to, doubtful)| Failover {
            id: 2,
            phase,
            cause,
            from,
            to,
            doubtful: doubtful.into_keys().map(|who| (who, Doubt::default())).collect(),
            claim: Some(1),
            started_at: NOW - 5000,
            request: None,
        })
}

fn records() -> impl Strategy<Value = Record> {
    let primary = (incarnations(), ids(), any::<bool>(), proptest::option::of(NOW - 60_000..NOW));
    let primary =
        primary.prop_map(|(who, replid, carried, dead)| Primary { who, replid, began: 10, carried, dead });
    (
        0..4_u32,
        proptest::option::weighted(0.9, primary),
        followers(),
        followers(),
        0..3_u8,
        proptest::option::of(failovers()),
    )
        .prop_map(|(epoch, primary, followers, former, min, failover)| {
            if epoch == 0 {
                return Record::default();
            }
            let epoch = epoch + 1;
            let effective = Effective { min_replicas: min, max_lag_s: 5 };
            Record {
                epoch,
                primary,
                followers,
                former,
                effective,
                proven: min,
                failover,
                hibernated: false,
                switched: None,
                ..Record::default()
            }
        })
}

prop_compose! {
    fn cases()(
        pods in 1..5_u8,
        min in 0..3_u8,
        record in records(),
        answers in proptest::collection::btree_map(0..4_u8, answers(), 0..5),
        selects in proptest::option::of(0..4_u8),
        flags in proptest::collection::vec(prop::bool::weighted(0.2), 4 * 3),
        (available, hibernated, paused) in (prop::bool::weighted(0.2), prop::bool::weighted(0.1), prop::bool::weighted(0.05)),
        replicas in 0..4_u8,
        proof in proptest::option::of(0..3_u8),
        ended in proptest::collection::btree_set((0..4_u8, 1..3_u8), 0..2),
        asked in proptest::option::of(0..4_u8),
    ) -> Case {
        let mut case = Case::fresh(pods, min);
        case.policy.replicas = replicas;
        case.policy.mode = if available { Mode::Available } else { Mode::Safe };
        (case.policy.hibernated, case.policy.paused) = (hibernated, paused);
        case.policy.switchover = asked.map(|pod| Request { id: 1, target: Some(pod) });
        for (number, pod) in &mut case.facts.pods {
            let flag = |which: usize| flags[usize::from(*number) * 3 + which];
            (pod.terminating, pod.updated, pod.ready_once) = (flag(0), !flag(1), !flag(2));
        }
        let answers: BTreeMap<u8, Answer> = answers
            .into_iter()
            .filter(|(pod, _)| *pod < pods)
            .map(|(pod, answer)| (pod, Answer { run: run(pod, answer.run.0[1]), ..answer }))
            .collect();
        case.facts.answers = Some(answers);
        case.facts.service = Service { selects, endpoint: selects };
        case.facts.ended = ended.into_iter().map(|(pod, count)| run(pod, count)).collect();
        if let (Some(acks), Some(primary)) = (proof, &record.primary) {
            case.facts.proof = Some(Proof { run: primary.who.run, acks });
        }
        case.record = record;
        case
    }
}

/// Whether this incarnation gave the answer that an act is tied to.
fn was_seen(case: &Case, who: &Incarnation, role: Role) -> bool {
    let answer = case.facts.answers.as_ref().and_then(|answers| answers.get(&who.pod));
    let same = case.facts.pods.get(&who.pod).is_some_and(|pod| pod.uid == who.uid);
    same && answer.is_some_and(|answer| answer.run == who.run && answer.role == role)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20_000) })]

    #[test]
    fn the_same_facts_give_the_same_step(case in cases()) {
        prop_assert_eq!(case.step(), case.step());
    }

    #[test]
    fn nothing_is_done_before_a_look_i11(mut case in cases()) {
        case.facts.answers = None;
        case.policy.paused = false;
        prop_assert_eq!(case.step(), Step::Look);
    }

    #[test]
    fn nothing_is_done_while_paused_i12(mut case in cases()) {
        case.policy.paused = true;
        let Step::Settle(it) = case.step() else { return Err(TestCaseError::fail("not settled")) };
        prop_assert_eq!((it.service, it.delete, it.mark), (Selection::Keep, None, None));
    }

    #[test]
    fn the_service_selects_the_confirmed_primary_or_nobody_i1_i2(case in cases()) {
        if let Step::Settle(it) = case.step()
            && let Selection::Select(pod) = it.service
        {
            let primary = case.record.primary.as_ref().map(|primary| primary.who);
            prop_assert_eq!(primary.map(|who| who.pod), Some(pod));
            prop_assert!(was_seen(&case, &primary.unwrap(), Role::Primary));
        }
    }

    #[test]
    fn epochs_grow_and_each_has_one_target_i3(case in cases()) {
        if let Step::Checkpoint(next) = case.step() {
            prop_assert!(next.epoch >= case.record.epoch);
            let target = |record: &Record| {
                let failover = record.failover.as_ref().filter(|failover| failover.phase == Phase::Promote);
                failover.and_then(|failover| failover.to.as_ref()).map(|target| target.who)
            };
            if let (Some(before), Some(after)) = (target(&case.record), target(&next))
                && next.epoch == case.record.epoch
            {
                prop_assert_eq!(before, after);
            }
        }
    }

    #[test]
    fn acts_are_tied_to_what_was_seen_and_lead_to_the_primary_or_nowhere_i5(case in cases()) {
        let Step::Act(acts) = case.step() else { return Ok(()) };
        let primary = case.record.primary.as_ref().map(|primary| primary.who);
        for act in acts {
            prop_assert!(was_seen(&case, &act.on, act.expect), "{:?}", act);
            match act.order {
                Order::Attach(to) => {
                    prop_assert_eq!(primary.map(|who| address(who.pod)), Some(to));
                    prop_assert!(was_seen(&case, &primary.unwrap(), Role::Primary));
                    prop_assert!(Some(act.on) != primary);
                    prop_assert!(case.record.followers.contains_key(&act.on));
                }
                Order::ToDead(epoch) => prop_assert_eq!(epoch, case.record.epoch),
                Order::Promote(settings) => {
                    let target = case.record.failover.as_ref().and_then(|failover| failover.to.as_ref());
                    prop_assert_eq!(target.map(|target| target.who), Some(act.on));
                    let seen = &case.facts.answers.as_ref().unwrap()[&act.on.pod];
                    prop_assert_eq!(target.map(|target| target.replid), Some(seen.replid));
                    prop_assert_eq!(settings, case.record.effective);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn who_is_elected_has_the_current_id_or_is_a_full_restart_i7(case in cases()) {
        let Step::Checkpoint(next) = case.step() else { return Ok(()) };
        let elected = next.failover.as_ref().filter(|it| it.phase == Phase::Promote);
        let before = case.record.phase() == Some(Phase::Fence);
        let (Some(failover), Some(primary), true) = (elected, &case.record.primary, before) else { return Ok(()) };
        let target = failover.to.as_ref().unwrap();
        let answers = case.facts.answers.as_ref().unwrap();
        let answer = &answers[&target.who.pod];
        prop_assert!(answer.is_at_dead(case.record.epoch) && !answer.loading);
        if target.replid != primary.replid && answer.replid2 != primary.replid && case.policy.mode == Mode::Safe {
            prop_assert_eq!(target.who.pod, primary.who.pod);
            prop_assert!(primary.dead.is_some());
        }
    }

    #[test]
    fn the_primary_is_not_deleted_while_another_could_take_over_i8(case in cases()) {
        let Step::Settle(settlement) = case.step() else { return Ok(()) };
        let primary = case.record.primary.as_ref().map(|primary| primary.who.pod);
        if let Some(deletion) = settlement.delete {
            prop_assert!(Some(deletion.pod) != primary || case.record.followers.is_empty());
            prop_assert!(case.facts.pods.values().all(|pod| !pod.terminating), "I9");
            prop_assert!(case.record.failover.is_none(), "I9");
        }
    }

    #[test]
    fn nobody_is_struck_without_a_proof_i13(case in cases()) {
        let Step::Checkpoint(next) = case.step() else { return Ok(()) };
        let same_reign = next.primary == case.record.primary && !next.hibernated;
        let struck: BTreeSet<_> =
            case.record.followers.keys().filter(|who| !next.followers.contains_key(who)).collect();
        if same_reign && !struck.is_empty() && case.policy.replicas > 0 {
            let acks = case.facts.proof.map(|proof| usize::from(proof.acks));
            prop_assert!(acks >= Some(case.record.quorum()));
        }
    }

    #[test]
    fn a_proof_of_death_is_forgotten_only_if_the_process_answers(case in cases()) {
        let Step::Checkpoint(next) = case.step() else { return Ok(()) };
        // Another reign counts whoever answers: a person's word may have been wrong.
        let reign = |record: &Record| record.primary.as_ref().map(|primary| (primary.who, primary.replid));
        if reign(&next) != reign(&case.record) {
            return Ok(());
        }
        for (who, follower) in &case.record.followers {
            let answers = case.facts.answers.as_ref().and_then(|answers| answers.get(&who.pod));
            let alive = answers.is_some_and(|answer| answer.run == who.run);
            if let (Some(_), Some(after)) = (follower.dead, next.followers.get(who)) {
                prop_assert_eq!(after.dead, follower.dead.filter(|_| !alive));
            }
        }
    }

    #[test]
    fn a_reconcile_does_not_write_for_ever(mut case in cases()) {
        let mut written = 0;
        while let Step::Checkpoint(next) = case.step() {
            prop_assert!(*next != case.record, "a checkpoint of what is on record");
            case.record = *next;
            written += 1;
            prop_assert!(written < 16);
        }
    }
}
