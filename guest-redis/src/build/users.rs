//! Who may do what on a server, as rules of its access control lists. The start script
//! puts the passwords before these.

/// The operator: what it asks and what it tells, and no key.
pub const OPERATOR: &str = "resetchannels &operlet:ack -@all +auth +info +role +echo +ping +multi +exec \
    +replicaof +publish +wait +client|list +client|kill +client|pause +client|unpause \
    +acl|users +acl|getuser +acl|setuser +acl|deluser +config|get +config|set";

/// What watches a server: a user of its own, for acts end what the operator's others do.
pub const PROBE: &str = "resetchannels -@all +auth +ping +echo +config|get";

/// The exec probes, whose password the container knows.
pub const HEALTH: &str = "resetchannels -@all +auth +ping +info";

/// The application: everything but what would work against the operator. A client that
/// says SYNC, PSYNC or REPLCONF counts as a replica.
pub const DEFAULT: &str = "~* &* +@all -replicaof -slaveof -failover -psync -sync -replconf \
    -shutdown -debug -module -acl +acl|whoami -config|set -config|rewrite -client|pause -client|unpause -client|kill";
