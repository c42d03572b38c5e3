//! What became of messages that a device sends back: each that was sent comes back once, in order, and none
//! that was not.

use std::collections::BTreeMap;

use crate::random::Random;

/// Nonce and number.
const HEADER: usize = 8;
/// `dummy_hcd` treats packets of up to 64 bytes in a way that two processors do not survive.
pub const SHORTEST: usize = 65;
/// Less than a packet, so that a message is sent whole or not at all.
pub const LONGEST: usize = 511;

/// The bytes of message `number`.
#[must_use]
pub fn message(nonce: u32, number: u32, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length.clamp(SHORTEST, LONGEST)];
    Random::new(u64::from(nonce) << 32 | u64::from(number)).fill(&mut bytes);
    bytes[..4].copy_from_slice(&nonce.to_le_bytes());
    bytes[4..HEADER].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// What the write of a message said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Unknown,
    Sent,
    NotSent,
}

#[derive(Debug)]
struct Entry {
    length: usize,
    fate: Fate,
    came: bool,
    /// Nobody can say what becomes of it: the device was told to forget, or an error is being provoked.
    blurred: bool,
}

/// Messages from one process to itself.
#[derive(Debug)]
pub struct Ledger {
    nonce: u32,
    next: u32,
    /// The number that at least must come next.
    due: u32,
    /// Those whose story is not over.
    entries: BTreeMap<u32, Entry>,
}

impl Ledger {
    /// Of a process that nothing else has the nonce of.
    #[must_use]
    pub fn new(nonce: u32) -> Self {
        Self {
            nonce,
            next: 0,
            due: 0,
            entries: BTreeMap::new(),
        }
    }

    /// A new message, about to be written.
    pub fn write(&mut self, length: usize) -> (u32, Vec<u8>) {
        let number = self.next;
        self.next += 1;
        let bytes = message(self.nonce, number, length);
        let entry = Entry {
            length: bytes.len(),
            fate: Fate::Unknown,
            came: false,
            blurred: false,
        };
        self.entries.insert(number, entry);
        (number, bytes)
    }

    /// From now on, nothing is said of messages written so far.
    pub fn blur(&mut self) {
        for entry in self.entries.values_mut() {
            entry.blurred = true;
        }
    }

    /// The write of message `number` is complete; `excused`: its result says nothing.
    ///
    /// # Errors
    /// When it came back although the write says that it was not sent, or will not although it was.
    pub fn written(&mut self, number: u32, sent: bool, excused: bool) -> Result<(), String> {
        let Some(entry) = self.entries.get_mut(&number) else {
            return Err(format!("message {number} was written twice"));
        };
        entry.fate = if sent { Fate::Sent } else { Fate::NotSent };
        entry.blurred |= excused;
        let (came, blurred) = (entry.came, entry.blurred);
        if came && !sent && !blurred {
            return Err(format!("message {number} came back, but its write failed"));
        }
        if sent && !came && !blurred && number < self.due {
            return Err(format!(
                "message {number} was sent and overtaken by {}",
                self.due - 1
            ));
        }
        self.tidy();
        Ok(())
    }

    /// Bytes came back.
    ///
    /// # Errors
    /// When they are no message of anybody's, or one that must not come now.
    pub fn came(&mut self, bytes: &[u8]) -> Result<(), String> {
        let header = |range: std::ops::Range<usize>| {
            let word = bytes.get(range)?.try_into().ok()?;
            Some(u32::from_le_bytes(word))
        };
        let (Some(nonce), Some(number)) = (header(0..4), header(4..HEADER)) else {
            return Err(format!(
                "{} bytes came back, less than a message",
                bytes.len()
            ));
        };
        if bytes != message(nonce, number, bytes.len()) {
            return Err(format!("message {number} of {nonce:#x} came back altered"));
        }
        if nonce != self.nonce {
            // Of a process before this one.
            return match self.due {
                0 => Ok(()),
                due => Err(format!("a stranger's message came behind {}", due - 1)),
            };
        }
        if number < self.due {
            return Err(format!("message {number} came after {}", self.due - 1));
        }
        let Some(entry) = self.entries.get_mut(&number) else {
            return Err(format!("message {number} came, but was never written"));
        };
        if entry.length != bytes.len() {
            return Err(format!("message {number} came with another length"));
        }
        if entry.fate == Fate::NotSent && !entry.blurred {
            return Err(format!("message {number} came back, but its write failed"));
        }
        entry.came = true;
        self.due = number + 1;
        let lost = self
            .entries
            .range(..number)
            .find(|(_, entry)| entry.fate == Fate::Sent && !entry.came && !entry.blurred);
        if let Some((lost, _)) = lost {
            return Err(format!(
                "message {lost} was sent, but {number} came instead"
            ));
        }
        self.tidy();
        Ok(())
    }

