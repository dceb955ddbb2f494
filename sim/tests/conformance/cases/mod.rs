//! The cases, by topic.

mod access;
mod apply;
mod budgets;
mod builtin;
mod concurrency;
mod custom;
mod deletion;
mod deployments;
mod garbage;
mod jobs;
mod lists;
mod objects;
mod patches;
mod pods;
mod sets;
mod watches;

/// A case: its name, and what it asks.
macro_rules! case {
    ($name:ident, $script:ident => $body:block) => {
        #[tokio::test]
        async fn $name() {
            crate::check::check(stringify!($name), async |$script: &mut crate::script::Script| $body).await;
        }
    };
}
pub(crate) use case;
