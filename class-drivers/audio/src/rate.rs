//! The sampling frequency of an Audio 1.0 endpoint.

use usbfs2_host::{EndpointAddress, Interface, Waiting};

use crate::error::{ControlError, StreamError};
use crate::format::Rates;
use crate::requests::{endpoint_rate, set_endpoint_rate};

/// Sets the rate and reads it back. A device that does not say, or says what none of its `rates` is near, is believed
/// to have taken it, as Linux believes it: many say nonsense. One that says another of its rates is not.
pub(crate) async fn set(
    waiting: Waiting,
    interface: &Interface,
    endpoint: EndpointAddress,
    rates: &Rates,
    rate: u32,
) -> Result<(), StreamError> {
    set_endpoint_rate(waiting, interface, endpoint, rate).await?;
    match endpoint_rate(waiting, interface, endpoint).await {
        Err(ControlError::Disconnected) => Err(ControlError::Disconnected.into()),
        Ok(actual) if is_another(rates, rate, actual) => Err(StreamError::Rate {
            asked: rate,
            actual,
        }),
        Ok(actual) if actual != rate => {
            log::warn!("endpoint {endpoint} was set to {rate} Hz and says {actual} Hz");
            Ok(())
        }
        _ => Ok(()),
    }
}

fn is_another(rates: &Rates, rate: u32, actual: u32) -> bool {
    // A device with a divider rounds: a part in a thousand is the same rate.
    rates.contains(actual) && actual.abs_diff(rate) > rate / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_of_the_rates_is_another_rate() {
        let rates = Rates::new([44_100..=44_100, 48_000..=48_000]);
        assert!(is_another(&rates, 48_000, 44_100));
        assert!(!is_another(&rates, 48_000, 48_000));
        assert!(!is_another(&rates, 48_000, 47_990));
        assert!(!is_another(&rates, 48_000, 0));
        assert!(!is_another(&Rates::new([8_000..=96_000]), 48_000, 48_040));
        assert!(is_another(&Rates::new([8_000..=96_000]), 48_000, 32_000));
    }
}
