//! `usbfs2 gadget mouse`, `tablet`, `gamepad` and `media-keys`: what lines of text say, the device does.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use usbfs2_gadget::Function;
use usbfs2_gadget::functions::consumer_control::usage as media;
use usbfs2_gadget::functions::gamepad::{GamepadInput, Hat};
use usbfs2_gadget::functions::mouse::Button;
use usbfs2_gadget::functions::tablet::EDGE;
use usbfs2_gadget::functions::{ConsumerControl, Gamepad, Mouse, Tablet};

use super::{Attendance, Identity, standard_input};
use crate::args::Backend;

/// Is a device that does what standard input says.
pub(super) fn run<D: Obey + Function>(
    identity: &'static Identity,
    device: Arc<D>,
    backend: Backend,
) -> Result<()> {
    let gadget = identity.builder().function(device.clone()).build()?;
    standard_input::follow(D::LINES, move |line| obey_line(&*device, line));
    Attendance::of(&gadget, identity, backend).run()
}

/// A device that does what a line says.
pub(super) trait Obey: Send + Sync + 'static {
    /// The lines it understands.
    const LINES: &'static str;

    /// Does what the words of a line say.
    fn obey(&self, words: &[&str]) -> Result<()>;
}

/// Does what a line says: an empty one nothing, `wait` on any device.
fn obey_line<D: Obey>(device: &D, line: &str) -> Result<()> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [] => Ok(()),
        ["wait", milliseconds] => {
            thread::sleep(Duration::from_millis(number(milliseconds)?));
            Ok(())
        }
        words => device.obey(words),
    }
}

