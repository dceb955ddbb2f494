//! What the status says.

use operlet_sdk::{ConditionStatus, EventType, Failure, Outcome};

use crate::{
    VERSION,
    build::Instance,
    names::{NAME_LABEL, PORT, ROLE_LABEL},
    observed::Observed,
    reconcile::Before,
    status::{AppliedConfig, Member, Phase, Primary, RedisStatus, Role},
};

/// What the status is made from.
struct Summary {
    members: Vec<Member>,
    primary_ready: bool,
    replicas_ready: usize,
    /// Whether every wanted pod is there and runs with the wanted configuration.
    config_applied: bool,
    phase: Phase,
}

pub(crate) fn report(
    instance: &Instance<'_>,
    observed: &Observed<'_>,
    before: &Before<'_>,
    version: &str,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let summary = summarise(instance, observed, before);
    push_conditions(instance, &summary, outcome);
    push_event(&summary, before, outcome);
    outcome.with_status(&status(instance, version, summary))?;
    Ok(())
}

fn summarise(instance: &Instance<'_>, observed: &Observed<'_>, before: &Before<'_>) -> Summary {
    let wanted = usize::try_from(instance.pods()).unwrap_or_default();
    let members: Vec<Member> = observed.pods.iter().map(|(ordinal, pod)| member(*ordinal, pod)).collect();
    let current = || observed.pods.iter().filter(|(ordinal, _)| *ordinal < wanted);
    let primary_ready = current().any(|(ordinal, pod)| *ordinal == 0 && pod.is_ready());
    let replicas_ready = current().filter(|(ordinal, pod)| *ordinal > 0 && pod.is_ready()).count();
    let has_config =
        current().filter(|(_, pod)| pod.config_hash() == Some(instance.config_hash.as_str())).count();
    let config_applied = has_config == wanted;

    let settled = observed.pods.len() == wanted
        && observed.stateful_set.as_ref().is_some_and(|set| {
            set.is_observed()
                && set.status.replicas == instance.pods()
                && set.status.updated_replicas == instance.pods()
        });
    let complete = usize::from(primary_ready) + replicas_ready == wanted;
    let phase = match (settled && config_applied, complete) {
        (true, true) => Phase::Running,
        _ if matches!(before.phase.as_str(), "" | "Creating") => Phase::Creating,
        (false, _) => Phase::Updating,
        (true, false) => Phase::Degraded,
    };
    Summary { members, primary_ready, replicas_ready, config_applied, phase }
}

fn member(ordinal: usize, pod: &crate::observed::Pod<'_>) -> Member {
    let role = if ordinal == 0 { Role::Primary } else { Role::Replica };
    Member { pod: pod.metadata.name.to_string(), role, ready: pod.is_ready() }
}

fn push_conditions(instance: &Instance<'_>, summary: &Summary, outcome: &mut Outcome) {
    let names = instance.names;
    let wanted = instance.pods();
    let ready = usize::from(summary.primary_ready) + summary.replicas_ready;
    let phase = format!("{:?}", summary.phase);
    let counts = format!("{ready} of {wanted} pods are ready");

    outcome.condition("Ready", (summary.phase == Phase::Running).into(), &*phase, &*counts);
    let progressing = matches!(summary.phase, Phase::Creating | Phase::Updating);
    outcome.condition("Progressing", progressing.into(), &*phase, &*counts);
    outcome.condition("Degraded", (summary.phase == Phase::Degraded).into(), &*phase, &*counts);

    let (reason, message) = match summary.primary_ready {
        true => ("Ready", format!("{} takes writes", names.primary_pod)),
        false => (
            "NotReady",
            format!("{} does not take writes; see `kubectl describe pod {0}`", names.primary_pod),
        ),
    };
    outcome.condition("PrimaryAvailable", summary.primary_ready.into(), reason, message);

    let replicas = instance.spec.replicas;
    let healthy = usize::try_from(replicas).is_ok_and(|replicas| replicas == summary.replicas_ready);
    let (reason, message) = match (replicas, healthy) {
        (0, _) => ("NoReplicas", "there are to be no replicas: the data has no second copy".to_owned()),
        (_, true) => ("Following", format!("{replicas} of {replicas} replicas follow the primary")),
        (_, false) => {
            ("NotFollowing", format!("{} of {replicas} replicas follow the primary", summary.replicas_ready))
        }
    };
    outcome.condition("ReplicationHealthy", healthy.into(), reason, message);

    let (reason, message) = match summary.config_applied {
        true => ("Applied", "every pod runs with the configuration of the spec"),
        false => ("RollingOut", "pods are being started with the configuration of the spec"),
    };
    outcome.condition("ConfigApplied", ConditionStatus::from(summary.config_applied), reason, message);
}

/// Told once, when the phase changes.
fn push_event(summary: &Summary, before: &Before<'_>, outcome: &mut Outcome) {
    if before.phase == format!("{:?}", summary.phase).as_str() {
        return;
    }
    match summary.phase {
        Phase::Running => {
            outcome.event(EventType::Normal, "Running", "Reconcile", "all pods are ready and up to date");
        }
        Phase::Degraded => {
            outcome.event(EventType::Warning, "Degraded", "Reconcile", "pods that should be ready are not");
        }
        Phase::Creating | Phase::Updating => {}
    }
}

fn status(instance: &Instance<'_>, version: &str, summary: Summary) -> RedisStatus {
    let names = instance.names;
    let ready = usize::from(summary.primary_ready) + summary.replicas_ready;
    let followers = summary.members.iter().filter(|member| member.role == Role::Replica).count();
    RedisStatus {
        operlet_version: Some(VERSION.to_owned()),
        phase: Some(summary.phase),
        primary: Some(Primary { pod: names.primary_pod.clone() }),
        version: Some(version.to_owned()),
        ready: Some(format!("{ready}/{}", instance.pods())),
        replicas: i32::try_from(followers).ok(),
        selector: Some(format!("{NAME_LABEL}={},{ROLE_LABEL}=replica", names.redis)),
        members: summary.members,
        endpoint: Some(format!("{}:{PORT}", names.host)),
        secret_name: Some(instance.secret_name().to_owned()),
        config: summary.config_applied.then(|| AppliedConfig { applied: instance.config_hash.clone() }),
        ..RedisStatus::default()
    }
}
