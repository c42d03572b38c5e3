//! A gadget: identity and functions, not yet on a bus.

use std::fmt;
use std::sync::Arc;

use usbfs2_protocol::{Speed, TransferType};

use crate::check::{self, DescriptorProblems, Problem, Target};
use crate::describe::{FunctionBuilder, FunctionModel, InterfaceClass, Strings};
use crate::function::Function;

/// The numbers by which hosts recognise a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceIds {
    /// The vendor, a number the USB-IF gives out.
    #[doc(alias = "idVendor")]
    pub vendor: u16,
    /// The product, the vendor's choice.
    #[doc(alias = "idProduct")]
    pub product: u16,
    /// The release as binary-coded decimal: 0x0123 is 1.2.3.
    #[doc(alias = "bcdDevice")]
    pub release: u16,
}

/// A device made of functions: build it, check it against where it is to run, start it there.
///
/// Cloning is cheap and shares the functions, which can run in one place at a time.
#[derive(Clone)]
pub struct Gadget {
    pub(crate) model: Arc<GadgetModel>,
    pub(crate) functions: Vec<Arc<dyn Function>>,
}

impl fmt::Debug for Gadget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gadget")
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// Everything the functions and the builder declared, with interface numbers and string indices.
#[derive(Debug)]
pub(crate) struct GadgetModel {
    pub(crate) ids: DeviceIds,
    pub(crate) class: InterfaceClass,
    pub(crate) manufacturer: u8,
    pub(crate) product: u8,
    pub(crate) serial_number: u8,
    pub(crate) self_powered: bool,
    pub(crate) remote_wakeup: bool,
    pub(crate) max_power_milliamperes: u16,
    pub(crate) slowest: Speed,
    pub(crate) fastest: Speed,
    pub(crate) functions: Vec<FunctionModel>,
    pub(crate) strings: Strings,
}

impl GadgetModel {
    /// The only configuration's bConfigurationValue.
    pub(crate) const CONFIGURATION: u8 = 1;

    pub(crate) fn supports(&self, speed: Speed) -> bool {
        (self.slowest..=self.fastest).contains(&speed)
    }

    pub(crate) fn has_isochronous(&self) -> bool {
        let mut endpoints = self.functions.iter().flat_map(FunctionModel::endpoints);
        endpoints.any(|endpoint| endpoint.request.transfer_type == TransferType::Isochronous)
    }
}

impl Gadget {
    /// Starts the description of a device.
    #[must_use]
    pub fn builder(ids: DeviceIds) -> GadgetBuilder {
        GadgetBuilder {
            ids,
            class: None,
            manufacturer: None,
            product: None,
            serial_number: None,
            self_powered: false,
            remote_wakeup: false,
            max_power_milliamperes: 100,
            slowest: Speed::Full,
            fastest: Speed::Super,
            functions: Vec::new(),
        }
    }

    /// Explains everything that `target` would refuse or silently change, without touching it. Empty
    /// when the gadget can start there.
    #[must_use]
    pub fn check(&self, target: &Target) -> Vec<Problem> {
        check::check(&self.model, target)
    }
}

/// Describes a [`Gadget`].
pub struct GadgetBuilder {
    ids: DeviceIds,
    class: Option<InterfaceClass>,
    manufacturer: Option<String>,
    product: Option<String>,
    serial_number: Option<String>,
    self_powered: bool,
    remote_wakeup: bool,
    max_power_milliamperes: u16,
    slowest: Speed,
    fastest: Speed,
    functions: Vec<Arc<dyn Function>>,
}

impl fmt::Debug for GadgetBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions: Vec<&str> = self.functions.iter().map(|one| one.name()).collect();
        f.debug_struct("GadgetBuilder")
            .field("ids", &self.ids)
            .field("functions", &functions)
            .finish_non_exhaustive()
    }
}

