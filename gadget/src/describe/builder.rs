//! The builders a function's `describe` works with.

use super::model::AssociationModel;
use super::{
    AlternateSettingModel, EndpointModel, EndpointRequest, FunctionModel, InterfaceClass,
    InterfaceModel, Strings,
};

/// One of a function's interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InterfaceHandle {
    index: u8,
    number: u8,
}

impl InterfaceHandle {
    pub(crate) fn new(index: u8, number: u8) -> Self {
        Self { index, number }
    }

    /// Which of the function's interfaces, counted from 0.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.index)
    }

    /// The number in the configuration, which requests and class-specific descriptors name.
    #[must_use]
    #[doc(alias = "bInterfaceNumber")]
    pub fn number(self) -> u8 {
        self.number
    }
}

/// One of a function's endpoints: what [`Endpoints::take`](crate::Endpoints::take) is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EndpointHandle(pub(crate) usize);

impl EndpointHandle {
    /// Which of the function's endpoints, counted from 0 over all its interfaces and alternate
    /// settings.
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }
}

/// Declares a function: see [`Function::describe`](crate::Function::describe).
///
/// Interfaces are numbered as they are added. Mistakes are collected and reported by
/// [`GadgetBuilder::build`](crate::GadgetBuilder::build), not here.
#[derive(Debug)]
pub struct FunctionBuilder<'a> {
    function: FunctionModel,
    first_interface: usize,
    strings: &'a mut Strings,
}

impl<'a> FunctionBuilder<'a> {
    pub(crate) fn new(name: &str, first_interface: usize, strings: &'a mut Strings) -> Self {
        Self {
            function: FunctionModel {
                name: name.to_owned(),
                ..FunctionModel::default()
            },
            first_interface,
            strings,
        }
    }

    /// Adds an interface, with alternate setting 0.
    pub fn interface(&mut self, class: InterfaceClass) -> InterfaceBuilder<'_> {
        let index = self.function.interfaces.len();
        let number = self.first_interface + index;
        self.function.interfaces.push(InterfaceModel {
            number,
            alternate_settings: vec![alternate_setting(class)],
            descriptors: Vec::new(),
        });
        InterfaceBuilder {
            // A gadget with more than 255 interfaces is reported when it is built.
            handle: InterfaceHandle::new(saturated(index), saturated(number)),
            interface: &mut self.function.interfaces[index],
            endpoint_count: &mut self.function.endpoint_count,
            strings: self.strings,
        }
    }

    /// Says that all the function's interfaces belong together, as those of an audio function do.
    ///
    /// The gadget's device class becomes [`InterfaceClass::ASSOCIATIONS`] unless it was set.
    #[doc(alias = "IAD")]
    pub fn association(&mut self, class: InterfaceClass, name: Option<&str>) -> &mut Self {
        let string_index = name.map_or(0, |name| self.strings.add(name));
        self.function.association = Some(AssociationModel {
            class,
            string_index,
        });
        self
    }

    /// Gives each interface a run of its own: [`Function::run`](crate::Function::run) is called for each, on a thread of
    /// its own, with that interface's endpoints ([`Endpoints::interface`](crate::Endpoints::interface)). So SET_INTERFACE
    /// of one disturbs no transfer of another, as it must not where each is a stream.
    pub fn independent_interfaces(&mut self) -> &mut Self {
        self.function.independent_interfaces = true;
        self
    }

    /// Adds a string and returns its index, for class-specific descriptors that name one.
    pub fn string(&mut self, text: &str) -> u8 {
        self.strings.add(text)
    }

    pub(crate) fn finish(self) -> FunctionModel {
        self.function
    }
}

/// Declares an interface: its descriptors and endpoints, in the order they are to have.
#[derive(Debug)]
pub struct InterfaceBuilder<'a> {
    handle: InterfaceHandle,
    interface: &'a mut InterfaceModel,
    endpoint_count: &'a mut usize,
    strings: &'a mut Strings,
}

impl InterfaceBuilder<'_> {
    /// The interface's index in the function and number in the configuration.
    #[must_use]
    pub fn handle(&self) -> InterfaceHandle {
        self.handle
    }

    /// Names the current alternate setting.
    #[doc(alias = "iInterface")]
    pub fn name(&mut self, name: &str) -> &mut Self {
        let index = self.strings.add(name);
        self.current().string_index = index;
        self
    }

    /// Adds a class-specific descriptor between the interface's and its endpoints': all its bytes, length
    /// and type first. GET_DESCRIPTOR of the interface answers it too.
    pub fn class_descriptor(&mut self, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.current().class_descriptors.push(bytes.into());
        self
    }

    /// Answers GET_DESCRIPTOR of the interface for a type that is not in the configuration, such as
    /// HID's report descriptor.
    pub fn descriptor(&mut self, descriptor_type: u8, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.interface
            .descriptors
            .push((descriptor_type, bytes.into()));
        self
    }

    /// Adds an endpoint to the current alternate setting.
    pub fn endpoint(&mut self, request: EndpointRequest) -> EndpointHandle {
        let index = *self.endpoint_count;
        *self.endpoint_count += 1;
        self.current()
            .endpoints
            .push(EndpointModel { index, request });
        EndpointHandle(index)
    }

    /// Starts the next alternate setting: what follows belongs to it (USB 2.0 9.6.5).
    ///
    /// SET_INTERFACE ends the function's run and starts it anew with the chosen setting's endpoints.
    pub fn alternate_setting(&mut self, class: InterfaceClass) -> &mut Self {
        self.interface
            .alternate_settings
            .push(alternate_setting(class));
        self
    }

    fn current(&mut self) -> &mut AlternateSettingModel {
        let last = self.interface.alternate_settings.len() - 1;
        &mut self.interface.alternate_settings[last]
    }
}

fn alternate_setting(class: InterfaceClass) -> AlternateSettingModel {
    AlternateSettingModel {
        class,
        string_index: 0,
        class_descriptors: Vec::new(),
        endpoints: Vec::new(),
    }
}

fn saturated(count: usize) -> u8 {
    u8::try_from(count).unwrap_or(u8::MAX)
}
