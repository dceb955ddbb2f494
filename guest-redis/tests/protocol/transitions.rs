//! A table for every transition: facts and record, and the step that follows.

use operlet_redis::protocol::facts::{Link, Role, Upstream};
use operlet_redis::protocol::policy::{Mode, Request};
use operlet_redis::protocol::record::{Cause, Doubt, Failed, Follower, Incarnation, Phase, ReplId};
use operlet_redis::protocol::step::{Act, Step};

use crate::case::{Case, NOW, OTHER, address, run, uid, who};

/// Each: a sentence, the case, and words that the step must contain.
type Row = (&'static str, Case, &'static str);

fn with(mut case: Case, change: impl FnOnce(&mut Case)) -> Case {
    change(&mut case);
    case
}

fn check(rows: impl IntoIterator<Item = Row>) {
    for (sentence, case, expected) in rows {
        let said = case.says();
        assert!(said.contains(expected), "{sentence}: expected `{expected}`, got `{said}`");
    }
}

#[test]
fn a_first_primary_is_made_only_of_what_is_known_to_be_empty() {
    check([
        ("nothing is asked yet", with(Case::fresh(3, 1), |it| it.facts.answers = None), "look"),
        (
            "all are empty",
            Case::fresh(3, 1),
            "checkpoint epoch 2 primary None M [] former [] W 1 Q 1 failover Some(\"Promote/Bootstrap to Some(\\\"0.1\\\")",
        ),
        ("one is silent", with(Case::fresh(3, 1), |it| it.silence(2)), "Awaited([2])"),
        ("one holds data", with(Case::fresh(3, 1), |it| it.answer(2).data = 1), "DataUnknown([2])"),
        ("one is loading", with(Case::fresh(3, 1), |it| it.answer(1).loading = true), "DataUnknown([1])"),
        (
            "a claim has an epoch",
            with(Case::fresh(3, 1), |it| {
                it.facts.claims.insert(1, 7);
            }),
            "checkpoint epoch 8 primary None M [] former [] W 1 Q 1 failover Some(\"Fence/Bootstrap",
        ),
        (
            "a Redis made without this",
            with(Case::fresh(3, 1), |it| it.answer(0).role = Role::Primary),
            "primary Some(\"0.1\") M [\"1.1\", \"2.1\"]",
        ),
        (
            "such a one, a pod silent",
            with(Case::fresh(3, 1), |it| {
                it.answer(0).role = Role::Primary;
                it.silence(2);
            }),
            "Awaited([2])",
        ),
        (
            "such a one, beside data of another",
            with(Case::fresh(3, 1), |it| {
                it.answer(0).role = Role::Primary;
                it.answer(2).data = 1;
            }),
            "DataUnknown([2])",
        ),
        (
            "such a one, whose pods follow a name",
            with(Case::at_rest(3, 1), |it| {
                it.record = Default::default();
                it.facts.claims.clear();
                it.answer(1).role = Role::Replica(Upstream::Other);
                it.answer(2).role = Role::Replica(Upstream::Other);
            }),
            "primary Some(\"0.1\") M [\"1.1\", \"2.1\"]",
        ),
        (
            "such a one, beside one that follows somebody else",
            with(Case::at_rest(3, 1), |it| {
                it.record = Default::default();
                it.facts.claims.clear();
                it.answer(2).role = Role::Replica(Upstream::Other);
                it.answer(2).replid = ReplId([9; 20]);
                it.answer(2).data = 1;
            }),
            "DataUnknown([2])",
        ),
        (
            "its record is lost and a claim's mark is old",
            with(Case::at_rest(3, 1), |it| {
                it.record = Default::default();
                it.facts.claims.insert(1, 7);
            }),
            "checkpoint epoch 8 primary Some(\"0.1\") M [\"1.1\", \"2.1\"]",
        ),
        (
            "two primaries and no record",
            with(Case::fresh(3, 1), |it| {
                it.answer(0).role = Role::Primary;
                it.answer(1).role = Role::Primary;
            }),
            "ManyPrimaries([0, 1])",
        ),
    ]);
}

