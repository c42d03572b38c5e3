//! Where a firmware is to run.

use usbfs2_loopback::Bus;
use usbfs2_protocol::Speed;

use super::allocation::Allocation;
use super::description::Description;
use super::error::FirmwareError;
use crate::controller::Plugged;
use crate::gadgetfs::{self, Mount};
use crate::keeper::Keeper;
use crate::loopback;
use crate::start::{GadgetfsOptions, StartError};
use crate::udc::Udc;

#[derive(Debug)]
pub(super) enum Target {
    Loopback {
        bus: Bus,
        speed: Speed,
    },
    Gadgetfs {
        mount: Mount,
        keeper: Option<Keeper>,
        /// Whether the controller's endpoints are known for certain.
        is_udc_certain: bool,
    },
    /// None: the firmware is asked what it is, and that is all.
    Check,
}

impl Target {
    /// The machine's controller, with the endpoints that it has as far as its name says.
    pub(super) fn gadgetfs(options: &GadgetfsOptions) -> Result<(Self, Udc), StartError> {
        let mount = Mount::at(&options.mount)?;
        let keeper = options.keeper.clone();
        let udc = match &options.udc {
            Some(udc) => udc.clone(),
            None => gadgetfs::controller(&mount, false, keeper.as_ref())?,
        };
        let target = Self::Gadgetfs {
            mount,
            keeper,
            is_udc_certain: options.udc.is_some(),
        };
        Ok((target, udc))
    }

    /// Looks which isochronous endpoints the controller has, if that has been left open.
    pub(super) fn look_for_isochronous(
        &mut self,
        allocation: &mut Allocation,
    ) -> Result<(), StartError> {
        if let Self::Gadgetfs {
            mount,
            keeper,
            is_udc_certain: is_certain @ false,
        } = self
            && !allocation.udc().carries_isochronous()
        {
            allocation.replace_udc(gadgetfs::controller(mount, true, keeper.as_ref())?);
            *is_certain = true;
        }
        Ok(())
    }

    /// The speed of the device, where that is the target's to say.
    pub(super) fn speed(&self) -> Option<Speed> {
        match self {
            Self::Loopback { speed, .. } => Some(*speed),
            Self::Gadgetfs { .. } | Self::Check => None,
        }
    }

    /// Whether OUT requests with data are acknowledged before the firmware sees them.
    pub(super) fn acknowledges_data(&self) -> bool {
        matches!(self, Self::Gadgetfs { .. })
    }

    /// Whether nothing but the firmware's demands counts.
    pub(super) fn is_check(&self) -> bool {
        matches!(self, Self::Check)
    }

    /// Puts the device on the bus, where there is one.
    pub(super) fn connect(
        &self,
        description: &Description,
        udc: &Udc,
    ) -> Result<Option<Plugged>, FirmwareError> {
        match self {
            Self::Loopback { bus, speed } => Ok(Some(loopback::plug_described(bus, *speed)?)),
            Self::Check => {
                description.check_gadgetfs()?;
                description.check_controller(udc)?;
                Ok(None)
            }
            Self::Gadgetfs { mount, keeper, .. } => {
                description.check_gadgetfs()?;
                let high_speed = description
                    .is_high_speed()
                    .then_some(&*description.configuration);
                Ok(Some(gadgetfs::plug_described(
                    mount,
                    udc.clone(),
                    &description.full_speed_configuration(),
                    high_speed,
                    &description.device,
                    keeper.as_ref(),
                )?))
            }
        }
    }
}
