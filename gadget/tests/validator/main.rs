//! What the validator says, before anything is bound.

mod boards;
mod everywhere;
mod functionfs;
mod gadgetfs;
mod ready;

use std::sync::Arc;

use usbfs2_gadget::{
    DeviceIds, Endpoints, Function, FunctionBuilder, FunctionError, Gadget, GadgetBuilder,
    InterfaceClass,
};

type Description = Box<dyn Fn(&mut FunctionBuilder<'_>) + Send + Sync>;

/// A function that is only described.
struct Described(Description);

impl Function for Described {
    fn name(&self) -> &str {
        "described"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        (self.0)(builder);
    }

    fn run(&self, endpoints: Endpoints) -> Result<(), FunctionError> {
        endpoints.session().wait_disabled();
        Ok(())
    }
}

const IDS: DeviceIds = DeviceIds {
    vendor: 0x1209,
    product: 1,
    release: 0,
};

/// A gadget of one function.
fn described(
    description: impl Fn(&mut FunctionBuilder<'_>) + Send + Sync + 'static,
) -> GadgetBuilder {
    Gadget::builder(IDS).function(Arc::new(Described(Box::new(description))))
}

/// A gadget of one vendor interface with nothing wrong.
fn plain() -> GadgetBuilder {
    described(|builder| {
        builder.interface(InterfaceClass::VENDOR);
    })
}

/// What build() objects to, in words.
fn objections(builder: GadgetBuilder) -> Vec<String> {
    match builder.build() {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .problems()
            .iter()
            .map(ToString::to_string)
            .collect(),
    }
}
