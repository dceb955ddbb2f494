//! From bytes to a component that can be called, or the reason why not.

use wasmtime::component::{
    Component as Compiled, InstancePre, Linker,
    types::{ComponentInstance, ComponentItem},
};

use super::{
    CONTRACT_VERSIONS,
    bindings::v0_1_0::{
        self, OperatorPre,
        exports::operlet::operator::reconciler::{Decision, Failure, Manifest, Observation},
    },
    store::StoreData,
};
use crate::model::COMPONENT_BYTES_MAX;

/// The bytes are not a component that this host can run. The texts are for the
/// person who ships it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// There are none.
    #[error("the component is empty (0 bytes)")]
    Empty,
    /// It is larger than this host compiles.
    #[error("the component has {bytes} bytes unpacked, and the limit is {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It is something else.
    #[error("this is not WebAssembly: it begins with {start}{hint}")]
    NotWebAssembly {
        /// The first bytes, in hexadecimal.
        start: String,
        /// What it seems to be.
        hint: &'static str,
    },
    /// It is what a compiler makes without the component linker.
    #[error(
        "this is a core WebAssembly module, not a component: build it with the linker wasm-component-ld \
         (for Rust: cargo build --target wasm32-unknown-unknown with `linker = \"wasm-component-ld\"` \
         for that target in .cargo/config.toml)"
    )]
    CoreModule,
    /// The bytes end too early.
    #[error("the component is cut off after {bytes} bytes ({problem}): copy or build it again")]
    Truncated {
        /// How many there are.
        bytes: usize,
        /// What the parser says.
        problem: String,
    },
    /// It does not follow the format, or needs what this host does not have.
    #[error("this is not a valid component for this host: {problem}")]
    Invalid {
        /// What the compiler says.
        problem: String,
    },
    /// The process that compiles did not do so, through no fault of the component
    /// that is known.
    #[error("the component could not be compiled: {problem}")]
    NotCompiled {
        /// What happened to it.
        problem: String,
    },
    /// It was built against another version of the contract.
    #[error(
        "the component was built for version {found} of the contract operlet:operator, and this host \
         knows {}: build it against one of these, or use a host that knows {found}",
        supported.join(", ")
    )]
    ContractVersion {
        /// The version it has.
        found: String,
        /// The versions that this host knows.
        supported: &'static [&'static str],
    },
    /// It needs something that a pure function does not.
    #[error(
        "the component imports {}, and operlet:operator/diagnostics@{} is all that one may import; {hint}",
        imports.join(", "), v0_1_0::VERSION
    )]
    Import {
        /// The imports that there are not.
        imports: Vec<String>,
        /// What to do.
        hint: &'static str,
    },
    /// It is a component for something else.
    #[error(
        "the component is not an operator: it does not export operlet:operator/reconciler@{}, but {}; \
         build it for the world `operator`",
        v0_1_0::VERSION,
        list_or_nothing(exports)
    )]
    NoReconciler {
        /// What it does export.
        exports: Vec<String>,
    },
    /// A function has other parameters or results than the contract says.
    #[error("{item} does not have the type it has in the contract {}: {problem}", v0_1_0::VERSION)]
    TypeMismatch {
        /// Which.
        item: String,
        /// What differs.
        problem: String,
    },
}

const CONTRACT: &str = "operlet:operator/";
const RECONCILER: &str = "operlet:operator/reconciler";
/// Every component has some of these: one function, and the types that the
/// reconciler's functions speak in.
const IMPORTABLE: &[&str] =
    &["operlet:operator/diagnostics", "operlet:operator/types", "operlet:operator/exchanges"];

const MAGIC: &[u8] = b"\0asm";
/// The layer, which tells components (1) from core modules (0).
const LAYER: std::ops::Range<usize> = 6..8;
const CORE_LAYER: &[u8] = &[0, 0];

/// What can be said without parsing.
pub(super) fn check_format(bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.is_empty() {
        return Err(LoadError::Empty);
    }
    if bytes.len() > COMPONENT_BYTES_MAX {
        return Err(LoadError::TooLarge { bytes: bytes.len(), limit: COMPONENT_BYTES_MAX });
    }
    if !bytes.starts_with(MAGIC) {
        return Err(LoadError::NotWebAssembly { start: first_bytes(bytes), hint: guess(bytes) });
    }
    match bytes.get(LAYER) {
        None => {
            let problem = "not even the header is complete".to_owned();
            Err(LoadError::Truncated { bytes: bytes.len(), problem })
        }
        Some(CORE_LAYER) => Err(LoadError::CoreModule),
        Some(_) => Ok(()),
    }
}

fn first_bytes(bytes: &[u8]) -> String {
    let shown: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    shown.join(" ")
}

fn guess(bytes: &[u8]) -> &'static str {
    const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
    const GZIP: &[u8] = &[0x1f, 0x8b];
    if bytes.starts_with(ZSTD) {
        ", which is zstd: unpack it first, or give it under the key component.wasm.zst"
    } else if bytes.starts_with(GZIP) {
        ", which is gzip: unpack it first"
    } else if bytes.trim_ascii_start().starts_with(b"(") {
        ", which seems to be WebAssembly's text form: translate it with `wasm-tools parse`"
    } else {
        ""
    }
}

pub(super) fn compile(engine: &wasmtime::Engine, bytes: &[u8]) -> Result<Compiled, LoadError> {
    Compiled::from_binary(engine, bytes).map_err(|error| classify(bytes, one_line(&error)))
}

