//! The wall clock in local time, without a time zone library in a long-lived process.

use std::mem::MaybeUninit;
use std::time::{SystemTime, UNIX_EPOCH};

/// Length of [`rfc3339_now`]'s text.
pub const RFC3339_LENGTH: usize = 35;

/// The present as `2026-11-21T09:41:49.123456789+00:00`, in the time zone of the environment (TZ, /etc/localtime).
pub fn rfc3339_now() -> String {
    rfc3339(SystemTime::now())
}

fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs() as libc::time_t;
    let mut parts = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: localtime_r reads one number and fills the structure; all-zero is a valid one, should it fail.
    let parts = unsafe {
        libc::localtime_r(&seconds, parts.as_mut_ptr());
        parts.assume_init()
    };
    let offset = parts.tm_gmtoff / 60;
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}{}{:02}:{:02}",
        parts.tm_year + 1900,
        parts.tm_mon + 1,
        parts.tm_mday,
        parts.tm_hour,
        parts.tm_min,
        parts.tm_sec,
        since.subsec_nanos(),
        if offset < 0 { '-' } else { '+' },
        offset.abs() / 60,
        offset.abs() % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_present_is_a_time_that_others_can_read() {
        let text = rfc3339_now();
        assert_eq!(text.len(), RFC3339_LENGTH);
        let parsed: jiff::Timestamp = text.parse().unwrap();
        assert!(jiff::Timestamp::now().duration_since(parsed).as_secs().abs() < 5);
    }
}
