//! Each rule is taken out once, and the explorer finds the trace that it prevents.

use operlet_redis::protocol::rules::{Rule, take_out};

use crate::scenario::Scenario;
use crate::search::{self, Bounds, Outcome};
use crate::table::{self, WHOLE};

/// Each rule with a scenario in which its absence breaks an invariant, or none if no
/// trace was found.
pub const RULES: &[(Rule, Option<&str>)] = &[
    (Rule::BootstrapAll, Some("whole-stranded")),
    (Rule::BootstrapEmpty, Some("whole-stranded")),
    (Rule::BootstrapClaims, Some("whole-forgotten")),
    (Rule::AdoptAll, Some("whole-skeleton")),
    (Rule::AdoptFollowed, None),
    (Rule::AdoptMarked, None),
    (Rule::AttachRecorded, Some("whole-bootstrap")),
    (Rule::AttachStrays, None),
    (Rule::StrikeOff, None),
    (Rule::StrikeGone, None),
    (Rule::StrikeProof, Some("whole-crash")),
    (Rule::SuspectFresh, None),
    (Rule::Fence, Some("whole-bootstrap")),
    (Rule::FenceProof, Some("whole-bootstrap")),
    (Rule::FenceEpoch, Some("whole-cut-two")),
    (Rule::FenceMembers, Some("whole-bootstrap")),
    (Rule::FenceW, Some("whole-bootstrap")),
    (Rule::FenceDown, None),
    (Rule::FenceTold, None),
    (Rule::FenceDeadLong, None),
    (Rule::FenceLoading, None),
    (Rule::ElectMember, Some("whole-rdb")),
    (Rule::ElectEpoch, None),
    (Rule::ElectLoaded, None),
    (Rule::ElectReady, None),
    (Rule::ElectCurrent, Some("whole-crash")),
    (Rule::ElectBegan, Some("blackout")),
    (Rule::ElectCount, Some("whole-crash")),
    (Rule::ElectDeadCount, Some("whole-crash")),
    (Rule::ElectOffset, Some("whole-bootstrap")),
    (Rule::PromoteSettings, Some("whole-bootstrap")),
    (Rule::PromoteEpoch, Some("whole-bootstrap")),
    (Rule::PromoteDoubt, Some("whole-pair-switch")),
    (Rule::PromoteFinish, Some("whole-bootstrap")),
    (Rule::PromoteFollowers, None),
    (Rule::PromoteOpen, None),
    (Rule::OpenMarked, None),
    (Rule::Renamed, Some("whole-bootstrap")),
    (Rule::Carried, None),
    (Rule::FormerPrimary, Some("whole-tail-cut")),
    (Rule::RestartData, Some("whole-tail-fresh")),
    (Rule::RestartLoading, Some("whole-available-pair")),
    (Rule::RestartMembers, Some("whole-tail-pair")),
    (Rule::RestartFormer, Some("whole-tail-cut")),
    (Rule::RestartEmpty, Some("whole-restored")),
    (Rule::RestartClaim, Some("whole-restored")),
    (Rule::Zombie, Some("whole-bootstrap")),
    (Rule::LowerFirst, Some("whole-lower")),
    (Rule::RaiseInSync, None),
    (Rule::RaiseDone, Some("whole-lower-late")),
    (Rule::RaiseProof, Some("whole-raise")),
    (Rule::SwitchOffset, Some("whole-delete")),
    (Rule::SwitchFence, Some("whole-roll")),
    (Rule::ScaleW, None),
    (Rule::RollSync, Some("whole-roll")),
    (Rule::HibernateAll, None),
    (Rule::ActRun, None),
    (Rule::ActRole, None),
    (Rule::ActKills, Some("whole-pair-switch")),
    (Rule::ActDropsUsers, Some("whole-pair-late-users")),
];

/// States within which a trace must be found.
const FOUND_WITHIN: usize = 1_500_000;

/// Explores without each rule; counts what is not as the table says. Rules without a
/// trace are looked for in all scenarios, so many states each.
pub fn check(names: &[&String], states: usize, hunt: bool) -> usize {
    let mut wrong = 0;
    for (rule, expected) in RULES {
        if !names.is_empty() && !names.iter().any(|name| format!("{rule:?}").starts_with(name.as_str())) {
            continue;
        }
        let found = match expected {
            _ if hunt => table::scenarios().into_iter().find_map(|scenario| {
                without(*rule, &scenario, states).violation.map(|it| (scenario.name, it))
            }),
            Some(name) => {
                let all = table::scenarios();
                let scenario = all.iter().find(|scenario| scenario.name == *name).expect("a scenario");
                without(*rule, scenario, FOUND_WITHIN).violation.map(|it| (scenario.name, it))
            }
            None => WHOLE.iter().find_map(|scenario| {
                without(*rule, scenario, states).violation.map(|it| (scenario.name, it))
            }),
        };
        let text = found.as_ref().map_or_else(
            || "no trace found within budget".to_owned(),
            |(name, it)| {
                format!("{name}, {} steps: {}", it.trace.len(), it.what.chars().take(90).collect::<String>())
            },
        );
        let as_expected = found.is_some() == expected.is_some();
        wrong += usize::from(!as_expected);
        println!(
            "without {:<17} {text}{}",
            format!("{rule:?}"),
            if as_expected { "" } else { "  <- NOT AS LISTED" }
        );
        if let Some((name, it)) = found.filter(|_| names.len() == 1) {
            let all = table::scenarios();
            let scenario = all.iter().find(|scenario| scenario.name == name).expect("a scenario");
            take_out(None);
            let start = table::start(scenario);
            take_out(Some(*rule));
            println!("{}", search::tell(scenario, &start, &it));
            take_out(None);
        }
    }
    wrong
}

fn without(rule: Rule, scenario: &Scenario, states: usize) -> Outcome {
    let start = table::start(scenario);
    take_out(Some(rule));
    let outcome = search::explore(scenario, start, Bounds { states, heal_every: 37 });
    take_out(None);
    outcome
}