#[test]
fn a_replica_is_on_record_then_has_a_user_then_is_told() {
    let new = || {
        with(Case::at_rest(3, 1), |it| {
            it.restart(2, 0);
            it.record.followers.get_mut(&who(2)).unwrap().dead = Some(NOW);
        })
    };
    let mut recorded = new();
    let restarted = Incarnation { run: run(2, 2), ..who(2) };
    recorded.record.followers.insert(restarted, Follower::default());
    let mut with_user = recorded.clone();
    with_user.answer(0).users.insert(run(2, 2));
    check([
        ("all is well", Case::at_rest(3, 1), "settle Keep None None"),
        ("it is not on record", new(), "M [\"1.1\", \"2.1+\", \"2.2\"]"),
        (
            "a user of nobody on record",
            with(Case::at_rest(3, 1), |it| {
                it.answer(0).users.insert(run(2, 9));
            }),
            "[0.1 users +0 -1]",
        ),
        ("it has no user", recorded, "[0.1 users +1 -0]"),
        ("it has one", with_user, "[2.2 Attach(10.0.0.0)]"),
    ]);
}

#[test]
fn a_follower_is_struck_after_its_user_its_link_and_a_proof() {
    let dead = || {
        with(Case::at_rest(3, 1), |it| {
            it.die(2);
            it.silence(2);
        })
    };
    let no_user = || {
        with(dead(), |it| {
            it.answer(0).users.remove(&run(2, 1));
        })
    };
    let no_link = || {
        with(no_user(), |it| {
            it.answer(0).members.remove(&run(2, 1));
        })
    };
    check([
        ("its user is there", dead(), "[0.1 users +0 -1]"),
        ("it is a member still", no_user(), "settle Keep"),
        ("it is gone", no_link(), "prove 0.1 1"),
        ("too few have acknowledged", with(no_link(), |it| it.proof(0)), "settle Keep"),
        ("enough have", with(no_link(), |it| it.proof(1)), "M [\"1.1\"]"),
        (
            "its pod is gone without a trace",
            with(Case::at_rest(3, 1), |it| {
                it.facts.pods.remove(&2);
                it.silence(2);
            }),
            "[0.1 users +0 -1]",
        ),
        ("it is only silent", with(Case::at_rest(3, 1), |it| it.silence(2)), "settle Keep None None"),
    ]);
}

#[test]
fn a_primary_is_suspected_when_nobody_hears_it() {
    let silent = || {
        with(Case::at_rest(3, 1), |it| {
            it.silence(0);
            for pod in 1..3 {
                it.answer(pod).link = Link::Up { io_age_s: 5 };
            }
        })
    };
    check([
        (
            "silent for long",
            silent(),
            "checkpoint epoch 3 primary Some(\"0.1 carried\") M [\"1.1\", \"2.1\"] former [] W 1 Q 1 failover Some(\"Fence/Lost to None",
        ),
        ("silent for a moment", with(silent(), |it| it.facts.silent_ms = 100), "settle Keep None None"),
        (
            "nobody listens there",
            with(silent(), |it| {
                it.facts.silent_ms = 100;
                it.facts.refusing.insert(0);
            }),
            "settle Close None None",
        ),
        (
            "it is alive and cannot be read",
            with(silent(), |it| {
                it.facts.strangers.insert(0);
            }),
            "CutOff",
        ),
        ("nobody answers", with(silent(), |it| (1..3).for_each(|pod| it.silence(pod))), "Awaited([0, 1, 2])"),
        ("a replica hears it", with(silent(), |it| it.answer(1).link = Link::Up { io_age_s: 1 }), "CutOff"),
        (
            "a replica hears it, and it was closed too early",
            with(silent(), |it| {
                it.answer(1).link = Link::Up { io_age_s: 1 };
                it.facts.service.selects = None;
            }),
            "settle Select(0)",
        ),
        (
            "its container restarted",
            with(Case::at_rest(3, 1), |it| it.restart(0, 0)),
            "primary Some(\"0.1+ carried\")",
        ),
        (
            "a message holds its run id",
            with(silent(), |it| {
                it.facts.ended.insert(run(0, 1));
            }),
            "primary Some(\"0.1+ carried\")",
        ),
        ("it answers as a replica", with(Case::at_rest(3, 1), |it| it.recruit(0, 2, 0)), "Fence/Lost"),
        (
            "it is deleted and answers",
            with(Case::at_rest(3, 1), |it| it.facts.pods.get_mut(&0).unwrap().terminating = true),
            "HandOver/Planned to Some(\\\"1.1\\\")",
        ),
        (
            "it was deleted just now",
            with(Case::at_rest(3, 1), |it| {
                it.facts.pods.get_mut(&0).unwrap().terminating = true;
                it.facts.going_ms = 900;
            }),
            "settle Keep None None",
        ),
    ]);
}

