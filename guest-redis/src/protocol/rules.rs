//! The rules that can be taken out, to show what each is there for.

/// A rule of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Bootstrap: all expected pods answer.
    BootstrapAll,
    /// Bootstrap: all are empty.
    BootstrapEmpty,
    /// Bootstrap: no claim has an epoch.
    BootstrapClaims,
    /// A Redis made without this protocol is taken over when all pods answer.
    AdoptAll,
    /// A Redis made without this protocol is taken over when nobody has other data.
    AdoptFollowed,
    /// So is one whose record was lost, whatever claims say.
    AdoptMarked,
    /// Attach: on record before it is told.
    AttachRecorded,
    /// Attach: users of nobody on record are dropped.
    AttachStrays,
    /// Strike: off for good.
    StrikeOff,
    /// Strike: no member any more.
    StrikeGone,
    /// Strike: a proof of acks from Q others afterwards.
    StrikeProof,
    /// Suspect: no replica hears the primary.
    SuspectFresh,
    /// Fence: of the three ways one.
    Fence,
    /// Fence (a): a death is proven by the very run id.
    FenceProof,
    /// Fence (b): at this epoch's dead address.
    FenceEpoch,
    /// Fence (c): only members count.
    FenceMembers,
    /// Fence (c): W is counted.
    FenceW,
    /// Fence (c): the link has been down for long enough.
    FenceDown,
    /// Fence (c): it was told as long ago.
    FenceTold,
    /// Fence (c): a dead member has been dead for as long.
    FenceDeadLong,
    /// Fence (c): nothing while it is loading.
    FenceLoading,
    /// Elect: the run id on record.
    ElectMember,
    /// Elect: at the dead address of this epoch.
    ElectEpoch,
    /// Elect: loaded.
    ElectLoaded,
    /// Elect: Ready once.
    ElectReady,
    /// Elect: the current replication id.
    ElectCurrent,
    /// Elect, carried: no earlier than the reign began.
    ElectBegan,
    /// Elect: the count of candidates and Q is more than the members.
    ElectCount,
    /// Elect: the dead are counted among the members.
    ElectDeadCount,
    /// Elect: the highest offset.
    ElectOffset,
    /// Promote: with the settings on record.
    PromoteSettings,
    /// Promote: with an epoch of its own.
    PromoteEpoch,
    /// Promote: a target that may have been promoted is fenced as well.
    PromoteDoubt,
    /// Promote: one that is the primary already is finished, not replaced.
    PromoteFinish,
    /// Promote: the first followers are on record with it.
    PromoteFollowers,
    /// Promote: opened when W carry the new id.
    PromoteOpen,
    /// Promote: opened when its claim is marked.
    OpenMarked,
    /// Promote: the id that a primary takes with its first replica is put on record.
    Renamed,
    /// The reign before stays on record until this one is carried.
    Carried,
    /// The primary before is one of those.
    FormerPrimary,
    /// Full restart: every member is dead.
    RestartMembers,
    /// Full restart: until the reign is carried, one with data counts whatever its id.
    RestartData,
    /// Full restart: the largest is known when all have loaded.
    RestartLoading,
    /// Full restart: so are those of the reign before, unless carried.
    RestartFormer,
    /// Full restart: the claim is not empty while others hold data.
    RestartEmpty,
    /// Full restart: the primary's claim decides.
    RestartClaim,
    /// Zombie: demoted.
    Zombie,
    /// W is lowered on record first.
    LowerFirst,
    /// W is raised when that many are in sync.
    RaiseInSync,
    /// W is raised on record after an act that was carried out.
    RaiseDone,
    /// W is relied on after a proof of acks.
    RaiseProof,
    /// Switchover: not before the target has the primary's offset.
    SwitchOffset,
    /// Switchover: the old primary is fenced.
    SwitchFence,
    /// Scale down: W is lowered first.
    ScaleW,
    /// Roll: one at a time, each in sync.
    RollSync,
    /// Hibernate: all have what the primary had.
    HibernateAll,
    /// Acts: tied to the run id that was seen.
    ActRun,
    /// Acts: tied to the role and upstream that were seen.
    ActRole,
    /// Acts: older ones die with their connection.
    ActKills,
    /// Acts: users of replicas are dropped.
    ActDropsUsers,
}

/// Whether a condition that a rule asks for holds: with the rule taken out it
/// always does. Shipped code is the condition and nothing else.
#[cfg(not(feature = "explore"))]
#[inline]
pub(super) fn holds(_rule: Rule, condition: bool) -> bool {
    condition
}

#[cfg(feature = "explore")]
pub(super) use taken_out::holds;

#[cfg(feature = "explore")]
pub(super) mod taken_out {
    use std::cell::Cell;

    use super::Rule;

    thread_local! {
        static OUT: Cell<Option<Rule>> = const { Cell::new(None) };
    }

    pub(in crate::protocol) fn holds(rule: Rule, condition: bool) -> bool {
        condition || OUT.get() == Some(rule)
    }

    /// Whether a rule is out. Rules about acts are kept by whoever sends them.
    #[must_use]
    pub fn is_out(rule: Rule) -> bool {
        OUT.get() == Some(rule)
    }

    /// Takes a rule out on this thread, or puts all of them back.
    pub fn take_out(rule: Option<Rule>) {
        OUT.set(rule);
    }
}

#[cfg(feature = "explore")]
pub use taken_out::{is_out, take_out};