fn not_understood<D: Obey>() -> Result<()> {
    bail!("not understood; lines are: {}, wait MILLISECONDS", D::LINES)
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T> {
    let parsed = word.parse().ok();
    parsed.with_context(|| format!("`{word}` is no number, or too large"))
}

fn button(word: &str) -> Result<Button> {
    Ok(match word {
        "left" => Button::Left,
        "right" => Button::Right,
        "middle" => Button::Middle,
        _ => bail!("`{word}` is no button: they are left, right and middle"),
    })
}

impl Obey for Mouse {
    const LINES: &'static str =
        "move RIGHT DOWN, scroll UP [RIGHT], click|press|release left|right|middle";

    fn obey(&self, words: &[&str]) -> Result<()> {
        match *words {
            ["move", x, y] => self.move_by(number(x)?, number(y)?),
            ["scroll", up] => self.scroll(number(up)?, 0),
            ["scroll", up, right] => self.scroll(number(up)?, number(right)?),
            ["click", name] => self.click(button(name)?),
            ["press", name] => self.press(button(name)?),
            ["release", name] => self.release(button(name)?),
            _ => return not_understood::<Self>(),
        }
        Ok(())
    }
}

impl Obey for Tablet {
    const LINES: &'static str = "at X% Y%, scroll UP, click|press|release left|right|middle";

    fn obey(&self, words: &[&str]) -> Result<()> {
        match *words {
            ["at", x, y] => self.move_to(place(x)?, place(y)?),
            ["scroll", up] => self.scroll(number(up)?),
            ["click", name] => {
                self.press(button(name)?);
                self.release(button(name)?);
            }
            ["press", name] => self.press(button(name)?),
            ["release", name] => self.release(button(name)?),
            _ => return not_understood::<Self>(),
        }
        Ok(())
    }
}

/// A place on the tablet, of which 0 is one edge and 100 the other.
fn place(word: &str) -> Result<u16> {
    let percent: f64 = number(word.strip_suffix('%').unwrap_or(word))?;
    if !(0.0..=100.0).contains(&percent) {
        bail!("`{word}` is not from 0% to 100%");
    }
    // Within the range of the type by the check above.
    Ok((percent / 100.0 * f64::from(EDGE)).round() as u16)
}

impl Obey for Gamepad {
    const LINES: &'static str = "left X Y, right X Y (-1 to 1), triggers LEFT RIGHT (0 to 1), \
        hat up|up-right|right|...|off, press|release 1..12, rest";

    fn obey(&self, words: &[&str]) -> Result<()> {
        let mut input = self.input();
        match *words {
            ["left", x, y] => input.left = (stick(x)?, stick(y)?),
            ["right", x, y] => input.right = (stick(x)?, stick(y)?),
            ["triggers", left, right] => input.triggers = (trigger(left)?, trigger(right)?),
            ["hat", direction] => input.hat = hat(direction)?,
            ["press", name] => input.buttons |= mask(name)?,
            ["release", name] => input.buttons &= !mask(name)?,
            ["rest"] => input = GamepadInput::default(),
            _ => return not_understood::<Self>(),
        }
        self.set(input);
        Ok(())
    }
}

fn within(word: &str, least: f64) -> Result<f64> {
    let fraction: f64 = number(word)?;
    if !(least..=1.0).contains(&fraction) {
        bail!("`{word}` is not from {least} to 1");
    }
    Ok(fraction)
}

// Both casts are of values within the range of the type.
fn stick(word: &str) -> Result<i16> {
    Ok((within(word, -1.0)? * f64::from(i16::MAX)).round() as i16)
}

fn trigger(word: &str) -> Result<u8> {
    Ok((within(word, 0.0)? * f64::from(u8::MAX)).round() as u8)
}

fn mask(word: &str) -> Result<u16> {
    match number(word)? {
        button @ 1..=12_u16 => Ok(1 << (button - 1)),
        _ => bail!("`{word}` is no button: they are 1 to 12"),
    }
}

fn hat(word: &str) -> Result<Option<Hat>> {
    Ok(Some(match word {
        "up" => Hat::Up,
        "up-right" => Hat::UpRight,
        "right" => Hat::Right,
        "down-right" => Hat::DownRight,
        "down" => Hat::Down,
        "down-left" => Hat::DownLeft,
        "left" => Hat::Left,
        "up-left" => Hat::UpLeft,
        "off" => return Ok(None),
        _ => bail!("`{word}` is no direction: they are up, up-right and so on around, and off"),
    }))
}

impl Obey for ConsumerControl {
    const LINES: &'static str = "tap|press|release volume-up|volume-down|mute|play|stop|next|previous, \
        or a usage of the consumer page such as 0x6f";

    fn obey(&self, words: &[&str]) -> Result<()> {
        match *words {
            ["tap", name] => self.tap(media_key(name)?)?,
            ["press", name] => self.press(media_key(name)?)?,
            ["release", name] => self.release(media_key(name)?)?,
            _ => return not_understood::<Self>(),
        }
        Ok(())
    }
}

fn media_key(word: &str) -> Result<u16> {
    Ok(match word {
        "volume-up" => media::VOLUME_UP,
        "volume-down" => media::VOLUME_DOWN,
        "mute" => media::MUTE,
        "play" => media::PLAY_PAUSE,
        "stop" => media::STOP,
        "next" => media::NEXT_TRACK,
        "previous" => media::PREVIOUS_TRACK,
        other => {
            let digits = other.strip_prefix("0x");
            let usage = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
            usage.with_context(|| format!("`{other}` is neither a media key nor a usage"))?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_move_the_controls() {
        let mouse = Mouse::new();
        obey_line(&*mouse, "move 10 -5").unwrap();
        obey_line(&*mouse, "  click   left ").unwrap();
        obey_line(&*mouse, "").unwrap();
        assert_eq!(mouse.pending(), 3);
        let gamepad = Gamepad::new();
        for line in [
            "left -1 0.5",
            "triggers 1 0",
            "hat down-left",
            "press 12",
            "press 1",
        ] {
            obey_line(&*gamepad, line).unwrap();
        }
        let input = GamepadInput {
            left: (-32_767, 16_384),
            triggers: (255, 0),
            hat: Some(Hat::DownLeft),
            buttons: 0b1000_0000_0001,
            ..GamepadInput::default()
        };
        assert_eq!(gamepad.input(), input);
        let tablet = Tablet::new();
        obey_line(&*tablet, "at 0% 100%").unwrap();
        assert_eq!(tablet.pending(), 1);
        let controls = ConsumerControl::new();
        obey_line(&*controls, "tap volume-up").unwrap();
        obey_line(&*controls, "press 0x6f").unwrap();
        assert_eq!(controls.pending(), 3);
    }

    #[test]
    fn lines_that_make_no_sense_say_what_does() {
        let complaint = |line| obey_line(&*Mouse::new(), line).unwrap_err().to_string();
        assert!(complaint("jump").contains("lines are: move RIGHT DOWN"));
        assert!(complaint("move 1").contains("lines are"));
        assert_eq!(complaint("move 1 x"), "`x` is no number, or too large");
        assert!(complaint("click up").contains("left, right and middle"));
        let gamepad = Gamepad::new();
        for line in [
            "left 2 0",
            "press 13",
            "press 0",
            "hat north",
            "triggers -1 0",
        ] {
            assert!(obey_line(&*gamepad, line).is_err(), "{line}");
        }
        assert!(obey_line(&*ConsumerControl::new(), "tap 0x0").is_err());
        assert!(obey_line(&*Tablet::new(), "at 101% NaN").is_err());
    }
}
