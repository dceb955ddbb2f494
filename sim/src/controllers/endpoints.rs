//! Where Services lead: one EndpointSlice for each that selects pods.

use serde_json::{Value, json};

use super::{all, change, create, pods::is_ready};
use crate::api::{LabelSelector, Place, State};

/// What it looks at.
pub(super) const KINDS: &[(&str, &str)] =
    &[("", "services"), ("", "pods"), ("discovery.k8s.io", "endpointslices")];

pub(super) fn step(state: &mut State) {
    for (place, service) in all(state, "", "services") {
        let Some(selector) = service.value.pointer("/spec/selector").filter(|selector| !selector.is_null())
        else {
            continue;
        };
        let early = service.value.pointer("/spec/publishNotReadyAddresses") == Some(&json!(true));
        let selector = LabelSelector::from_object(&json!({ "matchLabels": selector }));
        let pods = state.store.list("", "pods", Some(&place.namespace));
        let endpoints: Vec<Value> = pods
            .filter(|(_, pod)| selector.matches(&pod.value))
            .filter_map(|(place, pod)| endpoint(place, &pod.value, early))
            .collect();
        let first = state
            .store
            .list("", "pods", Some(&place.namespace))
            .find(|(_, pod)| selector.matches(&pod.value));
        let ports: Vec<Value> = service
            .value
            .pointer("/spec/ports")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|port| {
                let target = target(port, first.map(|(_, pod)| &pod.value))?;
                let name = port.get("name").cloned().unwrap_or_else(|| json!(""));
                Some(json!({ "name": name, "port": target, "protocol": port.get("protocol") }))
            })
            .collect();
        write(state, &place, service.text("/metadata/uid"), endpoints, ports);
    }
}

/// The port of pods that a port of a Service leads to: a number, or the name of one of
/// theirs.
fn target(port: &Value, pod: Option<&Value>) -> Option<Value> {
    let target = port.get("targetPort").or_else(|| port.get("port"))?;
    let Some(name) = target.as_str() else { return Some(target.clone()) };
    let containers = pod?.pointer("/spec/containers").and_then(Value::as_array)?;
    let mut ports = containers.iter().filter_map(|container| container.get("ports")?.as_array()).flatten();
    ports.find(|port| port.get("name").is_some_and(|is| is == name))?.get("containerPort").cloned()
}

fn endpoint(place: &Place, pod: &Value, early: bool) -> Option<Value> {
    let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str);
    let address = text("/status/podIP")?;
    if matches!(text("/status/phase"), Some("Succeeded" | "Failed")) {
        return None;
    }
    let going = pod.pointer("/metadata/deletionTimestamp").is_some();
    let serving = is_ready(pod);
    Some(json!({
        "addresses": [address],
        "conditions": { "ready": early || serving && !going, "serving": serving, "terminating": going },
        "nodeName": text("/spec/nodeName"),
        "targetRef": { "kind": "Pod", "namespace": place.namespace, "name": place.name, "uid": text("/metadata/uid") },
    }))
}

fn write(state: &mut State, service: &Place, uid: &str, endpoints: Vec<Value>, ports: Vec<Value>) {
    let slice = Place {
        group: "discovery.k8s.io".to_owned(),
        plural: "endpointslices".to_owned(),
        namespace: service.namespace.clone(),
        name: format!("{}-endpoints", service.name),
    };
    let Some(known) = state.store.get(&slice) else {
        let object = json!({
            "metadata": {
                "name": slice.name,
                "labels": {
                    "kubernetes.io/service-name": service.name,
                    "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                },
                "ownerReferences": [{
                    "apiVersion": "v1", "kind": "Service", "name": service.name, "uid": uid,
                    "controller": true, "blockOwnerDeletion": true,
                }],
            },
            "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
        });
        create(state, "discovery.k8s.io", "endpointslices", &service.namespace, object);
        return;
    };
    let empty = json!([]);
    let is = |field: &str| known.value.get(field).unwrap_or(&empty);
    if *is("endpoints") != json!(endpoints) || *is("ports") != json!(ports) {
        change(state, &slice, "", |slice| {
            if let Some(slice) = slice.as_object_mut() {
                slice.insert("endpoints".to_owned(), json!(endpoints));
                slice.insert("ports".to_owned(), json!(ports));
            }
        });
    }
}
