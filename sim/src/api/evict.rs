//! Evictions: pods are deleted if the budgets for disruptions have room for it.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    delete::Deleting,
    error::Refusal,
    registry::Resource,
    request::{Asked, Target},
    route::Answer,
    selector::LabelSelector,
    state::State,
    store::{Place, Stored},
    write::{STATUS, Writing},
};

/// Says in the status of a budget how many pods may go.
pub(crate) fn allow_disruptions(status: &mut Value, allowed: i64, now: &str) {
    let Some(status) = status.as_object_mut() else { return };
    status.insert("disruptionsAllowed".to_owned(), json!(allowed));
    let (is, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    let generation = status.get("observedGeneration").cloned();
    let known = status.get("conditions").and_then(Value::as_array);
    let known = known.into_iter().flatten().find(|condition| condition.get("status") == Some(&json!(is)));
    let since =
        known.and_then(|known| known.get("lastTransitionTime")).cloned().unwrap_or_else(|| json!(now));
    status.insert(
        "conditions".to_owned(),
        json!([{
            "type": "DisruptionAllowed", "status": is, "reason": reason, "message": "",
            "lastTransitionTime": since, "observedGeneration": generation,
        }]),
    );
}

impl State {
    /// Deletes a pod if the budget that it has allows that.
    pub(crate) fn evict(
        &mut self,
        resource: &Arc<Resource>,
        target: &Target,
        asked: &Asked,
        eviction: &Value,
    ) -> Result<Answer, Refusal> {
        let name = target.name.as_deref().unwrap_or_default();
        if eviction.pointer("/metadata/name").and_then(Value::as_str) != Some(name) {
            return Err(Refusal::bad_request("name in URL does not match name in Eviction object"));
        }
        let place = Self::place(resource, target.namespace.as_deref(), name);
        let pod = self.existing(resource, &place)?;
        let mut deleting = Deleting { dry_run: asked.options.dry_run, ..Deleting::default() };
        deleting = deleting.read(eviction.get("deleteOptions").unwrap_or(&Value::Null));
        let free = matches!(pod.text("/status/phase"), "Succeeded" | "Failed" | "Pending")
            || pod.value.pointer("/metadata/deletionTimestamp").is_some();
        if !free && let Some(refused) = self.ask_budget(&place, &pod, deleting.dry_run)? {
            return Ok(refused);
        }
        if !deleting.dry_run {
            let writing = Writing { subresource: STATUS, ..Writing::default() };
            let condition = json!({
                "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
                "message": "Eviction API: evicting", "lastTransitionTime": self.now(),
            });
            self.patch(resource, &place, |pod| add_condition(pod, condition), &writing)?;
        }
        self.delete(resource, &place, &deleting)?;
        let done =
            json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 });
        Ok(Answer::Whole(StatusCode::CREATED, done.to_string().into()))
    }

    /// Takes one of the disruptions that the pod's budget allows, or gives the answer if
    /// that cannot be.
    fn ask_budget(&mut self, pod: &Place, object: &Stored, dry_run: bool) -> Result<Option<Answer>, Refusal> {
        let Some(kind) = self.registry.of_plural("policy", "poddisruptionbudgets").cloned() else {
            return Ok(None);
        };
        let budgets = self.store.list("policy", "poddisruptionbudgets", Some(&pod.namespace));
        let covers = |budget: &Stored| {
            let selector = budget.value.pointer("/spec/selector");
            selector.is_some_and(|selector| LabelSelector::from_object(selector).matches(&object.value))
        };
        let budgets: Vec<(Place, Arc<Stored>)> = budgets
            .filter(|(_, budget)| covers(budget))
            .map(|(place, budget)| (place.clone(), Arc::clone(budget)))
            .collect();
        let (place, budget) = match budgets.as_slice() {
            [] => return Ok(None),
            [one] => one,
            _ => {
                let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                let refused = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": 500 });
                return Ok(Some(Answer::Whole(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    refused.to_string().into(),
                )));
            }
        };
        let number =
            |pointer: &str| budget.value.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
        let (current, desired) = (number("/status/currentHealthy"), number("/status/desiredHealthy"));
        if !crate::controllers::is_ready(&object.value) {
            let always = budget.text("/spec/unhealthyPodEvictionPolicy") == "AlwaysAllow";
            if always || current >= desired && desired > 0 {
                return Ok(None);
            }
        }
        let name = &place.name;
        if number("/status/observedGeneration") < number("/metadata/generation") {
            let why = format!("The disruption budget {name} is still being processed by the server.");
            return Err(Refusal::too_many(&why, 10));
        }
        let allowed = number("/status/disruptionsAllowed");
        if allowed < 1 {
            let why = if current <= desired {
                format!(
                    "The disruption budget {name} needs {desired} healthy pods and has {current} currently"
                )
            } else {
                format!("The disruption budget {name} does not allow evicting pods currently")
            };
            return Err(Refusal::too_many(&why, 0));
        }
        if !dry_run {
            let (now, pod) = (self.now(), pod.name.clone());
            let take = |budget: &mut Value| {
                let Some(status) = budget.get_mut("status") else { return Ok(()) };
                allow_disruptions(status, allowed - 1, &now);
                let evicted = status.as_object_mut().map(|status| status.entry("disruptedPods"));
                let evicted = evicted.map(|evicted| evicted.or_insert_with(|| json!({})));
                if let Some(evicted) = evicted.and_then(Value::as_object_mut) {
                    evicted.insert(pod, json!(now));
                }
                Ok(())
            };
            let writing = Writing { subresource: STATUS, ..Writing::default() };
            self.patch(&kind, place, take, &writing)?;
        }
        Ok(None)
    }
}

fn add_condition(pod: &mut Value, condition: Value) -> Result<(), Refusal> {
    let status = pod.get_mut("status").and_then(Value::as_object_mut);
    let conditions = status.map(|status| status.entry("conditions").or_insert_with(|| json!([])));
    if let Some(conditions) = conditions.and_then(Value::as_array_mut) {
        conditions.retain(|known| known.get("type") != condition.get("type"));
        conditions.push(condition);
    }
    Ok(())
}
