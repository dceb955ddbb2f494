//! One module for each version of the contract that this host speaks.

pub(super) mod v0_1_0;
