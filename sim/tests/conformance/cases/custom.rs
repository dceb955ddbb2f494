//! Custom resources: what their definition says of them.

use http::Method;
use serde_json::{Value, json};

use super::case;

/// A version whose spec has these properties.
fn spec(properties: Value) -> Value {
    json!({
        "schema": { "openAPIV3Schema": {
            "type": "object",
            "properties": { "spec": { "type": "object", "properties": properties } },
        } },
    })
}

fn thing(version: &str, spec: Value) -> Value {
    json!({ "apiVersion": version, "kind": "Thing", "metadata": { "name": "a" }, "spec": spec })
}

case!(a_definition_puts_in_defaults_and_takes_out_the_rest, script => {
    let version = script.define(spec(json!({
        "count": { "type": "integer", "default": 3 },
        "mode": { "type": "object", "default": {}, "properties": { "kind": { "type": "string", "default": "Safe" } } },
        "list": { "type": "array", "items": { "type": "object", "properties": { "x": { "type": "string", "default": "y" } } } },
        "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
        "words": { "type": "object", "additionalProperties": { "type": "string" } },
        "maybe": { "type": "string", "nullable": true, "default": "d" },
        "sure": { "type": "string", "default": "d" },
        "either": { "x-kubernetes-int-or-string": true },
    }))).await;
    let things = script.at(&format!("{version}/things"));
    script.post(&things, thing(&version, json!({
        "nobody": 1, "list": [{}, { "x": "z", "nobody": 2 }], "free": { "as": ["it", { "is": null }] },
        "words": { "a": "b" }, "maybe": null, "sure": null, "either": "50%",
    }))).await;
    script.post(&things, json!({ "apiVersion": version, "kind": "Thing", "metadata": { "name": "b" } })).await;
    script.post(&things, json!({ "apiVersion": version, "kind": "Thing", "metadata": { "name": "c" }, "spec": {}, "status": { "x": 1 }, "other": 1 })).await;
});

case!(a_definition_says_what_values_may_be, script => {
    let mut version = spec(json!({
        "count": { "type": "integer", "minimum": 0, "maximum": 8 },
        "share": { "type": "number", "exclusiveMinimum": true, "minimum": 0 },
        "name": { "type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]+$" },
        "mode": { "type": "string", "enum": ["Safe", "Available"] },
        "list": { "type": "array", "maxItems": 2, "minItems": 1, "items": { "type": "string" } },
        "words": { "type": "object", "maxProperties": 1, "additionalProperties": { "type": "string" } },
        "keyed": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": { "type": "object", "required": ["k"], "properties": { "k": { "type": "string" }, "v": { "type": "string" } } },
        },
        "set": { "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string" } },
    }));
    version["schema"]["openAPIV3Schema"]["properties"]["spec"]["required"] = json!(["count"]);
    version["schema"]["openAPIV3Schema"]["required"] = json!(["spec"]);
    let version = script.define(version).await;
    let things = script.at(&format!("{version}/things"));
    for spec in [
        json!({}),
        json!({ "count": 9 }),
        json!({ "count": -1 }),
        json!({ "count": "1" }),

        json!({ "count": 1, "share": 0 }),
        json!({ "count": 1, "name": "a" }),
        json!({ "count": 1, "name": "abcdef" }),
        json!({ "count": 1, "name": "A1" }),
        json!({ "count": 1, "mode": "Other" }),
        json!({ "count": 1, "list": [] }),
        json!({ "count": 1, "list": ["a", "b", "c"] }),
        json!({ "count": 1, "list": [1] }),
        json!({ "count": 1, "words": { "a": "b", "c": "d" } }),
        json!({ "count": 1, "words": { "a": 1 } }),
        json!({ "count": 1, "keyed": [{ "k": "a" }, { "k": "a" }] }),
        json!({ "count": 1, "keyed": [{ "v": "a" }] }),
        json!({ "count": 1, "set": ["a", "a"] }),
        json!({ "count": null }),
        json!({ "count": 1, "name": null }),
        ] {
        script.post(&things, thing(&version, spec)).await;
    }
    // In no order that could be relied on.
    let twice = thing(&version, json!({ "count": 9, "mode": "Other" }));
    script.ask_roughly(Method::POST, &things, "application/json", twice).await;
    script.post(&things, json!({ "apiVersion": version, "kind": "Thing", "metadata": { "name": "a" } })).await;
    script.post(&things, thing(&version, json!({ "count": 1, "name": "abc", "mode": "Safe" }))).await;
});

