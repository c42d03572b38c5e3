//! What a host has done to a gadget, so far as another process has to know it to go on.

use usbfs2_protocol::standard::request;
use usbfs2_protocol::{SetupPacket, Speed};

use super::settings;

/// The version of the encoding: a process that knows another one starts anew.
const VERSION: u8 = 1;

/// A control request that the host has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) setup: SetupPacket,
    /// The data stage of an OUT request; `None` before it was read.
    pub(crate) data: Option<Vec<u8>>,
}

/// The connection, what was set since it began, and the request that is being answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// `None` while no host is there.
    pub(crate) speed: Option<Speed>,
    /// In the order in which they came; of those that set the same thing, the last.
    pub(crate) settings: Vec<Request>,
    /// Told to the device and not answered yet.
    pub(crate) pending: Option<Request>,
}

impl History {
    pub(crate) fn connected(&mut self, speed: Speed) {
        *self = Self {
            speed: Some(speed),
            ..Self::default()
        };
    }

    pub(crate) fn disconnected(&mut self) {
        *self = Self::default();
    }

    /// The pending request has been answered, and done if `accepted`. `configuration` is a descriptor with the gadget's
    /// interfaces.
    pub(crate) fn answered(&mut self, accepted: bool, configuration: &[u8]) {
        let Some(request) = self.pending.take().filter(|_| accepted) else {
            return;
        };
        let setup = request.setup;
        let is_interface = |one: &Request| one.setup.is_standard(request::SET_INTERFACE);
        if setup.is_standard(request::SET_CONFIGURATION) {
            self.settings.retain(|one| {
                !is_interface(one) && !one.setup.is_standard(request::SET_CONFIGURATION)
            });
            let [value, _] = setup.value.to_le_bytes();
            if value == 0 {
                return;
            }
        } else if setup.is_standard(request::SET_INTERFACE) {
            self.settings
                .retain(|one| !(is_interface(one) && one.setup.index == setup.index));
        } else {
            let key_of = |setup: &SetupPacket| {
                settings::key(setup, settings::interface_class(configuration, setup))
            };
            let Some(key) = key_of(&setup) else {
                return;
            };
            self.settings
                .retain(|one| key_of(&one.setup).as_ref() != Some(&key));
        }
        self.settings.push(request);
    }

    /// As bytes, of which there are at most `limit`: what does not fit is left out, the oldest class request first.
    pub(crate) fn to_bytes(&self, limit: usize) -> Vec<u8> {
        let mut kept = self.clone();
        loop {
            let bytes = kept.encode();
            if bytes.len() <= limit {
                return bytes;
            }
            let class = |one: &Request| {
                !one.setup.is_standard(request::SET_CONFIGURATION)
                    && !one.setup.is_standard(request::SET_INTERFACE)
            };
            match kept.settings.iter().position(class) {
                Some(oldest) => drop(kept.settings.remove(oldest)),
                None => kept = Self::default(),
            }
        }
    }

    fn encode(&self) -> Vec<u8> {
        let speed = self.speed.map_or(0, |speed| match speed {
            Speed::Low => 1,
            Speed::Full => 2,
            // gadgetfs knows no more.
            Speed::High | Speed::Super | Speed::SuperPlus => 3,
        });
        // There are far fewer: `to_bytes` has a limit.
        let count = u8::try_from(self.settings.len()).unwrap_or(u8::MAX);
        let mut bytes = vec![VERSION, speed, count, u8::from(self.pending.is_some())];
        let requests = self.settings.iter().take(usize::from(count));
        for request in requests.chain(&self.pending) {
            bytes.extend(request.setup.to_bytes());
            bytes.push(u8::from(request.data.is_some()));
            let data = request.data.as_deref().unwrap_or_default();
            // wLength is what limits it.
            let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
            bytes.extend(length.to_le_bytes());
            bytes.extend(&data[..usize::from(length)]);
        }
        bytes
    }

