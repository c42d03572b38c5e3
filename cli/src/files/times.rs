//! Times as FAT has them: local, in steps of two seconds (10 ms for the creation), from 1980 to 2107.

use std::cell::Cell;
use std::time::SystemTime;

use chrono::{DateTime, Datelike, Local, NaiveDate, NaiveDateTime, Timelike};
use fatfs::TimeProvider;

thread_local! {
    static STAMP: Cell<Option<SystemTime>> = const { Cell::new(None) };
}

/// Gives what is created or written on a disk the time of its source: the library asks for one while it
/// writes, and has no other safe way to set it.
#[derive(Debug)]
pub(crate) struct SourceTime;

impl SourceTime {
    /// From now on, this time; the present without one.
    pub(crate) fn set(time: Option<SystemTime>) {
        STAMP.set(time);
    }
}

impl TimeProvider for SourceTime {
    fn get_current_date(&self) -> fatfs::Date {
        self.get_current_date_time().date
    }

    fn get_current_date_time(&self) -> fatfs::DateTime {
        to_fat(STAMP.get().unwrap_or_else(SystemTime::now))
    }
}

fn to_fat(time: SystemTime) -> fatfs::DateTime {
    let time: DateTime<Local> = time.into();
    let year = time.year();
    let within = (1980..=2107).contains(&year);
    let number = |number: u32| u16::try_from(number).unwrap_or_default();
    let (month, day) = match within {
        true => (time.month(), time.day()),
        false => (1, 1),
    };
    fatfs::DateTime {
        date: fatfs::Date {
            year: u16::try_from(year.clamp(1980, 2107)).unwrap_or(1980),
            month: number(month),
            day: number(day),
        },
        time: fatfs::Time {
            hour: number(time.hour()),
            min: number(time.minute()),
            sec: number(time.second().min(59)),
            millis: number(time.timestamp_subsec_millis().min(999)),
        },
    }
}

/// The time as a calendar has it; `None` for what is none, zeros for instance.
pub(crate) fn to_calendar(time: fatfs::DateTime) -> Option<NaiveDateTime> {
    let fatfs::DateTime { date, time } = time;
    NaiveDate::from_ymd_opt(date.year.into(), date.month.into(), date.day.into())?
        .and_hms_milli_opt(
            time.hour.into(),
            time.min.into(),
            time.sec.into(),
            time.millis.into(),
        )
}

/// The moment; `None` also for what the clocks skip when they are put forward.
pub(crate) fn to_system(time: fatfs::DateTime) -> Option<SystemTime> {
    let time = to_calendar(time)?.and_local_timezone(Local).earliest()?;
    Some(time.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_moment_survives() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(to_system(to_fat(moment)), Some(moment));
    }

    #[test]
    fn what_fat_cannot_hold_becomes_the_nearest_it_can() {
        let year = |seconds| {
            let date = to_fat(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).date;
            (date.year, date.month, date.day)
        };
        assert_eq!(year(86_400), (1980, 1, 1));
        assert_eq!(year(200 * 366 * 86_400), (2107, 1, 1));
    }

    #[test]
    fn no_date_is_none() {
        let mut zeros = to_fat(SystemTime::now());
        (zeros.date.month, zeros.date.day) = (0, 0);
        assert_eq!(to_calendar(zeros), None);
    }
}
