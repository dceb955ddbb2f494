//! Services.

use serde_json::{Value, json};

use super::{child, items, set};
use crate::api::error::Cause;

pub(super) fn default(service: &mut Value) {
    let Some(spec) = child(service, "spec") else { return };
    set(spec, "sessionAffinity", json!("None"));
    set(spec, "type", json!("ClusterIP"));
    for port in items(spec, "ports") {
        set(port, "protocol", json!("TCP"));
        let target = port.get("port").cloned().unwrap_or_default();
        set(port, "targetPort", target);
    }
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default();
    if kind == "ExternalName" {
        return;
    }
    let outside = ["NodePort", "LoadBalancer"].contains(&kind);
    let balanced = kind == "LoadBalancer";
    set(spec, "internalTrafficPolicy", json!("Cluster"));

    if outside {
        set(spec, "externalTrafficPolicy", json!("Cluster"));
    }
    if balanced {
        set(spec, "allocateLoadBalancerNodePorts", json!(true));
    }
}

/// A Service keeps the address that it was given.
pub(super) fn keep(service: &mut Value, old: &Value) {
    let text = |service: &Value, field: &str| {
        service.get("spec").and_then(|spec| spec.get(field)?.as_str()).unwrap_or_default().to_owned()
    };
    let external = |service: &Value| text(service, "type") == "ExternalName";
    let address = text(old, "clusterIP");
    if external(service) || external(old) || address.is_empty() {
        return;
    }
    let said = text(service, "clusterIP");
    let Some(spec) = service.get_mut("spec") else { return };
    if said.is_empty() {
        if let Some(spec) = spec.as_object_mut() {
            spec.insert("clusterIP".to_owned(), json!(address));
            spec.insert("clusterIPs".to_owned(), json!([address]));
        }
    } else {
        set(spec, "clusterIPs", json!([said]));
    }
    for field in ["ipFamilies", "ipFamilyPolicy"] {
        if let Some(value) = old.pointer(&format!("/spec/{field}")) {
            set(spec, field, value.clone());
        }
    }
}

pub(super) fn check(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let text = |service: &Value, pointer: &str| {
        service.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let headless = text(new, "/spec/clusterIP") == "None" || text(new, "/spec/type") == "ExternalName";
    let ports = new.pointer("/spec/ports").and_then(Value::as_array).map_or(0, Vec::len);
    if ports == 0 && !headless {
        causes.push(Cause::required("spec.ports", ""));
    }
    let names = new.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten().enumerate();
    for (place, port) in names.filter(|_| ports > 1) {
        if port.get("name").and_then(Value::as_str).unwrap_or_default().is_empty() {
            causes.push(Cause::required(format!("spec.ports[{place}].name"), ""));
        }
    }
    if let Some(old) = old {
        let (before, after) = (text(old, "/spec/clusterIP"), text(new, "/spec/clusterIP"));
        if before != after && !before.is_empty() {
            let value = json!([after]);
            let cause = Cause::invalid("spec.clusterIPs[0]", &value, "may not change once set");
            causes.push(cause);
        }
    }
    causes
}