#[test]
fn a_fence_has_three_ways_and_no_fourth() {
    let dead = || with(Case::fencing(3, 1, 0), |it| it.die(0));
    let told = || {
        with(Case::fencing(3, 1, 0), |it| {
            let mut answer = Case::at_rest(3, 1).answer(0).clone();
            answer.role = Role::Replica(Upstream::Dead(3));
            it.facts.answers.as_mut().unwrap().insert(0, answer);
        })
    };
    check([
        ("the Service is open", with(dead(), |it| it.facts.service.selects = Some(0)), "settle Close"),
        ("a replica is not recruited", with(dead(), |it| it.recruit(2, 2, 0)), "[2.1 ToDead(3)]"),
        ("(a) it is dead", dead(), "Promote/Lost to Some(\\\"1.1\\\")"),
        ("(b) it was told", told(), "Promote/Lost to Some(\\\"0.1\\\")"),
        ("(b) in an epoch before", with(told(), |it| it.recruit(0, 2, 99)), "[0.1 ToDead(3)]"),
        ("(c) for long", Case::fencing(3, 1, 9), "Promote/Lost to Some(\\\"1.1\\\")"),
        ("(c) not for long", Case::fencing(3, 1, 8), "Unfenced"),
        ("(c) only one of two", with(Case::fencing(3, 1, 9), |it| it.silence(2)), "Unfenced"),
        ("(c) with W = 0", Case::fencing(3, 0, 9), "Unfenced"),
        (
            "(c) seen there for the first time",
            with(Case::fencing(3, 1, 9), |it| {
                it.record.followers.insert(who(2), Follower::default());
            }),
            "checkpoint",
        ),
        (
            "(c) not for long by the record's clock",
            with(Case::fencing(3, 1, 9), |it| {
                it.record.followers.insert(who(2), Follower { told: Some(NOW - 8000), dead: None });
            }),
            "Unfenced",
        ),
        (
            "(c) not for long by its own",
            with(Case::fencing(3, 1, 9), |it| it.answer(2).link = Link::Down { since_s: Some(8) }),
            "Unfenced",
        ),
        (
            "(c) never linked, told for long",
            with(Case::fencing(3, 1, 9), |it| it.answer(2).link = Link::Down { since_s: None }),
            "Promote/Lost",
        ),
        (
            "a person vouches",
            with(Case::fencing(3, 1, 0), |it| {
                it.facts.vouched.insert(uid(0));
            }),
            "primary Some(\"0.1+ carried\")",
        ),
        (
            "a person vouched for a process before",
            with(Case::fencing(3, 1, 0), |it| {
                it.facts.vouched.insert(uid(0));
                it.record.vouched.insert(uid(0));
            }),
            "Unfenced",
        ),
        (
            "a person vouches for one that answers",
            with(Case::fencing(3, 1, 0), |it| {
                it.facts.vouched.insert(uid(1));
            }),
            "M [\"1.1\", \"2.1\"]",
        ),
        (
            "a person vouched, and it answers all the same",
            with(Case::fencing(3, 1, 0), |it| {
                it.facts.vouched.insert(uid(1));
                it.record.vouched.insert(uid(1));
                it.record.followers.insert(who(1), Follower { dead: Some(NOW), ..Follower::default() });
            }),
            "M [\"1.1\", \"2.1\"]",
        ),
        (
            "Available waits no longer",
            with(Case::fencing(3, 1, 0), |it| {
                it.policy.mode = Mode::Available;
                it.record.lossy = Some(3);
            }),
            "Promote/Lost",
        ),
        (
            "which is on record",
            with(Case::fencing(3, 1, 0), |it| it.policy.mode = Mode::Available),
            "checkpoint epoch 3",
        ),
        (
            "Available with nobody",
            with(Case::fencing(2, 0, 0), |it| {
                it.policy.mode = Mode::Available;
                it.silence(1);
            }),
            "Unfenced",
        ),
    ]);
}

