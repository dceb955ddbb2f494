//! What people ask for: another primary, version, configuration, size or password.

use serde_json::json;

use super::trial::{Setup, check, sure};

#[test]
fn a_primary_hands_over_to_the_replica_that_a_person_names() {
    check("switchover", &Setup::default(), |trial| {
        let (primary, replicas) = (trial.primary(), trial.replicas());
        let target = &replicas[0];
        sure(trial.subject.patch(&json!({ "switchover": { "target": target.pod, "requestID": "1" } })));
        trial.is_replaced(&primary);
        assert_eq!(trial.primary().pod, target.pod, "it handed over to the one that was named");
    });
}
