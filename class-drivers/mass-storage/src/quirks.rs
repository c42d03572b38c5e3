//! What a device does otherwise than the standard says, learned from its statuses.

use usbfs2_protocol::Direction;
use usbfs2_protocol::bot::{CommandBlockWrapper, CommandStatus, CommandStatusWrapper, InvalidCsw};
use usbfs2_protocol::scsi::{Capacity, StandardInquiry, operation_code};

/// What a device was seen to do otherwise than Bulk-Only Transport says, and the driver puts up with.
///
/// Each is learned from the device's own answers, in a way no device that keeps to the standard can
/// trigger.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quirks {
    /// Its statuses begin with this in place of "USBS" (BOT 5.2). Learned from the first status, which
    /// must be right in everything else.
    pub status_signature: Option<u32>,
    /// Its statuses carry this tag, whatever the command's is (BOT 5.2). Learned when two commands in
    /// succession get the same wrong tag, on a device that has never sent a right one.
    pub constant_tag: Option<u32>,
    /// Its residues mean nothing (BOT 5.2): how much arrived is all there is to know. Learned when
    /// INQUIRY or READ CAPACITY passes with all of its data and a residue.
    pub residue_ignored: bool,
}

/// Judges statuses, and learns from those it cannot accept.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    pub(crate) quirks: Quirks,
    /// A status was accepted, so its signature is the device's.
    signature_settled: bool,
    /// The device has echoed a tag, so it knows how to.
    tags_echoed: bool,
    /// The tag of the last status that was refused for it.
    refused_tag: Option<u32>,
}

impl Judge {
    /// Reads the status of `command`, whose data stage moved `moved` bytes. A residue that means
    /// nothing is 0 in the result.
    pub(crate) fn status(
        &mut self,
        command: &CommandBlockWrapper,
        moved: usize,
        bytes: &[u8],
    ) -> Result<CommandStatusWrapper, InvalidCsw> {
        let status = match self.parse(bytes) {
            Err(InvalidCsw::Signature(found)) if !self.signature_settled => {
                let status = CommandStatusWrapper::parse_signed(bytes, found)?;
                if status.tag != command.tag {
                    return Err(InvalidCsw::Signature(found));
                }
                log::warn!("the device signs its statuses with {found:#010x}");
                self.quirks.status_signature = Some(found);
                status
            }
            status => status?,
        };
        self.check_tag(command, &status)?;
        let status = self.judge_residue(command, moved, status);
        status.check(&CommandBlockWrapper {
            tag: status.tag,
            ..*command
        })?;
        self.signature_settled = true;
        Ok(status)
    }

    /// A status of `command` among bytes that may be something else; nothing is learned.
    pub(crate) fn find_status(
        &self,
        command: &CommandBlockWrapper,
        bytes: &[u8],
    ) -> Option<CommandStatusWrapper> {
        let status = self.parse(bytes).ok()?;
        let tag = self.quirks.constant_tag.unwrap_or(command.tag);
        (status.tag == tag).then_some(status)
    }

    /// Reads a status of whichever command.
    pub(crate) fn parse(&self, bytes: &[u8]) -> Result<CommandStatusWrapper, InvalidCsw> {
        match CommandStatusWrapper::parse(bytes) {
            Err(InvalidCsw::Signature(found)) if self.quirks.status_signature == Some(found) => {
                CommandStatusWrapper::parse_signed(bytes, found)
            }
            status => status,
        }
    }

    fn check_tag(
        &mut self,
        command: &CommandBlockWrapper,
        status: &CommandStatusWrapper,
    ) -> Result<(), InvalidCsw> {
        let found = status.tag;
        if found == command.tag {
            self.tags_echoed = true;
            return Ok(());
        }
        if self.quirks.constant_tag == Some(found) {
            return Ok(());
        }
        if !self.tags_echoed && self.refused_tag == Some(found) {
            log::warn!("the device does not echo tags: its statuses carry {found:#010x}");
            self.quirks.constant_tag = Some(found);
            return Ok(());
        }
        self.refused_tag = Some(found);
        Err(InvalidCsw::Tag {
            sent: command.tag,
            found,
        })
    }