impl GadgetBuilder {
    /// Names the maker.
    #[must_use]
    #[doc(alias = "iManufacturer")]
    pub fn manufacturer(mut self, text: impl Into<String>) -> Self {
        self.manufacturer = Some(text.into());
        self
    }

    /// Names the product.
    #[must_use]
    #[doc(alias = "iProduct")]
    pub fn product(mut self, text: impl Into<String>) -> Self {
        self.product = Some(text.into());
        self
    }

    /// Sets this piece's number. Mass storage wants at least 12 of the digits 0-9 and A-F (BOT 4.1.1).
    #[must_use]
    #[doc(alias = "iSerialNumber")]
    pub fn serial_number(mut self, text: impl Into<String>) -> Self {
        self.serial_number = Some(text.into());
        self
    }

    /// Sets the device class. Without this call: 0 (each interface says its own), or
    /// [`InterfaceClass::ASSOCIATIONS`] when a function has an interface association.
    #[must_use]
    #[doc(alias = "bDeviceClass")]
    pub fn device_class(mut self, class: InterfaceClass) -> Self {
        self.class = Some(class);
        self
    }

    /// Says whether the device has a power supply of its own. Default: false.
    #[must_use]
    pub fn self_powered(mut self, self_powered: bool) -> Self {
        self.self_powered = self_powered;
        self
    }

    /// Says whether the device may wake the host. gadgetfs refuses it. Default: false.
    #[must_use]
    pub fn remote_wakeup(mut self, remote_wakeup: bool) -> Self {
        self.remote_wakeup = remote_wakeup;
        self
    }

    /// The most current the device draws from the bus, in milliamperes, rounded up to the unit of
    /// bMaxPower (2 mA, 8 mA at super speed). Default: 100.
    #[must_use]
    #[doc(alias = "bMaxPower")]
    pub fn max_power_milliamperes(mut self, milliamperes: u16) -> Self {
        self.max_power_milliamperes = milliamperes;
        self
    }

    /// The speeds the gadget offers. Default: full to super speed.
    #[must_use]
    pub fn speeds(mut self, slowest: Speed, fastest: Speed) -> Self {
        self.slowest = slowest;
        self.fastest = fastest;
        self
    }

    /// Adds a function. Its interfaces follow those of the functions before.
    #[must_use]
    pub fn function(mut self, function: Arc<dyn Function>) -> Self {
        self.functions.push(function);
        self
    }

    /// Asks every function to describe itself and checks what no target would take.
    ///
    /// # Errors
    /// [`DescriptorProblems`], all of them, each saying what to change.
    pub fn build(self) -> Result<Gadget, DescriptorProblems> {
        let mut strings = Strings::default();
        let mut add = |text: &Option<String>| text.as_ref().map_or(0, |text| strings.add(text));
        let manufacturer = add(&self.manufacturer);
        let product = add(&self.product);
        let serial_number = add(&self.serial_number);

        let mut functions: Vec<FunctionModel> = Vec::new();
        let mut interface_count = 0;
        for function in &self.functions {
            let mut builder = FunctionBuilder::new(function.name(), interface_count, &mut strings);
            function.describe(&mut builder);
            let model = builder.finish();
            interface_count += model.interfaces.len();
            functions.push(model);
        }

        let associated = functions.iter().any(|one| one.association.is_some());
        let class = self.class.unwrap_or(if associated {
            InterfaceClass::ASSOCIATIONS
        } else {
            InterfaceClass::default()
        });
        let model = GadgetModel {
            ids: self.ids,
            class,
            manufacturer,
            product,
            serial_number,
            self_powered: self.self_powered,
            remote_wakeup: self.remote_wakeup,
            max_power_milliamperes: self.max_power_milliamperes,
            slowest: self.slowest,
            fastest: self.fastest,
            functions,
            strings,
        };
        DescriptorProblems::none_in(check::check_everywhere(&model))?;
        Ok(Gadget {
            model: Arc::new(model),
            functions: self.functions,
        })
    }
}
