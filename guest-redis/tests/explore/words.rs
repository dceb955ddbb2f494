//! States and steps in few words, for traces.

use std::fmt::Write;

use operlet_redis::protocol::record::{Incarnation, Record};
use operlet_redis::protocol::step::{Order, Step};

fn who(who: &Incarnation) -> String {
    format!("{}.{}", who.pod, who.run.0[1])
}

/// A record.
pub fn record(record: &Record) -> String {
    let followers: Vec<String> = record
        .followers
        .iter()
        .map(|(one, it)| format!("{}{}", who(one), if it.dead.is_some() { "+" } else { "" }))
        .collect();
    let former: Vec<String> = record.former.keys().map(who).collect();
    let failover = record.failover.as_ref().map(|it| {
        let doubtful: Vec<String> = it.doubtful.keys().map(who).collect();
        format!(
            "{:?}/{:?} to {:?} doubt {doubtful:?}",
            it.phase,
            it.cause,
            it.to.as_ref().map(|to| who(&to.who))
        )
    });
    let primary = record.primary.as_ref().map(|it| {
        format!(
            "{}{}{}",
            who(&it.who),
            if it.dead.is_some() { "+" } else { "" },
            if it.carried { " carried" } else { "" }
        )
    });
    format!(
        "epoch {} primary {primary:?} M {followers:?} former {former:?} W {} Q {} failover {failover:?} vouched {:?}",
        record.epoch,
        record.effective.min_replicas,
        record.quorum(),
        record.vouched.iter().map(|uid| uid.0).collect::<Vec<_>>()
    )
}

/// A step.
pub fn step(step: &Step) -> String {
    match step {
        Step::Look => "look".to_owned(),
        Step::Checkpoint(it) => format!("checkpoint {}", record(it)),
        Step::Act(acts) => {
            let mut text = String::new();
            for act in acts {
                let order = match &act.order {
                    Order::Users { set, drop } => format!("users +{} -{}", set.len(), drop.len()),
                    other => format!("{other:?}"),
                };
                let _ = write!(text, "[{} {order}] ", who(&act.on));
            }
            text
        }
        Step::Prove { on, acks } => format!("prove {} {acks}", who(on)),
        Step::Settle(it) => format!("settle {:?} {:?} {:?}", it.service, it.delete, it.report),
    }
}