#[test]
fn who_is_elected_has_every_confirmed_write() {
    let dead = |min| with(Case::fencing(3, min, 0), |it| it.die(0));
    check([
        ("the highest offset", with(dead(1), |it| it.answer(2).offset = 60), "to Some(\\\"2.1\\\")"),
        ("the other is silent", with(dead(1), |it| it.silence(2)), "TooFew { candidates: 1, needed: 2"),
        (
            "the dead count",
            with(dead(1), |it| {
                it.silence(2);
                it.die(2);
            }),
            "TooFew { candidates: 1, needed: 2",
        ),
        ("Q = 2 needs one", with(dead(2), |it| it.silence(2)), "to Some(\\\"1.1\\\")"),
        ("another id does not count", with(dead(1), |it| it.answer(2).replid = OTHER), "TooFew"),
        ("nor who is where the reign began", with(dead(1), |it| it.answer(2).offset = 9), "TooFew"),
        (
            "nor who was never ready",
            with(dead(1), |it| it.facts.pods.get_mut(&2).unwrap().ready_once = false),
            "TooFew",
        ),
        (
            "priority 0 is never chosen",
            with(dead(1), |it| it.facts.pods.get_mut(&1).unwrap().priority = 0),
            "to Some(\\\"2.1\\\")",
        ),
        (
            "nor is one without what that one has",
            with(dead(1), |it| {
                it.facts.pods.get_mut(&1).unwrap().priority = 0;
                it.answer(1).offset = 60;
            }),
            "NeverElected",
        ),
        (
            "a person accepts the loss",
            with(dead(1), |it| {
                it.silence(2);
                it.facts.accept_loss = Some(3);
            }),
            "to Some(\\\"1.1\\\")",
        ),
    ]);
}

#[test]
fn a_promotion_is_confirmed_or_begun_anew() {
    let promoting = || with(Case::fencing(3, 1, 9).phase(Phase::Promote, Cause::Lost), |it| it.target(1));
    let ready = promoting;
    let done = || {
        with(ready(), |it| {
            let answer = it.answer(1);
            answer.role = Role::Primary;
            (answer.replid2, answer.replid) = (answer.replid, OTHER);
        })
    };
    check([
        ("it is told, with the settings on record", promoting(), "[1.1 Promote(Effective { min_replicas: 1,"),
        (
            "it is the primary",
            done(),
            "primary Some(\"1.1\") M [\"2.1\"] former [\"0.1\", \"2.1\"] W 1 Q 1 failover Some(\"Open/Lost",
        ),
        (
            "of another lineage",
            with(done(), |it| it.answer(1).replid2 = ReplId([9; 20])),
            "checkpoint epoch 4",
        ),
        ("it is silent", with(ready(), |it| it.silence(1)), "Fence/Lost to None doubt [\\\"1.1\\\"]"),
        ("it restarted", with(ready(), |it| it.restart(1, 3)), "M [\"1.1+\", \"2.1\"]"),
        (
            "the old primary is back",
            with(done(), |it| {
                let answer = Case::at_rest(3, 1).answer(0).clone();
                it.facts.answers.as_mut().unwrap().insert(0, answer);
            }),
            "[0.1 ToDead(3)]",
        ),
        (
            "a doubtful one with W = 0",
            with(Case::fencing(3, 0, 9), |it| {
                it.die(0);
                it.silence(1);
                it.record.failover.as_mut().unwrap().doubtful.insert(who(1), Doubt::default());
            }),
            "TargetSilent",
        ),
    ]);
}

