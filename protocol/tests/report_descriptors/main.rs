//! Report descriptors of the kinds of devices people have, every shape the specification allows, and those
//! that make no sense.

mod corpus;
mod devices;
mod properties;
mod shapes;
mod wrong;
