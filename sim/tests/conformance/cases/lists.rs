//! Lists: what is selected, and in what pages.

use http::Method;
use serde_json::{Value, json};

use super::case;
use crate::script::Script;

async fn three(script: &mut Script) -> String {
    let maps = script.at("v1/configmaps");
    for (name, label) in [("c", "x"), ("a", "y"), ("b", "x")] {
        script
            .prepare(
                Method::POST,
                &maps,
                json!({ "metadata": { "name": name, "labels": { "l": label, "all": "yes" } } }),
            )
            .await;
    }
    maps
}

case!(labels_and_fields_select, script => {
    let maps = three(script).await;
    for query in [
        "labelSelector=l%3Dx",
        "labelSelector=l%21%3Dx,all",
        "labelSelector=l%20in%20(x,y)",
        "labelSelector=l%20notin%20(x),all%3Dyes",
        "labelSelector=%21l,all",
        "labelSelector=all&fieldSelector=metadata.name%3Da",
        "labelSelector=all&fieldSelector=metadata.name%21%3Da",
    ] {
        script.get(&format!("{maps}?{query}")).await;
    }
    script.ask_roughly(Method::GET, &format!("{maps}?labelSelector=a%20b"), "", Value::Null).await;
    script.ask_roughly(Method::GET, &format!("{maps}?fieldSelector=data.a%3Db"), "", Value::Null).await;
});

case!(a_list_comes_in_pages_of_one_moment, script => {
    let maps = three(script).await;
    let first = script.get(&format!("{maps}?limit=1&labelSelector=all")).await;
    script.prepare(Method::POST, &maps, json!({ "metadata": { "name": "d", "labels": { "all": "yes" } } })).await;
    let token = first["metadata"]["continue"].as_str().unwrap().to_owned();
    let second = script.get(&format!("{maps}?limit=1&labelSelector=all&continue={token}")).await;
    let token = second["metadata"]["continue"].as_str().unwrap().to_owned();
    script.get(&format!("{maps}?limit=5&labelSelector=all&continue={token}")).await;
    script.ask_roughly(Method::GET, &format!("{maps}?limit=1&continue=nonsense"), "", Value::Null).await;
});

case!(only_metadata_can_be_asked_for, script => {
    let maps = three(script).await;
    let listed = script.partial(&format!("{maps}?labelSelector=all")).await;
    assert!(listed["items"][0].get("data").is_none());
    script.partial(&format!("{maps}/a")).await;
});
