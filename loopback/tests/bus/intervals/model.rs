//! What isochronous endpoints are to do, walked through microframe by microframe.

use std::collections::{BTreeMap, VecDeque};

use usbfs2_loopback::{BusError, Completed, PacketFault, PacketOutcome, TransferId};

use crate::isochronous::INTERVAL;

/// A transfer of the host, as the model has it.
pub(crate) struct Asked {
    pub(crate) done: Completed,
    /// Each packet's number, microframe and place in the buffer.
    pub(crate) packets: VecDeque<(u64, u64, usize)>,
    pub(crate) reached: bool,
}

/// One endpoint, as the model has it.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) enabled: bool,
    pub(crate) next_number: u64,
    pub(crate) faults: BTreeMap<u64, PacketFault>,
    pub(crate) host: VecDeque<Asked>,
    pub(crate) device: VecDeque<Completed>,
    /// Completions to come at each end.
    pub(crate) told_host: Vec<Completed>,
    pub(crate) told_device: Vec<Completed>,
}

impl Model {
    pub(crate) fn ask(
        &mut self,
        id: TransferId,
        buffer: Vec<u8>,
        lengths: &[u32],
        start: Option<u64>,
        now: u64,
    ) {
        let missed = |&length| PacketOutcome {
            length,
            actual_length: 0,
            status: Err(BusError::Missed),
        };
        let mut done = completed(id, buffer);
        done.packets = lengths.iter().map(missed).collect();
        if !self.enabled {
            self.refuse(done, BusError::Protocol);
            return;
        }
        // One that is late as a whole has no place on the schedule.
        let placed = self.host.iter().filter(|asked| !asked.packets.is_empty());
        let ends = placed.map(|asked| {
            let packets = asked.done.packets.len() as u64;
            asked.done.start_microframe.unwrap() + packets * INTERVAL
        });
        let behind = ends.max();
        let possible = behind.max(Some((now / INTERVAL + 1) * INTERVAL)).unwrap();
        let start = start.map_or(possible, |start| start.next_multiple_of(INTERVAL));
        done.start_microframe = Some(start);
        let mut packets = VecDeque::new();
        let mut place = 0;
        for (index, &length) in lengths.iter().enumerate() {
            let microframe = start + index as u64 * INTERVAL;
            if microframe >= possible {
                packets.push_back((self.next_number, microframe, place));
            }
            self.next_number += 1;
            place += length as usize;
        }
        self.host.push_back(Asked {
            reached: packets.len() < lengths.len(),
            packets,
            done,
        });
        self.finish();
    }

    pub(crate) fn refuse(&mut self, mut done: Completed, error: BusError) {
        for packet in &mut done.packets {
            packet.status = Err(error);
        }
        done.status = Err(error);
        self.told_host.push(done);
    }

    /// Takes out those in front that are over.
    pub(crate) fn finish(&mut self) {
        while self
            .host
            .front()
            .is_some_and(|first| first.packets.is_empty())
        {
            self.told_host
                .extend(self.host.pop_front().map(|asked| asked.done));
        }
    }

    pub(crate) fn end_host(&mut self, mut asked: Asked, error: BusError) {
        for (number, ..) in &asked.packets {
            self.faults.remove(number);
        }
        let left = asked.packets.len();
        for packet in asked.done.packets.iter_mut().rev().take(left) {
            packet.status = Err(error);
        }
        if !asked.reached {
            asked.done.status = Err(error);
        }
        self.told_host.push(asked.done);
    }

    pub(crate) fn end_device(&mut self, mut packet: Completed, error: BusError) {
        packet.buffer.truncate(packet.actual_length);
        packet.actual_length = 0;
        packet.status = Err(error);
        self.told_device.push(packet);
    }

    /// One microframe begins. True where the cable is to come out.
    pub(crate) fn microframe(&mut self, now: u64, live: bool, is_in: bool) -> bool {
        let Some(asked) = self.host.front_mut() else {
            return false;
        };
        let Some(&(number, _, place)) = asked.packets.front().filter(|packet| packet.1 == now)
        else {
            return false;
        };
        let fault = self.faults.remove(&number);
        if fault == Some(PacketFault::Unplug) {
            return true;
        }
        asked.packets.pop_front();
        asked.reached = true;
        let index = asked.done.packets.len() - asked.packets.len() - 1;
        let packet = &mut asked.done.packets[index];
        let slot = &mut asked.done.buffer[place..place + packet.length as usize];
        let (slot_length, lost) = (slot.len(), fault == Some(PacketFault::Lost));
        let short = |length: usize| match fault {
            Some(PacketFault::Short { length: limit }) => length.min(limit),
            _ => length,
        };
        let corrupt = |bytes: &mut [u8]| match fault {
            Some(PacketFault::Corrupt { offset, mask }) if offset < bytes.len() => {
                bytes[offset] ^= mask;
            }
            _ => {}
        };
        let moved = if !live || fault == Some(PacketFault::Late) {
            Err(BusError::Missed)
        } else if !self.enabled {
            Err(BusError::Protocol)
        } else if !is_in && lost {
            Ok(slot_length)
        } else if let Some(mut device) = self.device.pop_front() {
            device.start_microframe = Some(now);
            let moved = if is_in {
                let length = short(device.buffer.len());
                match fault {
                    Some(PacketFault::Lost) => Err(BusError::Protocol),
                    Some(PacketFault::Babble) => Err(BusError::Overflow),
                    _ if length > slot_length => Err(BusError::Overflow),
                    _ => {
                        slot[..length].copy_from_slice(&device.buffer[..length]);
                        corrupt(&mut slot[..length]);
                        Ok(length)
                    }
                }
            } else {
                // The model keeps the room in actual_length.
                let length = short(slot_length);
                let fits = length.min(device.actual_length);
                device.buffer = slot[..fits].to_vec();
                corrupt(&mut device.buffer);
                device.actual_length = fits;
                if fits < length {
                    device.status = Err(BusError::Overflow);
                }
                Ok(length)
            };
            self.told_device.push(device);
            moved
        } else if fault == Some(PacketFault::Babble) {
            Err(BusError::Overflow)
        } else {
            Err(BusError::Missed)
        };
        packet.status = moved.map(drop);
        packet.actual_length = moved.unwrap_or(0) as u32;
        asked.done.actual_length += moved.unwrap_or(0);
        self.finish();
        false
    }

    pub(crate) fn unplug(&mut self) {
        for asked in std::mem::take(&mut self.host) {
            self.end_host(asked, BusError::Unplugged);
        }
        for packet in std::mem::take(&mut self.device) {
            self.end_device(packet, BusError::Unplugged);
        }
        self.enabled = false;
        self.next_number = 0;
        self.faults.clear();
    }
}

pub(crate) fn completed(id: TransferId, buffer: Vec<u8>) -> Completed {
    Completed {
        id,
        user_data: 0,
        buffer,
        actual_length: 0,
        status: Ok(()),
        packets: Vec::new(),
        start_microframe: None,
    }
}