    fn judge_residue(
        &mut self,
        command: &CommandBlockWrapper,
        moved: usize,
        status: CommandStatusWrapper,
    ) -> CommandStatusWrapper {
        let is_nonsense = status.data_residue != 0
            && status.status == CommandStatus::Passed
            && moved == command.data_transfer_length as usize
            && has_known_length(command);
        if is_nonsense && !self.quirks.residue_ignored {
            log::warn!("the device's residues mean nothing");
            self.quirks.residue_ignored = true;
        }
        CommandStatusWrapper {
            data_residue: if self.quirks.residue_ignored {
                0
            } else {
                status.data_residue
            },
            ..status
        }
    }
}

/// Whether a command asks for just what every disk has to say, so that nothing can be left over.
fn has_known_length(command: &CommandBlockWrapper) -> bool {
    let length = command.data_transfer_length as usize;
    command.direction == Direction::In
        && match command.command.as_bytes() {
            [operation_code::INQUIRY, 0, ..] => length == StandardInquiry::LENGTH,
            [operation_code::READ_CAPACITY_10, ..] => length == Capacity::LENGTH_10,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use usbfs2_protocol::scsi::Command;

    use super::*;

    fn command(tag: u32, command: Command, length: u32) -> CommandBlockWrapper {
        CommandBlockWrapper {
            tag,
            data_transfer_length: length,
            direction: Direction::In,
            lun: 0,
            command: command.encode(),
        }
    }

    fn read(tag: u32) -> CommandBlockWrapper {
        command(tag, Command::read(0, 1), 512)
    }

    fn status(tag: u32, data_residue: u32) -> CommandStatusWrapper {
        CommandStatusWrapper {
            tag,
            data_residue,
            status: CommandStatus::Passed,
        }
    }

    fn signed(signature: &[u8; 4], status: CommandStatusWrapper) -> Vec<u8> {
        [signature, &status.to_bytes()[4..]].concat()
    }

    #[test]
    fn an_odd_signature_is_learned_from_the_first_status_and_no_later_one() {
        let mut judge = Judge::default();
        let odd = signed(b"USBU", status(1, 0));
        assert_eq!(judge.status(&read(1), 512, &odd), Ok(status(1, 0)));
        let another = judge.status(&read(2), 512, &signed(b"USBX", status(2, 0)));
        assert!(matches!(another, Err(InvalidCsw::Signature(_))));

        let mut judge = Judge::default();
        assert!(
            judge
                .status(&read(1), 512, &status(1, 0).to_bytes())
                .is_ok()
        );
        let refused = judge.status(&read(2), 512, &signed(b"USBU", status(2, 0)));
        assert!(matches!(refused, Err(InvalidCsw::Signature(_))));
    }

    #[test]
    fn an_odd_signature_with_another_commands_tag_is_noise() {
        let mut judge = Judge::default();
        let noise = signed(b"USBU", status(7, 0));
        let refused = judge.status(&read(1), 512, &noise);
        assert!(matches!(refused, Err(InvalidCsw::Signature(_))));
        assert_eq!(judge.quirks, Quirks::default());
    }

    #[test]
    fn a_tag_is_constant_when_it_comes_twice_and_never_on_a_device_that_echoes() {
        let constant = status(0, 0).to_bytes();
        let mut judge = Judge::default();
        assert!(judge.status(&read(1), 512, &constant).is_err());
        assert!(judge.status(&read(2), 512, &constant).is_ok());
        assert!(judge.status(&read(3), 512, &constant).is_ok());
        assert_eq!(judge.quirks.constant_tag, Some(0));

        let mut judge = Judge::default();
        assert!(
            judge
                .status(&read(1), 512, &status(1, 0).to_bytes())
                .is_ok()
        );
        for tag in 2..5 {
            assert!(judge.status(&read(tag), 512, &constant).is_err());
        }
    }

    #[test]
    fn a_residue_is_nonsense_only_where_nothing_can_be_left_over() {
        let capacity = command(1, Command::ReadCapacity10, 8);
        let mut judge = Judge::default();
        // A short answer may well have a residue.
        let short = judge.status(&capacity, 4, &status(1, 4).to_bytes());
        assert_eq!(short, Ok(status(1, 4)));
        assert!(!judge.quirks.residue_ignored);
        let nonsense = judge.status(&capacity, 8, &status(1, 0xdead_beef).to_bytes());
        assert_eq!(nonsense, Ok(status(1, 0)));
        let later = judge.status(&read(2), 512, &status(2, 512).to_bytes());
        assert_eq!(later, Ok(status(2, 0)));

        let mut judge = Judge::default();
        let honest = judge.status(&read(2), 512, &status(2, 512).to_bytes());
        assert_eq!(honest, Ok(status(2, 512)));
    }
}
