//! A component of a contract that is yet to come.

#[allow(missing_docs, unsafe_code, clippy::all, reason = "generated code")]
mod generated {
    wit_bindgen::generate!({
        inline: "
            package operlet:operator@0.2.0;

            interface reconciler {
                describe: func() -> string;
                reconcile: func(observation: string) -> string;
            }

            world operator {
                export reconciler;
            }
        ",
    });
    export!(Future);

    use super::Future;
}

use generated::exports::operlet::operator::reconciler::Guest;

struct Future;

impl Guest for Future {
    fn describe() -> String {
        "from the future".to_owned()
    }

    fn reconcile(observation: String) -> String {
        observation
    }
}
