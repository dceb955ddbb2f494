//! A component of the other world: it exports `admission` and no `reconciler`.

#[allow(missing_docs, unsafe_code, clippy::all, reason = "generated code; the documentation stands in wit/")]
mod generated {
    wit_bindgen::generate!({ path: "../../wit", world: "policy" });
    export!(Policy);

    use super::Policy;
}

use generated::exports::operlet::operator::admission::{Guest, PolicyManifest, Review, Verdict};

struct Policy;

impl Guest for Policy {
    fn describe() -> PolicyManifest {
        PolicyManifest {
            name: "permissive".to_owned(),
            version: "0.1.0".to_owned(),
            contract: "0.1.0".to_owned(),
            kinds: Vec::new(),
            extensions: Vec::new(),
        }
    }

    fn validate(_: Review) -> Verdict {
        Verdict { violations: Vec::new(), warnings: Vec::new(), extensions: Vec::new() }
    }

    fn default(_: Review) -> Result<Option<String>, String> {
        Ok(None)
    }

    fn convert(objects: Vec<String>, _: String) -> Result<Vec<String>, String> {
        Ok(objects)
    }
}
