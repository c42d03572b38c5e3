//! Which step comes next: the same for the same seed, whatever became of the steps before.

use crate::random::Random;

/// What the thread of one endpoint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneAction {
    /// Starts some operations.
    Submit,
    /// Asks to cancel one or all of them.
    Cancel,
    /// Takes what is complete.
    Complete,
    /// Takes the results of all.
    Settle,
    /// Moves data without AIO.
    Blocking,
    /// Has the device halt the endpoint.
    Halt,
    /// Reads less than the device sends.
    Babble,
    /// Cancels all and clears the halt.
    Recover,
    /// Closes one of two descriptors, which cancels what the process has in flight.
    CloseOne,
    /// Closes the endpoint and opens it again.
    Reopen,
    /// Starts another program that has the endpoint for its input.
    Spawn,
    /// Waits until what was written is with the device.
    Sync,
    /// Unmaps the buffers that transfers are under way in.
    Unmap,
}

/// How often each, of all.
pub const LANE: &[(LaneAction, usize)] = &[
    (LaneAction::Submit, 36),
    (LaneAction::Complete, 24),
    (LaneAction::Cancel, 14),
    (LaneAction::Settle, 4),
    (LaneAction::Blocking, 5),
    (LaneAction::Halt, 1),
    (LaneAction::Babble, 1),
    (LaneAction::Recover, 7),
    (LaneAction::CloseOne, 3),
    (LaneAction::Reopen, 3),
    (LaneAction::Spawn, 1),
    (LaneAction::Sync, 2),
    (LaneAction::Unmap, 1),
];

/// What the thread of the isochronous endpoints does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamAction {
    /// Starts a run of packets.
    Submit,
    /// Takes what is complete.
    Complete,
    /// Takes the results of all.
    Settle,
    /// Asks to cancel one.
    Cancel,
    /// Cancels all.
    Recover,
    /// Closes the endpoint, which cancels all.
    Reopen,
}

/// How often each, of all.
pub const STREAM: &[(StreamAction, usize)] = &[
    (StreamAction::Submit, 50),
    (StreamAction::Complete, 20),
    (StreamAction::Settle, 4),
    (StreamAction::Cancel, 10),
    (StreamAction::Recover, 4),
    (StreamAction::Reopen, 4),
];

/// What the thread of one interface does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SteerAction {
    /// Selects an alternate setting, perhaps the one there is.
    Alternate,
    /// Selects the configuration there is.
    Configuration,
    /// A control request to the interface, or one the device refuses.
    Control,
    /// Opens what is open.
    SecondOpen,
    /// A child that is a copy of the process and ends.
    Fork,
    /// Reads every text file of the device.
    Look,
    /// Gives the interface back and claims it again.
    Reclaim,
    /// Has the device reset by its file.
    Reset,
}

/// How often each, of all.
pub const STEER: &[(SteerAction, usize)] = &[
    (SteerAction::Alternate, 4),
    (SteerAction::Configuration, 1),
    (SteerAction::Control, 12),
    (SteerAction::SecondOpen, 4),
    (SteerAction::Fork, 3),
    (SteerAction::Look, 4),
    (SteerAction::Reclaim, 1),
    (SteerAction::Reset, 1),
];

/// What happens to a device or to the process that uses it, from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceAction {
    /// The cable is pulled and plugged in again.
    Unplug,
    /// The driver core takes the interface from the module.
    Unbind,
    /// Another process writes to the driver file: usbfs2, none or probe.
    Rebind,
    /// Another process opens an endpoint.
    Intrude,
    /// The device is reset, through usbfs.
    Reset,
    /// kill -9.
    Kill,
}

/// How often each, of all.
pub const DEVICE: &[(DeviceAction, usize)] = &[
    (DeviceAction::Unplug, 2),
    (DeviceAction::Unbind, 2),
    (DeviceAction::Rebind, 8),
    (DeviceAction::Intrude, 8),
    (DeviceAction::Reset, 2),
    (DeviceAction::Kill, 3),
];

/// What happens to the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountAction {
    /// Unmounted while in use, and mounted again.
    LazyUnmount,
    /// Other owners and modes.
    Remount,
    /// Mounted elsewhere as well, for a moment.
    SecondMount,
    /// Unloading the module is tried.
    Unload,
}

/// How often each, of all.
pub const MOUNT: &[(MountAction, usize)] = &[
    (MountAction::LazyUnmount, 2),
    (MountAction::Remount, 3),
    (MountAction::SecondMount, 2),
    (MountAction::Unload, 2),
];

/// One step: what to do, and two numbers that say how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<A> {
    /// What.
    pub action: A,
    /// Below 65,536.
    pub a: usize,
    /// Below 65,536.
    pub b: usize,
}

/// The steps of one thread, without end.
#[derive(Debug, Clone)]
pub struct Plan<A: 'static> {
    random: Random,
    actions: &'static [(A, usize)],
}

impl<A: Copy> Plan<A> {
    /// Those of the thread called `name` in the run of `seed`.
    #[must_use]
    pub fn new(seed: u64, name: &str, actions: &'static [(A, usize)]) -> Self {
        Self {
            random: Random::new(seed_of(seed, name)),
            actions,
        }
    }
}

impl<A: Copy> Iterator for Plan<A> {
    type Item = Step<A>;

    /// Takes three numbers for each step, whatever they mean.
    fn next(&mut self) -> Option<Step<A>> {
        let all = self.actions.iter().map(|(_, share)| share).sum();
        let mut chosen = self.random.below(all);
        let (a, b) = (self.random.below(1 << 16), self.random.below(1 << 16));
        let mut actions = self.actions.iter();
        let action = actions.find_map(|&(action, share)| match chosen.checked_sub(share) {
            Some(rest) => {
                chosen = rest;
                None
            }
            None => Some(action),
        });
        action.map(|action| Step { action, a, b })
    }
}

/// A seed for one of several sequences of a run: FNV-1a of the name, mixed with the run's.
#[must_use]
pub fn seed_of(seed: u64, name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_name_mean_the_same_steps_each_time() {
        let steps = |seed, name| Plan::new(seed, name, LANE).take(100).collect::<Vec<_>>();
        assert_eq!(steps(7, "0 in"), steps(7, "0 in"));
        assert_ne!(steps(7, "0 in"), steps(7, "0 out"));
        assert_ne!(steps(7, "0 in"), steps(8, "0 in"));
        // Whoever goes on for one that was killed makes the steps that were left.
        let rest: Vec<_> = Plan::new(7, "0 in", LANE).skip(60).take(40).collect();
        assert_eq!(rest, steps(7, "0 in")[60..]);
    }

    #[test]
    fn every_action_has_its_share() {
        let steps: Vec<_> = Plan::new(1, "0", DEVICE).take(2500).collect();
        for (action, share) in DEVICE {
            let count = steps.iter().filter(|step| step.action == *action).count();
            // A hundred times its share of 25, give or take.
            assert!((50 * share..200 * share).contains(&count), "{action:?}");
        }
    }
}
