//! Exchanges and probes over real sockets of this machine.