case!(rules_are_asked, script => {
    let mut version = spec(json!({
        "least": { "type": "integer" },
        "most": { "type": "integer" },
        "fixed": { "type": "string", "x-kubernetes-validations": [
            { "rule": "self == oldSelf", "message": "fixed never changes" },
        ] },
        "words": { "type": "object", "maxProperties": 9, "additionalProperties": { "type": "string", "maxLength": 9 },
            "x-kubernetes-validations": [
                { "rule": "!('port' in self)", "message": "the port is not yours", "reason": "FieldValueForbidden" },
                { "rule": "self.all(key, key.startsWith('a'))", "message": "every key begins with an a" },
            ] },
    }));
    version["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"] = json!([
        { "rule": "!has(self.least) || !has(self.most) || self.least <= self.most", "message": "least is more than most" },
        { "rule": "has(self.fixed) == has(oldSelf.fixed)", "message": "fixed comes and goes", "fieldPath": ".fixed" },
    ]);
    version["schema"]["openAPIV3Schema"]["x-kubernetes-validations"] = json!([
        { "rule": "size(self.metadata.name) <= 5", "message": "the name is too long" },
    ]);
    let version = script.define(version).await;
    let things = script.at(&format!("{version}/things"));
    script.post(&things, thing(&version, json!({ "least": 2, "most": 1 }))).await;
    script.post(&things, thing(&version, json!({ "words": { "port": "1" } }))).await;
    script.post(&things, thing(&version, json!({ "words": { "b": "1" } }))).await;
    let mut long = thing(&version, json!({}));
    long["metadata"]["name"] = json!("abcdef");
    script.post(&things, long).await;
    script.post(&things, thing(&version, json!({ "least": 1, "most": 2, "fixed": "a" }))).await;
    script.merge(&format!("{things}/a"), json!({ "spec": { "fixed": "b" } })).await;
    script.merge(&format!("{things}/a"), json!({ "spec": { "fixed": null } })).await;
    script.merge(&format!("{things}/a"), json!({ "spec": { "most": 0 } })).await;
    script.merge(&format!("{things}/a"), json!({ "spec": { "most": 5 } })).await;
});

case!(generations_count_what_is_wanted, script => {
    let mut version = spec(json!({ "count": { "type": "integer" } }));
    version["subresources"] = json!({ "status": {} });
    version["schema"]["openAPIV3Schema"]["properties"]["status"] =
        json!({ "type": "object", "properties": { "ready": { "type": "integer" } } });
    let version = script.define(version).await;
    let things = script.at(&format!("{version}/things"));
    let mut with_status = thing(&version, json!({ "count": 1 }));
    with_status["status"] = json!({ "ready": 7 });
    script.post(&things, with_status).await;
    script.merge(&format!("{things}/a"), json!({ "spec": { "count": 2 }, "status": { "ready": 1 } })).await;
    script.merge(&format!("{things}/a"), json!({ "metadata": { "labels": { "a": "b" } } })).await;
    script.merge(&format!("{things}/a/status"), json!({ "spec": { "count": 3 }, "status": { "ready": 1 }, "metadata": { "labels": { "c": "d" } } })).await;
    script.apply(&format!("{things}/a/status"), "me", json!({ "apiVersion": version, "kind": "Thing", "metadata": { "name": "a" }, "status": { "ready": 2 } })).await;
    script.apply(&format!("{things}/a/status?force=true"), "me", json!({ "apiVersion": version, "kind": "Thing", "metadata": { "name": "a" }, "status": { "ready": 2 } })).await;
    script.apply(&format!("{things}/b/status"), "me", json!({ "apiVersion": version, "kind": "Thing", "metadata": { "name": "b" }, "status": { "ready": 2 } })).await;
    script.get(&format!("{things}/a")).await;
});

case!(without_a_status_of_its_own_everything_counts, script => {
    let mut version = spec(json!({ "count": { "type": "integer" } }));
    version["schema"]["openAPIV3Schema"]["properties"]["status"] =
        json!({ "type": "object", "properties": { "ready": { "type": "integer" } } });
    let version = script.define(version).await;
    let things = script.at(&format!("{version}/things"));
    let mut with_status = thing(&version, json!({ "count": 1 }));
    with_status["status"] = json!({ "ready": 7 });
    script.post(&things, with_status).await;
    script.merge(&format!("{things}/a"), json!({ "status": { "ready": 1 } })).await;
    script.ask_roughly(Method::PATCH, &format!("{things}/a/status"), "application/merge-patch+json", json!({ "status": { "ready": 2 } })).await;
});

case!(a_custom_resource_scales, script => {
    let mut version = spec(json!({ "replicas": { "type": "integer" } }));
    version["subresources"] = json!({ "status": {}, "scale": {
        "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector",
    } });
    version["schema"]["openAPIV3Schema"]["properties"]["status"] = json!({
        "type": "object", "properties": { "replicas": { "type": "integer" }, "selector": { "type": "string" } },
    });
    let version = script.define(version).await;
    let things = script.at(&format!("{version}/things"));
    script.post(&things, thing(&version, json!({ "replicas": 1 }))).await;
    script.get(&format!("{things}/a/scale")).await;
    script.merge(&format!("{things}/a/status"), json!({ "status": { "replicas": 1, "selector": "a=b" } })).await;
    let mut scale = script.get(&format!("{things}/a/scale")).await;
    scale["spec"]["replicas"] = json!(5);
    script.put(&format!("{things}/a/scale"), scale.clone()).await;
    script.put(&format!("{things}/a/scale"), scale).await;
    script.merge(&format!("{things}/a/scale"), json!({ "spec": { "replicas": 2 } })).await;
    script.get(&format!("{things}/a")).await;
});

