//! What the operlet's account may not do.

use super::{Condition, THINGS, Thing, objects::ensuring, things_alone};
use crate::{
    cluster::Cluster,
    kubectl::{check, eventually},
};

/// The rule of the role that is changed here, as it stands in the manifests.
const RULE: &str = "\
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
";

/// Takes the role back to what it was, however the test ends.
struct Restored(&'static Cluster);

impl Drop for Restored {
    fn drop(&mut self) {
        let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        let _ = self.0.kubectl.try_feed(&arguments, &THINGS.manifests());
    }
}

fn authorized(cluster: &Cluster) -> Condition {
    THINGS.condition(cluster, "Authorized").unwrap_or_else(|| {
        panic!("the Operlet says whether it is authorized: {}", THINGS.object(cluster)["status"])
    })
}

#[test]
fn a_missing_right_is_named_and_all_goes_on_when_it_is_granted() {
    let (cluster, _guard) = things_alone();
    let namespace = cluster.namespace("e2e-rights");
    let thing = Thing::apply(&namespace, "entitled", ensuring(&[("written", "one")]));
    thing.is_settled();
    assert!(authorized(cluster).holds, "{:?}", authorized(cluster));

    let restored = Restored(cluster);
    let manifests = THINGS.manifests();
    assert!(manifests.contains(RULE), "the manifests have the rule that is changed here");
    let less = manifests.replace(RULE, &RULE.replace(" patch,", ""));
    cluster.kubectl.apply(&less);
    thing.set(ensuring(&[("written", "two")]));
    thing.is_told("Forbidden", &["written"]);
    eventually("the Operlet names the right", || {
        let condition = authorized(cluster);
        let Condition { holds, reason, message } = &condition;
        let named = ["patch", "configmaps", "all namespaces"].iter().all(|word| message.contains(word));
        check(!holds && reason == "MissingRights" && named, format!("{condition:?}"))
    });

    drop(restored);
    // Its own back-off would do, in a minute; a change is looked at sooner.
    thing.set(ensuring(&[("written", "three")]));
    thing.is_settled();
    assert_eq!(thing.child("configmaps", "written").unwrap()["data"]["value"], "three");
    eventually("the Operlet is authorized again", || {
        check(authorized(cluster).holds, format!("{:?}", authorized(cluster)))
    });
}