/// A machine that is busy at the wrong moments: what the target answers now bears
/// no id of the reign any more, and the other replica alone is too few.
#[test]
fn a_target_that_was_promoted_unseen_is_chosen_again_however_often() {
    let unseen = |second: ReplId, chosen_with: ReplId| {
        with(Case::fencing(3, 1, 0), move |it| {
            it.die(0);
            it.recruit(1, 3, 0);
            it.recruit(2, 3, 0);
            it.silence(2);
            (it.answer(1).replid, it.answer(1).replid2) = (ReplId([8; 20]), second);
            let doubt = Doubt { dead: None, replid: chosen_with };
            it.record.failover.as_mut().unwrap().doubtful.insert(who(1), doubt);
        })
    };
    let reign = Case::at_rest(3, 1).record.primary.unwrap().replid;
    let (first, other) = (ReplId([7; 20]), ReplId([6; 20]));
    check([
        ("once", unseen(reign, reign), "Promote/Lost to Some(\\\"1.1\\\")"),
        ("twice", unseen(first, first), "Promote/Lost to Some(\\\"1.1\\\")"),
        (
            "chosen again, and not promoted",
            unseen(reign, ReplId([8; 20])),
            "Promote/Lost to Some(\\\"1.1\\\")",
        ),
    ]);
    assert!(!unseen(other, first).says().contains("Promote"), "of another lineage");
}

#[test]
fn a_lone_primary_that_goes_already_is_not_deleted_again() {
    let outdated = || with(Case::at_rest(1, 0), |it| it.facts.pods.get_mut(&0).unwrap().updated = false);
    let deletes = |case: Case| match case.step() {
        Step::Settle(settlement) => settlement.delete.is_some(),
        step => panic!("{step:?}"),
    };
    assert!(deletes(outdated()), "it is deleted");
    assert!(!deletes(with(outdated(), |it| it.facts.pods.get_mut(&0).unwrap().terminating = true)), "once");
}

#[test]
fn a_full_restart_goes_by_the_claim_of_the_primary() {
    let all = |data: u64| {
        with(Case::fencing(3, 1, 0), |it| {
            for pod in 0..3 {
                it.die(pod);
                it.restart(pod, data);
                it.recruit(pod, 3, 0);
            }
        })
    };
    check([
        ("all have restarted", all(3), "Promote/Lost to Some(\\\"0.2\\\")"),
        ("its claim is empty", with(all(3), |it| it.answer(0).data = 0), "ClaimLost(0)"),
        ("all are empty", all(0), "Promote/Lost to Some(\\\"0.2\\\")"),
        ("all are empty but one that is silent", with(all(0), |it| it.silence(2)), "Awaited([2])"),
        ("it does not answer", with(all(3), |it| it.silence(0)), "Awaited([0])"),
        (
            "a member is only silent",
            with(all(3), |it| {
                it.silence(2);
                it.record.followers.get_mut(&who(2)).unwrap().dead = None;
            }),
            "NotProvenDead",
        ),
        (
            "a member with data that never had the id, before it is carried",
            with(all(3), |it| {
                it.record.primary.as_mut().unwrap().carried = false;
                let restarted = Incarnation { run: run(2, 2), ..who(2) };
                it.record.followers.insert(restarted, Follower::default());
            }),
            "NotProvenDead",
        ),
        (
            "Available waits for what is loading",
            with(all(3), |it| {
                (it.answer(0).data, it.answer(2).loading) = (0, true);
                it.policy.mode = Mode::Available;
                it.policy.recovery_timeout_ms = 1000;
            }),
            "ClaimLost(0)",
        ),
        (
            "Available takes the largest, in time",
            with(all(3), |it| {
                it.answer(0).data = 0;
                it.answer(2).data = 9;
                it.policy.mode = Mode::Available;
                it.policy.recovery_timeout_ms = 1000;
            }),
            "Promote/Lost to Some(\\\"2.2\\\")",
        ),
    ]);
}

#[test]
fn a_reign_opens_when_w_followers_carry_it() {
    let open = || {
        with(Case::at_rest(3, 1).phase(Phase::Open, Cause::Lost), |it| {
            it.record.primary.as_mut().unwrap().carried = false;
            it.facts.service.selects = None;
        })
    };
    let carried = || with(open(), |it| it.record.primary.as_mut().unwrap().carried = true);
    check([
        ("Q carry it", open(), "checkpoint epoch 3 primary Some(\"0.1 carried\")"),
        ("its claim has an older mark", carried(), "settle Keep"),
        (
            "the Service is closed",
            with(carried(), |it| {
                it.facts.claims.insert(0, 3);
            }),
            "settle Select(0)",
        ),
        (
            "none carries it for long",
            with(open(), |it| {
                it.answer(1).offset = 3;
                it.answer(2).offset = 3;
                it.record.failover.as_mut().unwrap().started_at = NOW - 300_000;
            }),
            "Unopened(1)",
        ),
        (
            "its backlog was freed",
            with(Case::at_rest(3, 1), |it| it.answer(0).replid = OTHER),
            "primary Some(\"0.1\") M [\"1.1\", \"2.1\"] former [\"1.1\", \"2.1\"]",
        ),
        ("it is open", with(carried(), |it| it.facts.service.selects = Some(0)), "failover None"),
        (
            "none carries it",
            with(open(), |it| {
                it.answer(1).offset = 3;
                it.answer(2).offset = 3;
            }),
            "Opening(1)",
        ),
        (
            "an unexpected primary",
            with(Case::at_rest(3, 1), |it| it.answer(2).role = Role::Primary),
            "[2.1 ToDead(2)]",
        ),
    ]);
}

