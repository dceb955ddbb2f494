use std::time::Duration;

use serde::Serialize;

use crate::{
    Amend, Condition, ConditionStatus, Create, Decision, Ensure, Event, EventType, Failure, Intent, Kind,
    ObjectKey, Observation, ObservedVersion, Outcome, Probe, Remove, parse,
};

impl Outcome {
    /// An outcome that wants nothing yet. What an earlier decision ensured and this
    /// one does not name is deleted, if its kind may be.
    ///
    /// ```
    /// use operlet_sdk::{ConditionStatus, Decision, Outcome};
    /// use serde_json::json;
    ///
    /// let mut outcome = Outcome::new();
    /// outcome
    ///     .ensure(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}))?
    ///     .with_status(&json!({"phase": "Running"}))?
    ///     .condition("Ready", ConditionStatus::True, "Running", "everything is as it should be");
    /// assert!(matches!(outcome.settle(), Decision::Settle(_)));
    /// # Ok::<(), operlet_sdk::Failure>(())
    /// ```
    pub fn new() -> Self {
        Self {
            intents: Vec::new(),
            status: None,
            conditions: Vec::new(),
            events: Vec::new(),
            requeue_after_ms: None,
            carry: Vec::new(),
            released: false,
            probes: Vec::new(),
            extensions: Vec::new(),
        }
    }

    /// An object that should be so: the fields given are applied by the server's
    /// field management, others are left to whoever set them.
    ///
    /// # Errors
    ///
    /// [`Failure::Bug`] if the object cannot be written as JSON.
    pub fn ensure(&mut self, object: &impl Serialize) -> Result<&mut Self, Failure> {
        self.push_ensure(object, None)
    }

    /// As [`ensure`](Self::ensure), made only while the object is still the one
    /// observed, at the version observed.
    ///
    /// # Errors
    ///
    /// [`Failure::Bug`] if the object cannot be written as JSON.
    pub fn ensure_unchanged(
        &mut self,
        object: &impl Serialize,
        observed: ObservedVersion,
    ) -> Result<&mut Self, Failure> {
        self.push_ensure(object, Some(observed))
    }

    /// An object that should exist, whatever it holds once it does: for what is
    /// generated once, a password say. Name it only while it is not observed.
    ///
    /// # Errors
    ///
    /// [`Failure::Bug`] if the object cannot be written as JSON.
    pub fn create(&mut self, object: &impl Serialize) -> Result<&mut Self, Failure> {
        let object = json("an object to create", object)?;
        self.intents.push(Intent::Create(Create { object, extensions: Vec::new() }));
        Ok(self)
    }

    /// Fields to be set on the object with this uid; it is never created by this.
    ///
    /// # Errors
    ///
    /// [`Failure::Bug`] if the fields cannot be written as JSON.
    pub fn amend(&mut self, uid: impl Into<String>, fields: &impl Serialize) -> Result<&mut Self, Failure> {
        let object = json("an object to amend", fields)?;
        self.intents.push(Intent::Amend(Amend { object, uid: uid.into(), extensions: Vec::new() }));
        Ok(self)
    }

    /// The object of this kind, name and uid should go.
    pub fn remove(&mut self, kind: &Kind, name: impl Into<String>, uid: impl Into<String>) -> &mut Self {
        let key = kind.key(name);
        self.intents.push(Intent::Remove(Remove { key, uid: uid.into(), extensions: Vec::new() }));
        self
    }

    /// The object of this kind and name should stay just as it is: neither written nor deleted.
    pub fn keep(&mut self, kind: &Kind, name: impl Into<String>) -> &mut Self {
        self.intents.push(Intent::Keep(kind.key(name)));
        self
    }

    /// Everything that is observed should stay just as it is: for a resource that is paused.
    pub fn keep_observed(&mut self, observation: &Observation) -> &mut Self {
        for of_kind in &observation.observed {
            let key = |object: &String| ObjectKey {
                kind: of_kind.kind.clone(),
                namespace: None,
                name: parse::name_of(object),
            };
            self.intents.extend(of_kind.objects.iter().map(key).map(Intent::Keep));
        }
        self
    }

    /// The whole status but for `conditions`, `observedGeneration` and
    /// `stateVersion`, which the host writes.
    ///
    /// # Errors
    ///
    /// [`Failure::Bug`] if the status cannot be written as JSON.
    pub fn with_status(&mut self, status: &impl Serialize) -> Result<&mut Self, Failure> {
        self.status = Some(json("the status", status)?);
        Ok(self)
    }

    /// A condition of the resource: its type and reason in CamelCase, its message in
    /// words for a person. The host merges it by type and keeps the transition time.
    pub fn condition(
        &mut self,
        name: impl Into<String>,
        status: ConditionStatus,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> &mut Self {
        let (type_, reason, message) = (name.into(), reason.into(), message.into());
        self.conditions.push(Condition { type_, status, reason, message });
        self
    }

    /// An Event of the resource. Give one only when something happened: not each
    /// time while it lasts.
    pub fn event(
        &mut self,
        class: EventType,
        reason: impl Into<String>,
        action: impl Into<String>,
        message: impl Into<String>,
    ) -> &mut Self {
        self.events.push(Event {
            type_: class,
            reason: reason.into(),
            message: message.into(),
            action: action.into(),
            extensions: Vec::new(),
        });
        self
    }

    /// Calls again after this time if nothing changes before; zero is at once.
    pub fn requeue_after(&mut self, after: Duration) -> &mut Self {
        self.requeue_after_ms = Some(milliseconds(after));
        self
    }

    /// Bytes for the next reconcile; a hint that may be lost.
    pub fn with_carry(&mut self, carry: impl Into<Vec<u8>>) -> &mut Self {
        self.carry = carry.into();
        self
    }

    /// While the resource is being deleted: all is cleaned up, it may go.
    pub fn release(&mut self) -> &mut Self {
        self.released = true;
        self
    }

    /// A probe that should run from now on.
    pub fn probe(&mut self, probe: Probe) -> &mut Self {
        self.probes.push(probe);
        self
    }

    /// The decision that settles on this outcome.
    pub fn settle(self) -> Decision {
        Decision::Settle(self)
    }

    fn push_ensure(
        &mut self,
        object: &impl Serialize,
        if_unchanged: Option<ObservedVersion>,
    ) -> Result<&mut Self, Failure> {
        let object = json("an object to ensure", object)?;
        self.intents.push(Intent::Ensure(Ensure { object, if_unchanged, extensions: Vec::new() }));
        Ok(self)
    }
}

impl Default for Outcome {
    fn default() -> Self {
        Self::new()
    }
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// JSON text of a value of the author's.
pub(crate) fn json(what: &str, value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::bug(format!("{what} is no JSON: {error}")))
}

/// Milliseconds; a time beyond any calendar is cut to the longest there is.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
