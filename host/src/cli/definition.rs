//! `operlet crd`: the definition of the Operlet resource.

use kube::CustomResourceExt as _;

use super::{CliError, document, input};
use crate::operlets::Operlet;

pub(super) fn definition() -> Result<(), CliError> {
    input::print(&document::yaml(&Operlet::crd()))
}