#[test]
fn a_switchover_waits_for_the_offset() {
    let asked =
        || with(Case::at_rest(3, 1), |it| it.policy.switchover = Some(Request { id: 5, target: Some(2) }));
    let begun = || {
        with(asked().phase(Phase::HandOver, Cause::Planned), |it| {
            it.target(2);
            it.record.switched = Some(5);
        })
    };
    let paused = || {
        with(begun(), |it| {
            let Step::Act(acts) = it.step() else { panic!("no pause") };
            it.facts.tried.extend(acts.iter().map(Act::tried));
        })
    };
    check([
        (
            "it is asked for anew after one that failed",
            with(asked(), |it| it.record.failed = Some(Failed { at: NOW - 1, times: 9 })),
            "HandOver/Planned",
        ),
        (
            "one failed",
            with(Case::at_rest(3, 1), |it| it.record.failed = Some(Failed { at: NOW - 1, times: 1 })),
            "SwitchoverFailed { times: 1 }",
        ),
        ("it is asked for", asked(), "HandOver/Planned to Some(\\\"2.1\\\")"),
        ("it was dealt with", with(asked(), |it| it.record.switched = Some(5)), "settle Keep"),
        (
            "the target is not in sync",
            with(asked(), |it| it.answer(2).loading = true),
            "settle Keep None Some(SwitchoverAwaits(Some(2)))",
        ),
        ("begun", begun(), "[0.1 Pause(9000)]"),
        ("paused and level", paused(), "checkpoint epoch 4"),
        ("paused, not level", with(paused(), |it| it.answer(2).offset = 49), "settle Keep"),
        (
            "it takes too long",
            with(begun(), |it| it.record.failover.as_mut().unwrap().started_at = 0),
            "[0.1 Unpause]",
        ),
        (
            "the primary is gone",
            with(begun(), |it| {
                it.restart(0, 0);
                it.die(0);
            }),
            "Fence/Lost",
        ),
    ]);
}

#[test]
fn a_roll_takes_replicas_one_at_a_time_and_hands_over_at_last() {
    let outdated = |pods: &'static [u8]| {
        with(Case::at_rest(3, 1), |it| {
            for pod in pods {
                it.facts.pods.get_mut(pod).unwrap().updated = false;
            }
        })
    };
    check([
        ("all are old", outdated(&[0, 1, 2]), "Deletion { pod: 2,"),
        (
            "one goes already",
            with(outdated(&[0, 1, 2]), |it| it.facts.pods.get_mut(&1).unwrap().terminating = true),
            "UpdateBlocked { pod: 2, awaited: [1] }",
        ),
        (
            "the other is not in sync",
            with(outdated(&[0, 2]), |it| {
                it.answer(0).members.insert(run(1, 1), false);
            }),
            "UpdateBlocked { pod: 2, awaited: [1] }",
        ),
        (
            "one is broken, the other not",
            with(outdated(&[0, 1, 2]), |it| {
                it.answer(0).members.insert(run(1, 1), false);
            }),
            "Deletion { pod: 1,",
        ),
        (
            "the primary handed over in vain a moment ago",
            with(outdated(&[0]), |it| it.record.failed = Some(Failed { at: NOW - 1000, times: 1 })),
            "SwitchoverFailed { times: 1 }",
        ),
        (
            "a while ago",
            with(outdated(&[0]), |it| it.record.failed = Some(Failed { at: NOW - 20_000, times: 1 })),
            "HandOver/Planned",
        ),
        ("only the primary is old", outdated(&[0]), "HandOver/Planned"),
        (
            "stop before the primary",
            with(outdated(&[0]), |it| it.policy.pause_before_primary = true),
            "UpdateBlocked { pod: 0, awaited: [] }",
        ),
    ]);
}