    /// Messages that were sent for certain and have not come yet.
    #[must_use]
    pub fn owed(&self) -> usize {
        let entries = self.entries.values();
        entries
            .filter(|entry| entry.fate == Fate::Sent && !entry.came && !entry.blurred)
            .count()
    }

    /// Forgets those of which nothing more can be said.
    fn tidy(&mut self) {
        let due = self.due;
        self.entries.retain(|number, entry| {
            entry.fate == Fate::Unknown
                || (entry.fate == Fate::Sent || entry.blurred) && !entry.came && *number >= due
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(ledger: &mut Ledger) -> (u32, Vec<u8>) {
        ledger.write(100)
    }

    #[test]
    fn sent_messages_come_once_and_in_order() {
        let mut ledger = Ledger::new(1);
        let (first, one) = write(&mut ledger);
        let (second, two) = write(&mut ledger);
        let (third, _) = write(&mut ledger);
        // The device may be faster than the completion.
        ledger.came(&one).unwrap();
        ledger.written(first, true, false).unwrap();
        ledger.written(second, true, false).unwrap();
        ledger.written(third, false, false).unwrap();
        assert_eq!(ledger.owed(), 1);
        ledger.came(&two).unwrap();
        assert_eq!(ledger.owed(), 0);
        assert!(ledger.came(&two).unwrap_err().contains("after"));
    }

    #[test]
    fn a_lost_message_shows_by_the_next() {
        let mut ledger = Ledger::new(1);
        let (first, _) = write(&mut ledger);
        let (_, two) = write(&mut ledger);
        ledger.written(first, true, false).unwrap();
        assert!(ledger.came(&two).unwrap_err().contains("message 0"));
        // Also where its write completes only afterwards.
        let mut ledger = Ledger::new(1);
        let (first, _) = write(&mut ledger);
        let (_, two) = write(&mut ledger);
        ledger.came(&two).unwrap();
        assert!(ledger.written(first, true, false).is_err());
    }

    #[test]
    fn a_message_whose_write_failed_must_not_come() {
        let mut ledger = Ledger::new(1);
        let (first, one) = write(&mut ledger);
        ledger.written(first, false, false).unwrap();
        assert!(ledger.came(&one).is_err());
        let mut ledger = Ledger::new(1);
        let (first, one) = write(&mut ledger);
        ledger.came(&one).unwrap();
        assert!(ledger.written(first, false, false).is_err());
    }

    #[test]
    fn blurred_messages_may_come_or_not_but_not_twice() {
        let mut ledger = Ledger::new(1);
        let (first, _) = write(&mut ledger);
        let (second, two) = write(&mut ledger);
        ledger.written(first, true, false).unwrap();
        ledger.blur();
        assert_eq!(ledger.owed(), 0);
        ledger.written(second, false, false).unwrap();
        ledger.came(&two).unwrap();
        assert!(ledger.came(&two).is_err());
    }

    #[test]
    fn altered_bytes_and_strangers_are_told() {
        let mut ledger = Ledger::new(1);
        ledger.came(&message(2, 9, 80)).unwrap();
        let (_, mut one) = write(&mut ledger);
        ledger.came(&one).unwrap();
        assert!(ledger.came(&message(2, 10, 80)).is_err());
        one[70] ^= 1;
        assert!(ledger.came(&one).unwrap_err().contains("altered"));
        assert!(ledger.came(&[0; 3]).is_err());
    }
}
