//! The command as users run it: what it prints, what it complains of, and its exit code. Everything here
//! passes on a machine with USB and without it.

mod arguments;
mod bad_input;
mod broken_pipe;
mod demo;
mod gadget;
mod machine;
mod man;
mod outcome;
