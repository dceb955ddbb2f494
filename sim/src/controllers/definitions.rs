//! Removes the custom resources of definitions that are deleted.

use super::{all, change, delete, has_finalizer, is_deleted, release};
use crate::api::{DEFINITION_FINALIZER, State};

pub(super) fn step(state: &mut State) {
    for (place, definition) in all(state, "apiextensions.k8s.io", "customresourcedefinitions") {
        if !is_deleted(&definition) || !has_finalizer(&definition, DEFINITION_FINALIZER) {
            continue;
        }
        let left = all(state, definition.text("/spec/group"), definition.text("/spec/names/plural"));
        for (place, resource) in left.iter().filter(|(_, resource)| !is_deleted(resource)) {
            delete(state, place, resource.text("/metadata/uid"));
        }
        if left.is_empty() {
            change(state, &place, "", |definition| release(definition, DEFINITION_FINALIZER));
        }
    }
}