#[test]
fn w_is_lowered_on_record_first_and_raised_there_last() {
    let wants = |min| with(Case::at_rest(3, 1), |it| it.policy.wanted.min_replicas = min);
    let found = || with(wants(2), |it| it.answer(0).min_replicas = 2);
    let in_force = || {
        with(found(), |it| {
            let Step::Act(acts) = it.step() else { panic!("nothing is set") };
            it.facts.done.extend(acts.iter().map(Act::tried));
        })
    };
    let recorded = || with(in_force(), |it| it.record.effective.min_replicas = 2);
    check([
        ("lower", wants(0), "W 0 Q 1 failover None"),
        ("lower, on record", with(wants(0), |it| it.record.effective.min_replicas = 0), "[0.1 Configure"),
        ("raise", wants(2), "[0.1 Configure"),
        ("raise, one is away", with(wants(2), |it| it.silence(2)), "settle Keep"),
        ("in force, by an act unknown", found(), "[0.1 Configure"),
        ("in force", in_force(), "W 2 Q 1"),
        ("on record", recorded(), "prove 0.1 2"),
        ("proven", with(recorded(), |it| it.proof(2)), "W 2 Q 2"),
    ]);
}

#[test]
fn pods_leave_after_they_are_struck() {
    let leaving = || {
        with(Case::at_rest(3, 1), |it| {
            it.policy.replicas = 1;
            it.policy.wanted.min_replicas = 0;
        })
    };
    let lowered = || {
        with(leaving(), |it| {
            it.record.effective.min_replicas = 0;
            it.answer(0).min_replicas = 0;
        })
    };
    check([
        ("W first", leaving(), "W 0"),
        ("told", lowered(), "[2.1 ToDead(2)]"),
        ("its user goes", with(lowered(), |it| it.recruit(2, 2, 0)), "[0.1 users +0 -1]"),
    ]);
    let Step::Settle(settlement) = with(lowered(), |it| {
        it.facts.tried.extend(match it.step() {
            Step::Act(acts) => acts.iter().map(Act::tried).collect::<Vec<_>>(),
            _ => Vec::new(),
        })
    })
    .step() else {
        panic!("no settlement")
    };
    assert_eq!(settlement.pods, Some(3), "it stays while it counts");
}

#[test]
fn hibernation_is_put_on_record_when_all_are_told() {
    let asleep = || with(Case::at_rest(3, 1), |it| it.policy.hibernated = true);
    let told = || {
        with(asleep().phase(Phase::Fence, Cause::Hibernate), |it| {
            it.facts.service.selects = None;
            for pod in 0..3 {
                it.recruit(pod, 3, 0);
            }
        })
    };
    check([
        ("it begins", asleep(), "Fence/Hibernate"),
        ("without storage", with(asleep(), |it| it.policy.storage = false), "CannotHibernate"),
        (
            "without persistence, the Service goes on",
            with(asleep(), |it| {
                it.policy.persistent = false;
                it.facts.service.selects = None;
            }),
            "settle Select(0) None Some(CannotHibernate)",
        ),
        ("all are told", told(), "M [] former [] W 1 Q 1 failover None"),
        ("one is silent", with(told(), |it| it.silence(2)), "Awaited([2])"),
        (
            "it sleeps",
            with(asleep(), |it| {
                it.record.hibernated = true;
                it.facts.service.selects = None;
            }),
            "Hibernated",
        ),
        (
            "it wakes",
            with(Case::at_rest(3, 1), |it| {
                it.record.hibernated = true;
                it.restart(0, 3);
            }),
            "checkpoint",
        ),
    ]);
    let _ = address(0);
}

#[test]
fn nothing_is_done_while_paused() {
    let mut case = Case::fencing(3, 1, 9);
    case.policy.paused = true;
    let Step::Settle(settlement) = case.step() else { panic!("paused") };
    assert_eq!((settlement.delete, settlement.mark, settlement.pods), (None, None, None));
}
