//! The status of an Operlet.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{
    Api, Client, ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    model::Manifest,
    operlets::{CandidateStatus, ComponentStatus, KindStatus, Operlet, OperletStatus},
};

/// The name under which the host writes the status of Operlets.
const FIELD_MANAGER: &str = "operlet";

/// Sets a condition; its time moves only when it changes between true and false.
pub(super) fn set_condition(
    status: &mut OperletStatus,
    type_: &str,
    holds: bool,
    reason: &str,
    message: impl Into<String>,
) {
    let value = if holds { "True" } else { "False" };
    let known = status.conditions.iter_mut().find(|condition| condition.type_ == type_);
    let since = known
        .as_ref()
        .filter(|known| known.status == value)
        .map_or_else(now, |known| known.last_transition_time.clone());
    let condition = Condition {
        type_: type_.to_owned(),
        status: value.to_owned(),
        reason: reason.to_owned(),
        message: super::events::shorten(&message.into(), 32 * 1024),
        last_transition_time: since,
        observed_generation: status.observed_generation,
    };
    match known {
        Some(known) => *known = condition,
        None => status.conditions.push(condition),
    }
}

/// The present, in the whole seconds that Kubernetes keeps.
fn now() -> Time {
    let now = jiff::Timestamp::now();
    Time(jiff::Timestamp::from_second(now.as_second()).unwrap_or(now))
}

/// A component takes over: what was live becomes the previous one.
pub(super) fn becomes_live(status: &mut OperletStatus, digest: String, manifest: &Manifest) {
    let since = now().0.to_string();
    let live = ComponentStatus {
        digest,
        version: manifest.version.clone(),
        since,
        state_version: i64::from(manifest.state.writes),
        group: manifest.primary.kind.group.clone(),
        kind: manifest.primary.kind.kind.clone(),
        api_version: Some(manifest.primary.kind.version.clone()),
        plural: Some(manifest.primary.plural.clone()),
    };
    if let Some(old) = status.live.replace(live) {
        status.previous = Some(old);
    }
    status.candidate = None;
    for kind in manifest.children.iter().map(KindStatus::from) {
        match status.kinds.iter_mut().find(|known| same_kind(known, &kind)) {
            Some(known) => *known = kind,
            None => status.kinds.push(kind),
        }
    }
}

fn same_kind(left: &KindStatus, right: &KindStatus) -> bool {
    (&left.group, &left.version, &left.kind) == (&right.group, &right.version, &right.kind)
}

/// A component does not take over.
pub(super) fn stays_out(status: &mut OperletStatus, candidate: CandidateStatus) {
    let words = format!("{}: {}", candidate.phase, candidate.message);
    set_condition(status, "Progressing", false, &candidate.reason.clone(), words);
    status.candidate = Some(candidate);
}

/// Writes the status.
pub(super) async fn write(
    client: &Client,
    operlet: &Operlet,
    status: &OperletStatus,
) -> Result<(), kube::Error> {
    let (name, uid) = (operlet.name_any(), &operlet.metadata.uid);
    let api: Api<Operlet> = Api::all(client.clone());
    let body = json!({
        "apiVersion": "operlet.dev/v1alpha1",
        "kind": "Operlet",
        // Another Operlet of the same name is not spoken of.
        "metadata": { "name": name, "uid": uid },
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    api.patch_status(&name, &params, &Patch::Apply(&body)).await.map(drop)
}