case!(a_custom_resource_is_updated_only_with_a_version, script => {
    let version = script.define(spec(json!({ "count": { "type": "integer" } }))).await;
    let things = script.at(&format!("{version}/things"));
    let first = script.post(&things, thing(&version, json!({ "count": 1 }))).await;
    script.put(&format!("{things}/a"), thing(&version, json!({ "count": 2 }))).await;
    script.put(&format!("{things}/a"), first).await;
});

case!(lists_of_custom_resources_are_merged_as_they_say, script => {
    let version = script.define(spec(json!({
        "keyed": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k", "p"],
            "items": { "type": "object", "required": ["k"], "properties": {
                "k": { "type": "string" }, "p": { "type": "string", "default": "TCP" }, "v": { "type": "string" },
            } },
        },
        "set": { "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string" } },
        "atom": { "type": "array", "items": { "type": "string" } },
        "whole": { "type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": { "type": "string" } },
        "parts": { "type": "object", "additionalProperties": { "type": "string" } },
        "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
    }))).await;
    let a = format!("{}/a", script.at(&format!("{version}/things")));
    script.apply(&a, "one", thing(&version, json!({
        "keyed": [{ "k": "a", "v": "1" }, { "k": "b" }], "set": ["x", "y"], "atom": ["p"], "whole": { "w": "1" },
        "parts": { "a": "1" }, "free": { "deep": { "a": 1 }, "list": [{ "b": 1 }] },
    }))).await;
    script.apply(&a, "two", thing(&version, json!({
        "keyed": [{ "k": "c" }], "set": ["z"], "parts": { "b": "2" }, "free": { "deep": { "c": 2 } },
    }))).await;
    script.apply(&a, "two", thing(&version, json!({ "atom": ["q"] }))).await;
    script.apply(&a, "two", thing(&version, json!({ "whole": { "v": "2" } }))).await;
    script.apply(&a, "one", thing(&version, json!({ "keyed": [{ "k": "b", "v": "2" }], "set": ["y"], "parts": {} }))).await;
    script.apply(&a, "two", thing(&version, json!({ "nobody": 1 }))).await;
    script.apply(&a, "two", thing(&version, json!({ "set": ["z", "z"] }))).await;
});

case!(kinds_can_be_discovered, script => {
    let mut version = spec(json!({}));
    version["subresources"] = json!({ "status": {} });
    let version = script.define(version).await;
    script.get(&format!("/apis/{version}")).await;
    if let Some(answer) = script.answers.last_mut() {
        // It means something only to the server that gave it.
        answer["answer"]["resources"][0].as_object_mut().unwrap().remove("storageVersionHash");
    }
});

case!(a_kind_can_be_read_in_each_of_its_versions, script => {
    let version = script.define(spec(json!({ "count": { "type": "integer", "default": 3 } }))).await;
    let group = version.trim_end_matches("/v1").to_owned();
    let definition = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.{group}");
    let first = script.look(&definition).await["spec"]["versions"][0].clone();
    let mut second = first.clone();
    second["name"] = json!("v2");
    second["storage"] = json!(false);
    script.lay_over(&definition, json!({ "spec": { "versions": [first, second] } })).await;
    let (one, two) = (script.at(&format!("{group}/v1/things")), script.at(&format!("{group}/v2/things")));
    for _ in 0..200 {
        if script.look(&two).await["kind"] == "ThingList" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let created = script.post(&one, thing(&version, json!({}))).await;
    script.get(&format!("{two}/a")).await;
    let version = created["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let mut watch = script.watch(&two, &format!("resourceVersion={version}")).await;
    // Written as it is, in the other version.
    let same = script.get(&format!("{two}/a")).await;
    script.put(&format!("{two}/a"), same).await;
    script.merge(&format!("{two}/a"), json!({ "spec": { "count": 4 } })).await;
    script.get(&format!("{one}/a")).await;
    script.apply(&format!("{two}/a"), "me", thing(&format!("{group}/v2"), json!({ "count": 4 }))).await;
    script.hear(&mut watch, 2).await;
    script.get(&one).await;
    script.get(&two).await;
    script.ask_roughly(Method::PUT, &format!("{two}/a"), "application/json", created).await;
});

case!(watches_end_with_the_definition_of_their_kind, script => {
    let version = script.define(spec(json!({}))).await;
    let things = script.at(&format!("{version}/things"));
    let created = script.post(&things, thing(&version, json!({}))).await;
    let since = created["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let mut watch = script.watch(&things, &format!("resourceVersion={since}")).await;
    let group = version.trim_end_matches("/v1").to_owned();
    let definition = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.{group}");
    script.ask_roughly(Method::DELETE, &definition, "application/json", Value::Null).await;
    script.hear(&mut watch, 1).await;
    script.hear_end(&mut watch).await;
    script.until(&things, |code, _| code == 404).await;
});