    /// Reads [`to_bytes`](Self::to_bytes) back, whatever follows; `None` when it is something else.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[version, speed, count, has_pending], mut rest) = bytes.split_first_chunk()?;
        let speed = match (version, speed) {
            (VERSION, 0) => None,
            (VERSION, 1) => Some(Speed::Low),
            (VERSION, 2) => Some(Speed::Full),
            (VERSION, 3) => Some(Speed::High),
            _ => return None,
        };
        let mut next = || {
            let (setup, after) = rest.split_first_chunk()?;
            let (&[has_data, low, high], after) = after.split_first_chunk()?;
            let length = u16::from_le_bytes([low, high]);
            let (data, after) = after.split_at_checked(usize::from(length))?;
            rest = after;
            Some(Request {
                setup: SetupPacket::from_bytes(*setup),
                data: (has_data != 0).then(|| data.to_vec()),
            })
        };
        let settings = (0..count).map(|_| next()).collect::<Option<_>>()?;
        let pending = match has_pending {
            0 => None,
            _ => Some(next()?),
        };
        Some(Self {
            speed,
            settings,
            pending,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One interface of class HID.
    const CONFIGURATION: [u8; 18] = [
        9, 2, 18, 0, 1, 1, 0, 0x80, 50, //
        9, 4, 0, 0, 0, 3, 1, 1, 0,
    ];

    fn done(history: &mut History, setup: SetupPacket, data: &[u8]) {
        history.pending = Some(Request {
            setup,
            data: Some(data.to_vec()),
        });
        history.answered(true, &CONFIGURATION);
    }

    fn setups(history: &History) -> Vec<SetupPacket> {
        history.settings.iter().map(|one| one.setup).collect()
    }

    #[test]
    fn what_was_set_last_counts() {
        let mut history = History::default();
        history.connected(Speed::High);
        let set_idle = |duration| SetupPacket::from_bytes([0x21, 0x0a, 0, duration, 0, 0, 0, 0]);
        done(&mut history, SetupPacket::set_configuration(1), &[]);
        done(&mut history, set_idle(4), &[]);
        done(&mut history, SetupPacket::set_interface(0, 1), &[]);
        done(&mut history, set_idle(8), &[]);
        done(&mut history, SetupPacket::set_interface(0, 2), &[]);
        let expected = [
            SetupPacket::set_configuration(1),
            set_idle(8),
            SetupPacket::set_interface(0, 2),
        ];
        assert_eq!(setups(&history), expected);

        // A new configuration begins with the first settings; what a function keeps, it keeps.
        done(&mut history, SetupPacket::set_configuration(1), &[]);
        assert_eq!(
            setups(&history),
            [set_idle(8), SetupPacket::set_configuration(1)]
        );
        done(&mut history, SetupPacket::set_configuration(0), &[]);
        assert_eq!(setups(&history), [set_idle(8)]);
        history.connected(Speed::Full);
        assert_eq!(setups(&history), []);
    }

    #[test]
    fn what_was_refused_is_not_set() {
        let mut history = History {
            pending: Some(Request {
                setup: SetupPacket::set_interface(0, 9),
                data: None,
            }),
            ..History::default()
        };
        history.answered(false, &CONFIGURATION);
        assert_eq!(history, History::default());
    }

    #[test]
    fn what_has_no_room_is_left_out() {
        let mut history = History::default();
        history.connected(Speed::High);
        done(&mut history, SetupPacket::set_configuration(1), &[]);
        for report in 0..10 {
            let setup = SetupPacket::from_bytes([0x21, 0x09, report, 2, 0, 0, 100, 0]);
            done(&mut history, setup, &[report; 100]);
        }
        let bytes = history.to_bytes(600);
        assert!(bytes.len() <= 600);
        let read = History::from_bytes(&bytes).unwrap();
        assert_eq!(read.settings[0], history.settings[0]);
        assert_eq!(read.settings.last(), history.settings.last());
        assert!(read.settings.len() < history.settings.len());
    }

    fn request() -> impl Strategy<Value = Request> {
        let data = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40));
        (any::<[u8; 8]>(), data).prop_map(|(setup, data)| Request {
            setup: SetupPacket::from_bytes(setup),
            data,
        })
    }

    proptest! {
        #[test]
        fn bytes_are_read_back(
            settings in proptest::collection::vec(request(), 0..6),
            pending in proptest::option::of(request()),
            is_connected: bool,
        ) {
            let speed = is_connected.then_some(Speed::High);
            let history = History { speed, settings, pending };
            let mut bytes = history.to_bytes(4096);
            bytes.resize(4096, 0);
            prop_assert_eq!(History::from_bytes(&bytes), Some(history));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = History::from_bytes(&bytes);
        }
    }
}
