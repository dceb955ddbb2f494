//! The status of a resource after a decision: pure.

use serde_json::{Map, Value, json};

use crate::model::Condition;

/// What goes into a status.
pub(super) struct NewStatus<'a> {
    /// What the component wants it to be; none leaves it as it is.
    pub(super) wanted: Option<&'a str>,
    /// The conditions that are spoken of.
    pub(super) conditions: &'a [Condition],
    /// The generation that was decided about; none leaves it as it is.
    pub(super) generation: Option<i64>,
    /// The version of the state, if the component settled.
    pub(super) state_version: Option<u32>,
    /// The time for conditions that change, as RFC 3339 in whole seconds.
    pub(super) now: &'a str,
}

/// The whole status to write, or none if it is so already.
pub(super) fn next_status(before: &Map<String, Value>, new: &NewStatus<'_>) -> Option<Value> {
    let mut status = match new.wanted {
        Some(text) => serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default(),
        None => before.clone(),
    };
    let known = before.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let conditions = merge(known, new);
    if !conditions.is_empty() {
        status.insert("conditions".to_owned(), Value::Array(conditions));
    }
    if let Some(generation) = new.generation {
        status.insert("observedGeneration".to_owned(), generation.into());
    } else if let Some(generation) = before.get("observedGeneration") {
        status.insert("observedGeneration".to_owned(), generation.clone());
    }
    // Only a settled decision says what state is on record.
    if let Some(version) = new.state_version {
        status.insert("stateVersion".to_owned(), version.into());
    } else if let Some(version) = before.get("stateVersion") {
        status.insert("stateVersion".to_owned(), version.clone());
    }
    // A null is what a component writes for nothing; the API server drops it.
    status.retain(|_, value| !value.is_null());
    (status != *before).then_some(Value::Object(status))
}

/// Replaces by type and appends what is new; the time moves only when the status
/// of the condition does.
fn merge(mut known: Vec<Value>, new: &NewStatus<'_>) -> Vec<Value> {
    for condition in new.conditions {
        let status = condition.status.as_str();
        let place = known.iter().position(|value| value["type"] == condition.type_.as_str());
        let since = place
            .and_then(|place| known.get(place))
            .filter(|value| value["status"] == status)
            .and_then(|value| value.get("lastTransitionTime").cloned())
            .unwrap_or_else(|| Value::from(new.now));
        let mut merged = json!({
            "type": condition.type_,
            "status": status,
            "reason": condition.reason,
            "message": condition.message,
            "lastTransitionTime": since,
        });
        if let (Some(generation), Some(map)) = (new.generation, merged.as_object_mut()) {
            map.insert("observedGeneration".to_owned(), generation.into());
        }
        match place.and_then(|place| known.get_mut(place)) {
            Some(slot) => *slot = merged,
            None => known.push(merged),
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ConditionStatus;

    fn condition(status: ConditionStatus) -> Condition {
        let (reason, message) = ("Why".to_owned(), "because".to_owned());
        Condition { type_: "Ready".to_owned(), status, reason, message }
    }

    fn next_of(resource: &Value, new: &NewStatus<'_>) -> Option<Value> {
        let before = resource.get("status").and_then(Value::as_object).cloned().unwrap_or_default();
        next_status(&before, new)
    }

    fn next(current: &Value, wanted: Option<&str>, status: ConditionStatus, now: &str) -> Option<Value> {
        let conditions = [condition(status)];
        let new =
            NewStatus { wanted, conditions: &conditions, generation: Some(2), state_version: Some(1), now };
        next_of(current, &new)
    }

    #[test]
    fn an_equal_status_is_not_written_again_and_the_time_of_a_condition_stays() {
        let first = next(&json!({}), Some(r#"{"phase":"Up"}"#), ConditionStatus::True, "t1").unwrap();
        assert_eq!(first["phase"], "Up");
        assert_eq!(first["observedGeneration"], 2);
        assert_eq!(first["stateVersion"], 1);
        let resource = json!({ "status": first });
        assert_eq!(next(&resource, Some(r#"{"phase":"Up"}"#), ConditionStatus::True, "t2"), None);
        assert_eq!(next(&resource, None, ConditionStatus::True, "t2"), None);
        let changed = next(&resource, None, ConditionStatus::False, "t2").unwrap();
        assert_eq!(changed["conditions"][0]["lastTransitionTime"], "t2");
    }

    #[test]
    fn a_checkpoint_leaves_conditions_and_generation_as_they_are() {
        let first = next(&json!({}), Some(r#"{"phase":"Up"}"#), ConditionStatus::True, "t1").unwrap();
        let checkpoint = |resource: &Value| {
            let wanted = Some(r#"{"phase":"Moving"}"#);
            let new =
                NewStatus { wanted, conditions: &[], generation: None, state_version: Some(1), now: "" };
            next_of(resource, &new).unwrap()
        };
        let second = checkpoint(&json!({ "status": first }));
        assert_eq!(second["phase"], "Moving");
        assert_eq!(second["conditions"], first["conditions"]);
        assert_eq!(second["observedGeneration"], 2);
        assert_eq!(checkpoint(&json!({})), json!({ "phase": "Moving", "stateVersion": 1 }));
    }

    #[test]
    fn conditions_that_nobody_speaks_of_stay() {
        let other = json!({ "type": "Other", "status": "True" });
        let resource = json!({ "status": { "conditions": [other] } });
        let status = next(&resource, Some("{}"), ConditionStatus::True, "t").unwrap();
        assert_eq!(status["conditions"].as_array().unwrap().len(), 2);
        assert_eq!(status["conditions"][0], other);
    }
}
