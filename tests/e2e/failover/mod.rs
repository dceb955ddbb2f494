//! Whatever happens to a primary, no confirmed write is lost and there is never a
//! second one that takes writes.
//!
//! Each case is run with some seeds, which decide when exactly things happen:
//! OPERLET_FAILOVER_RUNS says how many, OPERLET_FAILOVER_SEED the first of them.

mod changes;
mod network;
mod nodes;
mod operator;
mod processes;
mod skeleton;
mod trial;
