//! A component that is ready to be called.

use std::sync::{Arc, Weak};

use super::{
    Engine,
    bindings::v0_1_0::{OperatorPre, exports::operlet::operator::reconciler as bindings},
    call::{Call, CallError},
    convert, load,
    manifest::{self, ManifestError},
    meter::bounded,
    store::{CallContext, StoreData},
    verify,
};
use crate::model::{Decision, Digest, Failure, Limits, Manifest, Observation};

/// A compiled component. Cloning is cheap and shares the compiled code.
#[derive(Clone)]
pub struct Component {
    loaded: Arc<Loaded>,
}

/// A component that goes when nobody else has it any more.
pub(super) struct WeakComponent(Weak<Loaded>);

impl WeakComponent {
    /// The component, if somebody still has it.
    pub(super) fn upgrade(&self) -> Option<Component> {
        Some(Component { loaded: self.0.upgrade()? })
    }
}

struct Loaded {
    engine: Engine,
    digest: Digest,
    imports: Vec<String>,
    exports: Vec<String>,
    pre: OperatorPre<StoreData>,
}

/// A component does not say what it is, or not in a way that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescribeError {
    /// The call failed.
    #[error("`describe` failed: {0}")]
    Call(#[from] CallError),
    /// Two calls gave two answers.
    #[error(
        "`describe` gave two different answers in two calls: it must be constant (in Rust, the usual \
         culprit is the order of a HashMap)"
    )]
    NotConstant,
    /// The answer cannot be used.
    #[error("`describe` gave a manifest that cannot be used: {0}")]
    Manifest(#[from] ManifestError),
}

impl Component {
    pub(super) fn new(
        engine: Engine,
        bytes: &[u8],
        compiled: &wasmtime::component::Component,
        pre: OperatorPre<StoreData>,
    ) -> Self {
        let (digest, imports, exports) =
            (Digest::of(bytes), load::imports(compiled), load::exports(compiled));
        Self { loaded: Arc::new(Loaded { engine, digest, imports, exports, pre }) }
    }

    /// A reference that does not keep it.
    pub(super) fn downgrade(&self) -> WeakComponent {
        WeakComponent(Arc::downgrade(&self.loaded))
    }

    /// The digest of its unpacked bytes.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.loaded.digest
    }

    /// The interfaces it imports.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.loaded.imports
    }

    /// The interfaces it exports.
    #[must_use]
    pub fn exports(&self) -> &[String] {
        &self.loaded.exports
    }

    /// Asks the component what it is: twice, since the answer must be constant.
    pub async fn describe(&self) -> Result<Manifest, DescribeError> {
        let limits = Limits::default();
        let first = self.describe_once(&limits).await?;
        if self.describe_once(&limits).await? != first {
            return Err(DescribeError::NotConstant);
        }
        manifest::check_extensions(&first.extensions)?;
        let manifest = convert::manifest(first);
        manifest::check(&manifest)?;
        Ok(manifest)
    }

    async fn describe_once(&self, limits: &Limits) -> Result<bindings::Manifest, CallError> {
        let context = CallContext { operlet: "".into(), resource: "describe".into() };
        let Loaded { engine, digest, pre, .. } = &*self.loaded;
        let mut call = Call::begin(&engine.shared, limits, context, digest.clone()).await?;
        let store = &mut call.store;
        let result = bounded(limits, async {
            let instance = pre.instantiate_async(&mut *store).await?;
            instance.operlet_operator_reconciler().call_describe(store).await
        })
        .await;
        call.end(result)
    }

    /// Shows the component an observation and takes its decision, which has
    /// passed the checks that need nothing but the contract.
    pub async fn reconcile(
        &self,
        observation: &Observation,
        limits: &Limits,
        context: &CallContext,
    ) -> Result<Result<Decision, Failure>, CallError> {
        verify::observation(observation, limits)?;
        let observation = convert::observation(observation);
        let Loaded { engine, digest, pre, .. } = &*self.loaded;
        let mut call = Call::begin(&engine.shared, limits, context.clone(), digest.clone()).await?;
        let store = &mut call.store;
        let result = bounded(limits, async {
            let instance = pre.instantiate_async(&mut *store).await?;
            instance.operlet_operator_reconciler().call_reconcile(store, &observation).await
        })
        .await;
        let answer = call.end(result)?;
        verify::answer(&answer, limits)?;
        Ok(answer.map(convert::decision).map_err(convert::failure))
    }
}