/// What the compiler says, as far as it can be told apart.
pub(super) fn classify(bytes: &[u8], problem: String) -> LoadError {
    let ends_early = ["unexpected end", "out of bounds (bound"].iter().any(|sign| problem.contains(sign));
    if ends_early {
        LoadError::Truncated { bytes: bytes.len(), problem }
    } else {
        LoadError::Invalid { problem }
    }
}

/// Checks what goes in and out, and prepares the calls.
pub(super) fn link(
    linker: &Linker<StoreData>,
    compiled: &Compiled,
) -> Result<OperatorPre<StoreData>, LoadError> {
    let (imports, exports) = (imports(compiled), exports(compiled));
    check_version(&imports, &exports)?;
    check_imports(&imports)?;
    check_reconciler(compiled, &exports)?;
    let pre = linker.instantiate_pre(compiled).map_err(|error| LoadError::TypeMismatch {
        item: "an import".to_owned(),
        problem: one_line(&error),
    })?;
    prepare(pre)
}

fn prepare(pre: InstancePre<StoreData>) -> Result<OperatorPre<StoreData>, LoadError> {
    OperatorPre::new(pre)
        .map_err(|error| LoadError::TypeMismatch { item: RECONCILER.to_owned(), problem: one_line(&error) })
}

/// Names are compared as they stand. The engine would take `0.1.9` for `0.1.0`,
/// since semantic versioning says that they are compatible; here they are not,
/// for a type's least change makes another type.
fn check_version(imports: &[String], exports: &[String]) -> Result<(), LoadError> {
    let known = |name: &String| {
        CONTRACT_VERSIONS.iter().any(|version| name.strip_prefix(RECONCILER) == Some(&format!("@{version}")))
    };
    if exports.iter().any(known) {
        return Ok(());
    }
    let of_contract = |names: &[String]| {
        names.iter().filter(|name| name.starts_with(CONTRACT)).find_map(|name| {
            let version = name.split_once('@').map_or("(none)", |(_, version)| version);
            (!CONTRACT_VERSIONS.contains(&version)).then(|| version.to_owned())
        })
    };
    match of_contract(exports).or_else(|| of_contract(imports)) {
        Some(found) => Err(LoadError::ContractVersion { found, supported: CONTRACT_VERSIONS }),
        None => Ok(()),
    }
}

fn check_imports(imports: &[String]) -> Result<(), LoadError> {
    let allowed = |name: &&String| {
        name.split_once('@')
            .is_some_and(|(name, version)| IMPORTABLE.contains(&name) && CONTRACT_VERSIONS.contains(&version))
    };
    let refused: Vec<String> = imports.iter().filter(|name| !allowed(name)).cloned().collect();
    if refused.is_empty() {
        return Ok(());
    }
    let hint = if refused.iter().any(|name| name.starts_with("wasi:")) {
        "there is no WASI here: build for wasm32-unknown-unknown instead of a wasip target, or make the \
         tool replace WASI by stubs"
    } else {
        "remove what needs the others"
    };
    Err(LoadError::Import { imports: refused, hint })
}

fn check_reconciler(compiled: &Compiled, exports: &[String]) -> Result<(), LoadError> {
    let name = format!("{RECONCILER}@{}", v0_1_0::VERSION);
    let component = compiled.component_type();
    let Some(export) = component.get_export(compiled.engine(), &name) else {
        return Err(LoadError::NoReconciler { exports: exports.to_vec() });
    };
    let ComponentItem::ComponentInstance(reconciler) = export.ty else {
        let problem = "it is not an interface".to_owned();
        return Err(LoadError::TypeMismatch { item: name, problem });
    };
    let types = component.instance_type();
    check_function(compiled, &reconciler, "describe", |function| {
        function.typecheck::<(), (Manifest,)>(&types)
    })?;
    check_function(compiled, &reconciler, "reconcile", |function| {
        function.typecheck::<(&Observation,), (Result<Decision, Failure>,)>(&types)
    })
}

fn check_function(
    compiled: &Compiled,
    reconciler: &ComponentInstance,
    name: &str,
    typecheck: impl FnOnce(&wasmtime::component::types::ComponentFunc) -> wasmtime::Result<()>,
) -> Result<(), LoadError> {
    let mismatch = |problem| LoadError::TypeMismatch { item: format!("{RECONCILER}.{name}"), problem };
    match reconciler.get_export(compiled.engine(), name).map(|export| export.ty) {
        Some(ComponentItem::ComponentFunc(function)) => {
            typecheck(&function).map_err(|error| mismatch(one_line(&error)))
        }
        Some(_) => Err(mismatch("it is not a function".to_owned())),
        None => Err(mismatch("it is missing".to_owned())),
    }
}

pub(super) fn imports(compiled: &Compiled) -> Vec<String> {
    compiled.component_type().imports(compiled.engine()).map(|(name, _)| name.to_owned()).collect()
}

pub(super) fn exports(compiled: &Compiled) -> Vec<String> {
    compiled.component_type().exports(compiled.engine()).map(|(name, _)| name.to_owned()).collect()
}

fn list_or_nothing(names: &[String]) -> String {
    if names.is_empty() { "nothing at all".to_owned() } else { format!("only {}", names.join(", ")) }
}

/// An error with its causes, without the line breaks that would not fit into a
/// condition's message.
pub(super) fn one_line(error: &wasmtime::Error) -> String {
    let text = format!("{error:#}");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
