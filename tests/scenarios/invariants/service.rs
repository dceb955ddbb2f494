//! Whom the read-write Service leads to.

use serde_json::Value;

use super::{State, text};

/// Whom it selects that leads to nobody.
const NOBODY: &str = "none";

impl State {
    /// I1 and I2: it is one pod by its name, and that of the primary on record.
    pub(super) fn see_service(&mut self, body: &Value) {
        let selector = body.pointer("/spec/selector").unwrap_or(&Value::Null);
        let pod = selector.get("statefulset.kubernetes.io/pod-name").and_then(Value::as_str);
        let Some(pod) = pod else {
            self.breaks(format!("I1: the Service selects {selector}"));
            return;
        };
        let changes = std::mem::replace(&mut self.selected, pod.to_owned()) != pod;
        let primary = text(&self.status, "/primary/pod");
        // In a switchover it leads to the old one until the new one has what it needs.
        if changes && pod != NOBODY && pod != primary {
            self.breaks(format!("I2: the Service selects {pod}, and {primary:?} is the primary on record"));
        }
    }
}
